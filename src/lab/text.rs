//! The textual form of actions and claims, written. `parse` is the exact inverse.

use std::fmt::{Display, Formatter, Result};

use super::action::{
    Action, Claim, Comparison, Condition, Direction, HealRef, LinkRef, ScriptOrder,
};
use crate::base::text::quoted_word;
use crate::machine::Millis;

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Kill { node } => write!(f, "kill {node}"),
            Self::Restart { node } => write!(f, "restart {node}"),
            Self::Pause { node, for_ms } => write!(f, "pause {node}{}", For(*for_ms)),
            Self::Resume { node } => write!(f, "resume {node}"),
            Self::PowerLoss { node } => write!(f, "power-loss {node}"),
            Self::Shutdown { node } => write!(f, "shutdown {node}"),
            Self::Cut { link, for_ms } => write!(f, "cut {link}{}", For(*for_ms)),
            Self::Heal { what: HealRef::All } => f.write_str("heal"),
            Self::Heal { what: HealRef::Node(node) } => write!(f, "heal {node}"),
            Self::Heal { what: HealRef::Link(link) } => write!(f, "heal {link}"),
            Self::Isolate { nodes, for_ms } => {
                write!(f, "isolate {}{}", nodes.join(" "), For(*for_ms))
            }
            Self::Delay { link, delay_ms, jitter_ms, for_ms } => {
                write!(f, "delay {link} {}", Duration(*delay_ms))?;
                if *jitter_ms > 0 {
                    write!(f, " +-{}", Duration(*jitter_ms))?;
                }
                write!(f, "{}", For(*for_ms))
            }
            Self::Throttle { link, bytes_per_s, for_ms } => {
                write!(f, "throttle {link} {}{}", Size(*bytes_per_s), For(*for_ms))
            }
            Self::Reset { link } => write!(f, "reset {link}"),
            Self::Promote { node } => write!(f, "promote {node}"),
            Self::ReplicaOf { node, primary } => write!(f, "replicaof {node} {primary}"),
            Self::Failover { monitor } => write!(f, "failover {monitor}"),
            Self::SentinelReset { monitor } => write!(f, "sentinel-reset {monitor}"),
            Self::CkQuorum { monitor } => write!(f, "ckquorum {monitor}"),
            Self::SplitVote { monitor } => write!(f, "split-vote {monitor}"),
            Self::Write { per_second: 0, node: None } => f.write_str("write off"),
            Self::Write { per_second, node: None } => write!(f, "write {per_second}/s"),
            Self::Write { per_second, node: Some(node) } => {
                write!(f, "write {per_second}/s {node}")
            }
            Self::Redis { node, words } => write!(f, "redis {node} {}", Command(words)),
            Self::Stream { node } => write!(f, "stream {node}"),
            Self::Diff { a, b } => write!(f, "diff {a} {b}"),
            Self::Keys { node, pattern: None } => write!(f, "keys {node}"),
            Self::Keys { node, pattern: Some(pattern) } => {
                write!(f, "keys {node} {}", Command(std::slice::from_ref(pattern)))
            }
            Self::Expect { claim, within_ms } => {
                write!(f, "expect {claim} within {}", Duration(*within_ms))
            }
            Self::Wait { ms } => write!(f, "wait {}", Duration(*ms)),
            Self::Script(ScriptOrder::Hold) => f.write_str("hold"),
            Self::Script(ScriptOrder::Next) => f.write_str("next"),
            Self::Script(ScriptOrder::Go) => f.write_str("go"),
            Self::Launch { topology } => write!(f, "launch{}", Word(topology.as_deref())),
            Self::Export { file } => write!(f, "export{}", Word(file.as_deref())),
            Self::Undo => f.write_str("undo"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl Display for LinkRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.direction {
            Direction::Both => write!(f, "{} {}", self.a, self.b),
            Direction::AToB => write!(f, "{}->{}", self.a, self.b),
        }
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.subject)?;
        self.conditions.iter().try_for_each(|condition| write!(f, " {condition}"))
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let text = format!("{}{}{}", self.field, self.comparison.sign(), self.value);
        write!(f, "{}", Command(&[text]))
    }
}

impl Comparison {
    /// The sign it is written with.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// Milliseconds in the largest unit that divides them.
pub struct Duration(pub Millis);

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            ms if ms > 0 && ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms > 0 && ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// Bytes in the largest unit that divides them.
pub struct Size(pub u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}mb", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}kb", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

/// A last word that may be left out, quoted where it needs it.
struct Word<'a>(Option<&'a str>);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.map_or(Ok(()), |word| write!(f, " {}", quoted_word(word)))
    }
}

struct For(Option<Millis>);

impl Display for For {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.map_or(Ok(()), |ms| write!(f, " for {}", Duration(ms)))
    }
}

/// A command's words, quoted where they need it.
pub(super) struct Command<'a>(pub &'a [String]);

