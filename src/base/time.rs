//! Time as a value: a machine is told what time it is, it never asks.

/// Milliseconds. A duration or a point on a world's monotonic clock, as the name beside it says.
pub type Millis = u64;

/// The two clocks of one instant.
///
/// Timers use `mono`; only what leaves the node with a date on it (expiry times, `TIME`, the
/// snapshot's `ctime`) uses `wall`, since a wall clock may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since the world began. Never goes back.
    pub mono: Millis,
    /// Microseconds since the Unix epoch, as this node's wall clock shows them.
    pub wall_us: u64,
}

impl Now {
    /// Milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> i64 {
        (self.wall_us / 1000) as i64
    }

    /// Whole seconds since the Unix epoch.
    pub fn wall_s(self) -> i64 {
        (self.wall_us / 1_000_000) as i64
    }

    /// Milliseconds from `earlier` to now, 0 if `earlier` is later.
    pub fn since(self, earlier: Millis) -> Millis {
        self.mono.saturating_sub(earlier)
    }
}
