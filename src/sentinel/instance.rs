//! What is known of a primary, a replica, another Sentinel: each its own type.

use bytes::Bytes;

use super::link::LinkId;
use crate::machine::{Endpoint, Millis, Role};

/// What is known of any data node.
#[derive(Debug)]
pub struct Node {
    /// Its address. Port 0 is never called.
    pub addr: Endpoint,
    /// The way to it.
    pub link: LinkId,
    /// Since when we think it is down.
    pub sdown: Option<Millis>,
    /// Its run id, once it told.
    pub run_id: Option<String>,
    /// The role it claims.
    pub reported: Role,
    /// Since when.
    pub reported_since: Millis,
    /// Its last INFO: when, and the text.
    pub info: Option<(Millis, Bytes)>,
    /// When INFO was last asked for.
    pub info_asked: Option<Millis>,
    /// An INFO from before this time does not answer what we want to know.
    pub info_wanted_since: Option<Millis>,
    /// When it was last sent a hello.
    pub hello_sent: Option<Millis>,
    /// When it was last SDOWN.
    pub last_sdown_change: Millis,
}

impl Node {
    /// A node just heard of.
    pub fn new(addr: Endpoint, link: LinkId, role: Role, now: Millis) -> Self {
        Self {
            addr,
            link,
            sdown: None,
            run_id: None,
            reported: role,
            reported_since: now,
            info: None,
            info_asked: None,
            info_wanted_since: None,
            hello_sent: None,
            last_sdown_change: now,
        }
    }

    /// Milliseconds since its last INFO.
    pub fn info_age(&self, now: Millis) -> Option<Millis> {
        self.info.as_ref().map(|(at, _)| now.saturating_sub(*at))
    }

    /// Whether its last INFO is newer than what was asked for.
    pub fn is_fresh(&self) -> bool {
        let Some(wanted) = self.info_wanted_since else { return true };
        self.info.as_ref().is_some_and(|(at, _)| *at >= wanted)
    }
}

/// A watched primary.
#[derive(Debug)]
pub struct Primary {
    /// As any node.
    pub node: Node,
    /// Since when enough Sentinels think that it is down.
    pub odown: Option<Millis>,
    /// Since when it is known to have restarted, until it answers PONG again; only with
    /// `master-reboot-down-after-period`.
    pub rebooted: Option<Millis>,
}

/// A replica of a watched primary.
#[derive(Debug)]
pub struct Replica {
    /// As any node.
    pub node: Node,
    /// Whom it says it follows, and since when.
    pub follows: Option<(Endpoint, Millis)>,
    /// Whether it says that its link is up.
    pub link_up: bool,
    /// For how long it says that its link has been down, ms.
    pub link_down: Millis,
    /// `slave_priority`; 0 is never promoted.
    pub priority: u64,
    /// `slave_repl_offset`
    pub offset: u64,
    /// `replica_announced`: whether clients hear of it.
    pub announced: bool,
    /// How far it is with following a promoted replica.
    pub reconf: Reconf,
}

/// How far a replica is with following a promoted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reconf {
    /// Not told.
    #[default]
    No,
    /// Told, at this time.
    Sent(Millis),
    /// It says that it follows; told at this time.
    InProgress(Millis),
    /// Its link is up.
    Done,
}

impl Replica {
    /// A replica just heard of.
    pub fn new(addr: Endpoint, link: LinkId, now: Millis) -> Self {
        Self {
            node: Node::new(addr, link, Role::Replica, now),
            follows: None,
            link_up: false,
            link_down: 0,
            priority: 100,
            offset: 0,
            announced: true,
            reconf: Reconf::No,
        }
    }
}

/// Another Sentinel that watches the same primary.
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub id: String,
    /// Its address. Port 0 is never called.
    pub addr: Endpoint,
    /// The way to it, shared with other primaries.
    pub link: LinkId,
    /// Since when we think it is down.
    pub sdown: Option<Millis>,
    /// Its last hello.
    pub hello_heard: Millis,
    /// When it was last sent one.
    pub hello_sent: Option<Millis>,
    /// What it last said of the primary at its present address, and when.
    pub opinion: Option<(bool, Millis)>,
    /// When it was last asked.
    pub asked: Option<Millis>,
    /// For whom it said it voted, and in which epoch.
    pub vote: Option<(String, u64)>,
}

impl Peer {
    /// A Sentinel just heard of.
    pub fn new(id: String, addr: Endpoint, link: LinkId, now: Millis) -> Self {
        Self {
            id,
            addr,
            link,
            sdown: None,
            hello_heard: now,
            hello_sent: None,
            opinion: None,
            asked: None,
            vote: None,
        }
    }

    /// Whether it said lately that the primary is down.
    pub fn says_down(&self, now: Millis) -> bool {
        matches!(self.opinion, Some((true, at)) if now.saturating_sub(at) <= OPINION_LIFE)
    }
}

/// How long an answer counts, ms.
pub const OPINION_LIFE: Millis = 5000;
