//! INFO: sections of fields, each section a function of a table; and TIME.
//!
//! # Differences from Redis
//!
//! * A node knows its own bytes, not the process's: what the system and the allocator would say is
//!   what it says of itself, and `total_system_memory` is 0.
//! * `gcc_version` is 0.0.0, as of any server that gcc did not compile.

use super::row;
use crate::command::flags::{FAST, LOADING, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::server::REDIS_VERSION;
use crate::server::client::{Client, ClientKind};
use crate::server::stats::CommandStats;
use crate::server::table;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};
use std::fmt::Display;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "INFO", -1, LOADING | STALE, "1.0.0", info)
        .doc("Get information and statistics about the server."),
    row(Group::Server, "TIME", 1, FAST | LOADING | STALE, "2.6.0", time)
        .doc("Return the current server time."),
];

/// The text of INFO while it is being written.
#[derive(Debug, Default)]
pub(in crate::server) struct InfoText(String);

impl InfoText {
    /// One line.
    pub fn field(&mut self, name: impl Display, value: impl Display) {
        self.0.push_str(&format!("{name}:{value}\r\n"));
    }

    /// A count of bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human(bytes));
    }

    /// Fields that are always zero here, since what they count does not exist.
    pub fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }
}

/// One section: its name, its title, whether INFO without words shows it, and what writes it.
struct Section(&'static str, &'static str, bool, fn(&Server, &mut InfoText));

const SECTIONS: &[Section] = &[
    Section("server", "Server", true, server_section),
    Section("clients", "Clients", true, clients_section),
    Section("memory", "Memory", true, memory_section),
    Section("persistence", "Persistence", true, Server::info_persistence),
    Section("stats", "Stats", true, stats_section),
    Section("replication", "Replication", true, Server::info_replication),
    Section("cpu", "CPU", true, cpu_section),
    Section("modules", "Modules", true, |_, _| {}),
    Section("commandstats", "Commandstats", false, commandstats_section),
    Section("errorstats", "Errorstats", true, errorstats_section),
    Section("latencystats", "Latencystats", false, latencystats_section),
    Section("cluster", "Cluster", true, |_, text| text.field("cluster_enabled", 0)),
    Section("keyspace", "Keyspace", true, keyspace_section),
];

