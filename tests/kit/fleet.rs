//! A primary, its replicas and the Sentinels that watch it, each a process of its own, and what the
//! Sentinels tell.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use replab::resp::Answer;

use super::program::Program;
use super::{Client, Kind, Wire, eventually};

/// How a fleet is set up.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub kind: Kind,
    pub replicas: usize,
    pub sentinels: usize,
    pub quorum: usize,
    pub down_after: Duration,
    pub failover_timeout: Duration,
    /// Whether Sentinels reach each other by [`Fleet::wires`].
    pub is_wired: bool,
}

impl Plan {
    /// Two replicas, three Sentinels, two of which must agree.
    pub fn new(kind: Kind, down_after: Duration) -> Self {
        Self {
            kind,
            replicas: 2,
            sentinels: 3,
            quorum: 2,
            down_after,
            failover_timeout: Duration::from_secs(3),
            is_wired: false,
        }
    }
}

/// An event that a Sentinel published.
#[derive(Debug, Clone)]
pub struct Heard {
    pub at: Instant,
    /// Which Sentinel.
    pub sentinel: usize,
    pub event: String,
    pub text: String,
}

type Log = Arc<Mutex<Vec<Heard>>>;

/// A fleet at work.
pub struct Fleet {
    pub plan: Plan,
    servers: Vec<Program>,
    sentinels: Vec<Program>,
    /// The ways by which Sentinels reach each other.
    wires: Vec<Wire>,
    log: Log,
}

impl Fleet {
    /// Starts everything, and waits until everybody knows everybody.
    pub fn start(plan: Plan) -> Self {
        let primary = Program::server(plan.kind, &[]);
        let port = primary.port().to_string();
        let replica = |_| Program::server(plan.kind, &["--replicaof", "127.0.0.1", &port]);
        let replicas: Vec<_> = (0..plan.replicas).map(replica).collect();
        let servers = std::iter::once(primary).chain(replicas).collect();
        let mut fleet =
            Self { plan, servers, sentinels: Vec::new(), wires: Vec::new(), log: Log::default() };
        fleet.await_links();
        for index in 0..plan.sentinels {
            let wire = plan.is_wired.then(Wire::to_nobody);
            let file = plan.file(&port, wire.as_ref().map(Wire::port));
            let sentinel = Program::sentinel(plan.kind, &file);
            wire.iter().for_each(|wire| wire.lead_to(sentinel.port()));
            listen(index, &sentinel, Arc::clone(&fleet.log));
            fleet.sentinels.push(sentinel);
            fleet.wires.extend(wire);
        }
        fleet.settle();
        fleet
    }

