//! Replication: who follows whom, how far, and waiting for it.

use super::row;
use crate::base::number::parse_i64;
use crate::command::flags::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::{LinkState, Outbox};
use crate::repl::Request;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "REPLICAOF", 3, ADMIN | NOSCRIPT | STALE, "5.0.0", Server::replicaof).doc("Configures a server as replica of another, or promotes it to a master."),
    row(Group::Server, "SLAVEOF", 3, ADMIN | NOSCRIPT | STALE, "1.0.0", Server::replicaof).doc("Sets a server as a replica of another, or promotes it to being a master."),
    row(Group::Server, "FAILOVER", -1, ADMIN | NOSCRIPT | STALE, "6.2.0", Server::on_failover).doc("Starts a coordinated failover from a server to one of its replicas."),
    row(Group::Server, "PSYNC", -3, ADMIN | NO_MULTI | NOSCRIPT, "2.8.0", psync).doc("An internal command used in replication."),
    row(Group::Server, "SYNC", 1, ADMIN | NO_MULTI | NOSCRIPT, "1.0.0", |server, ask, out| server.attach_replica(ask, None, false, out)).doc("An internal command used in replication."),
    row(Group::Server, "REPLCONF", -1, ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY, "3.0.0", Server::on_replconf).doc("An internal command for configuring the replication stream."),
    row(Group::Server, "ROLE", 1, NOSCRIPT | LOADING | STALE | FAST, "2.8.12", role).doc("Returns the replication role."),
    row(Group::Generic, "WAIT", 3, NOSCRIPT, "3.0.0", |server, ask, _| server.on_wait(ask)).doc("Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed."),
];

fn psync(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    let offset = parse_i64(ask.arg(2)).ok_or(CommandError::NOT_AN_INTEGER)?;
    let request = Request { replid: ask.arg(1), offset };
    server.attach_replica(ask, Some(request), ask.is(3, "failover"), out)
}

fn role(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let view = server.picture(server.now);
    let reply = server.reply(ask);
    if let Some(primary) = view.primary {
        reply.array(5);
        reply.bulk("slave");
        reply.bulk(&primary.host);
        reply.int(primary.port.into());
        reply.bulk(primary.state.word());
        reply.int(if primary.state == LinkState::Connected { view.offset as i64 } else { -1 });
        return Ok(());
    }
    let online: Vec<_> = view.replicas.iter().filter(|r| r.is_online()).collect();
    reply.array(3);
    reply.bulk("master");
    reply.int(view.offset as i64);
    reply.array(online.len());
    for replica in online {
        reply.array(3);
        reply.bulk(&replica.ip);
        reply.bulk_int(replica.port.into());
        reply.bulk_int(replica.acked as i64);
    }
    Ok(())
}
