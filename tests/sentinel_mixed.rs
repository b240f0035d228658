//! Our Sentinels and real ones in one quorum, over real servers and over ours.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::collections::BTreeMap;

use kit::Kind::{Ours, Real};
use kit::{Kind, Node, Program, eventually};
use replab::resp::Answer;
use replab::sentinel::Config;

/// A Sentinel of either kind.
struct Watcher(Program);

impl Watcher {
    fn start(kind: Kind, primary: u16, quorum: usize) -> Self {
        let text = format!(
            "# kept\nsentinel monitor mm 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds mm 1000\nsentinel failover-timeout mm 10000\n"
        );
        Self::from_text(kind, &text)
    }

    fn from_text(kind: Kind, text: &str) -> Self {
        Self(Program::sentinel(kind, text))
    }

    fn ask(&self, words: &[&str]) -> Answer {
        self.0.client().call(words)
    }

    fn primary(&self) -> String {
        self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]).to_string()
    }

    /// The instances of a list, each as its fields in order.
    fn instances(&self, words: &[&str]) -> Vec<Vec<(String, String)>> {
        let Answer::Array(all) = self.ask(words) else { panic!("no list: {words:?}") };
        let text = |answer: &Answer| match answer {
            Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("not a string: {other}"),
        };
        let mut all: Vec<Vec<_>> = all
            .iter()
            .map(|instance| {
                let Answer::Array(fields) = instance else { panic!("no map: {instance}") };
                fields.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
            })
            .collect();
        all.sort();
        all
    }

    fn knows(&self, replicas: usize, peers: usize) -> bool {
        self.instances(&["SENTINEL", "REPLICAS", "mm"]).len() == replicas
            && self.instances(&["SENTINEL", "SENTINELS", "mm"]).len() == peers
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.0.dir().join("sentinel.conf")).expect("a file")
    }
}

/// Fields whose values depend on the moment.
const MOMENTARY: [&str; 10] = [
    "link-pending-commands",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "info-refresh",
    "role-reported-time",
    "last-hello-message",
    "slave-repl-offset",
    "master-link-down-time",
    "link-refcount",
];

/// The same but for values of the moment.
fn lasting(all: Vec<Vec<(String, String)>>) -> Vec<Vec<(String, String)>> {
    let blank = |(name, value): (String, String)| {
        let value = if MOMENTARY.contains(&name.as_str()) { String::new() } else { value };
        (name, value)
    };
    all.into_iter().map(|fields| fields.into_iter().map(blank).collect()).collect()
}

