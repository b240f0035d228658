//! `[[steps]]`.

use std::ops::Range;

use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::monitor::MonitorDraft;
use super::names::Names;
use super::table::{Field, Notes, Table, did_you_mean};
use super::{StepSpec, WITHIN_DEFAULT_MS};
use crate::base::time::Millis;
use crate::lab::action::{Action, Claim, HealRef};
use crate::lab::claim::{Subject, check, check_is_clear};
use crate::lab::parse::{self, ParseError};
use crate::lab::view::NodeKind;

/// What steps may speak of.
pub struct Subjects<'d> {
    /// Servers and Sentinels.
    pub names: &'d Names<'d>,
    /// Watched primaries.
    pub monitors: &'d [MonitorDraft],
}

impl Subjects<'_> {
    fn has_monitor(&self, name: &str) -> bool {
        self.monitors.iter().any(|monitor| monitor.spec.name == name)
    }

    /// The primaries that a Sentinel watches.
    fn watched_by(&self, sentinel: &str) -> Vec<&str> {
        let watches = |monitor: &&MonitorDraft| {
            monitor.spec.sentinels.iter().any(|watching| watching == sentinel)
        };
        self.monitors.iter().filter(watches).map(|monitor| monitor.spec.name.as_str()).collect()
    }

    /// What a claim's subject is, if it is there.
    fn kind(&self, name: &str) -> Option<Subject> {
        let monitor = || self.has_monitor(name).then_some(Subject::Monitor);
        self.names.kind(name).map(Subject::from).or_else(monitor)
    }

    /// Whether a watched primary has that name; if not, that is noted.
    fn check_monitor(&self, name: &str, span: Range<usize>, notes: &mut Notes<'_>) -> bool {
        let known = || self.monitors.iter().map(|monitor| monitor.spec.name.as_str());
        if self.has_monitor(name) {
            return true;
        }
        let list = known().collect::<Vec<_>>().join(", ");
        let unknown = Diagnostic::error(span, format!("no Sentinel watches a primary `{name}`"));
        notes.add(match list.as_str() {
            "" => unknown.help("a monitor is a table: [monitors.mymaster]"),
            list => did_you_mean(unknown, name, known()).help(format!("there are {list}")),
        });
        false
    }
}

