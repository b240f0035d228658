//! The connection itself: PING, AUTH, HELLO, CLIENT, COMMAND, QUIT, RESET, SHUTDOWN.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{Ask, Outcome, Row};
use crate::base::number::parse_i64;
use crate::base::text::hex;
use crate::command::CommandError;
use crate::machine::{ConnId, Now, Output};
use crate::persist::rdb::REDIS_VERSION;
use crate::resp::Protocol;
use crate::sentinel::Sentinel;
use crate::sentinel::client::Client;

/// The rows of this file.
pub(super) const ROWS: &[Row] = &[
    ("ping", -1, ping),
    ("auth", -2, auth),
    ("hello", -1, hello),
    ("quit", -1, quit),
    ("reset", 1, reset),
    ("shutdown", -1, shutdown),
    ("command", -1, command),
    ("client|setname", 3, setname),
    ("client|getname", 2, getname),
    ("client|setinfo", 4, ok),
    ("client|no-evict", 3, ok),
    ("client|no-touch", 3, ok),
    ("client|id", 2, id),
    ("client|info", 2, client_info),
    ("client|list", -2, list),
    ("client|kill", -3, kill),
    ("client|reply", 3, ok),
    ("acl|whoami", 2, whoami),
    ("acl|list", 2, acl_list),
];

fn ping(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let subscribed = sentinel
        .clients
        .get(ask.conn)
        .is_some_and(|c| !c.channels.is_empty() || !c.patterns.is_empty());
    let text = ask.words.get(1).copied();
    if ask.words.len() > 2 {
        return Err(CommandError::wrong_arity("ping"));
    }
    let reply = sentinel.reply(ask);
    match text {
        _ if subscribed && reply.protocol() == Protocol::Resp2 => {
            reply.array(2);
            reply.bulk("pong");
            reply.bulk(text.unwrap_or_default());
        }
        None => reply.simple("PONG"),
        Some(text) => reply.bulk(text),
    }
    Ok(())
}

fn ok(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    sentinel.reply(ask).ok();
    Ok(())
}

