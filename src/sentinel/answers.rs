//! What comes back over the dialled connections, and how they are greeted.

use super::Sentinel;
use super::config::is_plain;
use super::hello::{CHANNEL, Hello};
use super::link::{Answers, Expect, LinkId, Part, Whom};
use super::monitor::{Monitor, Name, Settings};
use crate::machine::{ConnId, Endpoint, LogLevel};
use crate::resp::Answer;

impl Sentinel {
    /// A dialled connection is up.
    pub(super) fn on_dialled(&mut self, conn: ConnId, local: Endpoint) {
        let now = self.common.now.mono;
        let Some((id, part)) = self.common.links.on_dialled(conn, local, now) else { return };
        let Some(link) = self.common.links.get(id) else { return };
        let whom = link.whom.clone();
        let (settings, user, pass) = self.manners(&whom);
        let links = &mut self.common.links;
        let auth = settings.command("AUTH");
        match (user.as_str(), pass.as_str()) {
            (_, "") => {}
            ("", pass) => {
                links.send(id, part, &[auth, pass], Expect::Nothing);
            }
            (user, pass) => {
                links.send(id, part, &[auth, user, pass], Expect::Nothing);
            }
        }
        let kind = if part == Part::Command { "cmd" } else { "pubsub" };
        let name = format!("sentinel-{}-{kind}", &self.common.my_id[..8]);
        let client = settings.command("CLIENT");
        links.send(id, part, &[client, "SETNAME", &name], Expect::Nothing);
        match part {
            Part::Command => {
                self.common.send_ping(id, &settings);
                if !matches!(whom, Whom::Peer(_)) {
                    let info = settings.command("INFO");
                    self.common.links.send(id, part, &[info], Expect::Info);
                }
            }
            Part::Pubsub => {
                let subscribe = settings.command("SUBSCRIBE");
                links.send(id, part, &[subscribe, CHANNEL], Expect::Nothing);
            }
        }
        self.mark_changed(&whom);
    }

    /// How somebody is addressed: names of commands, user and password.
    fn manners(&self, whom: &Whom) -> (Settings, String, String) {
        match whom {
            Whom::Primary(name) | Whom::Replica(name, _) => {
                let settings = self.monitors.get(name).map(|m| m.settings.clone());
                let settings = settings.unwrap_or_else(|| Settings::new(1));
                let user = settings.auth_user.clone().unwrap_or_default();
                let pass = settings.auth_pass.clone().unwrap_or_default();
                (settings, user, pass)
            }
            Whom::Peer(_) => {
                let globals = &self.common.globals;
                let (user, pass) = match globals.sentinel_pass.as_str() {
                    "" => (String::new(), globals.requirepass.clone()),
                    pass => (globals.sentinel_user.clone(), pass.to_owned()),
                };
                (Settings::new(1), user, pass)
            }
        }
    }

    /// Something may have changed about all primaries that concern somebody.
    fn mark_changed(&mut self, whom: &Whom) {
        match whom {
            Whom::Primary(name) | Whom::Replica(name, _) => {
                self.changed.insert(name.clone());
            }
            Whom::Peer(id) => {
                let knows = |m: &&Monitor| m.peers.contains_key(id);
                let names = self.monitors.values().filter(knows).map(|m| m.name.clone());
                self.changed.extend(names);
            }
        }
    }

    /// A dialled connection is gone, or did not come about.
    pub(super) fn on_link_closed(&mut self, conn: ConnId) {
        let now = self.common.now.mono;
        if let Some((id, _)) = self.common.links.on_closed(conn, now)
            && let Some(whom) = self.common.links.get(id).map(|link| link.whom.clone())
        {
            self.mark_changed(&whom);
        }
    }

    /// Bytes arrived on a dialled connection.
    pub(super) fn on_answer(&mut self, conn: ConnId, data: &[u8]) {
        let now = self.common.now.mono;
        let common = &mut self.common;
        let received = common.links.on_received(conn, data, now, &mut common.out);
        let Some(Answers { id, part, all }) = received else { return };
        let Some(whom) = self.common.links.get(id).map(|link| link.whom.clone()) else { return };
        for (expect, answer) in all {
            match (part, expect) {
                (Part::Pubsub, _) => self.on_message(&answer),
                (_, Expect::Nothing) => {}
                (_, Expect::Ping) => self.on_pong(id, &whom, &answer),
                (_, Expect::Info) => self.on_info(&whom, &answer),
                (_, Expect::Hello(name)) => self.on_hello_answer(&name, id, &answer),
                (_, Expect::Opinion { about, addr }) => {
                    self.on_opinion(&whom, &about, &addr, &answer);
                }
            }
        }
        self.mark_changed(&whom);
    }

    fn on_pong(&mut self, id: LinkId, whom: &Whom, answer: &Answer) {
        let now = self.common.now.mono;
        let text = match answer {
            Answer::Simple(text) | Answer::Error(text) => text.as_str(),
            _ => "",
        };
        let Some(link) = self.common.links.get_mut(id) else { return };
        link.any_reply = now;
        if ["PONG", "LOADING", "MASTERDOWN"].iter().any(|good| text.starts_with(good)) {
            link.good_reply = now;
            link.owed_since = None;
        }
        if text.starts_with("PONG")
            && let Whom::Primary(name) = whom
            && let Some(m) = self.monitors.get_mut(name)
        {
            m.primary.rebooted = None;
        }
        if text.starts_with("BUSY") && !link.script_kill_sent && self.is_sdown(whom) {
            let (settings, ..) = self.manners(whom);
            let words = [settings.command("SCRIPT"), "KILL"];
            self.common.links.send(id, Part::Command, &words, Expect::Nothing);
            if let Some(link) = self.common.links.get_mut(id) {
                link.script_kill_sent = true;
            }
        }
    }

