//! Publish and subscribe.

use super::wrong_form;
use super::{container, help, row};
use crate::base::glob;
use crate::command::flags::{CONTAINER, FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE};
use crate::command::{CommandError, Group::PubSub, Keys, Spec};
use crate::keyspace::Blob;
use crate::machine::Outbox;
use crate::resp::Protocol;
use crate::server::client::Client;
use crate::server::pubsub::{Listeners, Topic};
use crate::server::table::Command;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(PubSub, "SUBSCRIBE", -2, LOADING | NOSCRIPT | PUBSUB | STALE, "2.0.0", subscribe)
        .doc("Listen for messages published to the given channels."),
    row(PubSub, "UNSUBSCRIBE", -1, LOADING | NOSCRIPT | PUBSUB | STALE, "2.0.0", unsubscribe)
        .doc("Stop listening for messages posted to the given channels."),
    row(PubSub, "PSUBSCRIBE", -2, LOADING | NOSCRIPT | PUBSUB | STALE, "2.0.0", psubscribe)
        .doc("Listen for messages published to channels matching the given patterns."),
    row(PubSub, "PUNSUBSCRIBE", -1, LOADING | NOSCRIPT | PUBSUB | STALE, "2.0.0", punsubscribe)
        .doc("Stop listening for messages posted to channels matching the given patterns."),
    row(PubSub, "SSUBSCRIBE", -2, LOADING | NOSCRIPT | PUBSUB | STALE, "7.0.0", ssubscribe)
        .keys(Keys::from(1))
        .doc("Listen for messages published to the given shard channels."),
    row(PubSub, "SUNSUBSCRIBE", -1, LOADING | NOSCRIPT | PUBSUB | STALE, "7.0.0", sunsubscribe)
        .keys(Keys::from(1))
        .doc("Stop listening for messages posted to the given shard channels."),
    row(PubSub, "PUBLISH", 3, FAST | LOADING | PUBSUB | STALE | MAY_REPLICATE, "2.0.0", publish)
        .doc("Post a message to a channel."),
    row(PubSub, "SPUBLISH", 3, FAST | LOADING | PUBSUB | STALE | MAY_REPLICATE, "7.0.0", spublish)
        .keys(Keys::one(1))
        .doc("Post a message to a shard channel."),
    row(PubSub, "PUBSUB", -2, CONTAINER, "2.8.0", container)
        .doc("A container for Pub/Sub commands."),
    row(PubSub, "PUBSUB|CHANNELS", -2, LOADING | PUBSUB | STALE, "2.8.0", channels)
        .doc("List active channels."),
    row(PubSub, "PUBSUB|HELP", 2, LOADING | STALE, "6.2.0", pubsub_help)
        .doc("Show helpful text about the different subcommands."),
    row(PubSub, "PUBSUB|NUMPAT", 2, LOADING | PUBSUB | STALE, "2.8.0", numpat)
        .doc("Get the count of unique patterns pattern subscriptions."),
    row(PubSub, "PUBSUB|NUMSUB", -2, LOADING | PUBSUB | STALE, "2.8.0", numsub)
        .doc("Get the count of subscribers for channels."),
    row(PubSub, "PUBSUB|SHARDCHANNELS", -2, LOADING | PUBSUB | STALE, "7.0.0", shardchannels)
        .doc("List active shard channels."),
    row(PubSub, "PUBSUB|SHARDNUMSUB", -2, LOADING | PUBSUB | STALE, "7.0.0", shardnumsub)
        .doc("Get the count of subscribers for shard channels."),
];

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

type Answer = Result<(), CommandError>;

fn subscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    listen(server, ask, Topic::Channel);
    Ok(())
}

fn psubscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    listen(server, ask, Topic::Pattern);
    Ok(())
}

fn ssubscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    listen(server, ask, Topic::Shard);
    Ok(())
}

fn unsubscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    cease(server, ask, Topic::Channel);
    Ok(())
}

fn punsubscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    cease(server, ask, Topic::Pattern);
    Ok(())
}

fn sunsubscribe(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    cease(server, ask, Topic::Shard);
    Ok(())
}

fn listen(server: &mut Server, ask: &Ask<'_>, topic: Topic) {
    for name in &ask.args[1..] {
        server.subscribe(ask.conn, topic, name);
    }
}

fn cease(server: &mut Server, ask: &Ask<'_>, topic: Topic) {
    if ask.args.len() == 1 {
        server.unsubscribe_from_all(ask.conn, topic);
    }
    for name in &ask.args[1..] {
        server.unsubscribe(ask.conn, topic, name);
    }
}

