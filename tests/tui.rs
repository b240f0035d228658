//! The screen in a real terminal: the binary, a pseudo-terminal, keys in and characters out.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::expect_used, reason = "a test that cannot begin has failed")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kit::{Kind, Program};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

/// Nothing here takes longer, unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ports of the default topology: four servers and three Sentinels.
const PORTS: [u16; 7] = [6401, 6402, 6403, 6404, 26401, 26402, 26403];

/// The binary on a terminal of its own. Whatever becomes of the test, the process ends with it.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    pty: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    shown: Arc<Shown>,
}

/// What the terminal shows, and whether the process still can change it.
struct Shown {
    state: Mutex<(Parser, bool)>,
    changed: Condvar,
}

impl Terminal {
    /// Starts `replab` with these arguments on a terminal of so many columns and rows.
    fn start(args: &[&str], columns: u16, rows: u16, state_dir: &Path) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        let child = pair.slave.spawn_command(replab(args, state_dir)).expect("replab starts");
        // With the last copy of the far end the reader below comes to its end.
        drop(pair.slave);
        let parser = Parser::new(cells(rows), cells(columns), 0);
        let shown = Arc::new(Shown { state: Mutex::new((parser, true)), changed: Condvar::new() });
        let reader = pair.master.try_clone_reader().expect("what the terminal shows");
        let screen = Arc::clone(&shown);
        std::thread::spawn(move || screen.follow(reader));
        let keys = pair.master.take_writer().expect("a keyboard");
        Self { child, pty: pair.master, keys, shown }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.shown.state().0.screen_mut().set_size(cells(rows), cells(columns));
        self.pty.resize(size(columns, rows)).expect("the terminal can be resized");
    }

    /// Waits until the screen is so. A frame comes in pieces: whatever is asked of one screen is
    /// asked together.
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        self.shown.until(what, |parser, _| is_so(&parser.screen().contents()));
    }

    /// Waits until the screen has all of these texts.
    #[track_caller]
    fn sees(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |screen| texts.iter().all(|text| screen.contains(text)));
    }

    /// Waits until the process has ended, and gives its exit code and the terminal it left.
    #[track_caller]
    fn end(mut self) -> (u32, Parser) {
        self.shown.until("the end", |_, runs| !runs);
        let code = self.child.wait().expect("its exit code").exit_code();
        let mut state = self.shown.state();
        (code, std::mem::take(&mut state.0))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shown {
    fn state(&self) -> MutexGuard<'_, (Parser, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, mut reader: Box<dyn Read + Send>) {
        let mut bytes = [0; 4096];
        // A pseudo-terminal whose process is gone gives an error instead of an end.
        while let Ok(read @ 1..) = reader.read(&mut bytes) {
            self.state().0.process(&bytes[..read]);
            self.changed.notify_all();
        }
        self.state().1 = false;
        self.changed.notify_all();
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Parser, bool) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !is_so(&state.0, state.1) {
            let left = until.saturating_duration_since(Instant::now());
            let text = || state.0.screen().contents();
            assert!(!left.is_zero(), "{what} did not come within {PATIENCE:?}:\n{}", text());
            assert!(state.1, "replab ended before {what} came:\n{}", text());
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// The binary with these arguments, in an environment that is the same everywhere.
fn replab(args: &[&str], state_dir: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_replab"));
    command.args(args);
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    command.env("XDG_STATE_HOME", state_dir);
    command.cwd(state_dir);
    command.env_remove("NO_COLOR");
    command
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a size")
}

/// What must be added to the ports of the default topology so that all are free.
fn free_offset() -> String {
    let offset = (0..1000).find_map(|_| {
        let last = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let offset = last.checked_sub(PORTS[6])?;
        let all = PORTS.map(|port| TcpListener::bind(("127.0.0.1", port + offset)).ok());
        all.iter().all(Option::is_some).then_some(offset)
    });
    offset.expect("seven free ports").to_string()
}

/// The line of the screen that has this text.
fn line<'a>(screen: &'a str, text: &str) -> &'a str {
    screen.lines().find(|line| line.contains(text)).unwrap_or_default()
}

