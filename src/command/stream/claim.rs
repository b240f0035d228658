//! Taking over what other consumers were given: XCLAIM, XAUTOCLAIM.

use std::ops::Bound;

use super::ids::{id, interval_start};
use super::{CREATE_CONSUMER, no_group, replicate_claim, replicate_place, reply_entry, reply_id};
use crate::base::number;
use crate::base::text::shown;
use crate::command::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::stream::{Group, Pending};
use crate::keyspace::types::{Stream, StreamId};

/// How a consumer takes over.
#[derive(Debug)]
struct Claim<'a> {
    consumer: &'a [u8],
    /// Only what was delivered so long ago.
    idle_ms_min: i64,
    /// When it is said to have been delivered.
    delivered_at: i64,
    /// How often it is said to have been delivered; if not said, once more than before.
    deliveries: Option<u64>,
    /// Also what is not pending.
    force: bool,
    /// Answers IDs only, and does not count as a delivery.
    just_id: bool,
    now_ms: i64,
}

/// What became of an entry.
#[derive(Debug)]
enum Outcome {
    Claimed(Pending),
    /// There is no such entry any more: it is not pending any more either.
    Gone(Pending),
    Left,
}

impl Claim<'_> {
    fn apply(&self, stream: &mut Stream, group: &[u8], id: StreamId) -> Outcome {
        let exists = stream.get(id).is_some();
        let claim = |group: &mut Group| self.apply_to(group, id, exists);
        stream.edit_group(group, claim).unwrap_or(Outcome::Left)
    }

    fn apply_to(&self, group: &mut Group, id: StreamId, exists: bool) -> Outcome {
        if !exists {
            return group.release(id).map_or(Outcome::Left, Outcome::Gone);
        }
        let before = match group.pending().get(&id) {
            Some(pending) if !self.is_idle(pending) => return Outcome::Left,
            Some(pending) => pending.deliveries,
            None if self.force => 1,
            None => return Outcome::Left,
        };
        let again = if self.just_id { before } else { before.wrapping_add(1) };
        let pending = Pending {
            consumer: Blob::from(self.consumer),
            delivered_at: self.delivered_at,
            deliveries: self.deliveries.unwrap_or(again),
        };
        group.see_consumer(self.consumer, self.now_ms);
        group.assign(id, pending.clone());
        Outcome::Claimed(pending)
    }

    fn is_of_new_consumer(&self, stream: &Stream, group: &[u8]) -> bool {
        stream.group(group).is_some_and(|group| !group.consumers().contains_key(self.consumer))
    }

    /// Clocks may differ, and a claim that does not ask for idleness must succeed whatever they say.
    fn is_idle(&self, pending: &Pending) -> bool {
        let idle_ms = self.now_ms.saturating_sub(pending.delivered_at);
        self.idle_ms_min == 0 || idle_ms >= self.idle_ms_min
    }

    /// Answers entries, or their IDs only.
    fn reply(&self, call: &mut Call<'_>, claimed: &[StreamId]) -> Result<(), CommandError> {
        call.reply.array(claimed.len());
        if self.just_id {
            claimed.iter().for_each(|id| reply_id(call.reply, *id));
            return Ok(());
        }
        let stream = call.peek_as::<Stream>(call.arg(1))?.unwrap_or_default();
        for id in claimed {
            stream.get(*id).iter().for_each(|entry| reply_entry(call.reply, entry));
        }
        Ok(())
    }
}

pub(super) fn xclaim(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.replicate_nothing();
    let (key, name) = (call.arg(1), call.arg(2));
    let stream = require_group(call)?;
    let idle_ms_min = idle_ms_min(call, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let ids: Vec<_> = call.args[5..].iter().map_while(|word| id(word, 0).ok()).collect();
    let (claim, last_id) = read_options(call, 5 + ids.len(), idle_ms_min)?;
    let is_new = claim.is_of_new_consumer(&stream, name);
    drop(stream);
    let claimed = call.edit(key, |stream: &mut Stream| {
        let moved = stream.edit_group(name, |group| {
            let is_ahead = last_id > group.last_id;
            group.last_id = group.last_id.max(last_id);
            is_ahead
        });
        let outcomes: Vec<_> = ids.iter().map(|id| claim.apply(stream, name, *id)).collect();
        stream.group(name).map(|group| {
            (moved.unwrap_or(false), outcomes, Group::new(group.last_id, group.entries_read))
        })
    })?;
    let Some((moved, outcomes, place)) = claimed.flatten() else { return Ok(()) };
    let mut claimed = Vec::new();
    let changes = call.effect.changes;
    for ((id, word), outcome) in ids.into_iter().zip(&call.args[5..]).zip(outcomes) {
        let pending = match outcome {
            Outcome::Claimed(pending) => {
                claimed.push(id);
                pending
            }
            Outcome::Gone(pending) => pending,
            Outcome::Left => continue,
        };
        call.effect.changes += 1;
        replicate_claim(call, [key, name], word, &pending, place.last_id);
    }
    if moved && call.effect.changes == changes {
        call.effect.changes += 1;
        replicate_place(call, key, name, &place);
    }
    if is_new && !claimed.is_empty() {
        call.notify(event::STREAM, CREATE_CONSUMER, key);
    }
    claim.reply(call, &claimed)
}

/// The words after the IDs, and the ID to which the group is to move on.
fn read_options<'a>(
    call: &Call<'a>,
    first: usize,
    idle_ms_min: i64,
) -> Result<(Claim<'a>, StreamId), CommandError> {
    let now_ms = call.now_ms;
    let (mut claim, mut last_id) = (claim_now(call, idle_ms_min), StreamId::MIN);
    let mut delivered_at = None;
    let mut index = first;
    while index < call.args.len() {
        let has_value = index + 1 < call.args.len();
        let option = call.arg(index);
        if call.is(index, "FORCE") {
            claim.force = true;
        } else if call.is(index, "JUSTID") {
            claim.just_id = true;
        } else if has_value && call.is(index, "IDLE") {
            let idle = number(call, index + 1, "ERR Invalid IDLE option argument for XCLAIM")?;
            delivered_at = Some(now_ms.wrapping_sub(idle));
        } else if has_value && call.is(index, "TIME") {
            let text = "ERR Invalid TIME option argument for XCLAIM";
            delivered_at = Some(number(call, index + 1, text)?);
        } else if has_value && call.is(index, "RETRYCOUNT") {
            let text = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
            claim.deliveries = u64::try_from(number(call, index + 1, text)?).ok();
        } else if has_value && call.is(index, "LASTID") {
            last_id = id(call.arg(index + 1), 0)?;
        } else {
            let option = shown(option);
            return Err(CommandError::new(format!("ERR Unrecognized XCLAIM option '{option}'")));
        }
        let is_flag = call.is(index, "FORCE") || call.is(index, "JUSTID");
        index += if is_flag { 1 } else { 2 };
    }
    // What cannot be is taken as now: clients compute it from clocks of their own.
    claim.delivered_at = delivered_at.filter(|at| (0..=now_ms).contains(at)).unwrap_or(now_ms);
    Ok((claim, last_id))
}

