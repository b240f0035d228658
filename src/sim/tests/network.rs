//! Connections and links.

use super::{CLEAR, CUT, Diary, dial, echo, heard, listen, node, pair, pass, say};
use crate::sim::{SimWorld, chaos};
use crate::world::link::LINK_QUEUE_BYTES_MAX;
use crate::world::{LinkPolicy, World, WorldEvent};

#[test]
fn an_echo_comes_back_whole_and_in_order_however_it_was_split() {
    let mut pieces_seen = 0;
    for seed in 0..50 {
        let mut world = SimWorld::new(seed);
        let (echo, diary) = node(&mut world, 0, echo);
        let client = world.connect(echo);
        let mut text = String::new();
        let mut events = Vec::new();
        for n in 0..30 {
            let line = format!("line {n};");
            say(&mut world, client, &line);
            text.push_str(&line);
            events.extend(pass(&mut world, u64::from(n % 3 == 0)));
        }
        events.extend(pass(&mut world, 10));
        assert_eq!(heard(&events), text);
        assert_eq!(diary.received(), text);
        pieces_seen += diary.texts().iter().filter(|l| l.starts_with("got l")).count();
        let texts = diary.texts();
        assert_eq!(texts[..2], ["started", "turn"]);
        assert_eq!(texts.last().unwrap(), "turn");
    }
    assert!(pieces_seen < 50 * 30, "some are read together");
}

#[test]
fn nobody_listens_at_a_dead_node_nor_at_an_unknown_port() {
    let mut world = SimWorld::new(1);
    let (dead, _) = node(&mut world, 0, listen);
    world.kill(dead);
    let port = world.port(dead);
    let (_, to_dead) = node(&mut world, port, dial);
    let (_, to_nobody) = node(&mut world, 9, dial);
    let client = world.connect(dead);
    let events = pass(&mut world, 10);
    assert!(to_dead.when("closed Connection refused").is_some());
    assert!(to_nobody.when("closed Connection refused").is_some());
    assert!(matches!(&events[..],
        [WorldEvent::ClientClosed { client: gone, reason }]
        if *gone == client && reason == "Connection refused"));
}

#[test]
fn a_cut_holds_bytes_and_the_end_of_the_stream_until_it_heals() {
    let (mut world, [listener, dialler], [heard, _], client) = pair(3);
    world.set_link(dialler, listener, CUT);
    say(&mut world, client, "one ");
    pass(&mut world, 100);
    say(&mut world, client, "two");
    pass(&mut world, 100);
    world.kill(dialler);
    pass(&mut world, 5000);
    assert_eq!(heard.received(), "");
    assert_eq!(heard.when("closed"), None);
    assert_eq!(world.held_bytes(dialler, listener), 7);
    world.set_link(dialler, listener, CLEAR);
    pass(&mut world, 10);
    assert_eq!(heard.received(), "one two");
    assert!(heard.when("closed") >= Some(5210));
    assert_eq!(heard.texts().iter().rev().nth(1).unwrap(), "closed");
    assert_eq!(world.held_bytes(dialler, listener), 0);
}

#[test]
fn a_cut_holds_connection_attempts() {
    let mut world = SimWorld::new(5);
    let (listener, heard) = node(&mut world, 0, listen);
    let port = world.port(listener);
    let (dialler, felt) = node(&mut world, port, dial);
    world.set_link(listener, dialler, CUT);
    pass(&mut world, 1000);
    assert!(heard.when("accepted").is_some(), "the call passes the other way");
    assert_eq!(felt.when("dialled"), None);
    world.set_link(listener, dialler, CLEAR);
    pass(&mut world, 10);
    assert!(felt.when("dialled") >= Some(1000));
}

#[test]
fn a_reset_is_seen_at_both_ends_even_across_a_cut() {
    let (mut world, [listener, dialler], [heard, felt], _) = pair(3);
    world.set_link(dialler, listener, CUT);
    world.reset_link(listener, dialler);
    pass(&mut world, 1);
    assert!(heard.when("closed Connection reset by peer").is_some());
    assert!(felt.when("closed Connection reset by peer").is_some());
}

#[test]
fn a_delay_with_jitter_keeps_the_order_and_a_throttle_takes_its_time() {
    let (mut world, [listener, dialler], [heard, _], client) = pair(4);
    let delay = LinkPolicy { delay_ms: 50, jitter_ms: 40, ..CLEAR };
    world.set_link(dialler, listener, delay);
    let start = world.now().mono;
    let mut text = String::new();
    for n in 0..20 {
        let words = format!("{n},");
        say(&mut world, client, &words);
        text.push_str(&words);
        pass(&mut world, 2);
    }
    pass(&mut world, 200);
    assert_eq!(heard.received(), text);
    let first = heard.lines().iter().find(|(_, text)| text.starts_with("got")).unwrap().0;
    assert!((start + 10..start + 120).contains(&first), "{first}");

    world.set_link(dialler, listener, LinkPolicy { bytes_per_s: 1000, ..CLEAR });
    say(&mut world, client, &"x".repeat(500));
    pass(&mut world, 250);
    let halfway = heard.received().len() - text.len();
    assert!((150..350).contains(&halfway), "{halfway}");
    pass(&mut world, 300);
    assert_eq!(heard.received().len() - text.len(), 500);
}

