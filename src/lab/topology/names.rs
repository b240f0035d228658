//! The names that a file may speak of.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::table::{Notes, did_you_mean};
use crate::lab::view::NodeKind;

/// A node of the file, as far as others speak of it.
pub struct Named<'d> {
    /// Its name.
    pub name: &'d str,
    /// Server or Sentinel.
    pub kind: NodeKind,
    /// Where the name stands.
    pub name_span: &'d Range<usize>,
    /// Its port, if it has one of its own.
    pub port: Option<u16>,
    /// Where the port stands.
    pub port_span: Option<&'d Range<usize>>,
    /// The name of the group it was expanded from.
    pub group: Option<&'d str>,
}

/// Nodes, and what they are called together: "server", or "node".
pub struct Names<'d> {
    nodes: Vec<Named<'d>>,
    what: &'static str,
}

impl<'d> Names<'d> {
    /// The names of these nodes.
    pub fn of(nodes: impl IntoIterator<Item = Named<'d>>) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let what = match nodes.iter().map(|node| node.kind).max() {
            None | Some(NodeKind::Server) => "server",
            _ if nodes.iter().any(|node| node.kind == NodeKind::Server) => "node",
            _ => "Sentinel",
        };
        Self { nodes, what }
    }

    /// The nodes, in file order.
    pub fn nodes(&self) -> &[Named<'d>] {
        &self.nodes
    }

    /// The kind of the node of that name.
    pub fn kind(&self, name: &str) -> Option<NodeKind> {
        self.nodes.iter().find(|node| node.name == name).map(|node| node.kind)
    }

    /// Whether a node has that name; if not, that is noted.
    pub fn check(&self, name: &str, span: Range<usize>, notes: &mut Notes<'_>) -> bool {
        self.check_or(name, &[], span, notes)
    }

    /// Whether a node has that name, or something else of which these are the names.
    pub fn check_or(
        &self,
        name: &str,
        others: &[&str],
        span: Range<usize>,
        notes: &mut Notes<'_>,
    ) -> bool {
        let names = || self.nodes.iter().map(|node| node.name).chain(others.iter().copied());
        if names().any(|known| known == name) {
            return true;
        }
        let of_group = self.nodes.iter().filter(|node| node.group == Some(name));
        let members: Vec<&str> = of_group.map(|node| node.name).collect();
        let (all, what): (Vec<&str>, _) = (names().collect(), self.what);
        notes.add(if members.is_empty() {
            let unknown = Diagnostic::error(span, format!("there is no {what} `{name}`"));
            let unknown = did_you_mean(unknown, name, names());
            if all.is_empty() {
                unknown
            } else {
                unknown.help(format!("there are {}", all.join(", ")))
            }
        } else {
            Diagnostic::error(span, format!("`{name}` is a group, and one {what} is wanted"))
                .help(format!("its {what}s are {}", members.join(", ")))
        });
        false
    }

    /// Whether there are any nodes to speak of.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
