//! What the lab knows of its nodes, and how a topology's servers and Sentinels become nodes of a
//! world.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::topology::{MonitorSpec, SentinelSpec, ServerSpec, Topology};
use super::view::{MonitorRow, NodeKind, NodeStatus};
use crate::machine::{Machine, Millis, NodeView};
use crate::sentinel::{self, Sentinel, Timing};
use crate::server::config::{ConfigFile, file};
use crate::server::{self, Server};
use crate::world::{Birth, NodeId, NodeSpec, World, WorldError};

/// Makes a node's machine from its directives: those of redis.conf, `replicaof` among them, or
/// those of sentinel.conf, `sentinel monitor` among them.
pub type Build =
    Arc<dyn Fn(NodeKind, &[(String, String)], Birth) -> Box<dyn Machine> + Send + Sync>;

/// Makes real servers and Sentinels, of directives that were checked when the file was read.
pub fn machines() -> Build {
    Arc::new(|kind, directives, birth| -> Box<dyn Machine> {
        match kind {
            NodeKind::Server => {
                let mut config = server::Config::from_directives(directives).unwrap_or_default();
                let lines = directives.iter().map(|(name, value)| format!("{name} {value}\n"));
                let (name, text) = ("redis.conf".to_owned(), lines.collect());
                config.file = Some(ConfigFile { name, text });
                Box::new(Server::new(config, birth.port, birth.seed))
            }
            NodeKind::Sentinel => {
                let config = sentinel::Config::from_directives(directives).unwrap_or_default();
                Box::new(Sentinel::new(config, birth.port, birth.seed))
            }
        }
    })
}

/// Why a node is dead that the lab did not start yet.
pub(super) const NOT_STARTED: &str = "not started";

/// The text of a server's redis.conf since CONFIG REWRITE: what it is started from again.
pub(super) type Rewritten = Arc<Mutex<Option<String>>>;

/// Nodes' ports by name, known when all nodes were added.
type Ports = Arc<OnceLock<BTreeMap<String, u16>>>;

/// One node.
pub(super) struct Node {
    pub name: String,
    pub kind: NodeKind,
    pub id: NodeId,
    pub port: u16,
    pub status: NodeStatus,
    /// When it last died or was paused, and why.
    pub last_fault: Option<(Millis, String)>,
    /// The newest picture; the last one is kept while the node is dead.
    pub view: Option<Arc<NodeView>>,
    /// Bytes behind the head of its chain, oldest first.
    pub behind: VecDeque<u64>,
    /// The node that it follows by the topology, if that is one of the lab.
    pub follows_at_first: Option<usize>,
    pub rewritten: Rewritten,
    /// Whether `shutdown` waits for it.
    pub is_asked_to_end: bool,
    /// Snapshots begun since the lab began, and where the last one went.
    pub snapshots: u64,
    pub last_snapshot: Option<&'static str>,
    /// What clients must AUTH with.
    pub password: Option<String>,
    pub auto_restart: Option<Millis>,
    /// When it starts or runs again by itself, in lab time.
    pub wakes_at: Option<Millis>,
}

/// Adds all nodes of a topology to a world, not yet started: servers, then Sentinels.
pub(super) fn add(
    world: &mut impl World,
    topology: &Topology,
    build: &Build,
) -> Result<Vec<Node>, WorldError> {
    let ports = Ports::default();
    let mut nodes = Vec::new();
    for spec in &topology.servers {
        let followed = |server: &ServerSpec| Some(&server.name) == spec.replicaof.as_ref();
        let (spec, rewritten) = (spec.clone(), Rewritten::default());
        let build = (Arc::clone(&rewritten), Arc::clone(build));
        let node = NodeSpec {
            name: spec.name.clone(),
            port: spec.port.unwrap_or(0),
            dir: spec.dir.clone(),
            build: birth_of_server(spec.clone(), Arc::clone(&ports), build),
        };
        nodes.push(Node {
            follows_at_first: topology.servers.iter().position(followed),
            rewritten,
            is_asked_to_end: false,
            ..added(world, node, NodeKind::Server, &spec.config, spec.auto_restart)?
        });
    }
    for spec in &topology.sentinels {
        let node = NodeSpec {
            name: spec.name.clone(),
            port: spec.port.unwrap_or(0),
            dir: spec.dir.clone(),
            build: birth_of_sentinel(spec.clone(), topology, Arc::clone(&ports), Arc::clone(build)),
        };
        nodes.push(added(world, node, NodeKind::Sentinel, &spec.config, spec.auto_restart)?);
    }
    let known = nodes.iter().map(|node| (node.name.clone(), node.port)).collect();
    let _ = ports.set(known);
    Ok(nodes)
}