#[test]
fn healing_a_slow_link_lets_go_of_what_is_on_its_way() {
    let (mut world, [listener, dialler], [heard, _], client) = pair(4);
    world.set_link(dialler, listener, LinkPolicy { bytes_per_s: 1, ..CLEAR });
    say(&mut world, client, "a long wait");
    pass(&mut world, 2000);
    assert!(heard.received().len() < 5);
    world.set_link(dialler, listener, CLEAR);
    pass(&mut world, 10);
    assert_eq!(heard.received(), "a long wait");
}

#[test]
fn what_a_receiver_does_not_read_piles_up_at_its_sender() {
    let (mut world, [listener, dialler], [heard, felt], client) = pair(2);
    world.pause(listener);
    let block = "x".repeat(LINK_QUEUE_BYTES_MAX);
    for _ in 0..3 {
        say(&mut world, client, &block);
        pass(&mut world, 100);
    }
    let last = |diary: &Diary| {
        diary.texts().into_iter().rev().find(|text| text.starts_with("unsent")).unwrap()
    };
    assert_eq!(last(&felt), format!("unsent {}", 2 * LINK_QUEUE_BYTES_MAX));
    world.resume(listener);
    pass(&mut world, 100);
    assert_eq!(last(&felt), "unsent 0");
    assert_eq!(heard.received_bytes(), 3 * LINK_QUEUE_BYTES_MAX);

    world.set_link(dialler, listener, CUT);
    for _ in 0..2 {
        say(&mut world, client, &block);
        pass(&mut world, 100);
    }
    assert_eq!(world.held_bytes(dialler, listener), LINK_QUEUE_BYTES_MAX as u64);
    assert_eq!(last(&felt), format!("unsent {LINK_QUEUE_BYTES_MAX}"));
}

#[test]
fn bytes_that_leave_within_their_turn_are_never_mentioned() {
    let (mut world, _, [_, felt], client) = pair(2);
    for _ in 0..20 {
        say(&mut world, client, "hello");
        pass(&mut world, 10);
    }
    assert!(felt.texts().iter().all(|text| !text.starts_with("unsent")));
}

#[test]
fn a_flushing_close_still_sends_and_is_not_told_to_who_closed() {
    let (mut world, [listener, _], [heard, felt], client) = pair(7);
    world.pause(listener);
    say(&mut world, client, &"x".repeat(2 * LINK_QUEUE_BYTES_MAX));
    pass(&mut world, 10);
    while felt.when("got bye").is_none() {
        say(&mut world, client, "bye");
        pass(&mut world, 10);
    }
    world.resume(listener);
    pass(&mut world, 100);
    assert!(heard.received_bytes() >= 2 * LINK_QUEUE_BYTES_MAX);
    assert!(heard.when("closed").is_some());
    assert_eq!(felt.when("closed"), None);
}

#[test]
fn whatever_links_and_pauses_do_a_stream_arrives_whole_and_in_order() {
    for seed in 0..50 {
        let (mut world, _, [heard, felt], client) = pair(seed);
        let mut text = String::new();
        for (at, fault) in chaos::generate(seed, 2, 12, 20_000) {
            use chaos::Fault::{Link, Pause, Resume};
            while world.now().mono < at {
                let words = format!("{at}-{}.", world.now().mono);
                say(&mut world, client, &words);
                text.push_str(&words);
                let step = (at - world.now().mono).min(200);
                pass(&mut world, step);
            }
            if matches!(fault, Link { .. } | Pause(_) | Resume(_)) {
                chaos::apply(&mut world, &fault).unwrap();
            }
        }
        pass(&mut world, 2000);
        assert_eq!(felt.received(), text, "seed {seed}");
        assert_eq!(heard.received(), text, "seed {seed}");
    }
}

#[test]
fn a_client_that_speaks_and_hangs_up_at_once_is_heard() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, listen);
    let client = world.connect(node);
    say(&mut world, client, "and gone");
    world.disconnect(client);
    assert!(pass(&mut world, 10).is_empty());
    assert_eq!(diary.received(), "and gone");
    assert!(diary.when("closed").is_some());
}

#[test]
fn a_call_dies_with_its_caller() {
    let mut world = SimWorld::new(1);
    let (listener, heard) = node(&mut world, 0, listen);
    let port = world.port(listener);
    let (dialler, _) = node(&mut world, port, dial);
    world.set_link(dialler, listener, CUT);
    pass(&mut world, 100);
    world.kill(dialler);
    world.set_link(dialler, listener, CLEAR);
    pass(&mut world, 100);
    assert_eq!(heard.when("accepted"), None);
}
