//! SENTINEL subcommands that ask, by clients and by other Sentinels.

use super::show::Fields;
use super::{Ask, Outcome, Row};
use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::sentinel::Sentinel;
use crate::sentinel::config::is_plain;
use crate::sentinel::monitor::Monitor;

/// The rows of this file.
pub(super) const ROWS: &[Row] = &[
    ("sentinel|masters", 2, masters),
    ("sentinel|master", 3, master),
    ("sentinel|replicas", 3, replicas),
    ("sentinel|sentinels", 3, sentinels),
    ("sentinel|get-master-addr-by-name", 3, get_master_addr),
    ("sentinel|is-master-down-by-addr", 6, is_master_down),
    ("sentinel|ckquorum", 3, ckquorum),
    ("sentinel|myid", 2, myid),
    ("sentinel|pending-scripts", 2, pending_scripts),
    ("sentinel|info-cache", -3, info_cache),
    ("sentinel|help", 2, help),
];

const HELP: &[&str] = &[
    "CKQUORUM <master-name>",
    "    Check if the current Sentinel configuration is able to reach the quorum",
    "    needed to failover a master and the majority needed to authorize the",
    "    failover.",
    "CONFIG SET <param> <value>",
    "    Set a global Sentinel configuration parameter.",
    "CONFIG GET <param>",
    "    Get global Sentinel configuration parameter.",
    "DEBUG [<param> <value> ...]",
    "    Show a list of configurable time parameters and their values (milliseconds).",
    "    Or update current configurable parameters values (one or more).",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Return the ip and port number of the master with that name.",
    "FAILOVER <master-name>",
    "    Manually failover a master node without asking for agreement from other",
    "    Sentinels",
    "FLUSHCONFIG",
    "    Force Sentinel to rewrite its configuration on disk, including the current",
    "    Sentinel state.",
    "INFO-CACHE <master-name>",
    "    Return last cached INFO output from masters and all its replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Check if the master specified by ip:port is down from current Sentinel's",
    "    point of view.",
    "MASTER <master-name>",
    "    Show the state and info of the specified master.",
    "MASTERS",
    "    Show a list of monitored masters and their state.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Start monitoring a new master with the specified name, ip, port and quorum.",
    "MYID",
    "    Return the ID of the Sentinel instance.",
    "PENDING-SCRIPTS",
    "    Get pending scripts information.",
    "REMOVE <master-name>",
    "    Remove master from Sentinel's monitor list.",
    "REPLICAS <master-name>",
    "    Show a list of replicas for this master and their state.",
    "RESET <pattern>",
    "    Reset masters for specific master name matching this pattern.",
    "SENTINELS <master-name>",
    "    Show a list of Sentinel instances for this master and their state.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Set configuration parameters for certain masters.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Simulate a Sentinel crash.",
];

impl Sentinel {
    /// The watched primary that a word names.
    pub(super) fn named(&self, ask: &Ask<'_>, index: usize) -> Result<&Monitor, CommandError> {
        let name = ask.text(index);
        self.monitors
            .get(name.as_str())
            .ok_or(CommandError::fixed("ERR No such master with that name"))
    }

    fn show_all(&mut self, ask: &Ask<'_>, all: &[Fields]) {
        let reply = self.reply(ask);
        reply.array(all.len());
        for fields in all {
            fields.write(reply);
        }
    }
}

fn masters(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let common = &sentinel.common;
    let all: Vec<_> = sentinel.monitors.values().map(|m| common.primary_fields(m)).collect();
    sentinel.show_all(ask, &all);
    Ok(())
}

fn master(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let fields = sentinel.common.primary_fields(sentinel.named(ask, 2)?);
    fields.write(sentinel.reply(ask));
    Ok(())
}

fn replicas(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let (m, common) = (sentinel.named(ask, 2)?, &sentinel.common);
    let shown = m.replicas.values().filter(|replica| replica.announced);
    let all: Vec<_> = shown.map(|replica| common.replica_fields(m, replica)).collect();
    sentinel.show_all(ask, &all);
    Ok(())
}

fn sentinels(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let (m, common) = (sentinel.named(ask, 2)?, &sentinel.common);
    let all_peers = || sentinel.monitors.values().flat_map(|m| m.peers.values());
    let users = |link| all_peers().filter(|peer| peer.link == link).count();
    let shown = m.peers.values().map(|peer| common.peer_fields(m, peer, users(peer.link)));
    let all: Vec<_> = shown.collect();
    sentinel.show_all(ask, &all);
    Ok(())
}

fn get_master_addr(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let addr = sentinel.named(ask, 2).ok().map(|m| m.addr().clone());
    let reply = sentinel.reply(ask);
    match addr {
        Some(addr) => {
            reply.array(2);
            reply.bulk(&addr.host);
            reply.bulk_int(addr.port.into());
        }
        None => reply.null_array(),
    }
    Ok(())
}

