//! Parts of a string.

use crate::command::{Call, CommandError, event};
use crate::keyspace::{Blob, Value};

const TOO_LONG: CommandError =
    CommandError::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

pub(super) fn append(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, tail) = (call.arg(1), call.arg(2));
    let Some(len) = len_of(call, key)? else {
        call.store(key, Value::string(tail), false);
        call.notify(event::STRING, "append", key);
        call.reply.count(tail.len());
        return Ok(());
    };
    check_len(call, len, tail.len())?;
    edit_text(call, key, |text| text.extend_from_slice(tail));
    call.changed(key);
    call.notify(event::STRING, "append", key);
    call.reply.count(len + tail.len());
    Ok(())
}

pub(super) fn strlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let len = call.read_string(call.arg(1))?.map_or(0, |text| text.len());
    call.reply.count(len);
    Ok(())
}

pub(super) fn setrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, piece) = (call.arg(1), call.arg(3));
    let offset = usize::try_from(call.int(2)?)
        .map_err(|_| CommandError::fixed("ERR offset is out of range"))?;
    let there = len_of(call, key)?;
    let len = there.unwrap_or(0);
    if piece.is_empty() {
        call.reply.count(len);
        return Ok(());
    }
    check_len(call, offset, piece.len())?;
    let end = offset + piece.len();
    if there.is_none() {
        call.create(key, Value::Raw(Blob::new()));
    }
    edit_text(call, key, |text| {
        if end > text.len() {
            let padding = vec![0; end - text.len()];
            text.extend_from_slice(&padding);
        }
        text.make_mut()[offset..end].copy_from_slice(piece);
    });
    call.changed(key);
    call.notify(event::STRING, "setrange", key);
    call.reply.count(len.max(end));
    Ok(())
}

pub(super) fn getrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let text = call.read_string(call.arg(1))?.unwrap_or_default();
    call.reply.bulk(slice(&text, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative ones count from the end.
fn slice(text: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = text.len() as i64;
    let from_front = |i: i64| (if i < 0 { len.saturating_add(i) } else { i }).max(0);
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end { &[] } else { &text[start as usize..=end as usize] }
}

fn len_of(call: &mut Call<'_>, key: &[u8]) -> Result<Option<usize>, CommandError> {
    Ok(call.peek_string(key)?.map(|text| text.len()))
}

fn check_len(call: &Call<'_>, len: usize, more: usize) -> Result<(), CommandError> {
    match (len as u64).checked_add(more as u64) {
        Some(len) if len <= call.bulk_bytes_max => Ok(()),
        _ => Err(TOO_LONG),
    }
}

/// Changes the bytes of a string that is there, in place where nobody shares them. Counts no
/// change.
pub(in crate::command) fn edit_text<R>(
    call: &mut Call<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Blob) -> R,
) -> Option<R> {
    let edited = call.db_mut().update(key, |value| {
        let mut text = std::mem::replace(value, Value::Int(0)).into_text()?;
        let result = change(&mut text);
        *value = Value::Raw(text);
        Some(result)
    });
    edited.flatten()
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn a_slice_counts_from_either_end_and_is_cut_to_the_text() {
        let text = b"This is a string";
        for (start, end, expected) in [
            (0, 3, "This"),
            (-3, -1, "ing"),
            (0, -1, "This is a string"),
            (10, 100, "string"),
            (5, 3, ""),
            (-100, -17, "T"),
            (-1, -100, ""),
            (i64::MIN, i64::MAX, "This is a string"),
            (16, 20, ""),
        ] {
            assert_eq!(slice(text, start, end), expected.as_bytes(), "{start} {end}");
        }
        assert_eq!(slice(b"", 0, -1), b"");
    }
}
