//! Connection: PING, ECHO, SELECT.

use crate::command::flags::{FAST, LOADING, STALE};
use crate::command::{CommandError, Group, Keys, Spec};
use crate::machine::Outbox;
use crate::server::client::Client;
use crate::server::table::{Command, ServerRun, wrong_arity};
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    Spec {
        name: "PING",
        arity: -1,
        flags: FAST,
        keys: Keys::NONE,
        group: Group::Connection,
        since: "1.0.0",
        doc: "Returns the server's liveliness response.",
        run: ping,
    },
    Spec {
        name: "ECHO",
        arity: 2,
        flags: FAST | LOADING | STALE,
        keys: Keys::NONE,
        group: Group::Connection,
        since: "1.0.0",
        doc: "Returns the given string.",
        run: echo,
    },
];

fn ping(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    match ask.args {
        [_] => server.reply(ask).simple("PONG"),
        [_, text] => server.reply(ask).bulk(text),
        _ => return Err(wrong_arity("ping")),
    }
    Ok(())
}

fn echo(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.reply(ask).bulk(ask.arg(1));
    Ok(())
}

impl Server {
    /// A RESP2 client that subscribed to something may only do little else.
    pub(in crate::server) fn check_subscriber(
        &self,
        _client: &Client,
        _command: &Command,
    ) -> Result<(), CommandError> {
        Ok(())
    }
}
