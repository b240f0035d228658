//! Completion of a half-typed action, from the table of actions.

use super::claim::{FieldRow, Kind, Subject};
use super::rows::{ACTIONS, ActionRow, Slot};
use super::topology::builtins;
use super::view::LabView;

/// Everything that a half-typed action could become with its last word completed; each item is
/// the whole new text.
pub fn complete(text: &str, lab: &LabView) -> Vec<String> {
    let partial = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let before = &text[..text.len() - partial.len()];
    let words: Vec<&str> = before.split_whitespace().collect();
    let candidates = match words.split_first() {
        None => ACTIONS.iter().map(|row| row.name.to_owned()).collect(),
        Some((verb, words)) => {
            ActionRow::of(verb).map_or_else(Vec::new, |row| next(row, words, partial, lab))
        }
    };
    let fits = |candidate: &String| candidate.starts_with(partial) && candidate != partial;
    candidates.into_iter().filter(fits).map(|candidate| format!("{before}{candidate}")).collect()
}

/// What can stand after the words of an action.
fn next(row: &ActionRow, mut words: &[&str], partial: &str, lab: &LabView) -> Vec<String> {
    let mut candidates = Vec::new();
    for slot in row.slots {
        let (taken, optional) = slot.takes(words);
        if let Some(rest) = words.get(taken..).filter(|_| !words.is_empty() || optional) {
            if words.is_empty() || (*slot == Slot::Nodes && rest.is_empty()) {
                candidates.extend(slot.candidates(words, partial, lab));
            }
            words = rest;
            continue;
        }
        candidates.extend(slot.candidates(words, partial, lab));
        return candidates;
    }
    if words.is_empty() { candidates } else { Vec::new() }
}

impl Slot {
    /// How many of the words belong here once it is complete, and whether it may be left out.
    fn takes(self, words: &[&str]) -> (usize, bool) {
        match self {
            Self::Link if words.first().is_some_and(|word| word.contains("->")) => (1, false),
            Self::Link => (2, false),
            Self::Nodes => (words.iter().take_while(|word| **word != "for").count().max(1), true),
            Self::Jitter => {
                (usize::from(words.first().is_some_and(|word| word.starts_with("+-"))), true)
            }
            Self::For | Self::Topology if words.is_empty() => (0, true),
            Self::For => (2, false),
            Self::Claim => (usize::MAX, false),
            Self::Node
            | Self::Monitor
            | Self::NodeOrMonitor
            | Self::Topology
            | Self::Duration
            | Self::Throughput
            | Self::Rate => (1, false),
        }
    }

    /// What can stand here after the words that are here already.
    fn candidates(self, words: &[&str], partial: &str, lab: &LabView) -> Vec<String> {
        let nodes: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
        let monitors: Vec<&str> = lab.monitors.iter().map(|row| row.name.as_str()).collect();
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        match self {
            Self::Node => list(&nodes),
            Self::Nodes => {
                list(&nodes.into_iter().filter(|n| !words.contains(n)).collect::<Vec<_>>())
            }
            Self::Monitor => list(&monitors),
            Self::NodeOrMonitor => list(&[nodes, monitors].concat()),
            Self::Link => link(words, partial, &nodes),
            Self::Duration => list(&["50ms", "200ms", "1s", "5s"]),
            Self::Jitter => list(&["+-10ms"]),
            Self::Throughput => list(&["10kb", "50kb", "1mb"]),
            Self::Rate => list(&["off", "50/s", "200/s", "1000/s"]),
            Self::For if words.is_empty() => list(&["for"]),
            Self::For => list(&["5s", "10s", "30s"]),
            Self::Claim => claim(words, lab),
            Self::Topology => builtins().iter().map(|builtin| builtin.name.to_owned()).collect(),
        }
    }
}

fn link(words: &[&str], partial: &str, names: &[&str]) -> Vec<String> {
    if let Some(first) = words.first() {
        return names.iter().filter(|name| *name != first).map(|n| (*n).to_owned()).collect();
    }
    let Some(arrow) = partial.find("->") else {
        return names.iter().map(|name| (*name).to_owned()).collect();
    };
    let typed = &partial[..arrow + 2];
    let others = names.iter().filter(|name| typed.trim_end_matches(['<', '-', '>']) != **name);
    others.map(|name| format!("{typed}{name}")).collect()
}

