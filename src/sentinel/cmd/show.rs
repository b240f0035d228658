//! Instances as maps of strings: the field names and their order that clients read.

use crate::machine::{Endpoint, Millis, Role};
use crate::resp::Reply;
use crate::sentinel::common::Common;
use crate::sentinel::instance::{Node, Peer, Reconf, Replica};
use crate::sentinel::link::{Link, LinkId};
use crate::sentinel::monitor::Monitor;

/// Fields and their values, in order.
#[derive(Debug, Default)]
pub struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.0.push((name, value.to_string()));
    }

    /// Writes them as a map.
    pub fn write(&self, reply: &mut Reply) {
        reply.map(self.0.len());
        for (name, value) in &self.0 {
            reply.bulk(name);
            reply.bulk(value);
        }
    }
}

/// What the first fields of every instance are made of.
struct Head<'a> {
    name: String,
    addr: &'a Endpoint,
    run_id: &'a str,
    link: LinkId,
    /// Watched primaries that use the link.
    users: usize,
    flags: Vec<&'static str>,
    sdown: Option<Millis>,
    odown: Option<Millis>,
    failover_state: Option<&'static str>,
}

impl Common {
    fn head(&self, fields: &mut Fields, m: &Monitor, head: Head<'_>) {
        let now = self.now.mono;
        let age = |at: Millis| now.saturating_sub(at);
        let link = self.links.get(head.link);
        fields.add("name", head.name);
        fields.add("ip", &head.addr.host);
        fields.add("port", head.addr.port);
        fields.add("runid", head.run_id);
        fields.add("flags", head.flags.join(","));
        fields.add("link-pending-commands", link.map_or(0, Link::pending));
        fields.add("link-refcount", head.users);
        if let Some(state) = head.failover_state {
            fields.add("failover-state", state);
        }
        fields.add("last-ping-sent", link.and_then(|l| l.owed_since).map_or(0, age));
        fields.add("last-ok-ping-reply", link.map_or(0, |l| age(l.good_reply)));
        fields.add("last-ping-reply", link.map_or(0, |l| age(l.any_reply)));
        if let Some(at) = head.sdown {
            fields.add("s-down-time", age(at));
        }
        if let Some(at) = head.odown {
            fields.add("o-down-time", age(at));
        }
        fields.add("down-after-milliseconds", m.settings.down_after);
    }

    fn info_fields(&self, fields: &mut Fields, node: &Node) {
        let now = self.now.mono;
        fields.add("info-refresh", node.info_age(now).unwrap_or(0));
        let role = if node.reported == Role::Primary { "master" } else { "slave" };
        fields.add("role-reported", role);
        fields.add("role-reported-time", now.saturating_sub(node.reported_since));
    }

    fn is_disconnected(&self, link: LinkId) -> bool {
        self.links.get(link).is_none_or(Link::is_disconnected)
    }

    fn killed_script(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| link.script_kill_sent)
    }

    /// A primary.
    pub fn primary_fields(&self, m: &Monitor) -> Fields {
        let node = &m.primary.node;
        let on = m.failover.is_on();
        let flags = flags(&[
            ("s_down", node.sdown.is_some()),
            ("o_down", m.primary.odown.is_some()),
            ("master", true),
            ("disconnected", self.is_disconnected(node.link)),
            ("failover_in_progress", on),
            ("force_failover", on && m.failover.is_forced()),
            ("script_kill_sent", self.killed_script(node.link)),
            ("master_reboot", m.primary.rebooted.is_some()),
        ]);
        let mut fields = Fields::default();
        let head = Head {
            name: m.name.to_string(),
            addr: &node.addr,
            run_id: node.run_id.as_deref().unwrap_or_default(),
            link: node.link,
            users: 1,
            flags,
            sdown: node.sdown,
            odown: m.primary.odown,
            failover_state: on.then(|| m.failover.state().0),
        };
        self.head(&mut fields, m, head);
        self.info_fields(&mut fields, node);
        let settings = &m.settings;
        fields.add("config-epoch", m.config_epoch);
        fields.add("num-slaves", m.replicas.len());
        fields.add("num-other-sentinels", m.peers.len());
        fields.add("quorum", settings.quorum);
        fields.add("failover-timeout", settings.failover_timeout);
        fields.add("parallel-syncs", settings.parallel_syncs);
        if let Some(path) = &settings.notification_script {
            fields.add("notification-script", path);
        }
        if let Some(path) = &settings.client_reconfig_script {
            fields.add("client-reconfig-script", path);
        }
        fields
    }

    /// A replica.
    pub fn replica_fields(&self, m: &Monitor, replica: &Replica) -> Fields {
        let node = &replica.node;
        let promoted = m.failover.chosen() == Some(&node.addr);
        let flags = flags(&[
            ("s_down", node.sdown.is_some()),
            ("slave", true),
            ("disconnected", self.is_disconnected(node.link)),
            ("promoted", promoted),
            ("reconf_sent", matches!(replica.reconf, Reconf::Sent(_))),
            ("reconf_inprog", matches!(replica.reconf, Reconf::InProgress(_))),
            ("reconf_done", replica.reconf == Reconf::Done),
            ("script_kill_sent", self.killed_script(node.link)),
        ]);
        let mut fields = Fields::default();
        let head = Head {
            name: format!("{}:{}", node.addr.host, node.addr.port),
            addr: &node.addr,
            run_id: node.run_id.as_deref().unwrap_or_default(),
            link: node.link,
            users: 1,
            flags,
            sdown: node.sdown,
            odown: None,
            failover_state: None,
        };
        self.head(&mut fields, m, head);
        self.info_fields(&mut fields, node);
        let follows = replica.follows.as_ref().map(|(whom, _)| whom);
        fields.add("master-link-down-time", replica.link_down);
        fields.add("master-link-status", if replica.link_up { "ok" } else { "err" });
        fields.add("master-host", follows.map_or("?", |whom| &whom.host));
        fields.add("master-port", follows.map_or(0, |whom| whom.port));
        fields.add("slave-priority", replica.priority);
        fields.add("slave-repl-offset", replica.offset);
        fields.add("replica-announced", u8::from(replica.announced));
        fields
    }

    /// Another Sentinel, whose link so many watched primaries use.
    pub fn peer_fields(&self, m: &Monitor, peer: &Peer, users: usize) -> Fields {
        let flags = flags(&[
            ("s_down", peer.sdown.is_some()),
            ("sentinel", true),
            ("disconnected", self.is_disconnected(peer.link)),
            ("master_down", peer.says_down(self.now.mono)),
        ]);
        let mut fields = Fields::default();
        let head = Head {
            name: peer.id.clone(),
            addr: &peer.addr,
            run_id: &peer.id,
            link: peer.link,
            users,
            flags,
            sdown: peer.sdown,
            odown: None,
            failover_state: None,
        };
        self.head(&mut fields, m, head);
        let (leader, epoch) = peer.vote.clone().unwrap_or(("?".to_owned(), 0));
        fields.add("last-hello-message", self.now.since(peer.hello_heard));
        fields.add("voted-leader", leader);
        fields.add("voted-leader-epoch", epoch);
        fields
    }
}

fn flags(flags: &[(&'static str, bool)]) -> Vec<&'static str> {
    flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect()
}
