//! Signals to a server, beside the real one.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test may fail by panicking")]

#[allow(dead_code, unused_imports, reason = "a test uses its part of the kit")]
mod kit;

use kit::{Kind, Program, eventually};

/// How a server with these settings ends that has a key: its code, whether it saved, and what it
/// said on the way.
fn end(kind: Kind, settings: &[&str], signal: &str) -> (Option<i32>, bool, Vec<String>) {
    const SAYINGS: [&str; 5] = [
        "Received SIGTERM scheduling shutdown",
        "Received SIGINT scheduling shutdown",
        "Saving the final RDB snapshot",
        "You insist",
        "bye bye",
    ];
    let mut program = Program::server(kind, settings);
    program.client().ok(&["SET", "k", "v"]);
    program.signal(signal);
    let code = program.code();
    let log = log(&program);
    let said = SAYINGS.into_iter().filter(|saying| log.contains(saying)).map(str::to_owned);
    (code, program.dir().join("dump.rdb").exists(), said.collect())
}

fn log(program: &Program) -> String {
    std::fs::read_to_string(program.dir().join("log")).expect("a log")
}

#[test]
fn a_server_ends_as_its_settings_for_the_signal_want_it_as_there() {
    let (none, some) = (["--save", ""], ["--save", "900", "1"]);
    for (points, flags) in [
        (&none[..], "default"),
        (&some, "default"),
        (&some, "nosave"),
        (&none, "save"),
        (&none, "now force"),
        (&some, "nosave now force"),
    ] {
        for (signal, other) in [("term", "int"), ("int", "term")] {
            let mut settings = points.to_vec();
            let own = format!("--shutdown-on-sig{signal}");
            settings.push(&own);
            settings.extend(flags.split(' '));
            // The other signal's settings mean nothing.
            let opposite = format!("--shutdown-on-sig{other}");
            settings.extend([
                opposite.as_str(),
                if flags.contains("nosave") { "save" } else { "nosave" },
            ]);
            let [ours, real] =
                [Kind::Ours, Kind::Real].map(|kind| end(kind, &settings, &signal.to_uppercase()));
            assert_eq!(ours, real, "{settings:?}");
        }
    }
}

#[test]
fn who_insists_gets_an_end_at_once_as_there() {
    let slow = ["--save", "900", "1", "--rdb-key-save-delay", "500000"];
    let [ours, real] = [Kind::Ours, Kind::Real].map(|kind| {
        let mut program = Program::server(kind, &slow);
        // A signal cuts the delay of one key short.
        (0..50).for_each(|n| program.client().ok(&["SET", &n.to_string(), "v"]));
        program.signal("TERM");
        eventually("the last snapshot", || log(&program).contains("Saving the final RDB"));
        program.signal("TERM");
        program.signal("INT");
        let code = program.code();
        (code, program.dir().join("dump.rdb").exists())
    });
    assert_eq!(ours, real);
}
