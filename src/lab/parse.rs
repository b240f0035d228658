//! The textual form of actions and claims, read. `Display` (in `text`) is the exact inverse; the
//! rows of [`ACTIONS`] say which words exist, and help, completion and the README come from them.

use std::ops::Range;

use super::action::{Action, Claim, Comparison, Condition, Direction, HealRef, LinkRef};
use super::claim;
use super::rows::{ACTIONS, ActionRow};
use super::words::{Word, Words, split};
use crate::machine::Millis;

/// How long an `expect` without `within` waits.
pub const EXPECT_WITHIN_DEFAULT_MS: Millis = 5_000;

/// Why a text is not an action or a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", help.as_ref().map(|help| format!(": {help}")).unwrap_or_default())]
pub struct ParseError {
    /// The bytes of the text that are wrong; empty at its end where something is missing.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub message: String,
    /// What would be accepted.
    pub help: Option<String>,
}

impl ParseError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Reads an action: `cut alpha bravo for 10s`.
pub fn action(text: &str) -> Result<Action, ParseError> {
    let mut words = split(text)?;
    let verb = words.next("an action", "one of the actions; `?` lists them")?;
    let row = ActionRow::of(&verb.text).ok_or_else(|| unknown_verb(&verb))?;
    words.usage = row.usage;
    let action = (row.read)(&mut words)?;
    words.end()?;
    Ok(action)
}

/// Reads a claim: `alpha role=primary keys>=100`.
pub fn claim(text: &str) -> Result<Claim, ParseError> {
    let mut words = split(text)?;
    words.usage = "NODE FIELD=VALUE…, or lab FIELD=VALUE…";
    let claim = read_claim(&mut words)?;
    if let Some(within) = words.take_if(|word| word == "within") {
        return Err(ParseError::new(within.span, "`within` is not of the claim")
            .help("it is a key of the step: within = \"3s\""));
    }
    words.end()?;
    Ok(claim)
}

/// Reads one link: `alpha->bravo`, `alpha<->bravo` or `alpha bravo`.
pub fn link(text: &str) -> Result<LinkRef, ParseError> {
    let mut words = split(text)?;
    words.usage = "A->B, A<->B or A B";
    let link = read_link(&mut words)?;
    words.end()?;
    Ok(link)
}

/// Longest duration that can be said, in milliseconds: about 34 years.
pub const DURATION_MAX: Millis = 1 << 40;

/// Largest size that can be said, in bytes: a pebibyte.
pub const SIZE_MAX: u64 = 1 << 50;

/// Reads a duration: `20ms`, `10s`, `1.5s`, `2m`, `1h`; at most [`DURATION_MAX`].
pub fn duration(text: &str) -> Option<Millis> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    scaled(number, scale).filter(|ms| *ms <= DURATION_MAX)
}

/// Reads a size in bytes, with redis.conf's units: `50kb` is 51200, `50k` is 50000; at most
/// [`SIZE_MAX`].
pub fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(at);
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
    scaled(number, scale).filter(|bytes| *bytes <= SIZE_MAX)
}

/// A decimal number times a unit, without rounding where the number is whole.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let denominator = 10_u64.pow(fraction.len() as u32);
    let part = fraction.parse::<u64>().ok()? as f64 / denominator as f64 * scale as f64;
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part.round() as u64)
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

fn unknown_verb(verb: &Word) -> ParseError {
    let names = || ACTIONS.iter().map(|row| row.name);
    let error = ParseError::new(verb.span.clone(), format!("there is no action `{}`", verb.text));
    match did_you_mean(&verb.text, names()) {
        Some(name) => error.help(format!("did you mean `{name}`?")),
        None => error.help(format!("actions are {}", names().collect::<Vec<_>>().join(", "))),
    }
}

/// Whether a text can name a node.
pub fn is_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(valid)
        && !matches!(text, "for" | "within" | "off" | "lab")
}

fn name_of(word: &Word) -> Result<String, ParseError> {
    if is_name(&word.text) {
        return Ok(word.text.clone());
    }
    Err(ParseError::new(word.span.clone(), format!("`{}` is not a node's name", word.text))
        .help("names are letters, digits, `-`, `_` and `.`"))
}

pub(super) fn read_name(words: &mut Words) -> Result<String, ParseError> {
    name_of(&words.next("a node's name", words.usage)?)
}

/// One name or more, up to the option that follows them.
pub(super) fn read_names(words: &mut Words) -> Result<Vec<String>, ParseError> {
    let mut names = vec![read_name(words)?];
    while let Some(word) = words.take_if(|word| word != "for") {
        names.push(name_of(&word)?);
    }
    Ok(names)
}

