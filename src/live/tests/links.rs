//! The network between nodes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Bench, dialler, echo};
use crate::world::link::LINK_QUEUE_BYTES_MAX;
use crate::world::{ClientId, LinkPolicy, NodeId, World};

const CUT: LinkPolicy = LinkPolicy { cut: true, delay_ms: 0, jitter_ms: 0, bytes_per_s: 0 };
/// Long enough to see that something does not come.
const A_WHILE: Duration = Duration::from_millis(300);

/// A dialler connected to an echo, and a client of the dialler.
fn pair() -> (Bench, NodeId, NodeId, ClientId) {
    let mut bench = Bench::new();
    let echo = bench.start(echo());
    let near = bench.start(dialler(bench.world.port(echo)));
    bench.until_logged(near, "dialled");
    bench.until_logged(echo, "accepted");
    let client = bench.world.connect(near);
    (bench, near, echo, client)
}

fn say(bench: &mut Bench, client: ClientId, text: &'static str) {
    bench.world.send(client, Bytes::from_static(text.as_bytes()));
}

#[track_caller]
fn until_got(bench: &mut Bench, near: NodeId, text: &str) {
    bench.until(text, |bench| bench.logged(near, "got ") == text);
}

#[test]
fn what_a_cut_link_holds_arrives_after_healing() {
    for cut_back in [false, true] {
        let (mut bench, near, far, client) = pair();
        let (from, to) = if cut_back { (far, near) } else { (near, far) };
        bench.world.set_link(from, to, CUT);
        say(&mut bench, client, "abc");
        bench.until("held", |bench| bench.world.held_bytes(from, to) == 3);
        assert!(!bench.waits_for(A_WHILE, |bench| !bench.logged(near, "got ").is_empty()));
        assert_eq!(bench.world.held_bytes(to, from), 0);
        bench.world.set_link(from, to, LinkPolicy::default());
        until_got(&mut bench, near, "abc");
        assert_eq!(bench.world.held_bytes(from, to), 0);
    }
}

#[test]
fn the_end_of_a_killed_dialler_crosses_a_cut_only_after_its_bytes() {
    let (mut bench, near, far, client) = pair();
    bench.world.set_link(near, far, CUT);
    say(&mut bench, client, "abc");
    bench.until("held", |bench| bench.world.held_bytes(near, far) == 3);
    bench.world.kill(near);
    assert!(!bench.waits_for(A_WHILE, |bench| bench.has_logged(far, "closed ")));
    bench.world.set_link(near, far, LinkPolicy::default());
    bench.until("end", |bench| !bench.logged(far, "closed").is_empty());
}

#[test]
fn the_end_of_a_killed_target_crosses_a_cut_only_after_healing() {
    let (mut bench, near, far, _) = pair();
    bench.world.set_link(far, near, CUT);
    bench.world.kill(far);
    assert!(!bench.waits_for(A_WHILE, |bench| !bench.logged(near, "lost").is_empty()));
    bench.world.set_link(far, near, LinkPolicy::default());
    bench.until_logged(near, "lost ");
}

#[test]
fn a_kill_is_seen_at_once_on_a_whole_link() {
    let (mut bench, near, far, _) = pair();
    let began = Instant::now();
    bench.world.kill(far);
    bench.until_logged(near, "lost ");
    assert!(began.elapsed() < Duration::from_secs(2));
    let (mut bench, near, far, _) = pair();
    bench.world.kill(near);
    bench.until_logged(far, "closed ");
}

#[test]
fn a_dial_across_a_cut_neither_succeeds_nor_fails() {
    for is_target_alive in [true, false] {
        let mut bench = Bench::new();
        let far = bench.add(echo());
        if is_target_alive {
            bench.world.start(far).unwrap();
        }
        let near = bench.add(dialler(bench.world.port(far)));
        bench.world.set_link(far, near, CUT);
        bench.world.start(near).unwrap();
        assert!(!bench.waits_for(A_WHILE, |bench| !bench.logged(near, "").is_empty()));
        bench.world.set_link(far, near, LinkPolicy::default());
        let outcome = if is_target_alive { "dialled" } else { "lost Connection refused" };
        bench.until_logged(near, outcome);
    }
}

#[test]
fn a_delay_keeps_the_order_whatever_the_jitter() {
    let (mut bench, near, far, client) = pair();
    let policy = LinkPolicy { delay_ms: 100, jitter_ms: 80, ..LinkPolicy::default() };
    bench.world.set_link(near, far, policy);
    let began = Instant::now();
    let mut expected = String::new();
    for text in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        expected.push_str(text);
        say(&mut bench, client, text);
        let echoed = bench.echoes(far, "spacer");
        bench.world.disconnect(echoed);
    }
    until_got(&mut bench, near, &expected);
    assert!(began.elapsed() >= Duration::from_millis(20), "later than delay less jitter");
}

#[test]
fn a_delay_is_at_least_as_long_as_asked() {
    let (mut bench, near, far, client) = pair();
    let policy = LinkPolicy { delay_ms: 150, ..LinkPolicy::default() };
    bench.world.set_link(near, far, policy);
    bench.world.set_link(far, near, policy);
    let began = Instant::now();
    say(&mut bench, client, "abc");
    until_got(&mut bench, near, "abc");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_throttle_takes_as_long_as_it_must() {
    let (mut bench, near, far, client) = pair();
    bench.world.set_link(near, far, LinkPolicy { bytes_per_s: 100_000, ..LinkPolicy::default() });
    let began = Instant::now();
    bench.world.send(client, Bytes::from(vec![b'x'; 50_000]));
    bench.until("all", |bench| bench.logged(near, "got ").len() == 50_000);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_reset_is_an_error_at_both_ends_even_across_a_cut() {
    let (mut bench, near, far, client) = pair();
    bench.world.set_link(near, far, CUT);
    say(&mut bench, client, "abc");
    bench.until("held", |bench| bench.world.held_bytes(near, far) == 3);
    bench.world.reset_link(far, near);
    bench.until_logged(near, "lost Connection reset by peer");
    bench.until_logged(far, "closed Connection reset by peer");
    assert_eq!(bench.world.held_bytes(near, far), 0);
}

#[test]
fn a_cut_link_fills_its_senders_queue() {
    let (mut bench, near, far, client) = pair();
    bench.world.set_link(near, far, CUT);
    bench.world.send(client, Bytes::from(vec![b'x'; 3 * LINK_QUEUE_BYTES_MAX]));
    let left = format!("unsent {}", 2 * LINK_QUEUE_BYTES_MAX);
    bench.until_logged(near, &left);
    assert_eq!(bench.world.held_bytes(near, far), LINK_QUEUE_BYTES_MAX as u64);
    bench.world.set_link(near, far, LinkPolicy::default());
    bench.until("all", |bench| bench.logged(near, "got ").len() == 3 * LINK_QUEUE_BYTES_MAX);
    bench.until_logged(near, "unsent 0");
}

#[test]
fn a_server_outside_the_world_is_dialled_plainly() {
    let outside = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut bench = Bench::new();
    let near = bench.start(dialler(outside.local_addr().unwrap().port()));
    let (mut stream, _) = outside.accept().unwrap();
    bench.until_logged(near, "dialled");
    stream.write_all(b"welcome").unwrap();
    until_got(&mut bench, near, "welcome");
    bench.world.kill(near);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
}
