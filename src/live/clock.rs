//! Real time, and the operating system's words.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::machine::{Millis, Now};

/// The clock of one live world: monotonic time counts from its making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    /// Starts at zero.
    pub(super) fn new() -> Self {
        Self { began: Instant::now() }
    }

    /// The time.
    pub(super) fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.began.elapsed().as_millis() as Millis, wall_us: wall.as_micros() as u64 }
    }

    /// The instant at which the clock shows `mono`; far away if it cannot be represented.
    pub(super) fn instant(self, mono: Millis) -> Instant {
        let far = self.began + Duration::from_hours(24 * 365);
        self.began.checked_add(Duration::from_millis(mono)).unwrap_or(far)
    }
}

/// Microseconds since somebody first asked: a machine's stopwatch.
pub(super) fn stopwatch() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_micros() as u64
}

/// The operating system's words for an error, without the number Rust adds.
pub(super) fn words(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error") {
        text.truncate(at);
    }
    text
}
