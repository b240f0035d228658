//! What must hold in every world of servers, watched step by step.
//!
//! An [`Oracle`] knows the whole content of every history: each server of its world is wrapped in
//! a [`Machine`] that reports, after every step, where the server stands and what it added. From
//! this the oracle judges, and keeps the first sentence about something that is wrong:
//!
//! * *Prefix*: bytes that a node applied or produced are the bytes of the history by which it calls
//!   them, and only a primary makes new ones.
//! * *Honest CONTINUE*: a node takes over a new name only for what it shares with that history.
//! * *No needless full sync*: whose history is a prefix of what the other still retains gets only
//!   what it missed, and nobody who was in sync forgets where it stood.
//! * *Monotone offsets*: within one history, only a full sync leads back.
//! * *Equal place, equal data*: two nodes that were ever seen at one offset of one history had the
//!   same data there ([`Oracle::compare_data`]).
//!
//! # Names of places
//!
//! A history that goes on under a new name (promotion, restart) is a child of the old one from an
//! offset on. Every place has one owner, the eldest history that contains it, so that two places
//! are the same exactly if owner and offset are.

pub mod agreement;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::machine::{
    Fact, FullSyncReason, Input, LinkState, Machine, Millis, NodeView, Now, Outbox, Output,
};
use crate::repl::{Previous, ReplId};
use crate::server::Server;
use crate::world::{NodeId, World};

/// The one who knows all histories of a world. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Oracle(Arc<Mutex<Knowledge>>);

#[derive(Debug, Default)]
struct Knowledge {
    pasts: BTreeMap<String, Past>,
    /// The data that was seen at a place.
    digests: BTreeMap<(String, u64), String>,
    /// What each port last asked in a PSYNC.
    asked: BTreeMap<u16, (String, i64)>,
    servers: BTreeMap<u16, Weak<Mutex<Server>>>,
    violation: Option<String>,
}

/// A history's content.
#[derive(Debug)]
struct Past {
    /// The history that it continues, and the last byte they share.
    parent: Option<(String, u64)>,
    /// The last byte before `bytes`.
    base: u64,
    bytes: Vec<u8>,
}

impl Past {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }
}

/// Where a server stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    replid: ReplId,
    previous: Option<Previous>,
    offset: u64,
    /// The first byte retained.
    first: Option<u64>,
}

impl Place {
    fn of(server: &Server) -> Self {
        let history = server.history();
        Self {
            replid: history.replid(),
            previous: history.previous(),
            offset: history.offset(),
            first: history.stream.backlog().map(|held| held.first),
        }
    }
}

