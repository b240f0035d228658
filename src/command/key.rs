//! Keys, whatever they hold: deleting, naming, copying.

use super::flags::{DENYOOM, FAST, READONLY, WRITE};
use super::{Call, CommandError, Group, Keys, Run, Spec, event};
use crate::base::number;
use crate::keyspace::Value;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "DEL",
        arity: -2,
        flags: WRITE,
        keys: Keys::from(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Deletes keys.",
        run: del,
    },
    Spec {
        name: "UNLINK",
        arity: -2,
        flags: WRITE | FAST,
        keys: Keys::from(1),
        group: Group::Generic,
        since: "4.0.0",
        doc: "Deletes keys, and lets go of their memory when it suits.",
        run: del,
    },
    Spec {
        name: "EXISTS",
        arity: -2,
        flags: READONLY | FAST,
        keys: Keys::from(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Counts how many of the keys exist; a key named twice counts twice.",
        run: exists,
    },
    Spec {
        name: "TOUCH",
        arity: -2,
        flags: READONLY | FAST,
        keys: Keys::from(1),
        group: Group::Generic,
        since: "3.2.1",
        doc: "Counts how many of the keys exist, and notes that they were used.",
        run: touch,
    },
    Spec {
        name: "TYPE",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Tells the type of the value of a key.",
        run: kind,
    },
    Spec {
        name: "RENAME",
        arity: 3,
        flags: WRITE,
        keys: Keys::range(1, 2, 1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Renames a key and overwrites the one that had the new name.",
        run: rename,
    },
    Spec {
        name: "RENAMENX",
        arity: 3,
        flags: WRITE | FAST,
        keys: Keys::range(1, 2, 1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Renames a key only if the new name is free.",
        run: renamenx,
    },
    Spec {
        name: "MOVE",
        arity: 3,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Moves a key to another database unless it has such a key.",
        run: move_key,
    },
    Spec {
        name: "COPY",
        arity: -3,
        flags: WRITE | DENYOOM,
        keys: Keys::range(1, 2, 1),
        group: Group::Generic,
        since: "6.2.0",
        doc: "Copies the value of a key to another key.",
        run: copy,
    },
];

const NO_SUCH_DB: CommandError = CommandError::fixed("ERR DB index is out of range");
const SAME_KEY: CommandError =
    CommandError::fixed("ERR source and destination objects are the same");

fn del(call: &mut Call<'_>) -> Result<(), CommandError> {
    let deleted = call.args[1..].iter().filter(|key| call.delete(key)).count();
    call.reply.count(deleted);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let found = call.args[1..].iter().filter(|key| call.glance(key).is_some()).count();
    call.reply.count(found);
    Ok(())
}

fn touch(call: &mut Call<'_>) -> Result<(), CommandError> {
    let found = call.args[1..].iter().filter(|key| call.read(key).is_some()).count();
    call.reply.count(found);
    Ok(())
}

fn kind(call: &mut Call<'_>) -> Result<(), CommandError> {
    let value = call.glance(call.arg(1));
    call.reply.simple(value.map_or("none", |value| value.kind().word()));
    Ok(())
}

fn rename(call: &mut Call<'_>) -> Result<(), CommandError> {
    rename_to(call, true)?;
    call.reply.ok();
    Ok(())
}

fn renamenx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let renamed = rename_to(call, false)?;
    call.reply.int(renamed.into());
    Ok(())
}

fn rename_to(call: &mut Call<'_>, overwrite: bool) -> Result<bool, CommandError> {
    let (from, to) = (call.arg(1), call.arg(2));
    if !call.exists(from) {
        return Err(CommandError::NO_SUCH_KEY);
    }
    if from == to || (call.exists(to) && !overwrite) {
        return Ok(false);
    }
    let db = call.db_mut();
    if let Some((value, expiry)) = db.remove(from) {
        db.set(to, value);
        db.set_expiry(to, expiry);
        call.touched(from);
        call.changed(to);
        call.notify(event::NEW, "new", to);
        call.notify(event::GENERIC, "rename_from", from);
        call.notify(event::GENERIC, "rename_to", to);
    }
    Ok(true)
}

fn move_key(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, home) = (call.arg(1), call.db);
    let target = database_number(call.arg(2), call.keyspace.databases())?;
    if target == home {
        return Err(SAME_KEY);
    }
    let is_free = call.exists(key) && !call.in_db(target, |call| call.exists(key));
    if is_free && let Some((value, expiry)) = call.db_mut().remove(key) {
        call.changed(key);
        call.in_db(target, |call| place(call, key, value, expiry));
        call.notify(event::GENERIC, "move_from", key);
        call.in_db(target, |call| call.notify(event::GENERIC, "move_to", key));
    }
    call.reply.int(is_free.into());
    Ok(())
}

fn copy(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (from, to) = (call.arg(1), call.arg(2));
    let (mut target, mut replace) = (call.db, false);
    let mut index = 3;
    while index < call.args.len() {
        if call.is(index, "REPLACE") {
            replace = true;
        } else if call.is(index, "DB") && index + 1 < call.args.len() {
            index += 1;
            target = database_number(call.arg(index), call.keyspace.databases())?;
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    if from == to && target == call.db {
        return Err(SAME_KEY);
    }
    let value = call.read(from);
    let expiry = call.expiry_of(from);
    let is_taken = value.is_some() && call.in_db(target, |call| call.exists(to)) && !replace;
    let copied = value.filter(|_| !is_taken);
    call.reply.int(copied.is_some().into());
    if let Some(value) = copied {
        call.effect.changes += 1;
        call.in_db(target, |call| {
            place(call, to, value, expiry);
            call.notify(event::GENERIC, "copy_to", to);
        });
    }
    Ok(())
}

/// Stores a value that another key has or had; the change was counted there.
fn place(call: &mut Call<'_>, key: &[u8], value: Value, expiry: Option<i64>) {
    let db = call.db_mut();
    db.set(key, value);
    db.set_expiry(key, expiry);
    call.touched(key);
    call.notify(event::NEW, "new", key);
}

/// A word as the number of one of so many databases.
pub fn database_number(word: &[u8], databases: usize) -> Result<usize, CommandError> {
    let number = number::parse_i64(word).ok_or(CommandError::NOT_AN_INTEGER)?;
    if i32::try_from(number).is_err() {
        return Err(CommandError::fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    usize::try_from(number).ok().filter(|number| *number < databases).ok_or(NO_SUCH_DB)
}