fn auth(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    match ask.words {
        [_, _] if sentinel.common.globals.requirepass.is_empty() => Err(CommandError::fixed(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        [_, pass] => log_in(sentinel, ask, b"default", pass),
        [_, user, pass] => log_in(sentinel, ask, user, pass),
        _ => Err(CommandError::SYNTAX),
    }?;
    ok(sentinel, ask)
}

fn log_in(sentinel: &mut Sentinel, ask: &Ask<'_>, user: &[u8], pass: &[u8]) -> Outcome {
    let wanted = sentinel.common.globals.requirepass.as_bytes();
    if user != b"default" || (!wanted.is_empty() && wanted != pass) {
        return Err(CommandError::fixed(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    }
    if let Some(client) = sentinel.clients.get_mut(ask.conn) {
        client.authenticated = true;
    }
    Ok(())
}

fn hello(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let protocol = match ask.words.get(1).map(|word| parse_i64(word)) {
        None => None,
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => return Err(CommandError::fixed("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(CommandError::fixed(
                "ERR Protocol version is not an integer or out of range",
            ));
        }
    };
    let (mut at, mut name) = (2, None);
    while at < ask.words.len() {
        if ask.is(at, "AUTH") && at + 2 < ask.words.len() {
            log_in(sentinel, ask, ask.words[at + 1], ask.words[at + 2])?;
            at += 3;
        } else if ask.is(at, "SETNAME") && at + 1 < ask.words.len() {
            name = Some(client_name(&ask.text(at + 1))?);
            at += 2;
        } else {
            let option = ask.text(at);
            return Err(CommandError::new(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    let Some(client) = sentinel.clients.get_mut(ask.conn) else { return Ok(()) };
    if !client.authenticated {
        return Err(CommandError::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        client.name = name;
    }
    let (id, reply) = (client.id as i64, &mut client.reply);
    if let Some(protocol) = protocol {
        reply.set_protocol(protocol);
    }
    reply.map(6);
    for (field, text) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field);
        reply.bulk(text);
    }
    reply.bulk("proto");
    reply.int(if reply.protocol() == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk("id");
    reply.int(id);
    reply.bulk("mode");
    reply.bulk("sentinel");
    reply.bulk("modules");
    reply.array(0);
    Ok(())
}

fn client_name(name: &str) -> Result<String, CommandError> {
    if name.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(name.to_owned());
    }
    Err(CommandError::fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

fn quit(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    ok(sentinel, ask)?;
    if let Some(client) = sentinel.clients.get_mut(ask.conn) {
        client.closing = true;
    }
    Ok(())
}

fn reset(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let open = sentinel.common.globals.requirepass.is_empty();
    if let Some(client) = sentinel.clients.get_mut(ask.conn) {
        client.channels.clear();
        client.patterns.clear();
        client.name.clear();
        client.authenticated = open;
        client.reply.set_protocol(Protocol::Resp2);
        client.reply.simple("RESET");
    }
    Ok(())
}

fn shutdown(sentinel: &mut Sentinel, _: &Ask<'_>) -> Outcome {
    sentinel.common.out.push(Output::Exit { code: 0 });
    Ok(())
}

/// The names are enough for those who ask a Sentinel.
fn command(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let rows = super::tables().into_iter().flatten();
    // Whoever has subcommands is a command itself.
    let top: BTreeMap<&str, i16> = rows
        .clone()
        .map(|(name, arity, _)| name.split_once('|').map_or((*name, *arity), |(top, _)| (top, -2)))
        .collect();
    let reply = sentinel.clients.reply(ask.conn);
    if ask.is(1, "COUNT") {
        reply.count(top.len());
    } else if ask.is(1, "DOCS") {
        reply.map(0);
    } else if ask.is(1, "LIST") {
        let names: BTreeSet<&str> = rows.map(|row| row.0).chain(top.into_keys()).collect();
        reply.array(names.len());
        names.into_iter().for_each(|name| reply.bulk(name));
    } else {
        reply.array(top.len());
        for (name, arity) in top {
            reply.array(6);
            reply.bulk(name);
            reply.int(i64::from(arity));
            reply.set(0);
            for _ in 0..3 {
                reply.int(0);
            }
        }
    }
    Ok(())
}

fn setname(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let name = client_name(&ask.text(2))?;
    if let Some(client) = sentinel.clients.get_mut(ask.conn) {
        client.name = name;
    }
    ok(sentinel, ask)
}

fn getname(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let name = sentinel.clients.get(ask.conn).map(|c| c.name.clone()).unwrap_or_default();
    match name.as_str() {
        "" => sentinel.reply(ask).null(),
        name => sentinel.reply(ask).bulk(name),
    }
    Ok(())
}

fn id(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let id = sentinel.clients.get(ask.conn).map_or(0, |c| c.id);
    sentinel.reply(ask).int(id as i64);
    Ok(())
}

/// A client as CLIENT LIST and the log show it.
pub fn client_line(client: &Client, now: Now) -> String {
    let subscribed = !client.channels.is_empty() || !client.patterns.is_empty();
    format!(
        "id={} addr={} laddr={} fd=0 name={} age={} idle={} flags={} db=0 sub={} psub={} ssub=0 \
         multi=-1 cmd={} user=default redir=-1 resp={}",
        client.id,
        client.peer,
        client.local,
        client.name,
        now.since(client.since) / 1000,
        now.since(client.active) / 1000,
        if subscribed { "P" } else { "N" },
        client.channels.len(),
        client.patterns.len(),
        if client.last_command.is_empty() { "NULL" } else { &client.last_command },
        if client.reply.protocol() == Protocol::Resp3 { 3 } else { 2 },
    )
}

fn client_info(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let now = sentinel.common.now;
    let text =
        sentinel.clients.get(ask.conn).map(|c| client_line(c, now) + "\n").unwrap_or_default();
    sentinel.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn list(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let now = sentinel.common.now;
    let text: String = sentinel.clients.all().map(|(_, c)| client_line(c, now) + "\n").collect();
    sentinel.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn kill(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let by_type = ask.is(2, "TYPE");
    if !by_type && !ask.is(2, "ID") && !ask.is(2, "ADDR") && ask.words.len() != 3 {
        return Err(CommandError::SYNTAX);
    }
    let (value, addr) = (ask.text(3), ask.text(2));
    let fits = |client: &Client| {
        let subscribed = !client.channels.is_empty() || !client.patterns.is_empty();
        match ask.words.len() {
            3 => client.peer.to_string() == addr,
            _ if by_type => {
                value.eq_ignore_ascii_case(if subscribed { "pubsub" } else { "normal" })
            }
            _ if ask.is(2, "ID") => client.id.to_string() == value,
            _ => client.peer.to_string() == value,
        }
    };
    let doomed = |(conn, client): &(ConnId, &Client)| *conn != ask.conn && fits(client);
    let victims: Vec<_> = sentinel.clients.all().filter(doomed).map(|(conn, _)| conn).collect();
    for conn in &victims {
        if let Some(client) = sentinel.clients.get_mut(*conn) {
            client.closing = true;
        }
    }
    match (ask.words.len(), victims.len()) {
        (3, 0) => return Err(CommandError::fixed("ERR No such client")),
        (3, _) => sentinel.reply(ask).ok(),
        (_, count) => sentinel.reply(ask).count(count),
    }
    Ok(())
}

fn whoami(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    sentinel.reply(ask).bulk("default");
    Ok(())
}

fn acl_list(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let password = match sentinel.common.globals.requirepass.as_str() {
        "" => "nopass".to_owned(),
        word => format!("#{}", hex(&Sha256::digest(word))),
    };
    let reply = sentinel.reply(ask);
    reply.array(1);
    reply.bulk(format!("user default on {password} ~* &* +@all"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::sentinel::testing::Bench;

    #[test]
    fn a_password_shows_in_the_rules_of_the_user() {
        assert!(Bench::new("").ask("ACL LIST").contains("user default on nopass ~* &* +@all\r\n"));
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let told = Bench::new("requirepass secret\n").ask("AUTH secret\r\nACL LIST");
        assert!(told.contains(&format!("user default on #{hash} ~* &* +@all\r\n")), "{told}");
    }
}
