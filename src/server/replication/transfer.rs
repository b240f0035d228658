//! Snapshots for replicas.
//!
//! One snapshot serves all replicas that wait when it begins. It goes straight onto their
//! connections, or into a file that is then sent to each; a replica that comes while a file is
//! being written for others may join them. Whichever way, a replica's snapshot stands for the
//! offset in its `+FULLRESYNC` line, and the stream from there on is kept for it.

use bytes::Bytes;

use crate::machine::{ConnId, Fact, Job, JobId, LogLevel, Outbox, Output, SaveForm, SaveTarget};
use crate::repl::{AfterSnapshot, Stage};
use crate::server::Server;
use crate::server::jobs::Work;

use super::downstream::endpoint_of;

/// Bytes that may wait in the connection of the slowest receiver before more are made.
const RECEIVER_WINDOW_BYTES: usize = 256 << 10;

/// A snapshot on its way to replicas.
#[derive(Debug)]
pub enum Transfer {
    /// Being written to a file.
    Saving {
        /// The job.
        job: JobId,
    },
    /// Being made onto the connections of these replicas.
    Streaming {
        /// The job.
        job: JobId,
        /// What ends it: 40 random characters.
        mark: String,
        /// Bytes made that the job does not know to be taken.
        untaken: usize,
    },
}

/// A snapshot file being sent to one replica.
#[derive(Debug)]
pub struct Sending {
    /// To whom.
    pub conn: ConnId,
    /// Bytes read that the job does not know to be taken.
    pub untaken: usize,
}

impl Server {
    fn waiting(&self) -> Vec<ConnId> {
        let replicas = self.replication.replicas.iter();
        replicas
            .filter(|(_, r)| matches!(r.stage, Stage::WaitSnapshot { .. }))
            .map(|(conn, _)| *conn)
            .collect()
    }

    /// Begins a snapshot for those who wait, if it is time.
    pub(super) fn begin_transfer_if_due(&mut self, out: &mut Outbox) {
        if self.propagation.is_open()
            || self.waiting().is_empty()
            || self.join_saving(out)
            || self.is_saving()
        {
            return;
        }
        let waiting = self.waiting();
        if waiting.is_empty() || self.replication.transfer.is_some() {
            return;
        }
        let replicas = &self.replication.replicas;
        let all_take_marks =
            waiting.iter().filter_map(|c| replicas.get(c)).all(|r| r.announced.eof);
        let diskless = self.config.repl_diskless_sync && all_take_marks;
        let enough = self.config.repl_diskless_sync_max_replicas;
        let delay = self.sync_delay_ms();
        let longest = waiting
            .iter()
            .filter_map(|c| match replicas.get(c)?.stage {
                Stage::WaitSnapshot { since } => Some(self.now.since(since)),
                _ => None,
            })
            .max();
        let is_due = !diskless || longest >= Some(delay) || (enough > 0 && waiting.len() >= enough);
        if is_due {
            self.begin_transfer(&waiting, diskless, out);
        }
    }

    /// Lets replicas that wait join a file being written for others.
    fn join_saving(&mut self, out: &mut Outbox) -> bool {
        if !matches!(self.replication.transfer, Some(Transfer::Saving { .. })) {
            return false;
        }
        for conn in self.waiting() {
            let replication = &mut self.replication;
            let Some(mut replica) = replication.replicas.remove(&conn) else { continue };
            let host = replication.replicas.values().find(|other| {
                other.stage == Stage::Saving
                    && replica.announced.is_served_by_snapshot_for(&other.announced)
            });
            if let Some(line) =
                host.and_then(|host| replica.join_snapshot(&replication.history, host))
            {
                out.send(conn, line);
            }
            replication.replicas.insert(conn, replica);
        }
        true
    }

