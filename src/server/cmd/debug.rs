//! DEBUG, where `enable-debug-command` allows it.
//!
//! Only what tests of replication and clients need is there; any other subcommand is unknown.
//!
//! # Differences from Redis
//!
//! * OBJECT knows no addresses, and not when a key was last used.
//! * LOADAOF waits for files, and so cannot be used inside MULTI.
//! * STRINGMATCH-LEN is of 7.2.

use super::{help, not_allowed, row, wrong_form};
use crate::base::{glob, number};
use crate::command::flags::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::keyspace::{Value, digest, value_digest};
use crate::machine::Outbox;
use crate::machine::{LogLevel, Output};
use crate::persist::rdb::serialized_len;
use crate::resp::{Protocol, Reply};
use crate::server::config::memory_bytes;
use crate::server::protected::is_local;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] =
    &[row(Group::Server, "DEBUG", -2, ADMIN | LOADING | NOSCRIPT | STALE, "1.0.0", debug)
        .doc("A container for debugging commands.")];

const HELP: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "    Dangerous: should be used only for testing the replication subsystem.",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate Redis errors.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "LOADAOF",
    "    Flush the AOF buffers on disk and reload the AOF in memory.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix. These are not propagated to",
    "    replicas. Cluster slots are not respected so keys not belonging to the",
    "    current node can be created in cluster mode.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "RELOAD [option ...]",
    "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
    "    * MERGE: conflicting keys will be loaded from RDB.",
    "    * NOFLUSH: the existing database will not be removed before load, but",
    "      conflicting keys will generate an exception and kill the server.",
    "    * NOSAVE: the database will be loaded from an existing RDB file.",
    "    Examples:",
    "    * DEBUG RELOAD: verify that the server is able to persist, flush and reload",
    "      the database.",
    "    * DEBUG RELOAD NOSAVE: replace the current database with the contents of an",
    "      existing RDB file.",
    "    * DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB",
    "      file to the database.",
    "REPLICATE <string>",
    "    Replicates the provided string to replicas, allowing data divergence.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Tell whether <string> matches the glob-style <pattern>.",
];

/// Elements of lists are never so long that it would matter.
const PACKED_BYTES_MAX: u64 = 4 << 30;

/// Keys that one POPULATE makes at most: more would stall the node for good.
const POPULATE_KEYS_MAX: i64 = 100_000_000;

type Answer = Result<(), CommandError>;

