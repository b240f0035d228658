//! What a node's memory goes to, as INFO and MEMORY STATS divide it.

use super::Server;
use super::client::{Client, ClientKind};
use super::stats::CommandStats;

/// Bytes by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// An empty node.
    pub startup: u64,
    /// Keys and values.
    pub dataset: u64,
    /// The replication stream: what backlog and replicas need of it.
    pub replication_buffers: u64,
    /// Of these, the backlog.
    pub backlog: u64,
    /// The rest, and the replicas' connections.
    pub replicas: u64,
    /// All other connections.
    pub clients: u64,
}

impl Memory {
    /// Everything.
    pub fn used(&self) -> u64 {
        self.dataset + self.overhead()
    }

    /// Everything but keys and values.
    pub fn overhead(&self) -> u64 {
        self.startup + self.backlog + self.replicas + self.clients
    }

    /// What replicas need of the stream beyond the backlog.
    pub fn beyond_backlog(&self) -> u64 {
        self.replication_buffers - self.backlog
    }
}

impl Server {
    /// What the node's memory goes to now.
    pub(super) fn memory(&self) -> Memory {
        let clients = self.clients.in_order();
        let (replicas, others): (Vec<&Client>, Vec<&Client>) =
            clients.into_iter().partition(|client| client.kind == ClientKind::Replica);
        let stream = &self.replication.history.stream;
        let buffers = stream.buffer_bytes() as u64;
        let backlog = match replicas.len() {
            0 => buffers,
            _ => buffers.min(stream.backlog_size() as u64),
        };
        // What waits for a replica is a part of the stream.
        let own = |client: &&Client| client.memory_bytes() - client.unsent_bytes;
        let replicas: usize = replicas.iter().map(own).sum();
        let clients: usize = others.iter().map(|client| client.memory_bytes()).sum();
        Memory {
            startup: (size_of::<Self>() + self.stats.commands.len() * size_of::<CommandStats>())
                as u64,
            dataset: self.keyspace.memory_bytes(),
            replication_buffers: buffers,
            backlog,
            replicas: buffers - backlog + replicas as u64,
            clients: clients as u64,
        }
    }

    /// Bytes accounted to this node.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory().used()
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn every_part_is_felt_where_it_belongs() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let empty = bench.server.memory();
        assert_eq!((empty.dataset, empty.backlog, empty.replicas), (0, 0, 0));
        assert!(empty.startup > 0 && empty.clients > 0);
        bench.streamed(0);
        bench.ask(conn, &format!("SET k {}", "x".repeat(10_000)));
        let filled = bench.server.memory();
        assert!(filled.dataset > 10_000 && filled.backlog > 10_000);
        assert_eq!(filled.backlog, filled.replication_buffers);
        assert_eq!(filled.used(), filled.overhead() + filled.dataset);
    }
}
