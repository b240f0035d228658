//! Changing a sorted set.

use std::ops::Range;

use super::{NOT_A_NUMBER, bounds, reply_members, reply_score};
use crate::command::options::{
    count_at_least, count_to_pop, range_in, score, several_keys, timeout_ms,
};
use crate::command::{Call, CommandError, event};
use crate::keyspace::types::{Packing, Zset};
use crate::keyspace::{Blob, Kind};

/// The options of ZADD.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    only_new: bool,
    only_there: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Added(f64),
    Changed(f64),
    Same(f64),
    /// The options did not allow it.
    Refused,
}

pub(in crate::command) fn zadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (options, first) = read_options(call);
    add(call, options, first)
}

pub(super) fn zincrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, Options { increment: true, ..Options::default() }, 2)
}

fn read_options(call: &Call<'_>) -> (Options, usize) {
    let mut options = Options::default();
    for index in 2..call.args.len() {
        if call.is(index, "NX") {
            options.only_new = true;
        } else if call.is(index, "XX") {
            options.only_there = true;
        } else if call.is(index, "GT") {
            options.only_greater = true;
        } else if call.is(index, "LT") {
            options.only_less = true;
        } else if call.is(index, "CH") {
            options.count_changed = true;
        } else if call.is(index, "INCR") {
            options.increment = true;
        } else {
            return (options, index);
        }
    }
    (options, call.args.len())
}

impl Options {
    fn check(self, pairs: usize) -> Result<(), CommandError> {
        let Self { only_new, only_there, only_greater, only_less, increment, .. } = self;
        let text = if only_new && only_there {
            "ERR XX and NX options at the same time are not compatible"
        } else if (only_greater && (only_new || only_less)) || (only_less && only_new) {
            "ERR GT, LT, and/or NX options at the same time are not compatible"
        } else if increment && pairs > 1 {
            "ERR INCR option supports a single increment-element pair"
        } else {
            return Ok(());
        };
        Err(CommandError::fixed(text))
    }

    fn apply(
        self,
        zset: &mut Zset,
        (given, member): (f64, &[u8]),
        packing: &Packing,
    ) -> Result<Outcome, CommandError> {
        let Some(old) = zset.score(member) else {
            if self.only_there {
                return Ok(Outcome::Refused);
            }
            zset.make_room(member, packing);
            zset.insert(Blob::from(member), given);
            return Ok(Outcome::Added(given));
        };
        if self.only_new {
            return Ok(Outcome::Refused);
        }
        let new = if self.increment { old + given } else { given };
        if new.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        if (self.only_greater && new <= old) || (self.only_less && new >= old) {
            return Ok(Outcome::Refused);
        }
        #[expect(clippy::float_cmp, reason = "a score is the same only if nothing was changed")]
        if new == old {
            return Ok(Outcome::Same(new));
        }
        zset.insert(Blob::from(member), new);
        Ok(Outcome::Changed(new))
    }
}

fn add(call: &mut Call<'_>, options: Options, first: usize) -> Result<(), CommandError> {
    let (key, words) = (call.arg(1), &call.args[first..]);
    if words.is_empty() || words.len() % 2 == 1 {
        return Err(CommandError::SYNTAX);
    }
    options.check(words.len() / 2)?;
    let pairs = words.chunks_exact(2).map(|pair| Some((score(pair[0])?, pair[1])));
    let pairs: Vec<_> = pairs.collect::<Option<_>>().ok_or(CommandError::NOT_A_FLOAT)?;
    let packing = call.packing;
    let outcomes: Vec<_> = call.edit_or_create(key, |zset: &mut Zset| {
        pairs.iter().map(|pair| options.apply(zset, *pair, packing)).collect()
    })?;
    let (mut added, mut changed, mut last) = (0, 0, None);
    let mut refusal = Ok(());
    for outcome in outcomes {
        match outcome {
            Ok(Outcome::Added(score)) => (added, last) = (added + 1, Some(score)),
            Ok(Outcome::Changed(score)) => (changed, last) = (changed + 1, Some(score)),
            Ok(Outcome::Same(score)) => last = Some(score),
            Ok(Outcome::Refused) => {}
            Err(error) => refusal = Err(error),
        }
    }
    call.changed_by(key, added + changed);
    if added + changed > 0 {
        call.notify(event::ZSET, if options.increment { "zincr" } else { "zadd" }, key);
    }
    refusal?;
    match (options.increment, last) {
        (true, Some(score)) => reply_score(call, score),
        (true, None) => call.reply.null(),
        (false, _) if options.count_changed => call.reply.count(added + changed),
        (false, _) => call.reply.count(added),
    }
    Ok(())
}

pub(super) fn zrem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, members) = (call.arg(1), &call.args[2..]);
    let removed = call.edit(key, |zset: &mut Zset| {
        members.iter().filter(|member| zset.remove(member).is_some()).count()
    })?;
    let removed = removed.unwrap_or(0);
    call.changed_by(key, removed);
    if removed > 0 {
        call.notify(event::ZSET, "zrem", key);
    }
    call.reply.count(removed);
    Ok(())
}

pub(super) fn zremrangebyrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (start, end) = (call.int(2)?, call.int(3)?);
    remove_range(call, "zremrangebyrank", |zset| range_in(zset.len(), start, end))
}

pub(super) fn zremrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bounds = bounds::score_bounds(call.arg(2), call.arg(3))?;
    remove_range(call, "zremrangebyscore", |zset| bounds::by_score(zset, bounds))
}

pub(super) fn zremrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bounds = bounds::name_bounds(call.arg(2), call.arg(3))?;
    remove_range(call, "zremrangebylex", |zset| bounds::by_name(zset, bounds))
}

