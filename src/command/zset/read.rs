//! Reading one sorted set, but for its ranges.

use std::sync::Arc;

use super::{bounds, reply_members, reply_score};
use crate::base::number;
use crate::command::chance::{self, Draw};
use crate::command::scan::{Walk, read_cursor};
use crate::command::{Call, CommandError};
use crate::keyspace::types::Zset;

fn zset(call: &mut Call<'_>) -> Result<Arc<Zset>, CommandError> {
    Ok(call.read_as::<Zset>(call.arg(1))?.unwrap_or_default())
}

pub(super) fn zcard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = zset(call)?;
    call.reply.count(zset.len());
    Ok(())
}

pub(super) fn zscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = zset(call)?;
    reply_score_of(call, &zset, call.arg(2));
    Ok(())
}

pub(super) fn zmscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (zset, members) = (zset(call)?, &call.args[2..]);
    call.reply.array(members.len());
    members.iter().for_each(|member| reply_score_of(call, &zset, member));
    Ok(())
}

fn reply_score_of(call: &mut Call<'_>, zset: &Zset, member: &[u8]) {
    match zset.score(member) {
        Some(score) => reply_score(call, score),
        None => call.reply.null(),
    }
}

pub(super) fn zrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = zset(call)?;
    match zset.rank(call.arg(2)) {
        Some(rank) => call.reply.count(rank),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn zrevrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    let zset = zset(call)?;
    match zset.rank(call.arg(2)) {
        Some(rank) => call.reply.count(zset.len() - 1 - rank),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn zcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bounds = bounds::score_bounds(call.arg(2), call.arg(3))?;
    let zset = zset(call)?;
    call.reply.count(bounds::by_score(&zset, bounds).len());
    Ok(())
}

pub(super) fn zlexcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bounds = bounds::name_bounds(call.arg(2), call.arg(3))?;
    let zset = zset(call)?;
    call.reply.count(bounds::by_name(&zset, bounds).len());
    Ok(())
}

pub(super) fn zrandmember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let draw = Draw::read(call, Some("WITHSCORES"))?;
    let found = call.read_as::<Zset>(call.arg(1))?;
    let Some(count) = draw.count else {
        let index = found.as_ref().map(|zset| call.dice.below(zset.len() as u64) as usize);
        match found.as_ref().zip(index).and_then(|(zset, index)| zset.at(index)) {
            Some((member, _)) => call.reply.bulk(member),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let zset = found.unwrap_or_default();
    let mut drawn = Vec::new();
    chance::draw(call.dice, zset.len(), count, |index| drawn.extend(zset.at(index)));
    reply_members(call, &drawn, draw.with_more);
    Ok(())
}

pub(super) fn zscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    read_cursor(call.arg(2))?;
    let Some(zset) = call.read_as::<Zset>(call.arg(1))? else {
        Walk::reply_nothing(call);
        return Ok(());
    };
    let walk = Walk::read(call, 2)?;
    let (members, next) = zset.walk(walk.cursor, walk.count);
    let found: Vec<_> = members.into_iter().filter(|(member, _)| walk.wants(member)).collect();
    call.reply.array(2);
    call.reply.bulk(next.to_string());
    call.reply.array(found.len() * 2);
    for (member, score) in found {
        call.reply.bulk(member);
        call.reply.bulk(number::text_f64(score));
    }
    Ok(())
}
