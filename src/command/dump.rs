//! DUMP and RESTORE: a value as bytes, from one server to another.
//!
//! # Differences from Redis
//!
//! FREQ is read and let go: how often a key was used is not kept.

use super::flags::{ASKING, DENYOOM, READONLY, WRITE};
use super::{Call, CommandError, Group, Keys, Run, Spec, event, time};
use crate::persist::rdb;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "DUMP",
        arity: 2,
        flags: READONLY,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.6.0",
        doc: "Returns the value of a key as bytes.",
        run: dump,
    },
    Spec {
        name: "RESTORE",
        arity: -4,
        flags: WRITE | DENYOOM,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.6.0",
        doc: "Creates a key from the bytes that DUMP returned.",
        run: restore,
    },
    Spec {
        name: "RESTORE-ASKING",
        arity: -4,
        flags: WRITE | DENYOOM | ASKING,
        keys: Keys::one(1),
        group: Group::Server,
        since: "3.0.0",
        doc: "Creates a key from the bytes that DUMP returned, while a cluster moves its slot.",
        run: restore,
    },
];

fn dump(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.read(call.arg(1)) {
        Some(value) => call.reply.bulk(rdb::dump(&value, call.compress)),
        None => call.reply.null(),
    }
    Ok(())
}

/// The options of RESTORE.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    /// The time to live is a point in time.
    absolute: bool,
    /// IDLETIME, seconds.
    idle_s: Option<u32>,
}

fn restore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::read(call)?;
    let (key, payload) = (call.arg(1), call.arg(3));
    if !options.replace && call.exists(key) {
        return Err(CommandError::fixed("BUSYKEY Target key name already exists."));
    }
    let given = call.int(2)?;
    if given < 0 {
        return Err(CommandError::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let value = rdb::restore(payload, *call.packing).map_err(|error| match error {
        rdb::PayloadError::Envelope => {
            CommandError::fixed("ERR DUMP payload version or checksum are wrong")
        }
        rdb::PayloadError::Content(_) => CommandError::fixed("ERR Bad data format"),
    })?;
    // A time beyond all times is one before them, as in Redis.
    let now = if options.absolute { 0 } else { call.now_ms };
    let expiry = (given > 0).then(|| given.wrapping_add(now));
    if expiry.is_some_and(|at| time::past(call, at)) {
        if call.delete(key) {
            call.replicate_as(&[b"DEL", key]);
        }
        call.reply.ok();
        return Ok(());
    }
    call.store(key, value, false);
    if let Some(idle_s) = options.idle_s {
        call.db_mut().set_idle(key, idle_s);
    }
    if let Some(at) = expiry {
        call.db_mut().set_expiry(key, Some(at));
        if !options.absolute {
            let at = at.to_string();
            let mut words = call.args.to_vec();
            words[2] = at.as_bytes();
            words.push(b"ABSTTL");
            call.replicate_as(&words);
        }
    }
    call.notify(event::GENERIC, "restore", key);
    call.reply.ok();
    Ok(())
}

impl Options {
    fn read(call: &Call<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let (mut idle, mut frequency) = (false, false);
        let mut index = 4;
        while index < call.args.len() {
            let has_value = index + 1 < call.args.len();
            if call.is(index, "REPLACE") {
                options.replace = true;
            } else if call.is(index, "ABSTTL") {
                options.absolute = true;
            } else if call.is(index, "IDLETIME") && has_value && !frequency {
                idle = true;
                index += 1;
                check(call, index, i64::MAX, "ERR Invalid IDLETIME value, must be >= 0")?;
                options.idle_s = call.int(index)?.try_into().ok();
            } else if call.is(index, "FREQ") && has_value && !idle {
                frequency = true;
                index += 1;
                check(call, index, 255, "ERR Invalid FREQ value, must be >= 0 and <= 255")?;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }
}

fn check(call: &Call<'_>, index: usize, max: i64, text: &'static str) -> Result<(), CommandError> {
    if (0..=max).contains(&call.int(index)?) { Ok(()) } else { Err(CommandError::fixed(text)) }
}
