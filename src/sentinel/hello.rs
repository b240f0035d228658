//! Hello: how Sentinels find each other, and how the newest configuration reaches everybody.
//!
//! `ip,port,id,current-epoch,name,primary-ip,primary-port,config-epoch`, published on
//! `__sentinel__:hello` of every data node and sent to every other Sentinel. A newer config-epoch
//! wins, never a later message.

use super::common::Common;
use super::config::{is_host, is_plain};
use super::event::{About, Event};
use super::failover::Failover;
use super::instance::Peer;
use super::link::{Expect, LinkId, Part};
use super::monitor::Monitor;
use crate::machine::Endpoint;

/// The channel.
pub const CHANNEL: &str = "__sentinel__:hello";

/// A hello, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The sender's address.
    pub from: Endpoint,
    /// The sender's id.
    pub id: String,
    /// The sender's current epoch.
    pub epoch: u64,
    /// The name of the primary it is about.
    pub name: String,
    /// The primary's address.
    pub primary: Endpoint,
    /// The epoch of that configuration.
    pub config_epoch: u64,
}

impl Hello {
    /// Takes a hello apart; `None` if it cannot be one.
    pub fn parse(text: &[u8], names: bool) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let fields: Vec<&str> = text.split(',').collect();
        let [ip, port, id, epoch, name, primary_ip, primary_port, config_epoch] = fields[..] else {
            return None;
        };
        let addr = |host: &str, port: &str| {
            let port = port.parse().ok().filter(|port| *port > 0)?;
            is_host(host, names).then(|| Endpoint::new(host, port))
        };
        let is_id = id.len() == 40 && is_plain(id);
        Some(Self {
            from: addr(ip, port)?,
            id: is_id.then(|| id.to_owned())?,
            epoch: epoch.parse().ok()?,
            name: name.to_owned(),
            primary: addr(primary_ip, primary_port)?,
            config_epoch: config_epoch.parse().ok()?,
        })
    }
}

impl Common {
    /// Sends hello to everybody whose turn it is.
    pub fn send_hellos(&mut self, m: &mut Monitor) {
        let (now, period) = (self.now.mono, self.periods.publish);
        let mut due = Vec::new();
        let nodes = std::iter::once(&mut m.primary.node)
            .chain(m.replicas.values_mut().map(|replica| &mut replica.node))
            .map(|node| (node.link, &mut node.hello_sent));
        let peers = m.peers.values_mut().map(|peer| (peer.link, &mut peer.hello_sent));
        for (link, sent) in nodes.chain(peers) {
            let can = self.links.get(link).is_some_and(super::link::Link::has_room);
            if can && self.alarm.is_due(sent.map_or(now, |at| at + period)) {
                *sent = Some(now);
                due.push(link);
            }
        }
        for link in due {
            self.send_hello(m, link);
        }
    }

    /// Our own address, as we tell it over a link that is up.
    pub fn announced(&self, link: LinkId) -> Option<Endpoint> {
        let local = self.links.get(link)?.local()?;
        let host = match self.globals.announce_ip.as_str() {
            "" => local.host.clone(),
            announced => announced.to_owned(),
        };
        let port = match self.globals.announce_port {
            0 => self.port,
            announced => announced,
        };
        Some(Endpoint { host, port })
    }

    fn send_hello(&mut self, m: &Monitor, link: LinkId) {
        let Some(Endpoint { host, port }) = self.announced(link) else { return };
        let primary = m.addr();
        let text = format!(
            "{host},{port},{},{},{},{},{},{}",
            self.my_id, self.current_epoch, m.name, primary.host, primary.port, m.config_epoch
        );
        let command = m.settings.command("PUBLISH");
        let expect = Expect::Hello(m.name.clone());
        self.links.send(link, Part::Command, &[command, CHANNEL, &text], expect);
    }

    /// A hello about this primary arrived, by whichever way.
    pub fn on_hello(&mut self, m: &mut Monitor, hello: &Hello) {
        if hello.id == self.my_id {
            // Our own, or somebody's who took our id.
            return;
        }
        let known = m.peers.get(&hello.id).is_some_and(|peer| peer.addr == hello.from);
        if !known {
            self.on_new_sender(m, hello);
        }
        self.adopt_epoch(hello.epoch);
        if hello.config_epoch > m.config_epoch {
            self.adopt_configuration(m, hello);
        }
        if let Some(peer) = m.peers.get_mut(&hello.id) {
            peer.hello_heard = self.now.mono;
        }
    }

