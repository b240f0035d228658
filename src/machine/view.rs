//! Pictures of a node for people: what the screen, `replab run` and the simulator's checks read.
//!
//! A view is taken between steps, so it is consistent in itself. Ages are in milliseconds at the
//! time of taking; offsets and sizes in bytes.

use super::{Millis, SentinelView};

/// A picture of one node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeView {
    /// A data node.
    Server(Box<ServerView>),
    /// A Sentinel.
    Sentinel(Box<SentinelView>),
}

impl NodeView {
    /// The picture of a data node, if it is one.
    pub fn server(&self) -> Option<&ServerView> {
        match self {
            Self::Server(view) => Some(view),
            Self::Sentinel(_) => None,
        }
    }

    /// What remains when the process is gone: its data, but no client, no replica and no link.
    #[must_use]
    pub fn of_the_dead(&self) -> Self {
        let mut remains = self.clone();
        if let Self::Server(view) = &mut remains {
            view.replicas.clear();
            view.clients = 0;
            view.sentinels.clear();
            view.good_replicas = None;
            view.loading = None;
            view.saving = false;
            if let Some(link) = &mut view.primary {
                link.state = LinkState::Connect;
            }
        }
        remains
    }

    /// The picture of a Sentinel, if it is one.
    pub fn sentinel(&self) -> Option<&SentinelView> {
        match self {
            Self::Sentinel(view) => Some(view),
            Self::Server(_) => None,
        }
    }
}

/// Primary or replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Takes writes of its own (`role:master`).
    #[default]
    Primary,
    /// Follows a primary (`role:slave`).
    Replica,
}

impl Role {
    /// The word of our screens and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// A picture of a data node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerView {
    /// Primary or replica.
    pub role: Role,
    /// While a dataset loads that clients must wait for: bytes read, and bytes in all if known.
    pub loading: Option<(u64, Option<u64>)>,
    /// The replication ID.
    pub replid: String,
    /// The previous one, if it still counts.
    pub replid2: Option<String>,
    /// The first offset that `replid2` does not cover; -1 if there is none.
    pub second_offset: i64,
    /// The last byte of the stream produced or applied.
    pub offset: u64,
    /// The retained tail of the stream.
    pub backlog: Option<BacklogView>,
    /// Whom this node feeds.
    pub replicas: Vec<ReplicaView>,
    /// Whom it follows, for a replica.
    pub primary: Option<PrimaryLinkView>,
    /// How this node last synchronised with its primary.
    pub last_sync: Option<LastSync>,
    /// Keys in all databases.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Bytes accounted to this node.
    pub memory_bytes: u64,
    /// Connected clients, replicas and the primary's link not counted.
    pub clients: usize,
    /// The Sentinels that are subscribed here, in order: the first eight characters of their ids,
    /// after which they name their connections (`CLIENT SETNAME sentinel-4d7e90aa-pubsub`).
    pub sentinels: Vec<String>,
    /// Commands processed since start.
    pub commands_total: u64,
    /// Full resyncs served (`sync_full`).
    pub sync_full: u64,
    /// Partial resyncs served (`sync_partial_ok`).
    pub sync_partial_ok: u64,
    /// Partial resyncs refused (`sync_partial_err`).
    pub sync_partial_err: u64,
    /// `min-replicas-to-write`, if on: good replicas now, and how many are needed.
    pub good_replicas: Option<(usize, usize)>,
    /// Whether a snapshot is being made.
    pub saving: bool,
    /// Writes since the last save.
    pub unsaved_changes: u64,
    /// Version of the data: equal for equal histories of one node. Cheap; not comparable between
    /// nodes (that is `DEBUG DIGEST`).
    pub data_version: u64,
}

/// The backlog of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BacklogView {
    /// `repl-backlog-size`.
    pub size: u64,
    /// Offset of the first retained byte.
    pub first: u64,
    /// Retained bytes.
    pub len: u64,
}

/// A replica as its primary sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaView {
    /// Announced or seen address.
    pub ip: String,
    /// Announced port.
    pub port: u16,
    /// How far it is.
    pub state: ReplicaState,
    /// The offset it last acknowledged.
    pub acked: u64,
    /// Milliseconds since it last acknowledged: what `lag` shows in seconds. Not a number of bytes.
    pub ack_age_ms: Millis,
    /// Bytes of the stream that it was not sent yet.
    pub unsent_bytes: u64,
}

impl ReplicaView {
    /// Whether it follows the stream.
    pub fn is_online(&self) -> bool {
        self.state == ReplicaState::Online
    }
}

/// `state=` of a `slaveN:` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// `wait_bgsave`
    WaitSnapshot,
    /// `send_bulk`
    SendSnapshot,
    /// `online`
    Online,
}

impl ReplicaState {
    /// Redis's word in `INFO replication`.
    pub fn word(self) -> &'static str {
        match self {
            Self::WaitSnapshot => "wait_bgsave",
            Self::SendSnapshot => "send_bulk",
            Self::Online => "online",
        }
    }
}

/// A replica's link to its primary, as the replica sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryLinkView {
    /// As given to REPLICAOF.
    pub host: String,
    /// As given to REPLICAOF.
    pub port: u16,
    /// State of the link.
    pub state: LinkState,
    /// Milliseconds since the last byte from the primary, if the link is up.
    pub io_age_ms: Option<Millis>,
    /// Milliseconds that the link has been down, if it is and was ever up.
    pub down_ms: Option<Millis>,
    /// While a full sync arrives: bytes read, and bytes in all if known.
    pub transfer: Option<(u64, Option<u64>)>,
}

/// State of a replica's link to its primary: the fourth element of `ROLE` on a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// Must connect; waits for the next try.
    Connect,
    /// The connection is being opened.
    Connecting,
    /// PING to PSYNC.
    Handshake,
    /// A full sync is arriving.
    Sync,
    /// The stream flows.
    Connected,
}

impl LinkState {
    /// Redis's word in `ROLE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::Sync => "sync",
            Self::Connected => "connected",
        }
    }
}

/// Full or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    /// The whole dataset was sent.
    Full,
    /// The missing bytes of the stream were sent.
    Partial,
}

/// How a replica last synchronised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSync {
    /// Full or partial.
    pub kind: SyncKind,
    /// Milliseconds since then.
    pub age_ms: Millis,
}
