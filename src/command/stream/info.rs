//! What is known of streams, groups and consumers: XINFO.

use std::sync::Arc;

use super::{help, no_group_of_key, reply_entries, reply_entry, reply_id, wrong_form};
use crate::command::{Call, CommandError};
use crate::keyspace::types::stream::{Consumer, Entry, Group};
use crate::keyspace::types::{Stream, StreamId};
use crate::resp::Reply;

const HELP: &[&str] = &[
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
];

/// How much of each list FULL shows unless told.
const COUNT_DEFAULT: usize = 10;

pub(super) fn stream(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = required(call)?;
    let count = match call.args.len() {
        3 => None,
        4 if call.is(3, "FULL") => Some(COUNT_DEFAULT),
        6 if call.is(3, "FULL") && call.is(4, "COUNT") => {
            Some(usize::try_from(call.int(5)?).unwrap_or(COUNT_DEFAULT))
        }
        _ => return Err(wrong_form(call)),
    };
    let reply = &mut *call.reply;
    reply.map(if count.is_some() { 9 } else { 10 });
    reply.bulk("length");
    reply.count(stream.len());
    reply.bulk("radix-tree-keys");
    reply.count(stream.blocks().len());
    reply.bulk("radix-tree-nodes");
    reply.count(stream.tree_nodes());
    for (name, id) in
        [("last-generated-id", stream.last_id), ("max-deleted-entry-id", stream.max_deleted_id)]
    {
        reply.bulk(name);
        reply_id(reply, id);
    }
    reply.bulk("entries-added");
    reply.int(stream.entries_added as i64);
    reply.bulk("recorded-first-entry-id");
    reply_id(reply, stream.first_id());
    match count {
        None => reply_ends(reply, &stream),
        // 0 is for all.
        Some(0) => reply_full(reply, &stream, usize::MAX),
        Some(count) => reply_full(reply, &stream, count),
    }
    Ok(())
}

fn reply_ends(reply: &mut Reply, stream: &Stream) {
    reply.bulk("groups");
    reply.count(stream.groups().len());
    let (first, last) = (StreamId::MIN, StreamId::MAX);
    let mut reply_end = |name, entry: Option<Entry<'_>>| {
        reply.bulk(name);
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    };
    reply_end("first-entry", stream.range(first, last).next());
    reply_end("last-entry", stream.range_back(first, last).next());
}

fn reply_full(reply: &mut Reply, stream: &Stream, count: usize) {
    reply.bulk("entries");
    let entries: Vec<_> = stream.range(StreamId::MIN, StreamId::MAX).take(count).collect();
    reply_entries(reply, &entries);
    reply.bulk("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk("name");
        reply.bulk(name);
        reply_place(reply, stream, group);
        reply.bulk("pel-count");
        reply.count(group.pending().len());
        reply.bulk("pending");
        reply.array(group.pending().len().min(count));
        for (id, pending) in group.pending().iter().take(count) {
            reply.array(4);
            reply_id(reply, *id);
            reply.bulk(&pending.consumer);
            reply.int(pending.delivered_at);
            reply.int(pending.deliveries as i64);
        }
        reply.bulk("consumers");
        reply.array(group.consumers().len());
        for (name, consumer) in group.consumers() {
            reply.map(4);
            reply.bulk("name");
            reply.bulk(name);
            reply_full_consumer(reply, group, consumer, count);
        }
    }
}

fn reply_full_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.bulk("seen-time");
    reply.int(consumer.seen_at);
    reply.bulk("pel-count");
    reply.count(consumer.pending().len());
    reply.bulk("pending");
    reply.array(consumer.pending().len().min(count));
    let pending = consumer.pending().iter().filter_map(|id| Some((id, group.pending().get(id)?)));
    for (id, pending) in pending.take(count) {
        reply.array(3);
        reply_id(reply, *id);
        reply.int(pending.delivered_at);
        reply.int(pending.deliveries as i64);
    }
}

pub(super) fn groups(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = required(call)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk("name");
        reply.bulk(name);
        reply.bulk("consumers");
        reply.count(group.consumers().len());
        reply.bulk("pending");
        reply.count(group.pending().len());
        reply_place(reply, &stream, group);
    }
    Ok(())
}

/// Where a group is, in three pairs.
fn reply_place(reply: &mut Reply, stream: &Stream, group: &Group) {
    reply.bulk("last-delivered-id");
    reply_id(reply, group.last_id);
    let known =
        [("entries-read", group.entries_read.map(|read| read as i64)), ("lag", stream.lag(group))];
    for (name, count) in known {
        reply.bulk(name);
        match count {
            Some(count) => reply.int(count),
            None => reply.null(),
        }
    }
}

pub(super) fn consumers(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = required(call)?;
    let group = stream.group(name).ok_or_else(|| no_group_of_key(key, name))?;
    call.reply.array(group.consumers().len());
    for (name, consumer) in group.consumers() {
        call.reply.map(3);
        call.reply.bulk("name");
        call.reply.bulk(name);
        call.reply.bulk("pending");
        call.reply.count(consumer.pending().len());
        call.reply.bulk("idle");
        call.reply.int(call.now_ms.saturating_sub(consumer.seen_at).max(0));
    }
    Ok(())
}

pub(super) fn info_help(call: &mut Call<'_>) -> Result<(), CommandError> {
    help(call, HELP);
    Ok(())
}

fn required(call: &mut Call<'_>) -> Result<Arc<Stream>, CommandError> {
    call.read_as::<Stream>(call.arg(2))?.ok_or(CommandError::NO_SUCH_KEY)
}
