//! The promises of the simulated world, shown with machines of a few lines.

#![expect(clippy::needless_pass_by_value, reason = "an input is taken as Machine::step takes it")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{SimWorld, chaos};
use crate::keyspace::Snapshot;
use crate::machine::{
    CHUNK_WINDOW_BYTES, Closing, ConnId, Endpoint, Input, Job, JobEvent, JobId, JobOutcome,
    LogLevel, Machine, Millis, NodeView, Now, Outbox, Output, ReplicationMeta, SaveTarget,
    ServerView,
};
use crate::world::link::LINK_QUEUE_BYTES_MAX;
use crate::world::{ClientId, Exit, LinkPolicy, NodeId, NodeSpec, World, WorldEvent};

const CUT: LinkPolicy = LinkPolicy { cut: true, delay_ms: 0, jitter_ms: 0, bytes_per_s: 0 };
const CLEAR: LinkPolicy = LinkPolicy { cut: false, ..CUT };

/// What a tiny machine was told, with the time.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<(Millis, String)>>>);

impl Diary {
    fn lines(&self) -> Vec<(Millis, String)> {
        self.0.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|(_, text)| text).collect()
    }

    fn when(&self, text: &str) -> Option<Millis> {
        self.lines().iter().find(|(_, line)| line == text).map(|(at, _)| *at)
    }

    fn received_bytes(&self) -> usize {
        let lines = self.texts();
        let long =
            lines.iter().filter_map(|line| line.strip_prefix("got# ")?.parse::<usize>().ok());
        long.sum::<usize>() + self.received().len()
    }

    /// What was received in short pieces, in one string.
    fn received(&self) -> String {
        let lines = self.texts();
        lines.iter().filter_map(|line| line.strip_prefix("got ")).collect()
    }
}

type React = fn(&mut Tiny, Now, Input<'_>, &mut Outbox);

struct Tiny {
    diary: Diary,
    deadline: Option<Millis>,
    peer: Option<ConnId>,
    /// Whom to dial.
    target: u16,
    react: React,
}

impl Machine for Tiny {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let text = match &input {
            Input::Received { data, .. } if data.len() > 1000 => format!("got# {}", data.len()),
            Input::Received { data, .. } => format!("got {}", String::from_utf8_lossy(data)),
            Input::Accepted { .. } => "accepted".to_owned(),
            Input::Dialled { .. } => "dialled".to_owned(),
            Input::Closed { reason, .. } => format!("closed {reason}").trim_end().to_owned(),
            Input::Unsent { bytes, .. } => format!("unsent {bytes}"),
            Input::Job { event, .. } => match event {
                JobEvent::Chunk(chunk) => format!("chunk {}", chunk.len()),
                JobEvent::Progress { .. } => "progress".to_owned(),
                JobEvent::Done(JobOutcome::Loaded(loaded)) => format!("loaded {}", loaded.keys),
                JobEvent::Done(JobOutcome::NoFile) => "no file".to_owned(),
                JobEvent::Done(_) => "done".to_owned(),
                JobEvent::Failed(_) => "failed".to_owned(),
            },
            other => format!("{other:?}").to_lowercase(),
        };
        self.diary.0.lock().unwrap().push((now.mono, text));
        (self.react)(self, now, input, out);
    }

    fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    fn view(&self, _now: Now) -> NodeView {
        NodeView::Server(Box::new(ServerView {
            keys: self.diary.lines().len() as u64,
            ..ServerView::default()
        }))
    }
}

