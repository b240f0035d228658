//! IDs in a command's words.

use crate::base::number;
use crate::base::text::until_nul;
use crate::command::CommandError;
use crate::keyspace::types::StreamId;

const INVALID: CommandError =
    CommandError::fixed("ERR Invalid stream ID specified as stream command argument");

/// An entry does not fit a block.
pub(super) const TOO_LARGE: CommandError =
    CommandError::fixed("ERR Elements are too large to be stored");

/// No ID is longer.
const BYTES_MAX: usize = 127;

/// A word as an ID; `seq` is the number of one that has only a time.
pub(super) fn id(word: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    parse(word, seq).ok_or(INVALID)
}

/// [`id`] without number as 0, of several words.
pub(super) fn ids(words: &[&[u8]]) -> Result<Vec<StreamId>, CommandError> {
    words.iter().map(|word| id(word, 0)).collect()
}

/// [`id`], or `-` for the first and `+` for the last of all.
pub(super) fn id_or_end(word: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    match word {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        word => id(word, seq),
    }
}

/// A word as the first ID of an interval; after a `(`, the one before it.
pub(super) fn interval_start(word: &[u8]) -> Result<StreamId, CommandError> {
    match word {
        [b'(', word @ ..] if !word.is_empty() => {
            id(word, 0)?.next().ok_or(CommandError::fixed("ERR invalid start ID for the interval"))
        }
        word => id_or_end(word, 0),
    }
}

/// A word as the last ID of an interval; after a `(`, the one after it.
pub(super) fn interval_end(word: &[u8]) -> Result<StreamId, CommandError> {
    match word {
        [b'(', word @ ..] if !word.is_empty() => id(word, u64::MAX)?
            .previous()
            .ok_or(CommandError::fixed("ERR invalid end ID for the interval")),
        word => id_or_end(word, u64::MAX),
    }
}

/// What XADD is told of the ID of the new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: the time, or the next one if the clock went back.
    Now,
    /// `5-*`: a time.
    At(u64),
    /// `5-3`
    Given(StreamId),
}

impl NewId {
    /// Reads a word.
    pub fn read(word: &[u8]) -> Result<Self, CommandError> {
        match word {
            b"*" => Ok(Self::Now),
            [ms @ .., b'-', b'*'] if word.len() <= BYTES_MAX => {
                number(ms).map(Self::At).ok_or(INVALID)
            }
            word => id(word, 0).map(Self::Given),
        }
    }

    /// The ID after `last`.
    pub fn choose(self, last: StreamId, now_ms: i64) -> Result<StreamId, CommandError> {
        let next = last.next().ok_or(CommandError::fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ))?;
        let id = match self {
            Self::Now => next.max(StreamId::new(now_ms.max(0) as u64, 0)),
            // So Redis says when the numbers of a millisecond have run out.
            Self::At(ms) if ms == last.ms && next.ms != ms => {
                return Err(TOO_LARGE);
            }
            Self::At(ms) if ms == last.ms => next,
            Self::At(ms) => StreamId::new(ms, 0),
            Self::Given(id) => id,
        };
        if id <= last {
            return Err(CommandError::fixed(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ));
        }
        Ok(id)
    }
}

fn parse(word: &[u8], seq: u64) -> Option<StreamId> {
    if word.len() > BYTES_MAX {
        return None;
    }
    let word = until_nul(word);
    match word.iter().position(|byte| *byte == b'-') {
        Some(dash) => Some(StreamId::new(number(&word[..dash])?, number(&word[dash + 1..])?)),
        None => Some(StreamId::new(number(word)?, seq)),
    }
}

/// What is no canonical number is read as C reads it: after spaces and a sign, even a minus.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(n) = number::parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let (negative, digits) = match text.trim_ascii_start() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let n = digits.iter().try_fold(0u64, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        n.checked_mul(10)?.checked_add(digit.into())
    })?;
    Some(if negative { n.wrapping_neg() } else { n })
}