fn publish(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = server.publish(ask.arg(1), ask.arg(2));
    server.replicate(None, ask.args);
    server.reply(ask).count(count);
    Ok(())
}

fn spublish(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = server.publish_in_shard(ask.arg(1), ask.arg(2));
    server.replicate(None, ask.args);
    server.reply(ask).count(count);
    Ok(())
}

fn channels(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let names = names_in(&server.pubsub.channels, ask)?;
    show_names(server, ask, &names);
    Ok(())
}

fn shardchannels(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let names = names_in(&server.pubsub.shards, ask)?;
    show_names(server, ask, &names);
    Ok(())
}

fn names_in(listeners: &Listeners, ask: &Ask<'_>) -> Result<Vec<Blob>, CommandError> {
    let pattern = match ask.args {
        [_, _] => b"*".as_slice(),
        [_, _, pattern] => pattern,
        _ => return Err(wrong_form(ask)),
    };
    Ok(listeners.keys().filter(|name| glob::matches(pattern, name)).cloned().collect())
}

fn show_names(server: &mut Server, ask: &Ask<'_>, names: &[Blob]) {
    let reply = server.reply(ask);
    reply.array(names.len());
    for name in names {
        reply.bulk(name);
    }
}

fn numsub(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let counts = counts_in(&server.pubsub.channels, ask);
    show_counts(server, ask, &counts);
    Ok(())
}

fn shardnumsub(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let counts = counts_in(&server.pubsub.shards, ask);
    show_counts(server, ask, &counts);
    Ok(())
}

fn counts_in(listeners: &Listeners, ask: &Ask<'_>) -> Vec<usize> {
    ask.args[2..].iter().map(|name| listeners.get(&Blob::from(*name)).map_or(0, Vec::len)).collect()
}

fn show_counts(server: &mut Server, ask: &Ask<'_>, counts: &[usize]) {
    let reply = server.reply(ask);
    reply.array(counts.len() * 2);
    for (name, count) in ask.args[2..].iter().zip(counts) {
        reply.bulk(name);
        reply.count(*count);
    }
}

fn numpat(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = server.pubsub.patterns.len();
    server.reply(ask).count(count);
    Ok(())
}

fn pubsub_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

impl Server {
    /// A RESP2 client that subscribed to something may only do little else.
    pub(in crate::server) fn check_subscriber(
        client: &Client,
        command: &Command,
    ) -> Result<(), CommandError> {
        const ALLOWED: [&str; 9] = [
            "ping",
            "quit",
            "reset",
            "subscribe",
            "unsubscribe",
            "psubscribe",
            "punsubscribe",
            "ssubscribe",
            "sunsubscribe",
        ];
        if client.reply.protocol() == Protocol::Resp2
            && client.is_subscriber()
            && !ALLOWED.contains(&command.name.as_str())
        {
            return Err(CommandError::new(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                command.name
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn messages_reach_channels_and_patterns() {
        let mut bench = Bench::new(&[]);
        let (listener, speaker) = (bench.connect(), bench.connect());
        assert_eq!(
            bench.send(listener, b"SUBSCRIBE a b a\r\n"),
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n\
             *3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"
        );
        assert_eq!(
            bench.send(listener, b"PSUBSCRIBE a*\r\n"),
            "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:3\r\n"
        );
        assert_eq!(bench.ask(speaker, "PUBLISH a hi"), "(integer) 2");
        assert_eq!(
            bench.received(listener),
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n\
             *4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$2\r\nhi\r\n"
        );
        assert_eq!(bench.ask(speaker, "PUBSUB NUMPAT"), "(integer) 1");
        assert_eq!(bench.ask(speaker, "PUBSUB CHANNELS"), "1) \"a\"\n2) \"b\"");
        assert_eq!(
            bench.ask(speaker, "PUBSUB CHANNELS a b"),
            "(error) ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."
        );
    }

    #[test]
    fn a_subscriber_of_the_old_protocol_can_do_little_else() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.send(conn, b"SSUBSCRIBE s\r\n");
        assert_eq!(bench.send(conn, b"PING\r\n"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        assert_eq!(
            bench.send(conn, b"GET k\r\n"),
            "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
             are allowed in this context\r\n"
        );
        assert_eq!(
            bench.send(conn, b"SUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\nGET k\r\n"),
            "*3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n\
             $-1\r\n"
        );
    }

    #[test]
    fn the_new_protocol_pushes() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.send(conn, b"HELLO 3\r\n");
        assert_eq!(
            bench.send(conn, b"SUBSCRIBE a\r\nGET k\r\nPUBLISH a hi\r\n"),
            ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n_\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n\
             $2\r\nhi\r\n:1\r\n"
        );
    }
}
