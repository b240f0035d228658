//! What all watched primaries share: this Sentinel's identity, epoch, links and clockwork.

use super::config::Globals;
use super::event::Message;
use super::link::{LinkId, Links, Whom};
use super::monitor::{Monitor, Name};
use super::scripts::Scripts;
use super::tilt::Tilt;
use super::timing::{Alarm, Periods, Timing};
use crate::base::rng::Dice;
use crate::machine::{Endpoint, Millis, Now, Outbox, Output};

/// What all watched primaries share.
#[derive(Debug)]
pub struct Common {
    /// The time of the step being made.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
    /// What is to be done after this step.
    pub out: Outbox,
    /// This Sentinel's id: 40 hex characters.
    pub my_id: String,
    /// The port that the world listens on for it.
    pub port: u16,
    /// The highest epoch heard of.
    pub current_epoch: u64,
    /// What was configured.
    pub globals: Globals,
    /// The clockwork's periods.
    pub periods: Periods,
    /// What is due.
    pub alarm: Alarm,
    /// Ways to others.
    pub links: Links,
    /// For subscribers, at the end of the turn.
    pub messages: Vec<Message>,
    /// Scripts to run and running.
    pub scripts: Scripts,
    /// Links that nobody may need any more.
    pub unused_links: Vec<LinkId>,
    /// When something odd was last told of.
    pub refused_at: Option<Millis>,
    /// Whether something must be saved before anything is sent.
    pub unsaved: bool,
    /// Whether decisions are suspended.
    pub tilt: Tilt,
    /// `SENTINEL SIMULATE-FAILURE`
    pub crash: CrashOrders,
}

/// `SENTINEL SIMULATE-FAILURE`: when to end with code 99.
#[derive(Debug, Clone, Copy, Default)]
pub struct CrashOrders {
    /// `crash-after-election`
    pub after_election: bool,
    /// `crash-after-promotion`
    pub after_promotion: bool,
}

impl Common {
    /// Whether decisions are made in the event.
    pub fn is_fast(&self) -> bool {
        self.globals.timing == Timing::Fast
    }

    /// 0 to `n` - 1 ms.
    pub fn chance_ms(&mut self, n: Millis) -> Millis {
        self.dice.below(n)
    }

    /// How sentences name a Sentinel: itself, or by the first characters of its id.
    pub fn short_name(&self, id: &str) -> String {
        if id == self.my_id { "itself".to_owned() } else { id.chars().take(8).collect() }
    }

    /// Whether this Sentinel's turn in standing for election comes later than that of others.
    pub fn rank_among(&self, m: &Monitor) -> u64 {
        m.peers.values().filter(|p| p.sdown.is_none() && p.id < self.my_id).count() as u64
    }

    /// Ends at once, as if it had crashed.
    pub fn crash(&mut self) {
        self.out.push(Output::Exit { code: 99 });
    }

    /// A new link to a node of a primary.
    pub fn link_to_primary(&mut self, name: &Name, addr: &Endpoint) -> LinkId {
        self.links.add(Whom::Primary(name.clone()), addr.clone(), self.now.mono)
    }

    /// A new link to a replica.
    pub fn link_to_replica(&mut self, name: &Name, addr: &Endpoint) -> LinkId {
        self.links.add(Whom::Replica(name.clone(), addr.clone()), addr.clone(), self.now.mono)
    }

    /// The link to a Sentinel: the one that other primaries use, if there is one.
    pub fn link_to_peer(&mut self, id: &str, addr: &Endpoint) -> LinkId {
        match self.links.to_peer(id, addr) {
            Some(link) => link,
            None => self.links.add(Whom::Peer(id.to_owned()), addr.clone(), self.now.mono),
        }
    }
}
