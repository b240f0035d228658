//! CLIENT: who is connected, and what becomes of them.
//!
//! CLIENT SETINFO and NO-TOUCH are of 7.2: current client libraries send them first.
//!
//! # Differences from Redis
//!
//! * There is no client-side caching: CLIENT TRACKING ON is refused.
//! * CLIENT REPLY OFF in a transaction silences all of EXEC, which Redis has begun to answer.

use super::connection::client_name;
use super::{container, help, row, wrong_form};
use crate::base::number;
use crate::base::text::shown;
use crate::command::flags::{ADMIN, CONTAINER, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group::Connection, Spec};
use crate::machine::Outbox;
use crate::machine::{ConnId, Now};
use crate::resp::Protocol;
use crate::server::blocking::{PauseKind, PauseReason};
use crate::server::client::{Client, ClientKind, ReplyMode};
use crate::server::table::ServerRun;
use crate::server::transaction::Transaction;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Connection, "CLIENT", -2, CONTAINER, "2.4.0", container).doc("A container for client connection commands."),
    row(Connection, "CLIENT|CACHING", 3, LOADING | NOSCRIPT | STALE, "6.0.0", caching).doc("Instruct the server about tracking or not keys in the next request."),
    row(Connection, "CLIENT|GETNAME", 2, LOADING | NOSCRIPT | STALE, "2.6.9", getname).doc("Get the current connection name."),
    row(Connection, "CLIENT|GETREDIR", 2, LOADING | NOSCRIPT | STALE, "6.0.0", getredir).doc("Get tracking notifications redirection client ID if any."),
    row(Connection, "CLIENT|HELP", 2, LOADING | STALE, "5.0.0", client_help).doc("Show helpful text about the different subcommands."),
    row(Connection, "CLIENT|ID", 2, LOADING | NOSCRIPT | STALE, "5.0.0", id).doc("Returns the client ID for the current connection."),
    row(Connection, "CLIENT|INFO", 2, LOADING | NOSCRIPT | STALE, "6.2.0", info).doc("Returns information about the current client connection."),
    row(Connection, "CLIENT|KILL", -3, ADMIN | LOADING | NOSCRIPT | STALE, "2.4.0", kill).doc("Kill the connection of a client."),
    row(Connection, "CLIENT|LIST", -2, ADMIN | LOADING | NOSCRIPT | STALE, "2.4.0", list).doc("Get the list of client connections."),
    row(Connection, "CLIENT|NO-EVICT", 3, ADMIN | LOADING | NOSCRIPT | STALE, "7.0.0", no_evict).doc("Set client eviction mode for the current connection."),
    row(Connection, "CLIENT|PAUSE", -3, ADMIN | LOADING | NOSCRIPT | STALE, "2.9.50", pause).doc("Stop processing commands from clients for some time."),
    row(Connection, "CLIENT|REPLY", 3, LOADING | NOSCRIPT | STALE, "3.2.0", reply).doc("Instruct the server whether to reply to commands."),
    row(Connection, "CLIENT|SETNAME", 3, LOADING | NOSCRIPT | STALE, "2.6.9", setname).doc("Set the current connection name."),
    row(Connection, "CLIENT|TRACKING", -3, LOADING | NOSCRIPT | STALE, "6.0.0", tracking).doc("Enable or disable server assisted client side caching support."),
    row(Connection, "CLIENT|TRACKINGINFO", 2, LOADING | NOSCRIPT | STALE, "6.2.0", trackinginfo).doc("Return information about server assisted client side caching for the current connection."),
    row(Connection, "CLIENT|UNBLOCK", -3, ADMIN | LOADING | NOSCRIPT | STALE, "5.0.0", unblock).doc("Unblock a client blocked in a blocking command from a different connection."),
    row(Connection, "CLIENT|UNPAUSE", 2, ADMIN | LOADING | NOSCRIPT | STALE, "6.2.0", unpause).doc("Resume processing of clients that were paused."),
    row(Connection, "CLIENT|SETINFO", 4, LOADING | NOSCRIPT | STALE, "7.2.0", setinfo).doc("Set name or version of the client library."),
    row(Connection, "CLIENT|NO-TOUCH", 3, LOADING | NOSCRIPT | STALE, "7.2.0", no_touch).doc("Reads of this connection do not count as use."),
];

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
];

type Answer = Result<(), CommandError>;

fn client_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

fn id(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let id = server.client(ask).map_or(0, |c| c.id);
    server.reply(ask).int(id as i64);
    Ok(())
}

fn getname(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let name = server.client(ask).map(|c| c.name.clone()).unwrap_or_default();
    let reply = server.reply(ask);
    if name.is_empty() {
        reply.null();
    } else {
        reply.bulk(name);
    }
    Ok(())
}

