//! Replication between the real redis-server and ours, in both directions.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails so")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use kit::Kind::{Ours, Real};
use kit::{Data, Kind, MANY_KEYS, Node, State, Wire, Writer, assert_same_data, eventually, fetch};
use replab::resp::Answer;

/// A full sync under writes, then a broken link, then a partial one.
fn syncs_fully_then_partially(primary: Kind, replica: Kind, diskless: &str) {
    let settings = [("repl-diskless-sync", diskless)];
    let primary = Node::start_with(primary, &settings, Some(&MANY_KEYS));
    let replica = Node::start(replica, &[]);
    let wire = Wire::to(primary.port());
    let writer = Writer::on(&primary);
    writer.go_on();
    replica.follow(wire.port());
    eventually("the full sync", || replica.state().is_link_up);
    writer.go_on();
    wire.cut();
    eventually("the loss", || !replica.state().is_link_up);
    writer.go_on();
    wire.mend();
    eventually("the link again", || replica.state().is_link_up);
    writer.go_on();
    writer.end();
    let state = primary.state();
    assert_eq!((state.sync_full, state.sync_partial_ok), (1, 1));
    assert_eq!(replica.state().replid, state.replid);
    let data = assert_same_data(&[&primary, &replica]);
    assert!(data.keys > 100_000 && data.expiries.len() > 25_000);
}

#[test]
fn a_real_replica_of_ours_diskless() {
    syncs_fully_then_partially(Ours, Real, "yes");
}

#[test]
fn a_real_replica_of_ours_through_a_file() {
    syncs_fully_then_partially(Ours, Real, "no");
}

#[test]
fn our_replica_of_a_real_primary_diskless() {
    syncs_fully_then_partially(Real, Ours, "yes");
}

#[test]
fn our_replica_of_a_real_primary_through_a_file() {
    syncs_fully_then_partially(Real, Ours, "no");
}

/// Three in a row; the middle one loses its primary, then its replica.
fn chain(kinds: [Kind; 3]) {
    let [first, middle, last] = kinds;
    let first = Node::filled(first, &[]);
    let (middle, last) = (Node::start(middle, &[]), Node::start(last, &[]));
    let (upper, lower) = (Wire::to(first.port()), Wire::to(middle.port()));
    let writer = Writer::on(&first);
    middle.follow(upper.port());
    eventually("the first link", || middle.state().is_link_up);
    last.follow(lower.port());
    eventually("the second link", || last.state().is_link_up);
    for wire in [&upper, &lower] {
        writer.go_on();
        wire.cut();
        let below = if wire.port() == upper.port() { &middle } else { &last };
        eventually("a loss", || !below.state().is_link_up);
        writer.go_on();
        wire.mend();
        eventually("both links", || middle.state().is_link_up && last.state().is_link_up);
    }
    writer.go_on();
    writer.end();
    let (top, mid, end) = (first.state(), middle.state(), last.state());
    assert_eq!([&mid.replid, &end.replid], [&top.replid; 2]);
    assert_eq!((top.sync_full, top.sync_partial_ok), (1, 1));
    assert_eq!((mid.sync_full, mid.sync_partial_ok), (1, 1));
    assert_same_data(&[&first, &middle, &last]);
}

#[test]
fn ours_in_the_middle_of_a_real_chain() {
    chain([Real, Ours, Real]);
}

#[test]
fn a_real_one_in_the_middle_of_our_chain() {
    chain([Ours, Real, Ours]);
}

/// A primary with two replicas that are equally far, and its name.
fn family(primary: Kind, heir: Kind, sibling: Kind) -> ([Node; 3], State) {
    let primary = Node::filled(primary, &[]);
    let (heir, sibling) = (Node::start(heir, &[]), Node::start(sibling, &[]));
    let writer = Writer::lasting(&primary);
    for replica in [&heir, &sibling] {
        replica.follow(primary.port());
        eventually("a link", || replica.state().is_link_up);
    }
    writer.go_on();
    writer.end();
    eventually("equal offsets", || {
        let offset = primary.state().offset;
        [&heir, &sibling].iter().all(|replica| replica.state().offset == offset)
    });
    let state = primary.state();
    ([primary, heir, sibling], state)
}

/// After a primary's death its heir is followed without a full sync, by its old name.
fn promotion(primary: Kind, heir: Kind, sibling: Kind) {
    let ([mut primary, heir, sibling], old) = family(primary, heir, sibling);
    primary.kill();
    heir.promote();
    sibling.follow(heir.port());
    eventually("the sibling", || sibling.state().is_link_up);
    let writer = Writer::on(&heir);
    writer.go_on();
    writer.end();
    let new = heir.state();
    assert_eq!((new.sync_full, new.sync_partial_ok), (0, 1));
    assert_ne!(new.replid, old.replid);
    for node in [&heir, &sibling] {
        let state = node.state();
        assert_eq!((&state.replid, &state.replid2), (&new.replid, &old.replid));
    }
    assert_same_data(&[&heir, &sibling]);
}

