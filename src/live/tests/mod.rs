//! The live world, tried with machines of a few lines.

mod links;
mod logs;
mod nodes;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::LiveWorld;
use crate::machine::{
    ConnId, Endpoint, Input, Machine, Millis, NodeView, Now, Outbox, Output, ServerView,
};
use crate::world::{ClientId, Exit, Factory, NodeId, NodeSpec, World, WorldEvent};

/// Nothing in these tests takes longer, unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A machine that is one function. Its view counts inputs.
struct Puppet<F> {
    play: F,
    deadline: Option<Millis>,
    inputs: u64,
}

impl<F> Machine for Puppet<F>
where
    F: FnMut(Now, Input<'_>, &mut Outbox, &mut Option<Millis>) + Send,
{
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        self.inputs += 1;
        (self.play)(now, input, out, &mut self.deadline);
    }

    fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    fn view(&self, _: Now) -> NodeView {
        NodeView::Server(Box::new(ServerView {
            commands_total: self.inputs,
            ..ServerView::default()
        }))
    }
}

fn puppet<F>(play: F) -> Box<dyn Machine>
where
    F: FnMut(Now, Input<'_>, &mut Outbox, &mut Option<Millis>) + Send + 'static,
{
    Box::new(Puppet { play, deadline: None, inputs: 0 })
}

fn log(out: &mut Outbox, text: impl Into<String>) {
    out.log(crate::machine::LogLevel::Notice, text);
}

/// Sends back what it gets.
fn echo() -> Factory {
    Arc::new(|_| {
        puppet(|_, input, out, _| match input {
            Input::Received { conn, data } => out.send(conn, data.to_vec()),
            Input::Accepted { .. } => log(out, "accepted"),
            Input::Closed { reason, .. } => log(out, format!("closed {reason}")),
            _ => {}
        })
    })
}

/// Dials `port` at its start; passes on to there what clients send, and logs what comes back.
fn dialler(port: u16) -> Factory {
    Arc::new(move |_| {
        let line = ConnId::dialled(1);
        puppet(move |_, input, out, _| match input {
            Input::Started => {
                out.push(Output::Dial { conn: line, to: Endpoint::new("127.0.0.1", port) });
            }
            Input::Dialled { .. } => log(out, "dialled"),
            Input::Received { conn, data } if conn == line => {
                log(out, format!("got {}", String::from_utf8_lossy(data)));
            }
            Input::Received { data, .. } => out.send(line, data.to_vec()),
            Input::Unsent { bytes, .. } => log(out, format!("unsent {bytes}")),
            Input::Closed { conn, reason } if conn == line => log(out, format!("lost {reason}")),
            _ => {}
        })
    })
}

/// A world and what was heard from it.
struct Bench {
    world: LiveWorld,
    logs: Vec<(NodeId, String)>,
    exits: Vec<(NodeId, Exit)>,
    received: Vec<(ClientId, Bytes)>,
    closed: Vec<ClientId>,
}

impl Bench {
    fn new() -> Self {
        let world = LiveWorld::new(7).unwrap();
        Self { world, logs: vec![], exits: vec![], received: vec![], closed: vec![] }
    }

    fn add(&mut self, build: Factory) -> NodeId {
        let name = "puppet".to_owned();
        self.world.add(NodeSpec { name, port: 0, dir: None, build }).unwrap()
    }

    fn start(&mut self, build: Factory) -> NodeId {
        let node = self.add(build);
        self.world.start(node).unwrap();
        node
    }

    /// Waits until something is true; whether it became true in time.
    fn waits_for(
        &mut self,
        patience: Duration,
        mut is_true: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let until = Instant::now() + patience;
        while !is_true(self) {
            if Instant::now() > until {
                return false;
            }
            let soon = self.world.now().mono + 5;
            match self.world.poll(soon) {
                Some(WorldEvent::Log { node, text, .. }) => self.logs.push((node, text)),
                Some(WorldEvent::Exited { node, exit }) => self.exits.push((node, exit)),
                Some(WorldEvent::ClientReceived { client, data }) => {
                    self.received.push((client, data));
                }
                Some(WorldEvent::ClientClosed { client, .. }) => self.closed.push(client),
                _ => {}
            }
        }
        true
    }

    #[track_caller]
    fn until(&mut self, what: &str, is_true: impl FnMut(&mut Self) -> bool) {
        let came = self.waits_for(PATIENCE, is_true);
        assert!(came, "{what} did not come; logs {:?}, exits {:?}", self.logs, self.exits);
    }

    #[track_caller]
    fn until_logged(&mut self, node: NodeId, text: &str) {
        self.until(text, |bench| bench.has_logged(node, text));
    }

    fn has_logged(&self, node: NodeId, text: &str) -> bool {
        self.logs.iter().any(|(from, line)| *from == node && line == text)
    }

    /// All that a node logged with this word in front, joined.
    fn logged(&self, node: NodeId, word: &str) -> String {
        let lines = self.logs.iter().filter(|(from, _)| *from == node);
        lines.filter_map(|(_, line)| line.strip_prefix(word)).collect()
    }

    /// All that a client received.
    fn heard(&self, client: ClientId) -> Vec<u8> {
        let pieces = self.received.iter().filter(|(to, _)| *to == client);
        pieces.flat_map(|(_, data)| data.iter().copied()).collect()
    }

    /// Sends on a new client connection and waits for the same bytes to come back.
    #[track_caller]
    fn echoes(&mut self, node: NodeId, text: &'static str) -> ClientId {
        let client = self.world.connect(node);
        self.world.send(client, Bytes::from_static(text.as_bytes()));
        self.until(text, |bench| bench.heard(client) == text.as_bytes());
        client
    }
}
