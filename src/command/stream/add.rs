//! Changing which entries there are: XADD, XDEL, XSETID.

use super::ids::{self, NewId, TOO_LARGE};
use super::trim::{Trim, TrimWords};
use super::{replicate_with, reply_id};
use crate::command::{Call, CommandError, event};
use crate::keyspace::types::stream::ENTRY_BYTES_MAX;
use crate::keyspace::types::{Stream, StreamId};

/// What XADD is asked for.
#[derive(Debug)]
struct Wish<'a> {
    id: NewId,
    /// The index of the ID's word.
    id_at: usize,
    pairs: &'a [[&'a [u8]; 2]],
    /// The key is not to be created.
    only_there: bool,
    trim: Option<Trim>,
}

impl<'a> Wish<'a> {
    fn read(call: &Call<'a>) -> Result<Self, CommandError> {
        let (mut only_there, mut trim, mut id_at) = (false, TrimWords::default(), 2);
        while call.arg(id_at) != b"*" {
            if let Some(next) = trim.read(call, id_at)? {
                id_at = next;
            } else if call.is(id_at, "NOMKSTREAM") {
                only_there = true;
                id_at += 1;
            } else {
                break;
            }
        }
        let id = call.args.get(id_at).map(|word| NewId::read(word)).transpose()?;
        let trim = trim.finish(call, false)?;
        let pairs = call.args.get(id_at + 1..).unwrap_or_default().as_chunks();
        let (Some(id), (pairs @ [_, ..], [])) = (id, pairs) else {
            return Err(CommandError::wrong_arity("xadd"));
        };
        if id == NewId::Given(StreamId::MIN) {
            return Err(CommandError::fixed(
                "ERR The ID specified in XADD must be greater than 0-0",
            ));
        }
        Ok(Self { id, id_at, pairs, only_there, trim })
    }
}

pub(super) fn xadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, wish) = (call.arg(1), Wish::read(call)?);
    let last_id = call.peek_as::<Stream>(key)?.map(|stream| stream.last_id);
    if wish.only_there && last_id.is_none() {
        call.reply.null();
        return Ok(());
    }
    let id = wish.id.choose(last_id.unwrap_or_default(), call.now_ms)?;
    if wish.pairs.iter().flatten().map(|text| text.len()).sum::<usize>() > ENTRY_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let max = call.packing.stream_block_max;
    let trimmed = call.edit_or_create(key, |stream: &mut Stream| {
        stream.push(id, wish.pairs, max);
        wish.trim.map(|trim| trim.apply(stream))
    })?;
    reply_id(call.reply, id);
    call.changed(key);
    call.notify(event::STREAM, "xadd", key);
    if trimmed.as_ref().is_some_and(|trimmed| trimmed.removed > 0) {
        call.notify(event::STREAM, "xtrim", key);
    }
    let mut written_out = trimmed.map_or_else(Vec::new, |trimmed| trimmed.exactly);
    if !matches!(wish.id, NewId::Given(_)) {
        written_out.push((wish.id_at, id.to_string()));
    }
    replicate_with(call, &written_out);
    Ok(())
}

pub(super) fn xdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    if call.peek_as::<Stream>(key)?.is_none() {
        call.reply.int(0);
        return Ok(());
    }
    let ids = ids::ids(&call.args[2..])?;
    let deleted =
        call.edit(key, |stream: &mut Stream| ids.iter().filter(|id| stream.delete(**id)).count())?;
    let deleted = deleted.unwrap_or(0);
    call.changed_by(key, deleted);
    if deleted > 0 {
        call.notify(event::STREAM, "xdel", key);
    }
    call.reply.count(deleted);
    Ok(())
}

pub(super) fn xsetid(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, last_id) = (call.arg(1), ids::id(call.arg(2), 0)?);
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    for index in (3..call.args.len()).step_by(2) {
        let has_value = index + 1 < call.args.len();
        if has_value && call.is(index, "ENTRIESADDED") {
            let count = u64::try_from(call.int(index + 1)?);
            added =
                Some(count.map_err(|_| CommandError::fixed("ERR entries_added must be positive"))?);
        } else if has_value && call.is(index, "MAXDELETEDID") {
            max_deleted = ids::id(call.arg(index + 1), 0)?;
            refuse(
                last_id < max_deleted,
                "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            )?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let stream = call.peek_as::<Stream>(key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    refuse(
        last_id < stream.top_id(),
        "ERR The ID specified in XSETID is smaller than the target stream top item",
    )?;
    refuse(
        added.is_some_and(|added| added < stream.len() as u64),
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
    )?;
    drop(stream);
    call.edit(key, |stream: &mut Stream| {
        stream.last_id = last_id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        if max_deleted != StreamId::MIN {
            stream.max_deleted_id = max_deleted;
        }
    })?;
    call.effect.changes += 1;
    call.notify(event::STREAM, "xsetid", key);
    call.reply.ok();
    Ok(())
}

fn refuse(wrong: bool, text: &'static str) -> Result<(), CommandError> {
    if wrong { Err(CommandError::fixed(text)) } else { Ok(()) }
}
