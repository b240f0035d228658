//! What happens in a node, as typed facts: the rows of the timeline and of the journal.
//!
//! A fact has a name (stable, kebab-case: scripts and JSON readers match on it), fields, a line in
//! the field's own words, and one plain sentence that explains it to somebody who learns.

use super::Endpoint;
use super::view::{LinkState, Role};

/// How much a fact asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Happens all the time.
    Quiet,
    /// A step of something.
    Info,
    /// Something good came to its end.
    Good,
    /// Worth a look.
    Warn,
    /// Something broke.
    Bad,
}

/// Why a replica was given a full resync instead of a partial one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FullSyncReason {
    /// The replica had no history to continue (`PSYNC ? -1`, or SYNC).
    NoHistory,
    /// The primary had no backlog.
    NoBacklog,
    /// The asked-for history is not ours, nor our previous one.
    OtherHistory {
        /// What was asked for.
        asked: String,
        /// Our replication ID.
        ours: String,
        /// Our previous one.
        previous: Option<String>,
    },
    /// The replica is ahead of the point up to which our previous history is shared.
    AheadOfShared {
        /// The asked-for offset.
        asked: u64,
        /// `second_repl_offset`.
        shared_until: u64,
    },
    /// The backlog no longer holds the asked-for byte.
    BeforeBacklog {
        /// The asked-for offset.
        asked: u64,
        /// The first offset held.
        first: u64,
    },
    /// The replica asks for bytes that were never produced.
    AfterBacklog {
        /// The asked-for offset.
        asked: u64,
        /// The next offset to be produced.
        next: u64,
    },
}

impl std::fmt::Display for FullSyncReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHistory => write!(f, "it has no history to continue"),
            Self::NoBacklog => write!(f, "the primary had no backlog"),
            Self::OtherHistory { asked, ours, .. } => {
                write!(f, "it knows history {}, this is {}", short(asked), short(ours))
            }
            Self::AheadOfShared { asked, shared_until } => {
                write!(f, "asked for {asked}, but its history is shared only before {shared_until}")
            }
            Self::BeforeBacklog { asked, first } => {
                write!(f, "asked for {asked}, backlog starts at {first}")
            }
            Self::AfterBacklog { asked, next } => {
                write!(f, "asked for {asked}, but the stream has only reached {next}")
            }
        }
    }
}

/// The first and last characters of a replication ID, enough to tell two apart.
fn short(replid: &str) -> String {
    match (replid.get(..4), replid.get(38..)) {
        (Some(head), Some(tail)) => format!("{head}…{tail}"),
        _ => replid.to_owned(),
    }
}

