//! Who follows whom, as layers from the top: pure arithmetic on the view, no drawing.

use crate::lab::LabView;
use crate::lab::view::NodeKind;
use crate::tui::beliefs;
use crate::tui::keymap::Command;

/// A node's place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into the view's nodes; behind those come the servers outside the lab.
    pub node: usize,
    /// 0 for a node that follows nobody here.
    pub layer: usize,
    /// The first column of slots that its subtree takes.
    pub left: usize,
    /// How many slots its subtree takes: one for each leaf.
    pub span: usize,
}

/// All data nodes and the servers outside, each after the one it follows, siblings in the order of
/// the file. A circle of nodes is entered at its first one.
pub fn places(view: &LabView) -> Vec<Place> {
    let mut placed = Vec::with_capacity(view.nodes.len());
    let mut left = 0;
    let holds_data =
        |at: &usize| view.nodes.get(*at).is_none_or(|row| row.kind == NodeKind::Server);
    let servers = || everybody(view).filter(holds_data);
    let starts = servers().filter(|&i| above(view, i).is_none());
    for node in starts.chain(servers()) {
        if !contains(&placed, node) {
            left += place(view, node, 0, left, &mut placed);
        }
    }
    placed
}

fn contains(placed: &[Place], node: usize) -> bool {
    placed.iter().any(|place| place.node == node)
}

/// Places a subtree and gives the slots it took.
fn place(view: &LabView, node: usize, layer: usize, left: usize, out: &mut Vec<Place>) -> usize {
    let at = out.len();
    out.push(Place { node, layer, left, span: 1 });
    let mut span = 0;
    for child in children(view, node) {
        if !contains(out, child) {
            span += place(view, child, layer + 1, left + span, out);
        }
    }
    out[at].span = span.max(1);
    out[at].span
}

/// The nodes, then the servers outside.
fn everybody(view: &LabView) -> std::ops::Range<usize> {
    0..view.nodes.len() + view.outside.len()
}

/// Whom a node or a server outside follows, wherever that is.
pub fn above(view: &LabView, at: usize) -> Option<usize> {
    let Some(row) = view.nodes.get(at) else {
        let outsider = view.outside.get(at - view.nodes.len())?;
        return outsider.fed.as_ref().map(|fed| fed.by);
    };
    let outside = || view.outside.iter().position(|outsider| outsider.feeds.contains(&at));
    row.follows.or_else(|| Some(view.nodes.len() + outside()?))
}

/// Those that follow a node or a server outside.
pub fn children(view: &LabView, node: usize) -> impl Iterator<Item = usize> {
    everybody(view).filter(move |&i| i != node && above(view, i) == Some(node))
}

/// The node that an arrow key leads to: up to the one followed, down to the first follower, left
/// and right along the layer. Where there is none, up and down go on to the neighbours in the
/// order of the tree, so that every node can be reached with two keys. Below the tree stands the
/// row of Sentinels.
pub fn neighbour(view: &LabView, from: usize, command: Command) -> usize {
    let places = places(view);
    let Some(at) = places.iter().position(|place| place.node == from) else {
        return beside(view, &places, from, command);
    };
    let here = places[at];
    let layer = |place: &&Place| place.layer == here.layer;
    let found = match command {
        Command::Up => above(view, from).or_else(|| places[..at].last().map(|place| place.node)),
        Command::Down => children(view, from)
            .next()
            .or_else(|| places.get(at + 1).map(|place| place.node))
            .or_else(|| beliefs::sentinels(view).next()),
        Command::Left => places.iter().filter(layer).rfind(|p| p.left < here.left).map(|p| p.node),
        Command::Right => places.iter().filter(layer).find(|p| p.left > here.left).map(|p| p.node),
        _ => None,
    };
    found.unwrap_or(from)
}

/// The same for a Sentinel: along their row, and up to the tree.
fn beside(view: &LabView, places: &[Place], from: usize, command: Command) -> usize {
    let mut sentinels = beliefs::sentinels(view);
    let found = match command {
        Command::Up => places.last().map(|place| place.node),
        Command::Left => sentinels.take_while(|&at| at < from).last(),
        Command::Right | Command::Down => sentinels.find(|&at| at > from),
        _ => None,
    };
    found.unwrap_or(from)
}
