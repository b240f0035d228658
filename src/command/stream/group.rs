//! Groups and their consumers: XGROUP.

use super::consume::edit_group;
use super::ids::{id, id_or_end};
use super::{CREATE_CONSUMER, help, no_group_of_key, wrong_form};
use crate::command::{Call, CommandError, event};
use crate::keyspace::types::stream::Group;
use crate::keyspace::types::{Stream, StreamId};

const HELP: &[&str] = &[
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
];

/// The options of CREATE and SETID.
#[derive(Debug, Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn read(call: &Call<'_>, may_make_stream: bool) -> Result<Self, CommandError> {
        let (mut options, mut index) = (Self::default(), 5);
        while index < call.args.len() {
            if may_make_stream && call.is(index, "MKSTREAM") {
                options.make_stream = true;
                index += 1;
            } else if index + 1 < call.args.len() && call.is(index, "ENTRIESREAD") {
                options.entries_read = match call.int(index + 1)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| {
                        CommandError::fixed("ERR value for ENTRIESREAD must be positive or -1")
                    })?),
                };
                index += 2;
            } else {
                return Err(wrong_form(call));
            }
        }
        Ok(options)
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    let options = Options::read(call, true)?;
    let last_id = call.peek_as::<Stream>(key)?.map(|stream| stream.last_id);
    if last_id.is_none() && !options.make_stream {
        return Err(NO_STREAM);
    }
    let at = if call.arg(4) == b"$" { last_id.unwrap_or_default() } else { id(call.arg(4), 0)? };
    let is_new = call.edit_or_create(key, |stream: &mut Stream| {
        stream.create_group(name, Group::new(at, options.entries_read))
    })?;
    if !is_new {
        return Err(CommandError::fixed("BUSYGROUP Consumer Group name already exists"));
    }
    call.effect.changes += 1;
    if last_id.is_none() {
        call.touched(key);
    }
    call.notify(event::STREAM, "xgroup-create", key);
    call.reply.ok();
    Ok(())
}

pub(super) fn setid(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    let options = Options::read(call, false)?;
    let last_id = require_group(call)?;
    let at = if call.arg(4) == b"$" { last_id } else { id_or_end(call.arg(4), 0)? };
    edit_group(call, key, name, |group, _| {
        (group.last_id, group.entries_read) = (at, options.entries_read);
    })?;
    call.effect.changes += 1;
    call.notify(event::STREAM, "xgroup-setid", key);
    call.reply.ok();
    Ok(())
}

pub(super) fn destroy(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    last_id_of(call, key)?;
    let removed = call.edit(key, |stream: &mut Stream| stream.remove_group(name))?;
    let removed = usize::from(removed.unwrap_or(false));
    call.changed_by(key, removed);
    call.effect.spares_watchers = true;
    if removed > 0 {
        call.notify(event::STREAM, "xgroup-destroy", key);
    }
    call.reply.count(removed);
    Ok(())
}

pub(super) fn createconsumer(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name, consumer) = (call.arg(2), call.arg(3), call.arg(4));
    require_group(call)?;
    let is_new =
        edit_group(call, key, name, |group, now_ms| group.create_consumer(consumer, now_ms))?;
    let is_new = is_new.unwrap_or(false);
    if is_new {
        call.effect.changes += 1;
        call.notify(event::STREAM, CREATE_CONSUMER, key);
    }
    call.reply.int(is_new.into());
    Ok(())
}

pub(super) fn delconsumer(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name, consumer) = (call.arg(2), call.arg(3), call.arg(4));
    require_group(call)?;
    let removed = edit_group(call, key, name, |group, _| group.remove_consumer(consumer))?;
    let removed = removed.flatten();
    if removed.is_some() {
        call.effect.changes += 1;
        call.notify(event::STREAM, "xgroup-delconsumer", key);
    }
    call.reply.count(removed.map_or(0, |consumer| consumer.pending().len()));
    Ok(())
}

pub(super) fn group_help(call: &mut Call<'_>) -> Result<(), CommandError> {
    help(call, HELP);
    Ok(())
}

const NO_STREAM: CommandError = CommandError::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
     use the MKSTREAM option to create an empty stream automatically.",
);

/// The last ID of a stream that must be there.
fn last_id_of(call: &mut Call<'_>, key: &[u8]) -> Result<StreamId, CommandError> {
    Ok(call.peek_as::<Stream>(key)?.ok_or(NO_STREAM)?.last_id)
}

/// The last ID of a stream that must be there and have the group.
fn require_group(call: &mut Call<'_>) -> Result<StreamId, CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = call.peek_as::<Stream>(key)?.ok_or(NO_STREAM)?;
    match stream.group(name) {
        Some(_) => Ok(stream.last_id),
        None => Err(no_group_of_key(key, name)),
    }
}