fn listen(_: &mut Tiny, _: Now, _: Input<'_>, _: &mut Outbox) {}

fn echo(_: &mut Tiny, _: Now, input: Input<'_>, out: &mut Outbox) {
    if let Input::Received { conn, data } = input {
        out.send(conn, data.to_vec());
    }
}

/// Dials its target and repeats there what its clients say.
fn dial(tiny: &mut Tiny, _: Now, input: Input<'_>, out: &mut Outbox) {
    let peer = ConnId::dialled(1);
    match input {
        Input::Started => {
            let to = Endpoint::new("127.0.0.1", tiny.target);
            out.push(Output::Dial { conn: peer, to });
        }
        Input::Dialled { conn, .. } => tiny.peer = Some(conn),
        Input::Received { conn, data } if !conn.is_dialled() => match data {
            b"bye" => out.push(Output::Close { conn: peer, how: Closing::Flush }),
            data => out.send(peer, data.to_vec()),
        },
        _ => {}
    }
}

/// Ticks every 100 ms.
fn tick(tiny: &mut Tiny, now: Now, input: Input<'_>, _: &mut Outbox) {
    if matches!(input, Input::Started | Input::Tick) {
        tiny.deadline = Some(now.mono + 100);
    }
}

fn panic(_: &mut Tiny, _: Now, input: Input<'_>, _: &mut Outbox) {
    assert!(!matches!(input, Input::Received { .. }), "on purpose");
}

fn node(world: &mut SimWorld, target: u16, react: React) -> (NodeId, Diary) {
    let diary = Diary::default();
    let own = diary.clone();
    let build = Arc::new(move |_| -> Box<dyn Machine> {
        Box::new(Tiny { diary: own.clone(), deadline: None, peer: None, target, react })
    });
    let spec = NodeSpec { name: "tiny".to_owned(), port: 0, dir: None, build };
    let node = world.add(spec).unwrap();
    world.start(node).unwrap();
    (node, diary)
}

/// Lets so much time pass.
fn pass(world: &mut SimWorld, ms: Millis) -> Vec<WorldEvent> {
    let until = world.now().mono + ms;
    let events = std::iter::from_fn(|| world.poll(until)).collect();
    assert_eq!(world.now().mono, until);
    events
}

fn say(world: &mut SimWorld, client: ClientId, text: &str) {
    world.send(client, Bytes::copy_from_slice(text.as_bytes()));
}

fn heard(events: &[WorldEvent]) -> String {
    let data = events.iter().filter_map(|event| match event {
        WorldEvent::ClientReceived { data, .. } => Some(String::from_utf8_lossy(data)),
        _ => None,
    });
    data.collect()
}

/// A listener, a dialler connected to it, and a client whose words the dialler repeats to it.
fn pair(seed: u64) -> (SimWorld, [NodeId; 2], [Diary; 2], ClientId) {
    let mut world = SimWorld::new(seed);
    let (listener, heard) = node(&mut world, 0, listen);
    let port = world.port(listener);
    let (dialler, felt) = node(&mut world, port, dial);
    let client = world.connect(dialler);
    pass(&mut world, 10);
    (world, [listener, dialler], [heard, felt], client)
}

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
    for n in 0..20 {
        say(&mut world, client, &format!("{n},"));
        pass(&mut world, 2);
    }
    pass(&mut world, 200);
    let text: String = (0..20).map(|n| format!("{n},")).collect();
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
fn an_exit_sends_what_is_queued_and_reports_its_code() {
    let mut world = SimWorld::new(1);
    let (node, _) = node(&mut world, 0, |tiny, _, input, out| match input {
        Input::Accepted { conn, .. } => tiny.peer = Some(conn),
        Input::Stop => {
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

/// Saves at its start to a temporary file, renames it into place and loads it.
fn save(_: &mut Tiny, _: Now, input: Input<'_>, out: &mut Outbox) {
    match input {
        Input::Started => {
            let target = SaveTarget::File("temp.rdb".to_owned());
            let (snapshot, meta) = (Snapshot::default(), ReplicationMeta::default());
            let job = Job::Save { snapshot, meta, target, key_delay_us: 0 };
            out.push(Output::StartJob { id: JobId(1), job });
        }
        Input::Job { id: JobId(1), event: JobEvent::Done(_) } => {
            out.push(Output::Rename { from: "temp.rdb".to_owned(), to: "dump.rdb".to_owned() });
            let name = "dump.rdb".to_owned();
            let job = Job::LoadFile { name, expire_before: None, key_delay_us: 0 };
            out.push(Output::StartJob { id: JobId(2), job });
        }
        _ => {}
    }
}

#[test]
fn a_saved_file_is_put_in_place_by_the_node_and_loads_after_a_power_loss() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, save);
    pass(&mut world, 1000);
    assert_eq!(diary.texts().iter().filter(|text| *text == "loaded 0").count(), 1);
    let saved = world.file(node, "dump.rdb").unwrap().to_vec();
    assert!(saved.starts_with(b"REDIS"));
    assert_eq!(world.file(node, "temp.rdb"), None);
    world.power_loss(node);
    assert_eq!(world.file(node, "dump.rdb"), Some(&saved[..]));
}

#[test]
fn a_power_loss_in_the_middle_of_a_stream_leaves_nothing_and_a_kill_leaves_the_temporary_file() {
    for power_loss in [true, false] {
        let mut world = SimWorld::new(1);
        let (node, _) = node(&mut world, 0, |_, _, input, out| {
            if let Input::Started = input {
                let job = Job::LoadStream { copy_to: Some("temp".to_owned()), key_delay_us: 0 };
                out.push(Output::StartJob { id: JobId(1), job });
                out.push(Output::FeedJob { id: JobId(1), data: Bytes::from_static(b"REDIS") });
            }
        });
        pass(&mut world, 100);
        assert_eq!(world.file(node, "temp"), Some(&b"REDIS"[..]));
        if power_loss {
            world.power_loss(node);
        } else {
            world.kill(node);
        }
        assert_eq!(world.file(node, "temp").is_some(), !power_loss);
    }
}

#[test]
fn a_refused_or_cancelled_stream_removes_its_temporary_file() {
    for bad in [true, false] {
        let mut world = SimWorld::new(1);
        let react: React = if bad {
            |_, _, input, out| {
                feed(input, out, b"this is no RDB", |out| {
                    out.push(Output::EndJobInput { id: JobId(1) });
                });
            }
        } else {
            |_, _, input, out| {
                feed(input, out, b"REDIS", |out| {
                    out.push(Output::CancelJob { id: JobId(1) });
                });
            }
        };
        let (node, diary) = node(&mut world, 0, react);
        pass(&mut world, 100);
        assert_eq!(world.file(node, "temp"), None);
        assert_eq!(diary.when("failed").is_some(), bad);
    }
}

fn feed(input: Input<'_>, out: &mut Outbox, data: &'static [u8], then: fn(&mut Outbox)) {
    if let Input::Started = input {
        let job = Job::LoadStream { copy_to: Some("temp".to_owned()), key_delay_us: 0 };
        out.push(Output::StartJob { id: JobId(1), job });
        out.push(Output::FeedJob { id: JobId(1), data: Bytes::from_static(data) });
        then(out);
    }
}

#[test]
fn a_job_that_makes_chunks_waits_until_they_are_used_up() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, |_, _, input, out| match input {
        Input::Started => {
            let data = Bytes::from(vec![b'x'; 3 * CHUNK_WINDOW_BYTES]);
            out.push(Output::WriteFile { name: "big".to_owned(), data });
            let job = Job::ReadFile { name: "big".to_owned() };
            out.push(Output::StartJob { id: JobId(1), job });
        }
        Input::Received { .. } => {
            out.push(Output::AckJob { id: JobId(1), bytes: CHUNK_WINDOW_BYTES });
        }
        _ => {}
    });
    let read = |diary: &Diary| -> usize {
        diary.texts().iter().filter_map(|l| l.strip_prefix("chunk ")?.parse::<usize>().ok()).sum()
    };
    let client = world.connect(node);
    pass(&mut world, 1000);
    assert_eq!(read(&diary), CHUNK_WINDOW_BYTES);
    for _ in 0..3 {
        say(&mut world, client, "m");
        pass(&mut world, 1000);
    }
    assert_eq!(read(&diary), 3 * CHUNK_WINDOW_BYTES);
    assert!(diary.when("done").is_some());
}

#[test]
fn each_life_of_a_node_has_another_seed_and_the_same_port() {
    let mut world = SimWorld::new(1);
    let births = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&births);
    let build = Arc::new(move |birth: crate::world::Birth| -> Box<dyn Machine> {
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

/// Chatter among three nodes under seeded faults; returns the trace.
fn chaotic_run(world_seed: u64, chaos_seed: u64) -> u64 {
    let mut world = SimWorld::new(world_seed);
    let (hub, _) = node(&mut world, 0, echo);
    let port = world.port(hub);
    let (left, _) = node(&mut world, port, dial);
    let (right, _) = node(&mut world, port, dial);
    let clients = [left, right].map(|node| world.connect(node));
    for (at, fault) in chaos::generate(chaos_seed, 3, 10, 20_000) {
        while world.now().mono < at {
            for client in clients {
                say(&mut world, client, "some words to and fro");
            }
            let step = (at - world.now().mono).min(100);
            pass(&mut world, step);
        }
        chaos::apply(&mut world, &fault).unwrap();
    }
    pass(&mut world, 1000);
    world.trace_hash()
}

#[test]
fn equal_seeds_give_equal_traces_and_other_seeds_other_ones() {
    for seed in 0..20 {
        assert_eq!(chaotic_run(seed, seed), chaotic_run(seed, seed));
        assert_ne!(chaotic_run(seed, seed), chaotic_run(seed + 1, seed));
        assert_ne!(chaotic_run(seed, seed), chaotic_run(seed, seed + 1));
    }
}

#[test]
fn a_failing_list_of_faults_shrinks_to_the_one_that_matters() {
    let faults = chaos::generate(9, 3, 20, 20_000);
    let loses_power = |list: &[(Millis, chaos::Fault)]| {
        let mut world = SimWorld::new(1);
        for react in [save, listen, listen] {
            node(&mut world, 0, react);
        }
        for (at, fault) in list {
            while world.poll(*at).is_some() {}
            chaos::apply(&mut world, fault).unwrap();
        }
        world.nodes[0].lives > 1
    };
    assert!(loses_power(&faults));
    let short = super::shrink::shrink(&faults, loses_power);
    assert!(matches!(
        short[..],
        [
            (_, chaos::Fault::Kill(NodeId(0)) | chaos::Fault::PowerLoss(NodeId(0))),
            (_, chaos::Fault::Start(NodeId(0)))
        ]
    ));
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
