//! Bitmaps: strings whose bits are counted from the highest of the first byte.
//!
//! # Differences from Redis
//!
//! A BITFIELD that creates a key or makes it longer, but whose every write fails, is replicated:
//! the replica's key is as long as the primary's.

mod count;
mod field;
mod rows;

pub(super) use self::rows::COMMANDS;

use super::string::edit_text;
use super::{Call, CommandError, event};
use crate::base::number;
use crate::keyspace::{Blob, Value};

const NO_OFFSET: CommandError =
    CommandError::fixed("ERR bit offset is not an integer or out of range");

/// A word as the index of a bit, which must be in a string that may exist.
fn offset(call: &Call<'_>, word: &[u8], factor: u64) -> Result<u64, CommandError> {
    let offset = number::parse_i64(word).and_then(|n| u64::try_from(n).ok());
    let offset = offset.and_then(|n| n.checked_mul(factor));
    offset.filter(|n| n / 8 < call.bulk_bytes_max).ok_or(NO_OFFSET)
}

fn byte_at(text: &[u8], bit: u64) -> u8 {
    text.get((bit / 8) as usize).copied().unwrap_or(0)
}

fn mask_of(bit: u64) -> u8 {
    0x80 >> (bit % 8)
}

/// Makes a string at least `len` bytes long.
fn grow(text: &mut Blob, len: usize) {
    if len > text.len() {
        let zeros = vec![0; len - text.len()];
        text.extend_from_slice(&zeros);
    }
}

fn setbit(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, bit) = (call.arg(1), offset(call, call.arg(2), 1)?);
    let on = match call.arg(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::fixed("ERR bit is not an integer or out of range")),
    };
    let text = call.peek_string(key)?;
    let was_on = text.as_ref().is_some_and(|text| byte_at(text, bit) & mask_of(bit) != 0);
    let is_long_enough = text.as_ref().is_some_and(|text| text.len() as u64 > bit / 8);
    let is_new = text.is_none();
    drop(text);
    if is_new {
        call.create(key, Value::Raw(Blob::new()));
    }
    // A string counts as edited even if it stays the same.
    edit_text(call, key, |text| {
        grow(text, (bit / 8) as usize + 1);
        text.make_mut()[(bit / 8) as usize] ^= if was_on == on { 0 } else { mask_of(bit) };
    });
    if !is_long_enough || was_on != on {
        call.changed(key);
        call.notify(event::STRING, "setbit", key);
    }
    call.reply.int(was_on.into());
    Ok(())
}

fn getbit(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bit = offset(call, call.arg(2), 1)?;
    let text = call.read_string(call.arg(1))?.unwrap_or_default();
    call.reply.int((byte_at(&text, bit) & mask_of(bit) != 0).into());
    Ok(())
}

/// What BITOP does with bits at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    /// All other than they are, of one string.
    Not,
}

impl Operation {
    fn named(word: &[u8]) -> Option<Self> {
        match word.to_ascii_uppercase().as_slice() {
            b"AND" => Some(Self::And),
            b"OR" => Some(Self::Or),
            b"XOR" => Some(Self::Xor),
            b"NOT" => Some(Self::Not),
            _ => None,
        }
    }

    fn combine(self, a: &mut u8, b: u8) {
        match self {
            Self::And => *a &= b,
            Self::Or => *a |= b,
            Self::Xor => *a ^= b,
            Self::Not => {}
        }
    }
}

fn bitop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (target, sources) = (call.arg(2), &call.args[3..]);
    let operation = Operation::named(call.arg(1)).ok_or(CommandError::SYNTAX)?;
    if operation == Operation::Not && sources.len() > 1 {
        return Err(CommandError::fixed("ERR BITOP NOT must be called with a single source key."));
    }
    let texts = sources.iter().map(|key| Ok(call.read_string(key)?.unwrap_or_default()));
    let texts: Vec<_> = texts.collect::<Result<_, CommandError>>()?;
    let len = texts.iter().map(Blob::len).max().unwrap_or(0);
    let (first, others) = texts.split_first().ok_or(CommandError::SYNTAX)?;
    let mut result = first.to_vec();
    result.resize(len, 0);
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    for text in others {
        let bytes = text.iter().copied().chain(std::iter::repeat(0));
        result.iter_mut().zip(bytes).for_each(|(a, b)| operation.combine(a, b));
    }
    if result.is_empty() {
        call.delete(target);
    } else {
        call.store(target, Value::Raw(Blob::from(result)), false);
        call.notify(event::STRING, "set", target);
    }
    call.reply.count(len);
    Ok(())
}
