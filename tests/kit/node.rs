//! A node, real or own.

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use replab::keyspace::{DATABASES_DEFAULT, value_digest};
use replab::live::LiveWorld;
use replab::persist::rdb::Decoder;
use replab::resp::Answer;
use replab::server::{Config, Server};
use replab::world::{NodeId, NodeSpec, World, WorldEvent};
use tempfile::TempDir;

use super::data::{FEW_KEYS, fetch};
use super::{Client, Data, comes_true, eventually};

/// Whose code a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// redis-server on the PATH.
    Real,
    /// This crate's.
    Ours,
}

/// What every node of these tests is told before anything else.
const SETTINGS: [(&str, &str); 5] = [
    ("enable-debug-command", "yes"),
    ("save", ""),
    ("repl-diskless-sync-delay", "0"),
    ("repl-backlog-size", "64mb"),
    ("repl-timeout", "60"),
];

/// A node with a directory of its own. It ends when it is dropped.
pub struct Node {
    kind: Kind,
    port: u16,
    /// `requirepass`
    password: Option<String>,
    run: Run,
    /// Shared with whoever goes on with it.
    dir: Arc<TempDir>,
}

enum Run {
    Real(Process),
    Ours(Box<LiveWorld>, NodeId),
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where a node stands in replication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub is_replica: bool,
    pub is_link_up: bool,
    pub replid: String,
    /// Empty if there is none.
    pub replid2: String,
    pub offset: u64,
    pub online_replicas: usize,
    pub sync_full: u64,
    pub sync_partial_ok: u64,
}

impl Node {
    /// An empty node with these directives.
    pub fn start(kind: Kind, settings: &[(&str, &str)]) -> Self {
        Self::start_with(kind, settings, None)
    }

    /// A node that begins with some keys.
    pub fn filled(kind: Kind, settings: &[(&str, &str)]) -> Self {
        Self::start_with(kind, settings, Some(&FEW_KEYS))
    }

    /// A node that finds this snapshot file.
    pub fn start_with(kind: Kind, settings: &[(&str, &str)], rdb: Option<&[u8]>) -> Self {
        let dir =
            tempfile::Builder::new().prefix("replab-interop-").tempdir().expect("a directory");
        if let Some(rdb) = rdb {
            std::fs::write(dir.path().join("dump.rdb"), rdb).expect("a dump");
        }
        Self::start_in(Arc::new(dir), kind, settings)
    }

    /// A node that goes on with what another one left.
    pub fn start_in(dir: Arc<TempDir>, kind: Kind, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
        let (port, run) = match kind {
            Kind::Real => start_real(dir.path(), &settings),
            Kind::Ours => start_ours(dir.path(), &settings),
        };
        let password = settings.iter().find(|(name, _)| *name == "requirepass");
        let password = password.map(|(_, value)| (*value).to_owned());
        let node = Self { kind, port, password, run, dir };
        node.await_ready();
        node
    }