/// The name of a watched primary.
pub(super) fn read_monitor(words: &mut Words) -> Result<String, ParseError> {
    let word = words.next("the name of a watched primary", words.usage)?;
    if is_name(&word.text) {
        return Ok(word.text);
    }
    Err(ParseError::new(word.span, format!("`{}` is not the name of a watched primary", word.text))
        .help("names are letters, digits, `-`, `_` and `.`"))
}

pub(super) fn read_link(words: &mut Words) -> Result<LinkRef, ParseError> {
    let first = words.next("a link", words.usage)?;
    match arrow(&first)? {
        Some(link) => Ok(link),
        None => {
            Ok(LinkRef { a: name_of(&first)?, b: read_name(words)?, direction: Direction::Both })
        }
    }
}

/// A link written as one word.
fn arrow(word: &Word) -> Result<Option<LinkRef>, ParseError> {
    let (sign, direction) = match word.text.as_str() {
        text if text.contains("<->") => ("<->", Direction::Both),
        text if text.contains("->") => ("->", Direction::AToB),
        _ => return Ok(None),
    };
    let Some((a, b)) = word.text.split_once(sign) else { return Ok(None) };
    if is_name(a) && is_name(b) {
        return Ok(Some(LinkRef { a: a.to_owned(), b: b.to_owned(), direction }));
    }
    Err(ParseError::new(word.span.clone(), format!("`{}` is not a link", word.text))
        .help("a link is A->B, A<->B or A B"))
}

pub(super) fn read_heal(words: &mut Words) -> Result<HealRef, ParseError> {
    let Some(first) = words.take() else { return Ok(HealRef::All) };
    if let Some(link) = arrow(&first)? {
        return Ok(HealRef::Link(link));
    }
    let a = name_of(&first)?;
    match words.take() {
        None => Ok(HealRef::Node(a)),
        Some(second) => {
            let b = name_of(&second)?;
            Ok(HealRef::Link(LinkRef { a, b, direction: Direction::Both }))
        }
    }
}

pub(super) fn read_duration(words: &mut Words) -> Result<Millis, ParseError> {
    let word = words.next("a duration", "for example 200ms, 10s or 1m")?;
    duration(&word.text).ok_or_else(|| {
        ParseError::new(word.span, format!("`{}` is not a duration", word.text))
            .help("for example 200ms, 10s or 1m")
    })
}

/// `KEYWORD DURATION`, if the keyword is next.
pub(super) fn read_option(words: &mut Words, keyword: &str) -> Result<Option<Millis>, ParseError> {
    if words.take_if(|word| word == keyword).is_some() {
        return read_duration(words).map(Some);
    }
    Ok(None)
}

pub(super) fn read_jitter(words: &mut Words) -> Result<Millis, ParseError> {
    let Some(word) = words.take_if(|word| word.starts_with("+-") || word.starts_with('±')) else {
        return Ok(0);
    };
    duration(word.text.trim_start_matches("+-").trim_start_matches('±')).ok_or_else(|| {
        ParseError::new(word.span, format!("`{}` is not a jitter", word.text))
            .help("for example +-10ms")
    })
}

pub(super) fn read_throughput(words: &mut Words) -> Result<u64, ParseError> {
    let word = words.next("bytes per second", "for example 50kb")?;
    size(word.text.trim_end_matches("/s")).filter(|bytes| *bytes > 0).ok_or_else(|| {
        ParseError::new(word.span, format!("`{}` is not a number of bytes per second", word.text))
            .help("for example 50kb or 1mb; `cut` lets nothing pass, `heal` lets everything pass")
    })
}

/// `200/s`, `200` or `off`.
pub(super) fn read_rate(words: &mut Words) -> Result<u32, ParseError> {
    let word = words.next("writes per second", "for example 200/s, or off")?;
    if word.text == "off" {
        return Ok(0);
    }
    word.text.trim_end_matches("/s").parse().map_err(|_| {
        ParseError::new(word.span, format!("`{}` is not a number of writes per second", word.text))
            .help("for example 200/s, or off")
    })
}

pub(super) fn read_claim(words: &mut Words) -> Result<Claim, ParseError> {
    let subject = words.next("the name of a node or of a monitor, or `lab`,", words.usage)?;
    let subject = if subject.text == "lab" { subject.text } else { name_of(&subject)? };
    let mut conditions = vec![read_condition(&subject, words)?];
    while words.peek().is_some_and(|word| word != "within") {
        conditions.push(read_condition(&subject, words)?);
    }
    Ok(Claim { subject, conditions })
}

/// Signs, the longer before its own beginning.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