fn info(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let text = server.info_text(&ask.args[1..]);
    server.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn time(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let now_us = server.now.wall_us;
    let reply = server.reply(ask);
    reply.array(2);
    reply.bulk_int((now_us / 1_000_000) as i64);
    reply.bulk_int((now_us % 1_000_000) as i64);
    Ok(())
}

impl Server {
    /// The text of INFO for these sections; the default ones if none is named.
    pub(in crate::server) fn info_text(&self, wanted: &[&[u8]]) -> String {
        let named = |name: &str| wanted.iter().any(|w| w.eq_ignore_ascii_case(name.as_bytes()));
        let by_default = wanted.is_empty() || named("default");
        let all = named("all") || named("everything");
        let mut text = InfoText::default();
        for Section(name, title, is_default, write) in SECTIONS {
            if all || named(name) || (by_default && *is_default) {
                if !text.0.is_empty() {
                    text.0.push_str("\r\n");
                }
                text.0.push_str(&format!("# {title}\r\n"));
                write(self, &mut text);
            }
        }
        text.0
    }
}

fn server_section(server: &Server, text: &mut InfoText) {
    let uptime = server.now.since(server.started.mono) / 1000;
    text.field("redis_version", REDIS_VERSION);
    text.field("redis_git_sha1", "00000000");
    text.field("redis_git_dirty", 0);
    text.field("redis_build_id", "0");
    text.field("redis_mode", "standalone");
    text.field("os", format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    text.field("arch_bits", usize::BITS);
    text.field("monotonic_clock", "POSIX clock_gettime");
    text.field("multiplexing_api", "epoll");
    text.field("atomicvar_api", "c11-builtin");
    text.field("gcc_version", "0.0.0");
    text.field("process_id", std::process::id());
    text.field("process_supervised", "no");
    text.field("run_id", &server.run_id);
    text.field("tcp_port", server.port);
    text.field("server_time_usec", server.now.wall_us);
    text.field("uptime_in_seconds", uptime);
    text.field("uptime_in_days", uptime / 86_400);
    text.field("hz", server.config.hz);
    text.field("configured_hz", server.config.hz);
    text.field("lru_clock", server.now.wall_s() & 0x00ff_ffff);
    text.field("executable", "replab");
    text.field("config_file", server.config.file.as_ref().map_or("", |f| &f.name));
    text.field("io_threads_active", 0);
}

fn clients_section(server: &Server, text: &mut InfoText) {
    let clients = server.clients.in_order();
    let most = |of: fn(&Client) -> usize| clients.iter().map(|c| of(c)).max().unwrap_or(0);
    let blocked = clients.iter().filter(|c| c.blocked.is_some()).count();
    let counted = clients.iter().filter(|c| c.kind == ClientKind::Normal).count();
    text.field("connected_clients", counted);
    text.field("cluster_connections", 0);
    text.field("maxclients", server.config.maxclients);
    text.field("client_recent_max_input_buffer", most(|c| c.input.len()));
    text.field("client_recent_max_output_buffer", most(|c| c.unsent_bytes));
    text.field("blocked_clients", blocked);
    text.zeros(&["tracking_clients"]);
    text.field("clients_in_timeout_table", server.waits.limited());
}

fn memory_section(server: &Server, text: &mut InfoText) {
    let memory = server.memory();
    let used = memory.used();
    let peak = server.rates.memory_peak_bytes.max(used);
    text.bytes("used_memory", used);
    text.bytes("used_memory_rss", used);
    text.bytes("used_memory_peak", peak);
    text.field("used_memory_peak_perc", percent(used, peak));
    text.field("used_memory_overhead", memory.overhead());
    text.field("used_memory_startup", memory.startup);
    text.field("used_memory_dataset", memory.dataset);
    text.field("used_memory_dataset_perc", percent(memory.dataset, used - memory.startup));
    for name in ["allocator_allocated", "allocator_active", "allocator_resident"] {
        text.field(name, used);
    }
    text.bytes("total_system_memory", 0);
    scripts(server, text);
    text.bytes("maxmemory", server.config.maxmemory);
    text.field("maxmemory_policy", server.config.get("maxmemory-policy").unwrap_or_default());
    for name in ["allocator_frag", "allocator_rss", "rss_overhead", "mem_fragmentation"] {
        text.field(format_args!("{name}_ratio"), "1.00");
        text.field(format_args!("{name}_bytes"), 0);
    }
    text.field("mem_not_counted_for_evict", memory.beyond_backlog());
    text.field("mem_replication_backlog", memory.backlog);
    text.field("mem_total_replication_buffers", memory.replication_buffers);
    text.field("mem_clients_slaves", memory.replicas);
    text.field("mem_clients_normal", memory.clients);
    text.zeros(&["mem_cluster_links"]);
    text.field("mem_aof_buffer", server.aof.buffered_bytes());
    text.field("mem_allocator", "accounted");
    text.zeros(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

fn scripts(server: &Server, text: &mut InfoText) {
    let (scripts, bytes) = server.scripting.size();
    text.zeros(&["used_memory_lua", "used_memory_vm_eval"]);
    text.field("used_memory_lua_human", human(0));
    text.field("used_memory_scripts_eval", bytes);
    text.field("number_of_cached_scripts", scripts);
    text.zeros(&["number_of_functions", "number_of_libraries", "used_memory_vm_functions"]);
    text.bytes("used_memory_vm_total", 0);
    text.zeros(&["used_memory_functions"]);
    text.bytes("used_memory_scripts", bytes as u64);
}

fn stats_section(server: &Server, text: &mut InfoText) {
    let (stats, rates) = (&server.stats, &server.rates);
    text.field("total_connections_received", server.clients.accepted_total);
    text.field("total_commands_processed", stats.commands_total);
    text.field("instantaneous_ops_per_sec", rates.commands.per_second());
    text.field("total_net_input_bytes", stats.input_bytes);
    text.field("total_net_output_bytes", stats.output_bytes);
    text.field("total_net_repl_input_bytes", stats.repl_input_bytes);
    text.field("total_net_repl_output_bytes", stats.repl_output_bytes);
    for (name, rate) in [
        ("input", &rates.input),
        ("output", &rates.output),
        ("input_repl", &rates.repl_input),
        ("output_repl", &rates.repl_output),
    ] {
        let kilobytes = rate.per_second() as f64 / 1024.0;
        text.field(format_args!("instantaneous_{name}_kbps"), format_args!("{kilobytes:.2}"));
    }
    text.field("rejected_connections", stats.rejected_connections);
    text.field("sync_full", stats.sync_full);
    text.field("sync_partial_ok", stats.sync_partial_ok);
    text.field("sync_partial_err", stats.sync_partial_err);
    text.field("expired_keys", stats.expired_keys);
    text.field("expired_stale_perc", "0.00");
    text.zeros(&[
        "expired_time_cap_reached_count",
        "expire_cycle_cpu_milliseconds",
        "evicted_keys",
        "evicted_clients",
        "total_eviction_exceeded_time",
        "current_eviction_exceeded_time",
    ]);
    text.field("keyspace_hits", stats.hits);
    text.field("keyspace_misses", stats.misses);
    text.field("pubsub_channels", server.pubsub.channels.len());
    text.field("pubsub_patterns", server.pubsub.patterns.len());
    text.field("pubsubshard_channels", server.pubsub.shards.len());
    text.zeros(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
    ]);
    text.field("total_error_replies", stats.errors.values().sum::<u64>());
    text.zeros(&["dump_payload_sanitizations"]);
    text.field("total_reads_processed", stats.reads);
    text.field("total_writes_processed", stats.writes);
    text.zeros(&[
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
        "reply_buffer_shrinks",
        "reply_buffer_expands",
    ]);
}

/// A machine does not know its processor time: what its commands took stands for it.
fn cpu_section(server: &Server, text: &mut InfoText) {
    let micros: u64 = server.stats.commands.iter().map(|c| c.micros).sum();
    let user = format!("{:.6}", micros as f64 / 1e6);
    text.field("used_cpu_sys", "0.000000");
    text.field("used_cpu_user", &user);
    text.field("used_cpu_sys_children", "0.000000");
    text.field("used_cpu_user_children", "0.000000");
    text.field("used_cpu_sys_main_thread", "0.000000");
    text.field("used_cpu_user_main_thread", &user);
}

fn commandstats_section(server: &Server, text: &mut InfoText) {
    for (command, stats) in table::all().iter().zip(&server.stats.commands) {
        let CommandStats { calls, micros, rejected, failed } = *stats;
        if calls + rejected + failed == 0 {
            continue;
        }
        let per_call = if calls == 0 { 0.0 } else { micros as f64 / calls as f64 };
        text.field(
            format_args!("cmdstat_{}", command.name),
            format_args!(
                "calls={calls},usec={micros},usec_per_call={per_call:.2},rejected_calls={rejected},\
                 failed_calls={failed}"
            ),
        );
    }
}

fn errorstats_section(server: &Server, text: &mut InfoText) {
    for (code, count) in &server.stats.errors {
        text.field(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latencystats_section(server: &Server, text: &mut InfoText) {
    let percentiles = server.config.get("latency-tracking-info-percentiles").unwrap_or_default();
    let wanted: Vec<(&str, f64)> =
        percentiles.split(' ').filter_map(|p| Some((p, p.parse().ok()?))).collect();
    for (command, histogram) in table::all().iter().zip(&server.stats.latencies) {
        let Some(histogram) = histogram else { continue };
        let shown: Vec<_> = wanted
            .iter()
            .map(|(name, p)| format!("p{name}={:.3}", histogram.percentile(*p) as f64))
            .collect();
        text.field(format_args!("latency_percentiles_usec_{}", command.name), shown.join(","));
    }
}

fn keyspace_section(server: &Server, text: &mut InfoText) {
    for (index, db) in server.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let (keys, expires) = (db.len(), db.expiring_len());
        text.field(
            format_args!("db{index}"),
            format_args!("keys={keys},expires={expires},avg_ttl=0"),
        );
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

/// Bytes for people: `918.81K`.
fn human(bytes: u64) -> String {
    let (mut amount, mut units) = (bytes as f64, "KMGTP".chars());
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut unit = 'B';
    while amount >= 1024.0 {
        let Some(next) = units.next() else { break };
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    fn info(bench: &mut Bench, words: &str) -> String {
        let conn = bench.connect();
        let reply = bench.send(conn, format!("INFO {words}\r\n").as_bytes());
        String::from_utf8(reply.to_vec()).unwrap()
    }

    fn titles(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
    }

    #[test]
    fn sections_are_chosen_as_in_7_0() {
        let mut bench = Bench::new(&[]);
        let standard = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats \
                        Cluster Keyspace";
        assert_eq!(titles(&info(&mut bench, "")).join(" "), standard);
        assert_eq!(titles(&info(&mut bench, "default")).join(" "), standard);
        assert_eq!(titles(&info(&mut bench, "all")).len(), 13);
        assert_eq!(titles(&info(&mut bench, "Keyspace server")), ["Server", "Keyspace"]);
        assert_eq!(info(&mut bench, "nosuch"), "$0\r\n\r\n");
    }

    #[test]
    fn who_waits_is_counted_and_who_does_not_wait_for_ever() {
        let mut bench = Bench::new(&[]);
        for line in ["BLPOP k 100", "BLPOP k 0", "WAIT 1 0"] {
            let conn = bench.connect();
            bench.send(conn, format!("{line}\r\n").as_bytes());
        }
        let text = info(&mut bench, "clients");
        for line in ["blocked_clients:3", "clients_in_timeout_table:1"] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in {text}");
        }
    }

    #[test]
    fn what_happened_is_counted() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        for line in ["SET k v", "GET k", "GET nosuch", "NOSUCH", "GET"] {
            bench.ask(conn, line);
        }
        bench.advance(2000);
        let text = info(&mut bench, "everything");
        for line in [
            "keyspace_hits:1",
            "keyspace_misses:1",
            "total_error_replies:2",
            "errorstat_ERR:count=2",
            "cmdstat_get:calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
            "db0:keys=1,expires=0,avg_ttl=0",
            "connected_clients:2",
            "uptime_in_seconds:2",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line}\n{text}");
        }
        bench.ask(conn, "CONFIG RESETSTAT");
        assert!(info(&mut bench, "stats").contains("keyspace_hits:0\r\n"));
    }

    #[test]
    fn rates_are_taken_from_samples() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        for _ in 0..20 {
            for _ in 0..10 {
                bench.ask(conn, "PING");
            }
            bench.advance(100);
        }
        assert!(info(&mut bench, "stats").contains("instantaneous_ops_per_sec:100\r\n"));
    }
}