    /// Whose code it runs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.port).expect("a connection");
        if let Some(password) = &self.password {
            client.ok(&["AUTH", password]);
        }
        client
    }

    /// Makes it follow whatever listens on a port.
    pub fn follow(&self, port: u16) {
        self.client().ok(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    }

    /// Makes it a primary.
    pub fn promote(&self) {
        self.client().ok(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        state_of_info(&self.client().text(&["INFO"]))
    }

    /// All its data.
    pub fn data(&self) -> Data {
        let mut told = String::new();
        let mut data = Data::default();
        // Keys may expire between the two.
        let agree = comes_true(Duration::from_secs(20), || {
            told = self.client().text(&["DEBUG", "DIGEST"]);
            data = fetch(&mut self.client());
            data.digest == told
        });
        let kind = self.kind;
        assert!(
            agree,
            "DEBUG DIGEST of {kind:?} is {told}, its snapshot {data:?}{}",
            self.beside()
        );
        data
    }

    /// Some keys whose values are others in a snapshot, or not there.
    fn beside(&self) -> String {
        let mut client = self.client();
        client.ok(&["SAVE"]);
        let mut decoder = Decoder::new(None);
        decoder.feed(&std::fs::read(self.dir().join("dump.rdb")).expect("a dump")).expect("RDB");
        let saved = decoder.finish().expect("a whole RDB").keyspace;
        let mut differing = Vec::new();
        for db in 0..saved.databases() {
            client.ok(&["SELECT", &db.to_string()]);
            let Answer::Array(keys) = client.call(&["KEYS", "*"]) else { panic!("no keys") };
            for key in keys {
                let Answer::Bulk(key) = key else { panic!("no key: {key}") };
                let held = client.call(&[&b"DEBUG"[..], b"DIGEST-VALUE", &key]);
                let (value, expiry) = saved.db(db).get_with_expiry(&key).unzip();
                let digest = value_digest(value, expiry.flatten().is_some());
                if !held.to_string().contains(&digest) {
                    let payload = client.call(&[&b"DUMP"[..], &key]);
                    differing
                        .push(format!("\n{db} {} {held} {digest}: {payload}", key.escape_ascii()));
                }
            }
        }
        differing.truncate(5);
        differing.concat()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        match &mut self.run {
            Run::Real(process) => {
                drop(process.0.kill());
                drop(process.0.wait());
            }
            Run::Ours(world, node) => world.kill(*node),
        }
    }

    /// Ends it in order, with a snapshot, and returns that.
    pub fn save_and_end(self) -> Vec<u8> {
        let dir = self.shut_down("SAVE");
        std::fs::read(dir.path().join("dump.rdb")).expect("a dump")
    }

    /// Ends it in order, without a snapshot, and returns its directory.
    pub fn end(self) -> Arc<TempDir> {
        self.shut_down("NOSAVE")
    }

    fn shut_down(mut self, how: &str) -> Arc<TempDir> {
        // The reply to SHUTDOWN is the end of the connection.
        let answer = self.client().try_call(&["SHUTDOWN", how]);
        assert!(answer.is_err(), "SHUTDOWN: {answer:?}");
        match &mut self.run {
            Run::Real(process) => drop(process.0.wait()),
            Run::Ours(..) => eventually("the end", || Client::connect(self.port).is_err()),
        }
        Arc::clone(&self.dir)
    }

    fn await_ready(&self) {
        eventually("a node that answers", || {
            Client::connect(self.port).and_then(|mut client| client.try_call(&["PING"])).is_ok_and(
                |answer| match answer {
                    Answer::Error(text) => !text.starts_with("LOADING"),
                    _ => true,
                },
            )
        });
    }

    fn last_words(&mut self) -> String {
        match &mut self.run {
            Run::Real(_) => {
                std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
            }
            Run::Ours(world, _) => {
                let mut lines = String::new();
                while let Some(event) = world.poll(0) {
                    match event {
                        WorldEvent::Log { text, .. } => lines.push_str(&text),
                        other => lines.push_str(&format!("{other:?}")),
                    }
                    lines.push('\n');
                }
                lines
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (kind, port, words) = (self.kind, self.port, self.last_words());
            let lines: Vec<_> = words.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n    ");
            println!("{kind:?} on port {port}:\n    {last}");
        }
    }
}

/// The data of nodes that should be equal, once they are equally far and nothing is about to
/// expire.
#[track_caller]
pub fn assert_same_data(nodes: &[&Node]) -> Data {
    let mut offsets = Vec::new();
    let mut data = Vec::new();
    let are_equal = comes_true(Duration::from_secs(20), || {
        offsets = nodes.iter().map(|node| node.state().offset).collect();
        if offsets.windows(2).any(|pair| pair[0] != pair[1]) {
            return false;
        }
        data = nodes.iter().map(|node| node.data()).collect();
        data.windows(2).all(|pair| pair[0] == pair[1])
    });
    let first = data.remove(0);
    let others = data.iter().map(|other| first.expiries_beside(other)).collect::<Vec<_>>();
    assert!(
        are_equal,
        "offsets {offsets:?}, {first:?}, others {data:?}, expiries {others:?}{}",
        nodes[1..].iter().map(|other| values_beside(nodes[0], other)).collect::<String>()
    );
    first
}

/// Some keys of one node whose values are others in the other.
fn values_beside(one: &Node, other: &Node) -> String {
    let mut clients = [one.client(), other.client()];
    let mut differing = Vec::new();
    for db in 0..DATABASES_DEFAULT {
        for client in &mut clients {
            client.ok(&["SELECT", &db.to_string()]);
        }
        let Answer::Array(keys) = clients[0].call(&["KEYS", "*"]) else { panic!("no keys") };
        for key in keys {
            let Answer::Bulk(key) = key else { panic!("no key: {key}") };
            let mut ask = |words: &[&[u8]]| clients.each_mut().map(|client| client.call(words));
            let [mine, theirs] = ask(&[b"DEBUG", b"DIGEST-VALUE", &key]);
            if mine != theirs {
                let [mine, theirs] = ask(&[b"DUMP", &key]);
                differing.push(format!("\n{db} {}: {mine}\n{theirs}", key.escape_ascii()));
            }
        }
    }
    differing.truncate(5);
    differing.concat()
}

fn start_real(dir: &Path, settings: &[(&str, &str)]) -> (u16, Run) {
    for _ in 0..20 {
        let port = free_port();
        let log = File::create(dir.join("log")).expect("a log");
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(dir);
        for (name, value) in settings {
            command.arg(format!("--{name}")).args(words(value));
        }
        command.current_dir(dir).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("these tests need the real redis-server on the PATH: {e}"));
        let mut process = Process(child);
        let is_up = comes_true(Duration::from_secs(20), || {
            Client::connect(port).is_ok() || process.0.try_wait().is_ok_and(|ended| ended.is_some())
        });
        // It ends at once if somebody else was given the port meanwhile.
        if is_up && process.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            return (port, Run::Real(process));
        }
    }
    let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    panic!("redis-server does not start: {log}");
}