    /// The Sentinels' ports.
    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(Program::port).collect()
    }

    /// The ways by which Sentinels reach each other.
    pub fn wires(&self) -> &[Wire] {
        &self.wires
    }

    /// Asks every Sentinel.
    pub fn ask_all(&self, words: &[&str]) -> Vec<Answer> {
        self.sentinels.iter().map(|sentinel| sentinel.client().call(words)).collect()
    }

    /// The server that all Sentinels name.
    pub fn primary(&self) -> Option<u16> {
        let mut named = self.sentinel_ports().into_iter().map(primary_of);
        let first = named.next()??;
        named.all(|port| port == Some(first)).then_some(first)
    }

    /// SIGKILL to the primary. When, and its port.
    pub fn kill_primary(&mut self) -> (Instant, u16) {
        let port = self.primary().expect("Sentinels that agree");
        let primary = self.servers.iter_mut().find(|server| server.port() == port);
        let at = Instant::now();
        primary.expect("a server of this fleet").kill();
        (at, port)
    }

    /// Starts a killed server again, as a replica, and waits until all is well.
    pub fn restore(&mut self, killed: u16) {
        eventually("one primary", || self.primary().is_some_and(|port| port != killed));
        let primary = self.primary().expect("Sentinels that agree");
        let server = self.servers.iter_mut().find(|server| server.port() == killed);
        server.expect("a server of this fleet").return_as_replica_of(primary);
        self.settle();
    }

    /// What the Sentinels told since then.
    pub fn heard_since(&self, at: Instant) -> Vec<Heard> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|heard| heard.at >= at).cloned().collect()
    }

    /// Waits until an event was told by so many Sentinels since then.
    pub fn await_event(&self, event: &str, by: usize, since: Instant) -> Vec<Heard> {
        let mut told = Vec::new();
        eventually(event, || {
            told = self.heard_since(since);
            told.retain(|heard| heard.event == event);
            let mut who: Vec<_> = told.iter().map(|heard| heard.sentinel).collect();
            who.sort_unstable();
            who.dedup();
            who.len() >= by
        });
        told
    }

    fn await_links(&self) {
        eventually("replicas that are up", || {
            let info = self.servers[0].client().text(&["INFO", "replication"]);
            info.matches("state=online").count() == self.plan.replicas
        });
    }

    /// Waits until every Sentinel sees one good primary, good replicas and good Sentinels.
    pub fn settle(&self) {
        let is_good = |fields: &BTreeMap<String, String>, role: &str| {
            fields["flags"] == role && fields.get("master-link-status").is_none_or(|s| s == "ok")
        };
        let all_good = |words: &[&str], role: &str, count: usize| {
            self.ask_all(words).iter().all(|answer| {
                let all = instances(answer);
                all.len() == count && all.iter().all(|fields| is_good(fields, role))
            })
        };
        eventually("a fleet at rest", || {
            let (replicas, peers) = (self.plan.replicas, self.plan.sentinels - 1);
            self.primary().is_some()
                && all_good(&["SENTINEL", "MASTERS"], "master", 1)
                && all_good(&["SENTINEL", "REPLICAS", "mm"], "slave", replicas)
                && all_good(&["SENTINEL", "SENTINELS", "mm"], "sentinel", peers)
        });
    }
}

impl Plan {
    fn file(&self, primary: &str, announced: Option<u16>) -> String {
        let (quorum, d) = (self.quorum, self.down_after.as_millis());
        let timeout = self.failover_timeout.as_millis();
        let mut text = format!(
            "sentinel monitor mm 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds mm {d}\nsentinel failover-timeout mm {timeout}\n"
        );
        if let Some(port) = announced {
            text.push_str("sentinel announce-ip 127.0.0.1\n");
            text.push_str(&format!("sentinel announce-port {port}\n"));
        }
        text
    }
}

/// Whom a Sentinel names.
pub fn primary_of(sentinel: u16) -> Option<u16> {
    let mut client = Client::connect(sentinel).ok()?;
    port_in(&client.try_call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]).ok()?)
}

/// The port in an answer that is an address.
pub fn port_in(answer: &Answer) -> Option<u16> {
    let Answer::Array(parts) = answer else { return None };
    let [_, Answer::Bulk(port)] = parts.as_slice() else { return None };
    std::str::from_utf8(port).ok()?.parse().ok()
}

/// A list of maps, each as text by name.
fn instances(answer: &Answer) -> Vec<BTreeMap<String, String>> {
    let text = |answer: &Answer| match answer {
        Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.to_string(),
    };
    let Answer::Array(all) = answer else { return Vec::new() };
    let fields = |instance: &Answer| match instance {
        Answer::Array(fields) => {
            fields.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
        }
        _ => BTreeMap::new(),
    };
    all.iter().map(fields).collect()
}

/// Notes whatever a Sentinel publishes, as long as it lives.
fn listen(index: usize, sentinel: &Program, log: Log) {
    let mut client = sentinel.client();
    client.call(&["PSUBSCRIBE", "*"]);
    client.wait_for_ever();
    std::thread::spawn(move || {
        while let Ok(answer) = client.next_answer() {
            let at = Instant::now();
            let Answer::Array(parts) = answer else { continue };
            if let [_, _, Answer::Bulk(event), Answer::Bulk(text)] = parts.as_slice() {
                let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let heard = Heard { at, sentinel: index, event: words(event), text: words(text) };
                log.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
            }
        }
    });
}
