//! OBJECT: what is known about a value beside the value.
//!
//! # Differences from Redis
//!
//! - REFCOUNT is 1, or that of a shared integer: a copied integer counts as shared, and the words
//!   of a transaction are not counted as references to the value that one of them set.
//! - IDLETIME does not begin anew after 194 days.
//! - How often a key is used is not kept: FREQ is an error and IDLETIME is none, whatever
//!   `maxmemory-policy` says.

use super::flags::{CONTAINER, LOADING, READONLY, STALE};
use super::{Call, CommandError, Group, Keys, Run, Spec};
use crate::keyspace::Value;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "OBJECT",
        arity: -2,
        flags: CONTAINER,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "2.2.3",
        doc: "Tells about the values of keys.",
        run: unnamed,
    },
    Spec {
        name: "OBJECT|ENCODING",
        arity: 3,
        flags: READONLY,
        keys: Keys::one(2),
        group: Group::Generic,
        since: "2.2.3",
        doc: "Tells how Redis would keep the value of a key in memory.",
        run: encoding,
    },
    Spec {
        name: "OBJECT|FREQ",
        arity: 3,
        flags: READONLY,
        keys: Keys::one(2),
        group: Group::Generic,
        since: "4.0.0",
        doc: "Tells how often a key is used, if that is tracked.",
        run: freq,
    },
    Spec {
        name: "OBJECT|HELP",
        arity: 2,
        flags: LOADING | STALE,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "6.2.0",
        doc: "Lists the subcommands.",
        run: help,
    },
    Spec {
        name: "OBJECT|IDLETIME",
        arity: 3,
        flags: READONLY,
        keys: Keys::one(2),
        group: Group::Generic,
        since: "2.2.3",
        doc: "Tells how many seconds ago a key was last used.",
        run: idletime,
    },
    Spec {
        name: "OBJECT|REFCOUNT",
        arity: 3,
        flags: READONLY,
        keys: Keys::one(2),
        group: Group::Generic,
        since: "2.2.3",
        doc: "Tells how many references to the value of a key there are.",
        run: refcount,
    },
];

/// Redis shares small integers among all keys, and says so with this number of references.
const SHARED_REFERENCES: i64 = i32::MAX as i64;
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

const HELP: [&str; 15] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

fn unnamed(_: &mut Call<'_>) -> Result<(), CommandError> {
    Err(CommandError::SYNTAX)
}

fn encoding(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.glance(call.arg(2)) {
        Some(value) => call.reply.bulk(value.encoding()),
        None => call.reply.null(),
    }
    Ok(())
}

fn freq(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.glance(call.arg(2)).is_some() {
        return Err(CommandError::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take some \
             time to adjust.",
        ));
    }
    call.reply.null();
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.array(HELP.len());
    for line in HELP {
        call.reply.simple(line);
    }
    Ok(())
}

fn idletime(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(2);
    match call.glance(key).and_then(|_| call.keyspace.db(call.db).idle_s(key)) {
        Some(seconds) => call.reply.int(seconds.into()),
        None => call.reply.null(),
    }
    Ok(())
}

fn refcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.glance(call.arg(2)) {
        Some(Value::Int(n)) if SHARED_INTEGERS.contains(&n) => call.reply.int(SHARED_REFERENCES),
        Some(_) => call.reply.int(1),
        None => call.reply.null(),
    }
    Ok(())
}
