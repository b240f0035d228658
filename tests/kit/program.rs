//! Servers and Sentinels as processes, ours and the real ones alike.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use super::{Client, Kind, eventually};

/// A process with a port and a directory of its own. It ends when it is dropped.
pub struct Program {
    kind: Kind,
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Program {
    /// An empty server without save points.
    pub fn server(kind: Kind, settings: &[&str]) -> Self {
        let (port, dir) = (quiet_port(), directory());
        let child = start_server(kind, port, dir.path(), settings);
        Self { kind, child, port, dir }.ready()
    }

    /// A server with this redis.conf; else what it said before it ended.
    pub fn server_of(kind: Kind, file: &str, words: &[&str]) -> Result<Self, String> {
        let (port, dir) = (quiet_port(), directory());
        let path = dir.path().join("redis.conf");
        std::fs::write(&path, file).expect("a file");
        let mut command = command(kind, "server");
        command.arg(&path).args(words).args(["--port", &port.to_string()]);
        command.arg("--dir").arg(dir.path());
        if !file.contains("bind ") {
            command.args(["--bind", "127.0.0.1"]);
        }
        let child = spawn(command, dir.path());
        let mut program = Self { kind, child, port, dir };
        let mut ended = false;
        eventually("a program that answers or ends", || {
            ended = program.child.try_wait().expect("a process").is_some();
            ended || Client::connect(port).is_ok()
        });
        if !ended {
            return Ok(program.ready());
        }
        Err(std::fs::read_to_string(program.dir().join("log")).expect("a log"))
    }

    /// A Sentinel with this file.
    pub fn sentinel(kind: Kind, file: &str) -> Self {
        let (port, dir) = (quiet_port(), directory());
        let path = dir.path().join("sentinel.conf");
        std::fs::write(&path, file).expect("a file");
        let mut command = command(kind, "sentinel");
        command.arg(&path).args(["--port", &port.to_string()]);
        let child = spawn(command, dir.path());
        Self { kind, child, port, dir }.ready()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("a connection")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("its end");
    }

    /// A signal by its name: `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(sent.success(), "{name} to {pid}");
    }

    /// The exit code with which it ends.
    pub fn code(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("a program that ends", || {
            status = self.child.try_wait().expect("a process");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// Starts a killed server anew at its port, as a replica.
    pub fn return_as_replica_of(&mut self, primary: u16) {
        let follow = ["--replicaof", "127.0.0.1", &primary.to_string()];
        self.child = start_server(self.kind, self.port, self.dir.path(), &follow);
    }

    fn ready(mut self) -> Self {
        eventually("a program that answers", || {
            let ended = self.child.try_wait().expect("a process");
            assert!(ended.is_none(), "{:?} on port {}: {ended:?}", self.kind, self.port);
            Client::connect(self.port).and_then(|mut client| client.try_call(&["PING"])).is_ok()
        });
        self
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("replab-program-").tempdir().expect("a directory")
}

fn command(kind: Kind, role: &str) -> Command {
    match kind {
        Kind::Real => Command::new(format!("redis-{role}")),
        Kind::Ours => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_replab"));
            command.arg(role);
            command
        }
    }
}

fn start_server(kind: Kind, port: u16, dir: &Path, settings: &[&str]) -> Child {
    let mut command = command(kind, "server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--repl-diskless-sync-delay", "0", "--dir"]).arg(dir).args(settings);
    spawn(command, dir)
}

fn spawn(mut command: Command, dir: &Path) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    let errors = log.try_clone().expect("a log");
    command.current_dir(dir).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A free port from which the system gives none to outgoing connections: nobody takes it while its
/// server is dead, and nobody who dials it then meets itself.
fn quiet_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begun one after the other begin far from each other.
    let start = (u64::from(std::process::id()) * 7919 % u64::from(COUNT)) as u16;
    let ports = std::iter::repeat_with(|| {
        FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(usize::from(COUNT)).find(is_free).expect("a free port")
}
