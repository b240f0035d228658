//! Reading as a consumer of a group, and acknowledging: XREADGROUP, XACK.

use super::read::{Member, Wish, begin_stream};
use super::{
    CREATE_CONSUMER, ids, replicate_claim, replicate_place, reply_entries, reply_entry, reply_id,
};
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::stream::{Group, Pending};
use crate::keyspace::types::{Stream, StreamId};

/// Answers the entries that no consumer was given, if there are any, and gives them to this one.
pub(super) fn deliver(
    call: &mut Call<'_>,
    wish: &Wish<'_>,
    key: &[u8],
    member: Member<'_>,
) -> Result<bool, CommandError> {
    let Some(stream) = call.read_as::<Stream>(key)? else { return Ok(false) };
    let Some(group) = stream.group(member.group) else { return Ok(false) };
    let Some(first) = group.last_id.next().filter(|first| *first <= stream.top_id()) else {
        return Ok(false);
    };
    let entries: Vec<_> = stream.range(first, StreamId::MAX).take(wish.count_max()).collect();
    begin_stream(call, key);
    reply_entries(call.reply, &entries);
    let given: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let mut after = Group::new(group.last_id, group.entries_read);
    given.iter().for_each(|id| pass(&stream, &mut after, *id));
    let is_new = !group.consumers().contains_key(member.name);
    drop(stream);

    let pending =
        Pending { consumer: Blob::from(member.name), delivered_at: call.now_ms, deliveries: 1 };
    edit_group(call, key, member.group, |group, now_ms| {
        group.see_consumer(member.name, now_ms);
        (group.last_id, group.entries_read) = (after.last_id, after.entries_read);
        if !wish.no_ack {
            for id in &given {
                group.assign(*id, pending.clone());
            }
        }
    })?;
    call.effect.changes += 1 + u64::from(is_new);
    if is_new {
        call.notify(event::STREAM, CREATE_CONSUMER, key);
    }
    if wish.no_ack {
        replicate_consumer(call, key, member, is_new);
        replicate_place(call, key, member.group, &after);
    } else {
        for id in given {
            replicate_claim(call, [key, member.group], id.to_string().as_bytes(), &pending, id);
        }
    }
    Ok(true)
}

/// Moves a group on to an entry, the next one that is there.
fn pass(stream: &Stream, group: &mut Group, id: StreamId) {
    group.entries_read = match group.entries_read {
        Some(read) if !stream.has_gap_after(id) => Some(read.wrapping_add(1)),
        _ => stream.entries_up_to(id),
    };
    group.last_id = id;
}

/// Answers entries that this consumer was given before and did not acknowledge, once more.
pub(super) fn history(
    call: &mut Call<'_>,
    wish: &Wish<'_>,
    key: &[u8],
    member: Member<'_>,
    after: StreamId,
) -> Result<bool, CommandError> {
    let Some(stream) = call.read_as::<Stream>(key)? else { return Ok(false) };
    let Some(group) = stream.group(member.group) else { return Ok(false) };
    let consumer = group.consumers().get(member.name);
    let pending: Vec<_> = match (consumer, after.next()) {
        (Some(consumer), Some(first)) => {
            consumer.pending().range(first..).take(wish.count_max()).copied().collect()
        }
        _ => Vec::new(),
    };
    begin_stream(call, key);
    call.reply.array(pending.len());
    let mut given = Vec::new();
    for id in pending {
        if let Some(entry) = stream.get(id) {
            reply_entry(call.reply, &entry);
            given.push(id);
        } else {
            call.reply.array(2);
            reply_id(call.reply, id);
            call.reply.null_array();
        }
    }
    let is_new = consumer.is_none();
    drop(stream);

    edit_group(call, key, member.group, |group, now_ms| {
        group.see_consumer(member.name, now_ms);
        given.iter().for_each(|id| group.deliver_again(*id, now_ms));
    })?;
    call.effect.changes += 1 + u64::from(is_new);
    if is_new {
        call.notify(event::STREAM, CREATE_CONSUMER, key);
    }
    if wish.no_ack {
        replicate_consumer(call, key, member, is_new);
    }
    Ok(true)
}

fn replicate_consumer(call: &mut Call<'_>, key: &[u8], member: Member<'_>, is_new: bool) {
    if is_new {
        call.replicate_as(&[&b"XGROUP"[..], b"CREATECONSUMER", key, member.group, member.name]);
    }
}

/// Changes a group, if it is there.
pub(super) fn edit_group<R>(
    call: &mut Call<'_>,
    key: &[u8],
    group: &[u8],
    change: impl FnOnce(&mut Group, i64) -> R,
) -> Result<Option<R>, CommandError> {
    let now_ms = call.now_ms;
    let edited = call
        .edit(key, |stream: &mut Stream| stream.edit_group(group, |group| change(group, now_ms)))?;
    Ok(edited.flatten())
}

pub(super) fn xack(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, group) = (call.arg(1), call.arg(2));
    let stream = call.read_as::<Stream>(key)?;
    if stream.is_none_or(|stream| stream.group(group).is_none()) {
        call.reply.int(0);
        return Ok(());
    }
    let ids = ids::ids(&call.args[3..])?;
    let acknowledged = edit_group(call, key, group, |group, _| {
        ids.iter().filter(|id| group.release(**id).is_some()).count()
    })?;
    let acknowledged = acknowledged.unwrap_or(0);
    call.effect.changes += acknowledged as u64;
    call.reply.count(acknowledged);
    Ok(())
}
