//! A row of the journal in words, with the names of the lab.

use super::view::NodeRow;
use super::{Entry, Event};
use crate::machine::{Fact, Severity};

/// A journal row, ready to be shown.
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

/// Puts a journal row into words. Where a fact names an address of the lab, the node's
/// name says more.
pub fn tell(entry: &Entry, nodes: &[NodeRow]) -> Told {
    let event = &entry.event;
    let fact = match event {
        Event::Node(Fact::Sentinel { event, text, .. }) => {
            format!("{event} {}", with_names(text, nodes))
        }
        event => event.text(),
    };
    let mut told = Told {
        fact,
        meaning: event.explain().unwrap_or_default(),
        severity: event.severity(),
        prominent: matches!(event, Event::Said(_) | Event::Met { .. } | Event::Failed { .. }),
    };
    for node in nodes {
        let address = format!("127.0.0.1:{}", node.port);
        let id = sentinel_id(node).and_then(|id| id.get(..SHORT_ID));
        for text in [&mut told.fact, &mut told.meaning] {
            for known in [Some(address.as_str()), id].into_iter().flatten() {
                if text.contains(known) {
                    *text = text.replace(known, &node.name);
                }
            }
        }
    }
    told
}

/// The text of a Sentinel's event with the lab's names for ids and addresses: `slave
/// 127.0.0.1:6402 127.0.0.1 6402 @ mymaster 127.0.0.1 6401` is `slave bravo @ mymaster alpha`.
fn with_names(text: &str, nodes: &[NodeRow]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let port = word.strip_prefix("127.0.0.1:").or_else(|| {
            let is_split = words.last() == Some(&"127.0.0.1");
            is_split.then_some(word)
        });
        let node = nodes.iter().find(|row| {
            let is_id = || sentinel_id(row) == Some(word);
            port.is_some_and(|port| port.parse() == Ok(row.port)) || is_id()
        });
        let Some(node) = node else {
            words.push(word);
            continue;
        };
        if word.len() == port.map_or(0, str::len) {
            words.pop();
        }
        if words.last() != Some(&node.name.as_str()) {
            words.push(&node.name);
        }
    }
    words.join(" ")
}

/// Characters of a Sentinel's id where a sentence names it.
const SHORT_ID: usize = 8;

fn sentinel_id(row: &NodeRow) -> Option<&str> {
    row.view.as_ref()?.sentinel().map(|own| own.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::with_names;
    use crate::lab::fake::lab;

    #[test]
    fn a_sentinels_words_get_the_names_of_the_lab() {
        let nodes = lab(&[("alpha", None), ("bravo", Some("alpha"))]).view().nodes;
        let named = |text| with_names(text, &nodes);
        assert_eq!(
            named("slave 127.0.0.1:7001 127.0.0.1 7001 @ mymaster 127.0.0.1 7000"),
            "slave bravo @ mymaster alpha"
        );
        assert_eq!(named("mymaster 127.0.0.1 7000 127.0.0.1 7001"), "mymaster alpha bravo");
        assert_eq!(
            named("master m 127.0.0.1 70001 #quorum 2/2"),
            "master m 127.0.0.1 70001 #quorum 2/2"
        );
    }
}
