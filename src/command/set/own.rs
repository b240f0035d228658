//! One set.

use std::sync::Arc;

use crate::command::chance::{self, Draw};
use crate::command::options::count_at_least;
use crate::command::scan::{Walk, read_cursor};
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::Set;

fn set(call: &mut Call<'_>) -> Result<Arc<Set>, CommandError> {
    Ok(call.read_as::<Set>(call.arg(1))?.unwrap_or_default())
}

pub(super) fn sadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, members) = (call.arg(1), &call.args[2..]);
    let added = call.edit_or_create(key, |set: &mut Set| {
        members.iter().filter(|member| set.insert(Blob::from(**member))).count()
    })?;
    call.changed_by(key, added);
    if added > 0 {
        call.notify(event::SET, "sadd", key);
    }
    call.reply.count(added);
    Ok(())
}

pub(super) fn srem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, members) = (call.arg(1), &call.args[2..]);
    let removed =
        call.edit(key, |set: &mut Set| members.iter().filter(|member| set.remove(member)).count())?;
    let removed = removed.unwrap_or(0);
    call.changed_by(key, removed);
    if removed > 0 {
        call.notify(event::SET, "srem", key);
    }
    call.reply.count(removed);
    Ok(())
}

pub(super) fn smove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (source, target, member) = (call.arg(1), call.arg(2), call.arg(3));
    let Some(set) = call.peek_as::<Set>(source)? else {
        call.reply.int(0);
        return Ok(());
    };
    call.peek_as::<Set>(target)?;
    let is_member = set.contains(member);
    drop(set);
    if is_member && source != target {
        call.edit(source, |set: &mut Set| set.remove(member))?;
        call.changed(source);
        call.notify(event::SET, "srem", source);
        let is_new = call.edit_or_create(target, |set: &mut Set| set.insert(Blob::from(member)))?;
        call.changed_by(target, is_new.into());
        if is_new {
            call.notify(event::SET, "sadd", target);
        }
    }
    call.reply.int(is_member.into());
    Ok(())
}

pub(super) fn spop(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        2 => spop_one(call),
        3 => spop_some(call),
        _ => Err(CommandError::SYNTAX),
    }
}

fn spop_one(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let Some(set) = call.peek_as::<Set>(key)? else {
        call.reply.null();
        return Ok(());
    };
    let member = set.at(call.dice.below(set.len() as u64) as usize).cloned().unwrap_or_default();
    drop(set);
    call.edit(key, |set: &mut Set| set.remove(&member))?;
    call.changed(key);
    call.notify(event::SET, "spop", key);
    call.replicate_as(&[b"SREM", key, &member]);
    call.reply.bulk(member);
    Ok(())
}

fn spop_some(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let count = count_at_least(call, 2, 0, "ERR value is out of range, must be positive")?;
    let set = call.peek_as::<Set>(key)?.unwrap_or_default();
    let mut members = Vec::new();
    chance::draw(call.dice, set.len(), count.min(set.len()) as i64, |index| {
        members.extend(set.at(index).cloned());
    });
    let all = members.len() == set.len();
    drop(set);
    if members.is_empty() {
        call.reply.set(0);
        return Ok(());
    }
    call.edit(key, |set: &mut Set| members.iter().for_each(|member| _ = set.remove(member)))?;
    call.changed_by(key, members.len());
    call.notify(event::SET, "spop", key);
    if all {
        call.replicate_as(&[b"DEL", key]);
    }
    call.reply.set(members.len());
    for member in members {
        if !all {
            call.replicate_as(&[b"SREM", key, &member]);
        }
        call.reply.bulk(member);
    }
    Ok(())
}

pub(super) fn srandmember(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let draw = Draw::read(call, None)?;
    let found = call.read_as::<Set>(call.arg(1))?;
    let Some(count) = draw.count else {
        let index = found.as_ref().map(|set| call.dice.below(set.len() as u64) as usize);
        match found.as_ref().zip(index).and_then(|(set, index)| set.at(index)) {
            Some(member) => call.reply.bulk(member),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let set = found.unwrap_or_default();
    call.reply.array(chance::drawn(set.len(), count));
    chance::draw(call.dice, set.len(), count, |index| {
        if let Some(member) = set.at(index) {
            call.reply.bulk(member);
        }
    });
    Ok(())
}

pub(super) fn scard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = set(call)?;
    call.reply.count(set.len());
    Ok(())
}

pub(super) fn sismember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = set(call)?;
    call.reply.int(set.contains(call.arg(2)).into());
    Ok(())
}

pub(super) fn smismember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (set, members) = (set(call)?, &call.args[2..]);
    call.reply.array(members.len());
    members.iter().for_each(|member| call.reply.int(set.contains(member).into()));
    Ok(())
}

pub(super) fn smembers(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = set(call)?;
    call.reply.set(set.len());
    set.in_order().iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}

pub(super) fn sscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    read_cursor(call.arg(2))?;
    let Some(set) = call.read_as::<Set>(call.arg(1))? else {
        Walk::reply_nothing(call);
        return Ok(());
    };
    let walk = Walk::read(call, 2)?;
    let (members, next) = set.walk(walk.cursor, walk.count);
    let found: Vec<_> = members.into_iter().filter(|member| walk.wants(member)).collect();
    call.reply.array(2);
    call.reply.bulk(next.to_string());
    call.reply.array(found.len());
    found.iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}
