//! CONFIG.

use super::{container, help, row};
use crate::command::flags::{ADMIN, CONTAINER, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::{ConnId, Fact, FileStep, LogLevel, Outbox};
use crate::repl::BACKLOG_BYTES_MIN;
use crate::server::arranging::{Change, Rewriter};
use crate::server::blocking::Blocked;
use crate::server::config::{ConfigFile, SetError, file};
use crate::server::protected::is_local;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};
use std::collections::BTreeMap;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "CONFIG", -2, CONTAINER, "2.0.0", container)
        .doc("A container for server configuration commands."),
    row(Group::Server, "CONFIG|GET", -3, ADMIN | LOADING | NOSCRIPT | STALE, "2.0.0", get)
        .doc("Get the values of configuration parameters."),
    row(Group::Server, "CONFIG|HELP", 2, LOADING | STALE, "5.0.0", config_help)
        .doc("Show helpful text about the different subcommands."),
    row(
        Group::Server,
        "CONFIG|RESETSTAT",
        2,
        ADMIN | LOADING | NOSCRIPT | STALE,
        "2.0.0",
        resetstat,
    )
    .doc("Reset the stats returned by INFO."),
    row(Group::Server, "CONFIG|REWRITE", 2, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.0", rewrite)
        .doc("Rewrite the configuration file with the in memory configuration."),
    row(Group::Server, "CONFIG|SET", -4, ADMIN | LOADING | NOSCRIPT | STALE, "2.0.0", set)
        .doc("Set configuration parameters to the given values."),
];

const HELP: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

const OK: &[u8] = b"+OK\r\n";

fn get(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.refresh_config();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for pattern in &ask.args[2..] {
        found.extend(server.config.matching(&String::from_utf8_lossy(pattern)));
    }
    let reply = server.reply(ask);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name);
        reply.bulk(value);
    }
    Ok(())
}

fn set(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    let words = &ask.args[2..];
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let pairs: Vec<_> = words.chunks_exact(2).map(|pair| (text(pair[0]), text(pair[1]))).collect();
    let local = server.client(ask).is_some_and(|client| is_local(&client.peer));
    let names = server.config.set_all(&pairs, local).map_err(|error| {
        CommandError::new(match error {
            SetError::Unknown(name) => {
                format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            SetError::Refused(name, why) => {
                format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
            }
        })
    })?;
    server.config_changed(&names);
    server.switch_log(out);
    server.reply(ask).ok();
    Ok(())
}

fn rewrite(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    server.refresh_config();
    let Some(mut file) = server.config.file.clone() else {
        return Err(CommandError::fixed("ERR The server is running without a config file"));
    };
    file.text = file::rewrite(&file.text, &server.config);
    let data = file.text.clone().into_bytes().into();
    let write = vec![FileStep::Write { name: file.name.clone(), data }];
    let by = if server.propagation.is_open() {
        // The block goes on. What became of the file is known before its answer is sent.
        let reply = server.reply(ask);
        let at = reply.len();
        reply.ok();
        Rewriter::Block(ask.conn, at)
    } else {
        server.block(ask.conn, Blocked::Rewrite);
        Rewriter::Waits(ask.conn)
    };
    server.arrange(Change::Config(file, by), write, out);
    Ok(())
}

fn resetstat(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.reset_stats();
    server.reply(ask).ok();
    Ok(())
}

fn config_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    help(server, ask, HELP);
    Ok(())
}

impl Server {
    /// Directives that commands change behind CONFIG's back.
    fn refresh_config(&mut self) {
        self.config.replicaof = self.replication.follows().cloned();
    }

    /// The configuration file was written, or not.
    pub(in crate::server) fn on_config_written(
        &mut self,
        file: ConfigFile,
        by: Rewriter,
        result: Result<(), String>,
        out: &mut Outbox,
    ) {
        let result = match result {
            Ok(()) => {
                out.log(LogLevel::Notice, "CONFIG REWRITE executed with success.");
                let (name, text) = (file.name.clone(), file.text.clone());
                out.emit(Fact::ConfigRewritten { name, text });
                self.config.file = Some(file);
                Ok(())
            }
            Err(reason) => {
                out.log(LogLevel::Warning, format!("CONFIG REWRITE failed: {reason}"));
                let named = format!("{}: ", file.name);
                let reason = reason.strip_prefix(&named).unwrap_or(&reason);
                Err(CommandError::new(format!("ERR Rewriting config file: {reason}")))
            }
        };
        match (by, result) {
            (Rewriter::Waits(conn), result) => self.unblock_with(conn, &result),
            (Rewriter::Block(conn, at), Err(error)) => self.fail_within_block(conn, at, &error),
            (Rewriter::Block(..), Ok(())) => {}
        }
    }

