//! What must hold among Sentinels that watch one primary, seen from outside: only by what passes
//! their connections and what becomes of their files.
//!
//! * *One configuration per epoch* (I1): no two addresses are ever told for one config-epoch.
//! * *One vote per epoch* (I2): what a Sentinel answered once, it answers in that epoch ever after,
//!   restarts or not; and it answers nothing that its file does not know yet.
//! * *One promotion per cause* (I3): a replica is made primary in place of a living one only if a
//!   quorum of Sentinels each waited `down-after-milliseconds` for an acceptable answer of that one,
//!   within the time that opinions live. A primary that answers a majority, and more than a quorum
//!   could overrule, is never deposed.
//! * *Monotone epochs* (I11): no epoch of a Sentinel ever goes back, neither in what it says nor in
//!   its file.
//! * *One primary* (I4): see [`Agreement::one_primary`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use memchr::memmem;

use super::{Oracle, lock};
use crate::machine::{
    ConnId, FileStep, Input, Machine, Millis, NodeView, Now, Outbox, Output, Role, SentinelView,
};
use crate::resp::{Answer, read_answer};
use crate::world::{NodeId, World};

/// How long an opinion counts, and how long its question and answer may be under way.
const OPINION_MS: Millis = 5000;

/// The one who remembers what all Sentinels of a world said. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Agreement {
    record: Arc<Mutex<Record>>,
    servers: Oracle,
}

#[derive(Debug)]
struct Record {
    quorum: usize,
    down_after: Millis,
    /// The primary's port in each config-epoch.
    configurations: BTreeMap<u64, u16>,
    /// What each Sentinel (by port) answered in each epoch.
    votes: BTreeMap<(u16, u64), String>,
    /// What each Sentinel's file says, as far as the world answered that it is written.
    saved: BTreeMap<u16, Epochs>,
    /// What each Sentinel last said.
    told: BTreeMap<u16, Epochs>,
    /// When each Sentinel heard from each server.
    heard: BTreeMap<(u16, u16), Heard>,
    violation: Option<String>,
}

/// The three epochs of a Sentinel about one primary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Epochs {
    current: u64,
    config: u64,
    vote: u64,
}

/// When a Sentinel heard a server answer its PING.
#[derive(Debug, Clone, Copy)]
struct Heard {
    last: Millis,
    /// The last time at which it had waited for too long.
    waited_until: Option<Millis>,
}

/// A Sentinel that is watched.
struct Watched {
    sentinel: Box<dyn Machine>,
    agreement: Agreement,
    port: u16,
    /// Whom it called.
    dialled: BTreeMap<ConnId, u16>,
    /// What it has the world write to its file.
    writing: Option<Bytes>,
}

impl Agreement {
    /// For a world whose Sentinels have this `down-after-milliseconds`, whose servers are watched by
    /// `servers`, and in which so many Sentinels must have waited for whom they depose.
    pub fn new(quorum: usize, down_after: Millis, servers: Oracle) -> Self {
        let record = Record {
            quorum,
            down_after,
            configurations: BTreeMap::new(),
            votes: BTreeMap::new(),
            saved: BTreeMap::new(),
            told: BTreeMap::new(),
            heard: BTreeMap::new(),
            violation: None,
        };
        Self { record: Arc::new(Mutex::new(record)), servers }
    }

