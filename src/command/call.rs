//! One command being run on the data.

use std::sync::Arc;

use super::CommandError;
use super::event::{self, Classes, Event};
use crate::base::number;
use crate::base::rng::Dice;
use crate::keyspace::types::{Collection, Packing};
use crate::keyspace::{Blob, Db, Keyspace, Kind, Value};
use crate::resp::Reply;

/// What this node does with a key whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryRule {
    /// A primary: delete it and replicate the deletion.
    Delete,
    /// A replica, asked by a client: hide it.
    Hide,
    /// A replica, told by its primary, which alone decides: treat it as there.
    Ignore,
}

/// Which deletions are replicated as those of UNLINK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lazy {
    /// Of keys whose time has come (`lazyfree-lazy-expire`).
    pub expire: bool,
    /// Those that a client asks for in other words than DEL (`lazyfree-lazy-user-del`).
    pub user_del: bool,
}

impl Lazy {
    /// The command that deletes a key whose time has come.
    pub fn expire(self) -> &'static [u8] {
        if self.expire { b"UNLINK" } else { b"DEL" }
    }

    /// The command that deletes a key for a client.
    pub fn user_del(self) -> &'static [u8] {
        if self.user_del { b"UNLINK" } else { b"DEL" }
    }
}

/// A command being run: its words, the data, and where its reply and its effect go.
#[derive(Debug)]
pub struct Call<'a> {
    /// The words, the command's name first.
    pub args: &'a [&'a [u8]],
    /// The selected database.
    pub db: usize,
    /// The data.
    pub keyspace: &'a mut Keyspace,
    /// Milliseconds since the epoch; the same for the whole unit (command, MULTI block, script).
    pub now_ms: i64,
    /// The reply.
    pub reply: &'a mut Reply,
    /// What it did.
    pub effect: &'a mut Effect,
    /// Chance.
    pub dice: &'a mut Dice,
    /// What to do with keys whose time has come.
    pub expiry: ExpiryRule,
    /// Whether its client can wait: not in MULTI or a script.
    pub may_wait: bool,
    /// Whether a script runs it.
    pub in_script: bool,
    /// It waited, and is run again because there is something in this key.
    pub ready: Option<&'a [u8]>,
    /// `proto-max-bulk-len`: no string may become longer.
    pub bulk_bytes_max: u64,
    /// Up to what size values are kept in one piece.
    pub packing: &'a Packing,
    /// `rdbcompression`: DUMP packs long strings.
    pub compress: bool,
    /// How deletions are replicated.
    pub lazy: Lazy,
}

/// A way to look at a key: its value and when it expires.
type LookUp = for<'d> fn(&'d Db, &[u8]) -> Option<(&'d Value, Option<i64>)>;

/// What a command did, for replication, WATCH and statistics.
#[derive(Debug, Default)]
pub struct Effect {
    /// Changes to the data (`rdb_changes_since_last_save`). 0 means nothing is replicated.
    pub changes: u64,
    /// What is replicated if there were changes.
    pub replicate: Replicate,
    /// Keys deleted because their time had come, with their databases. They are replicated as
    /// deletions before the command.
    pub expired: Vec<(usize, Blob)>,
    /// Keys that were changed, for WATCH; filled only if `track_touched`.
    pub touched: Vec<(usize, Blob)>,
    /// The touched keys matter to those who wait for them, and not to WATCH.
    pub spares_watchers: bool,
    /// Whether anybody watches keys.
    pub track_touched: bool,
    /// All keys of a database (or, with `None`, of all databases) were changed.
    pub flushed: Option<Option<usize>>,
    /// What happened to keys, in order, as far as `classes` asks for it.
    pub events: Vec<Event>,
    /// Classes of events that anybody may listen to.
    pub classes: Classes,
    /// A key whose last element was taken: it is told after what the command says of it.
    emptied: Option<Blob>,
    /// Two databases were exchanged.
    pub swapped: Option<(usize, usize)>,
    /// It found nothing and is to be run again.
    pub wait: Option<Wait>,
    /// Reads that found a key (`keyspace_hits`).
    pub hits: u64,
    /// Reads that found none (`keyspace_misses`).
    pub misses: u64,
}

/// A command's wish to be run again when a key has what it is after. Its client waits.
#[derive(Debug)]
pub struct Wait {
    /// Keys, any of which may come to have it.
    pub keys: Vec<Blob>,
    /// The type of value that it is after.
    pub kind: Kind,
    /// Whether it is run again also when a key is gone or holds another type.
    pub when_gone: bool,
    /// Milliseconds after which the client is answered with no array; 0 for never.
    pub timeout_ms: u64,
    /// What is run then, if that is not what was asked: `$` of XREAD is the last entry of now.
    pub words: Option<Vec<Blob>>,
}

/// What is replicated for a command that changed data.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Replicate {
    /// The command as it was asked.
    #[default]
    AsAsked,
    /// Other commands in its place, each with the database it belongs to.
    Instead(Vec<(usize, Vec<Blob>)>),
}

