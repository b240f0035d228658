//! Long random histories, written to one kind of server and followed by the other: the data are the
//! same over the link, in snapshots and in logs, whoever wrote them and whoever reads.
//!
//! `REPLAB_HISTORY_SEEDS` says how many histories, `REPLAB_HISTORY_OPERATIONS` how long each is, and
//! `REPLAB_HISTORY_SEED` which is the first; it is another one in every run, and printed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;
#[path = "history/speech.rs"]
mod speech;

use std::time::{SystemTime, UNIX_EPOCH};

use kit::Kind::{self, Ours, Real};
use kit::{Client, Data, Node, Wire, assert_same_data, eventually, setting};
use replab::resp::Answer;

use self::speech::{DATABASES, Speech, sent};

/// Operations sent at once.
const BATCH: usize = 200;

/// How often the link is lost in a history, on average.
const LOSSES: u64 = 8;

/// Few elements make a collection large, so that all encodings are met, and little that was missed
/// is too much for a partial sync.
const SETTINGS: &[(&str, &str)] = &[
    ("appendonly", "yes"),
    ("appendfsync", "no"),
    ("auto-aof-rewrite-percentage", "0"),
    ("hash-max-listpack-entries", "12"),
    ("list-max-listpack-size", "6"),
    ("set-max-intset-entries", "10"),
    ("zset-max-listpack-entries", "12"),
    ("stream-node-max-entries", "7"),
    ("hll-sparse-max-bytes", "300"),
    ("repl-backlog-size", "128kb"),
];

#[test]
fn a_history_of_ours_is_that_of_a_real_replica() {
    histories(Ours, Real);
}

#[test]
fn a_history_of_a_real_primary_is_that_of_our_replica() {
    histories(Real, Ours);
}

fn histories(primary: Kind, replica: Kind) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date");
    let first = setting("REPLAB_HISTORY_SEED").unwrap_or(now.as_secs());
    let count = setting("REPLAB_HISTORY_SEEDS").unwrap_or(1);
    let operations = setting("REPLAB_HISTORY_OPERATIONS").unwrap_or(3000) as usize;
    for seed in first..first + count {
        println!(
            "REPLAB_HISTORY_SEED={seed} REPLAB_HISTORY_OPERATIONS={operations}: \
             {primary:?} followed by {replica:?}"
        );
        history(primary, replica, seed, operations);
    }
}

fn history(primary: Kind, replica: Kind, seed: u64, operations: usize) {
    let primary = Node::start(primary, SETTINGS);
    let replica = Node::start(replica, SETTINGS);
    let wire = Wire::to(primary.port());
    replica.follow(wire.port());
    eventually("the first link", || replica.state().is_link_up);
    let mut speech = Speech::new(seed);
    let mut client = primary.client();
    write_and_cut(&mut speech, &mut client, (&wire, &replica), operations);
    eventually("the last link", || replica.state().is_link_up);
    let state = primary.state();
    println!("  {} full syncs, {} partial ones", state.sync_full, state.sync_partial_ok);
    rest(&primary, &replica);
    for node in [&primary, &replica] {
        snapshot_is_read(node);
    }
    // Then the log: a base, and an increment.
    for node in [&primary, &replica] {
        rewrite_log(node);
    }
    write_and_cut(&mut speech, &mut client, (&wire, &replica), operations / 10);
    eventually("the very last link", || replica.state().is_link_up);
    rest(&primary, &replica);
    // A replica that has lost its primary gives nobody its data.
    replica.promote();
    drop((client, wire));
    for node in [primary, replica] {
        log_is_read(node);
    }
}

/// Writes, while the link is lost now and then.
fn write_and_cut(
    speech: &mut Speech,
    client: &mut Client,
    (wire, replica): (&Wire, &Node),
    operations: usize,
) {
    let batches = operations.div_ceil(BATCH) as u64;
    let mut cut_for = 0;
    let (mut said, mut refused) = (0, 0);
    for _ in 0..batches {
        if cut_for == 1 {
            wire.mend();
            // Else so much is written before the replica dials again that every sync is a full one.
            if speech.below(4) > 0 {
                eventually("the link again", || replica.state().is_link_up);
            }
        } else if cut_for == 0 && speech.below(batches) < LOSSES {
            wire.cut();
            cut_for = 2 + speech.below(8);
        }
        cut_for = cut_for.saturating_sub(1);
        let lines: Vec<_> = (0..BATCH).flat_map(|_| speech.next()).collect();
        client.send(&sent(&lines));
        for line in &lines {
            let answer = client.next_answer().expect("a reply");
            said += 1;
            refused += u64::from(answer.error().is_some());
            let is_unknown = answer.error().is_some_and(|text| text.contains("unknown"));
            assert!(!is_unknown, "{line:?}: {answer}");
        }
    }
    assert!(refused * 5 < said, "{refused} of {said} operations were refused");
    wire.mend();
}

