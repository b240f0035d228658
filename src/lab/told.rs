//! A row of the journal in words, with the names of the lab.

use std::net::IpAddr;

use super::view::NodeRow;
use super::{Entry, Event, picture};
use crate::machine::{Endpoint, Fact, Severity};

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
/// 127.0.0.1:6402 127.0.0.1 6402 @ mymaster 127.0.0.1 6401` is `slave bravo @ mymaster alpha`. Who is
/// outside the lab is named once, by the address.
fn with_names(text: &str, nodes: &[NodeRow]) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let host = words.last().filter(|last| last.parse::<IpAddr>().is_ok());
        let split = host.zip(word.parse().ok()).map(|(host, port)| Endpoint::new(host, port));
        if split.is_some() {
            words.pop();
        }
        let name = match (split, nodes.iter().find(|row| sentinel_id(row) == Some(word))) {
            (_, Some(row)) => row.name.clone(),
            (Some(address), _) => name_at(&address, nodes),
            (None, None) => whole_address(word)
                .map_or_else(|| word.to_owned(), |address| name_at(&address, nodes)),
        };
        // Redis names a server by its address, and a Sentinel by its id; the address follows.
        words.pop_if(|last| *last == name || (name.contains(':') && is_sentinel_id(last)));
        words.push(name);
    }
    words.join(" ")
}

/// `127.0.0.1:6402`
fn whole_address(word: &str) -> Option<Endpoint> {
    let (host, port) = word.rsplit_once(':')?;
    host.parse::<IpAddr>().ok()?;
    Some(Endpoint::new(host, port.parse().ok()?))
}

/// The node at an address, else the address.
fn name_at(address: &Endpoint, nodes: &[NodeRow]) -> String {
    picture::at(nodes, &address.host, address.port)
        .map_or_else(|| address.to_string(), |at| nodes[at].name.clone())
}

fn is_sentinel_id(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
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
        let named = |text: &str| with_names(text, &nodes);
        assert_eq!(
            named("slave 127.0.0.1:7001 127.0.0.1 7001 @ mymaster 127.0.0.1 7000"),
            "slave bravo @ mymaster alpha"
        );
        assert_eq!(named("mymaster 127.0.0.1 7000 127.0.0.1 7001"), "mymaster alpha bravo");
        let id = "d71c639c375c101211ff944b205c6d66ebe6af9c";
        assert_eq!(
            named(&format!("sentinel {id} 10.0.0.9 26379 @ mymaster 127.0.0.1 7000")),
            "sentinel 10.0.0.9:26379 @ mymaster alpha"
        );
        assert_eq!(
            named("slave 10.0.0.9:7001 10.0.0.9 7001 @ mymaster 127.0.0.1 7000"),
            "slave 10.0.0.9:7001 @ mymaster alpha"
        );
        assert_eq!(named(&format!("{id} 3")), format!("{id} 3"));
        assert_eq!(
            named("master m 127.0.0.1 70001 #quorum 2/2"),
            "master m 127.0.0.1 70001 #quorum 2/2"
        );
    }
}