    fn is_sdown(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Primary(name) => {
                self.monitors.get(name).is_some_and(|m| m.primary.node.sdown.is_some())
            }
            Whom::Replica(name, addr) => self
                .monitors
                .get(name)
                .and_then(|m| m.replicas.get(addr))
                .is_some_and(|replica| replica.node.sdown.is_some()),
            Whom::Peer(_) => false,
        }
    }

    fn on_info(&mut self, whom: &Whom, answer: &Answer) {
        let Answer::Bulk(text) = answer else { return };
        match whom {
            Whom::Primary(name) => {
                self.with_monitor(name, |common, m| common.on_primary_info(m, text));
            }
            Whom::Replica(name, addr) => {
                self.with_monitor(name, |common, m| common.on_replica_info(m, addr, text));
            }
            Whom::Peer(_) => {}
        }
    }

    /// A hello that was refused is sent again soon.
    fn on_hello_answer(&mut self, name: &Name, link: LinkId, answer: &Answer) {
        if answer.error().is_none() {
            return;
        }
        let again = (self.common.now.mono + 100).saturating_sub(self.common.periods.publish);
        let Some(m) = self.monitors.get_mut(name) else { return };
        let nodes = std::iter::once(&mut m.primary.node)
            .chain(m.replicas.values_mut().map(|replica| &mut replica.node));
        for node in nodes.filter(|node| node.link == link) {
            node.hello_sent = Some(again);
        }
        for peer in m.peers.values_mut().filter(|peer| peer.link == link) {
            peer.hello_sent = Some(again);
        }
    }

    fn on_opinion(&mut self, whom: &Whom, about: &Name, addr: &Endpoint, answer: &Answer) {
        let (Whom::Peer(id), Answer::Array(parts)) = (whom, answer) else { return };
        let [Answer::Int(down), Answer::Bulk(leader), Answer::Int(epoch)] = parts.as_slice() else {
            return;
        };
        let now = self.common.now.mono;
        let Some(m) = self.monitors.get_mut(about) else { return };
        if m.primary.node.addr != *addr {
            return;
        }
        let Some(peer) = m.peers.get_mut(id) else { return };
        peer.opinion = Some((*down == 1, now));
        let (leader, epoch) = (String::from_utf8_lossy(leader).into_owned(), *epoch as u64);
        if !is_plain(&leader) || leader == "*" {
            return;
        }
        let vote = Some((leader, epoch));
        if peer.vote != vote {
            if let Some((leader, epoch)) = &vote {
                let text = format!("{id} voted for {leader} {epoch}");
                self.common.out.log(LogLevel::Notice, text);
            }
            peer.vote = vote;
        }
    }

    fn on_message(&mut self, answer: &Answer) {
        let Answer::Array(parts) = answer else { return };
        if let [Answer::Bulk(kind), Answer::Bulk(channel), Answer::Bulk(payload)] = parts.as_slice()
            && kind == b"message"
            && channel == CHANNEL.as_bytes()
        {
            self.hear(payload);
        }
    }

    /// A hello arrived, from a channel or from a Sentinel.
    pub(super) fn hear(&mut self, payload: &[u8]) {
        let Some(hello) = Hello::parse(payload, self.common.globals.resolve_hostnames) else {
            let shown: String = String::from_utf8_lossy(payload).chars().take(60).collect();
            self.refuse(&format!("malformed: {}", shown.escape_debug()));
            return;
        };
        let Some(m) = self.monitors.get(hello.name.as_str()) else { return };
        if hello.id == self.common.my_id {
            let local =
                |port| port == self.common.port || port == self.common.globals.announce_port;
            if !local(hello.from.port) {
                self.refuse(&format!("{} has this Sentinel's id", hello.from));
            }
            return;
        }
        if hello.config_epoch > hello.epoch || !self.common.is_credible(hello.epoch) {
            let Hello { id, epoch, config_epoch, .. } = &hello;
            self.refuse(&format!("{id} says epoch {epoch} and config-epoch {config_epoch}"));
            return;
        }
        if self.common.announced(m.primary.node.link).is_some_and(|own| own == hello.from) {
            self.refuse(&format!("{} has this Sentinel's address", hello.id));
            return;
        }
        let known_at = m.peers.get(&hello.id).map(|peer| peer.addr.clone());
        self.with_monitor(&hello.name, |common, m| common.on_hello(m, &hello));
        if known_at.as_ref() == Some(&hello.from) {
            return;
        }
        let mut updated = 0;
        for m in self.monitors.values_mut().filter(|m| *m.name != *hello.name) {
            self.common.invalidate_address(m, &hello);
            updated += u64::from(known_at.is_some() && self.common.move_peer(m, &hello));
        }
        if updated > 0 {
            self.with_monitor(&hello.name, |common, m| common.tell_of_moves(m, &hello, updated));
        }
    }

    /// Tells of something odd that was not followed, at most once in ten seconds.
    pub(super) fn refuse(&mut self, text: &str) {
        let now = self.common.now.mono;
        if self.common.refused_at.is_none_or(|at| now - at >= 10_000) {
            self.common.refused_at = Some(now);
            self.common.event_alone(super::event::Event::Refused, text, || {
                "What another Sentinel said cannot be right, and was not followed.".to_owned()
            });
        }
    }
}