fn fails_over(kinds: [Kind; 3], data: Kind) {
    let mut alpha = Node::start(data, &[]);
    let replicas = [Node::start(data, &[]), Node::start(data, &[])];
    for replica in &replicas {
        replica.follow(alpha.port());
        eventually("a link", || replica.state().is_link_up);
    }
    let watchers = kinds.map(|kind| Watcher::start(kind, alpha.port(), 2));
    eventually("acquaintance", || watchers.iter().all(|w| w.knows(2, 2)));
    let old = watchers[0].primary();
    alpha.kill();
    eventually("one new primary", || {
        let told: Vec<_> = watchers.iter().map(Watcher::primary).collect();
        told[0] != old && told.iter().all(|addr| *addr == told[0])
    });
    eventually("one primary, one replica", || {
        replicas.iter().filter(|r| r.state().is_replica && r.state().is_link_up).count() == 1
    });
    // No second failover follows.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let epochs: Vec<_> = watchers
        .iter()
        .map(|w| BTreeMap::from_iter(w.instances(&["SENTINEL", "MASTERS"]).remove(0)))
        .map(|m| (m["config-epoch"].clone(), m["port"].clone()))
        .collect();
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

#[test]
fn two_of_ours_and_a_real_one_over_real_servers() {
    fails_over([Ours, Ours, Real], Real);
}

#[test]
fn one_of_ours_and_two_real_ones_over_our_servers() {
    fails_over([Ours, Real, Real], Ours);
}

#[test]
fn what_clients_read_is_what_the_real_one_says() {
    let alpha = Node::start(Real, &[]);
    let bravo = Node::start(Real, &[]);
    bravo.follow(alpha.port());
    eventually("a link", || bravo.state().is_link_up);
    let (ours, real) =
        (Watcher::start(Ours, alpha.port(), 2), Watcher::start(Real, alpha.port(), 2));
    eventually("acquaintance", || ours.knows(1, 1) && real.knows(1, 1));
    for words in [&["SENTINEL", "MASTERS"][..], &["SENTINEL", "REPLICAS", "mm"]] {
        eventually("the same", || lasting(ours.instances(words)) == lasting(real.instances(words)));
    }
    let names = |w: &Watcher| -> Vec<String> {
        let fields = w.instances(&["SENTINEL", "SENTINELS", "mm"]).remove(0);
        fields.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&ours), names(&real));
    let mut differing = Vec::new();
    for line in [
        "SENTINEL MASTER nn",
        "SENTINEL MASTER",
        "SENTINEL FOO",
        "SENTINEL",
        "GET a b",
        "SENTINEL CKQUORUM mm",
        "SENTINEL MONITOR mm 127.0.0.1 1 1",
        "SENTINEL MONITOR a b 1 1",
        "SENTINEL MONITOR a 127.0.0.1 1 0",
        "SENTINEL MONITOR a 127.0.0.1 1 x",
        "SENTINEL MONITOR a 127.0.0.1 99999 1",
        "SENTINEL SET mm quorum 0",
        "SENTINEL SET mm down-after-milliseconds x",
        "SENTINEL SET mm nonsense 1",
        "SENTINEL SET mm notification-script /bin/true",
        "SENTINEL CONFIG GET *",
        "SENTINEL DEBUG",
        "SENTINEL DEBUG nonsense 1",
        "SENTINEL PENDING-SCRIPTS",
        "SENTINEL GET-MASTER-ADDR-BY-NAME nn",
        "SENTINEL SIMULATE-FAILURE help",
        "SENTINEL SIMULATE-FAILURE x",
        "SENTINEL HELP",
        "ROLE",
        "PING",
        "PING a b",
        "PUBLISH a b",
        "PUBLISH __sentinel__:hello x",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR a 1 0 *",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR a x 0 *",
        "SENTINEL CONFIG FOO a",
        "SENTINEL RESET nn",
        "AUTH x",
        "SENTINEL REMOVE nn",
        "SENTINEL SET mm parallel-syncs 0",
        "SENTINEL CONFIG SET nonsense 1",
        "SENTINEL CONFIG SET announce-port x",
        "SENTINEL SET mm a",
        "INFO sentinel",
        "CLIENT GETNAME",
        "ACL LIST",
        "HELLO 4",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (mine, theirs) = (ours.ask(&words), real.ask(&words));
        if mine != theirs {
            differing.push(format!("{line}\nours: {mine}\nreal: {theirs}"));
        }
    }
    let (mut mine, mut theirs) = (ours.0.client(), real.0.client());
    for client in [&mut mine, &mut theirs] {
        assert!(matches!(client.call(&["HELLO", "3"]), Answer::Map(_)));
    }
    for line in [
        "SENTINEL CONFIG GET *",
        "SENTINEL DEBUG",
        "SENTINEL GET-MASTER-ADDR-BY-NAME nn",
        "SENTINEL GET-MASTER-ADDR-BY-NAME mm",
        "SENTINEL PENDING-SCRIPTS",
        "ROLE",
        "SUBSCRIBE +switch-master",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (mine, theirs) = (mine.call(&words), theirs.call(&words));
        if mine != theirs {
            differing.push(format!("RESP3 {line}\nours: {mine:?}\nreal: {theirs:?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn each_reads_the_file_that_the_other_wrote() {
    let alpha = Node::start(Real, &[]);
    let bravo = Node::start(Real, &[]);
    bravo.follow(alpha.port());
    eventually("a link", || bravo.state().is_link_up);
    let (ours, real) =
        (Watcher::start(Ours, alpha.port(), 2), Watcher::start(Real, alpha.port(), 2));
    eventually("acquaintance", || ours.knows(1, 1) && real.knows(1, 1));
    let (ours_wrote, real_wrote) = (ours.file(), real.file());
    let (our_id, real_id) = (ours.ask(&["SENTINEL", "MYID"]), real.ask(&["SENTINEL", "MYID"]));
    drop((ours, real));
    assert!(ours_wrote.starts_with("# kept\n"), "{ours_wrote}");
    let real = Watcher::from_text(Real, &elsewhere(&ours_wrote));
    assert_eq!(real.ask(&["SENTINEL", "MYID"]), our_id);
    assert!(real.knows(1, 1), "{ours_wrote}");
    let config = Config::parse(&real_wrote).expect("the real one's file");
    let ours = Watcher::from_text(Ours, &elsewhere(&real_wrote));
    assert_eq!(ours.ask(&["SENTINEL", "MYID"]), real_id);
    assert_eq!((config.monitors[0].replicas.len(), config.monitors[0].peers.len()), (1, 1));
}

/// The file of another directory.
fn elsewhere(text: &str) -> String {
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("dir "));
    lines.collect()
}