#[test]
fn a_real_sibling_follows_our_heir_of_a_real_primary() {
    promotion(Real, Ours, Real);
}

#[test]
fn our_sibling_follows_a_real_heir_of_our_primary() {
    promotion(Ours, Real, Ours);
}

/// Roles are exchanged without a full sync, and a sub-replica of the old primary goes along.
fn exchange(primary: Kind, heir: Kind, sibling: Kind) {
    let ([primary, heir, sibling], old) = family(primary, heir, sibling);
    heir.promote();
    primary.follow(heir.port());
    eventually("both links", || primary.state().is_link_up && sibling.state().is_link_up);
    let new = heir.state();
    let writer = Writer::on(&heir);
    writer.go_on();
    writer.end();
    eventually("the new name", || sibling.state().replid == new.replid);
    assert_eq!((new.sync_full, new.sync_partial_ok), (0, 1));
    assert_eq!(primary.state().replid2, old.replid);
    // The two of the beginning.
    assert_eq!(primary.state().sync_full, 2);
    assert_same_data(&[&heir, &primary, &sibling]);
}

#[test]
fn a_real_primary_and_our_replica_exchange_roles() {
    exchange(Real, Ours, Real);
}

#[test]
fn our_primary_and_a_real_replica_exchange_roles() {
    exchange(Ours, Real, Ours);
}

/// A replica's snapshot file says where it was, whoever goes on from there.
fn replica_goes_on_from_a_file(primary: Kind, before: Kind, after: Kind) {
    let primary = Node::filled(primary, &[]);
    let replica = Node::start(before, &[]);
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
    let writer = Writer::on(&primary);
    writer.go_on();
    let file = replica.save_and_end();
    writer.go_on();
    let follows = format!("127.0.0.1 {}", primary.port());
    let replica = Node::start_with(after, &[("replicaof", &follows)], Some(&file));
    eventually("the link again", || replica.state().is_link_up);
    writer.go_on();
    writer.end();
    let state = primary.state();
    assert_eq!((state.sync_full, state.sync_partial_ok), (1, 1));
    assert_same_data(&[&primary, &replica]);
}

#[test]
fn a_real_replica_goes_on_from_our_file() {
    replica_goes_on_from_a_file(Real, Ours, Real);
}

#[test]
fn our_replica_goes_on_from_a_real_file() {
    replica_goes_on_from_a_file(Ours, Real, Ours);
}

/// A primary's snapshot file lets its replicas go on under the next primary, whoever that is.
fn primary_goes_on_from_a_file(before: Kind, after: Kind, replica: Kind) {
    let primary = Node::filled(before, &[]);
    let replica = Node::start(replica, &[]);
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
    let writer = Writer::lasting(&primary);
    writer.go_on();
    writer.end();
    let old = primary.state();
    let file = primary.save_and_end();
    let primary = Node::start_with(after, &[], Some(&file));
    replica.follow(primary.port());
    eventually("the link again", || replica.state().is_link_up);
    let new = primary.state();
    assert_eq!((new.sync_full, new.sync_partial_ok), (0, 1));
    assert_ne!(new.replid, old.replid);
    assert_eq!(new.replid2, old.replid);
    let writer = Writer::on(&primary);
    writer.go_on();
    writer.end();
    assert_same_data(&[&primary, &replica]);
}

#[test]
fn a_real_primary_goes_on_from_our_file() {
    primary_goes_on_from_a_file(Ours, Real, Ours);
}

#[test]
fn our_primary_goes_on_from_a_real_file() {
    primary_goes_on_from_a_file(Real, Ours, Real);
}

#[test]
fn our_replica_follows_a_primary_that_knows_only_sync() {
    let primary = Node::filled(Real, &[("rename-command", "PSYNC nothing")]);
    let replica = Node::start(Ours, &[]);
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
    let mut client = primary.client();
    client.ok(&["SET", "last", "word"]);
    let word = Answer::Bulk(b"word".to_vec());
    eventually("the stream", || replica.client().call(&["GET", "last"]) == word);
    assert_eq!(primary.data(), replica.data());
}

#[test]
fn a_replica_that_knows_only_sync_gets_our_data_and_then_our_stream() {
    let primary = Node::filled(Ours, &[]);
    let mut replica = primary.client();
    assert_eq!(fetch(&mut replica).keys, 4000);
    primary.client().ok(&["SET", "last", "word"]);
    let stream = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$4\r\nlast\r\n$4\r\nword\r\n";
    assert_eq!(replica.bytes(stream.len()), stream.as_bytes());
}

