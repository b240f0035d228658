//! Events by subscription, and hellos by PUBLISH.

use super::{Ask, Outcome, Row};
use crate::command::CommandError;
use crate::resp::{Protocol, Reply};
use crate::sentinel::Sentinel;
use crate::sentinel::client::Client;
use crate::sentinel::hello::CHANNEL;

/// The rows of this file.
pub(super) const ROWS: &[Row] = &[
    ("subscribe", -2, subscribe),
    ("psubscribe", -2, psubscribe),
    ("unsubscribe", -1, unsubscribe),
    ("punsubscribe", -1, punsubscribe),
    ("publish", 3, publish),
];

/// A RESP2 client that subscribed to something may only do little else.
pub(super) fn check(client: &Client, name: &str) -> Outcome {
    let subscribed = !client.channels.is_empty() || !client.patterns.is_empty();
    let allowed = name.ends_with("subscribe") || matches!(name, "ping" | "quit" | "reset");
    if subscribed && !allowed && client.reply.protocol() == Protocol::Resp2 {
        return Err(CommandError::new(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context"
        )));
    }
    Ok(())
}

fn subscribe(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let Some(client) = sentinel.clients.get_mut(ask.conn) else { return Ok(()) };
    for name in &ask.words[1..] {
        client.channels.insert(name.to_vec());
        let count = client.channels.len() + client.patterns.len();
        confirm(&mut client.reply, "subscribe", Some(name), count);
    }
    Ok(())
}

fn psubscribe(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let Some(client) = sentinel.clients.get_mut(ask.conn) else { return Ok(()) };
    for name in &ask.words[1..] {
        client.patterns.insert(name.to_vec());
        let count = client.channels.len() + client.patterns.len();
        confirm(&mut client.reply, "psubscribe", Some(name), count);
    }
    Ok(())
}

fn unsubscribe(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let Some(client) = sentinel.clients.get_mut(ask.conn) else { return Ok(()) };
    for name in named_or_all(ask, &client.channels) {
        client.channels.remove(&name);
        let count = client.channels.len() + client.patterns.len();
        confirm(&mut client.reply, "unsubscribe", Some(&name), count);
    }
    if ask.words.len() == 1 && client.reply.is_empty() {
        confirm(&mut client.reply, "unsubscribe", None, client.patterns.len());
    }
    Ok(())
}

fn punsubscribe(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let Some(client) = sentinel.clients.get_mut(ask.conn) else { return Ok(()) };
    for name in named_or_all(ask, &client.patterns) {
        client.patterns.remove(&name);
        let count = client.channels.len() + client.patterns.len();
        confirm(&mut client.reply, "punsubscribe", Some(&name), count);
    }
    if ask.words.len() == 1 && client.reply.is_empty() {
        confirm(&mut client.reply, "punsubscribe", None, client.channels.len());
    }
    Ok(())
}

fn named_or_all(ask: &Ask<'_>, all: &std::collections::BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    match ask.words {
        [_] => all.iter().cloned().collect(),
        [_, names @ ..] => names.iter().map(|name| name.to_vec()).collect(),
        [] => Vec::new(),
    }
}

fn confirm(reply: &mut Reply, kind: &str, name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(kind);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count);
}

fn publish(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    if ask.words[1] != CHANNEL.as_bytes() {
        return Err(CommandError::fixed(
            "ERR Only HELLO messages are accepted by Sentinel instances.",
        ));
    }
    sentinel.hear(ask.words[2]);
    sentinel.reply(ask).int(1);
    Ok(())
}
