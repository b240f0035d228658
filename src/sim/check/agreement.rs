//! What must hold among Sentinels, for each primary that they watch, seen from outside: only by what
//! passes their connections and what becomes of their files.
//!
//! * *One configuration per epoch* (I1): no two addresses of a primary are ever told for one
//!   config-epoch.
//! * *One vote per epoch* (I2): what a Sentinel answered once about a primary, it answers in that
//!   epoch ever after, restarts or not; and it answers nothing that its file does not know yet.
//! * *One promotion per cause* (I3): a replica is made primary in place of a living one only if a
//!   quorum of Sentinels each waited `down-after-milliseconds` for an acceptable answer of that one,
//!   within the time that opinions live, and among them the one that does it. A primary that answers
//!   a majority, and more than a quorum could overrule, is never deposed. A Sentinel with
//!   `sentinel-timing redis` is held to nothing, and where there is one, others are held to what they
//!   saw themselves: what it told them is not always so.
//! * *Monotone epochs* (I11): no epoch of a Sentinel ever goes back, neither in its file nor, from
//!   one turn to the next, in what it says. Within a turn it may: who stands for election because of
//!   one primary has perhaps just written a hello about another one, on another connection, and
//!   connections have no common order.
//! * *One primary* (I4): see [`Agreement::one_primary`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use memchr::memmem;

use super::{Oracle, lock};
use crate::machine::{
    ConnId, FileStep, Input, Machine, Millis, MonitorView, NodeView, Now, Outbox, Output, Role,
    SentinelView,
};
use crate::resp::{Answer, Limits, Request, read_answer};
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
    /// The name of the watched primary that each server is or follows, by port.
    names: BTreeMap<u16, &'static str>,
    /// Each primary's port in each config-epoch.
    configurations: BTreeMap<(String, u64), u16>,
    /// What each Sentinel (by port) answered about each primary in each epoch.
    votes: BTreeMap<(u16, &'static str, u64), String>,
    /// What each Sentinel's file says, as far as the world answered that it is written.
    saved: BTreeMap<u16, Epochs>,
    /// The highest epochs that each Sentinel said: its current one, and those of configurations.
    told: BTreeMap<u16, Epochs>,
    /// When each Sentinel heard from each server.
    heard: BTreeMap<(u16, u16), Heard>,
    violation: Option<String>,
}

/// The epochs of a Sentinel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Epochs {
    current: u64,
    /// Of the configuration of each primary.
    config: BTreeMap<String, u64>,
    /// Of the last vote about each primary.
    vote: BTreeMap<String, u64>,
}

impl Epochs {
    fn config_of(&self, name: &str) -> u64 {
        self.config.get(name).copied().unwrap_or(0)
    }

    /// Whether one of them was further before.
    fn went_back(&self, before: &Self) -> bool {
        let is_behind = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            before.iter().any(|(name, epoch)| now.get(name).unwrap_or(&0) < epoch)
        };
        self.current < before.current
            || is_behind(&self.config, &before.config)
            || is_behind(&self.vote, &before.vote)
    }
}

/// When a Sentinel heard a server answer its PING.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// Its last answer, or when it was first called. None while the Sentinel is dead.
    last: Option<Millis>,
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
    /// Whether it deposes only those for whom it waited.
    is_fair: bool,
    /// When it last did something.
    seen: Millis,
    /// What it has the world write to its file.
    writing: Option<Bytes>,
    /// Those who ask it about primaries.
    askers: BTreeMap<ConnId, Asker>,
}

/// Somebody who asks a Sentinel for its opinion, and perhaps for its vote.
#[derive(Default)]
struct Asker {
    input: Vec<u8>,
    /// The servers that were asked about and not answered about yet, by port.
    about: VecDeque<u16>,
}

impl Agreement {
    /// For a world whose Sentinels have this `down-after-milliseconds`, whose servers are watched by
    /// `servers`, and in which so many Sentinels must have waited for whom one of them deposes.
    pub fn new(quorum: usize, down_after: Millis, servers: Oracle) -> Self {
        let record = Record {
            quorum,
            down_after,
            names: BTreeMap::new(),
            configurations: BTreeMap::new(),
            votes: BTreeMap::new(),
            saved: BTreeMap::new(),
            told: BTreeMap::new(),
            heard: BTreeMap::new(),
            violation: None,
        };
        Self { record: Arc::new(Mutex::new(record)), servers }
    }

