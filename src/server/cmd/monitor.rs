//! MONITOR, SLOWLOG and LATENCY: what others run, and how long it takes.
//!
//! Latency events (LATENCY LATEST and so on) are never sampled: nothing in a node stalls but the
//! commands themselves, which LATENCY HISTOGRAM and SLOWLOG show.

use super::wrong_form;
use super::{container, help, row};
use crate::base::number;
use crate::command::flags;
use crate::command::flags::{ADMIN, CONTAINER, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::ConnId;
use crate::machine::Outbox;
use crate::server::slow::{SlowEntry, shortened};
use crate::server::table::ServerRun;
use crate::server::table::{self, Command};
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "MONITOR", 1, ADMIN | LOADING | NOSCRIPT | STALE, "1.0.0", monitor)
        .doc("Listen for all requests received by the server in real time."),
    row(Group::Server, "SLOWLOG", -2, CONTAINER, "2.2.12", container)
        .doc("A container for slow log commands."),
    row(Group::Server, "SLOWLOG|GET", -2, ADMIN | LOADING | STALE, "2.2.12", get)
        .doc("Get the slow log's entries."),
    row(Group::Server, "SLOWLOG|HELP", 2, LOADING | STALE, "6.2.0", slowlog_help)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Server, "SLOWLOG|LEN", 2, ADMIN | LOADING | STALE, "2.2.12", len)
        .doc("Get the slow log's length."),
    row(Group::Server, "SLOWLOG|RESET", 2, ADMIN | LOADING | STALE, "2.2.12", slowlog_reset)
        .doc("Clear all entries from the slow log."),
    row(Group::Server, "LATENCY", -2, CONTAINER, "2.8.13", container)
        .doc("A container for latency diagnostics commands."),
    row(Group::Server, "LATENCY|DOCTOR", 2, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", doctor)
        .doc("Return a human readable latency analysis report."),
    row(Group::Server, "LATENCY|GRAPH", 3, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", graph)
        .doc("Return a latency graph for the event."),
    row(Group::Server, "LATENCY|HELP", 2, LOADING | STALE, "2.8.13", latency_help)
        .doc("Show helpful text about the different subcommands."),
    row(
        Group::Server,
        "LATENCY|HISTOGRAM",
        -2,
        ADMIN | LOADING | NOSCRIPT | STALE,
        "7.0.0",
        histogram,
    )
    .doc("Return the cumulative distribution of latencies of a subset of commands or all."),
    row(Group::Server, "LATENCY|HISTORY", 3, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", history)
        .doc("Return timestamp-latency samples for the event."),
    row(Group::Server, "LATENCY|LATEST", 2, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", latest)
        .doc("Return the latest latency samples for all events."),
    row(
        Group::Server,
        "LATENCY|RESET",
        -2,
        ADMIN | LOADING | NOSCRIPT | STALE,
        "2.8.13",
        latency_reset,
    )
    .doc("Reset latency data for one or more events."),
];

const SLOWLOG_HELP: &[&str] = &[
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
];

const LATENCY_HELP: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

const ENTRIES_SHOWN: usize = 10;

type Answer = Result<(), CommandError>;

fn monitor(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if let Some(client) = server.clients.get_mut(ask.conn) {
        client.monitor = true;
        client.reply.ok();
    }
    Ok(())
}

fn get(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = match ask.args {
        [_, _] => ENTRIES_SHOWN,
        [_, _, count] => match number::parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => {
                return Err(CommandError::fixed("ERR count should be greater than or equal to -1"));
            }
        },
        _ => return Err(wrong_form(ask)),
    };
    let entries: Vec<SlowEntry> = server.slow.entries.iter().take(count).cloned().collect();
    let reply = server.reply(ask);
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(entry.at_s);
        reply.int(entry.micros as i64);
        reply.array(entry.words.len());
        for word in &entry.words {
            reply.bulk(word);
        }
        reply.bulk(&entry.peer);
        reply.bulk(&entry.name);
    }
    Ok(())
}

fn len(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let count = server.slow.entries.len();
    server.reply(ask).count(count);
    Ok(())
}

fn slowlog_reset(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.slow.entries.clear();
    server.reply(ask).ok();
    Ok(())
}

fn slowlog_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, SLOWLOG_HELP);
    Ok(())
}

fn latest(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).array(0);
    Ok(())
}

fn history(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).array(0);
    Ok(())
}

fn latency_reset(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).int(0);
    Ok(())
}

fn graph(_: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let event = String::from_utf8_lossy(ask.arg(2));
    Err(CommandError::new(format!("ERR No samples available for event '{event}'")))
}

