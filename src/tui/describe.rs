//! A row of the journal in words, as the timeline shows it.

use crate::lab::view::NodeRow;
use crate::lab::{Entry, Event};
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

/// Puts a journal row into words, on one line. Where a fact names an address of the lab, the node's
/// name says more.
pub fn tell(entry: &Entry, nodes: &[NodeRow]) -> Told {
    let event = &entry.event;
    let mut told = Told {
        fact: event.text().replace('\n', " "),
        meaning: event.explain().unwrap_or_default(),
        severity: event.severity(),
        prominent: matches!(event, Event::Said(_) | Event::Met { .. } | Event::Failed { .. }),
    };
    for node in nodes {
        let address = format!("127.0.0.1:{}", node.port);
        told.fact = told.fact.replace(&address, &node.name);
        told.meaning = told.meaning.replace(&address, &node.name);
    }
    told
}
