//! Reading hashes.

use std::sync::Arc;

use crate::command::chance::{self, Draw};
use crate::command::scan::{Walk, read_cursor};
use crate::command::{Call, CommandError};
use crate::keyspace::types::Hash;
use crate::resp::Protocol;

fn hash(call: &mut Call<'_>) -> Result<Arc<Hash>, CommandError> {
    Ok(call.read_as::<Hash>(call.arg(1))?.unwrap_or_default())
}

pub(super) fn hget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    match hash.get(call.arg(2)) {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn hmget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (hash, fields) = (hash(call)?, &call.args[2..]);
    call.reply.array(fields.len());
    for field in fields {
        match hash.get(field) {
            Some(value) => call.reply.bulk(value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn hgetall(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.map(hash.len());
    for (field, value) in hash.iter() {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    Ok(())
}

pub(super) fn hkeys(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.array(hash.len());
    hash.iter().for_each(|(field, _)| call.reply.bulk(field));
    Ok(())
}

pub(super) fn hvals(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.array(hash.len());
    hash.iter().for_each(|(_, value)| call.reply.bulk(value));
    Ok(())
}

pub(super) fn hlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.count(hash.len());
    Ok(())
}

pub(super) fn hexists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.int(hash.contains(call.arg(2)).into());
    Ok(())
}

pub(super) fn hstrlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let hash = hash(call)?;
    call.reply.count(hash.get(call.arg(2)).map_or(0, <[u8]>::len));
    Ok(())
}

pub(super) fn hrandfield(call: &mut Call<'_>) -> Result<(), CommandError> {
    let draw = Draw::read(call, Some("WITHVALUES"))?;
    let found = call.read_as::<Hash>(call.arg(1))?;
    let Some(count) = draw.count else {
        let index = found.as_ref().map(|hash| call.dice.below(hash.len() as u64) as usize);
        match found.as_ref().zip(index).and_then(|(hash, index)| hash.at(index)) {
            Some((field, _)) => call.reply.bulk(field),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let hash = found.unwrap_or_default();
    let nested = draw.with_more && call.reply.protocol() == Protocol::Resp3;
    let width = if draw.with_more && !nested { 2 } else { 1 };
    call.reply.array(chance::drawn(hash.len(), count) * width);
    chance::draw(call.dice, hash.len(), count, |index| {
        let Some((field, value)) = hash.at(index) else { return };
        if nested {
            call.reply.array(2);
        }
        call.reply.bulk(field);
        if draw.with_more {
            call.reply.bulk(value);
        }
    });
    Ok(())
}

pub(super) fn hscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    read_cursor(call.arg(2))?;
    let Some(hash) = call.read_as::<Hash>(call.arg(1))? else {
        Walk::reply_nothing(call);
        return Ok(());
    };
    let walk = Walk::read(call, 2)?;
    let (fields, next) = hash.walk(walk.cursor, walk.count);
    let found: Vec<_> = fields.into_iter().filter(|(field, _)| walk.wants(field)).collect();
    call.reply.array(2);
    call.reply.bulk(next.to_string());
    call.reply.array(found.len() * 2);
    for (field, value) in found {
        call.reply.bulk(field);
        call.reply.bulk(value);
    }
    Ok(())
}