fn debug(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Answer {
    let local = server.client(ask).is_some_and(|client| is_local(&client.peer));
    let allowed = match server.config.enable_debug_command.as_str() {
        "yes" => true,
        "local" => local,
        _ => false,
    };
    if !allowed {
        return Err(not_allowed("DEBUG", "enable-debug-command"));
    }
    let name = String::from_utf8_lossy(ask.arg(1)).to_ascii_uppercase();
    match (name.as_str(), &ask.args[2..]) {
        ("HELP", []) => help(server, ask, HELP),
        ("RELOAD", options) => server.on_reload(ask, options, out)?,
        ("LOADAOF", []) => server.reload_log(ask, out)?,
        ("OBJECT", [key]) => object(server, ask, key)?,
        ("CHANGE-REPL-ID", []) => {
            server.rename_history(out);
            server.reply(ask).ok();
        }
        ("SLEEP", [seconds]) => {
            let seconds: f64 =
                std::str::from_utf8(seconds).ok().and_then(|s| s.parse().ok()).unwrap_or(0.0);
            server.reply(ask).ok();
            let ms = (seconds.max(0.0) * 1000.0) as u64;
            server.stall_us = ms.saturating_mul(1000);
            out.push(Output::Stall { ms });
        }
        ("DIGEST", []) => {
            let digest = digest(&server.keyspace);
            server.reply(ask).simple(&digest);
        }
        ("DIGEST-VALUE", keys) => digest_values(server, ask, keys),
        ("SET-ACTIVE-EXPIRE", [on]) => {
            server.active_expire = *on != b"0";
            server.reply(ask).ok();
        }
        ("PAUSE-CRON" | "SET-SKIP-CHECKSUM-VALIDATION", [_]) => server.reply(ask).ok(),
        ("QUICKLIST-PACKED-THRESHOLD", [bytes]) => {
            let bytes = std::str::from_utf8(bytes).ok().and_then(memory_bytes);
            if bytes.is_none_or(|bytes| bytes > PACKED_BYTES_MAX) {
                return Err(CommandError::fixed(
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
                ));
            }
            server.reply(ask).ok();
        }
        ("ERROR", [text]) => {
            return Err(CommandError::new(String::from_utf8_lossy(text)));
        }
        ("LOG", [text]) => {
            out.log(LogLevel::Warning, format!("DEBUG LOG: {}", String::from_utf8_lossy(text)));
            server.reply(ask).ok();
        }
        ("REPLICATE", words) if !words.is_empty() => {
            server.replicate(None, words);
            server.reply(ask).ok();
        }
        ("POPULATE", words @ ([_] | [_, _] | [_, _, _])) => populate(server, ask, words)?,
        ("STRINGMATCH-LEN", [pattern, text]) => {
            let fits = glob::matches(pattern, text);
            server.reply(ask).int(i64::from(fits));
        }
        ("PROTOCOL", [kind]) => protocol(server.reply(ask), kind)?,
        _ => return Err(wrong_form(ask)),
    }
    Ok(())
}

fn object(server: &mut Server, ask: &Ask<'_>, key: &[u8]) -> Answer {
    let db = server.client(ask).map_or(0, |c| c.db);
    let value = server.keyspace.db(db).get(key).ok_or(CommandError::NO_SUCH_KEY)?;
    let (encoding, bytes) = (value.encoding(), serialized_len(value, server.config.rdbcompression));
    let clock = server.now.wall_s() & 0x00ff_ffff;
    server.reply(ask).simple(&format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{clock} \
         lru_seconds_idle:0"
    ));
    Ok(())
}

fn digest_values(server: &mut Server, ask: &Ask<'_>, keys: &[&[u8]]) {
    let db = server.client(ask).map_or(0, |c| c.db);
    let digests: Vec<String> = keys
        .iter()
        .map(|key| {
            let (value, expiry) = match server.keyspace.db(db).get_with_expiry(key) {
                Some((value, expiry)) => (Some(value), expiry),
                None => (None, None),
            };
            value_digest(value, expiry.is_some())
        })
        .collect();
    let reply = server.reply(ask);
    reply.array(digests.len());
    for digest in digests {
        reply.simple(&digest);
    }
}

