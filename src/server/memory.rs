//! What a node's memory goes to, as INFO and MEMORY STATS divide it, and `maxmemory`.
//!
//! # Differences from Redis
//!
//! * Nothing is evicted: whatever `maxmemory-policy` says, commands that need memory are refused
//!   when there is none.

use super::Server;
use super::client::{Client, ClientKind};
use super::stats::CommandStats;
use super::table::Command;
use super::transaction::effective_flags;
use crate::command::{CommandError, flags};

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
        let (replicas, others): (Vec<&Client>, Vec<&Client>) =
            self.clients.iter().partition(|client| client.kind == ClientKind::Replica);
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

    /// Whether more is used than `maxmemory` allows. What replicas still need of the stream does not
    /// count: it goes when they have it.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let max = self.config.maxmemory;
        if max == 0 || (self.is_replica() && self.config.replica_ignore_maxmemory) {
            return false;
        }
        let memory = self.memory();
        memory.used() - memory.replicas > max
    }

    /// OOM.
    pub(super) fn check_memory(
        &self,
        client: &Client,
        command: &Command,
    ) -> Result<(), CommandError> {
        const WITHOUT_MEMORY: [&str; 4] = ["exec", "discard", "quit", "reset"];
        let adds_to_block =
            client.transaction.is_some() && !WITHOUT_MEMORY.contains(&command.name.as_str());
        let needs_memory =
            effective_flags(command, client.transaction.as_ref()) & flags::DENYOOM != 0;
        let from_primary = client.kind == ClientKind::Primary;
        if (needs_memory || adds_to_block) && !from_primary && self.is_out_of_memory() {
            return Err(CommandError::OUT_OF_MEMORY);
        }
        Ok(())
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
    fn without_memory_what_needs_some_is_refused() {
        let mut bench = Bench::new(&[("maxmemory", "1")]);
        let conn = bench.connect();
        let oom = "OOM command not allowed when used memory > 'maxmemory'.";
        let refused = format!("(error) {oom}");
        for (line, answer) in [
            ("SET k v", refused.as_str()),
            ("GET k", "(nil)"),
            ("MULTI", "OK"),
            ("GET k", &refused),
            ("EXEC", "(error) EXECABORT Transaction discarded because of previous errors."),
            ("DEL k", "(integer) 0"),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
        let mut eval = |script| bench.send(conn, &crate::resp::command(&["EVAL", script, "0"]));
        assert_eq!(eval("return 1"), ":1\r\n");
        assert!(
            eval("return redis.call('set', 'k', 'v')").starts_with(format!("-{oom}").as_bytes())
        );
        assert_eq!(eval("#!lua\nreturn 1"), format!("-{oom}\r\n"));
        assert_eq!(eval("#!lua flags=allow-oom\nreturn redis.call('set', 'k', 'v')"), "+OK\r\n");
        bench.ask(conn, "CONFIG SET maxmemory 0");
        assert_eq!(bench.ask(conn, "SET k v"), "OK");
    }

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
