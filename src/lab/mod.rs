//! Floor 8: the lab. A topology file becomes nodes in a world; actions break and mend them; the
//! journal and [`LabView`] tell what happened.
//!
//! # One vocabulary
//!
//! Whatever a person can do is an [`Action`] with a textual form. The table [`ACTIONS`] has a row
//! for each; [`parse`] reads the text, `Display` writes it, [`complete()`] completes it. Keys, the
//! palette, steps of a topology, standard input and the journal all speak it. A [`action::Claim`]
//! is what can be expected; the tables in [`claim`] say of which fields.
//!
//! # The runtime
//!
//! [`Lab`] owns a world and a handful of parts that know nothing of each other: what is wrong with
//! the links (`faults`), connections to the nodes (`client`), the `workload` and the `audit` of
//! its ledger, the `steps`. None of them waits: [`Lab::turn`] lets the world run until something
//! happens or is due, and so the lab works the same in real and in virtual time. [`Remote`] puts a
//! lab on a thread of its own for the screen.
//!
//! # Restarts
//!
//! A server starts again from what its topology says, until CONFIG REWRITE wrote down something
//! else, as Sentinels order it after each change of role. A Sentinel starts again from its file.
//!
//! # Scripts
//!
//! A script goes on when what it asked a node is answered, and when the lab has a picture of the
//! node that is newer than the answer: what it expects next is never found in an old picture.
//!
//! # Truth and belief
//!
//! Whether a node runs, is paused or dead, and what is wrong with a link, the lab knows since it
//! did it. Roles, offsets and who follows whom are read from each node's own view, never from
//! another's opinion of it. Of servers and Sentinels outside the lab it knows what its nodes know:
//! see [`outside`].
//!
//! # Sentinels
//!
//! A Sentinel is a node as any other: it can be killed, paused, cut off. What it believes is in its
//! own view; what really happened, and when, stands beside it in `failovers`. The workload finds
//! its primary as a client of Sentinel does (`seek`), unless it is told where to write.
//!
//! # Looking inside
//!
//! A node lends its data, with the offset that it stands for and the tail of its stream: see [`look`].
//!
//! # Losses
//!
//! A write is lost if it was acknowledged and the present primary has nothing, or an older write,
//! under its key. Losses are counted when asked for, and after each failover, as soon as the workload
//! writes to the new primary: on it, what was acknowledged before is looked for. A write that got no
//! answer may have been done or not, and is counted apart.

pub mod action;
mod audit;
pub mod claim;
mod client;
mod complete;
mod failovers;
#[cfg(test)]
pub(crate) mod fake;
mod faults;
pub mod journal;
pub mod look;
mod nodes;
mod orders;
pub mod outside;
mod pace;
pub mod parse;
pub mod picture;
mod remote;
mod reply;
mod rows;
mod run;
mod seek;
mod sentinels;
mod steps;
mod summary;
mod telling;
pub mod text;
pub mod told;
pub mod topology;
pub mod view;
mod watch;
mod words;
mod workload;

pub use self::action::{Action, Direction, LinkRef};
pub use self::audit::Audited;
pub use self::complete::complete;
pub use self::faults::describe;
pub use self::journal::{Entry, Event};
pub use self::nodes::{Build, Unfit, check, machines};
pub use self::parse::ParseError;
pub use self::remote::{Account, Nudge, Remote};
pub use self::rows::{ACTIONS, ActionRow};
pub use self::run::{Lab, LogLine};
pub use self::summary::{FailoverSummary, NodeSummary, OutsiderSummary, Summary};
pub use self::view::LabView;
pub use self::workload::WRITES_UNANSWERED_MAX;
