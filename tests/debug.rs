//! DEBUG beside that of the real server.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test may fail by panicking")]

#[allow(dead_code, unused_imports, reason = "a test uses its part of the kit")]
mod kit;

use kit::{Client, Kind, Program};
use replab::resp::Answer;

const ALLOWED: [&str; 2] = ["--enable-debug-command", "yes"];

/// What a server answers to these lines.
fn answers(client: &mut Client, lines: &[&str]) -> Vec<Answer> {
    lines.iter().map(|line| client.call(&line.split(' ').collect::<Vec<_>>())).collect()
}

#[test]
fn a_reload_takes_what_the_file_has_and_keeps_what_it_is_told_to_as_there() {
    for reload in [
        "DEBUG RELOAD",
        "DEBUG RELOAD NOSAVE",
        "debug reload merge nosave",
        "DEBUG RELOAD NOSAVE NOFLUSH MERGE",
        "DEBUG RELOAD MERGE NOFLUSH",
        "DEBUG RELOAD NOSAVE FOO",
    ] {
        let [ours, real] = [Kind::Ours, Kind::Real].map(|kind| {
            let program = Program::server(kind, &ALLOWED);
            let mut client = program.client();
            let lines = [
                "DEBUG RELOAD NOFLUSH",
                "SET changed 1",
                "SET deleted 1 EX 1000",
                "RPUSH list a b",
                "SELECT 3",
                "SADD set x",
                "SAVE",
                "SADD set y",
                "SELECT 0",
                "SET changed 2",
                "DEL deleted",
                "SET new 1",
                "WATCH changed",
                reload,
                "GET changed",
                "GET deleted",
                "GET new",
                "LRANGE list 0 -1",
                "DBSIZE",
                "MULTI",
                "EXEC",
                "SELECT 3",
                "SCARD set",
                "DEBUG DIGEST",
            ];
            answers(&mut client, &lines)
        });
        assert_eq!(ours, real, "{reload}");
    }
}

#[test]
fn a_file_without_a_key_of_memory_is_added_to_it_and_one_that_is_not_there_is_an_error() {
    let [ours, real] = [Kind::Ours, Kind::Real].map(|kind| {
        let program = Program::server(kind, &ALLOWED);
        let lines = [
            "SET a 1",
            "SAVE",
            "DEL a",
            "SET b 1",
            "DEBUG RELOAD NOSAVE NOFLUSH",
            "MGET a b",
            "DEBUG RELOAD NOSAVE NOFLUSH MERGE",
            "MGET a b",
            "DEBUG RELOAD NOSAVE",
            "MGET a b",
        ];
        let mut client = program.client();
        let mut first = answers(&mut client, &lines[..6]);
        std::fs::remove_file(program.dir().join("dump.rdb")).expect("a snapshot");
        first.extend(answers(&mut client, &lines[6..]));
        first
    });
    assert_eq!(ours, real);
}
