//! COMMAND: the table of commands, as clients ask for it.
//!
//! # Differences from Redis
//!
//! The summaries of COMMAND DOCS are in our own words.

use super::{help, row};
use crate::base::glob;
use crate::command::facts::{self, Argument, Begin, Facts, Find, KeySpec};
use crate::command::find_keys::{FoundKey, find_keys, has_keys};
use crate::command::flags::{CONTAINER, LOADING, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::resp::Reply;
use crate::server::config::Renames;
use crate::server::table::{self, Command, ServerRun};
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
    let all: Vec<_> = top_level(server).collect();
    let reply = server.reply(ask);
    reply.array(all.len());
    for command in all {
        describe(reply, command);
    }
    Ok(())
}

fn count(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = top_level(server).count();
    server.reply(ask).count(count);
    Ok(())
}

fn info(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Answer {
    if ask.args.len() == 2 {
        return command(server, ask, out);
    }
    let names = ask.args[2..].iter();
    let found: Vec<_> = names.map(|name| server.config.renames.by_full_name(name)).collect();
    let reply = server.reply(ask);
    reply.array(found.len());
    for command in found {
        match command {
            Some(command) => describe(reply, command),
            None => reply.null(),
        }
    }
    Ok(())
}

fn docs(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let commands: Vec<_> = if ask.args.len() == 2 {
        top_level(server).collect()
    } else {
        let names = ask.args[2..].iter();
        names.filter_map(|name| server.config.renames.by_full_name(name)).collect()
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
    let fits: &dyn Fn(&Command) -> bool = match ask.args.len() {
        2 => &|_| true,
        5 if ask.is(2, "FILTERBY") && ask.is(3, "PATTERN") => {
            &|command| glob::matches_any_case(word, command.name.as_bytes())
        }
        5 if ask.is(2, "FILTERBY") && ask.is(3, "ACLCAT") => &|command| {
            categories(command)
                .iter()
                .any(|category| category.as_bytes().eq_ignore_ascii_case(word))
        },
        5 if ask.is(2, "FILTERBY") && ask.is(3, "MODULE") => &|_| false,
        _ => return Err(CommandError::SYNTAX),
    };
    let commands = server.config.renames.all().filter(|command| fits(command));
    let names: Vec<_> = commands.map(|command| &command.name).collect();
    let reply = server.reply(ask);
    reply.array(names.len());
    for name in names {
        reply.bulk(name);
    }
    Ok(())
}

fn getkeys(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let keys = keys_of(&server.config.renames, &ask.args[2..])?;
    let reply = server.reply(ask);
    reply.array(keys.len());
    for key in keys {
        reply.bulk(ask.args[2 + key.index]);
    }
    Ok(())
}

fn getkeysandflags(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let keys = keys_of(&server.config.renames, &ask.args[2..])?;
    let reply = server.reply(ask);
    reply.array(keys.len());
    for key in keys {
        reply.array(2);
        reply.bulk(ask.args[2 + key.index]);
        words(reply, key.flags);
    }
    Ok(())
}

fn command_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

fn top_level(server: &Server) -> impl Iterator<Item = &'static Command> {
    server.config.renames.all().filter(|command| !command.name.contains('|'))
}

fn subcommands(command: &Command) -> Vec<&'static Command> {
    let is_of = |name: &str| name.strip_prefix(&command.name).is_some_and(|n| n.starts_with('|'));
    table::all().iter().filter(|c| is_of(&c.name)).collect()
}

