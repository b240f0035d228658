//! Connection: PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET.

use super::{clients, row};
use crate::base::number;
use crate::base::text::shown;
use crate::command::flags::{ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE};
use crate::command::{CommandError, Group::Connection, Spec, database_number};
use crate::keyspace::Blob;
use crate::machine::Outbox;
use crate::resp::Protocol;
use crate::server::REDIS_VERSION;
use crate::server::acl_log::Refusal;
use crate::server::client::{Client, ClientKind, ReplyMode};
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Connection, "PING", -1, FAST, "1.0.0", ping).doc("Ping the server."),
    row(Connection, "ECHO", 2, FAST | LOADING | STALE, "1.0.0", echo).doc("Echo the given string."),
    row(
        Connection,
        "AUTH",
        -2,
        ALLOW_BUSY | FAST | LOADING | NO_AUTH | NOSCRIPT | STALE,
        "1.0.0",
        auth,
    )
    .doc("Authenticate to the server."),
    row(
        Connection,
        "HELLO",
        -1,
        ALLOW_BUSY | FAST | LOADING | NO_AUTH | NOSCRIPT | STALE,
        "6.0.0",
        hello,
    )
    .doc("Handshake with Redis."),
    row(Connection, "SELECT", 2, FAST | LOADING | STALE, "1.0.0", select)
        .doc("Change the selected database for the current connection."),
    row(
        Connection,
        "QUIT",
        -1,
        ALLOW_BUSY | FAST | LOADING | NO_AUTH | NOSCRIPT | STALE,
        "1.0.0",
        quit,
    )
    .doc("Close the connection."),
    row(
        Connection,
        "RESET",
        1,
        ALLOW_BUSY | FAST | LOADING | NO_AUTH | NOSCRIPT | STALE,
        "6.2.0",
        reset,
    )
    .doc("Reset the connection."),
];

fn ping(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    if ask.args.len() > 2 {
        return Err(CommandError::wrong_arity("ping"));
    }
    let subscribed = server.client(ask).is_some_and(Client::is_subscriber);
    let reply = server.reply(ask);
    match ask.args {
        [_, text @ ..] if subscribed && reply.protocol() == Protocol::Resp2 => {
            reply.array(2);
            reply.bulk("pong");
            reply.bulk(text.first().copied().unwrap_or_default());
        }
        [_, text] => reply.bulk(text),
        _ => reply.simple("PONG"),
    }
    Ok(())
}

fn echo(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.reply(ask).bulk(ask.arg(1));
    Ok(())
}

fn auth(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let (user, password) = match ask.args {
        [_, password] => {
            if server.config.user.is_open() {
                return Err(CommandError::fixed(
                    "ERR AUTH <password> called without any password configured for the default \
                     user. Are you sure your configuration is correct?",
                ));
            }
            (&b"default"[..], *password)
        }
        [_, user, password] => (*user, *password),
        _ => return Err(CommandError::SYNTAX),
    };
    server.authenticate(ask, user, password)?;
    server.reply(ask).ok();
    Ok(())
}

