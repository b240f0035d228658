//! Every fact in one plain sentence.

use super::{Fact, FullSyncReason, LinkState, Role};

impl Fact {
    /// One plain sentence for somebody who learns.
    pub fn explain(&self) -> String {
        match self {
            Self::Ready { keys: 0 } => "It starts empty.".to_owned(),
            Self::Ready { keys } => format!("It loaded {keys} keys from its disk."),
            Self::RoleChanged { role: Role::Primary, .. } => {
                "It takes writes of its own now and starts a new history.".to_owned()
            }
            Self::RoleChanged { follows: Some(primary), .. } => {
                format!("It copies {primary} now; its own clients can only read.")
            }
            Self::RoleChanged { .. } => "It follows another node now.".to_owned(),
            Self::LinkChanged { state: LinkState::Connected, .. } => {
                "Every write of the primary now arrives here as it happens.".to_owned()
            }
            Self::LinkChanged { state: LinkState::Sync, .. } => {
                "The whole dataset is on its way.".to_owned()
            }
            Self::LinkChanged { state: LinkState::Handshake, .. } => {
                "It introduces itself and asks to continue where it stopped.".to_owned()
            }
            Self::LinkChanged { state: LinkState::Connecting, .. } => {
                "It calls its primary.".to_owned()
            }
            Self::LinkChanged { .. } => {
                "It keeps its data and tries again; what it misses is kept in the primary's backlog."
                    .to_owned()
            }
            Self::FullSyncServed { reason: FullSyncReason::BeforeBacklog { .. }, .. } => {
                "The bytes it missed were already overwritten: the backlog is too small for this \
                 break, so the whole dataset must be sent."
                    .to_owned()
            }
            Self::FullSyncServed { reason: FullSyncReason::NoHistory, .. } => {
                "It is new here, so it needs the whole dataset.".to_owned()
            }
            Self::FullSyncServed { reason: FullSyncReason::AheadOfShared { .. }, .. } => {
                "It applied writes that this node never saw, so its data must be replaced.".to_owned()
            }
            Self::FullSyncServed { .. } => {
                "Its history and this node's cannot be joined, so the whole dataset must be sent."
                    .to_owned()
            }
            Self::PartialSyncServed { by_previous_id: true, .. } => {
                "It knew the history by its previous name; only what it missed is sent.".to_owned()
            }
            Self::PartialSyncServed { .. } => {
                "The backlog still held what it missed; nothing else is sent.".to_owned()
            }
            Self::FullSyncDone { keys: 0, keys_before, .. } if *keys_before > 0 => format!(
                "The primary was empty, so the {keys_before} keys that were here are gone."
            ),
            Self::FullSyncDone { .. } => "Its data was replaced by the primary's.".to_owned(),
            Self::PartialSyncDone { new_replid: true, .. } => {
                "It goes on from there: the same history, by a new name.".to_owned()
            }
            Self::PartialSyncDone { .. } => "It goes on from there: only what it missed is sent.".to_owned(),
            Self::ReplicaLost { .. } => {
                "What it misses from here on is kept in the backlog, as long as that lasts.".to_owned()
            }
            Self::ReplicaOnline { .. } => "It has the dataset and follows the stream.".to_owned(),
            Self::NewReplid { previous: Some(_), .. } => {
                "Replicas that know the previous name can still continue.".to_owned()
            }
            Self::NewReplid { .. } => "Nobody can continue an older history here.".to_owned(),
            Self::BacklogFreed => {
                "No replica came for repl-backlog-ttl; the next one needs a full resync.".to_owned()
            }
            Self::WritesAllowed { allowed: false, .. } => {
                "Clients get NOREPLICAS: better no write than one that may be lost.".to_owned()
            }
            Self::WritesAllowed { .. } => "Enough replicas acknowledge in time again.".to_owned(),
            Self::SaveStarted { .. } => "Clients are served meanwhile.".to_owned(),
            Self::SaveDone { .. } => "The file also names the history and offset.".to_owned(),
            Self::SaveFailed { .. } => "The previous file is untouched.".to_owned(),
            Self::LoadFailed { .. } => "Better no start than a partial dataset.".to_owned(),
            Self::LogRewriteStarted => {
                "A shorter log is made from the data; new writes go to a new file.".to_owned()
            }
            Self::LogRewritten { .. } => "The old files of the log are deleted.".to_owned(),
            Self::LogRewriteFailed { .. } => "The old log stays, and goes on.".to_owned(),
            Self::LogCut { .. } => {
                "Its last write was not whole, as after a loss of power; all before it is loaded."
                    .to_owned()
            }
            Self::LogWritable { writable: true, .. } => "Clients can write again.".to_owned(),
            Self::LogWritable { .. } => {
                "Clients get MISCONF: better no write than one that is not on disk.".to_owned()
            }
            Self::FileFailed { .. } => "The file is as it was before.".to_owned(),
            Self::ConfigRewritten { .. } => "What it is now, it is again after a restart.".to_owned(),
            Self::FailoverState { .. } => {
                "FAILOVER hands the role over without losing a write.".to_owned()
            }
            Self::Flushed { .. } => "The deletion is replicated as well.".to_owned(),
            Self::ShuttingDown { .. } => {
                "An orderly end: replicas may catch up, then the data is saved.".to_owned()
            }
            Self::Sentinel { sentence, .. } => sentence.clone(),
        }
    }
}