fn claim_now<'a>(call: &Call<'a>, idle_ms_min: i64) -> Claim<'a> {
    Claim {
        consumer: call.arg(3),
        idle_ms_min,
        delivered_at: call.now_ms,
        deliveries: None,
        force: false,
        just_id: false,
        now_ms: call.now_ms,
    }
}

pub(super) fn xautoclaim(call: &mut Call<'_>) -> Result<(), CommandError> {
    /// So many pending entries are looked at for each that may be claimed.
    const LOOKS: usize = 10;
    call.replicate_nothing();
    let (key, name) = (call.arg(1), call.arg(2));
    let idle_ms_min = idle_ms_min(call, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = interval_start(call.arg(5))?;
    let (claim, count) = read_auto_options(call, idle_ms_min)?;
    let stream = require_group(call)?;
    let Some(group) = stream.group(name) else { return Ok(()) };
    let candidates = group.pending().range(start..).take(count.saturating_mul(LOOKS));
    let candidates: Vec<_> = candidates.map(|(id, _)| *id).collect();
    let last_id = group.last_id;
    let is_new = claim.is_of_new_consumer(&stream, name);
    drop(stream);

    let (mut claimed, mut gone, mut looked_at) = (Vec::new(), Vec::new(), None);
    for candidate in candidates {
        if claimed.len() + gone.len() == count {
            break;
        }
        looked_at = Some(candidate);
        let outcome = call.edit(key, |stream: &mut Stream| claim.apply(stream, name, candidate))?;
        let pending = match outcome {
            Some(Outcome::Claimed(pending)) => {
                claimed.push(candidate);
                pending
            }
            Some(Outcome::Gone(pending)) => {
                gone.push(candidate);
                pending
            }
            _ => continue,
        };
        call.effect.changes += 1;
        replicate_claim(call, [key, name], candidate.to_string().as_bytes(), &pending, last_id);
    }
    if is_new && !claimed.is_empty() {
        call.notify(event::STREAM, CREATE_CONSUMER, key);
    }
    let stream = call.peek_as::<Stream>(key)?.unwrap_or_default();
    let next = looked_at.zip(stream.group(name)).and_then(|(looked_at, group)| {
        let after = (Bound::Excluded(looked_at), Bound::Unbounded);
        group.pending().range(after).next().map(|(id, _)| *id)
    });
    call.reply.array(3);
    reply_id(call.reply, next.unwrap_or(StreamId::MIN));
    claim.reply(call, &claimed)?;
    call.reply.array(gone.len());
    gone.iter().for_each(|id| reply_id(call.reply, *id));
    Ok(())
}

/// How to claim, and how many entries.
fn read_auto_options<'a>(
    call: &Call<'a>,
    idle_ms_min: i64,
) -> Result<(Claim<'a>, usize), CommandError> {
    const COUNT_DEFAULT: usize = 100;
    const COUNT_MAX: i64 = i64::MAX / 16;
    let (mut claim, mut count, mut index) = (claim_now(call, idle_ms_min), COUNT_DEFAULT, 6);
    while index < call.args.len() {
        if index + 1 < call.args.len() && call.is(index, "COUNT") {
            let given = number::parse_i64(call.arg(index + 1));
            let given = given.filter(|count| (1..=COUNT_MAX).contains(count));
            count = given.ok_or(CommandError::fixed("ERR COUNT must be > 0"))? as usize;
            index += 2;
        } else if call.is(index, "JUSTID") {
            claim.just_id = true;
            index += 1;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok((claim, count))
}

fn require_group(call: &mut Call<'_>) -> Result<std::sync::Arc<Stream>, CommandError> {
    let (key, group) = (call.arg(1), call.arg(2));
    let stream = call.read_as::<Stream>(key)?;
    let has_group = |stream: &std::sync::Arc<Stream>| stream.group(group).is_some();
    stream.filter(has_group).ok_or_else(|| no_group(key, group, ""))
}

fn idle_ms_min(call: &Call<'_>, text: &'static str) -> Result<i64, CommandError> {
    Ok(number(call, 4, text)?.max(0))
}

fn number(call: &Call<'_>, index: usize, text: &'static str) -> Result<i64, CommandError> {
    number::parse_i64(call.arg(index)).ok_or(CommandError::fixed(text))
}
