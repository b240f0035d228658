//! Changing hashes.

use crate::base::extended::Extended;
use crate::base::number;
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::Hash;

pub(super) fn hset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let added = set_pairs(call, "hset")?;
    call.reply.count(added);
    Ok(())
}

pub(super) fn hmset(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_pairs(call, "hmset")?;
    call.reply.ok();
    Ok(())
}

/// Sets the fields that the words name and returns how many are new.
fn set_pairs(call: &mut Call<'_>, name: &str) -> Result<usize, CommandError> {
    let (key, pairs) = (call.arg(1), &call.args[2..]);
    if pairs.len() % 2 == 1 {
        return Err(CommandError::wrong_arity(name));
    }
    let added = call.edit_or_create(key, |hash: &mut Hash| {
        let is_new = |pair: &&[&[u8]]| hash.insert(pair[0], pair[1]);
        pairs.chunks_exact(2).filter(is_new).count()
    })?;
    call.changed_by(key, pairs.len() / 2);
    call.notify(event::HASH, "hset", key);
    Ok(added)
}

pub(super) fn hsetnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, field) = (call.arg(1), call.arg(2));
    let is_new = call.peek_as::<Hash>(key)?.is_none_or(|hash| !hash.contains(field));
    if is_new {
        set_field(call, key, field, call.arg(3), "hset")?;
    }
    call.reply.int(is_new.into());
    Ok(())
}

pub(super) fn hdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, fields) = (call.arg(1), &call.args[2..]);
    let removed =
        call.edit(key, |hash: &mut Hash| fields.iter().filter(|field| hash.remove(field)).count())?;
    let removed = removed.unwrap_or(0);
    call.changed_by(key, removed);
    if removed > 0 {
        call.notify(event::HASH, "hdel", key);
    }
    call.reply.count(removed);
    Ok(())
}

pub(super) fn hincrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, field, by) = (call.arg(1), call.arg(2), call.int(3)?);
    let old = match value_of(call, key, field)? {
        Some(text) => number::parse_i64(&text)
            .ok_or(CommandError::fixed("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old
        .checked_add(by)
        .ok_or(CommandError::fixed("ERR increment or decrement would overflow"))?;
    set_field(call, key, field, number::text_i64(new).as_bytes(), "hincrby")?;
    call.reply.int(new);
    Ok(())
}

pub(super) fn hincrbyfloat(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, field) = (call.arg(1), call.arg(2));
    let by = Extended::parse(call.arg(3)).ok_or(CommandError::NOT_A_FLOAT)?;
    if by.is_infinite() {
        return Err(CommandError::fixed("ERR value is NaN or Infinity"));
    }
    let old = match value_of(call, key, field)? {
        Some(text) => {
            Extended::parse(&text).ok_or(CommandError::fixed("ERR hash value is not a float"))?
        }
        None => Extended::ZERO,
    };
    let new = old
        .plus(by)
        .ok_or(CommandError::fixed("ERR increment would produce NaN or Infinity"))?
        .to_string();
    set_field(call, key, field, new.as_bytes(), "hincrbyfloat")?;
    call.replicate_as(&[b"HSET", key, field, new.as_bytes()]);
    call.reply.bulk(&new);
    Ok(())
}

fn value_of(call: &mut Call<'_>, key: &[u8], field: &[u8]) -> Result<Option<Blob>, CommandError> {
    Ok(call.peek_as::<Hash>(key)?.and_then(|hash| hash.get(field).map(Blob::from)))
}

fn set_field(
    call: &mut Call<'_>,
    key: &[u8],
    field: &[u8],
    value: &[u8],
    event: &'static str,
) -> Result<(), CommandError> {
    call.edit_or_create(key, |hash: &mut Hash| {
        hash.insert(field, value);
    })?;
    call.changed(key);
    call.notify(event::HASH, event, key);
    Ok(())
}
