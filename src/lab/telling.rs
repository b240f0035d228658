//! The journal's rows in words, for every face: a stable name, fields for machine readers, a line
//! in the field's own words, and a plain sentence for somebody who learns.

use super::action::Action;
use super::journal::Event;
use super::look::{DiffSummary, Kind};
use super::view::PhaseTime;
use crate::machine::{Field, Severity};

impl Event {
    /// The stable kebab-case name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Node(fact) => fact.name(),
            Self::Ready => "ready",
            Self::Did { .. } => "did",
            Self::Refused { .. } => "refused",
            Self::Said(_) => "said",
            Self::Started { .. } => "started",
            Self::Killed { .. } => "killed",
            Self::Exited { .. } => "exited",
            Self::Crashed { .. } => "crashed",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::LinkChanged { .. } => "link-changed",
            Self::Reply { .. } => "reply",
            Self::Streamed { .. } => "streamed",
            Self::Compared(_) => "compared",
            Self::Keys { .. } => "keys",
            Self::Warned(_) => "warned",
            Self::FailedOver { .. } => "failed-over",
            Self::LossesCounted { .. } => "losses-counted",
            Self::Workload { .. } => "workload",
            Self::Met { .. } => "met",
            Self::Failed { .. } => "failed",
        }
    }

    /// How much attention it asks for.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Node(fact) => fact.severity(),
            Self::Ready | Self::Met { .. } | Self::Started { .. } | Self::Resumed => Severity::Good,
            Self::Workload { state } if state == "ok" => Severity::Good,
            Self::FailedOver { .. } | Self::LossesCounted { lost: 0, .. } => Severity::Good,
            Self::LossesCounted { .. } => Severity::Bad,
            Self::Warned(_) => Severity::Warn,
            Self::LinkChanged { state, .. } if state == "clear" => Severity::Good,
            Self::Refused { .. } | Self::Paused | Self::LinkChanged { .. } => Severity::Warn,
            Self::Killed { .. } | Self::Crashed { .. } | Self::Failed { .. } => Severity::Bad,
            Self::Exited { code: 0 } => Severity::Warn,
            Self::Exited { .. } | Self::Workload { .. } => Severity::Bad,
            Self::Reply { is_error: true, .. } => Severity::Warn,
            Self::Compared(found) if found.counts.differing() > 0 => Severity::Warn,
            Self::Compared(_) => Severity::Good,
            Self::Did { .. }
            | Self::Said(_)
            | Self::Reply { .. }
            | Self::Streamed { .. }
            | Self::Keys { .. } => Severity::Info,
        }
    }

    /// The row in the field's own words. Only a long reply has more than one line.
    pub fn text(&self) -> String {
        match self {
            Self::Node(fact) => fact.text(),
            Self::Ready => "ready".to_owned(),
            Self::Did { action, .. } => action.to_string(),
            Self::Refused { action, reason } => format!("refused: {action}: {reason}"),
            Self::Said(text) | Self::Warned(text) => text.clone(),
            Self::FailedOver { monitor, from, to, phases, .. } => {
                let took = |phase: &PhaseTime| {
                    format!("{} {}", phase.phase.word(), phase.took_ms.unwrap_or(0))
                };
                let parts: Vec<String> = phases.iter().map(took).collect();
                let total: u64 = phases.iter().filter_map(|phase| phase.took_ms).sum();
                format!("{monitor}: {from} -> {to} in {total} ms ({})", parts.join(", "))
            }
            Self::LossesCounted { lost, .. } => match lost {
                0 => "no acknowledged write is lost".to_owned(),
                1 => "1 acknowledged write is lost".to_owned(),
                lost => format!("{lost} acknowledged writes are lost"),
            },
            Self::Started { port } => format!("started on port {port}"),
            Self::Killed { power_loss: true } => "lost power".to_owned(),
            Self::Killed { power_loss: false } => "killed".to_owned(),
            Self::Exited { code } => format!("ended with exit code {code}"),
            Self::Crashed { message } => format!("crashed: {message}"),
            Self::Paused => "paused".to_owned(),
            Self::Resumed => "resumed".to_owned(),
            Self::LinkChanged { from, to, state } => format!("link {from}->{to}: {state}"),
            Self::Reply { command, reply, .. } if reply.contains('\n') => {
                format!("{command}\n{reply}")
            }
            Self::Reply { command, reply, .. } => format!("{command}: {reply}"),
            Self::Streamed { asked, from, to, streamed, more } if asked.is_empty() => {
                format!("down the stream: {}", streamed_text((*from, *to), streamed, *more))
            }
            Self::Streamed { asked, .. } => format!("asked: {}", asked.join("; ")),
            Self::Compared(found) => compared_text(found),
            Self::Keys { count, keys } => {
                let more = if *count > keys.len() as u64 { ", …" } else { "" };
                format!("{count} keys: {}{more}", keys.join(", "))
            }
            Self::Workload { state } => format!("writes: {state}"),
            Self::Met { claim, .. } => format!("as expected: {claim}"),
            Self::Failed { claim, .. } => format!("FAILED: {claim}"),
        }
    }

    /// One plain sentence, where there is something to explain.
    pub fn explain(&self) -> Option<String> {
        let sentence = match self {
            Self::Node(fact) => return Some(fact.explain()),
            Self::Ready => "Every node listens, every link is up.",
            Self::Did { action, by } => return purpose(action, by).map(str::to_owned),
            Self::Killed { power_loss: true } => "What it had not fsynced is gone too.",
            Self::Killed { power_loss: false } => {
                "SIGKILL: it had no time to save or to say goodbye."
            }
            Self::Exited { .. } => "It ended by itself.",
            Self::Crashed { .. } => "An error in the node's own code; the lab goes on.",
            Self::Paused => "Its sockets stay open and nothing is answered; peers must time out.",
            Self::Resumed => "It works off what arrived meanwhile.",
            Self::LinkChanged { state, .. } => link_meaning(state),
            Self::Workload { state } => return fate(state).map(str::to_owned),
            Self::FailedOver { from, leader, epoch, cause, phases, .. } => {
                let least: u64 = phases.iter().map(|phase| phase.least_ms).sum();
                return Some(format!(
                    "{from}: {cause}. {leader} led, in epoch {epoch}. The least it can take is \
                     {least} ms: down-after-milliseconds, and the way of the messages."
                ));
            }
            Self::LossesCounted { lost: 0, checked, .. } => {
                return Some(format!("{checked} keys were looked for on the new primary."));
            }
            Self::LossesCounted { checked, examples, .. } => {
                let first = examples.first().map_or(String::new(), |first| format!(" {first}."));
                return Some(format!("Of {checked} keys looked for on the new primary.{first}"));
            }
            // Side by side with what was asked.
            Self::Streamed { asked, from, to, streamed, more } if !asked.is_empty() => {
                let streamed = streamed_text((*from, *to), streamed, *more);
                return Some(format!("Down the stream: {streamed}"));
            }
            Self::Streamed { streamed, .. } if streamed.is_empty() => return None,
            Self::Streamed { .. } => "The lab asked for none of it.",
            Self::Compared(found) if found.examples.is_empty() => "Not a key differs.",
            Self::Compared(found) => return Some(format!("{}.", found.examples.join("; "))),
            Self::Met { after_ms: 0, .. } => "It was so already.",
            Self::Met { after_ms, .. } => return Some(format!("After {after_ms} ms.")),
            Self::Failed { instead, .. } => return Some(format!("Instead: {instead}.")),
            _ => return None,
        };
        Some(sentence.to_owned())
    }

    /// The fields for machine readers, in order.
    pub fn fields(&self) -> Vec<(&'static str, Field)> {
        match self {
            Self::Node(fact) => fact.fields(),
            Self::Ready | Self::Paused | Self::Resumed => Vec::new(),
            Self::Did { action, by } => {
                vec![("action", action.to_string().into()), ("by", (*by).into())]
            }
            Self::Refused { action, reason } => {
                vec![("action", action.clone().into()), ("reason", reason.clone().into())]
            }
            Self::Said(text) | Self::Warned(text) => vec![("text", text.clone().into())],
            Self::FailedOver { monitor, from, to, leader, epoch, cause, phases } => {
                let mut fields: Vec<(_, Field)> = vec![
                    ("monitor", monitor.clone().into()),
                    ("from", from.clone().into()),
                    ("to", to.clone().into()),
                    ("leader", leader.clone().into()),
                    ("epoch", (*epoch).into()),
                    ("cause", cause.clone().into()),
                ];
                fields.extend(phases.iter().map(|phase| {
                    (phase.phase.field(), phase.took_ms.map_or(Field::None, Field::from))
                }));
                let least: u64 = phases.iter().map(|phase| phase.least_ms).sum();
                fields.push(("least_ms", least.into()));
                fields
            }
            Self::LossesCounted { checked, lost, examples } => vec![
                ("checked", (*checked).into()),
                ("lost", (*lost).into()),
                ("examples", examples.join("; ").into()),
            ],
            Self::Started { port } => vec![("port", u64::from(*port).into())],
            Self::Killed { power_loss } => vec![("power_loss", (*power_loss).into())],
            Self::Exited { code } => vec![("code", exit_code(*code))],
            Self::Crashed { message } => vec![("message", message.clone().into())],
            Self::LinkChanged { from, to, state } => vec![
                ("from", from.clone().into()),
                ("to", to.clone().into()),
                ("state", state.clone().into()),
            ],
            Self::Reply { command, reply, is_error } => vec![
                ("command", command.clone().into()),
                ("reply", reply.clone().into()),
                ("is_error", (*is_error).into()),
            ],
            Self::Streamed { asked, from, to, streamed, more } => vec![
                ("asked", asked.join("; ").into()),
                ("streamed", streamed.join("; ").into()),
                ("from", (*from).into()),
                ("to", (*to).into()),
                ("more", (*more).into()),
            ],
            Self::Compared(found) => {
                let [a, b] = found.nodes.clone();
                let counts = &found.counts;
                vec![
                    ("a", a.into()),
                    ("b", b.into()),
                    ("differing", counts.differing().into()),
                    ("not_arrived", counts.not_arrived.into()),
                    ("expired", counts.expired.into()),
                    ("local", counts.local.into()),
                    ("parted", counts.parted.into()),
                    ("unexplained", counts.unexplained.into()),
                    ("equal", counts.equal.into()),
                    ("examples", found.examples.join("; ").into()),
                ]
            }
            Self::Keys { count, keys } => {
                vec![("count", (*count).into()), ("keys", keys.join(" ").into())]
            }
            Self::Workload { state } => vec![("state", state.clone().into())],
            Self::Met { claim, after_ms } => {
                vec![("claim", claim.clone().into()), ("after_ms", (*after_ms).into())]
            }
            Self::Failed { claim, instead } => {
                vec![("claim", claim.clone().into()), ("instead", instead.clone().into())]
            }
        }
    }
}