fn keys_of(renames: &Renames, words: &[&[u8]]) -> Result<Vec<FoundKey>, CommandError> {
    let invalid = CommandError::fixed("ERR Invalid command specified");
    let command = renames.look_up(words).map_err(|_| invalid)?;
    let Some(facts) = facts::of(&command.name).filter(|facts| has_keys(facts)) else {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    };
    if !command.fits(words.len()) {
        let refusal = "ERR Invalid number of arguments specified for command";
        return Err(CommandError::fixed(refusal));
    }
    let keys = find_keys(&command.name, words).unwrap_or_default();
    if keys.is_empty() && !facts.flags.contains(&"no_mandatory_keys") {
        return Err(CommandError::fixed("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}

/// The ten elements of COMMAND INFO.
fn describe(reply: &mut Reply, command: &Command) {
    let none = Facts::default();
    let facts = facts::of(&command.name).unwrap_or(&none);
    reply.array(10);
    reply.bulk(&command.name);
    reply.int(command.arity.into());
    words(reply, &facts.flags);
    for index in [command.keys.first, command.keys.last, command.keys.step] {
        reply.int(index.into());
    }
    reply.set(facts.categories.len());
    for category in &facts.categories {
        reply.simple(&format!("@{category}"));
    }
    reply.set(facts.tips.len());
    for tip in &facts.tips {
        reply.bulk(tip);
    }
    reply.set(facts.keys.len());
    for spec in &facts.keys {
        key_spec(reply, spec);
    }
    let subcommands = subcommands(command);
    reply.set(subcommands.len());
    for subcommand in subcommands {
        describe(reply, subcommand);
    }
}

fn words(reply: &mut Reply, words: &[&str]) {
    reply.set(words.len());
    for word in words {
        reply.simple(word);
    }
}

fn key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_some() { 4 } else { 3 });
    if let Some(notes) = spec.notes {
        reply.bulk("notes");
        reply.bulk(notes);
    }
    reply.bulk("flags");
    words(reply, &spec.flags);
    match spec.begin {
        Begin::Index(index) => search(reply, "begin_search", "index", &[("index", index)]),
        Begin::Keyword(keyword, from) => {
            search_head(reply, "begin_search", "keyword", 2);
            reply.bulk("keyword");
            reply.bulk(keyword);
            reply.bulk("startfrom");
            reply.int(from);
        }
        Begin::Unknown => search(reply, "begin_search", "unknown", &[]),
    }
    match spec.find {
        Find::Range { last, step, limit } => {
            let range = [("lastkey", last), ("keystep", step), ("limit", limit)];
            search(reply, "find_keys", "range", &range);
        }
        Find::Count { count, first, step } => {
            let count = [("keynumidx", count), ("firstkey", first), ("keystep", step)];
            search(reply, "find_keys", "keynum", &count);
        }
        Find::Unknown => search(reply, "find_keys", "unknown", &[]),
    }
}

fn search(reply: &mut Reply, name: &str, kind: &str, spec: &[(&str, i64)]) {
    search_head(reply, name, kind, spec.len());
    for (field, n) in spec {
        reply.bulk(field);
        reply.int(*n);
    }
}

fn search_head(reply: &mut Reply, name: &str, kind: &str, fields: usize) {
    reply.bulk(name);
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(fields);
}

fn document(reply: &mut Reply, command: &Command) {
    let none = Facts::default();
    let facts = facts::of(&command.name).unwrap_or(&none);
    let subcommands = subcommands(command);
    reply.bulk(&command.name);
    let lists = [
        facts.doc_flags.is_empty(),
        facts.history.is_empty(),
        facts.arguments.is_empty(),
        subcommands.is_empty(),
    ];
    let texts = texts_of(command, facts);
    reply.map(texts.len() + lists.iter().filter(|is_empty| !**is_empty).count());
    let (before, after) = texts.split_at(texts.iter().take_while(|(f, _)| !is_late(f)).count());
    put_texts(reply, before);
    if !facts.doc_flags.is_empty() {
        reply.bulk("doc_flags");
        words(reply, &facts.doc_flags);
    }
    put_texts(reply, after);
    if !facts.history.is_empty() {
        reply.bulk("history");
        reply.set(facts.history.len());
        for (version, change) in &facts.history {
            reply.array(2);
            reply.bulk(version);
            reply.bulk(change);
        }
    }
    if !facts.arguments.is_empty() {
        reply.bulk("arguments");
        arguments(reply, &facts.arguments);
    }
    if !subcommands.is_empty() {
        reply.bulk("subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            document(reply, subcommand);
        }
    }
}

fn texts_of<'a>(command: &'a Command, facts: &'a Facts) -> Vec<(&'static str, &'a str)> {
    [
        ("summary", Some(command.doc)),
        ("since", Some(command.since)),
        ("group", Some(command.group.word())),
        ("complexity", facts.complexity),
        ("deprecated_since", facts.deprecated_since),
        ("replaced_by", facts.replaced_by),
    ]
    .into_iter()
    .filter_map(|(field, text)| Some((field, text?)))
    .collect()
}

/// Whether a text comes after the flags.
fn is_late(field: &str) -> bool {
    matches!(field, "deprecated_since" | "replaced_by")
}

fn put_texts(reply: &mut Reply, texts: &[(&str, &str)]) {
    for (field, text) in texts {
        reply.bulk(field);
        reply.bulk(text);
    }
}

fn arguments(reply: &mut Reply, all: &[Argument]) {
    reply.array(all.len());
    for argument in all {
        let texts = [
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        let texts: Vec<_> =
            texts.iter().filter_map(|(field, text)| Some((*field, (*text)?))).collect();
        let others =
            [argument.key.is_some(), !argument.flags.is_empty(), !argument.arguments.is_empty()];
        reply.map(2 + texts.len() + others.iter().filter(|is_there| **is_there).count());
        put_texts(reply, &[("name", argument.name), ("type", argument.kind)]);
        if let Some(index) = argument.key {
            reply.bulk("key_spec_index");
            reply.int(index);
        }
        put_texts(reply, &texts);
        if !argument.flags.is_empty() {
            reply.bulk("flags");
            words(reply, &argument.flags);
        }
        if !argument.arguments.is_empty() {
            reply.bulk("arguments");
            arguments(reply, &argument.arguments);
        }
    }
}

/// The categories of ACL that a command is in.
pub(super) fn categories(command: &Command) -> &'static [&'static str] {
    facts::of(&command.name).map_or(&[], |facts| &facts.categories)
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
            ("COMMAND GETKEYS SPUBLISH a b", "(error) ERR The command has no key arguments"),
            ("COMMAND GETKEYS CONFIG FOO", "(error) ERR Invalid command specified"),
            ("COMMAND GETKEYS MEMORY USAGE a", "1) \"a\""),
            ("COMMAND GETKEYS ZUNION 2 a b", "1) \"a\"\n2) \"b\""),
            ("COMMAND GETKEYS ZUNION 3 a b", "(error) ERR Invalid arguments specified for command"),
            ("COMMAND LIST FILTERBY FOO x", "(error) ERR syntax error"),
            ("COMMAND LIST FILTERBY PATTERN PUBL*", "1) \"publish\""),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
    }
}
