//! Words that mean the same in many commands: counts, indices, ranges, numbers of keys.

use std::ops::Range;

use super::{Call, CommandError};
use crate::base::number;
use crate::base::text::until_nul;

/// A word as a count of at least `min`; `text` is the refusal of anything else.
pub(super) fn count_at_least(
    call: &Call<'_>,
    index: usize,
    min: usize,
    text: &'static str,
) -> Result<usize, CommandError> {
    let count = call.int(index).ok().and_then(|n| usize::try_from(n).ok());
    count.filter(|n| *n >= min).ok_or(CommandError::fixed(text))
}

/// The index of an element among `len`; a negative one counts from the end.
pub(super) fn index_in(len: usize, index: i64) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// The elements from `start` to `end` among `len`, both included; negative ones count from the
/// end.
pub(super) fn range_in(len: usize, start: i64, end: i64) -> Range<usize> {
    let len = len as i64;
    let from_front = |i: i64| (if i < 0 { i.saturating_add(len) } else { i }).max(0);
    let start = from_front(start).min(len);
    let end = if end < 0 { end.saturating_add(len) } else { end }.saturating_add(1).min(len);
    start as usize..end.max(start) as usize
}

/// A word as a floating point number that can be sorted by: no NaN, and no number beyond the
/// largest and the smallest.
pub(super) fn score(word: &[u8]) -> Option<f64> {
    let score = number::parse_f64(word).filter(|score| !score.is_nan())?;
    let names_infinity = word.iter().any(|byte| byte.eq_ignore_ascii_case(&b'n'));
    let mantissa = word.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next().unwrap_or_default();
    let is_zero = !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    let fits = score.is_infinite() == names_infinity && (score != 0.0 || is_zero);
    fits.then_some(score)
}

/// A number as C reads it from a text: up to a NUL, after spaces, and 0 if there is nothing.
pub(super) fn lenient_score(text: &[u8]) -> Option<f64> {
    let text = until_nul(text).trim_ascii_start();
    if text.is_empty() { Some(0.0) } else { score(text) }
}

/// A word as the seconds, or parts of seconds, that a client waits at most; 0 for no end.
pub(super) fn timeout_ms(call: &Call<'_>, index: usize) -> Result<u64, CommandError> {
    const NO_FLOAT: CommandError =
        CommandError::fixed("ERR timeout is not a float or out of range");
    const MS_END: f64 = 9_223_372_036_854_775_808.0;
    let seconds = number::parse_f64(call.arg(index)).filter(|s| !s.is_nan()).ok_or(NO_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    // What does not fit 64 bits is negative to Redis.
    if !(0.0..MS_END).contains(&ms) {
        return Err(CommandError::fixed("ERR timeout is negative"));
    }
    Ok(ms as u64)
}

/// The keys that follow their number at `index`, and the index of the word after them.
pub(super) fn several_keys<'a>(
    call: &Call<'a>,
    index: usize,
    text: &'static str,
) -> Result<(&'a [&'a [u8]], usize), CommandError> {
    let count = count_at_least(call, index, 1, text)?;
    let first = index + 1;
    let after = first.checked_add(count).ok_or(CommandError::SYNTAX)?;
    let keys = call.args.get(first..after).ok_or(CommandError::SYNTAX)?;
    Ok((keys, after))
}

/// `COUNT n` at `index`, where the command ends or ends behind it; without it 1.
pub(super) fn count_to_pop(call: &Call<'_>, index: usize) -> Result<usize, CommandError> {
    let rest = call.args.len() - index;
    if rest == 0 {
        return Ok(1);
    }
    if rest < 2 || !call.is(index, "COUNT") {
        return Err(CommandError::SYNTAX);
    }
    let count = count_at_least(call, index + 1, 1, "ERR count should be greater than 0")?;
    if rest == 2 { Ok(count) } else { Err(CommandError::SYNTAX) }
}

#[cfg(test)]
mod tests {
    use super::{range_in, score};

    #[test]
    fn a_score_must_fit() {
        for (word, expected) in [
            ("1.5", Some(1.5)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("1e-400", None),
            ("0e-400", Some(0.0)),
            ("nan", None),
            ("x", None),
        ] {
            assert_eq!(score(word.as_bytes()), expected, "{word}");
        }
    }

    #[test]
    fn a_range_is_cut_to_what_is_there() {
        for (start, end, expected) in [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 1, 3..3),
            (5, 9, 5..5),
            (0, -6, 0..0),
            (i64::MIN, i64::MAX, 0..5),
        ] {
            assert_eq!(range_in(5, start, end), expected, "{start} {end}");
        }
        assert_eq!(range_in(0, 0, -1), 0..0);
    }
}