/// Only who knows the password gets the data.
fn passwords(primary: Kind, replica: Kind) {
    let primary = Node::start(primary, &[("requirepass", "open-sesame")]);
    primary.client().ok(&["SET", "a", "1"]);
    let stranger = Node::start(replica, &[]);
    let liar = Node::start(replica, &[("masterauth", "open-barley")]);
    let friend = Node::start(replica, &[("masterauth", "open-sesame")]);
    for node in [&stranger, &liar, &friend] {
        node.follow(primary.port());
    }
    eventually("the link", || friend.state().is_link_up);
    assert_eq!(friend.client().text(&["GET", "a"]), "1");
    assert!(!stranger.state().is_link_up && !liar.state().is_link_up);
}

#[test]
fn a_real_replica_gives_ours_its_password() {
    passwords(Ours, Real);
}

#[test]
fn our_replica_gives_a_real_primary_its_password() {
    passwords(Real, Ours);
}

#[test]
fn our_replica_gives_a_real_primary_its_user() {
    let primary = Node::start(Real, &[("user", "ali on >baba +psync +replconf +ping")]);
    let replica = Node::start(Ours, &[("masteruser", "ali"), ("masterauth", "baba")]);
    primary.client().ok(&["CONFIG", "SET", "requirepass", "sesame"]);
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
}

/// Databases and transactions reach the end of a chain that grows meanwhile.
fn databases_and_transactions(kinds: [Kind; 3]) {
    let [first, middle, last] = kinds.map(|kind| Node::start(kind, &[]));
    middle.follow(first.port());
    eventually("the first link", || middle.state().is_link_up);
    let mut client = first.client();
    client.ok(&["SELECT", "3"]);
    client.ok(&["SET", "in-3", "1"]);
    last.follow(middle.port());
    eventually("the second link", || last.state().is_link_up);
    // The stream is in 3 already: no SELECT comes before this.
    client.ok(&["SET", "in-3", "2"]);
    client.ok(&["MULTI"]);
    for words in [&["SET", "in-3-as-well", "1"][..], &["SELECT", "5"], &["SET", "in-5", "1"]] {
        assert_eq!(client.call(words), Answer::Simple("QUEUED".to_owned()));
    }
    assert!(matches!(client.call(&["EXEC"]), Answer::Array(answers) if answers.len() == 3));
    client.ok(&["SET", "in-5", "2"]);
    let data = assert_same_data(&[&first, &middle, &last]);
    assert_eq!(data.keys, 3);
}

#[test]
fn databases_and_transactions_pass_through_ours() {
    databases_and_transactions([Real, Ours, Real]);
}

#[test]
fn databases_and_transactions_pass_from_ours_to_ours_through_a_real_one() {
    databases_and_transactions([Ours, Real, Ours]);
}

/// FAILOVER hands the role over without a full sync or a lost write.
fn failover(primary: Kind, heir: Kind) {
    let (primary, heir) = (Node::filled(primary, &[]), Node::start(heir, &[]));
    heir.follow(primary.port());
    eventually("the link", || heir.state().is_link_up);
    let writer = Writer::lasting(&primary);
    writer.go_on();
    writer.end();
    let old = primary.state();
    primary.client().ok(&["FAILOVER"]);
    eventually("the exchange", || {
        primary.state().is_link_up && !heir.state().is_replica && primary.state().is_replica
    });
    let new = heir.state();
    assert_eq!((new.sync_full, new.sync_partial_ok, &new.replid2), (0, 1, &old.replid));
    let writer = Writer::on(&heir);
    writer.go_on();
    writer.end();
    assert_same_data(&[&heir, &primary]);
}

#[test]
fn a_real_primary_fails_over_to_ours() {
    failover(Real, Ours);
}

#[test]
fn our_primary_fails_over_to_a_real_one() {
    failover(Ours, Real);
}

/// WAIT counts the replica that has a write, and gives up on one that cannot get it.
fn wait(primary: Kind, replica: Kind) {
    let (primary, replica) = (Node::start(primary, &[]), Node::start(replica, &[]));
    let wire = Wire::to(primary.port());
    replica.follow(wire.port());
    eventually("the link", || primary.state().online_replicas == 1);
    let mut client = primary.client();
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.call(&["WAIT", "1", "30000"]), Answer::Int(1));
    wire.cut();
    client.ok(&["SET", "a", "2"]);
    assert_eq!(client.call(&["WAIT", "1", "100"]), Answer::Int(0));
    wire.mend();
    assert_eq!(client.call(&["WAIT", "1", "30000"]), Answer::Int(1));
    assert_eq!(replica.client().text(&["GET", "a"]), "2");
}

#[test]
fn our_primary_waits_for_a_real_replica() {
    wait(Ours, Real);
}

