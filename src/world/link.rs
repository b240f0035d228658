//! What one directed link does to the bytes that pass it.

use crate::machine::Millis;

/// Bytes that a link holds before it stops taking more from its sender.
pub const LINK_QUEUE_BYTES_MAX: usize = 1 << 20;

/// The policy of one direction of a link. The default lets everything pass at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkPolicy {
    /// Nothing passes; held bytes arrive after healing.
    pub cut: bool,
    /// Milliseconds that each piece of data is late.
    pub delay_ms: Millis,
    /// At most so many milliseconds more or less, at random; order is kept.
    pub jitter_ms: Millis,
    /// Bytes per second, if limited. 0 is no limit.
    pub bytes_per_s: u64,
}

impl LinkPolicy {
    /// Whether the link is as good as new.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }
}
