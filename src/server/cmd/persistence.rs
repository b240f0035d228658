//! Persistence: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN.

use super::row;
use crate::command::flags::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "SAVE", 1, ADMIN | NOSCRIPT | NO_MULTI, "1.0.0", Server::on_save)
        .doc("Synchronously saves the database(s) to disk."),
    row(Group::Server, "BGSAVE", -1, ADMIN | NOSCRIPT, "1.0.0", Server::on_bgsave)
        .doc("Asynchronously saves the database(s) to disk."),
    row(Group::Server, "BGREWRITEAOF", 1, ADMIN | NOSCRIPT, "1.0.0", Server::on_bgrewriteaof)
        .doc("Asynchronously rewrites the append-only file to disk."),
    row(Group::Server, "LASTSAVE", 1, LOADING | STALE | FAST, "1.0.0", last_save)
        .doc("Returns the Unix timestamp of the last successful save to disk."),
    row(
        Group::Server,
        "SHUTDOWN",
        -1,
        ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
        "1.0.0",
        Server::on_shutdown,
    )
    .doc("Synchronously saves the database(s) to disk and shuts down the Redis server."),
];

fn last_save(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let last = server.persistence.last_save_s;
    server.reply(ask).int(last);
    Ok(())
}
