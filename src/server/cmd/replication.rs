//! Replication: who follows whom, how far, and waiting for it.

use crate::base::number::parse_i64;
use crate::command::flags::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Keys, Spec};
use crate::machine::Outbox;
use crate::repl::Request;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    Spec {
        name: "REPLICAOF",
        arity: 3,
        flags: ADMIN | NOSCRIPT | STALE,
        keys: Keys::NONE,
        group: Group::Server,
        since: "5.0.0",
        doc: "Configures a server as replica of another, or promotes it to a master.",
        run: |server, ask, out| server.replicaof(ask, out),
    },
    Spec {
        name: "SLAVEOF",
        arity: 3,
        flags: ADMIN | NOSCRIPT | STALE,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Sets a server as a replica of another, or promotes it to being a master.",
        run: |server, ask, out| server.replicaof(ask, out),
    },
    Spec {
        name: "FAILOVER",
        arity: -1,
        flags: ADMIN | NOSCRIPT | STALE,
        keys: Keys::NONE,
        group: Group::Server,
        since: "6.2.0",
        doc: "Starts a coordinated failover from a server to one of its replicas.",
        run: |server, ask, out| server.on_failover(ask, out),
    },
    Spec {
        name: "PSYNC",
        arity: -3,
        flags: ADMIN | NO_MULTI | NOSCRIPT,
        keys: Keys::NONE,
        group: Group::Server,
        since: "2.8.0",
        doc: "An internal command used in replication.",
        run: psync,
    },
    Spec {
        name: "SYNC",
        arity: 1,
        flags: ADMIN | NO_MULTI | NOSCRIPT,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "An internal command used in replication.",
        run: |server, ask, out| server.attach_replica(ask, None, false, out),
    },
    Spec {
        name: "REPLCONF",
        arity: -1,
        flags: ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
        keys: Keys::NONE,
        group: Group::Server,
        since: "3.0.0",
        doc: "An internal command for configuring the replication stream.",
        run: |server, ask, out| server.on_replconf(ask, out),
    },
    Spec {
        name: "ROLE",
        arity: 1,
        flags: NOSCRIPT | LOADING | STALE | FAST,
        keys: Keys::NONE,
        group: Group::Server,
        since: "2.8.12",
        doc: "Returns the replication role.",
        run: role,
    },
    Spec {
        name: "WAIT",
        arity: 3,
        flags: NOSCRIPT,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "3.0.0",
        doc: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
        run: |server, ask, _| server.on_wait(ask),
    },
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
        reply.int(if primary.was_ever_up { view.offset as i64 } else { -1 });
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
