//! The node's configuration, by Redis's directive names.
//!
//! A directive is a row of [`table`]: its name and older name, what it takes, its default, whether
//! it can be changed while the node runs, and, if it means something to this node, the field of
//! [`Config`] that holds it. All others are stored and given back. Every value has one canonical
//! text (bytes without unit, `yes` or `no`), which CONFIG GET shows; [`special`] has the directives
//! that take several words. [`mod@file`] reads and rewrites redis.conf.
//!
//! # Differences from Redis
//!
//! * `loadmodule` is refused, and so are users other than a `default` with everything allowed.
//! * CONFIG REWRITE changes the file as this node read it or last wrote it, whatever it holds now.
//! * `activedefrag yes`, `cluster-enabled yes` and a `tls-port` are refused: there is none of them.
//! * `bind` listens on loopback only: all addresses there are (`*`) are those. CONFIG SET of it and
//!   of `port` holds from the next start on.

mod bind;
pub mod file;
mod renames;
mod special;
mod table;
mod user;

use std::collections::BTreeMap;

pub use self::bind::BindAddress;
pub use self::renames::Renames;
use self::table::Directive;
pub use self::table::bytes as memory_bytes;
pub use self::user::{DefaultUser, RuleError};
use crate::command::Lazy;
use crate::keyspace::DATABASES_DEFAULT;
use crate::keyspace::types::Packing;
use crate::machine::Endpoint;
use crate::resp::request::split_words;

/// What a node was told to be. Fields are directives; units are in the names.
#[derive(Debug, Clone)]
pub struct Config {
    /// `databases`
    pub databases: usize,
    /// `maxclients`
    pub maxclients: usize,
    /// `requirepass`; empty for none. Who is let in, [`Config::user`] says.
    pub requirepass: String,
    /// `user default`
    pub user: DefaultUser,
    /// `proto-max-bulk-len`, bytes.
    pub proto_max_bulk_len: u64,
    /// `busy-reply-threshold`, ms.
    pub busy_reply_threshold: u64,
    /// Up to what size values are kept in one piece.
    pub packing: Packing,
    /// `lazyfree-lazy-expire`, `lazyfree-lazy-user-del`
    pub lazy: Lazy,
    /// `client-query-buffer-limit`, bytes.
    pub client_query_buffer_limit: usize,
    /// `dbfilename`
    pub dbfilename: String,
    /// `save`: after so many seconds if so many changes.
    pub save: Vec<(u64, u64)>,
    /// `appendonly`
    pub appendonly: bool,
    /// `appenddirname`
    pub appenddirname: String,
    /// `appendfilename`
    pub appendfilename: String,
    /// `appendfsync`
    pub appendfsync: Fsync,
    /// `no-appendfsync-on-rewrite`
    pub no_appendfsync_on_rewrite: bool,
    /// `auto-aof-rewrite-percentage`; 0 for never.
    pub auto_aof_rewrite_percentage: u64,
    /// `auto-aof-rewrite-min-size`, bytes.
    pub auto_aof_rewrite_min_size: u64,
    /// `aof-load-truncated`
    pub aof_load_truncated: bool,
    /// `aof-use-rdb-preamble`
    pub aof_use_rdb_preamble: bool,
    /// `aof-timestamp-enabled`
    pub aof_timestamp_enabled: bool,
    /// `aof-disable-auto-gc`
    pub aof_disable_auto_gc: bool,
    /// `replicaof`
    pub replicaof: Option<Endpoint>,
    /// `masterauth`; empty for none.
    pub masterauth: String,
    /// `masteruser`; empty for none.
    pub masteruser: String,
    /// `replica-read-only`
    pub replica_read_only: bool,
    /// `replica-ignore-maxmemory`
    pub replica_ignore_maxmemory: bool,
    /// `replica-ignore-disk-write-errors`
    pub replica_ignore_disk_write_errors: bool,
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
    /// `shutdown-on-sigint`: as `shutdown-on-sigterm`.
    pub shutdown_on_sigint: String,
    /// `shutdown-on-sigterm`: `default`, or words of SHUTDOWN.
    pub shutdown_on_sigterm: String,
    /// `rdbcompression`
    pub rdbcompression: bool,
    /// `rdb-key-save-delay`, microseconds.
    pub rdb_key_save_delay: u64,
    /// `key-load-delay`, microseconds.
    pub key_load_delay: u64,
    /// `stop-writes-on-bgsave-error`
    pub stop_writes_on_bgsave_error: bool,
    /// `rdb-del-sync-files`
    pub rdb_del_sync_files: bool,
    /// `port`
    pub port: u16,
    /// `timeout`: seconds after which an idle client is closed; 0 for never.
    pub timeout: u64,
    /// `client-output-buffer-limit` of ordinary clients.
    pub normal_buffer_limit: BufferLimit,
    /// `client-output-buffer-limit` of subscribers.
    pub pubsub_buffer_limit: BufferLimit,
    /// `slowlog-log-slower-than`, microseconds; -1 for nothing.
    pub slowlog_log_slower_than: i64,
    /// `acllog-max-len`, entries.
    pub acllog_max_len: usize,
    /// `slowlog-max-len`, entries.
    pub slowlog_max_len: usize,
    /// `latency-tracking`
    pub latency_tracking: bool,
    /// `latency-monitor-threshold`, milliseconds; 0 for off.
    pub latency_monitor_threshold: u64,
    /// `enable-debug-command`: `no`, `yes` or `local`.
    pub enable_debug_command: String,
    /// `enable-protected-configs`: `no`, `yes` or `local`.
    pub enable_protected_configs: String,
    /// `protected-mode`
    pub protected_mode: bool,
    /// `hz`
    pub hz: u64,
    /// `notify-keyspace-events`; empty for none.
    pub notify_keyspace_events: String,
    /// `maxmemory`, bytes.
    pub maxmemory: u64,
    /// `rename-command`
    pub renames: Renames,
    /// The file it was read from, for CONFIG REWRITE.
    pub file: Option<ConfigFile>,
    /// Directives without a field that are not at their default.
    pub others: OtherDirectives,
}

