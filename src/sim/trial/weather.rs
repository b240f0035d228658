//! Which faults are in force, and who can therefore still work with whom.

use std::collections::BTreeSet;

use crate::machine::Millis;
use crate::sim::chaos::Fault;
use crate::world::{LinkPolicy, NodeId};

/// Nodes that can work together. See [`Weather::island`].
pub(super) type Island = BTreeSet<NodeId>;

/// The faults in force.
#[derive(Debug)]
pub(super) struct Weather {
    dead: BTreeSet<NodeId>,
    paused: BTreeSet<NodeId>,
    full: BTreeSet<NodeId>,
    /// From each node to each.
    links: Vec<Vec<LinkPolicy>>,
    /// That of each node.
    islands: Vec<Option<Island>>,
    /// When each node's island last became another one, it died or a connection of it was reset.
    changed: Vec<Millis>,
}

impl Weather {
    /// Fair weather among so many nodes.
    pub(super) fn new(nodes: usize) -> Self {
        let mut weather = Self {
            dead: BTreeSet::new(),
            paused: BTreeSet::new(),
            full: BTreeSet::new(),
            links: vec![vec![LinkPolicy::default(); nodes]; nodes],
            islands: Vec::new(),
            changed: vec![0; nodes],
        };
        weather.islands = weather.look();
        weather
    }

    /// Faults happen, all at the same time.
    pub(super) fn turn<'f>(&mut self, now: Millis, faults: impl IntoIterator<Item = &'f Fault>) {
        for fault in faults {
            match *fault {
                Fault::Kill(node) | Fault::PowerLoss(node) => {
                    self.dead.insert(node);
                    self.paused.remove(&node);
                    // It may be back within the same turn.
                    self.changed[node.0] = now;
                }
                Fault::Start(node) => drop(self.dead.remove(&node)),
                Fault::Pause(node) if self.dead.contains(&node) => {}
                Fault::Pause(node) => drop(self.paused.insert(node)),
                Fault::Resume(node) => drop(self.paused.remove(&node)),
                Fault::Link { from, to, policy } => self.links[from.0][to.0] = policy,
                Fault::Reset(a, b) => [a, b].iter().for_each(|node| self.changed[node.0] = now),
                Fault::DiskFull(node) => drop(self.full.insert(node)),
                Fault::DiskFree(node) => drop(self.full.remove(&node)),
            }
        }
        let islands = self.look();
        for (index, island) in islands.iter().enumerate() {
            if *island != self.islands[index] {
                self.changed[index] = now;
            }
        }
        self.islands = islands;
    }

    /// When something last changed for one of these nodes.
    pub(super) fn changed<'n>(&self, nodes: impl IntoIterator<Item = &'n NodeId>) -> Millis {
        nodes.into_iter().map(|node| self.changed[node.0]).max().unwrap_or(0)
    }

    /// The node and all to which its links are clear, if nothing is wrong with any of them and they
    /// hear nothing from others: each of those is dead, stands still or is cut off both ways.
    pub(super) fn island(&self, node: NodeId) -> Option<&Island> {
        self.islands[node.0].as_ref()
    }

    fn look(&self) -> Vec<Option<Island>> {
        let nodes = || (0..self.links.len()).map(NodeId);
        let living: Vec<NodeId> = nodes().filter(|node| !self.is_silent(*node)).collect();
        nodes().map(|node| self.look_from(node, &living)).collect()
    }

    fn look_from(&self, node: NodeId, living: &[NodeId]) -> Option<Island> {
        if self.is_silent(node) {
            return None;
        }
        let island: Island =
            living.iter().copied().filter(|mate| self.is_clear(node, *mate)).collect();
        let is_whole = |a: NodeId| {
            let mates_are_near = island.iter().all(|b| self.is_clear(a, *b));
            let others_are_far = living.iter().all(|b| island.contains(b) || self.is_cut(a, *b));
            mates_are_near && others_are_far && !self.full.contains(&a)
        };
        island.iter().all(|a| is_whole(*a)).then_some(island)
    }

    fn is_silent(&self, node: NodeId) -> bool {
        self.dead.contains(&node) || self.paused.contains(&node)
    }

    fn is_clear(&self, a: NodeId, b: NodeId) -> bool {
        self.links[a.0][b.0].is_clear() && self.links[b.0][a.0].is_clear()
    }

    fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        self.links[a.0][b.0].cut && self.links[b.0][a.0].cut
    }
}

#[cfg(test)]
mod tests {
    use super::Weather;
    use crate::sim::chaos::Fault;
    use crate::world::{LinkPolicy, NodeId};

    fn link(from: usize, to: usize, cut: bool) -> Fault {
        let policy = LinkPolicy { cut, delay_ms: 10, ..LinkPolicy::default() };
        Fault::Link { from: NodeId(from), to: NodeId(to), policy }
    }

    /// The island of node 0 among three.
    fn island(faults: &[Fault]) -> Option<Vec<usize>> {
        let mut weather = Weather::new(3);
        weather.turn(0, faults);
        weather.island(NodeId(0)).map(|island| island.iter().map(|node| node.0).collect())
    }

    #[test]
    fn an_island_is_clear_within_and_cut_off_from_others() {
        let cut = |a, b| [link(a, b, true), link(b, a, true)];
        assert_eq!(island(&[]), Some(vec![0, 1, 2]));
        assert_eq!(island(&[cut(0, 2), cut(1, 2)].concat()), Some(vec![0, 1]));
        assert_eq!(island(&[Fault::Kill(NodeId(2))]), Some(vec![0, 1]));
        assert_eq!(island(&[Fault::Pause(NodeId(2)), link(2, 0, true)]), Some(vec![0, 1]));
        assert_eq!(island(&cut(0, 2)), None, "node 1 hears both");
        assert_eq!(island(&[link(1, 2, true)]), None, "one way only");
        assert_eq!(island(&[link(1, 2, false)]), None, "late");
        assert_eq!(island(&[Fault::DiskFull(NodeId(1))]), None);
        assert_eq!(island(&[Fault::Kill(NodeId(0))]), None);
    }

    #[test]
    fn it_knows_for_whom_it_changed() {
        let mut weather = Weather::new(3);
        weather.turn(5, &[Fault::Kill(NodeId(2))]);
        weather.turn(7, &[link(2, 0, true)]);
        assert_eq!(weather.changed(&[NodeId(0)]), 5, "the dead say nothing anyway");
        weather.turn(9, &[Fault::Reset(NodeId(0), NodeId(1))]);
        assert_eq!(weather.changed(&[NodeId(0), NodeId(2)]), 9);
        assert_eq!(weather.changed(&[NodeId(2)]), 5);
    }
}
