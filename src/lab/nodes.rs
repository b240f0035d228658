//! What the lab knows of its nodes, and how a topology's servers become nodes of a world.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use super::topology::{ServerSpec, Topology};
use super::view::NodeStatus;
use crate::machine::{Machine, Millis, NodeView};
use crate::world::{Birth, NodeId, NodeSpec, World, WorldError};

/// Makes a node's machine from its directives, `replicaof` among them.
pub type Build = Arc<dyn Fn(&[(String, String)], Birth) -> Box<dyn Machine> + Send + Sync>;

/// One node.
pub(super) struct Node {
    pub name: String,
    pub id: NodeId,
    pub port: u16,
    pub status: NodeStatus,
    /// The newest picture; the last one is kept while the node is dead.
    pub view: Option<Arc<NodeView>>,
    /// Bytes behind the head of its chain, oldest first.
    pub behind: VecDeque<u64>,
    /// The node that it follows by the topology, if that is one of the lab.
    pub follows_at_first: Option<usize>,
    /// What clients must AUTH with.
    pub password: Option<String>,
    pub auto_restart: Option<Millis>,
    /// When it starts or runs again by itself, in lab time.
    pub wakes_at: Option<Millis>,
}

/// Adds all servers of a topology to a world, not yet started.
pub(super) fn add(
    world: &mut impl World,
    topology: &Topology,
    build: &Build,
) -> Result<Vec<Node>, WorldError> {
    let ports = Arc::new(OnceLock::new());
    let mut nodes = Vec::new();
    for spec in &topology.servers {
        let id = world.add(NodeSpec {
            name: spec.name.clone(),
            port: spec.port.unwrap_or(0),
            dir: spec.dir.clone(),
            build: factory(spec.clone(), Arc::clone(&ports), Arc::clone(build)),
        })?;
        let followed = |server: &ServerSpec| Some(&server.name) == spec.replicaof.as_ref();
        nodes.push(Node {
            name: spec.name.clone(),
            id,
            port: world.port(id),
            status: NodeStatus::Dead(0, "not started".to_owned()),
            view: None,
            behind: VecDeque::new(),
            follows_at_first: topology.servers.iter().position(followed),
            password: directive(spec, "requirepass").filter(|word| !word.is_empty()),
            auto_restart: spec.auto_restart,
            wakes_at: None,
        });
    }
    let known = nodes.iter().map(|node| (node.name.clone(), node.port)).collect();
    let _ = ports.set(known);
    Ok(nodes)
}

fn directive(spec: &ServerSpec, name: &str) -> Option<String> {
    spec.config.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// A node may follow one that is added after it, so ports are looked up when it is born.
fn factory(
    spec: ServerSpec,
    ports: Arc<OnceLock<BTreeMap<String, u16>>>,
    build: Build,
) -> crate::world::Factory {
    Arc::new(move |birth| {
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
        build(&directives, birth)
    })
}