    /// A server on `port` is, or follows, the watched primary of this name.
    pub fn belongs(&self, port: u16, name: &'static str) {
        lock(&self.record).names.insert(port, name);
    }

    /// A Sentinel as a world is to run it, listening on `port`; `is_fair` if it never deposes a
    /// primary for which it did not wait itself.
    pub fn watch(&self, sentinel: Box<dyn Machine>, port: u16, is_fair: bool) -> Box<dyn Machine> {
        Box::new(Watched {
            sentinel,
            agreement: self.clone(),
            port,
            dialled: BTreeMap::new(),
            is_fair,
            seen: 0,
            writing: None,
            askers: BTreeMap::new(),
        })
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<String> {
        lock(&self.record).violation.clone()
    }

    /// The one of these servers that says it is primary, if all these Sentinels name it in one epoch
    /// and none of them is about to change that. If not, what is missing.
    pub fn one_primary(
        &self,
        world: &dyn World,
        name: &str,
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
            let Some(m) = view.sentinel().and_then(|view| monitor(view, name)) else {
                return Err(format!("Sentinel {} does not watch {name} yet", node.0));
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
        self.seen = now.mono;
        let mut own = Outbox::new();
        let mut hellos = Vec::new();
        if let Input::Received { conn, data } = &input
            && let Some(server) = self.dialled.get(conn)
            && ["PONG", "LOADING", "MASTERDOWN"].iter().any(|word| contains(data, word))
        {
            lock(&self.agreement.record).hear(self.port, *server, now.mono);
        }
        if let Input::Received { conn, data } = &input
            && !conn.is_dialled()
        {
            self.askers.entry(*conn).or_default().hear(data);
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
                    let heard = record.heard.entry((self.port, to.port)).or_default();
                    heard.last.get_or_insert(now.mono);
                }
                Output::Send { conn, data } if conn.is_dialled() => {
                    hellos.extend(hellos_in(data));
                    if contains(data, "\r\nNO\r\n$3\r\nONE\r\n") {
                        self.on_promotion(now, *conn);
                    }
                }
                Output::Send { conn, data } => {
                    if let Some(asker) = self.askers.get_mut(conn) {
                        lock(&self.agreement.record).on_answers(self.port, asker, data);
                    }
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
        if !hellos.is_empty() {
            lock(&self.agreement.record).on_hellos(self.port, &hellos);
        }
    }

    fn deadline(&self) -> Option<Millis> {
        self.sentinel.deadline()
    }

    fn view(&self, now: Now) -> NodeView {
        self.sentinel.view(now)
    }
}

/// It dies; what it said lives on for a while.
impl Drop for Watched {
    fn drop(&mut self) {
        lock(&self.agreement.record).on_death(self.port, self.seen);
    }
}

impl Watched {
    /// It has a server become primary.
    fn on_promotion(&self, now: Now, conn: ConnId) {
        let Some(server) = self.dialled.get(&conn) else { return };
        let Some(name) = lock(&self.agreement.record).names.get(server).copied() else { return };
        let view = self.sentinel.view(now);
        let Some(m) = view.sentinel().and_then(|view| monitor(view, name)) else { return };
        let port = m.watched.port;
        if self.is_fair && self.agreement.servers.is_primary(port) {
            lock(&self.agreement.record).on_deposed(self.port, port, now.mono);
        }
    }
}

/// The hellos among what a Sentinel says to a server or another Sentinel.
fn hellos_in(data: &Bytes) -> impl Iterator<Item = Bytes> {
    const HELLO: &str = "__sentinel__:hello\r\n$";
    memmem::find_iter(data, HELLO).map(|at| {
        let rest = &data[at + HELLO.len()..];
        let hello = rest.split(|b| *b == b'\n').nth(1).unwrap_or_default();
        data.slice_ref(hello.trim_ascii_end())
    })
}

impl Asker {
    fn hear(&mut self, data: &[u8]) {
        self.input.extend_from_slice(data);
        let mut request = Request::default();
        while let Ok(Some(taken)) = request.read(&self.input, &Limits::default()) {
            if let [command, question, _, port, ..] = &request.words(&self.input)[..]
                && command.eq_ignore_ascii_case(b"sentinel")
                && question.eq_ignore_ascii_case(b"is-master-down-by-addr")
            {
                let port: Option<u16> =
                    std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
                self.about.extend(port);
            }
            self.input.drain(..taken);
            request = Request::default();
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
        if heard.last.is_some_and(|last| now - last >= too_long) {
            heard.waited_until = Some(now);
        }
        heard.last = Some(now);
    }

    fn on_death(&mut self, sentinel: u16, now: Millis) {
        let too_long = self.down_after;
        for (_, heard) in self.heard.iter_mut().filter(|((who, _), _)| *who == sentinel) {
            if heard.last.take().is_some_and(|last| now - last >= too_long) {
                heard.waited_until = Some(now);
            }
        }
    }

    /// What one turn says in hellos.
    fn on_hellos(&mut self, sentinel: u16, texts: &[Bytes]) {
        let before = self.told.get(&sentinel).cloned().unwrap_or_default();
        texts.iter().for_each(|text| self.on_hello(sentinel, text, &before));
    }

    /// A hello: ip, port, id, current-epoch, name, primary's ip and port, config-epoch.
    fn on_hello(&mut self, sentinel: u16, text: &[u8], before: &Epochs) {
        let text = String::from_utf8_lossy(text);
        let fields: Vec<&str> = text.split(',').collect();
        let [_, _, _, current, name, _, port, config] = fields[..] else {
            return self.complain(format!("Sentinel {sentinel} says {text:?}"));
        };
        let (Ok(current), Ok(port), Ok(config)) = (current.parse(), port.parse(), config.parse())
        else {
            return self.complain(format!("Sentinel {sentinel} says {text:?}"));
        };
        let other = *self.configurations.entry((name.to_owned(), config)).or_insert(port);
        if other != port {
            self.complain(format!(
                "one configuration per epoch: Sentinel {sentinel} says {port} for epoch {config} of \
                 {name}, which was {other}"
            ));
        }
        let saved = self.saved.entry(sentinel).or_default();
        if current > saved.current || config > saved.config_of(name) {
            self.complain(format!(
                "Sentinel {sentinel} tells epochs {current} and {config} of {name} before they are \
                 saved"
            ));
        }
        if current < before.current || config < before.config_of(name) {
            self.complain(format!(
                "monotone epochs: Sentinel {sentinel} says {current} and {config} of {name} after \
                 {before:?}"
            ));
        }
        let told = self.told.entry(sentinel).or_default();
        told.current = told.current.max(current);
        let highest = told.config.entry(name.to_owned()).or_default();
        *highest = config.max(*highest);
    }

    /// Answers to others, among them votes.
    fn on_answers(&mut self, sentinel: u16, asker: &mut Asker, mut data: &[u8]) {
        while let Ok(Some((answer, taken))) = read_answer(data) {
            data = &data[taken..];
            if let Answer::Array(parts) = &answer
                && let [Answer::Int(_), Answer::Bulk(leader), Answer::Int(epoch)] = &parts[..]
                && let Some(name) = asker.about.pop_front().and_then(|port| self.names.get(&port))
                && leader != b"*"
            {
                let leader = String::from_utf8_lossy(leader).into_owned();
                self.on_vote(sentinel, name, &leader, *epoch as u64);
            }
        }
    }

    fn on_vote(&mut self, sentinel: u16, name: &'static str, leader: &str, epoch: u64) {
        let saved = self.saved.entry(sentinel).or_default();
        if epoch > saved.vote.get(name).copied().unwrap_or(0) {
            self.complain(format!(
                "Sentinel {sentinel} tells a vote of {epoch} about {name} before it is saved"
            ));
        }
        let first = self.votes.entry((sentinel, name, epoch)).or_insert_with(|| leader.to_owned());
        if first != leader {
            let text = format!(
                "one vote per epoch: Sentinel {sentinel} votes about {name} for {leader} in {epoch}, \
                 and before for {first}"
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
                ["sentinel", "config-epoch", name, n] => {
                    epochs.config.insert(name.to_owned(), n.parse().unwrap_or(0));
                }
                ["sentinel", "leader-epoch", name, n] => {
                    epochs.vote.insert(name.to_owned(), n.parse().unwrap_or(0));
                }
                _ => {}
            }
        }
        let before = self.saved.insert(sentinel, epochs.clone()).unwrap_or_default();
        if epochs.went_back(&before) {
            self.complain(format!(
                "monotone epochs: Sentinel {sentinel} saves {epochs:?} after {before:?}"
            ));
        }
    }

    /// A Sentinel has another server take over from a living primary.
    fn on_deposed(&mut self, sentinel: u16, primary: u16, now: Millis) {
        let waited = |heard: &&Heard| {
            let lately = heard.waited_until.is_some_and(|at| now - at <= OPINION_MS);
            lately || heard.last.is_some_and(|last| now - last >= self.down_after)
        };
        let of_it = self.heard.iter().filter(|((_, server), _)| *server == primary);
        let count = of_it.filter(|(_, heard)| waited(heard)).count();
        let itself = self.heard.get(&(sentinel, primary)).as_ref().is_some_and(waited);
        if count < self.quorum || !itself {
            let text = format!(
                "one promotion per cause: Sentinel {sentinel} deposes {primary}, which answers; \
                 {count} waited for it, {} would be needed, itself among them",
                self.quorum
            );
            self.complain(text);
        }
    }
}

/// What a Sentinel believes of the primary of this name.
pub fn monitor<'v>(view: &'v SentinelView, name: &str) -> Option<&'v MonitorView> {
    view.monitors.iter().find(|m| m.name == name)
}

fn contains(data: &[u8], word: &str) -> bool {
    memmem::find(data, word.as_bytes()).is_some()
}

/// What a Sentinel of a world believes.
pub fn beliefs(world: &dyn World, node: NodeId) -> Option<SentinelView> {
    world.view(node).and_then(|view| view.sentinel().cloned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Agreement, Heard, OPINION_MS, lock};
    use crate::sim::check::Oracle;

    const SENTINEL: u16 = 1;

    /// What is wrong when one Sentinel, whose file knows epoch 2, says these epochs in these turns.
    fn violation(turns: &[&[u64]]) -> Option<String> {
        let agreement = Agreement::new(2, 1000, Oracle::new());
        lock(&agreement.record).on_saved(SENTINEL, b"sentinel current-epoch 2");
        for epochs in turns {
            let hello = |epoch| Bytes::from(format!("127.0.0.1,1,id,{epoch},mm,127.0.0.1,6379,0"));
            let hellos: Vec<_> = epochs.iter().map(hello).collect();
            lock(&agreement.record).on_hellos(SENTINEL, &hellos);
        }
        agreement.violation()
    }

    #[test]
    fn epochs_go_back_within_a_turn_only() {
        assert_eq!(violation(&[&[2, 1], &[2]]), None);
        let what = violation(&[&[2, 1], &[1]]).expect("the second turn says less");
        assert!(what.starts_with("monotone epochs"), "{what}");
        let what = violation(&[&[3]]).expect("epoch 3 is not saved");
        assert!(what.ends_with("before they are saved"), "{what}");
    }

    #[test]
    fn an_opinion_outlives_the_sentinel_that_told_it() {
        const PRIMARY: u16 = 9;
        let deposed_at = |now| {
            let agreement = Agreement::new(2, 1000, Oracle::new());
            let mut record = lock(&agreement.record);
            for sentinel in [1, 2] {
                let heard = Heard { last: Some(0), waited_until: None };
                record.heard.insert((sentinel, PRIMARY), heard);
            }
            record.on_death(2, 1500);
            record.on_deposed(1, PRIMARY, now);
            record.violation.clone()
        };
        assert_eq!(deposed_at(1500 + OPINION_MS), None);
        let what = deposed_at(1501 + OPINION_MS).expect("the second opinion is too old");
        assert!(what.starts_with("one promotion per cause"), "{what}");
    }
}
