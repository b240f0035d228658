//! What the lab knows of its nodes, and how a topology's servers and Sentinels become nodes of a
//! world.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::topology::{MonitorSpec, SentinelSpec, ServerSpec, Topology};
use super::view::{MonitorRow, NodeKind, NodeStatus};
use crate::machine::{Input, LogLevel, Machine, Millis, NodeView, Now, Outbox, Output};
use crate::sentinel::{self, Sentinel, Timing};
use crate::server::config::{ConfigFile, file};
use crate::server::{self, Server};
use crate::world::{Birth, NodeId, NodeSpec, World, WorldError};

/// Makes a node's machine from its directives: those of redis.conf, `replicaof` among them, or
/// those of sentinel.conf, `sentinel monitor` among them.
pub type Build =
    Arc<dyn Fn(NodeKind, &[(String, String)], Birth) -> Box<dyn Machine> + Send + Sync>;

/// Makes real servers and Sentinels. One whose directives cannot be followed says so and ends.
pub fn machines() -> Build {
    Arc::new(|kind, directives, birth| -> Box<dyn Machine> {
        match kind {
            NodeKind::Server => {
                let mut config = match server::Config::from_directives(directives) {
                    Ok(config) => config,
                    Err(error) => return Box::new(Refused { kind, why: error.to_string() }),
                };
                let lines = directives.iter().map(|(name, value)| format!("{name} {value}\n"));
                let (name, text) = ("redis.conf".to_owned(), lines.collect());
                config.file = Some(ConfigFile { name, text });
                Box::new(Server::new(config, birth.port, birth.seed))
            }
            NodeKind::Sentinel => match sentinel::Config::from_directives(directives) {
                Ok(config) => Box::new(Sentinel::new(config, birth.port, birth.seed)),
                Err(error) => Box::new(Refused { kind, why: error.to_string() }),
            },
        }
    })
}

/// A node that refused its configuration: its life is one line of log.
struct Refused {
    kind: NodeKind,
    why: String,
}

impl Machine for Refused {
    fn step(&mut self, _: Now, _: Input<'_>, out: &mut Outbox) {
        let text = format!("*** FATAL CONFIG FILE ERROR ***\n{}", self.why);
        out.log(LogLevel::Warning, text);
        out.push(Output::Exit { code: 1 });
    }

    fn deadline(&self) -> Option<Millis> {
        None
    }

    fn view(&self, _: Now) -> NodeView {
        match self.kind {
            NodeKind::Server => NodeView::Server(Box::default()),
            NodeKind::Sentinel => NodeView::Sentinel(Box::default()),
        }
    }
}

/// A node that cannot be configured as its topology says.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A server.
    #[error("server {0}: {1}")]
    Server(String, server::ConfigError),
    /// A Sentinel.
    #[error("Sentinel {0}: {1}")]
    Sentinel(String, sentinel::ConfigError),
}

/// Whether every node can be configured as the topology says.
///
/// # Errors
/// The first that cannot, and why.
pub fn check(topology: &Topology) -> Result<(), Unfit> {
    for spec in &topology.servers {
        server::Config::from_directives(&spec.config)
            .map_err(|error| Unfit::Server(spec.name.clone(), error))?;
    }
    for spec in &topology.sentinels {
        let directives = SentinelBirth::of(spec, topology).directives(|_| Some(1));
        sentinel::Config::from_directives(&directives)
            .map_err(|error| Unfit::Sentinel(spec.name.clone(), error))?;
    }
    Ok(())
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
    /// The newest picture that the world gave.
    pub pictured: Option<Arc<NodeView>>,
    /// What counts of it: of a dead node, only what outlives it.
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
            ..added(world, node, NodeKind::Server, &spec.config, spec.auto_restart)?
        });
    }
    for spec in &topology.sentinels {
        let node = NodeSpec {
            name: spec.name.clone(),
            port: spec.port.unwrap_or(0),
            dir: spec.dir.clone(),
            build: birth_of_sentinel(spec, topology, Arc::clone(&ports), Arc::clone(build)),
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
        pictured: None,
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
    spec: &SentinelSpec,
    topology: &Topology,
    ports: Ports,
    build: Build,
) -> crate::world::Factory {
    let sentinel = SentinelBirth::of(spec, topology);
    Arc::new(move |birth| {
        let port = |name: &str| ports.get().and_then(|ports| ports.get(name)).copied();
        build(NodeKind::Sentinel, &sentinel.directives(port), birth)
    })
}

/// What the topology says of one Sentinel.
struct SentinelBirth {
    config: Vec<(String, String)>,
    timing: Timing,
    monitors: Vec<MonitorSpec>,
}

impl SentinelBirth {
    fn of(spec: &SentinelSpec, topology: &Topology) -> Self {
        let watches = |monitor: &&MonitorSpec| monitor.sentinels.contains(&spec.name);
        Self {
            config: spec.config.clone(),
            timing: topology.sentinel_timing,
            monitors: topology.monitors.iter().filter(watches).cloned().collect(),
        }
    }

    /// Its sentinel.conf; `port` finds servers by name.
    fn directives(&self, port: impl Fn(&str) -> Option<u16>) -> Vec<(String, String)> {
        let timing = match self.timing {
            Timing::Fast => "fast",
            Timing::Redis => "redis",
        };
        let mut directives = self.config.clone();
        directives.push(("sentinel-timing".to_owned(), timing.to_owned()));
        for MonitorSpec { name, primary, quorum, config, .. } in &self.monitors {
            let port = port(primary).unwrap_or(0);
            let value = format!("{name} 127.0.0.1 {port} {quorum}");
            directives.push(("sentinel monitor".to_owned(), value));
            directives.extend(config.iter().map(|(statement, value)| {
                (format!("sentinel {statement}"), format!("{name} {value}"))
            }));
        }
        directives
    }
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

#[cfg(test)]
mod tests {
    use super::{check, machines};
    use crate::lab::topology::Topology;
    use crate::lab::view::NodeKind;
    use crate::machine::{Input, Now, Outbox, Output};
    use crate::world::Birth;

    #[test]
    fn a_node_whose_configuration_is_wrong_ends_instead_of_running_with_another() {
        let wrong = [("sentinel monitor".to_owned(), "mm nowhere".to_owned())];
        for kind in [NodeKind::Server, NodeKind::Sentinel] {
            let mut machine = machines()(kind, &wrong, Birth { port: 1, seed: 1 });
            let mut out = Outbox::new();
            machine.step(Now::default(), Input::Started, &mut out);
            let last = out.drain().last();
            assert!(matches!(last, Some(Output::Exit { code: 1 })), "{kind:?}: {last:?}");
        }
    }

    #[test]
    fn a_password_of_a_sentinel_may_be_several_words() {
        let text = "[servers.a]\n[monitors.m]\nprimary = \"a\"\nquorum = 1\n\
                    [sentinels.s]\nrequirepass = \"two words\"\nsentinel-pass = \"two words\"\n\
                    announce-ip = \"\"\n";
        let topology = Topology::parse("test.toml", text).unwrap();
        assert!(check(&topology).is_ok(), "{:?}", check(&topology));
    }
}