/// One thing that happened in a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The node has loaded what it had and takes commands.
    Ready {
        /// Keys it started with.
        keys: u64,
    },
    /// The role changed.
    RoleChanged {
        /// The new role.
        role: Role,
        /// Whom it follows now.
        follows: Option<Endpoint>,
    },
    /// A replica's link to its primary changed state.
    LinkChanged {
        /// The primary.
        primary: Endpoint,
        /// The new state.
        state: LinkState,
        /// Why, if it went down.
        reason: String,
    },
    /// Primary: a replica gets the whole dataset.
    FullSyncServed {
        /// The replica's announced address.
        replica: Endpoint,
        /// Why not a partial one.
        reason: FullSyncReason,
    },
    /// Primary: a replica gets only what it missed.
    PartialSyncServed {
        /// The replica's announced address.
        replica: Endpoint,
        /// First byte sent.
        from: u64,
        /// Bytes sent.
        bytes: u64,
        /// Whether the replica knew us by our previous replication ID.
        by_previous_id: bool,
    },
    /// Replica: the whole dataset was loaded.
    FullSyncDone {
        /// Offset it stands for.
        offset: u64,
        /// Keys loaded.
        keys: u64,
        /// Keys that were there before.
        keys_before: u64,
        /// Bytes received.
        bytes: u64,
    },
    /// Replica: the stream continues where it stopped.
    PartialSyncDone {
        /// Offset at which it continues.
        offset: u64,
        /// Whether the history has a new name now.
        new_replid: bool,
    },
    /// Primary: a replica is gone.
    ReplicaLost {
        /// Its announced address.
        replica: Endpoint,
        /// Why.
        reason: String,
    },
    /// Primary: a replica is online.
    ReplicaOnline {
        /// Its announced address.
        replica: Endpoint,
    },
    /// The history has a new name.
    NewReplid {
        /// The new replication ID.
        replid: String,
        /// The previous one and the first offset it does not cover, if it still counts.
        previous: Option<(String, u64)>,
    },
    /// The backlog was freed because no replica came for `repl-backlog-ttl`.
    BacklogFreed,
    /// Writes are refused (or accepted again) because of `min-replicas-to-write`.
    WritesAllowed {
        /// Whether writes are taken.
        allowed: bool,
        /// Good replicas now.
        good: usize,
        /// `min-replicas-to-write`.
        needed: usize,
    },
    /// A snapshot is being made.
    SaveStarted {
        /// "disk", "replicas sockets".
        target: String,
    },
    /// A snapshot was made.
    SaveDone {
        /// Bytes.
        bytes: u64,
    },
    /// A snapshot failed.
    SaveFailed {
        /// Why.
        reason: String,
    },
    /// The dataset on disk could not be loaded; the node does not start.
    LoadFailed {
        /// Why, with the offset.
        reason: String,
    },
    /// The log of commands (AOF) is being rewritten.
    LogRewriteStarted,
    /// The log was rewritten.
    LogRewritten {
        /// Bytes of the new base.
        bytes: u64,
    },
    /// Rewriting the log failed.
    LogRewriteFailed {
        /// Why.
        reason: String,
    },
    /// The log ended in the middle of something, and was cut.
    LogCut {
        /// File name.
        name: String,
        /// Bytes that stayed.
        offset: u64,
        /// Bytes that went.
        cut: u64,
    },
    /// The log could not be written or synced, or can be again.
    LogWritable {
        /// Whether it can.
        writable: bool,
        /// Why not.
        reason: String,
    },
    /// A file of the node could not be written, renamed or removed.
    FileFailed {
        /// File name.
        name: String,
        /// Why.
        reason: String,
    },
    /// CONFIG REWRITE, as Sentinels order it after a change of role.
    ConfigRewritten {
        /// The file.
        name: String,
        /// Its new text.
        text: String,
    },
    /// A `FAILOVER` of the node changed state.
    FailoverState {
        /// `no-failover`, `waiting-for-sync` or `failover-in-progress`.
        state: &'static str,
        /// What brought it there.
        reason: String,
    },
    /// All data was deleted by a command.
    Flushed {
        /// Keys that were there before.
        keys_before: u64,
    },
    /// A client asked the node to end.
    ShuttingDown {
        /// Who asked: "SHUTDOWN", "SIGTERM".
        cause: String,
    },
    /// A Sentinel's event, as it is published to its subscribers.
    Sentinel {
        /// The event, which is also the channel: `+sdown`.
        event: &'static str,
        /// Its text: `master mymaster 127.0.0.1 6379`.
        text: String,
        /// The name of the watched primary it is about.
        monitor: Option<String>,
        /// One plain sentence that explains it.
        sentence: String,
    },
}

