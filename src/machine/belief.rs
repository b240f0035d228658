//! Pictures of a Sentinel: what it believes, which need not be true.

use super::{Endpoint, Millis, Role};

/// A picture of a Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentinelView {
    /// Its id: 40 hex characters.
    pub id: String,
    /// The highest epoch it has heard of.
    pub current_epoch: u64,
    /// Milliseconds that it has been in TILT, if it is.
    pub tilt_ms: Option<Millis>,
    /// The primaries it watches, by name.
    pub monitors: Vec<MonitorView>,
}

/// What a Sentinel believes of one watched primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorView {
    /// The primary's name.
    pub name: String,
    /// Where the Sentinel sends clients (`SENTINEL GET-MASTER-ADDR-BY-NAME`).
    pub addr: Endpoint,
    /// The primary it watches; differs from `addr` between a promotion and the switch.
    pub watched: Endpoint,
    /// Sentinels that must agree that the primary is down.
    pub quorum: u64,
    /// Votes that a leader needs: a majority of all known Sentinels, and the quorum.
    pub votes_needed: u64,
    /// The epoch of the configuration.
    pub config_epoch: u64,
    /// `down-after-milliseconds`
    pub down_after_ms: Millis,
    /// Milliseconds since this Sentinel thinks the primary is down, if it does.
    pub sdown_ms: Option<Millis>,
    /// Milliseconds since enough Sentinels think so.
    pub odown_ms: Option<Millis>,
    /// Milliseconds that the primary has owed an answer, if it does.
    pub silent_ms: Option<Millis>,
    /// For whom this Sentinel voted last, and in which epoch.
    pub vote: Option<(String, u64)>,
    /// The state of its failover.
    pub failover: FailoverView,
    /// The primary's replicas.
    pub replicas: Vec<ReplicaBelief>,
    /// The other Sentinels.
    pub peers: Vec<PeerBelief>,
}

/// A Sentinel's failover of one primary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailoverView {
    /// Redis's word (`failover-state`): `none`, `wait_start`, `select_slave`,
    /// `send_slaveof_noone`, `wait_promotion`, `reconf_slaves`.
    pub state: &'static str,
    /// Milliseconds in this state.
    pub state_ms: Millis,
    /// Its epoch, if one is going on.
    pub epoch: Option<u64>,
    /// The replica being promoted, once chosen.
    pub chosen: Option<Endpoint>,
    /// Votes counted for this Sentinel in that epoch, its own among them.
    pub votes: u64,
}

/// What a Sentinel believes of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaBelief {
    /// Its address.
    pub addr: Endpoint,
    /// Milliseconds since this Sentinel thinks it is down, if it does.
    pub sdown_ms: Option<Millis>,
    /// The role it claims.
    pub claims: Role,
    /// Whether its link to its primary is up, as it says.
    pub link_up: bool,
    /// Its replication offset at its last INFO.
    pub offset: u64,
    /// Its priority; 0 is never promoted.
    pub priority: u64,
    /// Why it would not be promoted now, if it would not.
    pub excluded: Option<String>,
}

/// What a Sentinel believes of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerBelief {
    /// Its id.
    pub id: String,
    /// Its address.
    pub addr: Endpoint,
    /// Milliseconds since this Sentinel thinks it is down, if it does.
    pub sdown_ms: Option<Millis>,
    /// Whether it said lately that the primary is down.
    pub says_down: bool,
    /// For whom it said it voted, and in which epoch.
    pub vote: Option<(String, u64)>,
    /// Milliseconds since its last hello.
    pub hello_age_ms: Option<Millis>,
}
