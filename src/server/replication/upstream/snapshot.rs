//! The snapshot that the primary sends in a full resync: loading it beside the node, as fast as that
//! goes, and taking its data.

use super::{Link, Upstream};
use crate::machine::{ConnId, Fact, Job, JobId, JobOutcome, Loaded, Outbox, Output, SyncKind};
use crate::repl::ReplId;
use crate::server::Server;

/// Bytes of a snapshot, and of the stream behind it, that may wait for the job that loads the
/// snapshot. Beyond, the primary is not read from.
const LOAD_WINDOW_BYTES: u64 = 64 << 20;

impl Server {
    /// The job that loads the primary's snapshot has come so far.
    pub(in crate::server) fn on_upstream_progress(
        &mut self,
        id: JobId,
        bytes: u64,
        out: &mut Outbox,
    ) {
        let now = self.now.mono;
        if let Some(Upstream { link: Link::Active(attempt), .. }) = &mut self.replication.upstream
            && attempt.load == Some(id)
        {
            attempt.loaded = bytes;
            attempt.handshake.on_load_progress(now);
            let conn = attempt.conn;
            self.pace_primary(conn, out);
        }
    }

    /// Reads from the primary as fast as its snapshot can be loaded.
    pub(super) fn pace_primary(&mut self, conn: ConnId, out: &mut Outbox) {
        let Some(attempt) = self.replication.upstream.as_mut().and_then(|u| u.attempt(conn)) else {
            return;
        };
        let held = attempt.handshake.held_bytes() as u64;
        let waits = attempt.load.map_or(0, |_| attempt.transfer.0.saturating_sub(attempt.loaded));
        let is_full = waits + held > LOAD_WINDOW_BYTES;
        if is_full != attempt.is_unread {
            attempt.is_unread = is_full;
            out.push(Output::Read { conn, on: !is_full });
        }
    }

    /// The job that loads the primary's snapshot is over.
    pub(in crate::server) fn on_upstream_load(
        &mut self,
        id: JobId,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let Some(Upstream { link: Link::Active(attempt), .. }) = &mut self.replication.upstream
        else {
            return;
        };
        if attempt.load.take_if(|load| *load == id).is_none() {
            return;
        }
        let (conn, synced, read) = (attempt.conn, attempt.synced, attempt.transfer.0);
        let now = self.now.mono;
        match outcome {
            Ok(JobOutcome::Loaded(loaded)) => {
                self.adopt_snapshot(conn, synced, *loaded, read, out);
                self.with_handshake(conn, out, |h, steps| h.on_loaded(now, steps));
                self.pace_primary(conn, out);
            }
            Ok(_) => {}
            Err(reason) => {
                out.push(Output::Remove { name: copy_name(conn) });
                self.with_handshake(conn, out, |h, steps| h.on_load_failed(&reason, steps));
            }
        }
    }

    /// The data is replaced by the primary's.
    fn adopt_snapshot(
        &mut self,
        conn: ConnId,
        synced: Option<(ReplId, u64)>,
        loaded: Loaded,
        bytes: u64,
        out: &mut Outbox,
    ) {
        let keys_before = self.keyspace.keys();
        let old = std::mem::replace(&mut self.keyspace, loaded.keyspace);
        self.discard(old, out);
        self.spoil_flushed(None);
        self.local_expiries.clear();
        self.drop_replicas("the dataset was replaced", out);
        let (replid, offset) = synced.unwrap_or_else(|| (ReplId::random(&mut self.dice), 0));
        let replication = &mut self.replication;
        replication.history.adopt_full(replid, offset);
        replication.history.stream.open_backlog();
        replication.selected = loaded.stream.and_then(|head| head.selected(self.config.databases));
        replication.last_sync = Some((SyncKind::Full, self.now.mono));
        if !self.loads_from_connection(conn) {
            out.push(Output::Rename { from: copy_name(conn), to: self.config.dbfilename.clone() });
        }
        let keys = self.keyspace.keys();
        out.emit(Fact::FullSyncDone { offset, keys, keys_before, bytes });
        self.restart_log(out);
        self.open_stream(conn);
    }

    pub(super) fn load_job(&mut self, conn: ConnId) -> Job {
        let copy_to = (!self.loads_from_connection(conn)).then(|| copy_name(conn));
        Job::LoadStream { copy_to, options: self.load_options(None) }
    }

    /// Whether a link's snapshot leaves no file behind.
    fn loads_from_connection(&mut self, conn: ConnId) -> bool {
        let attempt = self.replication.upstream.as_mut().and_then(|up| up.attempt(conn));
        attempt.is_some_and(|attempt| attempt.diskless_load)
    }
}

/// The file that receives a snapshot until it is known to be good.
fn copy_name(conn: ConnId) -> String {
    format!("temp-repl-{}.rdb", conn.number())
}
