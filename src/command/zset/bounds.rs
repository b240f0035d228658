//! Ranges of a sorted set: by place, by score, by name.

use std::ops::Range;

use crate::command::CommandError;
use crate::command::options::lenient_score;
use crate::keyspace::types::Zset;

/// A limit of a range of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ScoreBound {
    score: f64,
    exclusive: bool,
}

/// A limit of a range of names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NameBound<'a> {
    /// `-`: before every name.
    First,
    /// `[name`
    Including(&'a [u8]),
    /// `(name`
    Excluding(&'a [u8]),
    /// `+`: after every name.
    Last,
}

/// The places of members whose scores are between two words.
pub(super) fn by_score(zset: &Zset, bounds: (ScoreBound, ScoreBound)) -> Range<usize> {
    let (min, max) = bounds;
    let start =
        zset.count_before(
            |score, _| {
                if min.exclusive { score <= min.score } else { score < min.score }
            },
        );
    let end = zset.count_before(
        |score, _| {
            if max.exclusive { score < max.score } else { score <= max.score }
        },
    );
    start..end.max(start)
}

/// The places of members whose names are between two words, all scores being equal.
pub(super) fn by_name(zset: &Zset, bounds: (NameBound<'_>, NameBound<'_>)) -> Range<usize> {
    let (min, max) = bounds;
    let start = zset.count_before(|_, name| match min {
        NameBound::First => false,
        NameBound::Including(min) => name < min,
        NameBound::Excluding(min) => name <= min,
        NameBound::Last => true,
    });
    let end = zset.count_before(|_, name| match max {
        NameBound::First => false,
        NameBound::Including(max) => name <= max,
        NameBound::Excluding(max) => name < max,
        NameBound::Last => true,
    });
    start..end.max(start)
}

/// Reads the limits of a range of scores: `1.5`, `(1.5`, `-inf`.
pub(super) fn score_bounds(
    min: &[u8],
    max: &[u8],
) -> Result<(ScoreBound, ScoreBound), CommandError> {
    let read = |word: &[u8]| {
        let (exclusive, number) = match word {
            [b'(', number @ ..] => (true, number),
            number => (false, number),
        };
        lenient_score(number).map(|score| ScoreBound { score, exclusive })
    };
    read(min).zip(read(max)).ok_or(CommandError::fixed("ERR min or max is not a float"))
}

/// Reads the limits of a range of names: `[a`, `(a`, `-`, `+`.
pub(super) fn name_bounds<'a>(
    min: &'a [u8],
    max: &'a [u8],
) -> Result<(NameBound<'a>, NameBound<'a>), CommandError> {
    let read = |word: &'a [u8]| match word {
        b"-" => Some(NameBound::First),
        b"+" => Some(NameBound::Last),
        [b'[', name @ ..] => Some(NameBound::Including(name)),
        [b'(', name @ ..] => Some(NameBound::Excluding(name)),
        _ => None,
    };
    read(min)
        .zip(read(max))
        .ok_or(CommandError::fixed("ERR min or max not valid string range item"))
}