    /// A Sentinel as a world is to run it, listening on `port`.
    pub fn watch(&self, sentinel: Box<dyn Machine>, port: u16) -> Box<dyn Machine> {
        lock(&self.record).heard.retain(|(sentinel, _), _| *sentinel != port);
        let (agreement, dialled) = (self.clone(), BTreeMap::new());
        Box::new(Watched { sentinel, agreement, port, dialled, writing: None })
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<String> {
        lock(&self.record).violation.clone()
    }

    /// The one server that says it is primary, if all these Sentinels name it in one epoch and none
    /// of them is about to change that. If not, what is missing.
    pub fn one_primary(
        &self,
        world: &dyn World,
        servers: &[NodeId],
        sentinels: &[NodeId],
    ) -> Result<NodeId, String> {
        let is_primary = |node: &&NodeId| {
            let view = world.view(**node);
            view.as_ref().and_then(|v| v.server()).is_some_and(|v| v.role == Role::Primary)
        };
        let primaries: Vec<NodeId> = servers.iter().filter(is_primary).copied().collect();
        let [primary] = primaries[..] else {
            let all: Vec<_> = primaries.iter().map(|node| node.0).collect();
            return Err(format!("these say that they are primary: {all:?}"));
        };
        let mut epoch = None;
        for &node in sentinels {
            let view = world.view(node).ok_or_else(|| format!("Sentinel {} is down", node.0))?;
            let Some(m) = view.sentinel().and_then(|view| view.monitors.first()) else {
                return Err(format!("Sentinel {} watches nothing yet", node.0));
            };
            let (named, state) = (m.addr.port, m.failover.state);
            if named != world.port(primary) || state != "none" {
                return Err(format!(
                    "Sentinel {} names port {named} (failover: {state}), but node {} is primary",
                    node.0, primary.0
                ));
            }
            if *epoch.get_or_insert(m.config_epoch) != m.config_epoch {
                return Err(format!("Sentinel {} is in epoch {}", node.0, m.config_epoch));
            }
        }
        Ok(primary)
    }
}

impl Machine for Watched {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let mut own = Outbox::new();
        if let Input::Received { conn, data } = &input
            && let Some(server) = self.dialled.get(conn)
            && ["PONG", "LOADING", "MASTERDOWN"].iter().any(|word| contains(data, word))
        {
            lock(&self.agreement.record).hear(self.port, *server, now.mono);
        }
        if let Input::Arranged(written) = &input
            && let Some(text) = self.writing.take()
            && written.is_ok()
        {
            lock(&self.agreement.record).on_saved(self.port, &text);
        }
        self.sentinel.step(now, input, &mut own);
        for output in own.drain() {
            match &output {
                Output::Dial { conn, to } => {
                    self.dialled.insert(*conn, to.port);
                    let mut record = lock(&self.agreement.record);
                    let heard = Heard { last: now.mono, waited_until: None };
                    record.heard.entry((self.port, to.port)).or_insert(heard);
                }
                Output::Send { conn, data } if conn.is_dialled() => self.on_said(now, data),
                Output::Send { data, .. } if contains(data, "*3\r\n:") => {
                    lock(&self.agreement.record).on_answers(self.port, data);
                }
                Output::Arrange(steps) => {
                    self.writing = steps.iter().find_map(|step| match step {
                        FileStep::Write { data, .. } => Some(data.clone()),
                        _ => None,
                    });
                }
                _ => {}
            }
            out.push(output);
        }
    }

    fn deadline(&self) -> Option<Millis> {
        self.sentinel.deadline()
    }

    fn view(&self, now: Now) -> NodeView {
        self.sentinel.view(now)
    }
}

impl Watched {
    /// It says something to a server or another Sentinel.
    fn on_said(&self, now: Now, data: &[u8]) {
        const HELLO: &str = "__sentinel__:hello\r\n$";
        for at in memmem::find_iter(data, HELLO) {
            let rest = &data[at + HELLO.len()..];
            let hello = rest.split(|b| *b == b'\n').nth(1).unwrap_or_default();
            lock(&self.agreement.record).on_hello(self.port, hello.trim_ascii_end());
        }
        if contains(data, "\r\nNO\r\n$3\r\nONE\r\n") {
            let view = self.sentinel.view(now);
            let Some(m) = view.sentinel().and_then(|view| view.monitors.first()) else { return };
            let port = m.watched.port;
            if self.agreement.servers.is_primary(port) {
                lock(&self.agreement.record).on_deposed(self.port, port, now.mono);
            }
        }
    }
}

