//! Work beside the node: what each job is for, and where its news go.

use std::collections::BTreeMap;

use super::Server;
use super::reload::Reload;
use super::replication::Sending;
use crate::machine::{Job, JobEvent, JobId, JobOutcome, Outbox, Output};

/// What a job is for.
#[derive(Debug)]
pub enum Work {
    /// Loading what this node had when it last ended.
    LoadAtStart,
    /// Loading the snapshot file once more.
    Reload(Reload),
    /// Reading the log of commands at the start.
    LoadLog,
    /// Loading the primary's snapshot.
    LoadFromPrimary,
    /// Writing the snapshot file.
    Save,
    /// Making a snapshot onto replicas' connections.
    Transfer,
    /// Sending the snapshot file to a replica.
    Send(Sending),
    /// Reading the manifest of the log, to rewrite it.
    ReadManifest,
    /// Writing the base of a new log.
    RewriteLog,
    /// Syncing the log.
    SyncLog,
    /// Nothing that anybody waits for.
    Nothing,
}

/// The jobs under way.
#[derive(Debug, Default)]
pub struct Jobs {
    works: BTreeMap<JobId, Work>,
    started: u64,
}

impl Jobs {
    /// Files being sent to replicas.
    pub fn sendings(&mut self) -> impl Iterator<Item = (JobId, &mut Sending)> {
        self.works.iter_mut().filter_map(|(id, work)| match work {
            Work::Send(sending) => Some((*id, sending)),
            _ => None,
        })
    }
}

impl Server {
    /// Starts a job.
    pub(super) fn start_job(&mut self, work: Work, job: Job, out: &mut Outbox) -> JobId {
        self.jobs.started += 1;
        let id = JobId(self.jobs.started);
        if !matches!(work, Work::Nothing) {
            self.jobs.works.insert(id, work);
        }
        out.push(Output::StartJob { id, job });
        id
    }

    /// Ends a job of which nobody wants to hear any more.
    pub(super) fn cancel_job(&mut self, id: JobId, out: &mut Outbox) {
        if self.jobs.works.remove(&id).is_some() {
            out.push(Output::CancelJob { id });
        }
    }

    /// News of a job.
    pub(super) fn on_job(&mut self, id: JobId, event: JobEvent, out: &mut Outbox) {
        match event {
            JobEvent::Chunk(data) => match self.jobs.works.get_mut(&id) {
                Some(Work::Transfer) => self.on_transfer_chunk(id, &data, out),
                Some(Work::Send(sending)) => {
                    sending.untaken += data.len();
                    let conn = sending.conn;
                    self.on_file_chunk(conn, data, out);
                }
                Some(Work::LoadLog) => self.on_log_chunk(id, &data, out),
                Some(Work::ReadManifest) => self.on_manifest_chunk(&data),
                _ => {}
            },
            JobEvent::Progress { bytes, bytes_total, .. } => match self.jobs.works.get(&id) {
                Some(Work::LoadAtStart | Work::Reload(_)) => {
                    self.on_load_progress(bytes, bytes_total);
                }
                Some(Work::LoadFromPrimary) => self.on_upstream_progress(id, bytes, out),
                _ => {}
            },
            JobEvent::Done(outcome) => self.on_job_over(id, Ok(outcome), out),
            JobEvent::Failed(reason) => self.on_job_over(id, Err(reason), out),
        }
    }

    fn on_job_over(&mut self, id: JobId, outcome: Result<JobOutcome, String>, out: &mut Outbox) {
        match (self.jobs.works.remove(&id), outcome) {
            (Some(Work::LoadAtStart), outcome) => self.on_loaded_at_start(outcome, out),
            (Some(Work::Reload(reload)), outcome) => self.on_reloaded(&reload, outcome, out),
            (Some(Work::LoadFromPrimary), outcome) => self.on_upstream_load(id, outcome, out),
            (Some(Work::Save), outcome) => self.on_saved(id, outcome, out),
            (Some(Work::Transfer), Ok(JobOutcome::Saved { bytes })) => {
                self.on_transfer_done(id, bytes, out);
            }
            (Some(Work::Transfer), _) => self.on_transfer_failed(id, out),
            (Some(Work::LoadLog), outcome) => self.on_log_read(outcome, out),
            (Some(Work::ReadManifest), outcome) => self.on_manifest_read(outcome, out),
            (Some(Work::RewriteLog), outcome) => self.on_base_written(outcome, out),
            (Some(Work::SyncLog), outcome) => self.on_log_synced(outcome, out),
            (Some(Work::Send(sending)), Ok(JobOutcome::NoFile)) => {
                self.lose_replica(sending.conn, "the snapshot file is gone", out);
            }
            (Some(Work::Send(sending)), Ok(_)) => self.on_snapshot_sent(sending.conn, out),
            (Some(Work::Send(sending)), Err(reason)) => {
                self.lose_replica(sending.conn, &reason, out);
            }
            (Some(Work::Nothing) | None, _) => {}
        }
    }
}
