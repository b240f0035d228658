//! What this node does not have: a cluster, modules, art. Clients ask for it all the same.
//!
//! # Differences from Redis
//!
//! * Modules are refused whatever `enable-module-command` says.
//! * LOLWUT draws nothing, whatever version it is asked for.
//! * MIGRATE, and FUNCTION, FCALL and FCALL_RO are unknown commands.

use super::{container, help, not_allowed, row};
use crate::base::number;
use crate::command::flags::{ADMIN, CONTAINER, FAST, LOADING, NOSCRIPT, READONLY, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::server::REDIS_VERSION;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Cluster, "CLUSTER", -2, CONTAINER, "3.0.0", container)
        .doc("A container for cluster commands."),
    row(Group::Cluster, "CLUSTER|ADDSLOTS", -3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Assign new hash slots to receiving node."),
    row(Group::Cluster, "CLUSTER|ADDSLOTSRANGE", -4, ADMIN | STALE, "7.0.0", no_cluster)
        .doc("Assign new hash slots to receiving node."),
    row(Group::Cluster, "CLUSTER|BUMPEPOCH", 2, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Advance the cluster config epoch."),
    row(Group::Cluster, "CLUSTER|COUNT-FAILURE-REPORTS", 3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Return the number of failure reports active for a given node."),
    row(Group::Cluster, "CLUSTER|COUNTKEYSINSLOT", 3, STALE, "3.0.0", no_cluster)
        .doc("Return the number of local keys in the specified hash slot."),
    row(Group::Cluster, "CLUSTER|DELSLOTS", -3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Set hash slots as unbound in receiving node."),
    row(Group::Cluster, "CLUSTER|DELSLOTSRANGE", -4, ADMIN | STALE, "7.0.0", no_cluster)
        .doc("Set hash slots as unbound in receiving node."),
    row(Group::Cluster, "CLUSTER|FAILOVER", -2, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Forces a replica to perform a manual failover of its master."),
    row(Group::Cluster, "CLUSTER|FLUSHSLOTS", 2, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Delete a node's own slots information."),
    row(Group::Cluster, "CLUSTER|FORGET", 3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Remove a node from the nodes table."),
    row(Group::Cluster, "CLUSTER|GETKEYSINSLOT", 4, STALE, "3.0.0", no_cluster)
        .doc("Return local key names in the specified hash slot."),
    row(Group::Cluster, "CLUSTER|HELP", 2, LOADING | STALE, "5.0.0", no_cluster)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Cluster, "CLUSTER|INFO", 2, STALE, "3.0.0", no_cluster)
        .doc("Provides info about Redis Cluster node state."),
    row(Group::Cluster, "CLUSTER|KEYSLOT", 3, STALE, "3.0.0", no_cluster)
        .doc("Returns the hash slot of the specified key."),
    row(Group::Cluster, "CLUSTER|LINKS", 2, STALE, "7.0.0", no_cluster)
        .doc("Returns a list of all TCP links to and from peer nodes in cluster."),
    row(Group::Cluster, "CLUSTER|MEET", -4, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Force a node cluster to handshake with another node."),
    row(Group::Cluster, "CLUSTER|MYID", 2, STALE, "3.0.0", no_cluster).doc("Return the node id."),
    row(Group::Cluster, "CLUSTER|NODES", 2, STALE, "3.0.0", no_cluster)
        .doc("Get Cluster config for the node."),
    row(Group::Cluster, "CLUSTER|REPLICAS", 3, ADMIN | STALE, "5.0.0", no_cluster)
        .doc("List replica nodes of the specified master node."),
    row(Group::Cluster, "CLUSTER|REPLICATE", 3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Reconfigure a node as a replica of the specified master node."),
    row(Group::Cluster, "CLUSTER|RESET", -2, ADMIN | NOSCRIPT | STALE, "3.0.0", no_cluster)
        .doc("Reset a Redis Cluster node."),
    row(Group::Cluster, "CLUSTER|SAVECONFIG", 2, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Forces the node to save cluster state on disk."),
    row(Group::Cluster, "CLUSTER|SET-CONFIG-EPOCH", 3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Set the configuration epoch in a new node."),
    row(Group::Cluster, "CLUSTER|SETSLOT", -4, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("Bind a hash slot to a specific node."),
    row(Group::Cluster, "CLUSTER|SHARDS", 2, STALE, "7.0.0", no_cluster)
        .doc("Get array of cluster slots to node mappings."),
    row(Group::Cluster, "CLUSTER|SLAVES", 3, ADMIN | STALE, "3.0.0", no_cluster)
        .doc("List replica nodes of the specified master node."),
    row(Group::Cluster, "CLUSTER|SLOTS", 2, STALE, "3.0.0", no_cluster)
        .doc("Get array of Cluster slot to node mappings."),
    row(Group::Cluster, "READONLY", 1, FAST | LOADING | STALE, "3.0.0", no_cluster)
        .doc("Enables read queries for a connection to a cluster replica node."),
    row(Group::Cluster, "READWRITE", 1, FAST | LOADING | STALE, "3.0.0", no_cluster)
        .doc("Disables read queries for a connection to a cluster replica node."),
    row(Group::Cluster, "ASKING", 1, FAST, "3.0.0", no_cluster)
        .doc("Sent by cluster clients after an -ASK redirect."),
    row(Group::Server, "MODULE", -2, CONTAINER, "4.0.0", container)
        .doc("A container for module commands."),
    row(Group::Server, "MODULE|HELP", 2, LOADING | STALE, "5.0.0", module_help)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Server, "MODULE|LOAD", -3, ADMIN | NOSCRIPT, "4.0.0", no_module)
        .doc("Load a module."),
    row(Group::Server, "MODULE|LOADEX", -3, ADMIN | NOSCRIPT, "7.0.0", no_module)
        .doc("Load a module with extended parameters."),
    row(Group::Server, "MODULE|UNLOAD", 3, ADMIN | NOSCRIPT, "4.0.0", no_module)
        .doc("Unload a module."),
    row(Group::Server, "MODULE|LIST", 2, ADMIN | NOSCRIPT, "4.0.0", list)
        .doc("List all modules loaded by the server."),
    row(Group::Server, "LOLWUT", -1, FAST | READONLY, "5.0.0", lolwut)
        .doc("Display some computer art and the Redis version."),
];

const MODULE_HELP: &[&str] = &[
    "LIST",
    "    Return a list of loaded modules.",
    "LOAD <path> [<arg> ...]",
    "    Load a module library from <path>, passing to it any optional arguments.",
    "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
    "    Load a module library from <path>, while passing it module configurations and optional \
     arguments.",
    "UNLOAD <name>",
    "    Unload a module.",
];

type Answer = Result<(), CommandError>;

fn no_cluster(_: &mut Server, _: &Ask<'_>, _: &mut Outbox) -> Answer {
    Err(CommandError::fixed("ERR This instance has cluster support disabled"))
}

fn list(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).array(0);
    Ok(())
}

fn module_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, MODULE_HELP);
    Ok(())
}

fn no_module(_: &mut Server, _: &Ask<'_>, _: &mut Outbox) -> Answer {
    Err(not_allowed("MODULE", "enable-module-command"))
}

fn lolwut(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if ask.is(1, "VERSION") && ask.args.len() > 2 {
        number::parse_i64(ask.arg(2)).ok_or(CommandError::NOT_AN_INTEGER)?;
    }
    server.reply(ask).verbatim("txt", format!("Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn there_is_no_cluster() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let refusal = "(error) ERR This instance has cluster support disabled";
        for line in ["CLUSTER INFO", "READONLY", "READWRITE", "ASKING", "CLUSTER HELP"] {
            assert_eq!(bench.ask(conn, line), refusal, "{line}");
        }
        assert_eq!(
            bench.ask(conn, "CLUSTER FOO"),
            "(error) ERR unknown subcommand 'FOO'. Try CLUSTER HELP."
        );
    }
}
