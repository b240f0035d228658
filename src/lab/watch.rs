//! Looking at the lab: pictures for the screen, readiness, who is the primary now.

use std::sync::Arc;

use super::nodes::Node;
use super::picture;
use super::run::Lab;
use super::view::{LabView, LinkFault, NodeKind, NodeRow, NodeStatus, Seen};
use crate::machine::{LinkState, Millis, PrimaryLinkView, Role, ServerView};
use crate::world::World;

/// Milliseconds between two samples of how far each node is behind.
const SAMPLE_MS: Millis = 500;

/// Samples kept of each node: the last minute.
const SAMPLES_MAX: usize = 120;

/// Rows of the journal in a picture.
const VIEW_ROWS_MAX: usize = 500;

impl<W: World> Lab<W> {
    /// A picture of the whole lab.
    pub fn view(&mut self) -> LabView {
        self.refresh();
        self.picture(VIEW_ROWS_MAX)
    }

    /// A picture with at most so many rows of the journal.
    pub(super) fn picture(&self, journal_rows: usize) -> LabView {
        LabView {
            title: self.title.clone(),
            about: self.about.clone(),
            now_ms: self.now_ms(),
            nodes: self.rows(),
            outside: self.outside.clone(),
            monitors: self.monitors.clone(),
            failovers: self.failovers.reports().to_vec(),
            faults: self.link_faults(),
            workload: self.workload.view(&self.nodes, self.now_ms()),
            full_syncs: self.full_syncs,
            partial_syncs: self.partial_syncs,
            journal: self.journal.newest(journal_rows),
            steps: self.steps.view(),
            is_held: self.steps.is_held(),
            compared: self.compared,
            undo: self.undo_text(),
        }
    }

    /// The nodes as they are now.
    pub fn rows(&self) -> Vec<NodeRow> {
        let row = |(at, node): (usize, &Node)| NodeRow {
            name: node.name.clone(),
            kind: node.kind,
            port: node.port,
            status: node.status.clone(),
            view: node.view.clone(),
            follows: self.follows(node),
            behind_history: node.behind.iter().copied().collect(),
            seen: Seen {
                reply: self.consoles[at].last_reply().map(str::to_owned),
                streamed: self.taps[at].last.clone(),
                snapshots: node.snapshots,
                last_snapshot: node.last_snapshot,
            },
        };
        self.nodes.iter().enumerate().map(row).collect()
    }

    fn follows(&self, node: &Node) -> Option<usize> {
        let PrimaryLinkView { host, port, .. } = server(node)?.primary.as_ref()?;
        let is_local = picture::is_local(host);
        self.nodes.iter().position(|other| is_local && other.port == *port)
    }

    fn link_faults(&self) -> Vec<LinkFault> {
        let id = |at: usize| self.nodes[at].id;
        let faults = self.faults.iter().map(|((from, to), fault)| LinkFault {
            from,
            to,
            policy: fault.policy,
            since_ms: fault.since_ms,
            heals_at_ms: fault.heals_at_ms(),
            held_bytes: self.world.held_bytes(id(from), id(to)),
        });
        faults.collect()
    }

    /// Takes the nodes' newest pictures, and a sample when it is time for one.
    pub(super) fn refresh(&mut self) {
        for node in &mut self.nodes {
            let Some(newest) = self.world.view(node.id) else { continue };
            if node.pictured.as_ref().is_some_and(|known| Arc::ptr_eq(known, &newest)) {
                continue;
            }
            node.view = Some(match node.status {
                NodeStatus::Dead(..) => Arc::new(newest.of_the_dead()),
                _ => Arc::clone(&newest),
            });
            node.pictured = Some(newest);
        }
        self.look_outside();
        let now = self.now_ms();
        if now >= self.sampled_at + SAMPLE_MS {
            self.sampled_at = now;
            let rows = self.rows();
            for (at, node) in self.nodes.iter_mut().enumerate() {
                let Some(behind) = picture::behind(&rows, at) else {
                    node.behind.clear();
                    continue;
                };
                if node.behind.len() == SAMPLES_MAX {
                    node.behind.pop_front();
                }
                node.behind.push_back(behind);
            }
        }
    }

    pub(super) fn next_sample(&self) -> Millis {
        self.sampled_at + SAMPLE_MS
    }

    /// Whether every server serves and follows whom the topology says. A link that is cut from the
    /// start is not waited for, nor a node that is dead again.
    pub(super) fn links_are_up(&self) -> bool {
        self.nodes.iter().enumerate().all(|(at, node)| {
            if node.kind != NodeKind::Server || matches!(node.status, NodeStatus::Dead(..)) {
                return true;
            }
            let Some(view) = server(node) else { return false };
            let linked = node.follows_at_first.is_none_or(|primary| {
                let up = view.primary.as_ref().map(|link| link.state) == Some(LinkState::Connected);
                up || self.is_cut(at, primary)
            });
            view.loading.is_none() && linked
        })
    }

    /// Whether every running Sentinel that can reach its primary knows its replicas, and the other
    /// Sentinels that can.
    pub(super) fn sentinels_know_each_other(&self) -> bool {
        let rows = self.rows();
        self.monitors.iter().all(|monitor| {
            let reaches = |at: &usize| {
                self.nodes[*at].status == NodeStatus::Running && !self.is_cut(*at, monitor.primary)
            };
            let replicas = picture::fed_by(&rows, monitor.primary);
            let watching: Vec<usize> = monitor.sentinels.iter().copied().filter(reaches).collect();
            watching.iter().all(|at| {
                picture::belief(&rows, *at, &monitor.name).is_some_and(|belief| {
                    let is_cut_off = watching.iter().any(|other| self.is_cut(*at, *other));
                    belief.replicas.len() >= replicas
                        && (is_cut_off || belief.peers.len() + 1 >= watching.len())
                })
            })
        })
    }

    /// Whether nothing passes between two nodes, in one direction at least.
    pub(super) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.faults.policy((a, b)).cut || self.faults.policy((b, a)).cut
    }

    /// The node that holds the truth now: where the workload writes, if that is a running primary,
    /// else the head of its chain, else the running primary that feeds most replicas.
    pub(super) fn present_primary(&self) -> Option<usize> {
        let rows = self.rows();
        let is_primary = |at: &usize| {
            let node = &self.nodes[*at];
            node.status == NodeStatus::Running
                && server(node).is_some_and(|view| view.role == Role::Primary)
        };
        let fed = |at: &usize| server(&self.nodes[*at]).map_or(0, |view| view.replicas.len());
        let target = self.workload.target();
        let head = || target.and_then(|target| picture::chain(&rows, target).last().copied());
        target
            .filter(is_primary)
            .or_else(|| head().filter(is_primary))
            .or_else(|| (0..rows.len()).rev().filter(is_primary).max_by_key(fed))
    }

    /// The nodes' names, kinds and ports: servers, then Sentinels, in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, NodeKind, u16)> {
        self.nodes.iter().map(|node| (node.name.as_str(), node.kind, node.port))
    }

    /// The world, for what only one of the worlds can do.
    pub fn world_mut(&mut self) -> &mut W {
        &mut self.world
    }
}

fn server(node: &Node) -> Option<&ServerView> {
    node.view.as_ref().and_then(|view: &Arc<_>| view.server())
}