fn setname(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let name = client_name(ask.arg(2))?;
    with_client(server, ask, |client| client.name = name)
}

fn setinfo(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let option = String::from_utf8_lossy(ask.arg(2)).to_ascii_lowercase();
    let value = client_name(ask.arg(3)).map_err(|_| {
        CommandError::new(format!(
            "ERR {option} cannot contain spaces, newlines or special characters."
        ))
    })?;
    match option.as_str() {
        "lib-name" => with_client(server, ask, |client| client.lib_name = value),
        "lib-ver" => with_client(server, ask, |client| client.lib_ver = value),
        _ => Err(CommandError::new(format!("ERR Unrecognized option '{option}'"))),
    }
}

fn info(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let line = server.client(ask).map(|c| line(c, server.now)).unwrap_or_default();
    server.reply(ask).verbatim("txt", format!("{line}\n").as_bytes());
    Ok(())
}

fn list(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let (mut class, mut ids) = (None, None);
    match ask.args {
        [_, _] => {}
        [_, _, option, word] if option.eq_ignore_ascii_case(b"TYPE") => {
            class = Some(class_named(word)?);
        }
        [_, _, option, words @ ..] if option.eq_ignore_ascii_case(b"ID") && !words.is_empty() => {
            let wanted = words.iter().map(|w| number::parse_i64(w)).collect::<Option<Vec<_>>>();
            ids = Some(wanted.ok_or(CommandError::fixed("ERR Invalid client ID"))?);
        }
        _ => return Err(CommandError::SYNTAX),
    }
    let now = server.now;
    let all = server.clients.in_order();
    let wanted: Vec<&Client> = match ids {
        Some(ids) => {
            let with_id = |id| all.iter().find(|c| c.id as i64 == id).copied();
            ids.into_iter().filter_map(with_id).collect()
        }
        None => {
            all.into_iter().filter(|c| class.is_none_or(|class| class == class_of(c))).collect()
        }
    };
    let lines: String = wanted.into_iter().map(|c| line(c, now) + "\n").collect();
    server.reply(ask).verbatim("txt", lines.as_bytes());
    Ok(())
}

/// What CLIENT KILL is told to look for.
#[derive(Default)]
struct Target<'a> {
    id: Option<u64>,
    class: Option<Class>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
}