impl Fact {
    /// The stable kebab-case name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "node-ready",
            Self::RoleChanged { .. } => "role",
            Self::LinkChanged { .. } => "link",
            Self::FullSyncServed { .. } => "full-sync-served",
            Self::PartialSyncServed { .. } => "partial-sync-served",
            Self::FullSyncDone { .. } => "full-sync-done",
            Self::PartialSyncDone { .. } => "partial-sync-done",
            Self::ReplicaLost { .. } => "replica-lost",
            Self::ReplicaOnline { .. } => "replica-online",
            Self::NewReplid { .. } => "new-replid",
            Self::BacklogFreed => "backlog-freed",
            Self::WritesAllowed { .. } => "writes-allowed",
            Self::SaveStarted { .. } => "save-started",
            Self::SaveDone { .. } => "save-done",
            Self::SaveFailed { .. } => "save-failed",
            Self::LoadFailed { .. } => "load-failed",
            Self::LogRewriteStarted => "log-rewrite-started",
            Self::LogRewritten { .. } => "log-rewritten",
            Self::LogRewriteFailed { .. } => "log-rewrite-failed",
            Self::LogCut { .. } => "log-cut",
            Self::LogWritable { .. } => "log-writable",
            Self::FileFailed { .. } => "file-failed",
            Self::ConfigRewritten { .. } => "config-rewritten",
            Self::FailoverState { .. } => "failover-state",
            Self::Flushed { .. } => "flushed",
            Self::ShuttingDown { .. } => "shutting-down",
            Self::Sentinel { .. } => "sentinel",
        }
    }

    /// How much attention it asks for.
    pub fn severity(&self) -> Severity {
        match self {
            Self::SaveStarted { .. }
            | Self::SaveDone { .. }
            | Self::ConfigRewritten { .. }
            | Self::LogRewriteStarted
            | Self::LogRewritten { .. } => Severity::Quiet,
            Self::Ready { .. }
            | Self::FullSyncDone { .. }
            | Self::PartialSyncDone { .. }
            | Self::PartialSyncServed { .. }
            | Self::ReplicaOnline { .. }
            | Self::WritesAllowed { allowed: true, .. }
            | Self::LogWritable { writable: true, .. }
            | Self::LinkChanged { state: LinkState::Connected, .. } => Severity::Good,
            Self::RoleChanged { .. }
            | Self::FullSyncServed { .. }
            | Self::Flushed { .. }
            | Self::BacklogFreed
            | Self::LogCut { .. }
            | Self::ShuttingDown { .. } => Severity::Warn,
            Self::ReplicaLost { .. }
            | Self::WritesAllowed { allowed: false, .. }
            | Self::SaveFailed { .. }
            | Self::LoadFailed { .. }
            | Self::LogRewriteFailed { .. }
            | Self::LogWritable { writable: false, .. }
            | Self::FileFailed { .. } => Severity::Bad,
            Self::Sentinel { event, .. } => severity_of_event(event),
            Self::LinkChanged { reason, .. } if !reason.is_empty() => Severity::Bad,
            Self::LinkChanged { .. } | Self::NewReplid { .. } | Self::FailoverState { .. } => {
                Severity::Info
            }
        }
    }

    /// The fact in the field's own words, short enough for a timeline row.
    pub fn text(&self) -> String {
        match self {
            Self::Ready { keys } => format!("ready, {keys} keys"),
            Self::RoleChanged { role, follows: Some(primary) } => {
                format!("{} of {primary}", role.word())
            }
            Self::RoleChanged { role, follows: None } => role.word().to_owned(),
            Self::LinkChanged { primary, state, reason } if reason.is_empty() => {
                format!("link to {primary}: {}", state.word())
            }
            Self::LinkChanged { primary, state, reason } => {
                format!("link to {primary}: {} ({reason})", state.word())
            }
            Self::FullSyncServed { replica, reason } => {
                format!("full resync of {replica}: {reason}")
            }
            Self::PartialSyncServed { replica, from, bytes, .. } => {
                format!("partial resync of {replica}: {bytes} bytes from {from}")
            }
            Self::FullSyncDone { offset, keys, bytes, .. } => {
                format!("full resync done at {offset}: {keys} keys, {bytes} bytes")
            }
            Self::PartialSyncDone { offset, .. } => {
                format!("partial resync, continues at {offset}")
            }
            Self::ReplicaLost { replica, reason } => format!("replica {replica} lost: {reason}"),
            Self::ReplicaOnline { replica } => format!("replica {replica} online"),
            Self::NewReplid { replid, previous: None } => format!("replid {}", short(replid)),
            Self::NewReplid { replid, previous: Some((old, until)) } => {
                format!("replid {}, {} counts before {until}", short(replid), short(old))
            }
            Self::BacklogFreed => "backlog freed".to_owned(),
            Self::WritesAllowed { allowed, good, needed } => format!(
                "writes {}: {good} good replicas, {needed} needed",
                if *allowed { "accepted" } else { "refused" }
            ),
            Self::SaveStarted { target } => format!("snapshot started, target {target}"),
            Self::SaveDone { bytes } => format!("snapshot done, {bytes} bytes"),
            Self::SaveFailed { reason } => format!("snapshot failed: {reason}"),
            Self::LoadFailed { reason } => format!("cannot load: {reason}"),
            Self::LogRewriteStarted => "log rewrite started".to_owned(),
            Self::LogRewritten { bytes } => format!("log rewritten, base of {bytes} bytes"),
            Self::LogRewriteFailed { reason } => format!("log rewrite failed: {reason}"),
            Self::LogCut { name, offset, cut } => {
                format!("{name} cut at {offset}: {cut} bytes go")
            }
            Self::LogWritable { writable: true, .. } => "the log is written again".to_owned(),
            Self::LogWritable { reason, .. } => format!("the log is not written: {reason}"),
            Self::FileFailed { name, reason } => format!("{name}: {reason}"),
            Self::ConfigRewritten { name, .. } => format!("{name} rewritten"),
            Self::FailoverState { state, reason } if reason.is_empty() => {
                format!("failover: {state}")
            }
            Self::FailoverState { state, reason } => format!("failover: {state} ({reason})"),
            Self::Flushed { keys_before } => format!("all {keys_before} keys deleted"),
            Self::ShuttingDown { cause } => format!("shutting down: {cause}"),
            Self::Sentinel { event, text, .. } => format!("{event} {text}"),
        }
    }

    /// The fields for machine readers, in order.
    pub fn fields(&self) -> Vec<(&'static str, Field)> {
        match self {
            Self::Ready { keys } => vec![("keys", (*keys).into())],
            Self::RoleChanged { role, follows } => vec![
                ("role", role.word().into()),
                ("follows", follows.as_ref().map(ToString::to_string).into()),
            ],
            Self::LinkChanged { primary, state, reason } => vec![
                ("primary", primary.to_string().into()),
                ("state", state.word().into()),
                ("reason", reason.clone().into()),
            ],
            Self::FullSyncServed { replica, reason } => {
                vec![("replica", replica.to_string().into()), ("reason", reason.to_string().into())]
            }
            Self::PartialSyncServed { replica, from, bytes, by_previous_id } => vec![
                ("replica", replica.to_string().into()),
                ("from", (*from).into()),
                ("bytes", (*bytes).into()),
                ("by_previous_id", (*by_previous_id).into()),
            ],
            Self::FullSyncDone { offset, keys, keys_before, bytes } => vec![
                ("offset", (*offset).into()),
                ("keys", (*keys).into()),
                ("keys_before", (*keys_before).into()),
                ("bytes", (*bytes).into()),
            ],
            Self::PartialSyncDone { offset, new_replid } => {
                vec![("offset", (*offset).into()), ("new_replid", (*new_replid).into())]
            }
            Self::ReplicaLost { replica, reason } => {
                vec![("replica", replica.to_string().into()), ("reason", reason.clone().into())]
            }
            Self::ReplicaOnline { replica } => vec![("replica", replica.to_string().into())],
            Self::NewReplid { replid, previous } => vec![
                ("replid", replid.clone().into()),
                ("replid2", previous.as_ref().map(|(id, _)| id.clone()).into()),
            ],
            Self::BacklogFreed => vec![],
            Self::WritesAllowed { allowed, good, needed } => vec![
                ("allowed", (*allowed).into()),
                ("good", (*good as u64).into()),
                ("needed", (*needed as u64).into()),
            ],
            Self::SaveStarted { target } => vec![("target", target.clone().into())],
            Self::SaveDone { bytes } => vec![("bytes", (*bytes).into())],
            Self::SaveFailed { reason }
            | Self::LoadFailed { reason }
            | Self::LogRewriteFailed { reason } => vec![("reason", reason.clone().into())],
            Self::LogRewriteStarted => vec![],
            Self::LogRewritten { bytes } => vec![("bytes", (*bytes).into())],
            Self::LogCut { name, offset, cut } => vec![
                ("name", name.clone().into()),
                ("offset", (*offset).into()),
                ("cut", (*cut).into()),
            ],
            Self::LogWritable { writable, reason } => {
                vec![("writable", (*writable).into()), ("reason", reason.clone().into())]
            }
            Self::FileFailed { name, reason } => {
                vec![("name", name.clone().into()), ("reason", reason.clone().into())]
            }
            Self::ConfigRewritten { name, .. } => vec![("name", name.clone().into())],
            Self::FailoverState { state, reason } => {
                vec![("state", (*state).into()), ("reason", reason.clone().into())]
            }
            Self::Flushed { keys_before } => vec![("keys_before", (*keys_before).into())],
            Self::ShuttingDown { cause } => vec![("cause", cause.clone().into())],
            Self::Sentinel { event, text, monitor, .. } => vec![
                ("event", (*event).into()),
                ("text", text.clone().into()),
                ("monitor", monitor.clone().into()),
            ],
        }
    }
}

/// How much attention a Sentinel's event asks for.
fn severity_of_event(event: &str) -> Severity {
    match event {
        "+odown" | "+tilt" | "-script-error" | "-script-timeout" => Severity::Bad,
        "+sdown" | "+try-failover" | "+reboot" | "+convert-to-slave" | "+fix-slave-config" => {
            Severity::Warn
        }
        "-sdown" | "-odown" | "-tilt" | "+switch-master" | "+failover-end" => Severity::Good,
        "+role-change" | "-role-change" => Severity::Quiet,
        event if event.starts_with("-failover-abort") => Severity::Bad,
        _ => Severity::Info,
    }
}

/// The value of one field of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A count or an offset.
    Number(u64),
    /// Words.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Nothing.
    None,
}

impl From<u64> for Field {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<bool> for Field {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<String> for Field {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Field {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Option<String>> for Field {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::None, Self::Text)
    }
}