fn added(
    world: &mut impl World,
    spec: NodeSpec,
    kind: NodeKind,
    config: &[(String, String)],
    auto_restart: Option<Millis>,
) -> Result<Node, WorldError> {
    let name = spec.name.clone();
    let id = world.add(spec)?;
    let password = config.iter().rev().find(|(key, _)| key == "requirepass");
    Ok(Node {
        name,
        kind,
        id,
        port: world.port(id),
        status: NodeStatus::Dead(0, NOT_STARTED.to_owned()),
        last_fault: None,
        view: None,
        behind: VecDeque::new(),
        follows_at_first: None,
        rewritten: Rewritten::default(),
        is_asked_to_end: false,
        snapshots: 0,
        last_snapshot: None,
        password: password.map(|(_, word)| word.clone()).filter(|word| !word.is_empty()),
        auto_restart,
        wakes_at: None,
    })
}

/// A server may follow one that is added after it, so ports are looked up when it is born.
fn birth_of_server(
    spec: ServerSpec,
    ports: Ports,
    (rewritten, build): (Rewritten, Build),
) -> crate::world::Factory {
    Arc::new(move |birth| {
        let text = rewritten.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let no_includes = &mut |_: &str| Err("no includes".to_owned());
        if let Some(directives) = text.and_then(|text| file::parse(&text, no_includes).ok()) {
            return build(NodeKind::Server, &directives, birth);
        }
        let mut directives = spec.config.clone();
        let port = |name: &str| ports.get().and_then(|ports| ports.get(name));
        if let Some(primary) = &spec.replicaof {
            let address = match (port(primary), primary.rsplit_once(':')) {
                (Some(port), _) => format!("127.0.0.1 {port}"),
                (None, Some((host, port))) => format!("{host} {port}"),
                (None, None) => primary.clone(),
            };
            directives.push(("replicaof".to_owned(), address));
        }
        build(NodeKind::Server, &directives, birth)
    })
}

/// A Sentinel with the monitors that name it. What it wrote into its directory before is followed
/// in place of these directives.
fn birth_of_sentinel(
    spec: SentinelSpec,
    topology: &Topology,
    ports: Ports,
    build: Build,
) -> crate::world::Factory {
    let watches = |monitor: &&MonitorSpec| monitor.sentinels.contains(&spec.name);
    let monitors: Vec<MonitorSpec> = topology.monitors.iter().filter(watches).cloned().collect();
    let timing = match topology.sentinel_timing {
        Timing::Fast => "fast",
        Timing::Redis => "redis",
    };
    Arc::new(move |birth| {
        let mut directives = spec.config.clone();
        directives.push(("sentinel-timing".to_owned(), timing.to_owned()));
        for MonitorSpec { name, primary, quorum, config, .. } in &monitors {
            let port = ports.get().and_then(|ports| ports.get(primary)).copied().unwrap_or(0);
            let value = format!("{name} 127.0.0.1 {port} {quorum}");
            directives.push(("sentinel monitor".to_owned(), value));
            directives.extend(config.iter().map(|(statement, value)| {
                (format!("sentinel {statement}"), format!("{name} {value}"))
            }));
        }
        build(NodeKind::Sentinel, &directives, birth)
    })
}

/// What the file says of each watched primary.
pub(super) fn monitors(topology: &Topology, nodes: &[Node]) -> Vec<MonitorRow> {
    let place = |name: &String| nodes.iter().position(|node| node.name == *name);
    let row = |spec: &MonitorSpec| {
        Some(MonitorRow {
            name: spec.name.clone(),
            quorum: spec.quorum,
            down_after_ms: spec.down_after_ms(),
            primary: place(&spec.primary)?,
            sentinels: spec.sentinels.iter().filter_map(place).collect(),
        })
    };
    topology.monitors.iter().filter_map(row).collect()
}
