//! Commands on the whole server, by group.

mod absent;
mod acl;
mod clients;
mod command;
mod config;
mod connection;
mod debug;
mod info;
mod latency;
mod memory;
mod monitor;
mod persistence;
mod pubsub;
mod replication;
mod scripting;
mod transaction;

pub(super) use self::clients::line as client_line;
pub(super) use self::info::InfoText;
use super::table::ServerRun;
use super::{Ask, Server};
use crate::base::text::shown;
use crate::command::{CommandError, Flags, Group, Keys, Spec};
use crate::machine::Outbox;

/// All rows of this floor, by group.
pub(super) fn tables() -> Vec<&'static [Spec<ServerRun>]> {
    vec![
        connection::COMMANDS,
        clients::COMMANDS,
        transaction::COMMANDS,
        pubsub::COMMANDS,
        command::COMMANDS,
        config::COMMANDS,
        info::COMMANDS,
        monitor::COMMANDS,
        latency::COMMANDS,
        debug::COMMANDS,
        memory::COMMANDS,
        acl::COMMANDS,
        absent::COMMANDS,
        replication::COMMANDS,
        scripting::COMMANDS,
        persistence::COMMANDS,
    ]
}

/// A row of a command without keys, to which its words for people are added.
const fn row(
    group: Group,
    name: &'static str,
    arity: i16,
    flags: Flags,
    since: &'static str,
    run: ServerRun,
) -> Spec<ServerRun> {
    Spec { name, arity, flags, keys: Keys::NONE, group, since, doc: "", run }
}

impl Spec<ServerRun> {
    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }
}

/// The name before a subcommand runs nothing by itself.
#[expect(clippy::unnecessary_wraps, reason = "the form of every command")]
fn container(_: &mut Server, _: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    Ok(())
}

/// The reply to `NAME HELP`: what its subcommands are.
fn help(server: &mut Server, ask: &Ask<'_>, lines: &[&str]) {
    let name = String::from_utf8_lossy(ask.arg(0)).to_ascii_uppercase();
    let reply = server.reply(ask);
    reply.array(lines.len() + 3);
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Prints this help.");
}

/// The command must be allowed by this directive.
fn not_allowed(name: &str, directive: &str) -> CommandError {
    CommandError::new(format!(
        "ERR {name} command not allowed. If the {directive} option is set to \"local\", you can run \
         it from a local connection, otherwise you need to set this option in the configuration \
         file, and then restart the server."
    ))
}

/// The subcommand is known, but not in this form.
fn wrong_form(ask: &Ask<'_>) -> CommandError {
    CommandError::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        shown(ask.arg(1)),
        String::from_utf8_lossy(ask.arg(0)).to_ascii_uppercase(),
    ))
}
