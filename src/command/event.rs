//! Keyspace events: what happened to a key, for those who listen (`notify-keyspace-events`).

use crate::keyspace::Blob;

/// A set of classes of events.
pub type Classes = u32;

/// `K`: told in a channel named after the key.
pub const KEYSPACE: Classes = 1;
/// `E`: told in a channel named after the event.
pub const KEYEVENT: Classes = 1 << 1;
/// `g`: of keys of any type.
pub const GENERIC: Classes = 1 << 2;
/// `$`
pub const STRING: Classes = 1 << 3;
/// `l`
pub const LIST: Classes = 1 << 4;
/// `s`
pub const SET: Classes = 1 << 5;
/// `h`
pub const HASH: Classes = 1 << 6;
/// `z`
pub const ZSET: Classes = 1 << 7;
/// `x`: a key's time has come.
pub const EXPIRED: Classes = 1 << 8;
/// `e`: a key was evicted.
pub const EVICTED: Classes = 1 << 9;
/// `t`
pub const STREAM: Classes = 1 << 10;
/// `d`: of modules.
pub const MODULE: Classes = 1 << 11;
/// `m`: somebody looked for a key that is not there.
pub const KEY_MISS: Classes = 1 << 12;
/// `n`: a key is new.
pub const NEW: Classes = 1 << 13;

/// `A`: all but misses and new keys.
const ALL: Classes =
    GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// The classes that characters stand for.
pub fn classes(text: &str) -> Classes {
    let class = |character| match character {
        'A' => ALL,
        'K' => KEYSPACE,
        'E' => KEYEVENT,
        'g' => GENERIC,
        '$' => STRING,
        'l' => LIST,
        's' => SET,
        'h' => HASH,
        'z' => ZSET,
        'x' => EXPIRED,
        'e' => EVICTED,
        't' => STREAM,
        'd' => MODULE,
        'm' => KEY_MISS,
        'n' => NEW,
        _ => 0,
    };
    text.chars().fold(0, |classes, character| classes | class(character))
}

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The database of the key.
    pub db: usize,
    /// Redis's word for what happened.
    pub name: &'static str,
    /// The key.
    pub key: Blob,
}