/// Directives that mean nothing to this node and are stored and given back.
#[derive(Debug, Clone, Default)]
pub struct OtherDirectives(BTreeMap<&'static str, String>);

/// A configuration file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its name; absolute, since the node's directory may be another.
    pub name: String,
    /// Its text.
    pub text: String,
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

/// `appendfsync`: when the log of commands is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// `always`: before a write is answered.
    Always,
    /// `everysec`: once a second, beside the node.
    Everysec,
    /// `no`: when the operating system likes to.
    No,
}

/// A higher `hz` is taken for this one.
const HZ_MAX: u64 = 500;

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
            user: DefaultUser::default(),
            proto_max_bulk_len: 512 << 20,
            busy_reply_threshold: 5000,
            packing: Packing::default(),
            lazy: Lazy::default(),
            client_query_buffer_limit: 1 << 30,
            dbfilename: "dump.rdb".to_owned(),
            save: vec![(3600, 1), (300, 100), (60, 10_000)],
            appendonly: false,
            appenddirname: "appendonlydir".to_owned(),
            appendfilename: "appendonly.aof".to_owned(),
            appendfsync: Fsync::Everysec,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size: 64 << 20,
            aof_load_truncated: true,
            aof_use_rdb_preamble: true,
            aof_timestamp_enabled: false,
            aof_disable_auto_gc: false,
            replicaof: None,
            masterauth: String::new(),
            masteruser: String::new(),
            replica_read_only: true,
            replica_ignore_maxmemory: true,
            replica_ignore_disk_write_errors: false,
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
            shutdown_on_sigint: "default".to_owned(),
            shutdown_on_sigterm: "default".to_owned(),
            rdbcompression: true,
            rdb_key_save_delay: 0,
            key_load_delay: 0,
            stop_writes_on_bgsave_error: true,
            rdb_del_sync_files: false,
            port: 6379,
            timeout: 0,
            normal_buffer_limit: BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
            pubsub_buffer_limit: BufferLimit {
                hard_bytes: 32 << 20,
                soft_bytes: 8 << 20,
                soft_seconds: 60,
            },
            slowlog_log_slower_than: 10_000,
            acllog_max_len: 128,
            slowlog_max_len: 128,
            latency_tracking: true,
            latency_monitor_threshold: 0,
            enable_debug_command: "no".to_owned(),
            enable_protected_configs: "no".to_owned(),
            protected_mode: true,
            hz: 10,
            notify_keyspace_events: String::new(),
            maxmemory: 0,
            renames: Renames::default(),
            file: None,
            others: OtherDirectives::default(),
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

/// How CONFIG SET refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// No such directive.
    Unknown(String),
    /// This directive, for this reason.
    Refused(String, String),
}

impl Config {
    /// The defaults, changed by these directives in order. A value is what stands after the name in
    /// redis.conf, several words and quotes included.
    pub fn from_directives(directives: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut saves = false;
        for (name, value) in directives {
            // The first save line replaces the defaults, further ones add to it.
            if name.eq_ignore_ascii_case("save") && !std::mem::replace(&mut saves, true) {
                config.save.clear();
            }
            config
                .load(name, value)
                .map_err(|reason| ConfigError { directive: name.clone(), reason })?;
        }
        Ok(config)
    }