impl Display for Command<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (i, word) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let plain = !word.is_empty()
                && !word.starts_with(['"', '\''])
                && !word.contains(|c: char| c.is_whitespace() || c.is_control());
            if plain {
                f.write_str(word)?;
            } else {
                f.write_str(&quoted_word(word))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lab::claim::{FieldRow, LAB_FIELDS, MONITOR_FIELDS, NODE_FIELDS, SENTINEL_FIELDS};
    use crate::lab::parse::{DURATION_MAX, SIZE_MAX, action, claim, is_name};

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,6}".prop_filter("a keyword", |name| is_name(name))
    }

    fn link() -> impl Strategy<Value = LinkRef> {
        let direction = prop_oneof![Just(Direction::Both), Just(Direction::AToB)];
        (name(), name(), direction).prop_map(|(a, b, direction)| LinkRef { a, b, direction })
    }

    fn for_ms() -> impl Strategy<Value = Option<Millis>> {
        prop::option::of(0..=DURATION_MAX)
    }

    fn condition(rows: &'static [FieldRow]) -> impl Strategy<Value = Condition> {
        (prop::sample::select(rows), any::<bool>()).prop_map(|(row, equal)| Condition {
            field: row.name.to_owned(),
            comparison: if equal { Comparison::Equal } else { Comparison::NotEqual },
            value: row.kind.example().to_owned(),
        })
    }

    fn any_claim() -> impl Strategy<Value = Claim> {
        let rows = prop::sample::select(vec![NODE_FIELDS, SENTINEL_FIELDS, MONITOR_FIELDS]);
        let of_node =
            (name(), rows.prop_flat_map(|rows| prop::collection::vec(condition(rows), 1..4)));
        let of_lab = (Just("lab".to_owned()), prop::collection::vec(condition(LAB_FIELDS), 1..4));
        prop_oneof![of_node, of_lab].prop_map(|(subject, conditions)| Claim { subject, conditions })
    }

    fn any_action() -> impl Strategy<Value = Action> {
        let heal = prop_oneof![
            Just(HealRef::All),
            name().prop_map(HealRef::Node),
            link().prop_map(HealRef::Link)
        ];
        let faults = prop_oneof![
            (link(), for_ms()).prop_map(|(link, for_ms)| Action::Cut { link, for_ms }),
            (prop::collection::vec(name(), 1..4), for_ms())
                .prop_map(|(nodes, for_ms)| Action::Isolate { nodes, for_ms }),
            (name(), for_ms()).prop_map(|(node, for_ms)| Action::Pause { node, for_ms }),
            (link(), 0..=DURATION_MAX, 0..=DURATION_MAX, for_ms()).prop_map(
                |(link, delay_ms, jitter_ms, for_ms)| Action::Delay {
                    link,
                    delay_ms,
                    jitter_ms,
                    for_ms
                }
            ),
            (link(), 1..=SIZE_MAX, for_ms()).prop_map(|(link, bytes_per_s, for_ms)| {
                Action::Throttle { link, bytes_per_s, for_ms }
            }),
            heal.prop_map(|what| Action::Heal { what }),
            link().prop_map(|link| Action::Reset { link }),
        ];
        let nodes = prop_oneof![
            name().prop_map(|node| Action::Kill { node }),
            name().prop_map(|node| Action::Restart { node }),
            name().prop_map(|node| Action::Resume { node }),
            name().prop_map(|node| Action::PowerLoss { node }),
            name().prop_map(|node| Action::Shutdown { node }),
            name().prop_map(|node| Action::Promote { node }),
            name().prop_map(|monitor| Action::Failover { monitor }),
            name().prop_map(|monitor| Action::SentinelReset { monitor }),
            name().prop_map(|monitor| Action::CkQuorum { monitor }),
            name().prop_map(|monitor| Action::SplitVote { monitor }),
            (name(), name()).prop_map(|(node, primary)| Action::ReplicaOf { node, primary }),
            name().prop_map(|node| Action::Stream { node }),
            (name(), name()).prop_map(|(a, b)| Action::Diff { a, b }),
            (name(), prop::option::of(any::<String>()))
                .prop_map(|(node, pattern)| Action::Keys { node, pattern }),
            (name(), prop::collection::vec(any::<String>(), 1..4))
                .prop_map(|(node, words)| Action::Redis { node, words }),
        ];
        let others = prop_oneof![
            (any::<u32>(), prop::option::of(name()))
                .prop_map(|(per_second, node)| Action::Write { per_second, node }),
            (any_claim(), 0..=DURATION_MAX)
                .prop_map(|(claim, within_ms)| Action::Expect { claim, within_ms }),
            (0..=DURATION_MAX).prop_map(|ms| Action::Wait { ms }),
            prop::option::of(any::<String>()).prop_map(|topology| Action::Launch { topology }),
            prop::option::of(any::<String>()).prop_map(|file| Action::Export { file }),
            Just(Action::Undo),
            Just(Action::Script(ScriptOrder::Hold)),
            Just(Action::Script(ScriptOrder::Next)),
            Just(Action::Script(ScriptOrder::Go)),
            Just(Action::Quit),
        ];
        prop_oneof![faults, nodes, others]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(written in any_action()) {
            prop_assert_eq!(action(&written.to_string()), Ok(written));
        }

        #[test]
        fn a_claim_that_is_written_is_read_back(written in any_claim()) {
            prop_assert_eq!(claim(&written.to_string()), Ok(written));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "(redis|cut|expect|delay)? ?.{0,40}") {
            if let Err(error) = action(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}
