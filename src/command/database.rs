//! Whole databases.

use super::flags::{FAST, READONLY, WRITE};
use super::{Call, CommandError, Group, Keys, Run, Spec};
use crate::base::number;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "DBSIZE",
        arity: 1,
        flags: READONLY | FAST,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Counts the keys of the selected database.",
        run: dbsize,
    },
    Spec {
        name: "FLUSHDB",
        arity: -1,
        flags: WRITE,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Removes all keys of the selected database.",
        run: flushdb,
    },
    Spec {
        name: "FLUSHALL",
        arity: -1,
        flags: WRITE,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Removes all keys of all databases.",
        run: flushall,
    },
    Spec {
        name: "SWAPDB",
        arity: 3,
        flags: WRITE | FAST,
        keys: Keys::NONE,
        group: Group::Server,
        since: "4.0.0",
        doc: "Exchanges two databases.",
        run: swapdb,
    },
];

fn dbsize(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.count(call.keyspace.db(call.db).len());
    Ok(())
}

fn flushdb(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_flush_options(call)?;
    let removed = call.db_mut().len();
    call.db_mut().clear();
    count_flush(call, removed as u64, Some(call.db));
    Ok(())
}

fn flushall(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_flush_options(call)?;
    let removed = call.keyspace.take().keys();
    count_flush(call, removed, None);
    Ok(())
}

fn check_flush_options(call: &Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        1 => Ok(()),
        2 if call.is(1, "SYNC") || call.is(1, "ASYNC") => Ok(()),
        _ => Err(CommandError::SYNTAX),
    }
}

/// A flush is a change, and so replicated, even if there was nothing: a replica may differ.
fn count_flush(call: &mut Call<'_>, removed: u64, db: Option<usize>) {
    call.effect.changes += removed.max(1);
    call.effect.flushed = Some(db);
    call.reply.ok();
}

fn swapdb(call: &mut Call<'_>) -> Result<(), CommandError> {
    let number = |index| number::parse_i64(call.arg(index)).filter(|n| i32::try_from(*n).is_ok());
    let a = number(1).ok_or(CommandError::fixed("ERR invalid first DB index"))?;
    let b = number(2).ok_or(CommandError::fixed("ERR invalid second DB index"))?;
    let databases = call.keyspace.databases();
    let in_range = |n| usize::try_from(n).ok().filter(|db| *db < databases);
    let (a, b) =
        in_range(a).zip(in_range(b)).ok_or(CommandError::fixed("ERR DB index is out of range"))?;
    if a != b {
        call.keyspace.swap(a, b);
        call.effect.swapped = Some((a, b));
    }
    call.effect.changes += 1;
    call.reply.ok();
    Ok(())
}
