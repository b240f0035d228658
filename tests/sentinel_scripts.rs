//! Scripts of a Sentinel of ours as child processes: what they are given, when they are run again,
//! how many run at once, and how they end.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use kit::{Client, Kind, Program, eventually};
use replab::resp::Answer;
use tempfile::TempDir;

/// A Sentinel that watches nothing real, and a notification script.
struct Desk {
    sentinel: Program,
    script: String,
    dir: TempDir,
    events: Client,
}

impl Desk {
    /// A script with these lines; `$DIR` is a directory to write to. The line of the event that it
    /// is called for is in `calls` there.
    fn new(lines: &str) -> Self {
        let dir =
            tempfile::Builder::new().prefix("replab-scripts-").tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let script = path.to_str().expect("text").to_owned();
        let place = dir.path().display();
        let text = format!("#!/bin/sh\nDIR={place}\necho \"$@\" >> $DIR/calls\n{lines}\n");
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        let sentinel = Program::sentinel(
            Kind::Ours,
            "sentinel monitor mm 127.0.0.1 1 1\n\
             sentinel down-after-milliseconds mm 3600000\n\
             sentinel deny-scripts-reconfig no\n",
        );
        let mut events = sentinel.client();
        events.call(&["PSUBSCRIBE", "-script-*"]);
        Self { sentinel, script, dir, events }
    }

    /// Each event from now on has the script run; `SENTINEL SET` is the first.
    fn notify(&self, settings: &[&[&str]]) {
        let mut client = self.sentinel.client();
        for words in settings {
            client.ok(&[&["SENTINEL", "DEBUG"], *words].concat());
        }
        client.ok(&["SENTINEL", "SET", "mm", "notification-script", &self.script]);
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Channel and text of the next event of a script.
    fn next_event(&mut self) -> String {
        let Answer::Array(parts) = self.events.next_answer().expect("an event") else {
            panic!("no message")
        };
        let [_, _, Answer::Bulk(event), Answer::Bulk(text)] = parts.as_slice() else {
            panic!("no message: {parts:?}")
        };
        [event, text].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join(" ")
    }

    fn info(&self, field: &str) -> String {
        let info = self.sentinel.client().text(&["INFO", "sentinel"]);
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.expect("a field of INFO").to_owned()
    }
}

/// Pauses between tries begin with this many ms here, not with 30 s.
const SOON: [&str; 2] = ["SCRIPT-RETRY-DELAY", "2"];

/// The numbers of the descriptors in a list by `ls -l /proc/self/fd`. What `ls` opens itself is that
/// directory.
fn descriptors(list: &str) -> Vec<&str> {
    let entries = list.lines().filter_map(|line| line.split_once(" -> "));
    entries
        .filter(|(_, to)| !to.ends_with("/fd"))
        .filter_map(|(fd, _)| fd.rsplit(' ').next())
        .collect()
}

#[test]
fn a_script_is_given_the_event_and_no_descriptor_of_the_sentinel() {
    let mut desk = Desk::new("ls -l /proc/self/fd > $DIR/open; exit 2");
    desk.notify(&[]);
    assert_eq!(desk.next_event(), format!("-script-error {} 0 2", desk.script));
    let told = format!("+set master mm 127.0.0.1 1 notification-script {}", desk.script);
    assert_eq!(desk.calls(), [told]);
    let open = fs::read_to_string(desk.dir.path().join("open")).expect("a list");
    // Any child of this test has what was open before it began, and the standard streams.
    let ours = Command::new("ls").args(["-l", "/proc/self/fd"]).output().expect("ls runs");
    let ours = String::from_utf8_lossy(&ours.stdout);
    assert_eq!(descriptors(&open), descriptors(&ours));
}

#[test]
fn exit_code_1_is_tried_ten_times() {
    let mut desk = Desk::new("exit 1");
    desk.notify(&[&SOON]);
    assert_eq!(desk.next_event(), format!("-script-error {} 0 1", desk.script));
    assert_eq!(desk.calls().len(), 10);
}

#[test]
fn a_script_ended_by_a_signal_is_tried_ten_times() {
    let mut desk = Desk::new("kill -TERM $$; sleep 60");
    desk.notify(&[&SOON]);
    assert_eq!(desk.next_event(), format!("-script-error {} 15 0", desk.script));
    assert_eq!(desk.calls().len(), 10);
}

#[test]
fn what_cannot_be_run_is_an_exit_code_of_2() {
    let mut desk = Desk::new("exit 0");
    fs::write(&desk.script, "#!/no/such/shell\n").expect("a script");
    desk.notify(&[]);
    assert_eq!(desk.next_event(), format!("-script-error {} 0 2", desk.script));
}

#[test]
fn a_script_that_takes_too_long_is_killed_and_tried_again() {
    let mut desk = Desk::new("[ -e $DIR/again ] && exit 0; touch $DIR/again; exec sleep 600");
    desk.notify(&[&SOON, &["SCRIPT-MAX-RUNTIME", "300"]]);
    let told = desk.next_event();
    assert!(told.starts_with(&format!("-script-timeout {} ", desk.script)), "{told}");
    eventually("the second try", || desk.calls().len() == 2);
    eventually("an empty queue", || desk.info("sentinel_scripts_queue_length") == "0");
}

#[test]
fn sixteen_scripts_run_at_once_and_the_others_wait() {
    let desk = Desk::new("while ! [ -e $DIR/go ]; do sleep 0.05; done");
    desk.notify(&[]);
    let mut client = desk.sentinel.client();
    for n in 0..30 {
        client.ok(&["SENTINEL", "SET", "mm", "quorum", &(n + 1).to_string()]);
    }
    eventually("scripts that run", || desk.calls().len() == 16);
    assert_eq!(desk.info("sentinel_running_scripts"), "16");
    assert_eq!(desk.info("sentinel_scripts_queue_length"), "31");
    fs::write(desk.dir.path().join("go"), "").expect("a file");
    eventually("all of them", || desk.calls().len() == 31);
    eventually("an empty queue", || desk.info("sentinel_scripts_queue_length") == "0");
}