    /// Whether a configuration file may say this; else why not.
    pub fn check_directive(name: &str, value: &str) -> Result<(), String> {
        Self::default().load(name, value)
    }

    /// All names that a configuration file may use.
    pub fn directive_names() -> impl Iterator<Item = &'static str> + Clone {
        table::DIRECTIVES.iter().flat_map(|d| [Some(d.name), d.alias]).flatten()
    }

    /// The value of a directive, by its name or older name.
    pub fn get(&self, name: &str) -> Option<String> {
        table::find(name).map(|directive| self.show(directive))
    }

    /// Names and values of all directives that fit a pattern, older names included, as CONFIG GET
    /// shows them: one that is asked for by its name as it was written.
    pub fn matching(&self, pattern: &str) -> Vec<(String, String)> {
        if let Some(directive) = table::find(pattern) {
            return vec![(pattern.to_owned(), self.show(directive))];
        }
        let fits =
            |name: &str| crate::base::glob::matches_any_case(pattern.as_bytes(), name.as_bytes());
        let mut found = Vec::new();
        for directive in table::DIRECTIVES.iter().filter(|d| !d.hidden) {
            for name in [Some(directive.name), directive.alias].into_iter().flatten() {
                if fits(name) {
                    found.push((name.to_owned(), self.show(directive)));
                }
            }
        }
        found
    }

    /// Changes several directives of a running node, all or none. `local` says whether the one who
    /// asks sits on the same machine. Returns the names of what was set.
    pub fn set_all(
        &mut self,
        pairs: &[(String, String)],
        local: bool,
    ) -> Result<Vec<&'static str>, SetError> {
        let mut changed = self.clone();
        let mut names: Vec<(&'static str, &'static Directive)> = Vec::new();
        for (given, _) in pairs {
            let (directive, name) =
                table::find_named(given).ok_or_else(|| SetError::Unknown(given.clone()))?;
            let refuse = |why: &str| Err(SetError::Refused(given.clone(), why.to_owned()));
            if directive.fixed {
                return refuse("can't set immutable config");
            }
            let open = match self.enable_protected_configs.as_str() {
                "yes" => true,
                "local" => local,
                _ => false,
            };
            if directive.protected && !open {
                return refuse("can't set protected config");
            }
            if names.iter().any(|(other, _)| *other == name) {
                return refuse("duplicate parameter");
            }
            names.push((name, directive));
        }
        for ((given, value), (_, directive)) in pairs.iter().zip(&names) {
            if directive.name == "save" {
                changed.save.clear();
            }
            changed
                .set(directive, std::slice::from_ref(value))
                .map_err(|reason| SetError::Refused(given.clone(), reason))?;
        }
        let addresses = changed.bind_addresses();
        if addresses != self.bind_addresses() && !bind::can_listen(&addresses) {
            let why = "Failed to bind to specified addresses.".to_owned();
            return Err(SetError::Refused("bind".to_owned(), why));
        }
        if changed.requirepass != self.requirepass {
            changed.user.require(&changed.requirepass);
        }
        *self = changed;
        Ok(names.into_iter().map(|(_, directive)| directive.name).collect())
    }

    fn load(&mut self, name: &str, value: &str) -> Result<(), String> {
        let words = split_words(value.as_bytes())
            .ok_or("Unbalanced quotes in configuration line")?
            .into_iter()
            .map(|word| String::from_utf8_lossy(&word).into_owned())
            .collect::<Vec<_>>();
        match name.to_ascii_lowercase().as_str() {
            "user" => return self.declare_user(&words),
            "loadmodule" => return Err("loadmodule is not supported".to_owned()),
            "rename-command" => {
                let [from, to] = words.as_slice() else {
                    return Err("Bad directive or wrong number of arguments".to_owned());
                };
                return self.renames.rename(from, to);
            }
            _ => {}
        }
        let directive = table::find(name).ok_or("Bad directive or wrong number of arguments")?;
        let mut points = std::mem::take(&mut self.save);
        self.set(directive, &words)?;
        // Lines of save points add up, until one that has none.
        if directive.name != "save" || !self.save.is_empty() {
            points.append(&mut self.save);
            self.save = points;
        }
        if directive.name == "requirepass" && !self.user.is_declared {
            self.user.require(&self.requirepass);
        }
        Ok(())
    }

    fn set(&mut self, directive: &Directive, words: &[String]) -> Result<(), String> {
        let text = directive.kind.canonical(self, words)?;
        match directive.at {
            Some((_, put)) => put(self, &text),
            None if text == directive.default => drop(self.others.0.remove(directive.name)),
            None => drop(self.others.0.insert(directive.name, text)),
        }
        self.hz = self.hz.clamp(1, HZ_MAX);
        Ok(())
    }

    fn show(&self, directive: &Directive) -> String {
        match directive.at {
            Some((show, _)) => show(self),
            None => self.stored(directive).to_owned(),
        }
    }

    /// The value of a directive without a field.
    fn stored(&self, directive: &Directive) -> &str {
        self.others.0.get(directive.name).map_or(directive.default, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, SetError};

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_default_in_the_table_is_the_default_of_its_field() {
        let config = Config::default();
        for directive in super::table::DIRECTIVES {
            assert_eq!(config.show(directive), directive.default, "{}", directive.name);
        }
    }

    #[test]
    fn every_directive_can_be_set_to_its_own_value() {
        let mut config = Config::default();
        for directive in super::table::DIRECTIVES {
            if directive.fixed || directive.protected {
                continue;
            }
            let before = config.show(directive);
            let set = config.set_all(&pairs(&[(directive.name, &before)]), false);
            assert_eq!(set, Ok(vec![directive.name]), "{}", directive.name);
            assert_eq!(config.show(directive), before, "{}", directive.name);
        }
    }

    #[test]
    fn units_aliases_and_quotes_are_understood() {
        let config = Config::from_directives(&pairs(&[
            ("repl-backlog-size", "2mb"),
            ("slave-read-only", "NO"),
            ("requirepass", "\"se cret\""),
            ("slaveof", "localhost 7000"),
            ("client-output-buffer-limit", "replica 1mb 512kb 10 pubsub 0 0 0"),
        ]))
        .unwrap();
        assert_eq!(config.repl_backlog_size, 2 << 20);
        assert!(!config.replica_read_only);
        assert_eq!(config.requirepass, "se cret");
        assert_eq!(config.get("replicaof").as_deref(), Some("localhost 7000"));
        assert_eq!(
            config.get("client-output-buffer-limit").as_deref(),
            Some("normal 0 0 0 slave 1048576 524288 10 pubsub 0 0 0")
        );
    }

    #[test]
    fn save_lines_replace_the_defaults_and_add_up() {
        let save = |lines: &[(&str, &str)]| Config::from_directives(&pairs(lines)).unwrap().save;
        assert_eq!(save(&[("save", "100 1"), ("save", "10 2")]), [(100, 1), (10, 2)]);
        assert_eq!(save(&[("save", "''")]), []);
        assert_eq!(save(&[("save", "''"), ("save", "100 100")]), [(100, 100)]);
        assert_eq!(save(&[]).len(), 3);
    }

    #[test]
    fn refusals_are_in_redis_words() {
        for (name, value, reason) in [
            ("foo", "bar", "Bad directive or wrong number of arguments"),
            ("port", "x", "argument couldn't be parsed into an integer"),
            ("maxclients", "1 2", "wrong number of arguments"),
            ("replicaof", "a", "wrong number of arguments"),
            ("port", "\"", "Unbalanced quotes in configuration line"),
            ("save", "1", "Invalid save parameters"),
            (
                "loglevel",
                "foo",
                "argument(s) must be one of the following: debug, verbose, notice, warning",
            ),
            ("repl-timeout", "0", "argument must be between 1 and 2147483647 inclusive"),
            ("repl-backlog-size", "x", "argument must be a memory value"),
            ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
            ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
            ("cluster-enabled", "yes", "cluster mode is not supported"),
            ("tls-port", "6380", "Unable to update TLS configuration. Check server logs."),
            (
                "proc-title-template",
                "{foo}",
                "template format is invalid or contains unknown variables",
            ),
        ] {
            assert_eq!(Config::check_directive(name, value), Err(reason.to_owned()), "{name}");
        }
    }

    #[test]
    fn several_are_set_together_or_not_at_all() {
        let mut config = Config::default();
        let bad = pairs(&[("maxclients", "10"), ("repl-timeout", "x")]);
        assert!(
            matches!(config.set_all(&bad, true), Err(SetError::Refused(n, _)) if n == "repl-timeout")
        );
        assert_eq!(config.maxclients, 10_000);
        assert_eq!(
            config.set_all(&pairs(&[("nosuch", "1")]), true),
            Err(SetError::Unknown("nosuch".to_owned()))
        );
    }
}
