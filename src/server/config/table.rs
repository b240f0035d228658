//! All directives of redis.conf, and the kinds of values they take.

use super::{Config, DisklessLoad, Fsync, bind, special};
use crate::base::number;
use crate::machine::Endpoint;

/// Shows a field as canonical text.
pub(super) type Show = fn(&Config) -> String;
/// Sets a field from canonical text.
pub(super) type Put = fn(&mut Config, &str);

/// A row: one directive.
pub(super) struct Directive {
    pub name: &'static str,
    /// The name it had before.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// As canonical text.
    pub default: &'static str,
    /// Only at the start.
    pub fixed: bool,
    /// Only where `enable-protected-configs` allows it.
    pub protected: bool,
    /// Shown only if asked for by its full name.
    pub hidden: bool,
    /// The field that holds it.
    pub at: Option<(Show, Put)>,
}

/// What a directive takes.
pub(super) enum Kind {
    YesNo,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// Bytes, with or without a unit, within these bounds.
    Memory(i64, i64),
    Text,
    OneOf(&'static [&'static str]),
    /// One word, in canonical text.
    Word(fn(&str) -> Result<String, String>),
    /// Several words, in canonical text.
    Words(fn(&Config, &[String]) -> Result<String, String>),
}

impl Kind {
    /// The canonical text of what was given; else what would be accepted.
    pub fn canonical(&self, config: &Config, words: &[String]) -> Result<String, String> {
        if let Self::Words(read) = self {
            let split: Vec<String> =
                words.iter().flat_map(|w| w.split(' ')).map(str::to_owned).collect();
            return read(config, &split);
        }
        let [word] = words else { return Err("wrong number of arguments".to_owned()) };
        match self {
            Self::YesNo => match word.to_ascii_lowercase().as_str() {
                yes_no @ ("yes" | "no") => Ok(yes_no.to_owned()),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Self::Number(min, max) => number::parse_i64(word.as_bytes())
                .ok_or_else(|| "argument couldn't be parsed into an integer".to_owned())
                .and_then(|n| within(n, *min, *max)),
            Self::Memory(min, max) => bytes(word)
                .ok_or_else(|| "argument must be a memory value".to_owned())
                .and_then(|n| within(n, *min as u64, *max as u64)),
            Self::OneOf(choices) => choices
                .iter()
                .find(|choice| choice.eq_ignore_ascii_case(word))
                .map(|choice| (*choice).to_owned())
                .ok_or_else(|| {
                    let choices = choices.join(", ");
                    format!("argument(s) must be one of the following: {choices}")
                }),
            Self::Word(read) => read(word),
            Self::Text | Self::Words(_) => Ok(word.clone()),
        }
    }
}

fn within<N: Ord + Copy + std::fmt::Display>(n: N, min: N, max: N) -> Result<String, String> {
    if (min..=max).contains(&n) {
        Ok(n.to_string())
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

/// `1gb` as bytes; nothing at all is 0.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    if text.is_empty() {
        return Some(0);
    }
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// The row of a directive, by its name or older name.
pub(super) fn find(name: &str) -> Option<&'static Directive> {
    find_named(name).map(|(directive, _)| directive)
}

/// The row of a directive, and which of its names was given.
pub(super) fn find_named(name: &str) -> Option<(&'static Directive, &'static str)> {
    DIRECTIVES.iter().find_map(|directive| {
        [Some(directive.name), directive.alias]
            .into_iter()
            .flatten()
            .find(|known| known.eq_ignore_ascii_case(name))
            .map(|known| (directive, known))
    })
}

/// A type of field that directives are kept in.
trait Field {
    fn show(&self) -> String;
    /// Takes canonical text, which the row's kind has made sure of.
    fn put(&mut self, text: &str);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn show(&self) -> String {
                self.to_string()
            }

            fn put(&mut self, text: &str) {
                *self = text.parse().unwrap_or(*self);
            }
        }
    )*};
}

