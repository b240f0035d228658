//! What a node tells of itself, beside the real redis-server: COMMAND, INFO, CONFIG, MEMORY STATS.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails so")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::collections::{BTreeMap, BTreeSet};

use kit::Kind::{Ours, Real};
use kit::{Client, Node};
use replab::resp::Answer;

/// Commands of later versions that client libraries send.
const LATER: [&str; 2] = ["client|setinfo", "client|no-touch"];

/// The same question to both.
struct Pair {
    ours: (Node, Client),
    real: (Node, Client),
}

impl Pair {
    fn start() -> Self {
        let node = |kind| {
            let node = Node::start(kind, &[]);
            let client = node.client();
            (node, client)
        };
        Self { ours: node(Ours), real: node(Real) }
    }

    fn ask(&mut self, line: &str) -> (Answer, Answer) {
        let words: Vec<&str> = line.split(' ').collect();
        (self.ours.1.call(&words), self.real.1.call(&words))
    }

    #[track_caller]
    fn agree(&mut self, line: &str) {
        let (ours, real) = self.ask(line);
        assert_eq!(sorted(ours), sorted(real), "{line}");
    }
}

/// A reply whose lists of words are in order: sets are arrays in RESP2.
fn sorted(answer: Answer) -> Answer {
    match answer {
        Answer::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(sorted).collect();
            if items.iter().all(|item| matches!(item, Answer::Simple(_) | Answer::Bulk(_))) {
                items.sort_by_key(|item| format!("{item:?}"));
            }
            Answer::Array(items)
        }
        other => other,
    }
}

fn texts(answer: Answer) -> Vec<String> {
    let Answer::Array(items) = answer else { panic!("not a list: {answer:?}") };
    items.iter().map(text).collect()
}

