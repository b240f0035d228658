//! The promises of the simulated world, shown with machines of a few lines.

#![expect(clippy::needless_pass_by_value, reason = "an input is taken as Machine::step takes it")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::SimWorld;
use crate::machine::{
    Closing, ConnId, Endpoint, Input, JobEvent, JobOutcome, Machine, Millis, NodeView, Now, Outbox,
    Output, ServerView,
};
use crate::world::{ClientId, LinkPolicy, NodeId, NodeSpec, World, WorldEvent};

mod disk;
mod network;
mod nodes;
mod seeds;

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
