//! COMMAND: the table of commands, as clients ask for it.

use super::{help, row};
use crate::base::glob;
use crate::command::flags::{CONTAINER, LOADING, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::command::{Keys, flags};
use crate::machine::Outbox;
use crate::resp::Reply;
use crate::server::table::ServerRun;
use crate::server::table::{self, Command};
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "COMMAND", -1, CONTAINER | LOADING | STALE, "2.8.13", command)
        .doc("Get array of Redis command details."),
    row(Group::Server, "COMMAND|COUNT", 2, LOADING | STALE, "2.8.13", count)
        .doc("Get total number of Redis commands."),
    row(Group::Server, "COMMAND|DOCS", -2, LOADING | STALE, "7.0.0", docs)
        .doc("Get array of specific Redis command documentation."),
    row(Group::Server, "COMMAND|GETKEYS", -4, LOADING | STALE, "2.8.13", getkeys)
        .doc("Extract keys given a full Redis command."),
    row(Group::Server, "COMMAND|GETKEYSANDFLAGS", -4, LOADING | STALE, "7.0.0", getkeysandflags)
        .doc("Extract keys and access flags given a full Redis command."),
    row(Group::Server, "COMMAND|HELP", 2, LOADING | STALE, "5.0.0", command_help)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Server, "COMMAND|INFO", -2, LOADING | STALE, "2.8.13", info)
        .doc("Get array of specific Redis command details, or all when no argument is given."),
    row(Group::Server, "COMMAND|LIST", -2, LOADING | STALE, "7.0.0", list)
        .doc("Get an array of Redis command names."),
];

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
];

type Answer = Result<(), CommandError>;

fn command(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let all: Vec<_> = top_level().collect();
    let reply = server.reply(ask);
    reply.array(all.len());
    for command in all {
        describe(reply, command);
    }
    Ok(())
}

fn count(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).count(top_level().count());
    Ok(())
}

fn info(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Answer {
    if ask.args.len() == 2 {
        return command(server, ask, out);
    }
    let reply = server.reply(ask);
    reply.array(ask.args.len() - 2);
    for name in &ask.args[2..] {
        match table::by_name(name) {
            Some(command) => describe(reply, command),
            None => reply.null_array(),
        }
    }
    Ok(())
}

fn docs(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let commands: Vec<_> = if ask.args.len() == 2 {
        top_level().collect()
    } else {
        ask.args[2..].iter().filter_map(|name| table::by_name(name)).collect()
    };
    let reply = server.reply(ask);
    reply.map(commands.len());
    for command in commands {
        document(reply, command);
    }
    Ok(())
}

fn list(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let word = ask.arg(4);
    let names: Vec<&str> = match ask.args.len() {
        2 => top_level().map(|c| c.name.as_str()).collect(),
        5 if ask.is(2, "FILTERBY") && ask.is(3, "PATTERN") => table::all()
            .iter()
            .filter(|c| glob::matches_any_case(word, c.name.as_bytes()))
            .map(|c| c.name.as_str())
            .collect(),
        5 if ask.is(2, "FILTERBY") && ask.is(3, "ACLCAT") => table::all()
            .iter()
            .filter(|c| !c.is(CONTAINER))
            .filter(|c| categories(c).iter().any(|cat| cat.as_bytes().eq_ignore_ascii_case(word)))
            .map(|c| c.name.as_str())
            .collect(),
        5 if ask.is(2, "FILTERBY") && ask.is(3, "MODULE") => Vec::new(),
        _ => return Err(CommandError::SYNTAX),
    };
    let reply = server.reply(ask);
    reply.array(names.len());
    for name in names {
        reply.bulk(name);
    }
    Ok(())
}

fn getkeys(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let (_, keys) = keys_of(ask)?;
    let reply = server.reply(ask);
    reply.array(keys.len());
    for key in keys {
        reply.bulk(key);
    }
    Ok(())
}

fn getkeysandflags(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let (command, keys) = keys_of(ask)?;
    let reply = server.reply(ask);
    reply.array(keys.len());
    for key in keys {
        reply.array(2);
        reply.bulk(key);
        key_flags(reply, command);
    }
    Ok(())
}

fn command_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

fn top_level() -> impl Iterator<Item = &'static Command> {
    table::all().iter().filter(|command| !command.name.contains('|'))
}

fn subcommands(command: &Command) -> Vec<&'static Command> {
    let prefix = format!("{}|", command.name);
    table::all().iter().filter(|c| c.name.starts_with(&prefix)).collect()
}

fn keys_of<'a>(ask: &Ask<'a>) -> Result<(&'static Command, Vec<&'a [u8]>), CommandError> {
    let words = &ask.args[2..];
    let command = table::find(words).map_err(|_| {
        CommandError::fixed(match table::by_name(ask.arg(2)) {
            Some(_) => "ERR Invalid number of arguments specified for command",
            None => "ERR Invalid command specified",
        })
    })?;
    let keys: Vec<_> = command.keys.indices(words.len()).map(|index| words[index]).collect();
    if keys.is_empty() {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    }
    Ok((command, keys))
}

