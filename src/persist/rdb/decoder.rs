//! A keyspace from an RDB that arrives in pieces.
//!
//! The decoder takes steps: the header, one opcode with its operands, one key with its string, one
//! part of a collection. A step that finds
//! too few bytes changes nothing, says how many it needs, and is taken again from its beginning
//! when they are there. So what is kept beside the data is at most one step's bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::collection::Collection;
use super::error::{RdbError, Reason};
use super::format::{MAGIC, VERSION_CHECKSUM, VERSION_READ_MAX, opcode, value_type};
use super::input::{Reader, Stop, Text};
use crate::base::crc64::Crc64;
use crate::base::number;
use crate::keyspace::types::Packing;
use crate::keyspace::{Keyspace, Value};
use crate::machine::{LoadOptions, Loaded, StreamHead};

/// However much is fed at once, it is looked at in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// Decodes an RDB.
#[derive(Debug)]
pub struct Decoder {
    data: Keyspace,
    expire_before: Option<i64>,
    packing: Packing,
    expired: Vec<(usize, Bytes)>,
    keys: u64,
    head: Head,
    place: Place,
    /// The key whose value is being read part by part.
    unfinished: Option<(Vec<u8>, Collection)>,
    version: u32,
    db: usize,
    /// Of the key that follows.
    expiry: Option<i64>,
    /// Bytes that have arrived and no step has used.
    unread: Vec<u8>,
    /// Bytes that `unread` must have for the next step.
    needed: usize,
    /// Bytes used by steps.
    read: u64,
    /// Of the bytes used by steps.
    crc: Crc64,
    failed: Option<RdbError>,
}

/// What the next step finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Items,
    Checksum,
    End,
}

/// The replication state of the aux fields, as far as it is valid.
#[derive(Debug, Default)]
struct Head {
    replid: Option<String>,
    offset: Option<u64>,
    selected_db: Option<i64>,
}

impl Decoder {
    /// Decodes into 16 databases. Keys that expired before `expire_before` (ms since the epoch) are
    /// left out and listed; `None` keeps all.
    pub fn new(expire_before: Option<i64>) -> Self {
        Self::with(&LoadOptions { expire_before, ..LoadOptions::default() })
    }

    /// Decodes as these options say, but for the delay.
    pub fn with(options: &LoadOptions) -> Self {
        Self {
            data: Keyspace::new(options.databases, options.seed),
            expire_before: options.expire_before,
            packing: options.packing,
            expired: Vec::new(),
            keys: 0,
            head: Head::default(),
            place: Place::Header,
            unfinished: None,
            version: 0,
            db: 0,
            expiry: None,
            unread: Vec::new(),
            needed: 0,
            read: 0,
            crc: Crc64::new(),
            failed: None,
        }
    }

