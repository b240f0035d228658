//! A row of the journal in words, as the timeline shows it.

use crate::lab::view::NodeRow;
use crate::lab::{Entry, Event};
use crate::machine::{Fact, Severity};
use crate::tui::beliefs;

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
    let fact = match event {
        Event::Node(Fact::Sentinel { event, text, .. }) => {
            format!("{event} {}", with_names(text, nodes))
        }
        event => event.text().replace('\n', " "),
    };
    let mut told = Told {
        fact,
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
            let is_id = || beliefs::sentinel(row).is_some_and(|own| own.id == word);
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

#[cfg(test)]
mod tests {
    use super::with_names;
    use crate::tui::fixtures::healthy;

    #[test]
    fn a_sentinels_words_get_the_names_of_the_lab() {
        let nodes = healthy().nodes;
        let named = |text| with_names(text, &nodes);
        assert_eq!(
            named("slave 127.0.0.1:6402 127.0.0.1 6402 @ mymaster 127.0.0.1 6401"),
            "slave bravo @ mymaster alpha"
        );
        assert_eq!(named("mymaster 127.0.0.1 6401 127.0.0.1 6402"), "mymaster alpha bravo");
        assert_eq!(
            named("master m 127.0.0.1 64011 #quorum 2/2"),
            "master m 127.0.0.1 64011 #quorum 2/2"
        );
    }
}
