//! Counting and finding bits.

use std::ops::Range;

use super::{byte_at, mask_of};
use crate::command::{Call, CommandError};

pub(super) fn bitcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some(text) = call.read_string(call.arg(1))? else {
        call.reply.int(0);
        return Ok(());
    };
    let range = match call.args.len() {
        2 => 0..text.len() as u64 * 8,
        4 | 5 => {
            let (start, end) = (call.int(2)?, call.int(3)?);
            if start < 0 && end < 0 && start > end {
                0..0
            } else {
                bits(text.len(), start, end, is_in_bits(call, 4)?)
            }
        }
        _ => return Err(CommandError::SYNTAX),
    };
    call.reply.int(count(&text, range) as i64);
    Ok(())
}

pub(super) fn bitpos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wanted = match call.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let Some(text) = call.read_string(call.arg(1))? else {
        call.reply.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let (start, end) = match call.args.len() {
        3 => (0, None),
        4 => (call.int(3)?, None),
        5 | 6 => {
            let start = call.int(3)?;
            is_in_bits(call, 5)?;
            (start, Some(call.int(4)?))
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let range = bits(text.len(), start, end.unwrap_or(-1), is_in_bits(call, 5)?);
    // Without an end, the string goes on with zeros for ever.
    let beyond = (end.is_none() && !wanted && !range.is_empty()).then_some(text.len() as u64 * 8);
    match find(&text, wanted, range).or(beyond) {
        Some(bit) => call.reply.int(bit as i64),
        None => call.reply.int(-1),
    }
    Ok(())
}

/// Whether a range is in bits, as the last word says, if there is one.
fn is_in_bits(call: &Call<'_>, index: usize) -> Result<bool, CommandError> {
    if call.args.len() <= index || call.is(index, "BYTE") {
        Ok(false)
    } else if call.is(index, "BIT") {
        Ok(true)
    } else {
        Err(CommandError::SYNTAX)
    }
}

/// The bits from `start` to `end`, both included and in bytes or bits; negative ones count from the
/// end.
fn bits(bytes: usize, start: i64, end: i64, in_bits: bool) -> Range<u64> {
    let unit = if in_bits { 1 } else { 8 };
    let len = bytes as i64 * 8 / unit;
    let from_front = |n: i64| (if n < 0 { n.saturating_add(len) } else { n }).max(0);
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end { 0..0 } else { (start * unit) as u64..((end + 1) * unit) as u64 }
}

fn count(text: &[u8], range: Range<u64>) -> u64 {
    let whole = range.start.div_ceil(8)..range.end / 8;
    if whole.is_empty() {
        return range.filter(|bit| byte_at(text, *bit) & mask_of(*bit) != 0).count() as u64;
    }
    let edges = [range.start..whole.start * 8, whole.end * 8..range.end];
    let bytes = &text[whole.start as usize..whole.end as usize];
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|w| u64::from(u64::from_ne_bytes(*w).count_ones())).sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    in_words + in_rest + edges.into_iter().map(|edge| count(text, edge)).sum::<u64>()
}

fn find(text: &[u8], wanted: bool, range: Range<u64>) -> Option<u64> {
    let without = if wanted { 0x00 } else { 0xff };
    let mut bit = range.start;
    while bit < range.end {
        let byte = byte_at(text, bit);
        if byte == without {
            bit = (bit / 8 + 1) * 8;
        } else if (byte & mask_of(bit) != 0) == wanted {
            return Some(bit);
        } else {
            bit += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{bits, byte_at, count, find, mask_of};
    use crate::base::rng::Dice;

    #[test]
    fn ranges_are_counted_and_searched_as_if_bit_by_bit() {
        let mut dice = Dice::new(9);
        for _ in 0..2000 {
            let len = dice.below(40) as usize;
            let text: Vec<u8> =
                (0..len).map(|_| [0, 0xff, dice.bits() as u8][dice.below(3) as usize]).collect();
            let mut edge = || dice.below(700) as i64 - 350;
            let range = bits(len, edge(), edge(), true);
            let is_on = |bit: &u64| byte_at(&text, *bit) & mask_of(*bit) != 0;
            assert!(range.end <= len as u64 * 8);
            assert_eq!(count(&text, range.clone()), range.clone().filter(is_on).count() as u64);
            assert_eq!(find(&text, true, range.clone()), range.clone().find(is_on));
            assert_eq!(find(&text, false, range.clone()), range.clone().find(|bit| !is_on(bit)));
        }
    }
}
