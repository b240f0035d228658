//! Who was refused: what ACL LOG shows of wrong passwords.

use std::collections::VecDeque;

use crate::keyspace::Blob;

/// The same again within this time is counted, not kept twice.
const SAME_MS: i64 = 60_000;

/// Among so many of the newest it is looked for.
const SAME_AMONG: usize = 10;

/// A wrong name or password.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// How often.
    pub count: u64,
    /// `toplevel`, or `multi` in a transaction.
    pub context: &'static str,
    /// The command, as it was written.
    pub command: Blob,
    /// The name that was given.
    pub user: Blob,
    /// Milliseconds since the epoch, of the last time.
    pub at_ms: i64,
    /// Who it was the last time, as CLIENT INFO shows it.
    pub client: String,
}

/// The refusals, newest first.
#[derive(Debug, Default)]
pub struct AclLog {
    /// Newest first.
    pub refusals: VecDeque<Refusal>,
}

impl AclLog {
    /// Adds a refusal, of which at most `refusals_max` are kept (directive `acllog-max-len`).
    pub fn add(&mut self, mut refusal: Refusal, refusals_max: usize) {
        let is_same = |other: &Refusal| {
            other.context == refusal.context
                && other.command == refusal.command
                && other.user == refusal.user
                && refusal.at_ms - other.at_ms <= SAME_MS
        };
        let same = self.refusals.iter().take(SAME_AMONG).position(is_same);
        if let Some(same) = same.and_then(|at| self.refusals.remove(at)) {
            refusal.count += same.count;
        }
        self.refusals.push_front(refusal);
        self.refusals.truncate(refusals_max);
    }
}
