//! The node's configuration, by Redis's directive names.

use crate::keyspace::DATABASES_DEFAULT;
use crate::machine::Endpoint;

/// What a node was told to be. Fields are directives; units are in the names.
#[derive(Debug, Clone)]
pub struct Config {
    /// `databases`
    pub databases: usize,
    /// `maxclients`
    pub maxclients: usize,
    /// `requirepass`; empty for none.
    pub requirepass: String,
    /// `proto-max-bulk-len`, bytes.
    pub proto_max_bulk_len: u64,
    /// `client-query-buffer-limit`, bytes.
    pub client_query_buffer_limit: usize,
    /// `dbfilename`
    pub dbfilename: String,
    /// `save`: after so many seconds if so many changes.
    pub save: Vec<(u64, u64)>,
    /// `replicaof`
    pub replicaof: Option<Endpoint>,
    /// `masterauth`; empty for none.
    pub masterauth: String,
    /// `masteruser`; empty for none.
    pub masteruser: String,
    /// `replica-read-only`
    pub replica_read_only: bool,
    /// `replica-serve-stale-data`
    pub replica_serve_stale_data: bool,
    /// `replica-priority`
    pub replica_priority: u32,
    /// `replica-announced`
    pub replica_announced: bool,
    /// `replica-announce-ip`; empty for none.
    pub replica_announce_ip: String,
    /// `replica-announce-port`; 0 for none.
    pub replica_announce_port: u16,
    /// `repl-backlog-size`, bytes.
    pub repl_backlog_size: usize,
    /// `repl-backlog-ttl`, seconds; 0 for ever.
    pub repl_backlog_ttl: u64,
    /// `repl-timeout`, seconds.
    pub repl_timeout: u64,
    /// `repl-ping-replica-period`, seconds.
    pub repl_ping_replica_period: u64,
    /// `repl-diskless-sync`
    pub repl_diskless_sync: bool,
    /// `repl-diskless-sync-delay`, seconds.
    pub repl_diskless_sync_delay: u64,
    /// `repl-diskless-sync-max-replicas`; 0 for no limit.
    pub repl_diskless_sync_max_replicas: usize,
    /// `repl-diskless-load`
    pub repl_diskless_load: DisklessLoad,
    /// `min-replicas-to-write`
    pub min_replicas_to_write: usize,
    /// `min-replicas-max-lag`, seconds.
    pub min_replicas_max_lag: u64,
    /// `client-output-buffer-limit` of replicas.
    pub replica_buffer_limit: BufferLimit,
    /// `shutdown-timeout`, seconds.
    pub shutdown_timeout: u64,
    /// `rdb-key-save-delay`, microseconds.
    pub rdb_key_save_delay: u64,
    /// `key-load-delay`, microseconds.
    pub key_load_delay: u64,
    /// `stop-writes-on-bgsave-error`
    pub stop_writes_on_bgsave_error: bool,
    /// `rdb-del-sync-files`
    pub rdb_del_sync_files: bool,
}

/// `repl-diskless-load`: how a replica takes a full resync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisklessLoad {
    /// `disabled`: through a file.
    Disabled,
    /// `on-empty-db`: straight from the socket if there is no data to lose.
    OnEmptyDb,
    /// `swapdb`: straight from the socket, beside the old data.
    SwapDb,
}

/// One class of `client-output-buffer-limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimit {
    /// Closed at once beyond so many bytes; 0 for no limit.
    pub hard_bytes: u64,
    /// Closed beyond so many bytes...
    pub soft_bytes: u64,
    /// ...for so many seconds without a break.
    pub soft_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: DATABASES_DEFAULT,
            maxclients: 10_000,
            requirepass: String::new(),
            proto_max_bulk_len: 512 << 20,
            client_query_buffer_limit: 1 << 30,
            dbfilename: "dump.rdb".to_owned(),
            save: vec![(3600, 1), (300, 100), (60, 10_000)],
            replicaof: None,
            masterauth: String::new(),
            masteruser: String::new(),
            replica_read_only: true,
            replica_serve_stale_data: true,
            replica_priority: 100,
            replica_announced: true,
            replica_announce_ip: String::new(),
            replica_announce_port: 0,
            repl_backlog_size: 1 << 20,
            repl_backlog_ttl: 3600,
            repl_timeout: 60,
            repl_ping_replica_period: 10,
            repl_diskless_sync: true,
            repl_diskless_sync_delay: 5,
            repl_diskless_sync_max_replicas: 0,
            repl_diskless_load: DisklessLoad::Disabled,
            min_replicas_to_write: 0,
            min_replicas_max_lag: 10,
            replica_buffer_limit: BufferLimit {
                hard_bytes: 256 << 20,
                soft_bytes: 64 << 20,
                soft_seconds: 60,
            },
            shutdown_timeout: 10,
            rdb_key_save_delay: 0,
            key_load_delay: 0,
            stop_writes_on_bgsave_error: true,
            rdb_del_sync_files: false,
        }
    }
}

/// A directive that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{directive}: {reason}")]
pub struct ConfigError {
    /// The directive's name as given.
    pub directive: String,
    /// What is wrong, and what would be accepted.
    pub reason: String,
}

impl Config {
    /// The defaults, changed by these directives in order.
    pub fn from_directives(directives: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (name, value) in directives {
            config
                .set_directive(name, value)
                .map_err(|reason| ConfigError { directive: name.clone(), reason })?;
        }
        Ok(config)
    }

    fn set_directive(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "replicaof" | "slaveof" => {
                let (host, port) = value.split_once(' ').ok_or("expected host and port")?;
                let port = port.trim().parse().map_err(|_| "invalid port")?;
                self.replicaof = Some(Endpoint::new(host, port));
            }
            "repl-diskless-sync-delay" => {
                self.repl_diskless_sync_delay = value.parse().map_err(|_| "not a number")?
            }
            "save" if value.is_empty() => self.save.clear(),
            "repl-backlog-size" => {
                self.repl_backlog_size =
                    value.trim_end_matches(char::is_alphabetic).parse::<usize>().map_err(|_| "n")?
                        * if value.contains('k') { 1024 } else { 1 << 20 }
            }
            "min-replicas-to-write" => {
                self.min_replicas_to_write = value.parse().map_err(|_| "n")?
            }
            "min-replicas-max-lag" => self.min_replicas_max_lag = value.parse().map_err(|_| "n")?,
            "repl-timeout" => self.repl_timeout = value.parse().map_err(|_| "n")?,
            "replica-serve-stale-data" => self.replica_serve_stale_data = value == "yes",
            _ => return Err("unknown directive".to_owned()),
        }
        Ok(())
    }
}
