//! Several sorted sets, and plain sets in which every member has the score 1.

use std::sync::Arc;

use super::reply_members;
use crate::command::options::{count_at_least, score};
use crate::command::{Call, CommandError, event};
use crate::keyspace::types::{Collection, Set, Zset};
use crate::keyspace::{Blob, Value};

/// One of the sets.
#[derive(Debug, Clone)]
enum Source {
    Plain(Arc<Set>),
    Sorted(Arc<Zset>),
}

/// What is made of the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How scores of the same member are put together.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

/// What a command asks for: the sets with their weights.
#[derive(Debug)]
struct Ask {
    operation: Operation,
    sources: Vec<(Source, f64)>,
    aggregate: Aggregate,
    with_scores: bool,
}

pub(super) fn zunion(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Operation::Union, "zunion")
}

pub(super) fn zinter(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Operation::Intersection, "zinter")
}

pub(super) fn zdiff(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Operation::Difference, "zdiff")
}

pub(super) fn zunionstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, Operation::Intersection, "zinterstore")
}

pub(super) fn zdiffstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, Operation::Difference, "zdiffstore")
}

pub(super) fn zintercard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (sources, after) = sources(call, 1, "zintercard")?;
    let mut limit = 0;
    for index in (after..call.args.len()).step_by(2) {
        if !call.is(index, "LIMIT") || index + 1 >= call.args.len() {
            return Err(CommandError::SYNTAX);
        }
        limit = count_at_least(call, index + 1, 0, "ERR LIMIT can't be negative")?;
    }
    let sources: Vec<_> = sources.into_iter().map(|source| (source, 1.0)).collect();
    let max = if limit == 0 { usize::MAX } else { limit };
    let shared = shared(&sources).into_iter().take(max).count();
    call.reply.count(shared);
    Ok(())
}

fn reply(call: &mut Call<'_>, operation: Operation, name: &str) -> Result<(), CommandError> {
    let ask = Ask::read(call, operation, 1, name, true)?;
    let result = ask.result();
    reply_members(call, &result.in_order(), ask.with_scores);
    Ok(())
}

fn store(
    call: &mut Call<'_>,
    operation: Operation,
    name: &'static str,
) -> Result<(), CommandError> {
    let target = call.arg(1);
    let mut result = Ask::read(call, operation, 2, name, false)?.result();
    result.pack(call.packing);
    let len = result.len();
    if len == 0 {
        call.delete(target);
    } else {
        call.store(target, result.into_value(), false);
        call.notify(event::ZSET, name, target);
    }
    call.reply.count(len);
    Ok(())
}

