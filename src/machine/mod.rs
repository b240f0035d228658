//! Floor 3: what a node is to the world around it.
//!
//! A node (a whole server, a whole Sentinel) is a deterministic state machine. It owns no clock, no
//! dice that it did not receive, no socket, file or thread. The world hands it one [`Input`] at a
//! time together with the time, and carries out the [`Output`]s it leaves in the [`Outbox`].
//! The live world and the simulated one run the very same machines.
//!
//! # The order contract
//!
//! Outputs are executed in order, and each is complete before the next begins. A reply that
//! follows an `AppendLog { sync: Durable::OrStop }` therefore promises durability; nothing else does.
//! If it fails, what follows it in the same outbox is not carried out.
//!
//! What became of a machine's files ([`Input::LogFailed`], [`Input::Arranged`]) it is told before
//! anything else: a machine that is told something else knows that its last append went well.
//!
//! # A turn
//!
//! The world drains what is readable, one [`Input`] each, and then gives [`Input::Turn`]. A machine
//! may answer at once or keep its replies until the turn, which is where Redis has `beforeSleep`:
//! replies of a pipeline leave in one write, and one GETACK serves all who wait.
//!
//! # Connections
//!
//! Accepted and dialled connections are the same thing once they are up, told apart by
//! [`ConnId::is_dialled`]. The machine chooses the ids of those it dials, the world of those it
//! accepts. After `Input::Closed` or `Output::Close` an id is never used again.
//!
//! # Differences from Redis
//!
//! No child process: what Redis forks for is a [`Job`], which works on a snapshot of the data.

mod belief;
mod data;
mod explain;
mod fact;
mod job;
mod view;

use bytes::Bytes;

pub use self::belief::{FailoverView, MonitorView, PeerBelief, ReplicaBelief, SentinelView};
pub use self::data::NodeData;
pub use self::fact::{Fact, Field, FullSyncReason, Severity};
pub use self::job::{
    CHUNK_WINDOW_BYTES, Job, JobEvent, JobId, JobOutcome, LoadOptions, Loaded, ReplicationMeta,
    SaveForm, SaveTarget, ScriptEnd, StreamHead,
};
pub use self::view::{
    BacklogView, LastSync, LinkState, NodeView, PrimaryLinkView, ReplicaState, ReplicaView, Role,
    ServerView, SyncKind,
};
pub use crate::base::time::{Millis, Now};

/// A deterministic node. See the module's front page for the contract.
pub trait Machine: Send {
    /// Takes one input at the time `now` and leaves what is to be done in `out`.
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox);

    /// The monotonic time at which the machine wants an [`Input::Tick`] if nothing else comes
    /// first. The world asks after every turn.
    fn deadline(&self) -> Option<Millis>;

    /// A picture of the node's state for people to look at.
    fn view(&self, now: Now) -> NodeView;

    /// The node's data for people to look at, if it holds any. Nothing changes by it that a client
    /// or a peer could see.
    fn data(&mut self, _now: Now) -> Option<NodeData> {
        None
    }
}

/// One connection of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

impl ConnId {
    const DIALLED: u64 = 1 << 63;

    /// The `n`th connection that the world accepted for this node.
    pub const fn accepted(n: u64) -> Self {
        Self(n)
    }

    /// The `n`th connection that this node dialled.
    pub const fn dialled(n: u64) -> Self {
        Self(n | Self::DIALLED)
    }

    /// Whether this node opened the connection.
    pub const fn is_dialled(self) -> bool {
        self.0 & Self::DIALLED != 0
    }

    /// The bare number: what `CLIENT ID` shows for an accepted connection.
    pub const fn number(self) -> u64 {
        self.0 & !Self::DIALLED
    }
}

/// A host name or address and a port, as a person or a peer wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name, or an address in text form.
    pub host: String,
    /// TCP port; 0 for a Unix socket.
    pub port: u16,
}

impl Endpoint {
    /// Names a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What the world tells a machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// The first input of a node's life.
    Started,
    /// A client connected.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// Where it comes from.
        peer: Endpoint,
        /// The node's own address on this connection.
        local: Endpoint,
    },
    /// A connection that the machine dialled is up.
    Dialled {
        /// The id given in [`Output::Dial`].
        conn: ConnId,
        /// The node's own address on this connection.
        local: Endpoint,
    },
    /// Bytes arrived. Never empty.
    Received {
        /// Where they arrived.
        conn: ConnId,
        /// The bytes, valid for this step only.
        data: &'a [u8],
    },
    /// How many bytes given to [`Output::Send`] have not left the node yet. Said after a turn in
    /// which this number changed, except that a connection whose bytes all left within the turn
    /// they were sent in is never mentioned.
    Unsent {
        /// The connection.
        conn: ConnId,
        /// Bytes still queued.
        bytes: usize,
    },
    /// The connection is gone: the peer closed or reset it, or a dial failed. Not said of a
    /// connection that the machine closed itself.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why, in the operating system's words ("Connection refused"); empty for a plain end.
        reason: String,
    },
    /// News of a job.
    Job {
        /// The job.
        id: JobId,
        /// What happened.
        event: JobEvent,
    },
    /// [`Output::AppendLog`] failed.
    LogFailed {
        /// The file.
        name: String,
        /// Why, in the operating system's words.
        reason: String,
        /// What is not in the file: all that was given, or nothing if only the sync failed.
        unwritten: Bytes,
    },
    /// [`Output::Arrange`] was carried out; or it stopped, with a person-readable reason.
    Arranged(Result<(), String>),
    /// The deadline has passed.
    Tick,
    /// Nothing more can be read now: flush what was kept back.
    Turn,
    /// Asks for an orderly end. The machine answers with [`Output::Exit`] when it is ready.
    Stop(Signal),
}

