//! What follows from the nodes' own views taken together: who follows whom, and how far behind.

use super::view::{NodeKind, NodeRow, NodeStatus};
use crate::machine::{LinkState, MonitorView, ReplicaView, ServerView};

/// The place of a node by its name.
pub fn index(nodes: &[NodeRow], name: &str) -> Option<usize> {
    nodes.iter().position(|node| node.name == name)
}

/// The place of the node that listens at an address.
pub fn at(nodes: &[NodeRow], host: &str, port: u16) -> Option<usize> {
    is_local(host).then(|| nodes.iter().position(|node| node.port == port)).flatten()
}

/// Whether a host is where all nodes of the lab are.
pub fn is_local(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1")
}

/// What a Sentinel believes of a watched primary.
pub fn belief<'n>(nodes: &'n [NodeRow], sentinel: usize, monitor: &str) -> Option<&'n MonitorView> {
    let view = nodes[sentinel].view.as_ref()?.sentinel()?;
    view.monitors.iter().find(|belief| belief.name == monitor)
}

fn server(node: &NodeRow) -> Option<&ServerView> {
    node.view.as_ref().and_then(|view| view.server())
}

/// The nodes above one, the nearest first. Ends where a circle would begin.
pub fn chain(nodes: &[NodeRow], node: usize) -> Vec<usize> {
    let mut above = Vec::new();
    let mut at = node;
    while let Some(next) = nodes[at].follows.filter(|next| *next != node && !above.contains(next)) {
        above.push(next);
        at = next;
    }
    above
}

/// Bytes that a node is behind the head of its chain, unless that is outside the lab.
pub fn behind(nodes: &[NodeRow], node: usize) -> Option<u64> {
    let own = server(&nodes[node])?;
    let head = server(&nodes[chain(nodes, node).last().copied().unwrap_or(node)])?;
    head.primary.is_none().then(|| head.offset.saturating_sub(own.offset))
}

/// Replicas that a node feeds.
pub fn fed_by(nodes: &[NodeRow], node: usize) -> usize {
    server(&nodes[node]).map_or(0, |view| view.replicas.len())
}

/// A replica as the node it follows sees it.
pub fn seen_by_primary(nodes: &[NodeRow], node: usize) -> Option<&ReplicaView> {
    let primary = server(&nodes[nodes[node].follows?])?;
    primary.replicas.iter().find(|replica| replica.port == nodes[node].port)
}

/// Whether every running replica whose chain runs has its link up and the offset of its head.
pub fn is_converged(nodes: &[NodeRow]) -> bool {
    let runs = |i: usize| nodes[i].status == NodeStatus::Running;
    let replicas = |&i: &usize| runs(i) && nodes[i].kind == NodeKind::Server;
    (0..nodes.len()).filter(replicas).all(|i| {
        let chain = chain(nodes, i);
        let (Some(own), Some(&head)) = (server(&nodes[i]), chain.last()) else { return true };
        let linked = own.primary.as_ref().is_some_and(|link| link.state == LinkState::Connected);
        let equal = server(&nodes[head]).is_some_and(|head| head.offset == own.offset);
        !chain.iter().copied().all(runs) || (linked && equal)
    })
}
