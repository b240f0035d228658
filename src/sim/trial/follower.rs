//! A client that writes to whichever server a Sentinel names, asks again when that fails, and keeps
//! a ledger of what was acknowledged.

use std::collections::{BTreeMap, VecDeque};

use crate::base::rng::Dice;
use crate::machine::Millis;
use crate::resp::{Answer, command, read_answer};
use crate::world::{ClientId, NodeId, World};

/// An answer that takes longer is no longer waited for.
const PATIENCE_MS: Millis = 1000;

/// Different keys.
const KEYS: u64 = 50;

/// Bytes of the longest value.
const VALUE_BYTES_MAX: u64 = 200;

/// The number of the last write of each key that was acknowledged. Later writes have higher ones.
pub(super) type Ledger = BTreeMap<String, u64>;

/// The client.
#[derive(Debug)]
pub(super) struct Follower {
    /// The name of the watched primary.
    name: &'static str,
    dice: Dice,
    state: State,
    received: Vec<u8>,
    written: u64,
    /// The keys of writes that were not answered yet, and their numbers.
    unanswered: VecDeque<(String, u64)>,
    pub(super) ledger: Ledger,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Asking { client: ClientId, since: Millis },
    Writing { client: ClientId, waits_since: Option<Millis> },
}

impl Follower {
    pub(super) fn new(name: &'static str, dice: Dice) -> Self {
        Self {
            name,
            dice,
            state: State::Idle,
            received: Vec::new(),
            written: 0,
            unanswered: VecDeque::new(),
            ledger: Ledger::new(),
        }
    }

    /// Does the next thing.
    pub(super) fn go_on(&mut self, world: &mut dyn World, sentinels: &[NodeId]) {
        let now = world.now().mono;
        let late = |since: Millis| now - since >= PATIENCE_MS;
        match self.state {
            State::Idle => self.ask(world, sentinels),
            State::Asking { since, .. } if late(since) => self.give_up(world),
            State::Asking { .. } => {}
            State::Writing { waits_since: Some(since), .. } if late(since) => self.give_up(world),
            State::Writing { client, waits_since } => {
                self.state =
                    State::Writing { client, waits_since: Some(waits_since.unwrap_or(now)) };
                self.write(world, client);
            }
        }
    }

    fn ask(&mut self, world: &mut dyn World, sentinels: &[NodeId]) {
        let any = self.dice.below(sentinels.len() as u64) as usize;
        let client = world.connect(sentinels[any]);
        world.send(client, command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name]));
        self.state = State::Asking { client, since: world.now().mono };
    }

    fn write(&mut self, world: &mut dyn World, client: ClientId) {
        self.written += 1;
        let key = format!("k{}", self.dice.below(KEYS));
        let padding = "v".repeat(self.dice.below(VALUE_BYTES_MAX) as usize);
        world.send(client, command(&["SET", &key, &format!("{}:{padding}", self.written)]));
        self.unanswered.push_back((key, self.written));
    }

    fn give_up(&mut self, world: &mut dyn World) {
        if let State::Asking { client, .. } | State::Writing { client, .. } = self.state {
            world.disconnect(client);
        }
        self.received.clear();
        self.unanswered.clear();
        self.state = State::Idle;
    }

    /// One of the world's clients lost its connection.
    pub(super) fn on_closed(&mut self, world: &mut dyn World, gone: ClientId) {
        if self.client() == Some(gone) {
            self.give_up(world);
        }
    }

    fn client(&self) -> Option<ClientId> {
        match self.state {
            State::Idle => None,
            State::Asking { client, .. } | State::Writing { client, .. } => Some(client),
        }
    }

    /// Something arrived; `servers` are those that it may be sent to.
    pub(super) fn on_received(
        &mut self,
        world: &mut dyn World,
        from: ClientId,
        data: &[u8],
        servers: &[NodeId],
    ) {
        if self.client() != Some(from) {
            return;
        }
        self.received.extend_from_slice(data);
        while let Ok(Some((answer, taken))) = read_answer(&self.received) {
            self.received.drain(..taken);
            match (self.state, answer) {
                (State::Asking { .. }, Answer::Array(parts)) => {
                    self.give_up(world);
                    if let Some(node) = named(&parts, world, servers) {
                        let client = world.connect(node);
                        self.state = State::Writing { client, waits_since: None };
                    }
                    return;
                }
                (State::Writing { client, .. }, Answer::Simple(_)) => {
                    self.ledger.extend(self.unanswered.pop_front());
                    self.state = State::Writing { client, waits_since: None };
                }
                _ => return self.give_up(world),
            }
        }
    }
}

/// The number of the write that left a value.
pub(super) fn number_in(value: &Answer) -> Option<u64> {
    let Answer::Bulk(value) = value else { return None };
    std::str::from_utf8(value).ok()?.split(':').next()?.parse().ok()
}

/// The server that an answer names by its port.
fn named(parts: &[Answer], world: &dyn World, servers: &[NodeId]) -> Option<NodeId> {
    let [_, Answer::Bulk(port)] = parts else { return None };
    let port: u16 = std::str::from_utf8(port).ok()?.parse().ok()?;
    servers.iter().copied().find(|node| world.port(*node) == port)
}