fn remove_range(
    call: &mut Call<'_>,
    event: &'static str,
    range: impl FnOnce(&Zset) -> Range<usize>,
) -> Result<(), CommandError> {
    let key = call.arg(1);
    let taken = call.edit(key, |zset: &mut Zset| {
        let range = range(zset);
        take(zset, range)
    })?;
    let removed = taken.map_or(0, |taken| taken.len());
    call.changed_by(key, removed);
    if removed > 0 {
        call.notify(event::ZSET, event, key);
    }
    call.reply.count(removed);
    Ok(())
}

/// Removes the members at these places and returns them in order.
fn take(zset: &mut Zset, range: Range<usize>) -> Vec<(Blob, f64)> {
    let members = zset.range(range).into_iter();
    let members: Vec<_> = members.map(|(member, score)| (member.clone(), score)).collect();
    for (member, _) in &members {
        zset.remove(member);
    }
    members
}

/// Removes `count` members from the front or from the back.
fn pop(zset: &mut Zset, highest: bool, count: usize) -> Vec<(Blob, f64)> {
    let (len, count) = (zset.len(), count.min(zset.len()));
    if highest {
        let mut members = take(zset, len - count..len);
        members.reverse();
        members
    } else {
        take(zset, 0..count)
    }
}

fn popped_event(highest: bool) -> &'static str {
    if highest { "zpopmax" } else { "zpopmin" }
}

pub(super) fn zpopmin(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_from_one(call, false)
}

pub(super) fn zpopmax(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_from_one(call, true)
}

fn pop_from_one(call: &mut Call<'_>, highest: bool) -> Result<(), CommandError> {
    let key = call.arg(1);
    let count = match call.args.len() {
        2 => None,
        3 => Some(count_at_least(call, 2, 0, "ERR value is out of range, must be positive")?),
        _ => return Err(CommandError::SYNTAX),
    };
    let popped = call.edit(key, |zset: &mut Zset| pop(zset, highest, count.unwrap_or(1)))?;
    let popped = popped.unwrap_or_default();
    call.changed_by(key, popped.len());
    if !popped.is_empty() {
        call.notify(event::ZSET, popped_event(highest), key);
    }
    let members: Vec<_> = popped.iter().map(|(member, score)| (member, *score)).collect();
    match members[..] {
        // Without a count the one pair is not in an array of its own.
        [(member, score)] if count.is_none() => {
            call.reply.array(2);
            call.reply.bulk(member);
            reply_score(call, score);
        }
        _ => reply_members(call, &members, true),
    }
    Ok(())
}

pub(super) fn zmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wish = PopFromFirst::read(call, 1)?;
    if !wish.run(call)? {
        call.reply.null_array();
    }
    Ok(())
}

/// What ZMPOP and BZMPOP ask for: some members of the first sorted set that has any.
#[derive(Debug)]
struct PopFromFirst<'a> {
    keys: &'a [&'a [u8]],
    highest: bool,
    count: usize,
}

impl<'a> PopFromFirst<'a> {
    /// Reads it from the word on that says how many keys there are.
    fn read(call: &Call<'a>, index: usize) -> Result<Self, CommandError> {
        let (keys, after) = several_keys(call, index, "ERR numkeys should be greater than 0")?;
        let highest = call.is(after, "MAX");
        if !highest && !call.is(after, "MIN") {
            return Err(CommandError::SYNTAX);
        }
        let count = count_to_pop(call, after + 1)?;
        Ok(Self { keys, highest, count })
    }

    /// Answers and returns true if there was anything.
    fn run(&self, call: &mut Call<'_>) -> Result<bool, CommandError> {
        for key in call.worth_a_look(self.keys) {
            let take = |zset: &mut Zset| pop(zset, self.highest, self.count);
            let Some(popped) = call.edit(key, take)? else { continue };
            call.changed_by(key, popped.len());
            call.notify(event::ZSET, popped_event(self.highest), key);
            let word = if self.highest { "ZPOPMAX" } else { "ZPOPMIN" };
            call.replicate_as(&[word.as_bytes(), key, popped.len().to_string().as_bytes()]);
            call.reply.array(2);
            call.reply.bulk(key);
            call.reply.array(popped.len());
            for (member, score) in popped {
                call.reply.array(2);
                call.reply.bulk(member);
                reply_score(call, score);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

pub(super) fn bzpopmin(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_or_wait(call, false, "ZPOPMIN")
}

pub(super) fn bzpopmax(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_or_wait(call, true, "ZPOPMAX")
}

fn pop_or_wait(call: &mut Call<'_>, highest: bool, effect: &str) -> Result<(), CommandError> {
    let last = call.args.len() - 1;
    let keys = &call.args[1..last];
    let timeout = timeout_ms(call, last)?;
    for key in call.worth_a_look(keys) {
        let popped = call.edit(key, |zset: &mut Zset| pop(zset, highest, 1))?.unwrap_or_default();
        let Some((member, score)) = popped.first() else { continue };
        call.changed(key);
        call.notify(event::ZSET, popped_event(highest), key);
        call.replicate_as(&[effect.as_bytes(), key]);
        call.reply.array(3);
        call.reply.bulk(key);
        call.reply.bulk(member);
        reply_score(call, *score);
        return Ok(());
    }
    if !call.wait_for(Kind::Zset, keys, timeout) {
        call.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wish = PopFromFirst::read(call, 2)?;
    let timeout = timeout_ms(call, 1)?;
    if !wish.run(call)? && !call.wait_for(Kind::Zset, wish.keys, timeout) {
        call.reply.null_array();
    }
    Ok(())
}
