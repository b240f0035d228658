//! Streams beside the real redis-server: the same commands have the same replies, leave the same
//! data, go through either's replication and come back from either's snapshots.

#![expect(clippy::expect_used, reason = "a test fails so")]

#[allow(clippy::panic, reason = "a test fails so")]
#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use kit::Kind::{Ours, Real};
use kit::{Client, Kind, Node, assert_same_data, eventually};
use replab::base::rng::Dice;
use replab::keyspace::types::stream::BlockMax;
use replab::keyspace::types::{Stream, StreamId};
use replab::resp::Answer;

const KEYS: [&str; 3] = ["s", "t", "u"];

/// So that there are many blocks.
const SETTINGS: [(&str, &str); 2] =
    [("stream-node-max-entries", "7"), ("stream-node-max-bytes", "200")];

/// Commands of every kind, none of whose replies depends on the time.
fn commands(seed: u64, count: usize) -> Vec<Vec<String>> {
    let mut dice = Dice::new(seed);
    let mut clock = 100;
    let mut commands =
        vec![words("CONFIG SET stream-node-max-entries 7 stream-node-max-bytes 200")];
    for key in KEYS {
        commands.push(words(&format!("XGROUP CREATE {key} g 0 MKSTREAM")));
    }
    while commands.len() < count {
        clock += dice.below(3);
        let command = command(&mut dice, clock);
        commands.push(words(&command));
    }
    commands
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn command(dice: &mut Dice, clock: u64) -> String {
    let key = KEYS[dice.below(3) as usize];
    let (group, consumer) =
        (["g", "h"][dice.below(2) as usize], ["a", "b", "c"][dice.below(3) as usize]);
    let member = format!("{group} {consumer}");
    let count = 1 + dice.below(9);
    let id =
        |dice: &mut Dice| format!("{}-{}", clock.saturating_sub(dice.below(60)), dice.below(2));
    let ids = |dice: &mut Dice| format!("{} {} {}", id(dice), id(dice), id(dice));
    let fields = |dice: &mut Dice| match dice.below(4) {
        0 => format!("f {} g {}", dice.below(1000), dice.below(1 << 40)),
        1 => format!("other {}", "x".repeat(dice.below(90) as usize + 1)),
        _ => format!("f -{}", dice.below(5000)),
    };
    match dice.below(34) {
        0..8 => format!("XADD {key} {clock}-* {}", fields(dice)),
        8 => format!("XADD {key} MAXLEN ~ {} {clock}-* {}", dice.below(40), fields(dice)),
        9 => format!("XADD {key} MINID ~ {} {clock}-* {}", id(dice), fields(dice)),
        10 => format!("XADD {key} MAXLEN {} {} {}", 5 + dice.below(40), id(dice), fields(dice)),
        11 => format!("XTRIM {key} MAXLEN ~ {} LIMIT {}", dice.below(30), dice.below(20)),
        12 => format!("XTRIM {key} MINID {}", id(dice)),
        13..16 => format!("XDEL {key} {}", ids(dice)),
        16..20 => format!("XREADGROUP GROUP {member} COUNT {count} STREAMS {key} >"),
        20 => format!("XREADGROUP GROUP {member} NOACK COUNT {count} STREAMS {key} >"),
        21 => format!("XREADGROUP GROUP {member} COUNT {count} STREAMS {key} {}", id(dice)),
        22..24 => format!("XACK {key} {group} {}", ids(dice)),
        24 => format!("XCLAIM {key} {member} 0 {} TIME {}", ids(dice), dice.below(9999)),
        25 => format!("XCLAIM {key} {member} 0 {} FORCE JUSTID LASTID {}", ids(dice), id(dice)),
        26 => format!("XAUTOCLAIM {key} {member} 0 {} COUNT {count}", id(dice)),
        27 => format!("XPENDING {key} {group}"),
        28 => format!("XREVRANGE {key} {} {} COUNT {count}", id(dice), id(dice)),
        29 => format!("XREAD COUNT {count} STREAMS {key} {}", id(dice)),
        30 => format!("XINFO GROUPS {key}"),
        31 => format!("XINFO STREAM {key}"),
        32 => match dice.below(5) {
            0 => format!("XGROUP CREATE {key} h {} ENTRIESREAD {}", id(dice), dice.below(50)),
            1 => format!("XGROUP SETID {key} {group} {}", id(dice)),
            2 => format!("XGROUP DELCONSUMER {key} {member}"),
            3 => format!("XGROUP DESTROY {key} h"),
            _ => format!("XSETID {key} {clock}-9 ENTRIESADDED 1000 MAXDELETEDID {}", id(dice)),
        },
        _ => format!("XRANGE {key} {} {}", id(dice), id(dice)),
    }
}

/// All that a node knows of the streams.
fn streams(client: &mut Client) -> Vec<Answer> {
    KEYS.map(|key| client.call(&["XINFO", "STREAM", key, "FULL", "COUNT", "0"])).into()
}

/// What of the streams is not the same in two nodes that were told the same at different times.
const TIMES: &[&str] = &["seen-time"];

/// What of the streams a primary does not tell its replicas: XCLAIM says nothing of how much a
/// group has read.
const UNTOLD: &[&str] = &["seen-time", "entries-read", "lag"];

/// Without the pairs of these names, and, if one is a time, without those of deliveries.
fn without(answer: &Answer, names: &[&str]) -> Answer {
    let Answer::Array(items) = answer else { return answer.clone() };
    let is_delivery = matches!(items[..], [Answer::Bulk(_), .., Answer::Int(_), Answer::Int(_)]);
    let items = if is_delivery && names == TIMES { &items[..items.len() - 2] } else { items };
    let mut items: Vec<_> = items.iter().map(|item| without(item, names)).collect();
    for name in names {
        if let Some(at) = items.iter().position(|item| *item == Answer::Bulk((*name).into())) {
            items.drain(at..at + 2);
        }
    }
    Answer::Array(items)
}

#[track_caller]
fn assert_same_streams(nodes: [&Node; 2], but: &[&str]) {
    let [one, other] = nodes.map(|node| streams(&mut node.client()));
    for (one, other) in one.iter().zip(&other) {
        let (one, other) = (without(one, but), without(other, but));
        assert!(one == other, "{one}\n{other}");
    }
    let digest = |node: &Node| node.client().text(&["DEBUG", "DIGEST"]);
    assert_eq!(digest(nodes[0]), digest(nodes[1]));
}

#[test]
fn every_reply_is_that_of_the_real_server() {
    for seed in 1..=6 {
        let (real, ours) = (Node::start(Real, &SETTINGS), Node::start(Ours, &SETTINGS));
        let (mut to_real, mut to_ours) = (real.client(), ours.client());
        if seed % 2 == 0 {
            to_real.call(&["HELLO", "3"]);
            to_ours.call(&["HELLO", "3"]);
        }
        for (nth, command) in commands(seed, 1500).iter().enumerate() {
            let (theirs, ours) = (to_real.call(command), to_ours.call(command));
            assert_eq!(ours, theirs, "seed {seed}, {nth}: {}\n{ours}\n{theirs}", command.join(" "));
        }
        assert_same_streams([&real, &ours], TIMES);
    }
}

/// Streams come to a replica in a snapshot, then as commands, then in a snapshot again.
fn replicate(primary: Kind, replica: Kind) {
    let (primary, replica) = (Node::start(primary, &SETTINGS), Node::start(replica, &SETTINGS));
    let mut client = primary.client();
    let all = commands(42, 1500);
    let (before, after) = all.split_at(700);
    before.iter().for_each(|command| drop(client.call(command)));
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
    assert_same_data(&[&primary, &replica]);
    assert_same_streams([&primary, &replica], &[]);

    // Reading again what was delivered counts for the primary only, as with the real one.
    let is_history = |command: &[String]| {
        command[0] == "XREADGROUP" && command.last().is_some_and(|id| id != ">")
    };
    let after = after.iter().filter(|command| !is_history(command));
    after.for_each(|command| drop(client.call(command)));
    assert_same_data(&[&primary, &replica]);
    assert_same_streams([&primary, &replica], UNTOLD);
}

#[test]
fn a_real_replica_of_a_real_primary_has_the_same_streams() {
    replicate(Real, Real);
}

#[test]
fn a_real_replica_of_ours_has_the_same_streams() {
    replicate(Ours, Real);
}

#[test]
fn our_replica_of_a_real_primary_has_the_same_streams() {
    replicate(Real, Ours);
}

#[test]
fn streams_come_back_from_a_snapshot_of_ours_and_of_the_real_server() {
    for (one, other) in [(Real, Ours), (Ours, Real), (Ours, Ours)] {
        let first = Node::start(one, &SETTINGS);
        let mut client = first.client();
        commands(7, 1500).iter().for_each(|command| drop(client.call(command)));
        let told = streams(&mut client);
        let digest = client.text(&["DEBUG", "DIGEST"]);
        let second = Node::start_with(other, &SETTINGS, Some(&first.save_and_end()));
        let mut client = second.client();
        assert_eq!(client.text(&["DEBUG", "DIGEST"]), digest);
        assert_eq!(streams(&mut client), told, "{one:?} to {other:?}");
    }
}

/// A snapshot of one stream as this type of value, by hand.
fn snapshot_of_type(type_number: u8) -> Vec<u8> {
    let (of_7_0, of_7_2) = (type_number >= 19, type_number >= 21);
    let mut stream = Stream::default();
    for ms in 1..=3 {
        stream.push(StreamId::new(ms, 0), &[[b"f", b"v"]], BlockMax::default());
    }
    let (first, block) = stream.blocks().next().expect("a block");
    let mut rdb = b"REDIS0009\xfe\x00".to_vec();
    let mut put = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| rdb.extend_from_slice(piece));
    put(&[&[type_number], b"\x01s", b"\x01\x10", &first.to_bytes(), &[block.len() as u8], block]);
    put(&[b"\x03", b"\x05\x00"]);
    if of_7_0 {
        put(&[b"\x01\x00", b"\x00\x00", b"\x03"]);
    }
    let (delivered, seen, active) = ([1; 8], [2; 8], [3; 8]);
    put(&[b"\x02", b"\x01g", b"\x01\x00"]);
    if of_7_0 {
        put(&[b"\x01"]);
    }
    put(&[b"\x01", &StreamId::new(1, 0).to_bytes(), &delivered, b"\x09"]);
    put(&[b"\x02", b"\x01a", &seen, if of_7_2 { &active } else { b"" }, b"\x00"]);
    put(&[b"\x01b", &seen, if of_7_2 { &active } else { b"" }]);
    put(&[b"\x01", &StreamId::new(1, 0).to_bytes()]);
    // A group that has read nobody knows how much, and one of nobody.
    put(&[b"\x01h", b"\x02\x00"]);
    if of_7_0 {
        put(&[b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"]);
    }
    put(&[b"\x00\x00", b"\xff", &[0; 8]]);
    rdb
}

#[test]
fn snapshots_of_older_and_newer_versions_are_read() {
    let told = |kind, type_number| {
        let node = Node::start_with(kind, &SETTINGS, Some(&snapshot_of_type(type_number)));
        streams(&mut node.client())
    };
    let of_6_2 = told(Ours, 15);
    assert_eq!(of_6_2, told(Real, 15));
    let of_7_0 = told(Ours, 19);
    assert_eq!(of_7_0, told(Real, 19));
    assert_eq!(of_7_0, told(Ours, 21));
    assert_eq!(of_7_0, of_6_2);
}
