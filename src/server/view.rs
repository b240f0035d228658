//! The picture of the node for people.

use super::Server;
use crate::keyspace::digest;
use crate::machine::{Endpoint, NodeData, Now, PrimaryLinkView, Role, ServerView};
use crate::repl::History;

impl Server {
    /// The history that the data comes from: what checks of many nodes compare.
    pub fn history(&self) -> &History {
        &self.replication.history
    }

    /// The primary, if this node is a replica.
    pub fn follows(&self) -> Option<&Endpoint> {
        self.replication.follows()
    }

    /// `DEBUG DIGEST`: equal for equal data, whichever node it is in. It reads all data.
    pub fn digest(&self) -> String {
        digest(&self.keyspace)
    }

    /// The node as it is now.
    pub(super) fn picture(&self, now: Now) -> ServerView {
        let replication = &self.replication;
        let history = &replication.history;
        let queued = |conn| self.clients.get(conn).map_or(0, |c| c.unsent_bytes as u64);
        let needed = self.config.min_replicas_to_write;
        ServerView {
            role: if self.is_replica() { Role::Replica } else { Role::Primary },
            loading: self.persistence.loading(),
            replid: history.replid().to_string(),
            replid2: history.previous().map(|previous| previous.replid.to_string()),
            second_offset: history.second_offset(),
            offset: history.offset(),
            backlog: history.stream.backlog(),
            replicas: replication
                .replicas
                .iter()
                .map(|(conn, r)| r.view(&history.stream, queued(*conn), now.mono))
                .collect(),
            primary: self.primary_link_view(now),
            last_sync: replication.last_sync(now.mono),
            keys: self.keyspace.keys(),
            expires: self.keyspace.expiring_keys(),
            memory_bytes: self.keyspace.memory_bytes(),
            clients: self.clients.normal_count(),
            sentinels: self.sentinels(),
            commands_total: self.stats.commands_total,
            sync_full: self.stats.sync_full,
            sync_partial_ok: self.stats.sync_partial_ok,
            sync_partial_err: self.stats.sync_partial_err,
            good_replicas: (needed > 0).then_some((replication.good_replicas, needed)),
            saving: self.is_saving(),
            unsaved_changes: self.stats.unsaved_changes,
            data_version: self.keyspace.version(),
        }
    }

    /// The data as it is now, and the stream that led to it as far as it is held.
    pub(super) fn lend_data(&mut self, now: Now) -> NodeData {
        let history = &mut self.replication.history;
        let first = history.stream.backlog().map_or(u64::MAX, |backlog| backlog.first);
        let previous = history.previous();
        NodeData {
            snapshot: self.keyspace.snapshot(),
            wall_ms: now.wall_ms(),
            replid: history.replid().to_string(),
            previous: previous.map(|p| (p.replid.to_string(), p.second_offset)),
            offset: history.offset(),
            tail: history.stream.read_from(first).collect(),
        }
    }

    /// Who of its clients is a Sentinel, by the names that Sentinels give their connections.
    fn sentinels(&self) -> Vec<String> {
        let id = |name: &str| {
            let id = name.strip_prefix("sentinel-")?.strip_suffix("-pubsub")?;
            Some(id.to_owned())
        };
        let mut ids: Vec<String> = self.clients.iter().filter_map(|c| id(&c.name)).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    fn primary_link_view(&self, now: Now) -> Option<PrimaryLinkView> {
        let upstream = self.replication.upstream.as_ref()?;
        let is_up = upstream.is_connected();
        Some(PrimaryLinkView {
            host: upstream.primary.host.clone(),
            port: upstream.primary.port,
            state: upstream.state(),
            io_age_ms: upstream.last_io().filter(|_| is_up).map(|at| now.since(at)),
            down_ms: upstream.down_since.filter(|_| !is_up).map(|at| now.since(at)),
            transfer: upstream.transfer(),
        })
    }
}