impl Ask {
    /// Reads the number of keys at `index`, the keys and the options after them.
    fn read(
        call: &mut Call<'_>,
        operation: Operation,
        index: usize,
        name: &str,
        may_want_scores: bool,
    ) -> Result<Self, CommandError> {
        let (found, after) = sources(call, index, name)?;
        let sources = found.into_iter().map(|source| (source, 1.0)).collect();
        let mut ask = Self { operation, sources, aggregate: Aggregate::Sum, with_scores: false };
        let mut index = after;
        let weighs = operation != Operation::Difference;
        while index < call.args.len() {
            let left = call.args.len() - index;
            if weighs && left > ask.sources.len() && call.is(index, "WEIGHTS") {
                for (_, weight) in &mut ask.sources {
                    index += 1;
                    *weight = score(call.arg(index))
                        .ok_or(CommandError::fixed("ERR weight value is not a float"))?;
                }
            } else if weighs && left > 1 && call.is(index, "AGGREGATE") {
                index += 1;
                ask.aggregate = match call.arg(index).to_ascii_uppercase().as_slice() {
                    b"SUM" => Aggregate::Sum,
                    b"MIN" => Aggregate::Min,
                    b"MAX" => Aggregate::Max,
                    _ => return Err(CommandError::SYNTAX),
                };
            } else if may_want_scores && call.is(index, "WITHSCORES") {
                ask.with_scores = true;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        Ok(ask)
    }

    fn result(&self) -> Zset {
        match self.operation {
            Operation::Union => self.union(),
            Operation::Intersection => self.intersection(),
            Operation::Difference => self.difference(),
        }
    }

    fn union(&self) -> Zset {
        let mut result = Zset::unpacked();
        for (source, weight) in &by_size(&self.sources) {
            for (member, score) in source.members() {
                let new = weighted(score, *weight);
                let together = result.score(member).map(|old| self.aggregate.of(old, new));
                result.insert(member.clone(), together.unwrap_or(new));
            }
        }
        result
    }

    fn intersection(&self) -> Zset {
        let sources = by_size(&self.sources);
        let score = |member: &Blob| {
            let scores = sources.iter().filter_map(|(source, weight)| {
                source.score(member).map(|score| weighted(score, *weight))
            });
            scores.reduce(|a, b| self.aggregate.of(a, b)).unwrap_or(0.0)
        };
        let mut result = Zset::unpacked();
        result.extend(shared(&self.sources).into_iter().map(|m| (m.clone(), score(m))));
        result
    }

    fn difference(&self) -> Zset {
        let mut result = Zset::unpacked();
        let Some(((first, _), others)) = self.sources.split_first() else { return result };
        let is_own = |(member, _): &(&Blob, f64)| {
            !others.iter().any(|(source, _)| source.score(member).is_some())
        };
        result.extend(first.members().into_iter().filter(is_own).map(|(m, s)| (m.clone(), s)));
        result
    }
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs make nothing.
            Self::Sum if (a + b).is_nan() => 0.0,
            Self::Sum => a + b,
            // Of two zeros the first stays, whatever their signs.
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

fn weighted(score: f64, weight: f64) -> f64 {
    let product = score * weight;
    if product.is_nan() { 0.0 } else { product }
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Self::Plain(set) => set.len(),
            Self::Sorted(zset) => zset.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Plain(set) => set.contains(member).then_some(1.0),
            Self::Sorted(zset) => zset.score(member),
        }
    }

    fn members(&self) -> Vec<(&Blob, f64)> {
        match self {
            Self::Plain(set) => set.iter().map(|member| (member, 1.0)).collect(),
            Self::Sorted(zset) => zset.iter().collect(),
        }
    }
}

/// The smallest first: in this order scores are put together.
fn by_size(sources: &[(Source, f64)]) -> Vec<(Source, f64)> {
    let mut sources = sources.to_vec();
    sources.sort_by_key(|(source, _)| source.len());
    sources
}

/// The members of the smallest set that all others have.
fn shared(sources: &[(Source, f64)]) -> Vec<&Blob> {
    let smallest = sources.iter().min_by_key(|(source, _)| source.len());
    let members = smallest.map(|(source, _)| source.members()).unwrap_or_default().into_iter();
    let everywhere = |member: &&Blob| sources.iter().all(|(s, _)| s.score(member).is_some());
    members.map(|(member, _)| member).filter(everywhere).collect()
}

/// The sets whose number and keys are at `index`, and the index of the word after them.
fn sources(
    call: &mut Call<'_>,
    index: usize,
    name: &str,
) -> Result<(Vec<Source>, usize), CommandError> {
    let count = usize::try_from(call.int(index)?).unwrap_or(0);
    if count == 0 {
        let text = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(CommandError::new(text));
    }
    let rest = &call.args[index + 1..];
    let keys = rest.get(..count).ok_or(CommandError::SYNTAX)?;
    let sources: Result<_, _> = keys.iter().map(|key| source(call, key)).collect();
    Ok((sources?, index + 1 + count))
}

fn source(call: &mut Call<'_>, key: &[u8]) -> Result<Source, CommandError> {
    match call.read(key) {
        None => Ok(Source::Plain(Arc::default())),
        Some(Value::Set(set)) => Ok(Source::Plain(set)),
        Some(Value::Zset(zset)) => Ok(Source::Sorted(zset)),
        Some(_) => Err(CommandError::WRONG_TYPE),
    }
}