/// A server that is watched.
struct Watched {
    server: Arc<Mutex<Server>>,
    oracle: Oracle,
    port: u16,
    /// Whether it was in sync in this life.
    was_in_sync: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Oracle {
    /// An oracle for one world.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server as a world is to run it, listening on `port`.
    pub fn watch(&self, server: Server, port: u16) -> Box<dyn Machine> {
        let place = Place::of(&server);
        let server = Arc::new(Mutex::new(server));
        let mut known = lock(&self.0);
        known.servers.insert(port, Arc::downgrade(&server));
        known.begin(place.replid.to_string(), None, place.offset);
        Box::new(Watched { server, oracle: self.clone(), port, was_in_sync: false })
    }

    /// The first thing that was wrong.
    pub fn violation(&self) -> Option<String> {
        lock(&self.0).violation.clone()
    }

    /// Whether a server lives on `port` and follows nobody.
    pub fn is_primary(&self, port: u16) -> bool {
        let server = lock(&self.0).servers.get(&port).and_then(Weak::upgrade);
        server.is_some_and(|server| lock(&server).follows().is_none())
    }

    /// The digest of the data of the living server on `port`.
    pub fn digest(&self, port: u16) -> Option<String> {
        let server = lock(&self.0).servers.get(&port)?.upgrade()?;
        let digest = lock(&server).digest();
        Some(digest)
    }

    /// Notes what data every living server has at its place, and compares it with what was seen
    /// there before. Reads all data.
    pub fn compare_data(&self) {
        let mut known = lock(&self.0);
        let living: Vec<_> =
            known.servers.iter().filter_map(|(port, s)| Some((*port, s.upgrade()?))).collect();
        for (port, server) in living {
            let server = lock(&server);
            let place = Place::of(&server);
            // Without a backlog the data changes and the offset does not.
            if place.first.is_none() {
                continue;
            }
            let at = known.owner(&place.replid.to_string(), place.offset);
            let digest = server.digest();
            match known.digests.get(&at) {
                Some(other) if *other != digest => {
                    let (replid, offset) = at;
                    known.complain(format!("{port}: other data at {replid}:{offset}"));
                }
                Some(_) => {}
                None => drop(known.digests.insert(at, digest)),
            }
        }
    }

    /// Whether these nodes are one replication tree in sync: links up, equal offsets, one name,
    /// equal data. If not, what is missing.
    pub fn in_sync(&self, world: &dyn World, nodes: &[NodeId]) -> Result<(), String> {
        let mut first = None;
        for &node in nodes {
            let view = world.view(node).ok_or_else(|| format!("node {} is down", node.0))?;
            let Some(view) = view.server() else { continue };
            if let Some(link) = view.primary.as_ref().filter(|l| l.state != LinkState::Connected) {
                return Err(format!("the link of node {} is {}", node.0, link.state.word()));
            }
            let place = (view.replid.clone(), view.offset);
            let (replid, offset) = first.get_or_insert_with(|| place.clone());
            if (&*replid, *offset) != (&place.0, place.1) {
                return Err(format!(
                    "node {} is at {}:{}, the first at {replid}:{offset}",
                    node.0, place.0, place.1
                ));
            }
        }
        let digests: Vec<_> = nodes.iter().map(|n| self.digest(world.port(*n))).collect();
        if digests.iter().any(|digest| *digest != digests[0]) {
            return Err(format!("equal places, but other data: {digests:?}"));
        }
        Ok(())
    }
}

impl Machine for Watched {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let mut own = Outbox::new();
        let mut server = lock(&self.server);
        let was = Place::of(&server);
        server.step(now, input, &mut own);
        let mut known = lock(&self.oracle.0);
        let outputs: Vec<Output> = own.drain().collect();
        known.on_step(self.port, was, &server, &outputs);
        for output in outputs {
            match &output {
                Output::Emit(Fact::FullSyncDone { .. } | Fact::PartialSyncDone { .. }) => {
                    self.was_in_sync = true;
                }
                Output::Emit(Fact::FullSyncServed { replica, reason }) => {
                    known.on_full_sync(was, replica.port, reason);
                }
                Output::Emit(Fact::FileFailed { name, reason }) => {
                    known.complain(format!("{}: {name}: {reason}", self.port));
                }
                Output::Send { data, .. } => {
                    if let Some(asked) = psync_words(data) {
                        if asked.0 == "?" && self.was_in_sync {
                            known.complain(format!("{} forgot where it stood", self.port));
                        }
                        known.asked.insert(self.port, asked);
                    }
                }
                _ => {}
            }
            out.push(output);
        }
    }

    fn deadline(&self) -> Option<Millis> {
        lock(&self.server).deadline()
    }

    fn view(&self, now: Now) -> NodeView {
        lock(&self.server).view(now)
    }
}