impl Effect {
    /// Forgets everything, so that the next command can use the same allocations.
    pub fn reset(&mut self) {
        let track_touched = self.track_touched;
        let (mut expired, mut touched) =
            (std::mem::take(&mut self.expired), std::mem::take(&mut self.touched));
        expired.clear();
        touched.clear();
        *self = Self { expired, touched, track_touched, ..Self::default() };
    }
}

impl<'a> Call<'a> {
    /// A word. Arity is checked before a command runs, so the words that it asks for are there.
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).copied().unwrap_or_default()
    }

    /// A word as an integer.
    pub fn int(&self, index: usize) -> Result<i64, CommandError> {
        number::parse_i64(self.arg(index)).ok_or(CommandError::NOT_AN_INTEGER)
    }

    /// Whether a word is this option, whatever its case.
    pub fn is(&self, index: usize, option: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(option.as_bytes())
    }

    /// The value of a key, to be read; counts a hit or a miss. Values are shared, so this copies
    /// nothing large.
    pub fn read(&mut self, key: &[u8]) -> Option<Value> {
        let value = self.peek(key);
        self.count_read(key, value)
    }

    /// [`Call::read`], but no use of the key: it stays as idle as it is.
    pub fn glance(&mut self, key: &[u8]) -> Option<Value> {
        let value = self.find(key, Db::get_with_expiry);
        self.count_read(key, value)
    }

    fn count_read(&mut self, key: &[u8], value: Option<Value>) -> Option<Value> {
        if value.is_some() {
            self.effect.hits += 1;
        } else {
            self.effect.misses += 1;
            self.notify(event::KEY_MISS, "keymiss", key);
        }
        value
    }

    /// The value of a key that is about to be changed: not counted as a read.
    pub fn peek(&mut self, key: &[u8]) -> Option<Value> {
        self.find(key, Db::look_up)
    }

    fn find(&mut self, key: &[u8], look_up: LookUp) -> Option<Value> {
        match look_up(self.keyspace.db(self.db), key)? {
            (_, Some(at)) if self.is_over(at) => {
                self.expire(key);
                None
            }
            (value, _) => Some(value.clone()),
        }
    }

    /// When a key that is there expires.
    pub fn expiry_of(&self, key: &[u8]) -> Option<i64> {
        self.keyspace.db(self.db).expiry(key)
    }

    /// The bytes of a string key, to be read: an error if it holds another type.
    pub fn read_string(&mut self, key: &[u8]) -> Result<Option<Blob>, CommandError> {
        self.read(key).map(|value| value.as_text().ok_or(CommandError::WRONG_TYPE)).transpose()
    }

    /// The bytes of a string key that is about to be changed.
    pub fn peek_string(&mut self, key: &[u8]) -> Result<Option<Blob>, CommandError> {
        self.peek(key).map(|value| value.as_text().ok_or(CommandError::WRONG_TYPE)).transpose()
    }

    /// Whether there is such a key.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Runs another command in the place of this one.
    pub fn with_words<R>(&mut self, words: &[&[u8]], run: impl FnOnce(&mut Call<'_>) -> R) -> R {
        run(&mut Call {
            args: words,
            keyspace: self.keyspace,
            reply: self.reply,
            effect: self.effect,
            dice: self.dice,
            ready: None,
            ..*self
        })
    }

    /// Does something with another database selected. `db` must exist.
    pub fn in_db<R>(&mut self, db: usize, work: impl FnOnce(&mut Self) -> R) -> R {
        let home = std::mem::replace(&mut self.db, db);
        let result = work(self);
        self.db = home;
        result
    }

    /// The selected database, to be changed.
    pub fn db_mut(&mut self) -> &mut Db {
        self.keyspace.db_mut(self.db)
    }

    /// Stores a value; an expiry time is dropped unless `keep_expiry`. Counts one change.
    pub fn store(&mut self, key: &[u8], mut value: Value, keep_expiry: bool) {
        value.settle(self.packing);
        let db = self.keyspace.db_mut(self.db);
        let is_new = db.set(key, value).is_none();
        if !keep_expiry {
            db.set_expiry(key, None);
        }
        if is_new {
            self.notify(event::NEW, "new", key);
        }
        self.changed(key);
    }

    /// Stores the value of a key that is not there, to be filled. Counts no change.
    pub fn create(&mut self, key: &[u8], mut value: Value) {
        value.settle(self.packing);
        let db = self.keyspace.db_mut(self.db);
        db.set(key, value);
        // A replica that hides a key whose time has come still has it.
        db.set_expiry(key, None);
        self.notify(event::NEW, "new", key);
    }

    /// Deletes a key that is there. Counts one change.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        if !self.exists(key) || self.keyspace.db_mut(self.db).remove(key).is_none() {
            return false;
        }
        self.changed(key);
        self.notify(event::GENERIC, "del", key);
        true
    }

    /// Tells what happened to a key.
    pub fn notify(&mut self, class: Classes, name: &'static str, key: &[u8]) {
        if self.effect.classes & class != 0 {
            self.effect.events.push(Event { db: self.db, name, key: Blob::from(key) });
        }
        if self.effect.emptied.take_if(|emptied| *emptied == *key).is_some() {
            self.notify(event::GENERIC, "del", key);
        }
    }

    /// Counts one change, of this key.
    pub fn changed(&mut self, key: &[u8]) {
        self.effect.changes += 1;
        self.touched(key);
    }

    /// Counts so many changes, of this key.
    pub fn changed_by(&mut self, key: &[u8], changes: usize) {
        if changes > 0 {
            self.effect.changes += changes as u64;
            self.touched(key);
        }
    }

    /// Tells those who watch this key that it changed.
    pub fn touched(&mut self, key: &[u8]) {
        if self.effect.track_touched {
            self.effect.touched.push((self.db, Blob::from(key)));
        }
    }

    /// Replicates this in place of the command. Called again, both.
    pub fn replicate_as<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        let words = words.iter().map(|w| Blob::from(w.as_ref())).collect();
        let db = self.db;
        match &mut self.effect.replicate {
            Replicate::Instead(commands) => commands.push((db, words)),
            Replicate::AsAsked => {
                self.effect.replicate = Replicate::Instead(vec![(db, words)]);
            }
        }
    }

    /// Replicates nothing in place of the command, but for what [`Call::replicate_as`] adds.
    pub fn replicate_nothing(&mut self) {
        self.effect.replicate = Replicate::Instead(Vec::new());
    }

    /// A collection, to be read; counts a hit or a miss.
    pub fn read_as<T: Collection>(&mut self, key: &[u8]) -> Result<Option<Arc<T>>, CommandError> {
        let value = self.read(key);
        value.map(|value| T::of(&value).cloned().ok_or(CommandError::WRONG_TYPE)).transpose()
    }

    /// A collection that is about to be changed. Let go of it before the change, or it is copied.
    pub fn peek_as<T: Collection>(&mut self, key: &[u8]) -> Result<Option<Arc<T>>, CommandError> {
        let value = self.peek(key);
        value.map(|value| T::of(&value).cloned().ok_or(CommandError::WRONG_TYPE)).transpose()
    }

    /// Changes a collection that is there, and deletes the key if nothing is left in it; `None` if
    /// there is no such key. Counts no change.
    pub fn edit<T: Collection, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, CommandError> {
        if self.peek_as::<T>(key)?.is_none() {
            return Ok(None);
        }
        let db = self.keyspace.db_mut(self.db);
        let edited = db.update(key, |value| {
            let collection = T::of_mut(value)?;
            let result = change(collection);
            if collection.outgrows(self.packing) {
                collection.spread();
            }
            Some((result, collection.is_empty()))
        });
        let Some((result, is_empty)) = edited.flatten() else { return Ok(None) };
        if is_empty {
            db.remove(key);
            if self.effect.classes != 0 {
                self.effect.emptied = Some(Blob::from(key));
            }
        }
        Ok(Some(result))
    }

    /// [`Call::edit`], with an empty collection if there is no such key.
    pub fn edit_or_create<T: Collection, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, CommandError> {
        if self.peek_as::<T>(key)?.is_some() {
            return self.edit(key, change)?.ok_or(CommandError::NO_SUCH_KEY);
        }
        let mut collection = T::default();
        let result = change(&mut collection);
        if !collection.is_empty() {
            self.create(key, collection.into_value());
        }
        Ok(result)
    }

    /// Those of the keys that are worth a look: all, or the one for which it is run again.
    pub fn worth_a_look<'k>(
        &self,
        keys: &'k [&'k [u8]],
    ) -> impl Iterator<Item = &'k [u8]> + use<'a, 'k> {
        let ready = self.ready;
        keys.iter().copied().filter(move |key| ready.is_none_or(|ready| ready == *key))
    }

    /// Waits until one of the keys has such a value, if it may. Returns whether it waits; if not,
    /// it must answer.
    #[must_use]
    pub fn wait_for(&mut self, kind: Kind, keys: &[&[u8]], timeout_ms: u64) -> bool {
        let keys = keys.iter().map(|key| Blob::from(*key)).collect();
        self.wait(Wait { keys, kind, when_gone: false, timeout_ms, words: None })
    }

    /// [`Call::wait_for`], with every choice.
    #[must_use]
    pub fn wait(&mut self, wait: Wait) -> bool {
        if self.may_wait {
            self.effect.wait = Some(wait);
        }
        self.may_wait
    }

    /// Whether a key with this expiry time is to be treated as gone.
    pub fn is_over(&self, at: i64) -> bool {
        at < self.now_ms && self.expiry != ExpiryRule::Ignore
    }

    /// A key's time has come: a primary deletes it.
    pub fn expire(&mut self, key: &[u8]) {
        if self.expiry == ExpiryRule::Delete {
            self.keyspace.db_mut(self.db).remove(key);
            self.effect.expired.push((self.db, Blob::from(key)));
            self.notify(event::EXPIRED, "expired", key);
            self.touched(key);
        }
    }
}
