//! Parts of a sorted set: ZRANGE, and the commands that it has made superfluous.

use super::bounds::{self, NameBound, ScoreBound};
use super::reply_members;
use crate::command::options::range_in;
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::{Collection, Zset};

/// By what a range goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// What is asked of a range. `None` where the words may still say it.
#[derive(Debug, Clone, Copy)]
struct Ask {
    by: Option<By>,
    reverse: Option<bool>,
    with_scores: bool,
    /// How many to leave out, and how many to answer at most.
    limit: Option<(i64, i64)>,
    /// Whether the result is stored, so that scores cannot be asked for.
    store: bool,
}

impl Ask {
    const OPEN: Self =
        Self { by: None, reverse: None, with_scores: false, limit: None, store: false };

    const fn fixed(by: By, reverse: bool) -> Self {
        Self { by: Some(by), reverse: Some(reverse), ..Self::OPEN }
    }

    fn is_reverse(self) -> bool {
        self.reverse.unwrap_or(false)
    }
}

pub(super) fn zrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::OPEN)
}

pub(super) fn zrevrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::fixed(By::Rank, true))
}

pub(super) fn zrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::fixed(By::Score, false))
}

pub(super) fn zrevrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::fixed(By::Score, true))
}

pub(super) fn zrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::fixed(By::Name, false))
}

pub(super) fn zrevrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply(call, Ask::fixed(By::Name, true))
}

pub(super) fn zrangestore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let target = call.arg(1);
    let ask = read_options(call, Ask { store: true, ..Ask::OPEN }, 5)?;
    let limits = Limits::read(call, ask, 3)?;
    let zset = call.read_as::<Zset>(call.arg(2))?.unwrap_or_default();
    let found = limits.find(&zset, ask);
    // Of ranks it is known beforehand how many there will be.
    let is_by_rank = !matches!(ask.by, Some(By::Score | By::Name));
    let mut result = match found.len() {
        count if is_by_rank && count > call.packing.zset_members_max => Zset::unpacked(),
        _ => Zset::default(),
    };
    for (member, score) in found {
        result.make_room(member, call.packing);
        result.insert(member.clone(), score);
    }
    let len = result.len();
    if len == 0 {
        call.delete(target);
    } else {
        call.store(target, result.into_value(), false);
        call.notify(event::ZSET, "zrangestore", target);
    }
    call.reply.count(len);
    Ok(())
}

fn reply(call: &mut Call<'_>, ask: Ask) -> Result<(), CommandError> {
    let ask = read_options(call, ask, 4)?;
    let limits = Limits::read(call, ask, 2)?;
    let zset = call.read_as::<Zset>(call.arg(1))?.unwrap_or_default();
    reply_members(call, &limits.find(&zset, ask), ask.with_scores);
    Ok(())
}

fn read_options(call: &Call<'_>, mut ask: Ask, first: usize) -> Result<Ask, CommandError> {
    let mut index = first;
    while index < call.args.len() {
        if call.is(index, "WITHSCORES") && !ask.store {
            ask.with_scores = true;
        } else if call.is(index, "LIMIT") && index + 2 < call.args.len() {
            ask.limit = Some((call.int(index + 1)?, call.int(index + 2)?));
            index += 2;
        } else if call.is(index, "REV") && ask.reverse.is_none() {
            ask.reverse = Some(true);
        } else if call.is(index, "BYLEX") && ask.by.is_none() {
            ask.by = Some(By::Name);
        } else if call.is(index, "BYSCORE") && ask.by.is_none() {
            ask.by = Some(By::Score);
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    let by = ask.by.unwrap_or(By::Rank);
    // A count of -1 is as good as no LIMIT.
    if ask.limit.is_some_and(|(_, count)| count != -1) && by == By::Rank {
        return Err(CommandError::fixed(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if ask.with_scores && by == By::Name {
        return Err(CommandError::fixed(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    Ok(ask)
}

/// A range as its words say it.
#[derive(Debug)]
enum Limits<'a> {
    Ranks(i64, i64),
    Scores((ScoreBound, ScoreBound)),
    Names((NameBound<'a>, NameBound<'a>)),
}

impl<'a> Limits<'a> {
    /// Reads the two limits at `index`.
    fn read(call: &Call<'a>, ask: Ask, index: usize) -> Result<Self, CommandError> {
        let (start, end) = (call.arg(index), call.arg(index + 1));
        // Ranks are counted from the back, but values are named the other way round.
        let (min, max) = if ask.is_reverse() { (end, start) } else { (start, end) };
        Ok(match ask.by.unwrap_or(By::Rank) {
            By::Rank => Self::Ranks(call.int(index)?, call.int(index + 1)?),
            By::Score => Self::Scores(bounds::score_bounds(min, max)?),
            By::Name => Self::Names(bounds::name_bounds(min, max)?),
        })
    }

    /// The members between the limits that are asked for.
    fn find<'z>(&self, zset: &'z Zset, ask: Ask) -> Vec<(&'z Blob, f64)> {
        let len = zset.len();
        let range = match *self {
            Self::Ranks(start, end) if ask.is_reverse() => {
                let range = range_in(len, start, end);
                len - range.end..len - range.start
            }
            Self::Ranks(start, end) => range_in(len, start, end),
            Self::Scores(bounds) => bounds::by_score(zset, bounds),
            Self::Names(bounds) => bounds::by_name(zset, bounds),
        };
        let limit = ask.limit.filter(|_| !matches!(self, Self::Ranks(..)));
        let (skip, max) = limits(limit, range.len());
        if !ask.is_reverse() {
            let start = range.start + skip;
            return zset.range(start..start + max);
        }
        let end = range.end - skip;
        let mut found = zset.range(end - max..end);
        found.reverse();
        found
    }
}

/// How many of `len` to leave out, and how many of the rest to take. A negative number of those
/// left out leaves out all, one of those taken takes all.
fn limits(limit: Option<(i64, i64)>, len: usize) -> (usize, usize) {
    let (skip, max) = limit.unwrap_or((0, -1));
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(len);
    (skip, usize::try_from(max).unwrap_or(usize::MAX).min(len - skip))
}