fn text(answer: &Answer) -> String {
    match answer {
        Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Answer::Simple(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A list of names and values.
fn fields(answer: Answer) -> BTreeMap<String, Answer> {
    let Answer::Array(items) = answer else { panic!("not a list: {answer:?}") };
    items.chunks_exact(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
}

/// All commands and subcommands that we have.
fn our_commands(pair: &mut Pair) -> BTreeSet<String> {
    texts(pair.ours.1.call(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "*"])).into_iter().collect()
}

#[test]
fn commands_are_described_as_the_real_server_does() {
    let mut pair = Pair::start();
    let mut differences = Vec::new();
    let elements =
        ["name", "arity", "flags", "first", "last", "step", "categories", "tips", "key specs"];
    for name in our_commands(&mut pair) {
        let (ours, real) = pair.ask(&format!("COMMAND INFO {name}"));
        let one = |answer| match sorted(answer) {
            Answer::Array(mut all) if all.len() == 1 => match all.remove(0) {
                Answer::Array(elements) => elements,
                _ => Vec::new(),
            },
            other => panic!("{name}: {other:?}"),
        };
        let (ours, real) = (one(ours), one(real));
        if real.is_empty() && !LATER.contains(&name.as_str()) {
            differences.push(format!("{name}: unknown to the real server"));
        }
        for ((element, ours), real) in elements.iter().zip(&ours).zip(&real) {
            if ours != real {
                differences.push(format!("{name}: {element}: {ours:?}, really {real:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn commands_are_documented_as_the_real_server_does_but_in_our_own_words() {
    let mut pair = Pair::start();
    let mut differences = Vec::new();
    for name in our_commands(&mut pair).into_iter().filter(|n| !LATER.contains(&n.as_str())) {
        let (ours, real) = pair.ask(&format!("COMMAND DOCS {name}"));
        let doc = |answer| fields(fields(answer).remove(&name).unwrap_or(Answer::Array(vec![])));
        let (mut ours, mut real) = (doc(ours), doc(real));
        for field in ["summary", "subcommands"] {
            assert_eq!(
                ours.remove(field).is_some(),
                real.remove(field).is_some(),
                "{name}: {field}"
            );
        }
        if ours != real {
            differences.push(format!("{name}: {ours:?}\n  really {real:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn commands_are_listed_and_their_keys_found_as_the_real_server_does() {
    let mut pair = Pair::start();
    for line in [
        "GETKEYS SET a b",
        "GETKEYS MSET a b c d",
        "GETKEYS GET a b",
        "GETKEYS PING a",
        "GETKEYS NOSUCH a",
        "GETKEYS CONFIG FOO",
        "GETKEYS CONFIG GET a",
        "GETKEYS MEMORY USAGE a",
        "GETKEYS OBJECT ENCODING a",
        "GETKEYS ZUNION 2 a b",
        "GETKEYS ZUNION 0 a",
        "GETKEYS ZUNION x a",
        "GETKEYS ZUNION 3 a b",
        "GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2",
        "GETKEYS LMPOP 2 a b LEFT COUNT 1",
        "GETKEYS SINTERCARD 2 a b LIMIT 1",
        "GETKEYS SPUBLISH a b",
        "GETKEYS LCS a b",
        "GETKEYSANDFLAGS SET a b",
        "GETKEYSANDFLAGS SET a b XX GET",
        "GETKEYSANDFLAGS ZDIFFSTORE d 2 a b",
        "GETKEYSANDFLAGS RENAME a b",
        "GETKEYSANDFLAGS DEL a b",
        "LIST FOO",
        "LIST FILTERBY PATTERN",
        "LIST FILTERBY ACLCAT nosuch",
        "LIST FILTERBY ACLCAT transaction",
        "LIST FILTERBY MODULE x",
        "LIST FILTERBY PATTERN config*",
        "INFO nosuch",
        "DOCS nosuch",
    ] {
        pair.agree(&format!("COMMAND {line}"));
    }
}

/// The names of INFO's fields with their titles, in order. Numbered ones are counted as one.
fn info_names(client: &mut Client) -> Vec<String> {
    let text = client.text(&["INFO", "everything"]);
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let passing = ["cmdstat_", "latency_percentiles_", "errorstat_"];
    text.lines()
        .map(name)
        .filter(|name| !name.is_empty() && !passing.iter().any(|p| name.starts_with(p)))
        .collect()
}

#[test]
fn info_has_the_fields_of_the_real_server_in_its_order() {
    let mut pair = Pair::start();
    for client in [&mut pair.ours.1, &mut pair.real.1] {
        client.ok(&["SET", "k", "v"]);
    }
    assert_eq!(info_names(&mut pair.ours.1), info_names(&mut pair.real.1));
}

#[test]
fn a_replica_and_its_primary_have_the_fields_of_real_ones() {
    let names = |kind| {
        let (primary, replica) = (Node::start(kind, &[]), Node::start(kind, &[]));
        replica.follow(primary.port());
        kit::eventually("the link", || replica.state().is_link_up);
        kit::eventually("the replica", || primary.state().online_replicas == 1);
        (info_names(&mut primary.client()), info_names(&mut replica.client()))
    };
    assert_eq!(names(Ours), names(Real));
}

#[test]
fn memory_stats_have_the_fields_of_the_real_server_in_its_order() {
    let mut pair = Pair::start();
    for client in [&mut pair.ours.1, &mut pair.real.1] {
        client.ok(&["SET", "k", "v"]);
    }
    let (ours, real) = pair.ask("MEMORY STATS");
    let names = |answer| texts(answer).into_iter().step_by(2).collect::<Vec<_>>();
    assert_eq!(names(ours), names(real));
}

#[test]
fn directives_are_those_of_the_real_server_with_its_defaults() {
    let mut pair = Pair::start();
    let (ours, real) = pair.ask("CONFIG GET *");
    let (ours, real) = (fields(ours), fields(real));
    let names = |of: &BTreeMap<String, Answer>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&real));
    // Where a node runs is its own, and how its log is kept the world's.
    let own = ["port", "dir", "logfile", "unixsocket", "bind", "pidfile", "replicaof", "slaveof"];
    for (name, value) in &real {
        assert!(own.contains(&name.as_str()) || ours[name] == *value, "{name}: {:?}", ours[name]);
    }
}
