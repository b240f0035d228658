//! Streams.
//!
//! `rows.rs` has the rows, `ids.rs` reads IDs, the other files are the commands.
//!
//! # What is replicated
//!
//! What a replica could not know is written out: XADD with the ID that was chosen, approximate
//! trimming as the exact trimming that came of it. Deliveries and claims go as one XCLAIM for each
//! entry, with FORCE, and what is then known of it; a delivery that need not be acknowledged as the
//! place where its group is.
//!
//! # Differences from Redis
//!
//! - A client that waits is not answered with an empty list if the entry that it waited for was
//!   deleted in the same transaction: it goes on waiting.

mod add;
mod claim;
mod consume;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod rows;
mod trim;

pub(super) use self::rows::COMMANDS;

use super::{Call, CommandError};
use crate::base::text::shown;
use crate::keyspace::types::StreamId;
use crate::keyspace::types::stream::{Entry, Group, Pending};
use crate::resp::Reply;

fn reply_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(id.to_string());
}

fn reply_entry(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(entry.len() * 2);
    for (field, value) in entry.pairs() {
        reply.bulk(field);
        reply.bulk(value);
    }
}

fn reply_entries(reply: &mut Reply, entries: &[Entry<'_>]) {
    reply.array(entries.len());
    entries.iter().for_each(|entry| reply_entry(reply, entry));
}

/// Replicates the command with these words in place of those at the same indices.
fn replicate_with(call: &mut Call<'_>, replaced: &[(usize, String)]) {
    if replaced.is_empty() {
        return;
    }
    let mut words = call.args.to_vec();
    for (index, word) in replaced {
        words[*index] = word.as_bytes();
    }
    call.replicate_as(&words);
}

/// Replicates who has an entry of a group (given by its key and name), and what else is known of it;
/// `id` is the entry's as it was given.
fn replicate_claim(
    call: &mut Call<'_>,
    [key, group]: [&[u8]; 2],
    id: &[u8],
    pending: &Pending,
    last_id: StreamId,
) {
    let (delivered_at, deliveries) =
        (pending.delivered_at.to_string(), pending.deliveries.to_string());
    call.replicate_as(&[
        b"XCLAIM",
        key,
        group,
        &pending.consumer,
        b"0",
        id,
        b"TIME",
        delivered_at.as_bytes(),
        b"RETRYCOUNT",
        deliveries.as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.to_string().as_bytes(),
    ]);
}

/// Replicates where a group is.
fn replicate_place(call: &mut Call<'_>, key: &[u8], name: &[u8], group: &Group) {
    let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
    let last_id = group.last_id.to_string();
    let place = [last_id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
    call.replicate_as(&[&[&b"XGROUP"[..], b"SETID", key, name], &place[..]].concat());
}

/// What is told of a consumer that came to be, also by the first entry that it was given.
const CREATE_CONSUMER: &str = "xgroup-createconsumer";

/// `NOGROUP`, with the key and the name of the group.
fn no_group(key: &[u8], group: &[u8], rest: &str) -> CommandError {
    let (key, group) = (shown(key), shown(group));
    CommandError::new(format!("NOGROUP No such key '{key}' or consumer group '{group}'{rest}"))
}

/// `NOGROUP`, as the subcommands have it.
fn no_group_of_key(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (shown(key), shown(group));
    CommandError::new(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// The subcommand is known, but not in this form.
fn wrong_form(call: &Call<'_>) -> CommandError {
    CommandError::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        shown(call.arg(1)),
        String::from_utf8_lossy(call.arg(0)).to_ascii_uppercase(),
    ))
}

/// The name before a subcommand runs nothing by itself.
fn container(_: &mut Call<'_>) -> Result<(), CommandError> {
    Err(CommandError::SYNTAX)
}

/// The reply to `NAME HELP`.
fn help(call: &mut Call<'_>, lines: &[&str]) {
    let name = String::from_utf8_lossy(call.arg(0)).to_ascii_uppercase();
    call.reply.array(lines.len() + 3);
    call.reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| call.reply.simple(line));
    call.reply.simple("HELP");
    call.reply.simple("    Prints this help.");
}