fn read_condition(subject: &str, words: &mut Words) -> Result<Condition, ParseError> {
    let word = words.next("a condition", "FIELD=VALUE, with one of = != < <= > >=")?;
    let sign_at = word.text.find(['=', '!', '<', '>']);
    let Some((at, (sign, comparison))) = sign_at.and_then(|at| {
        let rest = &word.text[at..];
        COMPARISONS.into_iter().find(|(sign, _)| rest.starts_with(sign)).map(|found| (at, found))
    }) else {
        return Err(ParseError::new(word.span, format!("`{}` is not a condition", word.text))
            .help("FIELD=VALUE, with one of = != < <= > >="));
    };
    let (field, value) = (&word.text[..at], &word.text[at + sign.len()..]);
    let condition = Condition { field: field.to_owned(), comparison, value: value.to_owned() };
    claim::check(claim::Subject::possible(subject), &condition).map_err(|wrong| {
        let start = word.span.start;
        let span = match wrong.part {
            claim::Part::Field => start..start + at,
            claim::Part::Comparison => start + at..start + at + sign.len(),
            claim::Part::Value => start + at + sign.len()..word.span.end,
        };
        ParseError { span, message: wrong.message, help: Some(wrong.help) }
    })?;
    Ok(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String, String) {
        let error = action(text).unwrap_err();
        (text[error.span].to_owned(), error.message, error.help.unwrap_or_default())
    }

    #[test]
    fn a_link_can_be_written_three_ways() {
        let cut = |text| match action(text) {
            Ok(Action::Cut { link, for_ms }) => (link.a, link.b, link.direction, for_ms),
            other => panic!("{other:?}"),
        };
        let names = || ("a-1".to_owned(), "b".to_owned());
        let (a, b) = names();
        assert_eq!(cut("cut a-1 b"), (a, b, Direction::Both, None));
        let (a, b) = names();
        assert_eq!(cut("cut a-1<->b for 10s"), (a, b, Direction::Both, Some(10_000)));
        let (a, b) = names();
        assert_eq!(cut("cut a-1->b for 1.5s"), (a, b, Direction::AToB, Some(1_500)));
    }

    #[test]
    fn quoted_words_of_a_command_stay_together() {
        let Ok(Action::Redis { words, .. }) = action(r#"redis a SET k "two words\n\"x\"" '' "#)
        else {
            panic!()
        };
        assert_eq!(words, ["SET", "k", "two words\n\"x\"", ""]);
    }

    #[test]
    fn a_misspelt_verb_gets_a_suggestion() {
        assert_eq!(
            error("kil alpha"),
            ("kil".into(), "there is no action `kil`".into(), "did you mean `kill`?".into())
        );
        assert!(error("frobnicate").2.starts_with("actions are kill, restart"));
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_said_with_the_usage() {
        assert_eq!(
            error("kill"),
            (String::new(), "a node's name is missing".into(), "kill NODE".into())
        );
        assert_eq!(
            error("kill a b"),
            ("b".into(), "`b` is too much here".into(), "kill NODE".into())
        );
        assert_eq!(error("pause a for ever").0, "ever");
        assert_eq!(error("cut a for 10s").0, "for");
        assert_eq!(error("delay a->b soon").0, "soon");
        assert_eq!(error("throttle a->b 0kb").0, "0kb");
        assert_eq!(error("redis a SET \"k").1, "a quote is not closed");
    }

    #[test]
    fn an_unknown_field_or_value_of_a_claim_is_an_error_with_what_is_accepted() {
        let (at, message, help) = error("expect alpha rôle=primary");
        assert_eq!((at.as_str(), message.as_str()), ("rôle", "a node has no field `rôle`"));
        assert_eq!(help, "did you mean `role`?");
        assert_eq!(error("expect alpha role=master").0, "master");
        assert!(error("expect alpha role=master").2.contains("primary, replica"));
        assert_eq!(error("expect alpha role<primary").0, "<");
        assert_eq!(error("expect lab keys=1").1, "the lab has no field `keys`");
        assert_eq!(error("expect alpha keys=many").0, "many");
        assert_eq!(error("expect alpha role").0, "role");
    }

    #[test]
    fn sizes_use_the_units_of_redis_conf() {
        assert_eq!(size("50kb"), Some(51_200));
        assert_eq!(size("50K"), Some(50_000));
        assert_eq!(size("1.5mb"), Some(3 << 19));
        assert_eq!((size("kb"), size("-1"), size("1tb")), (None, None, None));
        assert_eq!((duration("10"), duration("99999999999999999999s")), (None, None));
        assert_eq!((duration("400000h"), size("2000000gb")), (None, None));
    }
}