    /// Puts an error in place of the OK in the answer to a block.
    fn fail_within_block(&mut self, conn: ConnId, at: usize, error: &CommandError) {
        self.stats.count_error(error.code());
        let Some(client) = self.clients.get_mut(conn) else { return };
        let is_there = client.reply.as_bytes().get(at..).is_some_and(|r| r.starts_with(OK));
        if is_there {
            let before = client.reply.len();
            client.reply.replace(at, OK.len(), |reply| reply.error(error.text()));
            let longer = client.reply.len() - before;
            self.changes.shift(conn, at, longer);
        }
    }

    /// Makes changed directives felt where it is not enough that they are read.
    pub(in crate::server) fn config_changed(&mut self, names: &[&'static str]) {
        for name in names {
            match *name {
                "repl-backlog-size" => {
                    self.config.repl_backlog_size =
                        self.config.repl_backlog_size.max(BACKLOG_BYTES_MIN);
                    self.replication.history.stream.resize(self.config.repl_backlog_size);
                }
                "slowlog-max-len" => self.slow.trim(self.config.slowlog_max_len),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{FileStep, Output};
    use crate::server::config::ConfigFile;
    use crate::server::testing::Bench;

    #[test]
    fn refusals_are_in_redis_words() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let failed = "(error) ERR CONFIG SET failed (possibly related to argument";
        for (line, answer) in [
            (
                "CONFIG SET foo bar",
                "(error) ERR Unknown option or number of arguments for CONFIG SET - 'foo'"
                    .to_owned(),
            ),
            ("CONFIG SET hz 20 hz 20", format!("{failed} 'hz') - duplicate parameter")),
            (
                "CONFIG SET databases 3",
                format!("{failed} 'databases') - can't set immutable config"),
            ),
            ("CONFIG SET dir /tmp", format!("{failed} 'dir') - can't set protected config")),
            (
                "CONFIG SET hz 20 port xx",
                format!("{failed} 'port') - argument couldn't be parsed into an integer"),
            ),
            (
                "CONFIG SET maxclients",
                "(error) ERR wrong number of arguments for 'config|set' command".to_owned(),
            ),
            ("CONFIG SET hz 20 maxclients", "(error) ERR syntax error".to_owned()),
            ("CONFIG GET hz", "1) \"hz\"\n2) \"10\"".to_owned()),
            ("CONFIG SET hz 1000 slave-read-only no", "OK".to_owned()),
            (
                "CONFIG GET hz replica-read-o*",
                "1) \"hz\"\n2) \"500\"\n3) \"replica-read-only\"\n4) \"no\"".to_owned(),
            ),
            ("CONFIG GET sl*-read-only", "1) \"slave-read-only\"\n2) \"no\"".to_owned()),
            (
                "CONFIG REWRITE",
                "(error) ERR The server is running without a config file".to_owned(),
            ),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
    }

    #[test]
    fn rewrite_writes_the_file_that_was_read() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let text = "# mine\nport 6379\n".to_owned();
        bench.server.config.file = Some(ConfigFile { name: "/tmp/r.conf".to_owned(), text });
        bench.ask(conn, "CONFIG SET hz 20");
        bench.files_fail = true;
        assert_eq!(
            bench.ask(conn, "CONFIG REWRITE"),
            "(error) ERR Rewriting config file: file: Is a directory"
        );
        assert_eq!(
            bench.send(
                conn,
                b"MULTI\r\nCONFIG REWRITE\r\nSET k v\r\nCONFIG REWRITE\r\nEXEC\r\nPING\r\n"
            ),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n\
             -ERR Rewriting config file: file: Is a directory\r\n+OK\r\n\
             -ERR Rewriting config file: file: Is a directory\r\n+PONG\r\n"
        );
        bench.files_fail = false;
        bench.outputs.clear();
        assert_eq!(bench.ask(conn, "CONFIG REWRITE"), "OK");
        let written = bench.outputs.iter().find_map(|o| match o {
            Output::Arrange(steps) => match &steps[..] {
                [FileStep::Write { name, data }] => Some((name.as_str(), &data[..])),
                _ => None,
            },
            _ => None,
        });
        let (name, data) = written.unwrap();
        assert_eq!(name, "/tmp/r.conf");
        let expected = b"# mine\nport 6379\n\n# Generated by CONFIG REWRITE\nhz 20\n";
        assert!(data.starts_with(expected), "{data:?}");
    }
}