    fn begin_transfer(&mut self, waiting: &[ConnId], diskless: bool, out: &mut Outbox) {
        let target = if diskless { "replicas sockets" } else { "disk" };
        out.log(LogLevel::Notice, format!("Starting BGSAVE for SYNC with target: {target}"));
        out.emit(Fact::SaveStarted { target: target.to_owned() });
        let mark = self.dice.hex40();
        let stage = if diskless {
            Stage::Transferring { stuck_since: None, unsent_bytes: 0 }
        } else {
            Stage::Saving
        };
        if self.replication.upstream.is_none() {
            self.replication.selected = None;
        }
        for conn in waiting {
            let replication = &mut self.replication;
            let Some(replica) = replication.replicas.get_mut(conn) else { continue };
            if let Some(line) = replica.begin_snapshot(&replication.history, stage) {
                out.send(*conn, line);
            }
            if diskless {
                out.send(*conn, format!("$EOF:{mark}\r\n").into_bytes());
            }
        }
        self.replication.transfer = Some(if diskless {
            let job = self.save_job(SaveTarget::Chunks);
            let job = self.start_job(Work::Transfer, job, out);
            out.log(LogLevel::Notice, "Background RDB transfer started");
            Transfer::Streaming { job, mark, untaken: 0 }
        } else {
            Transfer::Saving { job: self.begin_save(out) }
        });
    }

    /// A snapshot of the data as it is now.
    pub(in crate::server) fn save_job(&self, target: SaveTarget) -> Job {
        Job::Save {
            snapshot: self.keyspace.snapshot(),
            form: SaveForm::Rdb { compress: self.config.rdbcompression },
            meta: self.replication_meta(),
            target,
            key_delay_us: self.config.rdb_key_save_delay,
        }
    }

    /// The next bytes of a snapshot that goes straight onto connections.
    pub(in crate::server) fn on_transfer_chunk(
        &mut self,
        id: JobId,
        data: &Bytes,
        out: &mut Outbox,
    ) {
        let Some(Transfer::Streaming { job, untaken, .. }) = &mut self.replication.transfer else {
            return;
        };
        if *job != id {
            return;
        }
        *untaken += data.len();
        for conn in self.receivers() {
            self.count_replica_output(data.len());
            out.send(conn, data.clone());
        }
    }

    fn receivers(&self) -> Vec<ConnId> {
        let replicas = self.replication.replicas.iter();
        replicas
            .filter(|(_, r)| matches!(r.stage, Stage::Transferring { .. }))
            .map(|(conn, _)| *conn)
            .collect()
    }

    /// Lets jobs that make bytes for connections go on, as far as those were taken. The slowest
    /// receiver sets the pace.
    pub(in crate::server) fn pace_transfers(&mut self, out: &mut Outbox) {
        let receivers = self.receivers();
        let waits = |conn: &ConnId| self.clients.get(*conn).map_or(0, |c| c.unsent_bytes);
        let slowest = receivers.iter().map(waits).max().unwrap_or(0);
        if let Some(Transfer::Streaming { job, untaken, .. }) = &mut self.replication.transfer
            && slowest <= RECEIVER_WINDOW_BYTES
            && *untaken > 0
        {
            out.push(Output::AckJob { id: *job, bytes: std::mem::take(untaken) });
        }
        for (job, sending) in self.jobs.sendings() {
            let unsent = self.clients.get(sending.conn).map_or(0, |c| c.unsent_bytes);
            if unsent <= RECEIVER_WINDOW_BYTES && sending.untaken > 0 {
                out.push(Output::AckJob { id: job, bytes: std::mem::take(&mut sending.untaken) });
            }
        }
    }

    /// The snapshot that went straight onto connections is complete.
    pub(in crate::server) fn on_transfer_done(&mut self, id: JobId, bytes: u64, out: &mut Outbox) {
        let Some(Transfer::Streaming { mark, .. }) = self.end_transfer(id) else { return };
        let receivers = self.receivers();
        out.log(
            LogLevel::Notice,
            format!(
                "Diskless rdb transfer, done reading from pipe, {} replicas still up, 0 bytes \
                 still pending",
                receivers.len()
            ),
        );
        out.emit(Fact::SaveDone { bytes });
        for conn in receivers {
            out.send(conn, mark.clone().into_bytes());
            self.on_snapshot_sent(conn, out);
        }
        self.begin_transfer_if_due(out);
    }

    /// A job has failed or was cancelled. If it made a snapshot for replicas, they come back and ask
    /// again.
    pub(in crate::server) fn on_transfer_failed(&mut self, id: JobId, out: &mut Outbox) {
        let conns = match self.end_transfer(id) {
            Some(Transfer::Saving { .. }) => self.savers(),
            Some(Transfer::Streaming { .. }) => self.receivers(),
            None => return,
        };
        for conn in conns {
            self.lose_replica(conn, "its snapshot failed", out);
        }
    }