numbers!(u16, u32, u64, usize, i64);

impl Field for bool {
    fn show(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }

    fn put(&mut self, text: &str) {
        *self = text == "yes";
    }
}

impl Field for String {
    fn show(&self) -> String {
        self.clone()
    }

    fn put(&mut self, text: &str) {
        text.clone_into(self);
    }
}

impl Field for DisklessLoad {
    fn show(&self) -> String {
        match self {
            Self::Disabled => "disabled",
            Self::OnEmptyDb => "on-empty-db",
            Self::SwapDb => "swapdb",
        }
        .to_owned()
    }

    fn put(&mut self, text: &str) {
        *self = match text {
            "on-empty-db" => Self::OnEmptyDb,
            "swapdb" => Self::SwapDb,
            _ => Self::Disabled,
        };
    }
}

impl Field for Fsync {
    fn show(&self) -> String {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        }
        .to_owned()
    }

    fn put(&mut self, text: &str) {
        *self = match text {
            "always" => Self::Always,
            "no" => Self::No,
            _ => Self::Everysec,
        };
    }
}

impl Field for Option<Endpoint> {
    fn show(&self) -> String {
        self.as_ref().map(|e| format!("{} {}", e.host, e.port)).unwrap_or_default()
    }

    fn put(&mut self, text: &str) {
        *self = text
            .split_once(' ')
            .and_then(|(host, port)| Some(Endpoint::new(host, port.parse().ok()?)));
    }
}

impl Field for Vec<(u64, u64)> {
    fn show(&self) -> String {
        let pairs: Vec<_> = self.iter().map(|(s, n)| format!("{s} {n}")).collect();
        pairs.join(" ")
    }

    fn put(&mut self, text: &str) {
        let numbers: Vec<u64> = text.split(' ').filter_map(|n| n.parse().ok()).collect();
        *self = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    }
}

macro_rules! at {
    ($($field:ident).+) => {
        (
            |config| Field::show(&config.$($field).+),
            |config, text| Field::put(&mut config.$($field).+, text),
        )
    };
}

const fn row(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive {
        name,
        alias: None,
        kind,
        default,
        fixed: false,
        protected: false,
        hidden: false,
        at: None,
    }
}

impl Directive {
    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    const fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn at(mut self, at: (Show, Put)) -> Self {
        self.at = Some(at);
        self
    }
}

const MAX: i64 = i64::MAX;
const INT: i64 = i32::MAX as i64;
const UINT: i64 = u32::MAX as i64;
const PORT: i64 = u16::MAX as i64;