    fn on_new_sender(&mut self, m: &mut Monitor, hello: &Hello) {
        let moved = m.peers.remove(&hello.id);
        let switched = moved.is_some();
        if let Some(old) = moved {
            let extra = format!("ip {} port {} for {}", hello.from.host, hello.from.port, hello.id);
            self.event_about(Event::PeerMoved, m, About::Primary, &extra, || {
                "A known Sentinel has a new address.".to_owned()
            });
            self.unused_links.push(old.link);
        }
        self.invalidate_address(m, hello);
        let link = self.link_to_peer(&hello.id, &hello.from);
        let mut peer = Peer::new(hello.id.clone(), hello.from.clone(), link, self.now.mono);
        peer.hello_sent = (!self.is_fast()).then_some(self.now.mono);
        m.peers.insert(hello.id.clone(), peer);
        self.unsaved = true;
        if !switched {
            let voters = m.voters();
            self.event_about(Event::Peer, m, About::Peer(&hello.id, &hello.from), "", || {
                format!("It heard of this Sentinel; {voters} are known now.")
            });
        }
    }

    /// Another id is at an address that a new one now claims: it is there no longer. The other
    /// primaries are told by [`super::Sentinel`].
    pub fn invalidate_address(&mut self, m: &mut Monitor, hello: &Hello) {
        let at_same: Vec<String> = m
            .peers
            .values()
            .filter(|peer| peer.id != hello.id && peer.addr == hello.from)
            .map(|peer| peer.id.clone())
            .collect();
        for id in at_same {
            let Some(old) = m.peers.get(&id) else { continue };
            let (addr, link) = (old.addr.clone(), old.link);
            self.event_about(Event::PeerInvalid, m, About::Peer(&id, &addr), "", || {
                "Another Sentinel is at its address now.".to_owned()
            });
            m.peers.remove(&id);
            self.unused_links.push(link);
            self.unsaved = true;
        }
    }

    /// A Sentinel that moved, as was heard in the name of another primary, is called at its new
    /// address for this one too. False if it is not known here, or is there already.
    pub fn move_peer(&mut self, m: &mut Monitor, hello: &Hello) -> bool {
        let link = self.link_to_peer(&hello.id, &hello.from);
        let stale = m.peers.get_mut(&hello.id).filter(|peer| peer.addr != hello.from);
        let Some(peer) = stale else { return false };
        peer.addr = hello.from.clone();
        self.unused_links.push(std::mem::replace(&mut peer.link, link));
        self.unsaved = true;
        true
    }

    /// Tells for how many other primaries a Sentinel's address was put right.
    pub fn tell_of_moves(&mut self, m: &Monitor, hello: &Hello, updated: u64) {
        let extra = format!("{updated} additional matching instances");
        let about = About::Peer(&hello.id, &hello.from);
        self.event_about(Event::PeerUpdated, m, about, &extra, || {
            "Its new address holds for the other primaries that it watches too.".to_owned()
        });
    }

    fn adopt_configuration(&mut self, m: &mut Monitor, hello: &Hello) {
        m.config_epoch = hello.config_epoch;
        self.unsaved = true;
        let superseded = m.failover.epoch().is_some_and(|epoch| epoch <= hello.config_epoch);
        if hello.primary == *m.addr() {
            if superseded && !matches!(m.failover, Failover::Reconfiguring { .. }) {
                self.abort_failover(m, Event::AbortNotElected, "a newer configuration is known");
            }
            return;
        }
        self.event_about(
            Event::ConfigUpdateFrom,
            m,
            About::Peer(&hello.id, &hello.from),
            "",
            || format!("Epoch {} beats what was known.", hello.config_epoch),
        );
        let from = m.addr().clone();
        self.run_reconfig_script(m, "observer", &from, &hello.primary);
        self.switch_primary(m, hello.primary.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::Hello;

    const ID: &str = "fbdd0123456789012345678901234567890123f6";

    #[test]
    fn a_hello_has_eight_good_fields() {
        let good = format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160,2");
        let hello = Hello::parse(good.as_bytes(), false).expect("well-formed");
        assert_eq!((hello.epoch, hello.config_epoch, hello.name.as_str()), (3, 2, "mm"));
        assert_eq!(hello.from.to_string(), "127.0.0.1:7161");
    }

    #[test]
    fn hostile_hellos_are_none() {
        for text in [
            String::new(),
            ",,,,,,,".to_owned(),
            format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160"),
            format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160,2,9"),
            format!("127.0.0.1,0,{ID},3,mm,127.0.0.1,7160,2"),
            format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,99999,2"),
            format!("127.0.0.1,7161,{ID},-3,mm,127.0.0.1,7160,2"),
            format!("127.0.0.1,7161,{ID},18446744073709551616,mm,127.0.0.1,7160,2"),
            format!("1\nsentinel myid x,7161,{ID},3,mm,127.0.0.1,7160,2"),
            "127.0.0.1,7161,short,3,mm,127.0.0.1,7160,2".to_owned(),
        ] {
            assert_eq!(Hello::parse(text.as_bytes(), false), None, "{text:?}");
        }
        assert_eq!(Hello::parse(b"\xff\xfe,1,1,1,1,1,1,1", false), None);
    }
}
