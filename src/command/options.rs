//! Words that mean the same in many commands: counts, indices, ranges, numbers of keys.

use std::ops::Range;

use super::{Call, CommandError};

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

#[cfg(test)]
mod tests {
    use super::range_in;

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
