//! Floor 9: the lab without a screen. A run lets a lab do its steps and whatever standard input
//! says, until both are through or its time is over; then the workload ends, every acknowledged
//! write is looked for, and the run comes to an [`Outcome`].
//!
//! # Standard input
//!
//! Each line is an action; empty lines and those that begin with `#` are nothing. `expect` and
//! `wait` hold back the lines that follow them; nothing else does. A line that is no action is
//! refused in the journal, and the run goes on.

mod run;

pub use self::run::{Line, Outcome, run};
