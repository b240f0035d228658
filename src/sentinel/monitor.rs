//! One watched primary: its settings, its nodes, and the other Sentinels that watch it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failover::Failover;
use super::instance::{Peer, Primary, Replica};
use super::vote::Vote;
use crate::machine::{Endpoint, Millis};

/// The name of a watched primary.
pub type Name = Arc<str>;

/// What was configured for a watched primary. Fields are directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Sentinels that must agree that the primary is down.
    pub quorum: u64,
    /// `down-after-milliseconds`
    pub down_after: Millis,
    /// `failover-timeout`, ms.
    pub failover_timeout: Millis,
    /// `parallel-syncs`
    pub parallel_syncs: u64,
    /// `master-reboot-down-after-period`, ms; 0 is off.
    pub reboot_down_after: Millis,
    /// `notification-script`
    pub notification_script: Option<String>,
    /// `client-reconfig-script`
    pub client_reconfig_script: Option<String>,
    /// `auth-user`
    pub auth_user: Option<String>,
    /// `auth-pass`
    pub auth_pass: Option<String>,
    /// `rename-command`: by upper-case name.
    pub renamed: BTreeMap<String, String>,
}

impl Settings {
    /// The defaults.
    pub fn new(quorum: u64) -> Self {
        Self {
            quorum,
            down_after: 30_000,
            failover_timeout: 180_000,
            parallel_syncs: 1,
            reboot_down_after: 0,
            notification_script: None,
            client_reconfig_script: None,
            auth_user: None,
            auth_pass: None,
            renamed: BTreeMap::new(),
        }
    }

    /// What a command is called on these nodes.
    pub fn command<'a>(&'a self, name: &'a str) -> &'a str {
        self.renamed.get(name).map_or(name, String::as_str)
    }
}

/// A watched primary.
#[derive(Debug)]
pub struct Monitor {
    /// Its name.
    pub name: Name,
    /// What was configured.
    pub settings: Settings,
    /// The epoch of the present configuration.
    pub config_epoch: u64,
    /// The primary.
    pub primary: Primary,
    /// Its replicas, by address. They are kept until RESET.
    pub replicas: BTreeMap<Endpoint, Replica>,
    /// The other Sentinels, by id. They are kept until RESET.
    pub peers: BTreeMap<String, Peer>,
    /// Our last vote.
    pub vote: Vote,
    /// The failover, if one is going on.
    pub failover: Failover,
    /// Until when no failover is started.
    pub no_failover_before: Millis,
    /// Elections in a row that brought no new primary, as far as known here.
    pub elections: u32,
    /// Whether it was logged that a failover must wait.
    pub delay_logged: bool,
    /// When it next needs attention, if nothing comes before.
    pub wake: Millis,
}

impl Monitor {
    /// Where clients are sent: the promoted replica as soon as it said that it is primary.
    pub fn addr(&self) -> &Endpoint {
        match &self.failover {
            Failover::Reconfiguring { promoted, .. } => promoted,
            _ => &self.primary.node.addr,
        }
    }

    /// Sentinels known, this one included, alive or not.
    pub fn voters(&self) -> u64 {
        self.peers.len() as u64 + 1
    }

    /// Votes that a leader needs: a majority of all known Sentinels, and the quorum.
    pub fn votes_needed(&self) -> u64 {
        (self.voters() / 2 + 1).max(self.settings.quorum)
    }
}
