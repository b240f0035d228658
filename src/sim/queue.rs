//! The order of a simulated world: what happens at the same millisecond happens in the order in
//! which it was decided.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::network::SideId;
use crate::machine::{JobId, Millis};
use crate::world::NodeId;

/// Something that is due at a certain time. Each is checked when it comes: what it was meant for
/// may be gone, and then nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A node looks at its inputs and its deadline.
    Wake(NodeId),
    /// Something sent from this side of a connection comes to the end of its way.
    Arrive(SideId),
    /// A job of the node's given life goes on.
    JobStep { node: NodeId, life: u64, job: JobId },
}

/// Events by time, then by sequence; and the clock.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Millis, u64, Event)>>,
    sequence: u64,
    now: Millis,
}

impl Queue {
    /// Milliseconds since the world began.
    pub(super) fn now(&self) -> Millis {
        self.now
    }

    /// Plans an event; what lies in the past comes now.
    pub(super) fn push(&mut self, at: Millis, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((at.max(self.now), self.sequence, event)));
    }

    /// The next event up to `until`, to which the clock moves; without one the clock moves to
    /// `until`.
    pub(super) fn pop(&mut self, until: Millis) -> Option<Event> {
        match self.heap.peek() {
            Some(Reverse((at, ..))) if *at <= until.max(self.now) => {
                self.now = *at;
                self.heap.pop().map(|Reverse((_, _, event))| event)
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}