/// All directives, in the order of their names.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    row("acl-pubsub-default", Kind::OneOf(&["allchannels", "resetchannels"]), "resetchannels"),
    row("aclfile", Kind::Text, "").fixed(),
    row("acllog-max-len", Kind::Number(0, MAX), "128").at(at!(acllog_max_len)),
    row("active-defrag-cycle-max", Kind::Number(1, 99), "25"),
    row("active-defrag-cycle-min", Kind::Number(1, 99), "1"),
    row("active-defrag-ignore-bytes", Kind::Memory(1, MAX), "104857600"),
    row("active-defrag-max-scan-fields", Kind::Number(1, MAX), "1000"),
    row("active-defrag-threshold-lower", Kind::Number(0, 1000), "10"),
    row("active-defrag-threshold-upper", Kind::Number(0, 1000), "100"),
    row("active-expire-effort", Kind::Number(1, 10), "1"),
    row("activedefrag", Kind::Word(special::no_defrag), "no"),
    row("activerehashing", Kind::YesNo, "yes"),
    row("always-show-logo", Kind::YesNo, "no").fixed(),
    row("aof-disable-auto-gc", Kind::YesNo, "no").at(at!(aof_disable_auto_gc)),
    row("aof-load-truncated", Kind::YesNo, "yes").at(at!(aof_load_truncated)),
    row("aof-rewrite-incremental-fsync", Kind::YesNo, "yes"),
    row("aof-timestamp-enabled", Kind::YesNo, "no").at(at!(aof_timestamp_enabled)),
    row("aof-use-rdb-preamble", Kind::YesNo, "yes").at(at!(aof_use_rdb_preamble)),
    row("aof_rewrite_cpulist", Kind::Text, "").fixed(),
    row("appenddirname", Kind::Words(special::log_dir), "appendonlydir").fixed().at(at!(appenddirname)),
    row("appendfilename", Kind::Words(special::log_name), "appendonly.aof").fixed().at(at!(appendfilename)),
    row("appendfsync", Kind::OneOf(&["everysec", "always", "no"]), "everysec").at(at!(appendfsync)),
    row("appendonly", Kind::YesNo, "no").at(at!(appendonly)),
    row("auto-aof-rewrite-min-size", Kind::Memory(0, MAX), "67108864").at(at!(auto_aof_rewrite_min_size)),
    row("auto-aof-rewrite-percentage", Kind::Number(0, INT), "100").at(at!(auto_aof_rewrite_percentage)),
    row("bgsave_cpulist", Kind::Text, "").fixed(),
    row("bind", Kind::Words(bind::bind), "* -::*"),
    row("bind-source-addr", Kind::Text, ""),
    row("bio_cpulist", Kind::Text, "").fixed(),
    row("busy-reply-threshold", Kind::Number(0, MAX), "5000").alias("lua-time-limit").at(at!(busy_reply_threshold)),
    row("client-output-buffer-limit", Kind::Words(special::buffer_limits), "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60").at((special::show_buffer_limits, special::put_buffer_limits)),
    row("client-query-buffer-limit", Kind::Memory(1 << 20, MAX), "1073741824").at(at!(client_query_buffer_limit)),
    row("cluster-allow-pubsubshard-when-down", Kind::YesNo, "yes"),
    row("cluster-allow-reads-when-down", Kind::YesNo, "no"),
    row("cluster-allow-replica-migration", Kind::YesNo, "yes"),
    row("cluster-announce-bus-port", Kind::Number(0, PORT), "0"),
    row("cluster-announce-hostname", Kind::Word(special::hostname), ""),
    row("cluster-announce-ip", Kind::Text, ""),
    row("cluster-announce-port", Kind::Number(0, PORT), "0"),
    row("cluster-announce-tls-port", Kind::Number(0, PORT), "0"),
    row("cluster-config-file", Kind::Text, "nodes.conf").fixed(),
    row("cluster-enabled", Kind::Word(special::no_cluster), "no").fixed(),
    row("cluster-link-sendbuf-limit", Kind::Memory(0, MAX), "0"),
    row("cluster-migration-barrier", Kind::Number(0, INT), "1"),
    row("cluster-node-timeout", Kind::Number(0, MAX), "15000"),
    row("cluster-port", Kind::Number(0, PORT), "0").fixed(),
    row("cluster-preferred-endpoint-type", Kind::OneOf(&["ip", "hostname", "unknown-endpoint"]), "ip"),
    row("cluster-replica-no-failover", Kind::YesNo, "no").alias("cluster-slave-no-failover"),
    row("cluster-replica-validity-factor", Kind::Number(0, INT), "10").alias("cluster-slave-validity-factor"),
    row("cluster-require-full-coverage", Kind::YesNo, "yes"),
    row("crash-log-enabled", Kind::YesNo, "yes"),
    row("crash-memcheck-enabled", Kind::YesNo, "yes"),
    row("daemonize", Kind::YesNo, "no").fixed(),
    row("databases", Kind::Number(1, INT), "16").fixed().at(at!(databases)),
    row("dbfilename", Kind::Text, "dump.rdb").protected().at(at!(dbfilename)),
    row("dir", Kind::Text, ".").protected(),
    row("disable-thp", Kind::YesNo, "yes").fixed(),
    row("dynamic-hz", Kind::YesNo, "yes"),
    row("enable-debug-command", Kind::OneOf(&["no", "yes", "local"]), "no").fixed().at(at!(enable_debug_command)),
    row("enable-module-command", Kind::OneOf(&["no", "yes", "local"]), "no").fixed(),
    row("enable-protected-configs", Kind::OneOf(&["no", "yes", "local"]), "no").fixed().at(at!(enable_protected_configs)),
    row("hash-max-listpack-entries", Kind::Number(0, MAX), "512")
        .alias("hash-max-ziplist-entries")
        .at(at!(packing.hash_fields_max)),
    row("hash-max-listpack-value", Kind::Memory(0, MAX), "64")
        .alias("hash-max-ziplist-value")
        .at(at!(packing.hash_bytes_max)),
    row("hll-sparse-max-bytes", Kind::Memory(0, MAX), "3000").at(at!(packing.hll_sparse_bytes_max)),
    row("hz", Kind::Number(0, INT), "10").at(at!(hz)),
    row("ignore-warnings", Kind::Text, ""),
    row("io-threads", Kind::Number(1, 128), "1").fixed(),
    row("io-threads-do-reads", Kind::YesNo, "no").fixed(),
    row("jemalloc-bg-thread", Kind::YesNo, "yes"),
    row("key-load-delay", Kind::Number(0, INT), "0").hidden().at(at!(key_load_delay)),
    row("latency-monitor-threshold", Kind::Number(0, MAX), "0").at(at!(latency_monitor_threshold)),
    row("latency-tracking", Kind::YesNo, "yes").at(at!(latency_tracking)),
    row("latency-tracking-info-percentiles", Kind::Words(special::percentiles), "50 99 99.9"),
    row("lazyfree-lazy-eviction", Kind::YesNo, "no"),
    row("lazyfree-lazy-expire", Kind::YesNo, "no").at(at!(lazy.expire)),
    row("lazyfree-lazy-server-del", Kind::YesNo, "no"),
    row("lazyfree-lazy-user-del", Kind::YesNo, "no").at(at!(lazy.user_del)),
    row("lazyfree-lazy-user-flush", Kind::YesNo, "no"),
    row("lfu-decay-time", Kind::Number(0, INT), "1"),
    row("lfu-log-factor", Kind::Number(0, INT), "10"),
    row("list-compress-depth", Kind::Number(0, INT), "0"),
    row("list-max-listpack-size", Kind::Number(-INT - 1, INT), "-2").alias("list-max-ziplist-size"),
    row("loading-process-events-interval-bytes", Kind::Number(1024, INT), "2097152").hidden(),
    row("logfile", Kind::Text, "").fixed(),
    row("loglevel", Kind::OneOf(&["debug", "verbose", "notice", "warning"]), "notice"),
    row("masterauth", Kind::Text, "").at(at!(masterauth)),
    row("masteruser", Kind::Text, "").at(at!(masteruser)),
    row("maxclients", Kind::Number(1, UINT), "10000").at(at!(maxclients)),
    row("maxmemory", Kind::Memory(0, MAX), "0").at(at!(maxmemory)),
    row("maxmemory-clients", Kind::Word(special::memory_or_percent), "0"),
    row("maxmemory-eviction-tenacity", Kind::Number(0, 100), "10"),
    row("maxmemory-policy", Kind::OneOf(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), "noeviction"),
    row("maxmemory-samples", Kind::Number(1, INT), "5"),
    row("min-replicas-max-lag", Kind::Number(0, INT), "10").alias("min-slaves-max-lag").at(at!(min_replicas_max_lag)),
    row("min-replicas-to-write", Kind::Number(0, INT), "0").alias("min-slaves-to-write").at(at!(min_replicas_to_write)),
    row("no-appendfsync-on-rewrite", Kind::YesNo, "no").at(at!(no_appendfsync_on_rewrite)),
    row("notify-keyspace-events", Kind::Words(special::events), "").at(at!(notify_keyspace_events)),
    row("oom-score-adj", Kind::OneOf(&["no", "yes", "relative", "absolute"]), "no"),
    row("oom-score-adj-values", Kind::Words(special::oom_values), "0 200 800"),
    row("pidfile", Kind::Text, "").fixed(),
    row("port", Kind::Number(0, PORT), "6379").at(at!(port)),
    row("proc-title-template", Kind::Words(special::title_template), "{title} {listen-addr} {server-mode}"),
    row("propagation-error-behavior", Kind::OneOf(&["ignore", "panic", "panic-on-replicas"]), "ignore"),
    row("protected-mode", Kind::YesNo, "yes").at(at!(protected_mode)),
    row("proto-max-bulk-len", Kind::Memory(1 << 20, MAX), "536870912").at(at!(proto_max_bulk_len)),
    row("rdb-del-sync-files", Kind::YesNo, "no").at(at!(rdb_del_sync_files)),
    row("rdb-key-save-delay", Kind::Number(0, INT), "0").hidden().at(at!(rdb_key_save_delay)),
    row("rdb-save-incremental-fsync", Kind::YesNo, "yes"),
    row("rdbchecksum", Kind::YesNo, "yes").fixed(),
    row("rdbcompression", Kind::YesNo, "yes").at(at!(rdbcompression)),
    row("repl-backlog-size", Kind::Memory(1, MAX), "1048576").at(at!(repl_backlog_size)),
    row("repl-backlog-ttl", Kind::Number(0, MAX), "3600").at(at!(repl_backlog_ttl)),
    row("repl-disable-tcp-nodelay", Kind::YesNo, "no"),
    row("repl-diskless-load", Kind::OneOf(&["disabled", "on-empty-db", "swapdb"]), "disabled").at(at!(repl_diskless_load)),
    row("repl-diskless-sync", Kind::YesNo, "yes").at(at!(repl_diskless_sync)),
    row("repl-diskless-sync-delay", Kind::Number(0, INT), "5").at(at!(repl_diskless_sync_delay)),
    row("repl-diskless-sync-max-replicas", Kind::Number(0, INT), "0").at(at!(repl_diskless_sync_max_replicas)),
    row("repl-ping-replica-period", Kind::Number(1, INT), "10").alias("repl-ping-slave-period").at(at!(repl_ping_replica_period)),
    row("repl-timeout", Kind::Number(1, INT), "60").at(at!(repl_timeout)),
    row("replica-announce-ip", Kind::Text, "").alias("slave-announce-ip").at(at!(replica_announce_ip)),
    row("replica-announce-port", Kind::Number(0, PORT), "0").alias("slave-announce-port").at(at!(replica_announce_port)),
    row("replica-announced", Kind::YesNo, "yes").at(at!(replica_announced)),
    row("replica-ignore-disk-write-errors", Kind::YesNo, "no").at(at!(replica_ignore_disk_write_errors)),
    row("replica-ignore-maxmemory", Kind::YesNo, "yes").alias("slave-ignore-maxmemory").at(at!(replica_ignore_maxmemory)),
    row("replica-lazy-flush", Kind::YesNo, "no").alias("slave-lazy-flush"),
    row("replica-priority", Kind::Number(0, INT), "100").alias("slave-priority").at(at!(replica_priority)),
    row("replica-read-only", Kind::YesNo, "yes").alias("slave-read-only").at(at!(replica_read_only)),
    row("replica-serve-stale-data", Kind::YesNo, "yes").alias("slave-serve-stale-data").at(at!(replica_serve_stale_data)),
    row("replicaof", Kind::Words(special::replicaof), "").alias("slaveof").fixed().at(at!(replicaof)),
    row("requirepass", Kind::Text, "").at(at!(requirepass)),
    row("sanitize-dump-payload", Kind::OneOf(&["no", "yes", "clients"]), "no"),
    row("save", Kind::Words(special::save), "3600 1 300 100 60 10000").at(at!(save)),
    row("server_cpulist", Kind::Text, "").fixed(),
    row("set-max-intset-entries", Kind::Number(0, MAX), "512").at(at!(packing.set_integers_max)),
    row("set-proc-title", Kind::YesNo, "yes").fixed(),
    row("shutdown-on-sigint", Kind::Words(special::shutdown_flags), "default").at(at!(shutdown_on_sigint)),
    row("shutdown-on-sigterm", Kind::Words(special::shutdown_flags), "default").at(at!(shutdown_on_sigterm)),
    row("shutdown-timeout", Kind::Number(0, INT), "10").at(at!(shutdown_timeout)),
    row("slowlog-log-slower-than", Kind::Number(-1, MAX), "10000").at(at!(slowlog_log_slower_than)),
    row("slowlog-max-len", Kind::Number(0, MAX), "128").at(at!(slowlog_max_len)),
    row("socket-mark-id", Kind::Number(0, UINT), "0").fixed(),
    row("stop-writes-on-bgsave-error", Kind::YesNo, "yes").at(at!(stop_writes_on_bgsave_error)),
    row("stream-node-max-bytes", Kind::Memory(0, MAX), "4096").at(at!(packing.stream_block_max.bytes)),
    row("stream-node-max-entries", Kind::Number(0, MAX), "100").at(at!(packing.stream_block_max.entries)),
    row("supervised", Kind::OneOf(&["upstart", "systemd", "auto", "no"]), "no").fixed(),
    row("syslog-enabled", Kind::YesNo, "no").fixed(),
    row("syslog-facility", Kind::OneOf(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), "local0").fixed(),
    row("syslog-ident", Kind::Text, "redis").fixed(),
    row("tcp-backlog", Kind::Number(0, INT), "511").fixed(),
    row("tcp-keepalive", Kind::Number(0, INT), "300"),
    row("timeout", Kind::Number(0, INT), "0").at(at!(timeout)),
    row("tls-auth-clients", Kind::OneOf(&["no", "yes", "optional"]), "yes"),
    row("tls-ca-cert-dir", Kind::Text, ""),
    row("tls-ca-cert-file", Kind::Text, ""),
    row("tls-cert-file", Kind::Text, ""),
    row("tls-ciphers", Kind::Text, ""),
    row("tls-ciphersuites", Kind::Text, ""),
    row("tls-client-cert-file", Kind::Text, ""),
    row("tls-client-key-file", Kind::Text, ""),
    row("tls-client-key-file-pass", Kind::Text, ""),
    row("tls-cluster", Kind::Word(special::no_tls_for), "no"),
    row("tls-dh-params-file", Kind::Text, ""),
    row("tls-key-file", Kind::Text, ""),
    row("tls-key-file-pass", Kind::Text, ""),
    row("tls-port", Kind::Word(special::no_tls), "0"),
    row("tls-prefer-server-ciphers", Kind::YesNo, "no"),
    row("tls-protocols", Kind::Text, ""),
    row("tls-replication", Kind::Word(special::no_tls_for), "no"),
    row("tls-session-cache-size", Kind::Number(0, INT), "20480"),
    row("tls-session-cache-timeout", Kind::Number(0, INT), "300"),
    row("tls-session-caching", Kind::YesNo, "yes"),
    row("tracking-table-max-keys", Kind::Number(0, MAX), "1000000"),
    row("unixsocket", Kind::Text, "").fixed(),
    row("unixsocketperm", Kind::Word(special::octal), "0").fixed(),
    row("zset-max-listpack-entries", Kind::Number(0, MAX), "128")
        .alias("zset-max-ziplist-entries")
        .at(at!(packing.zset_members_max)),
    row("zset-max-listpack-value", Kind::Memory(0, MAX), "64")
        .alias("zset-max-ziplist-value")
        .at(at!(packing.zset_bytes_max)),
];