/// Another Sentinel asks whether we think that a primary is down, and perhaps for our vote.
fn is_master_down(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let port = parse_i64(ask.words[3]).ok_or(CommandError::NOT_AN_INTEGER)?;
    let epoch = parse_i64(ask.words[4]).ok_or(CommandError::NOT_AN_INTEGER)?;
    let (host, candidate) = (ask.text(2), ask.text(5));
    let is_it = |m: &&Monitor| {
        let addr = &m.primary.node.addr;
        addr.host == host && i64::from(addr.port) == port
    };
    let name = sentinel.monitors.values().find(is_it).map(|m| m.name.clone());
    let wants_vote = name.is_some() && candidate != "*";
    let is_id = is_plain(&candidate) && candidate.len() <= 64;
    let epoch = u64::try_from(epoch).ok().filter(|epoch| sentinel.common.is_credible(*epoch));
    if wants_vote && (epoch.is_none() || !is_id) {
        let shown: String = candidate.chars().take(60).collect();
        let epoch = ask.text(4);
        sentinel.refuse(&format!("vote for {} in epoch {epoch}", shown.escape_debug()));
    }
    let (mut down, mut leader, mut leader_epoch) = (false, None, 0);
    if let Some(name) = name {
        let tilt = sentinel.common.tilt.is_on();
        sentinel.with_monitor(&name, |common, m| {
            down = !tilt && m.primary.node.sdown.is_some();
            if let Some(epoch) = epoch.filter(|_| wants_vote && is_id) {
                common.on_vote_request(m, &candidate, epoch);
                leader.clone_from(&m.vote.leader);
                leader_epoch = m.vote.epoch;
            }
        });
    }
    let reply = sentinel.reply(ask);
    reply.array(3);
    reply.int(i64::from(down));
    reply.bulk(leader.as_deref().unwrap_or("*"));
    reply.int(leader_epoch as i64);
    Ok(())
}

fn ckquorum(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let m = sentinel.named(ask, 2)?;
    let usable = |peer: &&crate::sentinel::instance::Peer| {
        let link = sentinel.common.links.get(peer.link);
        peer.sdown.is_none() && link.is_some_and(|link| link.command.is_up())
    };
    let usable = 1 + m.peers.values().filter(usable).count() as u64;
    let mut missing = Vec::new();
    if usable < m.settings.quorum {
        missing
            .push("Not enough available Sentinels to reach the specified quorum for this master");
    }
    if usable < m.voters() / 2 + 1 {
        missing
            .push("Not enough available Sentinels to reach the majority and authorize a failover");
    }
    if !missing.is_empty() {
        let why = missing.join(". ");
        return Err(CommandError::new(format!("NOQUORUM {usable} usable Sentinels. {why}")));
    }
    sentinel.reply(ask).simple(&format!(
        "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
    ));
    Ok(())
}

fn myid(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let id = sentinel.common.my_id.clone();
    sentinel.reply(ask).bulk(id);
    Ok(())
}

fn pending_scripts(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let now = sentinel.common.now.mono;
    let scripts: Vec<_> = sentinel.common.scripts.all().cloned().collect();
    let reply = sentinel.reply(ask);
    reply.array(scripts.len());
    for script in scripts {
        reply.map(5);
        reply.bulk("argv");
        reply.array(script.args.len() + 1);
        reply.bulk(&script.path);
        for arg in &script.args {
            reply.bulk(arg);
        }
        let (state, pid, time) = match script.running {
            Some((job, since)) => ("running", job.0, ("run-time", now - since)),
            None => ("scheduled", 0, ("run-delay", script.at.saturating_sub(now))),
        };
        for (name, value) in [
            ("flags", state.to_owned()),
            ("pid", pid.to_string()),
            (time.0, time.1.to_string()),
            ("retry-num", script.tries.to_string()),
        ] {
            reply.bulk(name);
            reply.bulk(value);
        }
    }
    Ok(())
}

fn info_cache(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let now = sentinel.common.now.mono;
    let names: Vec<String> = (2..ask.words.len()).map(|index| ask.text(index)).collect();
    let known: Vec<_> =
        sentinel.monitors.values().filter(|m| names.contains(&m.name.to_string())).collect();
    let reply = sentinel.clients.reply(ask.conn);
    reply.map(known.len());
    for m in known {
        reply.bulk(&*m.name);
        let nodes: Vec<_> = std::iter::once(&m.primary.node)
            .chain(m.replicas.values().map(|replica| &replica.node))
            .collect();
        reply.array(nodes.len());
        for node in nodes {
            reply.array(2);
            reply.int(node.info_age(now).map_or(0, |age| age as i64));
            match &node.info {
                Some((_, text)) => reply.bulk(text),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

fn help(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    sentinel.help(ask, "SENTINEL", HELP);
    Ok(())
}