fn kill(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Answer {
    let old_form = ask.args.len() == 3;
    let (mut target, mut skip_me) = (Target::default(), !old_form);
    if old_form {
        target.addr = Some(ask.arg(2));
    } else if !ask.args.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    for index in (2..ask.args.len() - 1).step_by(2) {
        let value = ask.arg(index + 1);
        if ask.is(index, "ID") {
            let id = number::parse_i64(value).filter(|id| *id > 0);
            let id = id.ok_or(CommandError::fixed("ERR client-id should be greater than 0"))?;
            target.id = Some(id as u64);
        } else if ask.is(index, "TYPE") {
            target.class = Some(class_named(value)?);
        } else if ask.is(index, "ADDR") {
            target.addr = Some(value);
        } else if ask.is(index, "LADDR") {
            target.laddr = Some(value);
        } else if ask.is(index, "USER") {
            if value != b"default" {
                let name = shown(value);
                return Err(CommandError::new(format!("ERR No such user '{name}'")));
            }
        } else if ask.is(index, "SKIPME") {
            skip_me = match value.to_ascii_lowercase().as_slice() {
                b"yes" => true,
                b"no" => false,
                _ => return Err(CommandError::SYNTAX),
            };
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let victims = server.clients.ids(|client| {
        target.id.is_none_or(|id| id == client.id)
            && target.class.is_none_or(|class| class == class_of(client))
            && target.addr.is_none_or(|addr| addr == client.peer.to_string().as_bytes())
            && target.laddr.is_none_or(|addr| addr == client.local.to_string().as_bytes())
            && !(skip_me && client.conn == ask.conn)
    });
    let count = victims.len();
    for conn in victims {
        if conn == ask.conn {
            with_client_closing(server, conn);
        } else {
            server.drop_client(conn, out);
        }
    }
    match (old_form, count) {
        (true, 0) => return Err(CommandError::fixed("ERR No such client")),
        (true, _) => server.reply(ask).ok(),
        (false, count) => server.reply(ask).count(count),
    }
    Ok(())
}

fn pause(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let ms = number::parse_i64(ask.arg(2))
        .ok_or(CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::fixed("ERR timeout is negative"))?;
    let kind = match ask.args.len() {
        3 => PauseKind::All,
        4 if ask.is(3, "WRITE") => PauseKind::Writes,
        4 if ask.is(3, "ALL") => PauseKind::All,
        4 => {
            return Err(CommandError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL"));
        }
        _ => return Err(wrong_form(ask)),
    };
    server.pause(PauseReason::Client, kind, server.now.mono.saturating_add(ms));
    server.reply(ask).ok();
    Ok(())
}

fn unpause(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).ok();
    server.unpause(PauseReason::Client);
    Ok(())
}

fn reply(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    if ask.is(2, "ON") {
        client.reply_mode = ReplyMode::On;
        client.reply.ok();
    } else if ask.is(2, "OFF") {
        client.reply_mode = ReplyMode::Off;
    } else if ask.is(2, "SKIP") {
        if client.reply_mode != ReplyMode::Off {
            client.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::SYNTAX);
    }
    Ok(())
}

fn unblock(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let with_error = match ask.args {
        [_, _, _] => false,
        [_, _, _, why] if why.eq_ignore_ascii_case(b"TIMEOUT") => false,
        [_, _, _, why] if why.eq_ignore_ascii_case(b"ERROR") => true,
        [_, _, _, _] => {
            return Err(CommandError::fixed(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => return Err(wrong_form(ask)),
    };
    let id = number::parse_i64(ask.arg(2)).ok_or(CommandError::NOT_AN_INTEGER)?;
    let found = server.clients.ids(|c| c.id as i64 == id).pop();
    let done = found.is_some_and(|conn| server.unblock_early(conn, with_error));
    server.reply(ask).int(i64::from(done));
    Ok(())
}

fn no_evict(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let on = on_or_off(ask)?;
    with_client(server, ask, |client| client.no_evict = on)
}

fn no_touch(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    on_or_off(ask)?;
    server.reply(ask).ok();
    Ok(())
}

fn getredir(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).int(-1);
    Ok(())
}

fn trackinginfo(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let reply = server.reply(ask);
    reply.map(3);
    reply.bulk("flags");
    reply.set(1);
    reply.bulk("off");
    reply.bulk("redirect");
    reply.int(-1);
    reply.bulk("prefixes");
    reply.array(0);
    Ok(())
}

fn tracking(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if on_or_off(ask)? {
        return Err(CommandError::fixed("ERR client side caching is not supported"));
    }
    server.reply(ask).ok();
    Ok(())
}

fn caching(_: &mut Server, _: &Ask<'_>, _: &mut Outbox) -> Answer {
    Err(CommandError::fixed(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
         OPTOUT mode enabled",
    ))
}

fn on_or_off(ask: &Ask<'_>) -> Result<bool, CommandError> {
    match (ask.is(2, "ON"), ask.is(2, "OFF")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(CommandError::SYNTAX),
    }
}

fn with_client(server: &mut Server, ask: &Ask<'_>, change: impl FnOnce(&mut Client)) -> Answer {
    if let Some(client) = server.clients.get_mut(ask.conn) {
        change(client);
        client.reply.ok();
    }
    Ok(())
}

fn with_client_closing(server: &mut Server, conn: ConnId) {
    if let Some(client) = server.clients.get_mut(conn) {
        client.closing = true;
    }
}

/// What CLIENT LIST TYPE tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Replica,
    PubSub,
    Primary,
}

fn class_named(word: &[u8]) -> Result<Class, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Class::Normal),
        b"slave" | b"replica" => Ok(Class::Replica),
        b"pubsub" => Ok(Class::PubSub),
        b"master" => Ok(Class::Primary),
        _ => {
            let word = shown(word);
            Err(CommandError::new(format!("ERR Unknown client type '{word}'")))
        }
    }
}

fn class_of(client: &Client) -> Class {
    match client.kind {
        ClientKind::Primary => Class::Primary,
        ClientKind::Replica => Class::Replica,
        ClientKind::Normal if client.is_subscriber() => Class::PubSub,
        ClientKind::Normal => Class::Normal,
    }
}

/// A client as a line of CLIENT LIST, in the order of 7.0.
pub(in crate::server) fn line(client: &Client, now: Now) -> String {
    let subscriptions = &client.subscriptions;
    let multi = client.transaction.as_ref();
    let multi_bytes = multi.map_or(0, Transaction::memory_bytes);
    let (queued, unread) = (client.unsent_bytes + client.reply.len(), client.input.len());
    format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} \
         multi={} qbuf={unread} qbuf-free={} argv-mem=0 multi-mem={multi_bytes} rbs={} rbp={} obl={} \
         oll={} omem={} tot-mem={} events={} cmd={} user={} redir=-1 resp={}",
        client.id,
        client.peer,
        client.local,
        client.conn.number(),
        client.name,
        now.since(client.since) / 1000,
        now.since(client.active) / 1000,
        flags_of(client),
        client.db,
        subscriptions.channels.len(),
        subscriptions.patterns.len(),
        subscriptions.shards.len(),
        multi.map_or(-1, |t| t.len() as i64),
        client.input.capacity() - unread,
        client.reply.len(),
        client.reply.len(),
        client.reply.len(),
        usize::from(client.unsent_bytes > 0),
        client.unsent_bytes,
        queued + client.input.capacity() + multi_bytes,
        if client.unsent_bytes > 0 { "rw" } else { "r" },
        client.last_command.unwrap_or("NULL"),
        if client.kind == ClientKind::Primary { "(superuser)" } else { "default" },
        if client.reply.protocol() == Protocol::Resp3 { 3 } else { 2 },
    )
}

