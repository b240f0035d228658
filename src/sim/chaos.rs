//! Faults by dice. A list of faults is plain data, so that one that breaks something can be kept,
//! printed and shrunk.

use std::fmt;

use crate::base::rng::Dice;
use crate::machine::Millis;
use crate::sim::SimWorld;
use crate::world::{LinkPolicy, NodeId, World, WorldError};

/// A fault lasts at most a third of the whole time, and at most so long.
const FAULT_MS_MAX: Millis = 20_000;

/// One thing that is broken or mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL.
    Kill(NodeId),
    /// SIGKILL and the loss of what was not fsynced.
    PowerLoss(NodeId),
    /// Starts a dead node.
    Start(NodeId),
    /// SIGSTOP.
    Pause(NodeId),
    /// SIGCONT.
    Resume(NodeId),
    /// A new policy of a directed link: cut, delayed or clear.
    Link {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
        /// What becomes of bytes.
        policy: LinkPolicy,
    },
    /// Resets all connections between two nodes.
    Reset(NodeId, NodeId),
    /// Nothing can be written to its disk any more.
    DiskFull(NodeId),
    /// It can again.
    DiskFree(NodeId),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(node) => write!(f, "kill {}", node.0),
            Self::PowerLoss(node) => write!(f, "power-loss {}", node.0),
            Self::Start(node) => write!(f, "start {}", node.0),
            Self::Pause(node) => write!(f, "pause {}", node.0),
            Self::Resume(node) => write!(f, "resume {}", node.0),
            Self::Link { from, to, policy } if policy.cut => write!(f, "cut {}->{}", from.0, to.0),
            Self::Link { from, to, policy } if policy.is_clear() => {
                write!(f, "heal {}->{}", from.0, to.0)
            }
            Self::Link { from, to, policy } => {
                let LinkPolicy { delay_ms, jitter_ms, bytes_per_s, .. } = policy;
                write!(f, "delay {}->{} {delay_ms}ms ±{jitter_ms}ms", from.0, to.0)?;
                if *bytes_per_s > 0 { write!(f, " at {bytes_per_s} B/s") } else { Ok(()) }
            }
            Self::Reset(a, b) => write!(f, "reset {} {}", a.0, b.0),
            Self::DiskFull(node) => write!(f, "disk-full {}", node.0),
            Self::DiskFree(node) => write!(f, "disk-free {}", node.0),
        }
    }
}

/// Does one fault to a world.
pub fn apply(world: &mut SimWorld, fault: &Fault) -> Result<(), WorldError> {
    match *fault {
        Fault::Kill(node) => world.kill(node),
        Fault::PowerLoss(node) => world.power_loss(node),
        Fault::Start(node) => return world.start(node),
        Fault::Pause(node) => world.pause(node),
        Fault::Resume(node) => world.resume(node),
        Fault::Link { from, to, policy } => world.set_link(from, to, policy),
        Fault::Reset(a, b) => world.reset_link(a, b),
        Fault::DiskFull(node) => world.fill_disk(node, true),
        Fault::DiskFree(node) => world.fill_disk(node, false),
    }
    Ok(())
}

/// Faults of `nodes` nodes within `span` milliseconds, by time. Each ends by itself before the
/// span does.
pub fn generate(seed: u64, nodes: usize, faults: usize, span: Millis) -> Vec<(Millis, Fault)> {
    let mut dice = Dice::new(seed);
    let mut list = Vec::new();
    for _ in 0..faults {
        let begin = dice.below(span.max(1));
        let end = begin + 1 + dice.below(FAULT_MS_MAX.min(span / 3));
        let end = end.min(span);
        for (breaking, mending) in pick(&mut dice, nodes) {
            list.push((begin, breaking));
            list.extend(mending.map(|fault| (end, fault)));
        }
    }
    list.sort_by_key(|(at, _)| *at);
    list
}

/// All that brings every one of `nodes` nodes back to life, makes room on its disk, and clears all
/// links between them. Who shrinks a list of faults does this at the end of each run, since a shrunk
/// list may lack it.
pub fn mend(nodes: usize) -> Vec<Fault> {
    let mut list = Vec::new();
    for node in (0..nodes).map(NodeId) {
        list.extend([Fault::DiskFree(node), Fault::Resume(node), Fault::Start(node)]);
        list.extend((0..nodes).map(NodeId).filter(|to| *to != node).map(|to| clear(node, to)));
    }
    list
}