    /// Takes the next bytes. After an error there are only more of the same.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), RdbError> {
        let used = self.feed_front(data)?;
        if used == data.len() {
            return Ok(());
        }
        let error = RdbError { offset: self.read, reason: Reason::Trailing };
        self.failed = Some(error.clone());
        Err(error)
    }

    /// Takes the next bytes as far as they belong to the RDB, and returns how many those were: all,
    /// unless something else follows its end.
    pub fn feed_front(&mut self, data: &[u8]) -> Result<usize, RdbError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut used = 0;
        for piece in data.chunks(PIECE_BYTES) {
            if self.is_complete() {
                break;
            }
            self.feed_piece(piece).inspect_err(|error| self.failed = Some(error.clone()))?;
            used += piece.len();
        }
        // What was not used when the end came is the end of the last piece.
        if self.is_complete() {
            used -= std::mem::take(&mut self.unread).len();
        }
        Ok(used)
    }

    /// Whether all has been read, the checksum included.
    pub fn is_complete(&self) -> bool {
        self.place == Place::End
    }

    /// Keys loaded so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// The dataset, or an error if it is not complete.
    pub fn finish(self) -> Result<Loaded, RdbError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.is_complete() {
            return Err(self.cut_short());
        }
        Ok(Loaded {
            keyspace: self.data,
            stream: self.head.into_stream(),
            keys: self.keys,
            expired: self.expired,
            bytes: self.read,
        })
    }

    /// What is wrong if nothing follows what was fed.
    pub fn cut_short(&self) -> RdbError {
        let offset = self.read + self.unread.len() as u64;
        RdbError { offset, reason: Reason::Truncated }
    }

    fn feed_piece(&mut self, piece: &[u8]) -> Result<(), RdbError> {
        self.unread.extend_from_slice(piece);
        if self.unread.len() < self.needed {
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.unread);
        let used = self.take_steps(&unread)?;
        self.crc.update(&unread[..used]);
        self.read += used as u64;
        unread.drain(..used);
        unread.shrink_to(2 * PIECE_BYTES);
        self.unread = unread;
        Ok(())
    }

    /// Takes as many steps as there are bytes for, and returns how many bytes those were.
    fn take_steps(&mut self, bytes: &[u8]) -> Result<usize, RdbError> {
        let mut used = 0;
        while used < bytes.len() && !self.is_complete() {
            let mut reader = Reader::new(bytes, used);
            match self.step(&mut reader) {
                Ok(()) => used = reader.at(),
                Err(Stop::Short(needed)) => {
                    self.needed = needed - used;
                    return Ok(used);
                }
                Err(Stop::Bad(reason)) => {
                    return Err(RdbError { offset: self.read + reader.at() as u64, reason });
                }
            }
        }
        self.needed = 0;
        Ok(used)
    }

    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        if let Some((_, collection)) = &mut self.unfinished {
            collection.read_part(reader)?;
            return Ok(self.store_if_whole()?);
        }
        match self.place {
            Place::Header => self.read_header(reader),
            Place::Items => self.read_item(reader),
            Place::Checksum => self.read_checksum(reader),
            Place::End => Ok(()),
        }
    }

    fn read_header(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let [magic @ .., a, b, c, d] = reader.array::<9>()?;
        let digits = [a, b, c, d];
        if magic != *MAGIC || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Stop::Bad(Reason::Magic));
        }
        self.version = digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
        if !(1..=VERSION_READ_MAX).contains(&self.version) {
            return Err(Stop::Bad(Reason::Version(self.version)));
        }
        self.place = Place::Items;
        Ok(())
    }

    fn read_item(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        match reader.byte()? {
            opcode::AUX => {
                let (name, value) = (reader.string()?, reader.string()?);
                self.head.note(&name.into_bytes(), &value.into_bytes());
            }
            opcode::SELECT_DB => self.db = self.database(reader.length()?)?,
            opcode::RESIZE_DB => {
                reader.length()?;
                reader.length()?;
            }
            opcode::EXPIRY_MS => self.expiry = Some(i64::from_le_bytes(reader.array()?)),
            opcode::EXPIRY_S => {
                self.expiry = Some(i64::from(i32::from_le_bytes(reader.array()?)) * 1000);
            }
            opcode::IDLE_SECONDS => {
                reader.length()?;
            }
            opcode::FREQUENCY => {
                reader.byte()?;
            }
            opcode::FUNCTION => {
                reader.string()?;
            }
            opcode::SLOT_INFO => {
                for _ in 0..3 {
                    reader.length()?;
                }
            }
            number @ opcode::MODULE_AUX => {
                return Err(Reason::Unsupported { number, name: "module data" }.into());
            }
            number @ opcode::FUNCTION_BEFORE_7 => {
                return Err(Reason::Unsupported { number, name: "function of 7.0-rc" }.into());
            }
            opcode::EOF => {
                let summed = self.version >= VERSION_CHECKSUM;
                self.place = if summed { Place::Checksum } else { Place::End };
            }
            value_type => self.read_key(value_type, reader)?,
        }
        Ok(())
    }

    fn database(&self, db: u64) -> Result<usize, Reason> {
        let databases = self.data.databases();
        match usize::try_from(db) {
            Ok(db) if db < databases => Ok(db),
            _ => Err(Reason::Database { db, databases }),
        }
    }

    fn read_key(&mut self, value_type: u8, reader: &mut Reader<'_>) -> Result<(), Stop> {
        if value_type == value_type::STRING {
            let (key, value) = (reader.string()?.into_bytes(), reader.string()?);
            let value = match value {
                Text::Int(n) => Value::Int(n),
                text => Value::string(&text.into_bytes()),
            };
            return Ok(self.store(&key, value)?);
        }
        let mut collection = Collection::new(value_type)?;
        let key = reader.string()?.into_bytes();
        collection.read_count(reader)?;
        self.unfinished = Some((key.into_owned(), collection));
        Ok(self.store_if_whole()?)
    }

    fn store_if_whole(&mut self) -> Result<(), Reason> {
        let Some((key, collection)) = self.unfinished.take_if(|(_, c)| c.is_whole()) else {
            return Ok(());
        };
        if let Some(mut value) = collection.into_value()? {
            match &mut value {
                Value::Zset(zset) => Arc::make_mut(zset).pack(&self.packing),
                other => other.settle(&self.packing),
            }
            self.store(&key, value)
        } else {
            self.expiry = None;
            Ok(())
        }
    }

    fn store(&mut self, key: &[u8], value: Value) -> Result<(), Reason> {
        // Redis's word for "does not expire" can be read from a file too.
        let expiry = self.expiry.take().filter(|at| *at != -1);
        if let (Some(at), Some(before)) = (expiry, self.expire_before)
            && at < before
        {
            self.expired.push((self.db, Bytes::copy_from_slice(key)));
            return Ok(());
        }
        let db = self.data.db_mut(self.db);
        if db.set(key, value).is_some() {
            return Err(Reason::DuplicateKey);
        }
        if expiry.is_some() {
            db.set_expiry(key, expiry);
        }
        self.keys += 1;
        Ok(())
    }

    fn read_checksum(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let before = reader.before();
        let stored = u64::from_le_bytes(reader.array()?);
        let mut crc = self.crc.clone();
        crc.update(before);
        let computed = crc.value();
        if stored != 0 && stored != computed {
            return Err(Reason::Checksum { stored, computed }.into());
        }
        self.place = Place::End;
        Ok(())
    }
}

impl Head {
    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"repl-id" if value.len() == 40 && value.iter().all(u8::is_ascii_hexdigit) => {
                self.replid = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"repl-offset" => {
                self.offset = number::parse_i64(value).and_then(|n| u64::try_from(n).ok());
            }
            b"repl-stream-db" => self.selected_db = number::parse_i64(value),
            _ => {}
        }
    }

    fn into_stream(self) -> Option<StreamHead> {
        Some(StreamHead {
            replid: self.replid?,
            offset: self.offset?,
            selected_db: self.selected_db?,
        })
    }
}