fn flags_of(client: &Client) -> String {
    let all = [
        (client.kind == ClientKind::Replica, 'S'),
        (client.monitor, 'O'),
        (client.kind == ClientKind::Primary, 'M'),
        (client.is_subscriber(), 'P'),
        (client.transaction.is_some(), 'x'),
        (client.blocked.is_some(), 'b'),
        (client.watch_spoiled, 'd'),
        (client.closing, 'c'),
        (client.no_evict, 'e'),
    ];
    let flags: String = all.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
    if flags.is_empty() { "N".to_owned() } else { flags }
}

#[cfg(test)]
mod tests {
    use crate::machine::Output;
    use crate::server::testing::Bench;

    #[test]
    fn list_shows_the_fields_of_7_0_in_their_order() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.advance(2500);
        bench.ask(conn, "CLIENT SETNAME me");
        let text = String::from_utf8(bench.send(conn, b"CLIENT LIST\r\n").to_vec()).unwrap();
        let line = text.lines().nth(1).unwrap();
        assert_eq!(
            line.split(" qbuf-free").next(),
            Some(
                "id=1 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=1 name=me age=2 idle=0 flags=N \
                 db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0"
            )
        );
        let names: Vec<_> = line.split(' ').map(|f| f.split('=').next().unwrap()).collect();
        assert_eq!(
            names.join(" "),
            "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem \
             multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp"
        );
        assert!(line.ends_with("cmd=client|list user=default redir=-1 resp=2"), "{line}");
    }

    #[test]
    fn kill_finds_clients_by_what_they_are() {
        let mut bench = Bench::new(&[]);
        let (me, subscriber, other) = (bench.connect(), bench.connect(), bench.connect());
        bench.ask(subscriber, "SUBSCRIBE a");
        for (line, answer) in [
            ("CLIENT KILL 1.1.1.1:1", "(error) ERR No such client"),
            ("CLIENT KILL ID x", "(error) ERR client-id should be greater than 0"),
            ("CLIENT KILL TYPE foo", "(error) ERR Unknown client type 'foo'"),
            ("CLIENT KILL USER nobody", "(error) ERR No such user 'nobody'"),
            ("CLIENT KILL FOO 1", "(error) ERR syntax error"),
            ("CLIENT KILL TYPE pubsub", "(integer) 1"),
            ("CLIENT KILL ID 3", "(integer) 1"),
            ("CLIENT KILL ID 1", "(integer) 0"),
            ("CLIENT KILL ID 1 SKIPME no", "(integer) 1"),
        ] {
            assert_eq!(bench.ask(me, line), answer, "{line}");
        }
        for conn in [me, subscriber, other] {
            let closed = |o: &Output| matches!(o, Output::Close { conn: c, .. } if *c == conn);
            assert!(bench.outputs.iter().any(closed));
        }
    }

    #[test]
    fn paused_writes_run_when_the_pause_ends() {
        let mut bench = Bench::new(&[]);
        let (me, writer) = (bench.connect(), bench.connect());
        assert_eq!(bench.ask(me, "CLIENT PAUSE 500 WRITE"), "OK");
        assert_eq!(bench.send(writer, b"GET k\r\nSET k v\r\nGET k\r\n"), "$-1\r\n");
        bench.advance(400);
        assert_eq!(bench.received(writer), "");
        bench.advance(200);
        assert_eq!(bench.received(writer), "+OK\r\n$1\r\nv\r\n");
        assert_eq!(bench.ask(me, "CLIENT PAUSE 100000"), "OK");
        assert_eq!(bench.send(writer, b"PING\r\n"), "");
        assert_eq!(bench.send(me, b"PING\r\n"), "", "all but replicas wait");
        bench.advance(100_100);
        assert_eq!(bench.received(writer), "+PONG\r\n");
    }

    #[test]
    fn reply_off_and_skip_silence_replies() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let sent = b"CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\nCLIENT REPLY OFF\r\nECHO c\r\n\
                     CLIENT REPLY ON\r\n";
        assert_eq!(bench.send(conn, sent), "$1\r\nb\r\n+OK\r\n");
        bench.send(conn, b"CLIENT PAUSE 100\r\nCLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n");
        bench.advance(200);
        assert_eq!(bench.received(conn), "$1\r\nb\r\n");
    }
}
