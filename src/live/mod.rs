//! Floor 7: the live world. Threads, sockets, files and real time.
//!
//! # A node
//!
//! A node is a thread with a runtime of its own and one loop (`node`), a hand-written future that
//! serves all its connections: each of them has a waker that puts it on a list (`ready`), so a
//! round costs what is ready. A round reads, steps the machine, gives it its turn, and writes what
//! it queued (`conn`), several pieces a system call. There is one timer, set to what comes first of
//! the machine's deadline and the next picture; an idle node sleeps.
//!
//! - *Kill*: a flag (`control`). The port refuses at once; the thread drops its sockets at its next
//!   round, or out of a stall. The next run begins when the previous one is over, so that two never
//!   write the same files; its port is open, and clients wait in the kernel, from the start.
//! - *Pause*: the thread parks at its next round. The kernel accepts and buffers meanwhile.
//! - *Crash*: a panic is caught (`crash`) and is an event; the other nodes do not notice.
//! - *Power loss*: a kill after which files vanish whose names were not made durable: what a job
//!   wrote and the node did not rename; and logs end where they were last synced. All else is
//!   fsynced as it is written (`files`). What a log held when it was opened counts as synced.
//!
//! Long work is done by threads of its own (`jobs`), never by the runtime's blocking pool, which a
//! kill would have to wait for.
//!
//! # The network
//!
//! The fabric (`fabric`) is one more thread. A node that dials another one gets a pipe in memory;
//! the fabric owns the socket to the other's real port. A direction is a row of bounded queues
//! (`lane`) with the link's policy (`gate`) in between:
//!
//! ```text
//! dialler ── up lane ── gate ── socket ── target
//! dialler ── inbox lane ── gate ── down lane ── socket ── target
//! ```
//!
//! So a cut holds bytes and ends alike, and a full lane fills its sender's queue. What the target
//! sends first fills the kernel's buffers as well, as it would on a real network. The lab's own
//! clients (`clients`) connect to a node's port like any outside client.
//!
//! # One node alone
//!
//! [`serve_one`] runs the same thread in the foreground, without a fabric: `replab server`.

mod clients;
mod clock;
mod conn;
mod control;
mod crash;
mod fabric;
mod files;
mod gate;
mod jobs;
mod lane;
mod listen;
mod live_world;
mod node;
mod ready;
mod run;
mod serve;
mod signals;
#[cfg(test)]
mod tests;

pub use self::listen::{Host, UnixSocket, is_port_free};
pub use self::live_world::{LiveWorld, Nudge};
pub use self::serve::{Serve, serve_one};
pub use self::signals::watch_signals;
