//! What the transcripts must show of every command: what it does, with each of its options, and how
//! it refuses too few words and a key of another type.

use std::collections::BTreeMap;
use std::path::Path;

use super::transcript::command;
use super::{TRANSCRIPTS, steps, written};
use crate::command::facts::{self, Argument};
use crate::command::{Group, flags};
use crate::server::table::{self, Command};

/// A command that need not be shown so, and why.
type Exception = (&'static str, &'static str);

/// Commands that are only shown refused.
const ONLY_REFUSED: &[Exception] = &[
    ("command", "its reply is the whole table: see COMMAND INFO"),
    ("monitor", "it would see what the player asks the real server"),
    ("role", "the real server has a replica, by which its stream is read"),
    ("failover", "it needs a replica that can take over"),
    ("psync", "its reply is a snapshot"),
    ("sync", "its reply is a snapshot"),
    ("shutdown", "it ends the server"),
    ("script|kill", "there must be a script that does not end"),
    ("config|rewrite", "there must be a file"),
    ("acl|load", "there must be a file"),
    ("acl|save", "there must be a file"),
    ("memory|malloc-stats", "it is the allocator's text"),
    ("client|caching", "client-side caching is not supported"),
    ("client|setinfo", "of 7.2"),
    ("client|no-touch", "of 7.2"),
    ("module|load", "there are no modules"),
    ("module|loadex", "there are no modules"),
    ("module|unload", "there are no modules"),
    ("readonly", "there is no cluster"),
    ("readwrite", "there is no cluster"),
    ("asking", "there is no cluster"),
];

/// Commands that are not shown with a wrong number of words.
const OF_ANY_LENGTH: &[Exception] = &[
    ("exec", "it says EXECABORT before"),
    ("client|setinfo", "of 7.2"),
    ("client|no-touch", "of 7.2"),
];

/// Commands in the group of a type that are not shown with a key of another.
const OF_ANY_TYPE: &[Exception] = &[
    ("setnx", "does nothing if there is any key"),
    ("setex", "replaces any key"),
    ("psetex", "replaces any key"),
    ("mget", "has a null for a key of another type"),
    ("mset", "replaces any keys"),
    ("msetnx", "does nothing if there is any key"),
    ("lcs", "has words of its own for it"),
];

/// Commands whose options are not shown.
const WITHOUT_OPTIONS: &[Exception] = &[
    ("client|tracking", "client-side caching is not supported"),
    ("client|setinfo", "of 7.2"),
    ("client|no-touch", "of 7.2"),
    ("client|list", "TYPE normal would list who asks the real server"),
    ("script|debug", "there is no debugger"),
];

/// One command of a transcript.
struct Call {
    words: Vec<String>,
    /// The reply, if there was one at once.
    outcome: String,
}

impl Call {
    fn is_refused(&self) -> bool {
        self.outcome.starts_with('-')
    }

    fn has(&self, option: &str) -> bool {
        self.words[1..].iter().any(|word| word.eq_ignore_ascii_case(option))
    }
}

/// The calls of each command, by its name.
fn calls() -> BTreeMap<&'static str, Vec<Call>> {
    let mut calls = BTreeMap::<_, Vec<_>>::new();
    for step in TRANSCRIPTS.iter().flat_map(|name| steps(&written(name))) {
        let (line, outcome) = step.split_once('\n').unwrap();
        let (_, _, words) = command(line);
        let bytes: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        if let Ok(command) = table::look_up(&bytes) {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            let outcome = outcome.lines().next().unwrap_or_default().trim().to_owned();
            calls.entry(&*command.name).or_default().push(Call { words, outcome });
        }
    }
    calls
}

/// Complains of commands that no call shows as is due, unless they are excepted; and of exceptions
/// that are none.
fn assert_shown(
    is_due: impl Fn(&Command) -> bool,
    shows: impl Fn(&Command, &[Call]) -> bool,
    exceptions: &[Exception],
) {
    let calls = calls();
    let is_wrong = |command: &&Command| {
        let is_shown = shows(command, calls.get(&*command.name).map_or(&[], Vec::as_slice));
        is_shown == exceptions.iter().any(|(name, _)| *name == command.name)
    };
    let due = table::all().iter().filter(|command| is_due(command));
    let wrong: Vec<_> = due.filter(is_wrong).map(|command| &command.name).collect();
    assert!(wrong.is_empty(), "not shown, or shown in spite of an exception: {wrong:?}");
}

#[test]
fn every_transcript_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/command");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let mut played = TRANSCRIPTS.to_vec();
    names.sort_unstable();
    played.sort_unstable();
    assert_eq!(played, names);
}

#[test]
fn every_command_is_shown_at_work() {
    let works = |command: &Command| {
        let is_container = command.is(flags::CONTAINER) && command.name != "command";
        !is_container && !command.name.starts_with("cluster|")
    };
    assert_shown(works, |_, calls| calls.iter().any(|call| !call.is_refused()), ONLY_REFUSED);
}

#[test]
fn every_command_is_called() {
    let is_of_7_0 = |command: &Command| !command.since.starts_with("7.2");
    let whole_table = ("command", "its reply is the whole table: see COMMAND INFO");
    assert_shown(is_of_7_0, |_, calls| !calls.is_empty(), &[whole_table]);
}

#[test]
fn every_command_is_shown_with_a_wrong_number_of_words() {
    let needs_words = |command: &Command| {
        let words_of_name = command.name.split('|').count() as i16;
        command.arity > 0 || -command.arity > words_of_name
    };
    let shows = |command: &Command, calls: &[Call]| {
        let refusal = format!("-ERR wrong number of arguments for '{}' command", command.name);
        calls.iter().any(|call| call.outcome == refusal)
    };
    assert_shown(needs_words, shows, OF_ANY_LENGTH);
}

#[test]
fn every_command_on_a_type_is_shown_with_a_key_of_another() {
    use Group::{Bitmap, Geo, Hash, HyperLogLog, List, Set, SortedSet, Stream, String};
    let types = [String, List, Hash, Set, SortedSet, Stream, Bitmap, HyperLogLog, Geo];
    let has_type = |command: &Command| {
        let has_keys = facts::of(&command.name).is_some_and(|facts| !facts.keys.is_empty());
        has_keys && types.contains(&command.group)
    };
    let refuses = |call: &Call| call.outcome.starts_with("-WRONGTYPE");
    assert_shown(has_type, |_, calls| calls.iter().any(refuses), OF_ANY_TYPE);
}

#[test]
fn every_option_is_shown() {
    let options = |command: &Command| {
        facts::of(&command.name).map_or(Vec::new(), |facts| tokens(&facts.arguments))
    };
    let shows = |command: &Command, calls: &[Call]| {
        let may_be_refused = ONLY_REFUSED.iter().any(|(name, _)| *name == command.name)
            || command.name.starts_with("cluster|");
        let counts = |call: &&Call| may_be_refused || !call.is_refused();
        options(command).iter().all(|option| {
            let is_shown = calls.iter().filter(counts).any(|call| call.has(option));
            if !is_shown {
                println!("{} {option}", command.name);
            }
            is_shown
        })
    };
    assert_shown(|command| !options(command).is_empty(), shows, WITHOUT_OPTIONS);
}

/// The words by which arguments are told.
fn tokens(arguments: &[Argument]) -> Vec<&'static str> {
    let of_one = |argument: &Argument| {
        let own = argument.token.filter(|token| *token != "\"\"");
        own.into_iter().chain(tokens(&argument.arguments)).collect::<Vec<_>>()
    };
    arguments.iter().flat_map(of_one).collect()
}