/// Waits until nothing is about to expire, and both are the same.
fn rest(primary: &Node, replica: &Node) -> Data {
    let mut client = primary.client();
    for db in 0..DATABASES {
        client.ok(&["SELECT", &db.to_string()]);
        eventually("no key that expires soon", || {
            // Unlike KEYS, it deletes what has expired. What lasts is deleted here.
            let scan = client.call(&["SCAN", "0", "MATCH", "soon:*", "COUNT", "1000000"]);
            let Answer::Array(scan) = scan else { panic!("no page: {scan}") };
            let Some(Answer::Array(keys)) = scan.last() else { panic!("no keys: {scan:?}") };
            keys.iter().all(|key| {
                let Answer::Bulk(key) = key else { panic!("no key: {key}") };
                client.call(&[&b"DEL"[..], key]);
                false
            })
        });
    }
    let data = assert_same_data(&[primary, replica]);
    assert_same_groups([primary, replica], forget_what_is_not_replicated);
    data
}

/// What DEBUG DIGEST does not tell: groups, consumers and what is pending.
fn assert_same_groups(nodes: [&Node; 2], forget: fn(&mut Answer)) {
    let [mut one, mut other] = nodes.map(Node::client);
    for db in 0..DATABASES {
        for client in [&mut one, &mut other] {
            client.ok(&["SELECT", &db.to_string()]);
        }
        let Answer::Array(keys) = one.call(&["KEYS", "stream:*"]) else { panic!("no keys") };
        for key in keys {
            let Answer::Bulk(key) = key else { panic!("no key: {key}") };
            let words = [&b"XINFO"[..], b"STREAM", &key, b"FULL", b"COUNT", b"0"];
            let [mut mine, mut theirs] = [one.call(&words), other.call(&words)];
            forget(&mut mine);
            forget(&mut theirs);
            let key = key.escape_ascii();
            let beside = lines_beside(&mine.to_string(), &theirs.to_string());
            assert!(mine == theirs, "database {db}, {key}:\n{beside}");
        }
    }
}

/// The first lines that differ, each with the one before.
fn lines_beside(one: &str, other: &str) -> String {
    let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    let differ = (1..one.len().min(other.len())).filter(|at| one[*at] != other[*at]);
    differ.take(5).map(|at| format!("{}\n{}\n{}\n", one[at - 1], one[at], other[at])).collect()
}

/// What a snapshot keeps is all.
fn forget_nothing(_: &mut Answer) {}

/// What no replica hears of, of a real primary either: how many entries a group has read, when a
/// consumer was seen, and who has nothing to do. Approximate trimming leaves other blocks.
fn forget_what_is_not_replicated(answer: &mut Answer) {
    const OWN: &[&[u8]] =
        &[b"seen-time", b"entries-read", b"lag", b"radix-tree-keys", b"radix-tree-nodes"];
    let Answer::Array(fields) = answer else { return };
    fields.iter_mut().for_each(forget_what_is_not_replicated);
    for at in 1..fields.len() {
        let Answer::Bulk(name) = fields[at - 1].clone() else { continue };
        if OWN.contains(&&name[..]) {
            fields[at] = Answer::Null;
        }
        if let (b"consumers", Answer::Array(consumers)) = (&name[..], &mut fields[at]) {
            consumers.retain(|consumer| !is_idle(consumer));
        }
    }
}

fn is_idle(consumer: &Answer) -> bool {
    let Answer::Array(fields) = consumer else { return false };
    fields.last() == Some(&Answer::Array(Vec::new()))
}

/// The other kind finds the same in its snapshot.
fn snapshot_is_read(node: &Node) {
    node.client().ok(&["SAVE"]);
    let rdb = std::fs::read(node.dir().join("dump.rdb")).expect("a dump");
    let reader = Node::start_with(other(node.kind()), &[], Some(&rdb));
    let (wrote, read) = (node.data(), reader.data());
    assert!(wrote == read, "{:?} wrote {wrote:?}, read: {read:?}", node.kind());
    assert_same_groups([node, &reader], forget_nothing);
}

fn rewrite_log(node: &Node) {
    let mut client = node.client();
    client.text(&["BGREWRITEAOF"]);
    eventually("the end of the rewrite", || {
        let info = client.text(&["INFO", "persistence"]);
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
}

/// The other kind finds the same in its log.
fn log_is_read(node: Node) {
    let (kind, wrote) = (node.kind(), node.data());
    let reader = Node::start_in(node.end(), other(kind), SETTINGS);
    let read = reader.data();
    assert!(wrote == read, "{kind:?} wrote {wrote:?}, read: {read:?}");
}

fn other(kind: Kind) -> Kind {
    match kind {
        Ours => Real,
        Real => Ours,
    }
}
