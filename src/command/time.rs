//! Expiry times in a command's words.

use super::{Call, CommandError, ExpiryRule};

/// How a number is to be read as a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// In seconds, not milliseconds.
    seconds: bool,
    /// Since the epoch, not since now.
    absolute: bool,
}

impl Clock {
    /// `EX`, EXPIRE
    pub const SECONDS: Self = Self { seconds: true, absolute: false };
    /// `PX`, PEXPIRE
    pub const MILLIS: Self = Self { seconds: false, absolute: false };
    /// `EXAT`, EXPIREAT
    pub const SECONDS_AT: Self = Self { seconds: true, absolute: true };
    /// `PXAT`, PEXPIREAT
    pub const MILLIS_AT: Self = Self { seconds: false, absolute: true };

    /// The clock of an option's name.
    pub fn named(word: &[u8]) -> Option<Self> {
        match word.to_ascii_uppercase().as_slice() {
            b"EX" => Some(Self::SECONDS),
            b"PX" => Some(Self::MILLIS),
            b"EXAT" => Some(Self::SECONDS_AT),
            b"PXAT" => Some(Self::MILLIS_AT),
            _ => None,
        }
    }

    /// Milliseconds since the epoch that `n` on this clock means, if they fit 64 bits.
    pub fn at(self, n: i64, now_ms: i64) -> Option<i64> {
        let ms = if self.seconds { n.checked_mul(1000)? } else { n };
        if self.absolute { Some(ms) } else { ms.checked_add(now_ms) }
    }

    /// Reads a word as a time that must be positive, as the options of SET have it.
    pub fn read(self, call: &Call<'_>, index: usize) -> Result<i64, CommandError> {
        let n = call.int(index)?;
        let at = if n > 0 { self.at(n, call.now_ms) } else { None };
        at.filter(|at| *at > 0).ok_or_else(|| invalid_expire(call))
    }
}

/// `ERR invalid expire time in 'x' command`, of the command being run.
pub(super) fn invalid_expire(call: &Call<'_>) -> CommandError {
    CommandError::invalid_expire(&String::from_utf8_lossy(call.arg(0)).to_lowercase())
}

/// Whether a key that is given this expiry time is gone at once: only a primary may decide so.
pub(super) fn past(call: &Call<'_>, at: i64) -> bool {
    call.expiry == ExpiryRule::Delete && at <= call.now_ms
}
