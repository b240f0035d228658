//! Clients as applications use them: they find the primary through Sentinels of ours, and when it
//! is killed they go on by themselves with the next one.
//!
//! Those in Python and JavaScript are installed from their registries, once, below `target`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kit::{Client, Fleet, Kind, Plan, eventually};
use redis::Commands;
use redis::sentinel::{SentinelClient, SentinelServerType};
use replab::resp::Answer;

const REQUIREMENTS: &str = include_str!("clients/requirements.txt");
const PACKAGES: &str = include_str!("clients/package.json");

/// Writes that must be seen before something is believed.
const MANY: i64 = 20;

/// A fleet of ours, and the key in which a client counts.
struct Count {
    fleet: Fleet,
    key: &'static str,
}

impl Count {
    fn begin(key: &'static str) -> Self {
        let fleet = Fleet::start(Plan::new(Kind::Ours, Duration::from_millis(1000)));
        Self { fleet, key }
    }

    fn at(&self, port: u16) -> i64 {
        match Client::connect(port).expect("a connection").call(&["GET", self.key]) {
            Answer::Bulk(digits) => String::from_utf8_lossy(&digits).parse().expect("a number"),
            _ => 0,
        }
    }

    fn goes_on(&self, port: u16) {
        let seen = self.at(port);
        eventually("writes", || self.at(port) >= seen + MANY);
    }

    /// The client counts; it goes on counting when the primary is killed.
    fn survives_a_kill(&mut self) {
        self.goes_on(self.fleet.primary().expect("Sentinels that agree"));
        let (_, killed) = self.fleet.kill_primary();
        eventually("a switch", || self.fleet.primary().is_some_and(|port| port != killed));
        self.goes_on(self.fleet.primary().expect("Sentinels that agree"));
    }
}

/// A client's program. It ends when it is dropped, and says what it printed if the test failed.
struct Program {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Program {
    fn start(mut command: Command, script: &str, sentinels: &[u16]) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let output = || Stdio::from(log.reopen().expect("a file"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script));
        command.args(sentinels.iter().map(u16::to_string));
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            println!("{}", fs::read_to_string(self.log.path()).unwrap_or_default());
        }
    }
}

/// The folder in which packages are installed, which is done once for all runs.
fn installed(name: &str, packages: &str, install: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name);
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|text| text == packages) {
        return folder;
    }
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("a folder");
    install(&folder);
    fs::write(done, packages).expect("a file");
    folder
}

fn run(program: impl AsRef<std::ffi::OsStr>, args: &[&str], folder: &Path) {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder);
    let output = command.output().unwrap_or_else(|error| {
        panic!("the clients' tests need python3 (with venv), node and npm: {command:?}: {error}")
    });
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{words}", output.status);
}

fn python() -> Command {
    let folder = installed("python", REQUIREMENTS, |folder| {
        fs::write(folder.join("requirements.txt"), REQUIREMENTS).expect("a file");
        run("python3", &["-m", "venv", "venv"], folder);
        let quietly = ["install", "--quiet", "--disable-pip-version-check"];
        run(
            folder.join("venv/bin/pip"),
            &[&quietly[..], &["-r", "requirements.txt"]].concat(),
            folder,
        );
    });
    Command::new(folder.join("venv/bin/python"))
}

fn node() -> Command {
    let folder = installed("node", PACKAGES, |folder| {
        fs::write(folder.join("package.json"), PACKAGES).expect("a file");
        run("npm", &["install", "--no-audit", "--no-fund"], folder);
    });
    let mut command = Command::new("node");
    command.env("NODE_PATH", folder.join("node_modules"));
    command
}

#[test]
fn redis_py_goes_on_with_the_new_primary() {
    let mut count = Count::begin("redis-py");
    let _client = Program::start(python(), "redis_py.py", &count.fleet.sentinel_ports());
    count.survives_a_kill();
}

#[test]
fn ioredis_goes_on_with_the_new_primary() {
    let mut count = Count::begin("ioredis");
    let _client = Program::start(node(), "ioredis.cjs", &count.fleet.sentinel_ports());
    count.survives_a_kill();
}

#[test]
fn node_redis_goes_on_with_the_new_primary() {
    let mut count = Count::begin("node-redis");
    let _client = Program::start(node(), "node_redis.cjs", &count.fleet.sentinel_ports());
    count.survives_a_kill();
}

#[test]
fn redis_rs_goes_on_with_the_new_primary() {
    let mut count = Count::begin("redis-rs");
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, ports) = (Arc::clone(&is_over), count.fleet.sentinel_ports());
    let client = thread::spawn(move || count_with_redis_rs(&ports, "redis-rs", &over));
    count.survives_a_kill();
    is_over.store(true, Ordering::SeqCst);
    client.join().expect("a client that did not panic");
}

fn count_with_redis_rs(sentinels: &[u16], key: &str, over: &AtomicBool) {
    let urls = sentinels.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
    let primary = SentinelServerType::Master;
    let mut sentinel =
        SentinelClient::build(urls, "mm".to_owned(), None, primary).expect("addresses");
    while !over.load(Ordering::SeqCst) {
        if let Ok(mut connection) = sentinel.get_connection() {
            while !over.load(Ordering::SeqCst) && connection.incr::<_, _, i64>(key, 1).is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}
