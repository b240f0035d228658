//! Changing which entries there are: XADD, XDEL, XSETID.

use super::ids::{self, NewId};
use super::reply_id;
use super::trim::TrimWords;
use crate::command::{Call, CommandError};
use crate::keyspace::types::stream::ENTRY_BYTES_MAX;
use crate::keyspace::types::{Stream, StreamId};

pub(super) fn xadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, mut only_there, mut trim, mut index) = (call.arg(1), false, TrimWords::default(), 2);
    while call.arg(index) != b"*" {
        if let Some(next) = trim.read(call, index)? {
            index = next;
        } else if call.is(index, "NOMKSTREAM") {
            only_there = true;
            index += 1;
        } else {
            break;
        }
    }
    let id_at = index;
    let given = match call.args.get(id_at) {
        Some(word) => Some(NewId::read(word)?),
        None => None,
    };
    let trim = trim.finish(call, false)?;
    let pairs = call.args.get(id_at + 1..).unwrap_or_default().as_chunks::<2>();
    let (Some(given), (pairs @ [_, ..], [])) = (given, pairs) else {
        return Err(CommandError::wrong_arity("xadd"));
    };
    if given == NewId::Given(StreamId::MIN) {
        return Err(CommandError::fixed("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let last_id = call.peek_as::<Stream>(key)?.map(|stream| stream.last_id);
    if only_there && last_id.is_none() {
        call.reply.null();
        return Ok(());
    }
    let id = given.choose(last_id.unwrap_or_default(), call.now_ms)?;
    if pairs.iter().flatten().map(|text| text.len()).sum::<usize>() > ENTRY_BYTES_MAX {
        return Err(CommandError::fixed("ERR Elements are too large to be stored"));
    }
    let max = call.packing.stream_block_max;
    let trimmed = call.edit_or_create(key, |stream: &mut Stream| {
        stream.push(id, pairs, max);
        trim.map(|trim| trim.apply(stream))
    })?;
    reply_id(call.reply, id);
    call.changed(key);
    let mut words: Vec<_> = call.args.iter().map(|word| word.to_vec()).collect();
    let is_exact = !trimmed.is_some_and(|trimmed| trimmed.write_into(&mut words));
    if !matches!(given, NewId::Given(_)) {
        words[id_at] = id.to_string().into_bytes();
    } else if is_exact {
        return Ok(());
    }
    call.replicate_as(&words);
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
    call.reply.ok();
    Ok(())
}

fn refuse(wrong: bool, text: &'static str) -> Result<(), CommandError> {
    if wrong { Err(CommandError::fixed(text)) } else { Ok(()) }
}
