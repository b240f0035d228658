//! A value, as much of it as a person looks at.

use crate::base::number;
use crate::base::text::quoted;
use crate::keyspace::Value;
use crate::keyspace::types::StreamId;

/// Bytes of one string that are shown.
const TEXT_BYTES_MAX: usize = 4_096;

/// Bytes of a value that are shown on one line.
const PEEK_BYTES_MAX: usize = 80;

/// Elements that stand on one line.
const PEEK_ELEMENTS_MAX: usize = 8;

/// The first elements of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// What each is called: its index, field, member or ID; nothing where the value says it all.
    pub rows: Vec<(String, String)>,
    /// How many more there are.
    pub more: usize,
}

/// How many elements a collection has; none for a string.
pub(super) fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Str(_) | Value::Int(_) | Value::Raw(_) => None,
        Value::List(list) => Some(list.len()),
        Value::Hash(hash) => Some(hash.len()),
        Value::Set(set) => Some(set.len()),
        Value::Zset(zset) => Some(zset.len()),
        Value::Stream(stream) => Some(stream.len()),
    }
}

/// The first `max` elements of a value.
pub(super) fn elements(value: &Value, max: usize) -> Elements {
    let rows: Vec<(String, String)> = match value {
        Value::Str(_) | Value::Int(_) | Value::Raw(_) => {
            vec![(String::new(), text(&value.as_text().unwrap_or_default(), TEXT_BYTES_MAX))]
        }
        Value::List(list) => {
            let items = list.iter().take(max).enumerate();
            items.map(|(at, item)| (at.to_string(), short(item))).collect()
        }
        Value::Hash(hash) => {
            hash.iter().take(max).map(|(field, value)| (short(field), short(value))).collect()
        }
        Value::Set(set) => set.iter().take(max).map(|one| (String::new(), short(one))).collect(),
        Value::Zset(zset) => {
            let scored = zset.range(0..max.min(zset.len())).into_iter();
            scored.map(|(member, score)| (number::text_f64(score), short(member))).collect()
        }
        Value::Stream(stream) => stream
            .range(StreamId::MIN, StreamId::MAX)
            .take(max)
            .map(|entry| {
                let pairs = entry
                    .pairs()
                    .map(|(field, value)| format!("{} {}", text(&field, 40), text(&value, 40)));
                (entry.id.to_string(), pairs.collect::<Vec<_>>().join(", "))
            })
            .collect(),
    };
    let more = count(value).unwrap_or(1).saturating_sub(rows.len());
    Elements { rows, more }
}

/// A value on one line.
pub(super) fn line(value: &Value) -> String {
    if let Some(bytes) = value.as_text() {
        return text(&bytes, PEEK_BYTES_MAX);
    }
    let Elements { rows, more } = elements(value, PEEK_ELEMENTS_MAX);
    let named = rows.into_iter().map(|(name, element)| match value {
        Value::Hash(_) => format!("{name}: {element}"),
        Value::Zset(_) => format!("{element} = {name}"),
        Value::Stream(_) => format!("{name} {element}"),
        _ => element,
    });
    let mut line = named.collect::<Vec<_>>().join(", ");
    if more > 0 {
        line += ", …";
    }
    let (open, close) = if matches!(value, Value::List(_)) { ('[', ']') } else { ('{', '}') };
    format!("{open}{line}{close}")
}

/// A key, or a part of a value, without quotes where it needs none.
pub(super) fn text(bytes: &[u8], max: usize) -> String {
    let shown = &bytes[..bytes.len().min(max)];
    let shown = match std::str::from_utf8(shown) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => text.to_owned(),
        // A character that was cut in two is no reason for quotes.
        Err(error) if error.error_len().is_none() && shown.len() < bytes.len() => {
            String::from_utf8_lossy(&shown[..error.valid_up_to()]).into_owned()
        }
        _ => quoted(shown),
    };
    if bytes.len() > max { format!("{shown}…") } else { shown }
}

fn short(blob: &[u8]) -> String {
    text(blob, PEEK_BYTES_MAX)
}
