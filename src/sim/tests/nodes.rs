//! Turns, deadlines, pauses, stalls and ends of nodes.

use std::sync::{Arc, Mutex};

use super::{Diary, Tiny, echo, heard, listen, node, panic, pass, say, tick};
use crate::machine::{Input, LogLevel, Machine, Millis, Output};
use crate::sim::SimWorld;
use crate::world::{Birth, Exit, NodeSpec, World, WorldEvent};

#[test]
fn a_deadline_gives_one_tick_at_its_time() {
    let mut world = SimWorld::new(1);
    let (_, diary) = node(&mut world, 0, tick);
    pass(&mut world, 350);
    let ticks: Vec<Millis> =
        diary.lines().iter().filter(|(_, text)| text == "tick").map(|(at, _)| *at).collect();
    assert_eq!(ticks, [100, 200, 300]);
}

#[test]
fn a_machine_whose_deadline_never_moves_does_not_stop_the_clock() {
    let mut world = SimWorld::new(1);
    let (_, diary) = node(&mut world, 0, |tiny, _, _, _| tiny.deadline = Some(0));
    pass(&mut world, 50);
    assert!(diary.texts().iter().filter(|text| *text == "tick").count() <= 51);
}

#[test]
fn a_panic_is_a_crash_of_one_node_and_its_peers_see_the_close() {
    let mut world = SimWorld::new(1);
    let (bad, _) = node(&mut world, 0, panic);
    let (good, _) = node(&mut world, 0, echo);
    let client = world.connect(bad);
    let other = world.connect(good);
    say(&mut world, client, "x");
    say(&mut world, other, "y");
    let events = pass(&mut world, 10);
    assert!(events.iter().any(|event| matches!(
        event,
        WorldEvent::Exited { node, exit: Exit::Crashed(text) } if *node == bad && text == "on purpose"
    )));
    assert!(events.iter().any(
        |event| matches!(event, WorldEvent::ClientClosed { client: gone, .. } if *gone == client)
    ));
    assert_eq!(heard(&events), "y");
    assert!(world.view(bad).is_none());
}

#[test]
fn a_paused_node_is_called_and_written_to_and_finds_it_all_when_it_resumes() {
    let mut world = SimWorld::new(1);
    let (paused, diary) = node(&mut world, 0, tick);
    pass(&mut world, 50);
    world.pause(paused);
    let client = world.connect(paused);
    say(&mut world, client, "hello");
    let events = pass(&mut world, 1000);
    assert!(events.is_empty(), "the kernel accepts: {events:?}");
    assert_eq!(diary.texts(), ["started", "turn"]);
    assert!(world.view(paused).is_some());
    world.resume(paused);
    pass(&mut world, 10);
    let texts = diary.texts();
    assert_eq!(texts[2], "accepted");
    assert_eq!(diary.received(), "hello");
    assert_eq!(texts[texts.len() - 2..], ["tick", "turn"], "one tick for ten missed");
}

#[test]
fn a_stall_comes_before_the_reply_and_holds_back_other_input() {
    let mut world = SimWorld::new(1);
    let (slow, diary) = node(&mut world, 0, |_, _, input, out| {
        if let Input::Received { conn, data: b"sleep" } = input {
            out.push(Output::Stall { ms: 500 });
            out.send(conn, "slept");
        }
    });
    let client = world.connect(slow);
    pass(&mut world, 10);
    while diary.when("got sleep").is_none() {
        say(&mut world, client, "sleep");
        let until = world.now().mono + 5;
        assert!(world.poll(until).is_none());
    }
    let began = diary.when("got sleep").unwrap();
    say(&mut world, client, "other");
    assert!(matches!(world.poll(10_000), Some(WorldEvent::ClientReceived { .. })));
    assert!((began + 500..=began + 501).contains(&world.now().mono));
    pass(&mut world, 10);
    let other = diary.lines().iter().find(|(_, text)| text.starts_with("got o")).unwrap().0;
    assert_eq!(other, began + 500);
}

#[test]
fn an_exit_sends_what_is_queued_and_reports_its_code() {
    let mut world = SimWorld::new(1);
    let (node, _) = node(&mut world, 0, |tiny, _, input, out| match input {
        Input::Accepted { conn, .. } => tiny.peer = Some(conn),
        Input::Stop(_) => {
            out.send(tiny.peer.unwrap(), "farewell");
            out.push(Output::Exit { code: 0 });
            out.log(LogLevel::Notice, "never");
        }
        _ => {}
    });
    world.connect(node);
    pass(&mut world, 10);
    world.stop(node);
    let events = pass(&mut world, 10);
    assert!(matches!(&events[0], WorldEvent::Exited { exit: Exit::Code(0), .. }));
    assert_eq!(heard(&events), "farewell");
    assert!(matches!(events.last(), Some(WorldEvent::ClientClosed { .. })));
    assert!(!events.iter().any(|event| matches!(event, WorldEvent::Log { .. })));
}

#[test]
fn each_life_of_a_node_has_another_seed_and_the_same_port() {
    let mut world = SimWorld::new(1);
    let births = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&births);
    let build = Arc::new(move |birth: Birth| -> Box<dyn Machine> {
        seen.lock().unwrap().push((birth.port, birth.seed));
        let diary = Diary::default();
        Box::new(Tiny { diary, deadline: None, peer: None, target: 0, react: listen })
    });
    let node = world.add(NodeSpec { name: "a".to_owned(), port: 7000, dir: None, build }).unwrap();
    world.start(node).unwrap();
    world.start(node).unwrap();
    world.kill(node);
    world.start(node).unwrap();
    let births = births.lock().unwrap();
    assert_eq!(births.len(), 2);
    assert_eq!(births[0].0, 7000);
    assert_eq!(births[0].0, births[1].0);
    assert_ne!(births[0].1, births[1].1);
}
