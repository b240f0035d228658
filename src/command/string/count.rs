//! Strings as numbers.

use crate::base::extended::Extended;
use crate::base::number;
use crate::command::{Call, CommandError, event};
use crate::keyspace::{Blob, Value};

pub(super) fn incr(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let by = call.int(2)?;
    add(call, by)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let by =
        call.int(2)?.checked_neg().ok_or(CommandError::fixed("ERR decrement would overflow"))?;
    add(call, by)
}

fn add(call: &mut Call<'_>, by: i64) -> Result<(), CommandError> {
    let key = call.arg(1);
    let old = match call.peek(key) {
        None => 0,
        Some(Value::Int(n)) => n,
        Some(value) => {
            let text = value.into_text().ok_or(CommandError::WRONG_TYPE)?;
            number::parse_i64(&text).ok_or(CommandError::NOT_AN_INTEGER)?
        }
    };
    let new = old
        .checked_add(by)
        .ok_or(CommandError::fixed("ERR increment or decrement would overflow"))?;
    call.store(key, Value::Int(new), true);
    call.notify(event::STRING, "incrby", key);
    call.reply.int(new);
    Ok(())
}

pub(super) fn incrbyfloat(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let old = call.peek_string(key)?;
    let old = old.map_or(Some(Extended::ZERO), |text| Extended::parse(&text));
    let (old, by) = old.zip(Extended::parse(call.arg(2))).ok_or(CommandError::NOT_A_FLOAT)?;
    let new = old
        .plus(by)
        .ok_or(CommandError::fixed("ERR increment would produce NaN or Infinity"))?
        .to_string();
    // Not kept as a number, even if it is one.
    call.store(key, Value::Str(Blob::from(new.as_bytes())), true);
    call.notify(event::STRING, "incrbyfloat", key);
    call.replicate_as(&[b"SET", key, new.as_bytes(), b"KEEPTTL"]);
    call.reply.bulk(&new);
    Ok(())
}