fn claim(words: &[&str], lab: &LabView) -> Vec<String> {
    let conditions = |row: &FieldRow| match row.kind {
        Kind::Words(words) => words.iter().map(|word| format!("{}={word}", row.name)).collect(),
        _ => vec![format!("{}=", row.name)],
    };
    match words {
        [] => {
            let nodes = lab.nodes.iter().map(|node| node.name.clone());
            let monitors = lab.monitors.iter().map(|monitor| monitor.name.clone());
            nodes.chain(monitors).chain(["lab".to_owned()]).collect()
        }
        [.., "within"] => vec!["5s".to_owned(), "10s".to_owned(), "30s".to_owned()],
        [.., before, _] if *before == "within" => Vec::new(),
        [subject, rest @ ..] => {
            let fields = Subject::of(subject, lab).map_or(&[][..], |(of, _)| of.fields());
            let within = (!rest.is_empty()).then(|| "within".to_owned());
            fields.iter().flat_map(conditions).chain(within).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fake;
    use super::super::view::{LabView, MonitorRow};

    fn picture() -> LabView {
        let mut view = fake::lab(&[("alpha", None), ("bravo", None)]).view();
        let (name, sentinels) = ("mymaster".to_owned(), Vec::new());
        view.monitors =
            vec![MonitorRow { name, quorum: 2, down_after_ms: 1, primary: 0, sentinels }];
        view
    }

    fn complete(text: &str) -> Vec<String> {
        super::complete(text, &picture())
    }

    #[test]
    fn verbs_come_first() {
        assert_eq!(complete("re"), ["restart", "resume", "reset", "replicaof", "redis"]);
        assert!(complete("").len() > 10);
    }

    #[test]
    fn names_follow_the_verb_and_whole_words_are_not_offered_again() {
        assert_eq!(complete("kill "), ["kill alpha", "kill bravo"]);
        assert_eq!(complete("kill b"), ["kill bravo"]);
        assert!(complete("kill bravo").is_empty());
        assert!(complete("kill bravo ").is_empty());
    }

    #[test]
    fn where_several_nodes_can_stand_the_others_are_offered() {
        assert_eq!(complete("isolate "), ["isolate alpha", "isolate bravo"]);
        assert_eq!(complete("isolate alpha "), ["isolate alpha bravo", "isolate alpha for"]);
        assert_eq!(complete("isolate alpha for 1"), ["isolate alpha for 10s"]);
    }

    #[test]
    fn a_watched_primary_is_offered_where_one_is_wanted() {
        assert_eq!(complete("failover "), ["failover mymaster"]);
        assert_eq!(complete("expect mymaster prim"), ["expect mymaster primary="]);
        assert_eq!(complete("write 50/s my"), ["write 50/s mymaster"]);
    }

    #[test]
    fn a_link_completes_in_each_of_its_forms() {
        assert_eq!(complete("cut alpha "), ["cut alpha bravo"]);
        assert_eq!(complete("cut alpha->"), ["cut alpha->bravo"]);
        assert_eq!(complete("cut alpha<->b"), ["cut alpha<->bravo"]);
    }

    #[test]
    fn options_follow_what_they_belong_to() {
        assert_eq!(complete("cut alpha bravo "), ["cut alpha bravo for"]);
        assert_eq!(complete("cut alpha->bravo for 1"), ["cut alpha->bravo for 10s"]);
        let delay = complete("delay alpha bravo 50ms ");
        assert_eq!(delay, ["delay alpha bravo 50ms +-10ms", "delay alpha bravo 50ms for"]);
        let late = complete("delay alpha bravo 50ms +-10ms f");
        assert_eq!(late, ["delay alpha bravo 50ms +-10ms for"]);
    }

    #[test]
    fn claims_complete_to_fields_of_their_subject() {
        assert_eq!(complete("expect l"), ["expect lab"]);
        assert_eq!(
            complete("expect lab co"),
            ["expect lab converged=yes", "expect lab converged=no"]
        );
        assert!(complete("expect alpha role=primary w")[0].ends_with("within"));
    }

    proptest! {
        #[test]
        fn whatever_is_offered_begins_with_what_was_typed(
            text in "(redis|cut|expect|delay|write|heal)? ?(alpha|lab)?(->|<->| )?.{0,10}"
        ) {
            let view = picture();
            for offer in super::complete(&text, &view) {
                prop_assert!(offer.starts_with(&text) && offer.len() > text.len());
            }
        }
    }
}
