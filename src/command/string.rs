//! Strings.

use super::flags::{DENYOOM, FAST, READONLY, WRITE};
use super::{Call, CommandError, Group, Keys, Run, Spec};
use crate::keyspace::Value;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "GET",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::String,
        since: "1.0.0",
        doc: "Returns the string value of a key.",
        run: get,
    },
    Spec {
        name: "SET",
        arity: -3,
        flags: WRITE | DENYOOM,
        keys: Keys::one(1),
        group: Group::String,
        since: "1.0.0",
        doc: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        run: set,
    },
];

fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.read(call.arg(1)) {
        Some(Value::Str(bytes)) => call.reply.bulk(bytes),
        Some(Value::Int(n)) => call.reply.bulk_int(n),
        None => call.reply.null(),
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, value) = (call.arg(1), call.arg(2));
    call.store(key, Value::string(value), false);
    call.reply.ok();
    Ok(())
}