impl Record {
    fn complain(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    fn hear(&mut self, sentinel: u16, server: u16, now: Millis) {
        let too_long = self.down_after;
        let Some(heard) = self.heard.get_mut(&(sentinel, server)) else { return };
        if now - heard.last >= too_long {
            heard.waited_until = Some(now);
        }
        heard.last = now;
    }

    /// A hello: ip, port, id, current-epoch, name, primary's ip and port, config-epoch.
    fn on_hello(&mut self, sentinel: u16, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let fields: Vec<&str> = text.split(',').collect();
        let [_, _, _, current, _, _, port, config] = fields[..] else {
            return self.complain(format!("Sentinel {sentinel} says {text:?}"));
        };
        let (Ok(current), Ok(port), Ok(config)) = (current.parse(), port.parse(), config.parse())
        else {
            return self.complain(format!("Sentinel {sentinel} says {text:?}"));
        };
        let other = *self.configurations.entry(config).or_insert(port);
        if other != port {
            self.complain(format!(
                "one configuration per epoch: Sentinel {sentinel} says {port} for epoch {config}, \
                 which was {other}"
            ));
        }
        let saved = self.saved.get(&sentinel).copied().unwrap_or_default();
        if current > saved.current || config > saved.config {
            self.complain(format!(
                "Sentinel {sentinel} tells epochs {current} and {config} before they are saved"
            ));
        }
        let told = self.told.entry(sentinel).or_default();
        let before = *told;
        (told.current, told.config) = (current, config);
        if current < before.current || config < before.config {
            self.complain(format!(
                "monotone epochs: Sentinel {sentinel} says {current} and {config} after {} and {}",
                before.current, before.config
            ));
        }
    }

    /// Answers to others, among them votes.
    fn on_answers(&mut self, sentinel: u16, mut data: &[u8]) {
        while let Ok(Some((answer, taken))) = read_answer(data) {
            data = &data[taken..];
            if let Answer::Array(parts) = &answer
                && let [Answer::Int(_), Answer::Bulk(leader), Answer::Int(epoch)] = &parts[..]
                && leader != b"*"
            {
                let leader = String::from_utf8_lossy(leader).into_owned();
                self.on_vote(sentinel, &leader, *epoch as u64);
            }
        }
    }

    fn on_vote(&mut self, sentinel: u16, leader: &str, epoch: u64) {
        let saved = self.saved.get(&sentinel).copied().unwrap_or_default();
        if epoch > saved.vote {
            self.complain(format!(
                "Sentinel {sentinel} tells a vote of {epoch} before it is saved"
            ));
        }
        let first = self.votes.entry((sentinel, epoch)).or_insert_with(|| leader.to_owned());
        if first != leader {
            let text = format!(
                "one vote per epoch: Sentinel {sentinel} votes for {leader} in {epoch}, and before \
                 for {first}"
            );
            self.complain(text);
        }
    }

    fn on_saved(&mut self, sentinel: u16, text: &[u8]) {
        let mut epochs = Epochs::default();
        for line in String::from_utf8_lossy(text).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["sentinel", "current-epoch", n] => epochs.current = n.parse().unwrap_or(0),
                ["sentinel", "config-epoch", _, n] => epochs.config = n.parse().unwrap_or(0),
                ["sentinel", "leader-epoch", _, n] => epochs.vote = n.parse().unwrap_or(0),
                _ => {}
            }
        }
        let before = self.saved.insert(sentinel, epochs).unwrap_or_default();
        let Epochs { current, config, vote } = epochs;
        if current < before.current || config < before.config || vote < before.vote {
            self.complain(format!(
                "monotone epochs: Sentinel {sentinel} saves {epochs:?} after {before:?}"
            ));
        }
    }

    /// A Sentinel has another server take over from a living primary.
    fn on_deposed(&mut self, sentinel: u16, primary: u16, now: Millis) {
        let waited = |heard: &&Heard| {
            let lately = heard.waited_until.is_some_and(|at| now - at <= OPINION_MS);
            lately || now - heard.last >= self.down_after
        };
        let of_it = self.heard.iter().filter(|((_, server), _)| *server == primary);
        let count = of_it.filter(|(_, heard)| waited(heard)).count();
        if count < self.quorum {
            let text = format!(
                "one promotion per cause: Sentinel {sentinel} deposes {primary}, which answers; \
                 {count} waited for it, {} would be needed",
                self.quorum
            );
            self.complain(text);
        }
    }
}

fn contains(data: &[u8], word: &str) -> bool {
    memmem::find(data, word.as_bytes()).is_some()
}

/// What a Sentinel of a world believes.
pub fn beliefs(world: &dyn World, node: NodeId) -> Option<SentinelView> {
    world.view(node).and_then(|view| view.sentinel().cloned())
}
