//! MULTI blocks, and the keys that WATCH watches.

use std::collections::BTreeMap;

use super::Server;
use super::table::Command;
use crate::command::{Flags, flags};
use crate::keyspace::Blob;
use crate::machine::ConnId;

/// An open MULTI block.
#[derive(Debug, Default)]
pub struct Transaction {
    queued: Vec<(&'static Command, Vec<Blob>)>,
    spoiled: bool,
}

impl Transaction {
    /// A queued command was refused: EXEC will refuse the block.
    pub fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Whether EXEC will refuse the block.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// The queued commands.
    pub fn into_queued(self) -> Vec<(&'static Command, Vec<Blob>)> {
        self.queued
    }

    /// Flags that any of the queued commands has.
    pub fn flags_of_any(&self) -> Flags {
        self.queued.iter().fold(0, |flags, (command, _)| flags | command.flags)
    }

    /// Flags that all of the queued commands have.
    pub fn flags_of_all(&self) -> Flags {
        self.queued.iter().fold(Flags::MAX, |flags, (command, _)| flags & command.flags)
    }

    /// Bytes that the queued commands hold.
    pub fn memory_bytes(&self) -> usize {
        self.queued.iter().flat_map(|(_, words)| words).map(Blob::len).sum()
    }
}

/// A key as one client watches it.
#[derive(Debug, Clone)]
pub struct WatchedKey {
    db: usize,
    key: Blob,
    /// Whether it was there when WATCH came.
    existed: bool,
    /// Whether its time had come by then: its deletion changes nothing.
    was_expired: bool,
}

/// Who watches which key.
#[derive(Debug, Default)]
pub struct Watched(BTreeMap<(usize, Blob), Vec<ConnId>>);

impl Server {
    /// Queues a command if its client is inside MULTI.
    pub(super) fn queue(
        &mut self,
        conn: ConnId,
        command: &'static Command,
        words: &[&[u8]],
    ) -> bool {
        const AT_ONCE: [&str; 6] = ["exec", "discard", "multi", "watch", "quit", "reset"];
        let Some(client) = self.clients.get_mut(conn) else { return false };
        let Some(transaction) = &mut client.transaction else { return false };
        if AT_ONCE.contains(&command.name.as_str()) {
            return false;
        }
        let words = words.iter().map(|word| Blob::from(*word)).collect();
        transaction.queued.push((command, words));
        client.reply.simple("QUEUED");
        true
    }

    /// Watches a key for a client.
    pub(super) fn watch(&mut self, conn: ConnId, key: &[u8]) {
        let now_ms = self.now.wall_ms();
        let Some(client) = self.clients.get_mut(conn) else { return };
        let db = client.db;
        if client.watched.iter().any(|w| w.db == db && w.key == *key) {
            return;
        }
        let key = Blob::from(key);
        let data = self.keyspace.db(db);
        let was_expired = data.expiry(&key).is_some_and(|at| at < now_ms);
        let existed = data.contains(&key) && !was_expired;
        client.watched.push(WatchedKey { db, key: key.clone(), existed, was_expired });
        self.watched.0.entry((db, key)).or_default().push(conn);
        self.track_touched();
    }

    /// Watches nothing any more.
    pub(super) fn unwatch(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        client.watch_spoiled = false;
        let keys = std::mem::take(&mut client.watched);
        self.forget_watched(conn, keys);
    }

    /// A client is gone with what it watched.
    pub(super) fn forget_watched(&mut self, conn: ConnId, keys: Vec<WatchedKey>) {
        for WatchedKey { db, key, .. } in keys {
            let slot = (db, key);
            if let Some(watchers) = self.watched.0.get_mut(&slot) {
                watchers.retain(|other| *other != conn);
                if watchers.is_empty() {
                    self.watched.0.remove(&slot);
                }
            }
        }
        self.track_touched();
    }

    /// Whether commands note which keys they touch: if anybody watches keys or waits for some.
    pub(super) fn track_touched(&mut self) {
        self.effect.track_touched = !self.watched.0.is_empty() || !self.awaited.is_empty();
    }

    /// Whether what a client watches has changed, or its time has come.
    pub(super) fn watch_failed(&self, conn: ConnId) -> bool {
        let Some(client) = self.clients.get(conn) else { return false };
        let now_ms = self.now.wall_ms();
        let expired = |w: &WatchedKey| {
            !w.was_expired && self.keyspace.db(w.db).expiry(&w.key).is_some_and(|at| at < now_ms)
        };
        client.watch_spoiled || client.watched.iter().any(expired)
    }

    /// The last command on data touched keys: who watches one of them cannot EXEC.
    pub(super) fn spoil_watchers(&mut self) {
        if self.watched.0.is_empty() {
            return;
        }
        let touched = std::mem::take(&mut self.effect.touched);
        for (db, key) in &touched {
            self.touch_watched(*db, key);
        }
        self.effect.touched = touched;
        if let Some(db) = self.effect.flushed {
            self.spoil_flushed(db);
        }
        if let Some((a, b)) = self.effect.swapped {
            self.spoil_swapped(a, b);
        }
    }

    /// Two databases were exchanged: in both, keys that either had have changed.
    fn spoil_swapped(&mut self, a: usize, b: usize) {
        let slots: Vec<_> =
            self.watched.0.keys().filter(|(db, _)| [a, b].contains(db)).cloned().collect();
        for (db, key) in slots {
            if [a, b].iter().any(|db| self.keyspace.db(*db).contains(&key)) {
                self.touch_watched(db, &key);
            }
        }
    }

    /// All keys of a database (of all, with `None`) are gone: who watches one that was there cannot
    /// EXEC.
    pub(super) fn spoil_flushed(&mut self, db: Option<usize>) {
        let hit = |w: &WatchedKey| w.existed && db.is_none_or(|db| db == w.db);
        for conn in self.clients.ids(|client| client.watched.iter().any(hit)) {
            if let Some(client) = self.clients.get_mut(conn) {
                client.watch_spoiled = true;
            }
        }
    }

    /// A key was changed: who watches it cannot EXEC.
    pub(super) fn touch_watched(&mut self, db: usize, key: &Blob) {
        let Some(watchers) = self.watched.0.get(&(db, key.clone())) else { return };
        let is_gone = !self.keyspace.db(db).contains(key);
        for conn in watchers.clone() {
            let Some(client) = self.clients.get_mut(conn) else { continue };
            let Some(watched) = client.watched.iter_mut().find(|w| w.db == db && w.key == *key)
            else {
                continue;
            };
            if is_gone && std::mem::take(&mut watched.was_expired) {
                continue;
            }
            client.watch_spoiled = true;
        }
    }
}

/// The flags by which a command is refused: EXEC stands for what it would run.
pub(super) fn effective_flags(command: &Command, transaction: Option<&Transaction>) -> Flags {
    const MUST_ALL_HAVE: Flags = flags::STALE | flags::LOADING;
    match transaction {
        Some(transaction) if command.name == "exec" => {
            let any = transaction.flags_of_any() & (flags::WRITE | flags::DENYOOM);
            (command.flags | any) & (!MUST_ALL_HAVE | transaction.flags_of_all())
        }
        _ => command.flags,
    }
}