#[test]
fn a_real_primary_waits_for_our_replica() {
    wait(Real, Ours);
}

/// Whichever end kills the link, it comes back with what was missed.
fn killed_links(primary: Kind, replica: Kind) {
    let (primary, replica) = (Node::start(primary, &[]), Node::start(replica, &[]));
    replica.follow(primary.port());
    eventually("the link", || replica.state().is_link_up);
    for (n, (node, whom)) in [(&primary, "replica"), (&replica, "master")].into_iter().enumerate() {
        assert_eq!(node.client().call(&["CLIENT", "KILL", "TYPE", whom]), Answer::Int(1));
        primary.client().ok(&["SET", "a", whom]);
        eventually("the link again", || {
            replica.state().is_link_up && primary.state().sync_partial_ok == n as u64 + 1
        });
        assert_same_data(&[&primary, &replica]);
    }
}

#[test]
fn a_killed_link_between_ours_and_a_real_replica_comes_back() {
    killed_links(Ours, Real);
}

#[test]
fn a_killed_link_between_a_real_primary_and_ours_comes_back() {
    killed_links(Real, Ours);
}

/// What redis-cli prints when it is called with these arguments and standard input.
fn redis_cli(port: u16, args: &[&str], input: &str) -> String {
    let mut child = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("these tests need redis-cli on the PATH: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn redis_cli_talks_to_ours() {
    let node = Node::start(Ours, &[]);
    let said = redis_cli(node.port(), &[], "PING\nSET a 1\nGET a\nGET b\nECHO \"x y\"\nNOSUCH 1\n");
    let expected =
        "PONG\nOK\n1\n\nx y\nERR unknown command 'NOSUCH', with args beginning with: '1' \n\n";
    assert_eq!(said, expected);
}

#[test]
fn redis_cli_copies_our_data() {
    let node = Node::start_with(Ours, &[], Some(&MANY_KEYS));
    let file = node.dir().join("copy.rdb");
    redis_cli(node.port(), &["--rdb", file.to_str().unwrap()], "");
    let copy = Data::of_rdb(&std::fs::read(&file).unwrap());
    assert_eq!(copy, node.data());
    assert_eq!(copy.expiries.len(), 25_000);
}

#[test]
fn redis_cli_as_a_replica_of_ours_shows_the_stream() {
    let node = Node::filled(Ours, &[]);
    let mut cli = Command::new("redis-cli")
        .args(["-p", &node.port().to_string(), "--replica"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("these tests need redis-cli on the PATH: {e}"));
    let mut lines = BufReader::new(cli.stdout.take().unwrap()).lines().map_while(Result::ok);
    eventually("redis-cli", || node.state().online_replicas == 1);
    node.client().ok(&["SET", "a", "1"]);
    assert!(lines.any(|line| line == "\"SET\",\"a\",\"1\""));
    cli.kill().unwrap();
    cli.wait().unwrap();
}

/// Values of every type, small and large, DUMPed by one and RESTOREd by the other.
fn values_travel(from: Kind, to: Kind) {
    let (from, to) = (Node::start(from, &[]), Node::start(to, &[]));
    let (mut source, mut target) = (from.client(), to.client());
    let long = "x".repeat(100);
    for size in [1, 5, 700] {
        for n in 0..size {
            let (n, name) = (n.to_string(), format!("{long}{}", n % 50));
            let key = |name: &str| format!("{name}{size}");
            source.call(&["RPUSH", &key("list"), &n, &name]);
            source.call(&["SADD", &key("ints"), &n]);
            source.call(&["SADD", &key("set"), &n, &name]);
            source.call(&["HSET", &key("hash"), &n, &name]);
            source.call(&["ZADD", &key("zset"), &format!("{n}.5"), &name, &n, &n]);
            source.call(&["APPEND", &key("string"), &name]);
            source.call(&["PFADD", &key("sketch"), &n]);
        }
    }
    source.call(&["SET", "int", "-70000"]);
    let Answer::Array(keys) = source.call(&["KEYS", "*"]) else { panic!("no keys") };
    assert_eq!(keys.len(), 22);
    for key in keys {
        let Answer::Bulk(key) = key else { panic!("{key} is no key") };
        let Answer::Bulk(payload) = source.call(&[b"DUMP".as_slice(), &key]) else {
            panic!("{} cannot be dumped", String::from_utf8_lossy(&key))
        };
        target.ok(&[b"RESTORE".as_slice(), &key, b"0", &payload]);
    }
    assert_eq!(source.text(&["DEBUG", "DIGEST"]), target.text(&["DEBUG", "DIGEST"]));
}

#[test]
fn a_real_value_is_restored_by_ours() {
    values_travel(Real, Ours);
}

#[test]
fn our_value_is_restored_by_a_real_one() {
    values_travel(Ours, Real);
}