fn populate(server: &mut Server, ask: &Ask<'_>, words: &[&[u8]]) -> Answer {
    let positive = |word: &[u8]| {
        number::parse_i64(word)
            .filter(|n| (0..=POPULATE_KEYS_MAX).contains(n))
            .ok_or(CommandError::fixed("ERR value is out of range, must be positive"))
    };
    let count = positive(words[0])?;
    let prefix = words.get(1).copied().unwrap_or(b"key");
    let size = words.get(2).map(|word| positive(word)).transpose()?.unwrap_or(0) as usize;
    let db = server.client(ask).map_or(0, |c| c.db);
    let data = server.keyspace.db_mut(db);
    for n in 0..count {
        let key = [prefix, format!(":{n}").as_bytes()].concat();
        if data.contains(&key) {
            continue;
        }
        let mut value = format!("value:{n}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        data.set(&key, Value::string(&value));
    }
    server.reply(ask).ok();
    Ok(())
}

fn protocol(reply: &mut Reply, kind: &[u8]) -> Answer {
    let is_3 = reply.protocol() == Protocol::Resp3;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk("Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double("3.141"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if is_3 {
                reply.raw(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk("Some real reply following the attribute");
        }
        b"push" if !is_3 => {
            return Err(CommandError::fixed("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk("server-cpu-usage");
            reply.int(42);
            reply.bulk("Some real reply following the push reply");
        }
        b"bignum" if is_3 => reply.raw(b"(1234567999999999999999999999999999999\r\n"),
        b"bignum" => reply.bulk("1234567999999999999999999999999999999"),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(CommandError::fixed(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_reload_passes_all_data_through_a_snapshot() {
        let mut bench = Bench::new(&[("enable-debug-command", "yes")]);
        let conn = bench.connect();
        for line in [
            "SET k v EX 100",
            "RPUSH l a b 3",
            "HSET h f 1",
            "SADD s x 7",
            "ZADD z 1.5 m 2 n",
            "SELECT 3",
            "SET other 12",
        ] {
            bench.ask(conn, line);
        }
        let before = bench.ask(conn, "DEBUG DIGEST");
        assert_ne!(before, "0".repeat(40));
        assert_eq!(bench.ask(conn, "DEBUG RELOAD"), "OK");
        assert_eq!(bench.ask(conn, "DEBUG DIGEST"), before);
        assert_eq!(bench.ask(conn, "DBSIZE"), "(integer) 1");
    }

    use crate::machine::Output;
    use crate::server::testing::Bench;

    #[test]
    fn it_is_refused_unless_allowed() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        assert!(
            bench.ask(conn, "DEBUG DIGEST").starts_with("(error) ERR DEBUG command not allowed.")
        );
        bench.server.config.enable_debug_command = "local".to_owned();
        assert_eq!(bench.ask(conn, "DEBUG DIGEST"), "0".repeat(40));
    }

    #[test]
    fn the_subcommands_that_there_are() {
        let mut bench = Bench::new(&[("enable-debug-command", "yes")]);
        let conn = bench.connect();
        for (line, answer) in [
            ("DEBUG SLEEP 0.5", "OK"),
            ("DEBUG CHANGE-REPL-ID", "OK"),
            ("DEBUG POPULATE 3 x", "OK"),
            ("GET x:2", "\"value:2\""),
            ("DEBUG DIGEST-VALUE nosuch", "1) 0000000000000000000000000000000000000000"),
            ("DEBUG STRINGMATCH-LEN a* abc", "(integer) 1"),
            ("DEBUG ERROR hello", "(error) hello"),
            ("DEBUG DIGEST-VALUE", "(empty array)"),
            ("DEBUG QUICKLIST-PACKED-THRESHOLD 10b", "OK"),
            (
                "DEBUG QUICKLIST-PACKED-THRESHOLD xx",
                "(error) ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            ),
            ("DEBUG OBJECT nosuch", "(error) ERR no such key"),
            ("SET k hello", "OK"),
            (
                "DEBUG OBJECT k",
                "Value at:0x0 refcount:1 encoding:embstr serializedlength:6 lru:5501184 \
                 lru_seconds_idle:0",
            ),
            ("DEBUG RELOAD MERGE NOFLUSH", "OK"),
            ("DEBUG RELOAD NOFLUSH", "(error) ERR Error trying to load the RDB dump"),
            (
                "DEBUG RELOAD FOO",
                "(error) ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ),
            (
                "DEBUG JMAP",
                "(error) ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP.",
            ),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
        assert!(bench.outputs.iter().any(|o| matches!(o, Output::Stall { ms: 500 })));
    }

    #[test]
    fn digests_of_values_are_those_of_the_real_server() {
        let mut bench = Bench::new(&[("enable-debug-command", "yes")]);
        let conn = bench.connect();
        bench.ask(conn, "SET k hello");
        bench.ask(conn, "SET n 42");
        assert_eq!(
            bench.ask(conn, "DEBUG DIGEST-VALUE k n"),
            "1) 36b23a1456b2dce2c3ed252c456761301dba8060\n2) 547a004a370bc71c2d611f010c52f2e7b64c77a4"
        );
    }
}
