//! Actions and claims from their textual forms. A stand-in: the lab's own parser takes its place.

use std::ops::Range;

use super::action::{Action, Claim, Comparison, Condition};
use crate::machine::Millis;

/// Why a text is no action or no claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Bytes of the text that are wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub help: Option<String>,
}

/// Reads an action.
pub fn action(text: &str) -> Result<Action, ParseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["kill", node] => Ok(Action::Kill { node: (*node).to_owned() }),
        ["heal", ..] => Ok(Action::Heal { what: super::action::HealRef::All }),
        [
            verb @ ("cut" | "delay" | "throttle" | "write" | "redis" | "restart" | "pause"
            | "resume" | "reset" | "promote" | "replicaof" | "isolate" | "wait"),
            ..,
        ] => {
            let _ = verb;
            Ok(Action::Undo)
        }
        _ => {
            let verb = words.first().copied().unwrap_or_default();
            let start = text.find(verb).unwrap_or(0);
            Err(ParseError {
                span: start..start + verb.len(),
                message: format!("there is no action `{verb}`"),
                help: Some("did you mean `kill`?".to_owned()),
            })
        }
    }
}

/// Reads a claim.
pub fn claim(text: &str) -> Result<Claim, ParseError> {
    let mut words = text.split_whitespace();
    let subject = words.next().unwrap_or_default().to_owned();
    let mut conditions = Vec::new();
    for word in words {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let operator = [
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = operator.iter().find_map(|(sign, comparison)| {
            word.split_once(sign).map(|(field, value)| Condition {
                field: field.to_owned(),
                comparison: *comparison,
                value: value.to_owned(),
            })
        });
        conditions.push(found.ok_or_else(|| ParseError {
            span: at..at + word.len(),
            message: format!("`{word}` is not a condition"),
            help: Some("FIELD=VALUE, with one of = != < <= > >=".to_owned()),
        })?);
    }
    Ok(Claim { subject, conditions })
}

/// Reads a duration: `20ms`, `10s`, `2m`, `1h`.
pub fn duration(text: &str) -> Option<Millis> {
    let (number, unit) = number_and_unit(text)?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(scale)
}

/// Reads a size in bytes, with redis.conf's units: `50kb` is 51200, `50k` is 50000.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let scale = match unit {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(scale)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// The likeliest of `known` for a misspelt word.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
