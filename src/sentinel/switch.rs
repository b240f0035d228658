//! Pointing nodes at a new primary, and watching it from then on.
//!
//! When the address of a watched primary changes, everything that was known about the *old* address
//! goes with it: links and their throttles, clocks, opinions of peers. Nothing is owed by the new
//! primary before it was called. The real program, and the `redis` clockwork, keep some of these and
//! can therefore depose a healthy new primary: it is called only when the throttle of the dead one
//! lets it, its clock runs meanwhile, and peers still say "it is down", of the dead one.

use super::common::Common;
use super::event::{About, Event};
use super::failover::Failover;
use super::instance::{Node, Primary, Replica};
use super::link::{Expect, LinkId, Part};
use super::monitor::Monitor;
use crate::machine::{Endpoint, Role};

impl Common {
    /// Sends the block that makes a node follow `primary`, or nobody. Clients of the node are cut
    /// off, so that they ask again who is primary. Whether it worked is judged by its next INFO.
    pub fn send_replicaof(&mut self, m: &Monitor, link: LinkId, primary: Option<&Endpoint>) {
        let (host, port) = match primary {
            Some(addr) => (addr.host.clone(), addr.port.to_string()),
            None => ("NO".to_owned(), "ONE".to_owned()),
        };
        let named = |name| m.settings.command(name).to_owned();
        let block: [&[String]; 6] = [
            &[named("MULTI")],
            &[named("SLAVEOF"), host, port],
            &[named("CONFIG"), "REWRITE".to_owned()],
            &[named("CLIENT"), "KILL".to_owned(), "TYPE".to_owned(), "normal".to_owned()],
            &[named("CLIENT"), "KILL".to_owned(), "TYPE".to_owned(), "pubsub".to_owned()],
            &[named("EXEC")],
        ];
        for words in block {
            self.links.send(link, Part::Command, words, Expect::Nothing);
        }
    }

    /// Everybody hears of the present configuration at once.
    pub fn force_hellos(&mut self, m: &mut Monitor) {
        m.primary.node.hello_sent = None;
        for replica in m.replicas.values_mut() {
            replica.node.hello_sent = None;
        }
        for peer in m.peers.values_mut() {
            peer.hello_sent = None;
        }
        self.alarm.rang = true;
    }

    /// From now on `to` is the primary, also if clients were sent to a promoted replica meanwhile.
    pub fn switch_primary(&mut self, m: &mut Monitor, to: Endpoint) {
        let old = m.primary.node.addr.clone();
        let from = if *m.addr() == to { old.clone() } else { m.addr().clone() };
        let text = format!("{} {} {} {} {}", m.name, from.host, from.port, to.host, to.port);
        self.event(Event::SwitchPrimary, m, &text, || {
            format!("Clients that ask are sent to {to} instead of {from}.")
        });
        let mut replicas: Vec<Endpoint> = m.replicas.keys().cloned().collect();
        replicas.push(old);
        replicas.retain(|addr| *addr != to);
        self.reset(m, to);
        for addr in replicas {
            self.add_replica(m, &addr, "It is watched as a replica of the new primary.");
        }
        self.force_hellos(m);
    }

    /// Forgets everything about the nodes of a primary, at whatever address it is; keeps the other
    /// Sentinels, but not what they said.
    pub fn reset(&mut self, m: &mut Monitor, to: Endpoint) {
        let (now, credulous) = (self.now.mono, self.globals.timing.is_credulous());
        let last_try = self.links.get(m.primary.node.link).and_then(|link| link.command.tried);
        self.links.remove(m.primary.node.link, &mut self.out);
        for replica in m.replicas.values() {
            self.links.remove(replica.node.link, &mut self.out);
        }
        m.replicas.clear();
        let link = self.link_to_primary(&m.name, &to);
        if credulous && let Some(link) = self.links.get_mut(link) {
            link.command.tried = last_try;
            link.owed_since = Some(now);
        }
        m.primary =
            Primary { node: Node::new(to, link, Role::Primary, now), odown: None, rebooted: None };
        for peer in m.peers.values_mut() {
            peer.opinion = peer.opinion.filter(|_| credulous);
            peer.asked = peer.asked.filter(|_| credulous);
            peer.vote = None;
        }
        m.failover = Failover::Idle;
        m.no_failover_before = 0;
        m.elections = 0;
        m.vote.leader = None;
        self.unsaved = true;
    }

    /// Watches a replica that was not known.
    pub fn add_replica(&mut self, m: &mut Monitor, addr: &Endpoint, sentence: &str) {
        if m.replicas.contains_key(addr) || *addr == m.primary.node.addr {
            return;
        }
        let link = self.link_to_replica(&m.name, addr);
        m.replicas.insert(addr.clone(), Replica::new(addr.clone(), link, self.now.mono));
        self.unsaved = true;
        self.event_about(Event::Replica, m, About::Replica(addr), "", || sentence.to_owned());
    }

    /// Runs the script that tells applications of a new primary, if there is one.
    pub fn run_reconfig_script(&mut self, m: &Monitor, role: &str, from: &Endpoint, to: &Endpoint) {
        let Some(script) = m.settings.client_reconfig_script.clone() else { return };
        let args = [
            &*m.name,
            role,
            "start",
            &from.host,
            &from.port.to_string(),
            &to.host,
            &to.port.to_string(),
        ];
        self.scripts.add(script, args.iter().map(|arg| (*arg).to_owned()).collect());
    }
}
