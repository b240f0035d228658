//! Work that would stall a node: what Redis forks a child or a thread for.
//!
//! The machine says what is to be done; the world runs it beside the node (a thread, or virtual
//! time) and reports. A job never renames files into place: only the node's own step does, so a
//! job that outlives its node changes nothing.

use bytes::Bytes;

use crate::keyspace::types::Packing;
use crate::keyspace::{Keyspace, Snapshot};

/// Unacknowledged chunk bytes at which a chunk-making job waits for [`super::Output::AckJob`].
pub const CHUNK_WINDOW_BYTES: usize = 1 << 20;

/// A job of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// What is to be done.
#[derive(Debug)]
pub enum Job {
    /// Encodes a snapshot.
    Save {
        /// The data, as it was when the job was made.
        snapshot: Snapshot,
        /// As what.
        form: SaveForm,
        /// What goes into an RDB's header.
        meta: ReplicationMeta,
        /// Where the bytes go.
        target: SaveTarget,
        /// Directive `rdb-key-save-delay`: microseconds to wait after each key.
        key_delay_us: u64,
    },
    /// Loads an RDB file.
    LoadFile {
        /// File name.
        name: String,
        /// How.
        options: LoadOptions,
    },
    /// Loads an RDB that arrives in pieces ([`super::Output::FeedJob`]).
    LoadStream {
        /// A temporary file that also receives the bytes, fsynced before the job is done.
        copy_to: Option<String>,
        /// How.
        options: LoadOptions,
    },
    /// Lets go of data, which takes long if there is much.
    Discard(Keyspace),
    /// Reads in chunks a file as it is when the job is given out, whatever takes its name later.
    ReadFile {
        /// File name.
        name: String,
    },
    /// Makes durable what a log ([`super::Output::AppendLog`]) holds when the job begins.
    SyncLog {
        /// File name.
        name: String,
    },
    /// Runs a program with nothing inherited but the standard streams. Its end by SIGKILL after
    /// `limit_ms` is reported as [`ScriptEnd::TimedOut`].
    RunScript {
        /// Path of the program.
        path: String,
        /// Its arguments.
        args: Vec<String>,
        /// How long it may run.
        limit_ms: super::Millis,
    },
}

/// How an RDB is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Databases that the keyspace shall have.
    pub databases: usize,
    /// Seed of its hash tables.
    pub seed: u64,
    /// Milliseconds since the epoch: keys that expired before this are left out. `None` keeps
    /// all, which a replica must.
    pub expire_before: Option<i64>,
    /// Directive `key-load-delay`: microseconds to wait after each key.
    pub key_delay_us: u64,
    /// Up to what size collections are kept in one piece.
    pub packing: Packing,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let databases = crate::keyspace::DATABASES_DEFAULT;
        let packing = Packing::default();
        Self { databases, seed: 0, expire_before: None, key_delay_us: 0, packing }
    }
}

/// What [`Job::Save`] makes of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveForm {
    /// An RDB.
    Rdb {
        /// Whether long strings are packed (directive `rdbcompression`).
        compress: bool,
    },
    /// The commands that make the same data.
    Commands,
}

/// Where [`Job::Save`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveTarget {
    /// A temporary file, fsynced before the job is done.
    File(String),
    /// Chunks for the machine to send on.
    Chunks,
}

/// Replication state that an RDB carries, so that a restarted node can resume (RDB aux fields
/// `repl-id`, `repl-offset`, `repl-stream-db`) besides the date.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicationMeta {
    /// All three or none.
    pub stream: Option<StreamHead>,
    /// Seconds since the epoch (aux `ctime`).
    pub ctime_s: i64,
    /// Bytes (aux `used-mem`).
    pub used_memory_bytes: u64,
    /// Whether it is the base of an AOF (aux `aof-base`).
    pub is_aof_base: bool,
}

/// The point of a replication stream that a dataset stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamHead {
    /// Replication ID: 40 hex characters.
    pub replid: String,
    /// Offset in bytes.
    pub offset: u64,
    /// The database that the stream is in; -1 if the next command must SELECT.
    pub selected_db: i64,
}

impl StreamHead {
    /// The database that the stream is in, if a node with so many has it.
    pub fn selected(&self, databases: usize) -> Option<usize> {
        usize::try_from(self.selected_db).ok().filter(|db| *db < databases)
    }
}

/// News of a job.
#[derive(Debug)]
pub enum JobEvent {
    /// The next bytes of a chunk-making job.
    Chunk(Bytes),
    /// Bytes written or read so far, and keys.
    Progress {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where known.
        bytes_total: Option<u64>,
        /// Keys so far.
        keys: u64,
    },
    /// The job is over.
    Done(JobOutcome),
    /// The job failed; a person-readable reason with the offset where one applies.
    Failed(String),
}

/// How a job ended.
#[derive(Debug)]
pub enum JobOutcome {
    /// [`Job::Save`]: so many bytes were written or made into chunks.
    Saved {
        /// Length of the RDB in bytes.
        bytes: u64,
    },
    /// [`Job::LoadFile`] and [`Job::LoadStream`].
    Loaded(Box<Loaded>),
    /// [`Job::LoadFile`] and [`Job::ReadFile`]: there is no such file.
    NoFile,
    /// [`Job::Discard`]: the data is gone.
    Discarded,
    /// [`Job::SyncLog`]: it is durable.
    Synced,
    /// [`Job::RunScript`]: it ran, or could not be run.
    Script(ScriptEnd),
    /// [`Job::ReadFile`]: the last chunk was given.
    Read {
        /// Length of the file in bytes.
        bytes: u64,
    },
}

/// A dataset read from an RDB.
#[derive(Debug)]
pub struct Loaded {
    /// The data.
    pub keyspace: Keyspace,
    /// The replication state it carried.
    pub stream: Option<StreamHead>,
    /// Keys loaded.
    pub keys: u64,
    /// Keys left out because they had expired.
    pub expired: Vec<(usize, Bytes)>,
    /// Length of the RDB in bytes.
    pub bytes: u64,
}

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptEnd {
    /// With this exit code; 2 if the program could not be executed.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It took too long, and was killed.
    TimedOut,
}