/// A name in a step, and what it shall be.
enum Mention<'t> {
    Node(&'t str),
    Server(&'t str),
    Monitor(&'t str),
    NodeOrMonitor(&'t str),
    ServerOrMonitor(&'t str),
}

impl<'t> Mention<'t> {
    fn name(&self) -> &'t str {
        match *self {
            Self::Node(name)
            | Self::Server(name)
            | Self::Monitor(name)
            | Self::NodeOrMonitor(name)
            | Self::ServerOrMonitor(name) => name,
        }
    }
}

/// Reads `[[steps]]`.
pub fn read_steps(
    field: Option<&Field<'_>>,
    names: &Subjects<'_>,
    notes: &mut Notes<'_>,
) -> Vec<StepSpec> {
    let Some(field) = field else { return Vec::new() };
    let wanted = "a list of tables, each begun with [[steps]]";
    let Some(list) = field.want(field.value.get_ref().as_array(), wanted, notes) else {
        return Vec::new();
    };
    let mut latest: Option<(Millis, Range<usize>)> = None;
    let mut steps = Vec::new();
    for item in list {
        let DeValue::Table(table) = item.get_ref() else {
            notes.add(Diagnostic::error(item.span(), format!("`steps` wants {wanted}")));
            continue;
        };
        let mut table = Table::new("a step", item.span(), table);
        let at = table.take("at");
        let at_ms = at.as_ref().and_then(|at| at.duration(notes));
        if let (Some(at), Some(at_ms)) = (at, at_ms) {
            if let Some((before, span)) = latest.filter(|(before, _)| at_ms < *before) {
                let message = "time goes back: steps happen in the order of the file";
                let before = format!("already {} here", duration_text(before));
                notes.add(Diagnostic::error(at.span(), message).related(span, before));
            }
            latest = Some((at_ms, at.span()));
        }
        steps.push(read_step(table, at_ms, names, notes));
    }
    steps
}

fn read_step(
    mut table: Table<'_>,
    at_ms: Option<Millis>,
    names: &Subjects<'_>,
    notes: &mut Notes<'_>,
) -> StepSpec {
    let span = table.span.clone();
    let line = notes.line(span.start);
    let order_field = table.take("do");
    let say_field = table.take("say");
    let expect_field = table.take("expect");
    let within_field = table.take("within");
    table.finish(notes);

    let say = say_field.as_ref().and_then(|say| say.string(notes)).map(str::to_owned);
    let order = order_field.as_ref().and_then(|order| read_order(order, names, notes));
    let claim = expect_field.as_ref().and_then(|claim| read_claim(claim, names, notes));
    let within = within_field.as_ref().and_then(|within| within.duration(notes));
    match (&order_field, &say_field, &expect_field, &within_field) {
        (None, None, None, _) => notes.add(
            Diagnostic::error(span, "a step in which nothing happens")
                .help("a step has `do` or `say` (or both), or `expect`"),
        ),
        (Some(other), _, Some(expect), _) | (None, Some(other), Some(expect), _) => notes.add(
            Diagnostic::error(
                expect.name_span.clone(),
                format!("`expect` and `{}` in one step", other.name),
            )
            .related(other.name_span.clone(), "what comes first?")
            .help("begin a step of its own for each with [[steps]]"),
        ),
        (_, _, None, Some(within)) => notes.add(
            Diagnostic::error(within.name_span.clone(), "`within` without `expect`")
                .help("an order takes no time; the time of a step is `at`"),
        ),
        _ => {}
    }

    let within = within.unwrap_or(WITHIN_DEFAULT_MS);
    let text = match (&order_field, &expect_field) {
        (Some(order), _) => order.value.get_ref().as_str().unwrap_or_default().trim().to_owned(),
        (None, Some(expect)) => format!(
            "expect {} within {}",
            expect.value.get_ref().as_str().unwrap_or_default().trim(),
            duration_text(within)
        ),
        (None, None) => say.clone().unwrap_or_default(),
    };
    let expect = claim.map(|claim| (claim, within));
    StepSpec { at_ms, say, order, expect, line, text }
}

fn read_order(field: &Field<'_>, names: &Subjects<'_>, notes: &mut Notes<'_>) -> Option<Action> {
    let text = field.string(notes)?;
    let action = match parse::action(text) {
        Ok(Action::Expect { .. }) => {
            notes.add(
                Diagnostic::error(field.span(), "an expectation is not an order")
                    .help("write it as expect = \"…\" and within = \"…\""),
            );
            return None;
        }
        Ok(Action::Launch { .. } | Action::Export { .. }) => {
            notes.add(Diagnostic::error(field.span(), "only the screen does this"));
            return None;
        }
        Ok(action) => action,
        Err(error) => {
            note_parse_error(field, text, error, notes);
            return None;
        }
    };
    let known = named_in_action(&action)
        .into_iter()
        .all(|mention| check_mention(field, text, &mention, names, notes));
    known.then_some(action)
}

fn read_claim(field: &Field<'_>, names: &Subjects<'_>, notes: &mut Notes<'_>) -> Option<Claim> {
    let text = field.string(notes)?;
    let claim = match parse::claim(text) {
        Ok(claim) => claim,
        Err(error) => {
            // Of somebody unknown, nothing else is worth a word.
            let subject = text.split_whitespace().next().filter(|word| *word != "lab");
            if subject.is_none_or(|name| {
                !parse::is_name(name)
                    || check_mention(field, text, &Mention::NodeOrMonitor(name), names, notes)
            }) {
                note_parse_error(field, text, error, notes);
            }
            return None;
        }
    };
    let known = named_in_claim(&claim)
        .into_iter()
        .all(|mention| check_mention(field, text, &mention, names, notes));
    (known && check_conditions(field, text, &claim, names, notes)).then_some(claim)
}

fn note_parse_error(field: &Field<'_>, text: &str, error: ParseError, notes: &mut Notes<'_>) {
    let span = notes.within(&field.span(), text, error.span);
    let diagnostic = Diagnostic::error(span, error.message);
    notes.add(error.help.into_iter().fold(diagnostic, Diagnostic::help));
}

/// Checks a name that a step's text speaks of.
fn check_mention(
    field: &Field<'_>,
    text: &str,
    mention: &Mention<'_>,
    subjects: &Subjects<'_>,
    notes: &mut Notes<'_>,
) -> bool {
    let name = mention.name();
    let part = find_word(text, name).unwrap_or(0..text.len());
    let span = notes.within(&field.span(), text, part);
    match mention {
        Mention::Monitor(_) => subjects.check_monitor(name, span, notes),
        Mention::NodeOrMonitor(_) | Mention::ServerOrMonitor(_) if subjects.has_monitor(name) => {
            true
        }
        Mention::Server(_) | Mention::ServerOrMonitor(_)
            if subjects.names.kind(name) == Some(NodeKind::Sentinel) =>
        {
            let message = format!("`{name}` is a Sentinel, and a server is wanted");
            notes.add(Diagnostic::error(span, message));
            false
        }
        _ if subjects.names.is_empty() => true,
        Mention::NodeOrMonitor(_) | Mention::ServerOrMonitor(_) => {
            let watched: Vec<&str> = subjects.monitors.iter().map(|m| &*m.spec.name).collect();
            subjects.names.check_or(name, &watched, span, notes)
        }
        _ => subjects.names.check(name, span, notes),
    }
}

/// Whether everything that a claim asks can be asked of its subject.
fn check_conditions(
    field: &Field<'_>,
    text: &str,
    claim: &Claim,
    subjects: &Subjects<'_>,
    notes: &mut Notes<'_>,
) -> bool {
    let Some(subject) = subjects.kind(&claim.subject) else { return true };
    let watched = subjects.watched_by(&claim.subject);
    let unclear = claim.conditions.iter().find_map(|it| check_is_clear(&it.field, &watched).err());
    if let Some(unclear) = unclear.filter(|_| subject == Subject::Sentinel) {
        notes.add(Diagnostic::error(field.span(), unclear));
        return false;
    }
    let wrong = claim.conditions.iter().find_map(|condition| {
        check(&[subject], condition).err().map(|wrong| (condition.to_string(), wrong))
    });
    let Some((condition, wrong)) = wrong else { return true };
    let part = text.find(&condition).map(|start| start..start + condition.len());
    let span = notes.within(&field.span(), text, part.unwrap_or(0..text.len()));
    notes.add(Diagnostic::error(span, wrong.message).help(wrong.help));
    false
}

/// Where a name stands in a text, not as a part of a longer name.
fn find_word(text: &str, word: &str) -> Option<Range<usize>> {
    let part_of_name = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.match_indices(word).map(|(start, _)| start..start + word.len()).find(|range| {
        let before = range.start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        let after = text.as_bytes().get(range.end);
        !part_of_name(before.copied()) && !part_of_name(after.copied())
    })
}

fn named_in_action(action: &Action) -> Vec<Mention<'_>> {
    match action {
        Action::Kill { node }
        | Action::Restart { node }
        | Action::Pause { node, .. }
        | Action::Resume { node }
        | Action::PowerLoss { node }
        | Action::Shutdown { node }
        | Action::Redis { node, .. }
        | Action::Heal { what: HealRef::Node(node) } => vec![Mention::Node(node)],
        Action::Isolate { nodes, .. } => nodes.iter().map(|node| Mention::Node(node)).collect(),
        Action::Promote { node } | Action::Stream { node } | Action::Keys { node, .. } => {
            vec![Mention::Server(node)]
        }
        Action::Diff { a, b } => vec![Mention::Server(a), Mention::Server(b)],
        Action::Write { node: Some(node), .. } => vec![Mention::ServerOrMonitor(node)],
        Action::Failover { monitor }
        | Action::SentinelReset { monitor }
        | Action::CkQuorum { monitor }
        | Action::SplitVote { monitor } => vec![Mention::Monitor(monitor)],
        Action::ReplicaOf { node, primary } => {
            vec![Mention::Server(node), Mention::Server(primary)]
        }
        Action::Cut { link, .. }
        | Action::Delay { link, .. }
        | Action::Throttle { link, .. }
        | Action::Reset { link }
        | Action::Heal { what: HealRef::Link(link) } => {
            vec![Mention::Node(&link.a), Mention::Node(&link.b)]
        }
        Action::Expect { claim, .. } => named_in_claim(claim),
        Action::Heal { what: HealRef::All }
        | Action::Write { node: None, .. }
        | Action::Wait { .. }
        | Action::Script(_)
        | Action::Launch { .. }
        | Action::Export { .. }
        | Action::Undo
        | Action::Quit => Vec::new(),
    }
}

/// The subject, and nodes that it is compared with: `offset=alpha`, `primary=alpha`.
fn named_in_claim(claim: &Claim) -> Vec<Mention<'_>> {
    let subject = Some(claim.subject.as_str()).filter(|subject| *subject != "lab");
    let compared = claim.conditions.iter().filter_map(|condition| {
        let value = condition.value.as_str();
        let names_node = match condition.field.as_str() {
            "primary" => !value.contains(':') && !matches!(value, "none" | "disputed"),
            "vote" | "leader" => value != "none",
            "offset" | "replid" | "epoch" | "config-epoch" => value.parse::<u64>().is_err(),
            _ => false,
        };
        (names_node && value.len() < 40).then_some(Mention::Node(value))
    });
    subject.into_iter().map(Mention::NodeOrMonitor).chain(compared).collect()
}

/// Milliseconds in the largest unit that loses nothing: `1500ms`, `3s`, `2m`.
fn duration_text(ms: Millis) -> String {
    match ms {
        ms if ms > 0 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration_text, find_word};
    use crate::lab::parse;

    #[test]
    fn a_duration_is_written_as_it_would_be_read() {
        for text in ["0s", "250ms", "3s", "2m"] {
            assert_eq!(parse::duration(text).map(duration_text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_name_is_found_as_a_whole_word() {
        assert_eq!(find_word("cut alphabet alpha", "alpha"), Some(13..18));
        assert_eq!(find_word("cut alpha->bravo", "bravo"), Some(11..16));
        assert_eq!(find_word("cut alpha", "bravo"), None);
    }
}
