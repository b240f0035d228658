//! MONITOR and SLOWLOG: what others run, and what of it took long.

use super::wrong_form;
use super::{container, help, row};
use crate::base::number;
use crate::base::text::quoted;
use crate::command::flags;
use crate::command::flags::{ADMIN, CONTAINER, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::ConnId;
use crate::machine::Outbox;
use crate::server::slow::{SlowEntry, shortened};
use crate::server::table::Command;
use crate::server::table::ServerRun;
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

const ENTRIES_SHOWN: usize = 10;

type Answer = Result<(), CommandError>;

fn monitor(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.clients.begin_monitor(ask.conn);
    server.reply(ask).ok();
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

impl Server {
    /// Shows a command that ran to those who asked to see all.
    pub(in crate::server) fn show_to_monitors(
        &mut self,
        conn: ConnId,
        command: &Command,
        words: &[&[u8]],
    ) {
        if command.flags & (flags::SKIP_MONITOR | ADMIN) == 0 {
            self.tell_monitors(conn, command, words);
        }
    }

    /// Shows a script, before the commands that it runs.
    pub(in crate::server) fn show_script_to_monitors(&mut self, ask: &Ask<'_>) {
        if let Ok(command) = crate::server::table::look_up(ask.args) {
            self.tell_monitors(ask.conn, command, ask.args);
        }
    }

    fn tell_monitors(&mut self, conn: ConnId, command: &Command, words: &[&[u8]]) {
        let monitors = self.clients.monitors();
        if monitors.is_empty() {
            return;
        }
        let Some(client) = self.clients.get(conn) else { return };
        let who =
            if self.scripting.is_running() { "lua".to_owned() } else { client.peer.to_string() };
        let now_us = self.now.wall_us;
        let (seconds, micros) = (now_us / 1_000_000, now_us % 1_000_000);
        let mut line = format!("{seconds}.{micros:06} [{} {who}]", client.db);
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
        "auth" => &mut shown[1..],
        "acl|setuser" => &mut shown[2..],
        "hello" => match words.iter().position(|word| word.eq_ignore_ascii_case(b"AUTH")) {
            Some(at) => &mut shown[at + 1..words.len().min(at + 3)],
            None => &mut [],
        },
        "config|set" => {
            for pair in shown[2..].chunks_exact_mut(2).filter(|pair| is_secret(pair[0])) {
                pair[1] = REDACTED;
            }
            &mut []
        }
        _ => &mut [],
    };
    hidden.fill(REDACTED);
    shown
}

const REDACTED: &[u8] = b"(redacted)";

/// Whether what a directive is set to is nobody's business.
fn is_secret(directive: &[u8]) -> bool {
    ["requirepass", "masterauth", "masteruser"]
        .iter()
        .any(|secret| directive.eq_ignore_ascii_case(secret.as_bytes()))
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
        let head = "+1700000000.000000 [3 127.0.0.1:50001]";
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
    fn the_slow_log_holds_no_secrets() {
        let mut bench = Bench::new(&[("slowlog-log-slower-than", "0")]);
        let conn = bench.connect();
        bench.ask(conn, "ACL SETUSER default >sesame nopass");
        bench.ask(conn, "CONFIG SET hz 20 masterauth sesame masteruser sesame");
        let shown = bench.ask(conn, "SLOWLOG GET");
        assert!(shown.contains("(redacted)") && shown.contains("\"20\""), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
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