/// What asks a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Signal {
    /// The system's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Output {
    /// Queues bytes on a connection, in order.
    Send {
        /// The connection.
        conn: ConnId,
        /// The bytes; shared, so that ten replicas cost one copy.
        data: Bytes,
    },
    /// Whether bytes that arrive on a connection are wanted; they are unless this says otherwise.
    /// Unwanted ones stay in the network, and in the end hold up who sends them. Of the end of such a
    /// connection the machine may hear late.
    Read {
        /// The connection.
        conn: ConnId,
        /// Whether they are wanted from now on.
        on: bool,
    },
    /// Closes a connection.
    Close {
        /// The connection.
        conn: ConnId,
        /// Whether what is queued is still sent.
        how: Closing,
    },
    /// Opens a connection; answered by [`Input::Dialled`] or [`Input::Closed`].
    Dial {
        /// An id made by [`ConnId::dialled`] that was never used before.
        conn: ConnId,
        /// Whom to call.
        to: Endpoint,
    },
    /// Starts work that would stall the node.
    StartJob {
        /// An id that was never used before.
        id: JobId,
        /// The work.
        job: Job,
    },
    /// Gives input to a job that reads a stream.
    FeedJob {
        /// The job.
        id: JobId,
        /// The next bytes of its input.
        data: Bytes,
    },
    /// The input of a job that reads a stream is complete.
    EndJobInput {
        /// The job.
        id: JobId,
    },
    /// Lets a job that makes chunks make more: it stops when `CHUNK_WINDOW_BYTES` are out.
    AckJob {
        /// The job.
        id: JobId,
        /// Bytes of its chunks that were used up.
        bytes: usize,
    },
    /// Ends a job. Nothing more is heard of it, and its temporary file is removed.
    CancelJob {
        /// The job.
        id: JobId,
    },
    /// Replaces a whole small file: temporary file, fsync, rename, fsync of the directory.
    /// A failure is reported as a `Fact::FileFailed` by the world.
    WriteFile {
        /// File name, relative to the node's directory unless absolute.
        name: String,
        /// The new content.
        data: Bytes,
    },
    /// Renames a file within the node's directory, replacing the target, and fsyncs the directory.
    Rename {
        /// The present name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Removes a file; no error if there is none.
    Remove {
        /// Its name.
        name: String,
    },
    /// Writes at the end of a file that is kept open, making it if there is none.
    AppendLog {
        /// Its name.
        name: String,
        /// The bytes; none, if only older ones are to be synced.
        data: Bytes,
        /// Whether the file is to survive a loss of power from the next output on.
        sync: Durable,
    },
    /// Changes several files that belong together, each durably before the next; stops at the first
    /// that fails. Answered by [`Input::Arranged`].
    Arrange(Vec<FileStep>),
    /// A line of the node's log, in Redis's words where tools wait for them.
    Log {
        /// How loud.
        level: LogLevel,
        /// The line, without time, pid and role.
        text: String,
    },
    /// Something happened that a person may want to know.
    Emit(Fact),
    /// Blocks the whole node for so long: DEBUG SLEEP.
    Stall {
        /// Milliseconds.
        ms: Millis,
    },
    /// The end of the node. Queued bytes are sent first.
    Exit {
        /// The process exit code: 0 after an orderly shutdown.
        code: i32,
    },
}

/// Whether an append is to be made durable at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// No.
    No,
    /// If it can be.
    IfPossible,
    /// If it cannot be, no later output of the same outbox is carried out.
    OrStop,
}

/// A step of [`Output::Arrange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStep {
    /// As [`Output::WriteFile`]. A directory in the name is made if there is none.
    Write {
        /// Its name.
        name: String,
        /// The new content.
        data: Bytes,
    },
    /// As [`Output::Rename`].
    Rename {
        /// The present name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Cuts a file.
    Truncate {
        /// Its name.
        name: String,
        /// Bytes that stay.
        len: u64,
    },
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Send what is queued, then close.
    Flush,
    /// Drop what is queued.
    Now,
}

/// Redis's four log levels (directive `loglevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `debug`
    Debug,
    /// `verbose`
    Verbose,
    /// `notice`
    Notice,
    /// `warning`
    Warning,
}

/// Where a machine leaves its outputs during a step.
#[derive(Debug, Default)]
pub struct Outbox {
    outputs: Vec<Output>,
    stopwatch: Option<fn() -> u64>,
}

impl Outbox {
    /// An outbox whose stopwatch stands still.
    pub fn new() -> Self {
        Self::default()
    }

    /// An outbox with a stopwatch in microseconds. Its readings are for accounts of what commands
    /// cost (SLOWLOG, commandstats) and must decide nothing.
    pub fn with_stopwatch(stopwatch: fn() -> u64) -> Self {
        Self { outputs: Vec::new(), stopwatch: Some(stopwatch) }
    }

    /// Adds an output after all earlier ones.
    pub fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Queues bytes on a connection.
    pub fn send(&mut self, conn: ConnId, data: impl Into<Bytes>) {
        self.push(Output::Send { conn, data: data.into() });
    }

    /// Writes a log line.
    pub fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        self.push(Output::Log { level, text: text.into() });
    }

    /// Reports a fact.
    pub fn emit(&mut self, fact: Fact) {
        self.push(Output::Emit(fact));
    }

    /// Takes all outputs, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Microseconds on the stopwatch; always 0 in a simulated world.
    pub fn micros(&self) -> u64 {
        self.stopwatch.map_or(0, |read| read())
    }
}