/// What went down a stream.
fn streamed_text((from, to): (u64, u64), streamed: &[String], more: u64) -> String {
    match (streamed, more) {
        ([], _) if from == to => "nothing".to_owned(),
        ([], _) => format!("{} bytes that are no longer held", to - from),
        (commands, 0) => commands.join("; "),
        (commands, more) => format!("{more} commands; {}", commands.join("; ")),
    }
}

fn compared_text(found: &DiffSummary) -> String {
    let [a, b] = &found.nodes;
    let counts = &found.counts;
    let kinds = Kind::ALL.iter().filter(|kind| counts.of(**kind) > 0);
    let kinds: Vec<String> =
        kinds.map(|kind| format!("{} {}", counts.of(*kind), kind.word())).collect();
    match counts.differing() {
        0 => format!("{a} and {b} hold the same {} keys", counts.equal),
        1 => format!("{a} and {b} differ in 1 key: {}", kinds.join(", ")),
        many => format!("{a} and {b} differ in {many} keys: {}", kinds.join(", ")),
    }
}

fn exit_code(code: i32) -> Field {
    u64::try_from(code).map_or_else(|_| code.to_string().into(), Into::into)
}

/// What an action is for, where its effect does not say so itself, or else who wanted it.
fn purpose(action: &Action, by: &str) -> Option<&'static str> {
    match (action, by) {
        (Action::Promote { .. }, _) => {
            Some("REPLICAOF NO ONE: it becomes a primary with a history of its own.")
        }
        (Action::ReplicaOf { .. }, _) => {
            Some("REPLICAOF: it gives up its own history where they differ.")
        }
        (Action::Isolate { .. }, _) => Some("Only its clients still reach it."),
        (Action::Failover { .. }, _) => {
            Some("SENTINEL FAILOVER: without asking whether it is down.")
        }
        (Action::SentinelReset { .. }, _) => {
            Some("SENTINEL RESET: what is gone for good is forgotten; the rest is found again.")
        }
        (Action::SplitVote { .. }, _) => {
            Some("A vote request that comes late finds that everybody voted for himself already.")
        }
        (Action::Reset { .. }, _) => Some("Both ends see their connection break at once."),
        (_, "step") => Some("A step of the script."),
        (_, "lab") => Some("The lab does this by itself."),
        (_, "stdin") => Some("Read from standard input."),
        (_, "signal") => Some("A signal asked for it."),
        _ => None,
    }
}

fn link_meaning(state: &str) -> &'static str {
    match state {
        "clear" => "What was held back arrives now.",
        state if state.starts_with("cut") => "No byte crosses, and neither end is told.",
        _ => "The bytes arrive later, in order.",
    }
}

/// What the fate of the workload's writes means.
fn fate(state: &str) -> Option<&'static str> {
    Some(match state.split_whitespace().next()? {
        "ok" => "They are acknowledged.",
        "no" => "Whether these writes were done, the client cannot know.",
        "NOREPLICAS" => "Too few replicas acknowledge in time; the primary takes no writes.",
        "READONLY" => "The node is a replica now; its clients can only read.",
        "LOADING" => "The node reads its dataset and takes no commands yet.",
        _ => return None,
    })
}