/// The ten elements of COMMAND INFO.
fn describe(reply: &mut Reply, command: &Command) {
    reply.array(10);
    reply.bulk(&command.name);
    reply.int(command.arity.into());
    let shown: Vec<_> = flags::NAMES
        .iter()
        .filter(|(flag, _)| *flag != flags::MAY_REPLICATE && command.is(*flag))
        .collect();
    reply.set(shown.len());
    for (_, name) in shown {
        reply.simple(name);
    }
    for index in [command.keys.first, command.keys.last, command.keys.step] {
        reply.int(index.into());
    }
    let categories = categories(command);
    reply.set(categories.len());
    for category in categories {
        reply.simple(&format!("@{category}"));
    }
    reply.set(0);
    key_specs(reply, command);
    let subcommands = subcommands(command);
    reply.set(subcommands.len());
    for subcommand in subcommands {
        describe(reply, subcommand);
    }
}

fn key_specs(reply: &mut Reply, command: &Command) {
    let keys = command.keys;
    if keys == Keys::NONE {
        return reply.set(0);
    }
    reply.set(1);
    reply.map(3);
    reply.bulk("flags");
    key_flags(reply, command);
    let last = if keys.last < 0 { keys.last } else { keys.last - keys.first };
    search(reply, "begin_search", "index", &[("index", keys.first)]);
    search(reply, "find_keys", "range", &[("lastkey", last), ("keystep", keys.step), ("limit", 0)]);
}

fn search(reply: &mut Reply, name: &str, kind: &str, spec: &[(&str, i16)]) {
    reply.bulk(name);
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(spec.len());
    for (field, n) in spec {
        reply.bulk(field);
        reply.int((*n).into());
    }
}

fn key_flags(reply: &mut Reply, command: &Command) {
    let words: &[&str] = match (command.is(flags::WRITE), command.group) {
        (true, _) => &["RW", "update"],
        (_, Group::PubSub) => &["not_key"],
        _ => &["RO", "access"],
    };
    reply.set(words.len());
    for word in words {
        reply.simple(word);
    }
}

fn document(reply: &mut Reply, command: &Command) {
    let subcommands = subcommands(command);
    reply.bulk(&command.name);
    reply.map(if subcommands.is_empty() { 3 } else { 4 });
    for (field, text) in
        [("summary", command.doc), ("since", command.since), ("group", command.group.word())]
    {
        reply.bulk(field);
        reply.bulk(text);
    }
    if !subcommands.is_empty() {
        reply.bulk("subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            document(reply, subcommand);
        }
    }
}

/// The categories of ACL that a command is in.
pub(super) fn categories(command: &Command) -> Vec<&'static str> {
    if command.is(CONTAINER) {
        return vec!["slow"];
    }
    let group = |group: Group| command.group == group;
    let data_type = match command.group {
        Group::SortedSet => "sortedset",
        other => other.word(),
    };
    CATEGORIES
        .into_iter()
        .filter(|category| match *category {
            "keyspace" => group(Group::Generic),
            "read" => command.is(flags::READONLY),
            "write" => command.is(flags::WRITE),
            "pubsub" => command.is(flags::PUBSUB),
            "admin" => command.is(flags::ADMIN),
            "dangerous" => command.is(flags::ADMIN) || command.name == "info",
            "fast" => command.is(flags::FAST),
            "slow" => !command.is(flags::FAST),
            "blocking" => command.is(flags::BLOCKING),
            "connection" => group(Group::Connection) || command.name.starts_with("command"),
            "transaction" => group(Group::Transactions),
            other => other == data_type,
        })
        .collect()
}

/// All categories of ACL, in the order of ACL CAT.
pub(super) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn info_has_the_ten_elements_of_7_0() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.send(conn, b"HELLO 3\r\n");
        assert_eq!(
            bench.send(conn, b"COMMAND INFO get nosuch\r\n"),
            "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n\
             +@read\r\n+@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n\
             +access\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n\
             %1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n\
             $4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n\
             :0\r\n~0\r\n_\r\n"
        );
    }

    #[test]
    fn keys_are_found_in_any_command() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        for (line, answer) in [
            ("COMMAND GETKEYS SET a b", "1) \"a\""),
            ("COMMAND GETKEYS FOO BAR", "(error) ERR Invalid command specified"),
            (
                "COMMAND GETKEYS GET a b",
                "(error) ERR Invalid number of arguments specified for command",
            ),
            ("COMMAND GETKEYS PING a", "(error) ERR The command has no key arguments"),
            ("COMMAND LIST FILTERBY FOO x", "(error) ERR syntax error"),
            ("COMMAND LIST FILTERBY PATTERN PUBL*", "1) \"publish\""),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
    }
}
