//! Actions and claims from their textual forms. A stand-in: the lab's own parser takes its place.

use std::ops::Range;

use super::action::{Action, Claim, Comparison, Condition};

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
                message: format!("no action is called `{verb}`"),
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
            message: format!("`{word}` is no condition"),
            help: Some("a condition is FIELD=VALUE, as in link=down".to_owned()),
        })?);
    }
    Ok(Claim { subject, conditions })
}