/// The disk of `node` is full from `begin` to `end`. Who ended for it is started again.
pub fn full_disk(node: NodeId, begin: Millis, end: Millis) -> [(Millis, Fault); 3] {
    [(begin, Fault::DiskFull(node)), (end, Fault::DiskFree(node)), (end, Fault::Start(node))]
}

/// A partition of `nodes` nodes by dice: no byte passes between its two sides from `begin` to `end`.
pub fn partition(
    dice: &mut Dice,
    nodes: usize,
    begin: Millis,
    end: Millis,
) -> Vec<(Millis, Fault)> {
    let sides: Vec<bool> = (0..nodes).map(|_| dice.chance(1, 2)).collect();
    let mut list = Vec::new();
    for (from, side) in sides.iter().enumerate() {
        for (to, _) in sides.iter().enumerate().filter(|(_, other)| *other != side) {
            let (breaking, mending) = cut(NodeId(from), NodeId(to));
            list.push((begin, breaking));
            list.extend(mending.map(|fault| (end, fault)));
        }
    }
    list
}

/// One seeded fault: what is broken, and what mends it.
fn pick(dice: &mut Dice, nodes: usize) -> Vec<(Fault, Option<Fault>)> {
    let a = NodeId(dice.below(nodes as u64) as usize);
    let kind = dice.below(if nodes > 1 { 9 } else { 3 });
    match kind {
        0 => return vec![(Fault::Kill(a), Some(Fault::Start(a)))],
        1 => return vec![(Fault::PowerLoss(a), Some(Fault::Start(a)))],
        2 => return vec![(Fault::Pause(a), Some(Fault::Resume(a)))],
        _ => {}
    }
    let b = NodeId((a.0 + 1 + dice.below(nodes as u64 - 1) as usize) % nodes);
    match kind {
        3 | 4 => vec![cut(a, b), cut(b, a)],
        5 => vec![cut(a, b)],
        6 => vec![(Fault::Reset(a, b), None)],
        7 => {
            let delay_ms = 1 + dice.below(500);
            let jitter_ms = dice.below(delay_ms);
            let policy = LinkPolicy { delay_ms, jitter_ms, ..LinkPolicy::default() };
            vec![(Fault::Link { from: a, to: b, policy }, Some(clear(a, b)))]
        }
        _ => {
            let others = (0..nodes).map(NodeId).filter(|other| *other != a);
            others.flat_map(|other| [cut(a, other), cut(other, a)]).collect()
        }
    }
}

fn cut(from: NodeId, to: NodeId) -> (Fault, Option<Fault>) {
    let policy = LinkPolicy { cut: true, ..LinkPolicy::default() };
    (Fault::Link { from, to, policy }, Some(clear(from, to)))
}

fn clear(from: NodeId, to: NodeId) -> Fault {
    Fault::Link { from, to, policy: LinkPolicy::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Fault, generate};

    #[test]
    fn a_seed_gives_one_list_and_another_seed_another() {
        assert_eq!(generate(1, 5, 20, 60_000), generate(1, 5, 20, 60_000));
        assert_ne!(generate(1, 5, 20, 60_000), generate(2, 5, 20, 60_000));
    }

    #[test]
    fn every_list_is_in_order_and_leaves_nothing_broken() {
        for seed in 0..200 {
            let list = generate(seed, 3, 10, 30_000);
            assert!(list.is_sorted_by_key(|(at, _)| *at));
            let mut broken = BTreeSet::new();
            for (_, fault) in &list {
                match *fault {
                    Fault::Kill(node) | Fault::PowerLoss(node) => {
                        broken.insert(("dead", node.0, 0))
                    }
                    Fault::Start(node) => broken.remove(&("dead", node.0, 0)),
                    Fault::Pause(node) => broken.insert(("paused", node.0, 0)),
                    Fault::Resume(node) => broken.remove(&("paused", node.0, 0)),
                    Fault::Link { from, to, policy } if policy.is_clear() => {
                        broken.remove(&("link", from.0, to.0))
                    }
                    Fault::Link { from, to, .. } => broken.insert(("link", from.0, to.0)),
                    Fault::DiskFull(node) => broken.insert(("disk", node.0, 0)),
                    Fault::DiskFree(node) => broken.remove(&("disk", node.0, 0)),
                    Fault::Reset(..) => false,
                };
            }
            assert_eq!(broken, BTreeSet::new(), "seed {seed}");
        }
    }
}
