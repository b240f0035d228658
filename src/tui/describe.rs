//! A row of the journal in words: the fact, one plain sentence, and how loud it is.

use crate::lab::action::HealRef;
use crate::lab::view::NodeRow;
use crate::lab::{Action, Entry, Event};
use crate::machine::Severity;

/// A journal row, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The fact, in the field's words.
    pub fact: String,
    /// What it means; empty where the fact says it all.
    pub meaning: String,
    /// How loud.
    pub severity: Severity,
    /// Whether it must not be overlooked: what a step says, and what became of an expectation.
    pub prominent: bool,
}

/// Puts a journal row into words. Where a fact names an address of the lab, the node's name says
/// more.
pub fn tell(entry: &Entry, nodes: &[NodeRow]) -> Told {
    let mut told = tell_literally(entry);
    for node in nodes {
        let address = format!("127.0.0.1:{}", node.port);
        told.fact = told.fact.replace(&address, &node.name);
        told.meaning = told.meaning.replace(&address, &node.name);
    }
    told
}

fn tell_literally(entry: &Entry) -> Told {
    let told = |fact: String, meaning: &str, severity| Told {
        fact,
        meaning: meaning.to_owned(),
        severity,
        prominent: false,
    };
    let loud = |told: Told| Told { prominent: true, ..told };
    match &entry.event {
        Event::Node(fact) => told(fact.text(), &fact.explain(), fact.severity()),
        Event::Ready => {
            told("ready".into(), "Every node listens, every link is up.", Severity::Good)
        }
        Event::Did { action, by } => {
            told(action.to_string(), action_meaning(action, by), Severity::Info)
        }
        Event::Refused { action, reason } => {
            told(format!("refused: {action}"), reason, Severity::Warn)
        }
        Event::Said(text) => loud(told(text.clone(), "", Severity::Info)),
        Event::Started { port } => {
            told(format!("started, port {port}"), "Clients can connect to it.", Severity::Info)
        }
        Event::Killed { power_loss: false } => told(
            "killed".into(),
            "SIGKILL: it had no time to save or to say goodbye.",
            Severity::Bad,
        ),
        Event::Killed { power_loss: true } => told(
            "power loss".into(),
            "Killed, and what was not fsynced is gone from its disk.",
            Severity::Bad,
        ),
        Event::Exited { code } => {
            told(format!("exited with {code}"), "It ended by itself.", Severity::Warn)
        }
        Event::Crashed { message } => told(
            format!("crashed: {message}"),
            "An error in the node's own code; the lab goes on.",
            Severity::Bad,
        ),
        Event::Paused => told(
            "paused".into(),
            "SIGSTOP: its connections stay open, but nothing is answered.",
            Severity::Warn,
        ),
        Event::Resumed => {
            told("resumed".into(), "It works off what arrived meanwhile.", Severity::Good)
        }
        Event::LinkChanged { from, to, state } => {
            let (meaning, severity) = link_meaning(state);
            told(format!("link {from}->{to}: {state}"), meaning, severity)
        }
        Event::Reply { command, reply, is_error } => told(
            format!("{command}: {}", reply.lines().next().unwrap_or_default()),
            "",
            if *is_error { Severity::Warn } else { Severity::Quiet },
        ),
        Event::Workload { state } if state == "ok" => told(
            "writes are accepted".into(),
            "The workload's writes are acknowledged again.",
            Severity::Good,
        ),
        Event::Workload { state } => told(
            format!("writes fail: {state}"),
            "What the workload's client sees from here on.",
            Severity::Bad,
        ),
        Event::Met { claim, after_ms } => loud(told(
            format!("met: {claim}"),
            &format!("True after {}.", super::units::age(*after_ms)),
            Severity::Good,
        )),
        Event::Failed { claim, instead } => {
            loud(told(format!("FAILED: {claim}"), &format!("Instead: {instead}."), Severity::Bad))
        }
    }
}

fn action_meaning(action: &Action, by: &'static str) -> &'static str {
    match action {
        Action::Promote { .. } => {
            "REPLICAOF NO ONE: it becomes a primary with a history of its own."
        }
        Action::ReplicaOf { .. } => "REPLICAOF: it gives up its own history where they differ.",
        Action::Cut { .. } => "No byte crosses; neither end is told.",
        Action::Isolate { .. } => "No byte reaches it or leaves it, except from clients.",
        Action::Heal { what: HealRef::All } => "Every link is as good as new.",
        Action::Reset { .. } => "Both ends see their connection break at once.",
        _ => match by {
            "step" => "A step of the script.",
            "lab" => "The lab does this by itself.",
            "stdin" => "Read from standard input.",
            _ => "",
        },
    }
}

fn link_meaning(state: &str) -> (&'static str, Severity) {
    match state {
        "clear" => ("What was held back arrives now.", Severity::Good),
        "cut" => ("Bytes are held back until it heals.", Severity::Bad),
        _ => ("The bytes arrive later, in order.", Severity::Warn),
    }
}