/// A directive's words as arguments; an empty one is a word too.
fn words(value: &str) -> Vec<&str> {
    if value.is_empty() { vec![""] } else { value.split(' ').collect() }
}

fn start_ours(dir: &Path, settings: &[(&str, &str)]) -> (u16, Run) {
    let settings: Vec<_> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = Config::from_directives(&settings).expect("known directives");
    let mut world = Box::new(LiveWorld::new(u64::from(std::process::id())).expect("a world"));
    let spec = NodeSpec {
        name: "ours".to_owned(),
        port: 0,
        dir: Some(PathBuf::from(dir)),
        build: Arc::new(move |birth| Box::new(Server::new(config.clone(), birth.port, birth.seed))),
    };
    let node = world.add(spec).expect("a node");
    world.start(node).expect("a running node");
    (world.port(node), Run::Ours(world, node))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn state_of_info(info: &str) -> State {
    let fields: HashMap<_, _> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let text = |name: &str| (*fields.get(name).unwrap_or(&"")).to_owned();
    let number = |name: &str| text(name).parse().unwrap_or(0);
    let is_replica = text("role") == "slave";
    State {
        is_replica,
        is_link_up: text("master_link_status") == "up",
        replid: text("master_replid"),
        replid2: Some(text("master_replid2"))
            .filter(|id| *id != "0".repeat(40))
            .unwrap_or_default(),
        offset: number("master_repl_offset"),
        online_replicas: info.lines().filter(|line| line.contains("state=online")).count(),
        sync_full: number("sync_full"),
        sync_partial_ok: number("sync_partial_ok"),
    }
}