fn hello(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let protocol = match ask.args.get(1).map(|word| number::parse_i64(word)) {
        None => None,
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => {
            return Err(CommandError::fixed("NOPROTO unsupported protocol version"));
        }
        Some(None) => {
            return Err(CommandError::fixed(
                "ERR Protocol version is not an integer or out of range",
            ));
        }
    };
    let (mut login, mut name) = (None, None);
    let mut at = 2;
    while at < ask.args.len() {
        if ask.is(at, "AUTH") && at + 2 < ask.args.len() {
            login = Some((ask.arg(at + 1), ask.arg(at + 2)));
            at += 3;
        } else if ask.is(at, "SETNAME") && at + 1 < ask.args.len() {
            name = Some(client_name(ask.arg(at + 1))?);
            at += 2;
        } else {
            let option = shown(ask.arg(at)).into_owned();
            return Err(CommandError::new(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = login {
        server.authenticate(ask, user, password)?;
    }
    if server.client(ask).is_none_or(|client| client.must_log_in(&server.config.user)) {
        return Err(CommandError::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    let role = if server.is_replica() { "replica" } else { "master" };
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    if let Some(name) = name {
        client.name = name;
    }
    let id = client.id as i64;
    let reply = &mut client.reply;
    if let Some(protocol) = protocol {
        reply.set_protocol(protocol);
    }
    reply.map(7);
    for (field, text) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field);
        reply.bulk(text);
    }
    reply.bulk("proto");
    reply.int(if reply.protocol() == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk("id");
    reply.int(id);
    for (field, text) in [("mode", "standalone"), ("role", role)] {
        reply.bulk(field);
        reply.bulk(text);
    }
    reply.bulk("modules");
    reply.array(0);
    Ok(())
}

fn select(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let index = database_number(ask.arg(1), server.keyspace.databases())?;
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    client.db = index;
    client.reply.ok();
    Ok(())
}

fn quit(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    client.reply.ok();
    client.closing = true;
    Ok(())
}

fn reset(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.unsubscribe_all(ask.conn);
    server.unwatch(ask.conn);
    let open = server.config.user.is_open();
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    if client.kind != ClientKind::Normal {
        return Err(CommandError::fixed("ERR can only reset normal client connections"));
    }
    client.transaction = None;
    client.monitor = false;
    client.db = 0;
    client.name.clear();
    client.reply_mode = ReplyMode::On;
    client.authenticated = open;
    client.reply.set_protocol(Protocol::Resp2);
    client.reply.simple("RESET");
    Ok(())
}

/// A name that CLIENT SETNAME takes: one printable word.
pub(super) fn client_name(name: &[u8]) -> Result<String, CommandError> {
    match std::str::from_utf8(name) {
        Ok(text) if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) => Ok(text.to_owned()),
        _ => Err(CommandError::fixed(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        )),
    }
}

impl Server {
    /// Lets a client in if user and password are right.
    fn authenticate(
        &mut self,
        ask: &Ask<'_>,
        user: &[u8],
        password: &[u8],
    ) -> Result<(), CommandError> {
        if user != b"default" || !self.config.user.admits(password) {
            self.note_refusal(ask, user);
            return Err(CommandError::fixed(
                "WRONGPASS invalid username-password pair or user is disabled.",
            ));
        }
        if let Some(client) = self.clients.get_mut(ask.conn) {
            client.authenticated = true;
        }
        Ok(())
    }

    fn note_refusal(&mut self, ask: &Ask<'_>, user: &[u8]) {
        let Some(client) = self.client(ask) else { return };
        let refusal = Refusal {
            count: 1,
            context: if self.propagation.is_open() { "multi" } else { "toplevel" },
            command: Blob::from(ask.arg(0)),
            user: Blob::from(user),
            at_ms: self.now.wall_ms(),
            client: clients::line(client, self.now),
        };
        self.acl_log.add(refusal, self.config.acllog_max_len);
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn a_password_must_be_given_first() {
        let mut bench = Bench::new(&[("requirepass", "secret")]);
        let conn = bench.connect();
        for (line, answer) in [
            ("PING", "(error) NOAUTH Authentication required."),
            ("AUTH a b c", "(error) ERR syntax error"),
            ("AUTH wrong", "(error) WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH secret", "OK"),
            ("PING", "PONG"),
            ("RESET", "RESET"),
            ("GET k", "(error) NOAUTH Authentication required."),
            ("AUTH default secret", "OK"),
            ("SELECT 16", "(error) ERR DB index is out of range"),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
    }

    #[test]
    fn hello_switches_the_protocol_and_may_log_in() {
        let mut bench = Bench::new(&[("requirepass", "secret")]);
        let conn = bench.connect();
        assert!(bench.ask(conn, "HELLO 3").contains("NOAUTH HELLO must be called"));
        let reply = bench.send(conn, b"HELLO 3 AUTH default secret SETNAME me\r\n");
        assert_eq!(
            reply,
            "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n\
             :3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\n\
             master\r\n$7\r\nmodules\r\n*0\r\n"
        );
        assert_eq!(bench.send(conn, b"CLIENT GETNAME\r\n"), "$2\r\nme\r\n");
        for (line, answer) in [
            ("HELLO 4", "(error) NOPROTO unsupported protocol version"),
            ("HELLO x", "(error) ERR Protocol version is not an integer or out of range"),
            ("HELLO 2 FOO", "(error) ERR Syntax error in HELLO option 'FOO'"),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
    }
}