fn doctor(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let text = if server.config.latency_monitor_threshold == 0 {
        "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. \
         You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable \
         it. If we weren't in a deep space mission I'd suggest to take a look at \
         https://redis.io/topics/latency-monitor.\n"
    } else {
        "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the \
         slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and \
         think things over.\n"
    };
    server.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn histogram(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let wanted = &ask.args[2..];
    let shown: Vec<_> = table::all()
        .iter()
        .zip(&server.stats.latencies)
        .filter(|(command, _)| {
            let name = command.name.as_bytes();
            let head = command.name.split('|').next().unwrap_or_default().as_bytes();
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|w| w.eq_ignore_ascii_case(name) || w.eq_ignore_ascii_case(head))
        })
        .filter_map(|(command, histogram)| {
            let histogram = histogram.as_ref()?;
            Some((&command.name, histogram.total(), histogram.cumulative()))
        })
        .collect();
    let reply = server.reply(ask);
    reply.map(shown.len());
    for (name, calls, steps) in shown {
        reply.bulk(name);
        reply.map(2);
        reply.bulk("calls");
        reply.int(calls as i64);
        reply.bulk("histogram_usec");
        reply.map(steps.len());
        for (bound, count) in steps {
            reply.int(bound as i64);
            reply.int(count as i64);
        }
    }
    Ok(())
}

fn latency_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, LATENCY_HELP);
    Ok(())
}

impl Server {
    /// Shows a command that ran to those who asked to see all.
    pub(in crate::server) fn show_to_monitors(
        &mut self,
        conn: ConnId,
        command: &Command,
        words: &[&[u8]],
    ) {
        if command.flags & (flags::SKIP_MONITOR | ADMIN) != 0 {
            return;
        }
        let monitors = self.clients.monitors();
        if monitors.is_empty() {
            return;
        }
        let Some(client) = self.clients.get(conn) else { return };
        let now_us = self.now.wall_us;
        let (seconds, micros) = (now_us / 1_000_000, now_us % 1_000_000);
        let mut line = format!("{seconds}.{micros:06} [{} {}]", client.db, client.peer);
        for word in redacted(command, words) {
            line.push_str(&format!(" {}", quoted(word)));
        }
        for monitor in monitors {
            if let Some(client) = self.clients.get_mut(monitor) {
                client.reply.simple(&line);
            }
            self.clients.mark(monitor);
        }
    }

    /// Keeps a command that took long.
    pub(in crate::server) fn note_slow(
        &mut self,
        conn: ConnId,
        command: &Command,
        words: &[&[u8]],
        micros: u64,
    ) {
        let limit = self.config.slowlog_log_slower_than;
        let is_slow = u64::try_from(limit).is_ok_and(|limit| micros >= limit);
        if !is_slow || command.is(flags::SKIP_SLOWLOG) {
            return;
        }
        let client = self.clients.get(conn);
        let entry = SlowEntry {
            id: 0,
            at_s: self.now.wall_s(),
            micros,
            words: shortened(&redacted(command, words)),
            peer: client.map(|c| c.peer.to_string()).unwrap_or_default(),
            name: client.map(|c| c.name.clone()).unwrap_or_default(),
        };
        self.slow.add(entry, self.config.slowlog_max_len);
    }
}

/// A command's words without secrets.
fn redacted<'a>(command: &Command, words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut shown = words.to_vec();
    let hidden = match command.name.as_str() {
        "auth" => 1..words.len(),
        "hello" => match words.iter().position(|word| word.eq_ignore_ascii_case(b"AUTH")) {
            Some(at) => at + 1..words.len().min(at + 3),
            None => 0..0,
        },
        _ => 0..0,
    };
    shown[hidden].fill(b"(redacted)");
    shown
}

/// A word in quotes, with what cannot be printed escaped.
fn quoted(word: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in word {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn monitors_see_commands_after_they_ran_without_secrets() {
        let mut bench = Bench::new(&[]);
        let (monitor, conn) = (bench.connect(), bench.connect());
        assert_eq!(bench.ask(monitor, "MONITOR"), "OK");
        for line in [
            "SELECT 3",
            "CONFIG GET hz",
            "AUTH foo",
            "HELLO 2 AUTH default x",
            "ECHO a\"b\n",
            "NOSUCH",
            "GET",
        ] {
            bench.ask(conn, line);
        }
        bench.send(conn, b"MULTI\r\nGET k\r\nEXEC\r\n");
        let head = "+1700000000.000000 [3 127.0.0.1:50000]";
        let expected: String = [
            r#""SELECT" "3""#,
            r#""AUTH" "(redacted)""#,
            r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)""#,
            r#""ECHO" "a\"b\n""#,
            r#""MULTI""#,
            r#""GET" "k""#,
            r#""EXEC""#,
        ]
        .iter()
        .map(|line| format!("{head} {line}\r\n"))
        .collect();
        assert_eq!(bench.received(monitor), expected);
    }

    #[test]
    fn the_slow_log_keeps_the_latest() {
        let mut bench = Bench::new(&[("slowlog-log-slower-than", "0"), ("slowlog-max-len", "2")]);
        let conn = bench.connect();
        bench.ask(conn, "CLIENT SETNAME me");
        bench.ask(conn, &format!("ECHO {}", "x".repeat(130)));
        bench.ask(conn, "PING");
        assert_eq!(bench.ask(conn, "SLOWLOG LEN"), "(integer) 2");
        let shown = bench.ask(conn, "SLOWLOG GET -1");
        assert!(shown.contains("SLOWLOG") && shown.contains("PING"), "{shown}");
        assert_eq!(
            bench.ask(conn, "SLOWLOG GET -2"),
            "(error) ERR count should be greater than or equal to -1"
        );
    }
}