#[test]
fn a_person_breaks_and_mends_a_lab_with_keys_and_leaves_the_terminal_as_it_was() {
    let state = tempfile::tempdir().expect("a directory");
    let offset = free_offset();
    let mut terminal = Terminal::start(&["--port-offset", &offset], 120, 36, state.path());

    terminal.sees(&["welcome to replab", "Enter begins"]);
    terminal.press("\r");
    terminal.until("four servers, linked, and three Sentinels content", |screen| {
        let (links, content) = (screen.matches("│ ● up"), screen.matches("alpha ok"));
        let is_whole = screen.contains("PRIMARY") && !screen.contains("welcome");
        is_whole && links.count() == 3 && content.count() == 3
    });

    terminal.press("K");
    terminal.press("/kill\r");
    terminal.sees(&["✗ DEAD", "/kill", "kill alpha", "SIGKILL"]);
    terminal.press("\u{1b}");
    terminal.until("no filter", |screen| !screen.contains("/kill"));
    terminal.sees(&["NEW: where time went", "PRIMARY"]);
    terminal.press("t");
    terminal.sees(&["detect", "agree", "elect", "promote", "tell", "✓ complete"]);
    terminal.press("t");
    terminal.until("no table", |screen| !screen.contains("✓ complete"));
    terminal.press("r");
    terminal.until("a new primary with three behind it, the old one among them", |screen| {
        let (links, replicas) = (screen.matches("│ ● up"), screen.matches("REPLICA"));
        links.count() == 3 && replicas.count() >= 3 && !screen.contains("DEAD")
    });

    terminal.press("1x");
    terminal.sees(&["╳ cut", "x heal"]);
    terminal.press("x");
    terminal.until("no cut", |screen| screen.contains("x cut") && !screen.contains("╳ cut"));

    terminal.press("2i");
    terminal.sees(&["keys of bravo", "a snapshot of", "w:1 "]);
    terminal.press("/w:1?\r");
    terminal.sees(&["keys fit w:1?", "w:17"]);
    terminal.press("\u{1b}D");
    terminal.sees(&["offset", "equal", "link ● up"]);
    terminal.press("\u{1b}");
    terminal
        .until("the map again", |screen| screen.contains("PRIMARY") && !screen.contains("equal"));

    terminal.press("?");
    terminal.sees(&["kill the node: SIGKILL", "replid2"]);
    terminal.press("?");
    terminal.until("no help", |screen| !screen.contains("kill the node: SIGKILL"));

    terminal.press(":wri");
    terminal.sees(&[":wri", "Tab completes"]);
    terminal.press("\t7/s\r");
    terminal.until("the new rate", |screen| line(screen, "acked").contains("writes 7/s"));

    terminal.resize(80, 24);
    terminal.until("all of it at 80x24", |screen| {
        let last = screen.lines().last().unwrap_or_default();
        screen.lines().count() == 24 && screen.contains("alpha") && last.contains("q quit")
    });
    terminal.resize(50, 12);
    terminal.sees(&["terminal too small", "(50x12, need 60x16)"]);
    terminal.resize(120, 36);
    terminal.sees(&["charlie", "q quit"]);

    terminal.press("q");
    let (code, left) = terminal.end();
    let screen = left.screen();
    assert_eq!(code, 0, "{}", screen.contents());
    assert!(!screen.alternate_screen(), "the alternate screen was left");
    assert!(!screen.hide_cursor(), "the cursor is shown");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

#[test]
fn a_terminal_that_goes_away_takes_the_lab_with_it() {
    let state = tempfile::tempdir().expect("a directory");
    let pair = native_pty_system().openpty(size(80, 24)).expect("a pseudo-terminal");
    let command = replab(&["--port-offset", &free_offset()], state.path());
    let mut child = pair.slave.spawn_command(command).expect("replab starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("what the terminal shows");
    let (mut parser, mut bytes) = (Parser::new(cells(24), cells(80), 0), [0; 4096]);
    while !parser.screen().contents().contains("welcome to replab") {
        let read = reader.read(&mut bytes).expect("the terminal shows something");
        parser.process(&bytes[..read]);
    }
    // With the last descriptor of this end the terminal hangs up.
    drop((reader, pair.master));
    let until = Instant::now() + PATIENCE;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > until {
            child.kill().expect("a child that runs");
            panic!("replab goes on without a terminal");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_real_replica_and_a_real_sentinel_are_shown_and_cannot_be_broken() {
    let state = tempfile::tempdir().expect("a directory");
    let offset = free_offset();
    let alpha = PORTS[0] + offset.parse::<u16>().expect("a number");
    let mut terminal = Terminal::start(&["--port-offset", &offset], 120, 36, state.path());
    terminal.sees(&["welcome to replab"]);
    terminal.press("\r");
    terminal.until("Sentinels that are content", |s| s.matches("alpha ok").count() == 3);

    let replica = Program::server(Kind::Real, &["--replicaof", "127.0.0.1", &alpha.to_string()]);
    let watch = format!("sentinel monitor mymaster 127.0.0.1 {alpha} 2\n");
    let sentinel = Program::sentinel(Kind::Real, &watch);
    let address = format!(":{} ", replica.port());
    terminal.sees(&["OUTSIDE", &address, "in step", "quorum 2/3 + 1 outside"]);

    terminal.press("jll");
    terminal.until("its sheet", |screen| screen.contains("Sentinels may promote it"));
    terminal.press("K");
    terminal.sees(&["kill does not apply to", "it is outside the lab, which only watches it"]);

    terminal.press(":expect alpha outside-replicas=1 outside-sentinels=1\r");
    terminal.press(":expect mymaster outside-sentinels=1\r");
    terminal.press("/as expected\r");
    terminal.sees(&["as expected: alpha outside", "as expected: mymaster outside"]);

    drop(replica);
    terminal.sees(&["OUTSIDE", "○ lost"]);
    drop(sentinel);
    terminal.press("q");
    assert_eq!(terminal.end().0, 0);
}

/// A lab of one server, on a terminal whose directory has its file.
fn lab_of_one(dir: &Path) -> Terminal {
    let file = "title = \"Mine\"\n[servers.solo]\n";
    std::fs::write(dir.join("mine.toml"), file).expect("a file");
    let mut terminal = Terminal::start(&["mine.toml"], 80, 24, dir);
    terminal.sees(&["welcome to replab"]);
    terminal.press("\r");
    terminal.sees(&["solo", "PRIMARY"]);
    terminal
}

#[test]
fn a_lab_is_launched_anew_or_another_one_from_the_screen() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = "[servers.alpha]\nreplicaof = \"bravo\"\n";
    std::fs::write(dir.path().join("broken.toml"), file).expect("a file");
    let file = "title = \"Two\"\n[servers.one]\n[servers.two]\nreplicaof = \"one\"\n";
    std::fs::write(dir.path().join("two.toml"), file).expect("a file");
    let mut terminal = lab_of_one(dir.path());

    terminal.press("K");
    terminal.sees(&["✗ DEAD"]);
    terminal.press("o");
    terminal.sees(&["launch a lab", "wait-is-not-consensus", "broken.toml", "▶ mine.toml"]);
    terminal.press("\r");
    terminal.until("the same lab anew", |s| s.contains("PRIMARY") && !s.contains("DEAD"));

    terminal.press("obroken");
    terminal.sees(&["/broken", "has mistakes; Enter shows them"]);
    terminal.press("\r");
    terminal.sees(&["not launched", "broken.toml:2", "The lab that ran goes on."]);
    terminal.press("\u{1b}");
    terminal.until("the lab that ran", |s| s.contains("solo") && !s.contains("not launched"));

    terminal.press(":launch two.toml\r");
    terminal.sees(&["Two", "one", "two", "REPLICA", "● up"]);
    terminal.press("q");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn what_happened_is_written_to_a_file_and_over_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut terminal = lab_of_one(dir.path());
    terminal.press("K");
    terminal.sees(&["✗ DEAD"]);
    terminal.press("E");
    terminal.sees(&["what happened is written in mine-1.md"]);
    terminal.press(":export\r");
    terminal.sees(&["what happened is written in mine-2.md"]);
    terminal.press(":export mine-1.md\r");
    terminal.sees(&["nothing is written: mine-1.md is there already"]);
    terminal.press("q");
    assert_eq!(terminal.end().0, 0);
    let account = std::fs::read_to_string(dir.path().join("mine-1.md")).expect("an account");
    assert!(account.starts_with("# Mine\n"), "{account}");
    assert!(account.contains("| solo | kill solo |"), "{account}");
}
