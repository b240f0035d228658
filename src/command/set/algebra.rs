//! Several sets: what they share, what they hold together, and what sets one apart.

use std::sync::Arc;

use crate::command::options::count_at_least;
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::{Collection, Set};

/// What is made of the sets.
type Operation = fn(&[Arc<Set>]) -> Set;

pub(super) fn sinter(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply_with(call, intersection)
}

pub(super) fn sunion(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply_with(call, union)
}

pub(super) fn sdiff(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply_with(call, difference)
}

pub(super) fn sinterstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, intersection, "sinterstore")
}

pub(super) fn sunionstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, union, "sunionstore")
}

pub(super) fn sdiffstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    store(call, difference, "sdiffstore")
}

pub(super) fn sintercard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let count = count_at_least(call, 1, 1, "ERR numkeys should be greater than 0")?;
    let rest = &call.args[2..];
    if count > rest.len() {
        return Err(CommandError::fixed("ERR Number of keys can't be greater than number of args"));
    }
    let (keys, options) = rest.split_at(count);
    let mut limit = 0;
    for option in (0..options.len()).step_by(2) {
        let index = 2 + count + option;
        if !call.is(index, "LIMIT") || option + 1 >= options.len() {
            return Err(CommandError::SYNTAX);
        }
        limit = count_at_least(call, index + 1, 0, "ERR LIMIT can't be negative")?;
    }
    let sets = sets(call, keys)?;
    let max = if limit == 0 { usize::MAX } else { limit };
    let shared = shared(&sets).take(max).count();
    call.reply.count(shared);
    Ok(())
}

fn reply_with(call: &mut Call<'_>, operation: Operation) -> Result<(), CommandError> {
    let sets = sets(call, &call.args[1..])?;
    let result = operation(&sets);
    call.reply.set(result.len());
    result.in_order().iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}

fn store(
    call: &mut Call<'_>,
    operation: Operation,
    event: &'static str,
) -> Result<(), CommandError> {
    let target = call.arg(1);
    let sets = sets(call, &call.args[2..])?;
    let result = operation(&sets);
    let len = result.len();
    if len == 0 {
        call.delete(target);
    } else {
        call.store(target, result.into_value(), false);
        call.notify(event::SET, event, target);
    }
    call.reply.count(len);
    Ok(())
}

/// The sets that keys hold, empty ones for keys that are missing.
fn sets(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Vec<Arc<Set>>, CommandError> {
    keys.iter().map(|key| Ok(call.read_as::<Set>(key)?.unwrap_or_default())).collect()
}

/// The members of the smallest set that all others have.
fn shared(sets: &[Arc<Set>]) -> impl Iterator<Item = &Blob> {
    let smallest = sets.iter().min_by_key(|set| set.len());
    let members = smallest.into_iter().flat_map(|set| set.iter());
    members.filter(|member| sets.iter().all(|set| set.contains(member)))
}

fn intersection(sets: &[Arc<Set>]) -> Set {
    shared(sets).cloned().collect()
}

fn union(sets: &[Arc<Set>]) -> Set {
    sets.iter().flat_map(|set| set.iter()).cloned().collect()
}

fn difference(sets: &[Arc<Set>]) -> Set {
    let Some((first, others)) = sets.split_first() else { return Set::default() };
    let is_own = |member: &&Blob| !others.iter().any(|set| set.contains(member));
    first.iter().filter(is_own).cloned().collect()
}