impl Knowledge {
    fn complain(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    fn begin(&mut self, replid: String, parent: Option<(String, u64)>, base: u64) {
        self.pasts.entry(replid).or_insert(Past { parent, base, bytes: Vec::new() });
    }

    /// The eldest history that contains this place.
    fn owner(&self, replid: &str, offset: u64) -> (String, u64) {
        let mut replid = replid;
        while let Some((parent, shared)) = self.pasts.get(replid).and_then(|p| p.parent.as_ref())
            && offset <= *shared
        {
            replid = parent;
        }
        (replid.to_owned(), offset)
    }

    fn on_step(&mut self, port: u16, was: Place, server: &Server, outputs: &[Output]) {
        let is = Place::of(server);
        let facts =
            || outputs.iter().filter_map(|o| if let Output::Emit(f) = o { Some(f) } else { None });
        let full = facts().find_map(|fact| match fact {
            Fact::FullSyncDone { offset, .. } => Some(*offset),
            _ => None,
        });
        let loaded = facts().any(|fact| matches!(fact, Fact::Ready { .. }));
        if was.replid == is.replid && was.offset == is.offset && full.is_none() {
            return;
        }
        let replid = is.replid.to_string();
        let from = match (full, is.previous) {
            (Some(offset), _) => offset,
            _ if was.replid == is.replid => was.offset,
            (None, Some(previous)) => {
                let shared = previous.second_offset - 1;
                let parent = previous.replid.to_string();
                if shared != was.offset && !loaded {
                    self.complain(format!(
                        "{port}: at {} it takes a new name from {shared} on",
                        was.offset
                    ));
                }
                if self.pasts.contains_key(&replid) {
                    if self.owner(&replid, shared) != self.owner(&parent, shared) {
                        self.complain(format!(
                            "{port}: {replid} does not contain {parent}:{shared}, which it continues"
                        ));
                    }
                } else {
                    self.begin(replid.clone(), Some((parent, shared)), shared);
                }
                shared
            }
            (None, None) if self.pasts.contains_key(&replid) => {
                if !loaded {
                    self.complain(format!("{port}: calls its history {replid} without a sync"));
                }
                is.offset
            }
            (None, None) => {
                self.begin(replid.clone(), None, was.offset);
                was.offset
            }
        };
        if is.offset < from {
            self.complain(format!("{port}: went back from {from} to {} in {replid}", is.offset));
            return;
        }
        if let Some(bytes) = server.history().stream.copy_from(from + 1) {
            let changed_role = facts().any(|f| matches!(f, Fact::RoleChanged { .. }));
            let makes = server.follows().is_none() || changed_role;
            self.add(port, &replid, from, &bytes, makes);
        } else if self.end_of(&replid) < is.offset {
            self.complain(format!("{port}: {replid} has not come to {} yet", is.offset));
        }
    }

    fn end_of(&self, replid: &str) -> u64 {
        self.pasts.get(replid).map_or(0, Past::end)
    }

    /// A node has these bytes after `from` in what it calls `replid`.
    fn add(&mut self, port: u16, replid: &str, mut from: u64, bytes: &[u8], makes: bool) {
        let mut rest = bytes;
        if from > self.end_of(replid) {
            return self.complain(format!("{port}: {replid} has not come to {from} yet"));
        }
        while !rest.is_empty() {
            let (owner, until) = self.owner_and_end(replid, from + 1);
            let (now, later) = rest.split_at(rest.len().min((until - from) as usize));
            let Some(past) = self.pasts.get_mut(&owner) else {
                return self.complain(format!("{port}: nobody knows {owner}"));
            };
            let at = from.saturating_sub(past.base) as usize;
            let known = &past.bytes[at.min(past.bytes.len())..];
            let same = known.len().min(now.len());
            let wrong = from < past.base || known[..same] != now[..same];
            let new = now.len() > same;
            past.bytes.extend_from_slice(&now[same..]);
            if wrong {
                return self.complain(format!("{port}: other bytes in {owner} after {from}"));
            }
            if new && !makes {
                return self.complain(format!("{port}: a replica makes bytes of {owner}"));
            }
            from += now.len() as u64;
            rest = later;
        }
    }

    /// The owner of a place, and the last offset that it owns of what is called `replid`.
    fn owner_and_end(&self, replid: &str, offset: u64) -> (String, u64) {
        let (mut replid, mut until) = (replid, u64::MAX);
        while let Some((parent, shared)) = self.pasts.get(replid).and_then(|p| p.parent.as_ref())
            && offset <= *shared
        {
            (replid, until) = (parent, *shared);
        }
        (replid.to_owned(), until)
    }

    /// The node that stood at `server` gives the one on port `replica` a whole dataset.
    fn on_full_sync(&mut self, server: Place, replica: u16, reason: &FullSyncReason) {
        let Some((asked, next)) = self.asked.get(&replica).cloned() else { return };
        // An old request may be answered after its sender died and was born again.
        let is_answered = match reason {
            // Who took a new name early, because it lagged, cannot know how far the old one went.
            FullSyncReason::NoHistory
            | FullSyncReason::NoBacklog
            | FullSyncReason::AheadOfShared { .. } => false,
            FullSyncReason::OtherHistory { asked: named, .. } => *named == asked,
            FullSyncReason::BeforeBacklog { asked: at, .. }
            | FullSyncReason::AfterBacklog { asked: at, .. } => i64::try_from(*at) == Ok(next),
        };
        let applied = u64::try_from(next - 1).unwrap_or(0);
        let ours = server.replid.to_string();
        let names_us =
            asked == ours || server.previous.is_some_and(|p| p.replid.matches(asked.as_bytes()));
        let shares =
            applied <= server.offset && self.owner(&asked, applied) == self.owner(&ours, applied);
        let retained = server.first.is_some_and(|first| first <= applied + 1);
        if is_answered && names_us && shares && retained {
            self.complain(format!("needless full sync of {replica} ({reason})"));
        }
    }
}

/// The replid and offset of a PSYNC.
fn psync_words(data: &[u8]) -> Option<(String, i64)> {
    let text = std::str::from_utf8(data).ok()?;
    let mut lines = text.split("\r\n");
    if lines.nth(2)? != "PSYNC" {
        return None;
    }
    let replid = lines.nth(1)?.to_owned();
    Some((replid, lines.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Knowledge, Place};
    use crate::base::rng::Dice;
    use crate::machine::FullSyncReason;
    use crate::repl::{Previous, ReplId};

    /// History `a` of ten bytes, which `b` continues after the sixth.
    fn known() -> Knowledge {
        let mut known = Knowledge::default();
        known.begin("a".to_owned(), None, 0);
        known.add(1, "a", 0, b"0123456789", true);
        known.begin("b".to_owned(), Some(("a".to_owned(), 6)), 6);
        known.add(1, "b", 6, b"xyz", true);
        known
    }

    #[test]
    fn equal_bytes_under_either_name_are_fine() {
        let mut known = known();
        known.add(2, "a", 2, b"23456", false);
        known.add(2, "b", 2, b"2345xy", false);
        assert_eq!(known.violation, None);
        assert_eq!(known.owner("b", 6), known.owner("a", 6));
        assert_ne!(known.owner("b", 7), known.owner("a", 7));
    }

    #[test]
    fn other_bytes_and_bytes_that_no_primary_made_are_not() {
        for (from, bytes) in [(2, &b"29"[..]), (4, b"456"), (8, b"z!"), (20, b"?")] {
            let mut known = known();
            known.add(2, "b", from, bytes, false);
            assert!(known.violation.is_some(), "{bytes:?} after {from}");
        }
    }

    #[test]
    fn a_full_sync_is_needless_if_the_missing_bytes_are_there() {
        let mut dice = Dice::new(1);
        let (ours, theirs) = (ReplId::random(&mut dice), ReplId::random(&mut dice));
        let previous = Some(Previous { replid: theirs, second_offset: 7 });
        let server = Place { replid: ours, previous, offset: 9, first: Some(3) };
        for (next, is_needless) in [(2, false), (3, true), (7, true), (8, false)] {
            let mut known = Knowledge::default();
            known.begin(theirs.to_string(), None, 0);
            known.begin(ours.to_string(), Some((theirs.to_string(), 6)), 6);
            known.asked.insert(2, (theirs.to_string(), next));
            let asked = next as u64;
            known.on_full_sync(server, 2, &FullSyncReason::BeforeBacklog { asked, first: 3 });
            assert_eq!(known.violation.is_some(), is_needless, "asks for {next}");
        }
    }
}