    /// Takes the snapshot for replicas that this job made, if it made one.
    fn end_transfer(&mut self, id: JobId) -> Option<Transfer> {
        self.replication.transfer.take_if(|transfer| match transfer {
            Transfer::Saving { job } | Transfer::Streaming { job, .. } => *job == id,
        })
    }

    /// Those whose snapshot is being written to a file.
    fn savers(&self) -> Vec<ConnId> {
        let replicas = self.replication.replicas.iter();
        replicas.filter(|(_, r)| r.stage == Stage::Saving).map(|(conn, _)| *conn).collect()
    }

    /// A save to the snapshot file is over; those it was made for are sent the file.
    pub(in crate::server) fn send_saved_file(&mut self, id: JobId, bytes: u64, out: &mut Outbox) {
        if self.end_transfer(id).is_none() {
            return;
        }
        for conn in self.savers() {
            if let Some(replica) = self.replication.replicas.get_mut(&conn) {
                replica.stage = Stage::SendFile;
            }
            out.send(conn, format!("${bytes}\r\n").into_bytes());
            let job = Job::ReadFile { name: self.config.dbfilename.clone() };
            self.start_job(Work::Send(Sending { conn, untaken: 0 }), job, out);
        }
        self.begin_transfer_if_due(out);
    }

    /// The next bytes of a file for one replica.
    pub(in crate::server) fn on_file_chunk(&mut self, conn: ConnId, data: Bytes, out: &mut Outbox) {
        self.count_replica_output(data.len());
        out.send(conn, data);
    }

    /// A replica was given all of its snapshot.
    pub(in crate::server) fn on_snapshot_sent(&mut self, conn: ConnId, out: &mut Outbox) {
        let now = self.now.mono;
        let Some(replica) = self.replication.replicas.get_mut(&conn) else { return };
        let name = replica.name();
        match replica.snapshot_sent(now) {
            AfterSnapshot::Stream => {
                out.emit(Fact::ReplicaOnline { replica: endpoint_of(replica) });
                out.log(LogLevel::Notice, format!("Synchronization with replica {name} succeeded"));
                self.count_good_replicas(out);
            }
            AfterSnapshot::AwaitAck => out.log(
                LogLevel::Notice,
                format!(
                    "Streamed replica with replica {name} succeeded. Waiting for REPLCONF ACK \
                     from replica to enable streaming"
                ),
            ),
            AfterSnapshot::Close => {
                out.push(Output::Close { conn, how: crate::machine::Closing::Flush });
                self.forget_client(conn, "it wanted only a snapshot", out);
            }
        }
    }

    /// A receiver is gone; a job that works for nobody ends.
    pub(super) fn forget_receiver(&mut self, conn: ConnId, out: &mut Outbox) {
        let files: Vec<_> =
            self.jobs.sendings().filter(|(_, s)| s.conn == conn).map(|(job, _)| job).collect();
        for job in files {
            self.cancel_job(job, out);
        }
        let stays =
            |stage: fn(&Stage) -> bool| self.replication.replicas.values().any(|r| stage(&r.stage));
        match self.replication.transfer {
            Some(Transfer::Streaming { job, .. })
                if !stays(|s| matches!(s, Stage::Transferring { .. })) =>
            {
                self.replication.transfer = None;
                self.cancel_job(job, out);
            }
            Some(Transfer::Saving { job })
                if self.config.save.is_empty() && !stays(|s| *s == Stage::Saving) =>
            {
                self.replication.transfer = None;
                self.cancel_save(job, out);
            }
            _ => {}
        }
    }

    /// Notes which receivers take nothing, so that one of them does not hold up the others for ever.
    pub(super) fn watch_receivers(&mut self) {
        let now = self.now.mono;
        for (conn, replica) in &mut self.replication.replicas {
            let unsent = self.clients.get(*conn).map_or(0, |c| c.unsent_bytes);
            if let Stage::Transferring { stuck_since, unsent_bytes } = &mut replica.stage {
                let is_stuck = unsent > RECEIVER_WINDOW_BYTES && unsent >= *unsent_bytes;
                *stuck_since = if is_stuck { stuck_since.or(Some(now)) } else { None };
                *unsent_bytes = unsent;
            }
        }
    }
}
