//! The walls of the house, as tests: which floor may use which, and what stays out of the machines.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, as the map in `src/lib.rs` has them. A folder uses folders of lower floors only, and
/// itself; those in `beside` are on the same floor and may be used as well.
const FLOORS: &[(&str, u8, &[&str])] = &[
    ("base", 0, &[]),
    ("resp", 1, &[]),
    ("keyspace", 2, &[]),
    ("machine", 3, &[]),
    ("persist", 3, &["machine"]),
    ("repl", 3, &["machine"]),
    ("command", 4, &[]),
    ("server", 5, &[]),
    ("sentinel", 5, &[]),
    ("world", 6, &[]),
    ("live", 7, &[]),
    ("sim", 7, &[]),
    ("lab", 8, &[]),
    ("script", 9, &[]),
    ("report", 9, &[]),
    ("tui", 9, &[]),
];

/// What a deterministic machine has no business with, and where it belongs instead.
const BANNED_IN_MACHINES: &[(&str, &str)] = &[
    ("tokio", "sockets and timers are the live world's"),
    ("std::net", "sockets are the live world's"),
    ("std::fs", "files are the live world's: see Output::WriteFile and Job"),
    ("std::thread", "threads are the live world's: see Job"),
    ("Instant::now", "time comes with every step: see Now"),
    ("SystemTime", "time comes with every step: see Now"),
    ("async fn", "a machine never waits"),
    ("RandomState", "hashers are seeded, so that runs can be replayed"),
    ("rand::", "chance comes from base::rng::Dice"),
    ("std::env::var", "a machine is told what it needs"),
];

const LAST_MACHINE_FLOOR: u8 = 5;

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 600;

/// Characters of a line; rustfmt keeps code below, prose may run a little over.
const LINE_CHARS_MAX: usize = 104;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["Manager", "Helper", "Handler", "utils", "Util"];

struct Source {
    path: PathBuf,
    folder: String,
    /// Without the tests at its end.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let relative = path.strip_prefix(root).expect("below src").to_owned();
            let mut parts = relative.components();
            let first = parts.next().expect("a name").as_os_str().to_string_lossy();
            let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            found.push(Source {
                folder: first.into_owned(),
                code: code.to_owned(),
                path: relative,
            });
        }
    }
}

fn is_test_file(source: &Source) -> bool {
    source.path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        matches!(
            &*name,
            "tests" | "tests.rs" | "testing.rs" | "golden.rs" | "fixtures.rs" | "fake.rs"
        )
    })
}

fn code_lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn a_floor_uses_only_the_floors_below_it() {
    let floors: BTreeMap<_, _> = FLOORS.iter().map(|(n, f, b)| (*n, (*f, *b))).collect();
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(s)) {
        let Some((floor, beside)) = floors.get(&*source.folder) else { continue };
        for (used, (used_floor, _)) in &floors {
            let allowed = used_floor < floor || *used == source.folder || beside.contains(used);
            let names_it = |line: &str| line.contains(&format!("crate::{used}"));
            if !allowed && code_lines(&source.code).any(names_it) {
                problems.push(format!(
                    "{}: floor {floor} uses {used}, floor {used_floor}",
                    source.path.display()
                ));
            }
        }
    }
    complain(&problems);
}

#[test]
fn every_folder_has_a_floor() {
    let known = |name: &str| FLOORS.iter().any(|(folder, _, _)| *folder == name);
    let lone = ["lib.rs", "main.rs", "cli.rs", "cli"];
    let homeless: Vec<_> = sources()
        .iter()
        .filter(|s| !known(&s.folder) && !lone.contains(&&*s.folder))
        .map(|s| format!("{} belongs to no floor", s.path.display()))
        .collect();
    complain(&homeless);
}

#[test]
fn machines_own_no_clock_no_dice_no_socket_no_file_no_thread() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(s)) {
        let floor = FLOORS.iter().find(|(n, _, _)| *n == source.folder).map(|(_, f, _)| *f);
        if floor.is_none_or(|floor| floor > LAST_MACHINE_FLOOR) {
            continue;
        }
        for (word, instead) in BANNED_IN_MACHINES {
            if code_lines(&source.code).any(|line| line.contains(word)) {
                problems.push(format!("{}: {word} ({instead})", source.path.display()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn only_the_live_world_opens_sockets() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(s) && s.folder != "live") {
        for word in ["TcpListener", "TcpStream", "UnixListener", "UnixStream"] {
            if code_lines(&source.code).any(|line| line.contains(word)) {
                problems.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn only_one_door_leads_to_the_replication_stream_and_the_log() {
    let doors = ["server/propagate.rs", "server/replication", "server/persistence.rs", "repl"];
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| s.folder == "server" || s.folder == "command") {
        let path = source.path.to_string_lossy();
        let is_door = doors.iter().any(|door| path.starts_with(door));
        let feeds = |line: &str| {
            ["replication.feed", "stream.append", "aof.feed", "aof.annotate"]
                .iter()
                .any(|feed| line.contains(feed))
        };
        if !is_door && !is_test_file(source) && code_lines(&source.code).any(feeds) {
            problems.push(format!("{path} feeds the stream; Server::replicate is the door"));
        }
    }
    complain(&problems);
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let long: Vec<_> = sources()
        .iter()
        .filter(|s| !is_test_file(s))
        .filter(|s| s.code.lines().count() > FILE_LINES_MAX)
        .map(|s| format!("{}: {} lines", s.path.display(), s.code.lines().count()))
        .collect();
    complain(&long);
}

#[test]
fn lines_fit_the_page() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !is_test_file(s)) {
        for (number, line) in source.code.lines().enumerate() {
            // A text that must stand as it is said, and a row of a table, may be longer.
            let is_whole = line.contains('"') || line.contains("//! |");
            if line.chars().count() > LINE_CHARS_MAX && !is_whole {
                problems.push(format!("{}:{}", source.path.display(), number + 1));
            }
        }
    }
    complain(&problems);
}

#[test]
fn names_say_something() {
    let mut problems = Vec::new();
    for source in sources() {
        for name in EMPTY_NAMES {
            for line in code_lines(&source.code) {
                let defines = ["struct ", "enum ", "trait ", "mod "]
                    .iter()
                    .any(|what| line.contains(what) && line.contains(name));
                if defines {
                    problems.push(format!("{}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = sources()
        .iter()
        .filter(|s| !s.code.starts_with("//!"))
        .map(|s| format!("{} has no front line", s.path.display()))
        .collect();
    complain(&silent);
}
