//! What was delivered and not acknowledged: XPENDING.

use super::ids::{interval_end, interval_start};
use super::{no_group, reply_id};
use crate::command::{Call, CommandError};
use crate::keyspace::types::stream::{Consumer, Group, Pending};
use crate::keyspace::types::{Stream, StreamId};

/// Which entries are asked for.
#[derive(Debug)]
struct Filter<'a> {
    idle_ms_min: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn read(call: &Call<'a>) -> Result<Self, CommandError> {
        let (mut idle_ms_min, mut first) = (0, 3);
        if call.is(3, "IDLE") {
            idle_ms_min = call.int(4)?;
            if call.args.len() < 8 {
                return Err(CommandError::SYNTAX);
            }
            first = 5;
        }
        let count = call.int(first + 2)?.max(0) as usize;
        let start = interval_start(call.arg(first))?;
        let end = interval_end(call.arg(first + 1))?;
        let consumer = call.args.get(first + 3).copied();
        Ok(Self { idle_ms_min, start, end, count, consumer })
    }

    fn find<'g>(&self, group: &'g Group, now_ms: i64) -> Vec<(StreamId, &'g Pending)> {
        let is_wanted = |(_, pending): &(StreamId, &Pending)| {
            let idle_ms = now_ms.saturating_sub(pending.delivered_at);
            self.idle_ms_min == 0 || idle_ms >= self.idle_ms_min
        };
        let in_group = |id: &StreamId| group.pending().get(id).map(|pending| (*id, pending));
        match self.consumer {
            // An interval of nothing is no range.
            _ if self.start > self.end => Vec::new(),
            None => {
                let range = group.pending().range(self.start..=self.end);
                range
                    .map(|(id, pending)| (*id, pending))
                    .filter(is_wanted)
                    .take(self.count)
                    .collect()
            }
            Some(name) => {
                let ids = group.consumers().get(name).map(Consumer::pending);
                let range = ids.into_iter().flat_map(|ids| ids.range(self.start..=self.end));
                range.filter_map(in_group).filter(is_wanted).take(self.count).collect()
            }
        }
    }
}

pub(super) fn xpending(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, name) = (call.arg(1), call.arg(2));
    let filter = match call.args.len() {
        3 => None,
        6..=9 => Some(Filter::read(call)?),
        _ => return Err(CommandError::SYNTAX),
    };
    let stream = call.read_as::<Stream>(key)?;
    let group = stream.as_ref().and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key, name, ""))?;
    match filter {
        None => reply_summary(call, group),
        Some(filter) => {
            let found = filter.find(group, call.now_ms);
            call.reply.array(found.len());
            for (id, pending) in found {
                call.reply.array(4);
                reply_id(call.reply, id);
                call.reply.bulk(&pending.consumer);
                call.reply.int(call.now_ms.saturating_sub(pending.delivered_at).max(0));
                call.reply.int(pending.deliveries as i64);
            }
        }
    }
    Ok(())
}

/// How many there are, the first and the last, and how many each consumer has.
fn reply_summary(call: &mut Call<'_>, group: &Group) {
    let reply = &mut *call.reply;
    reply.array(4);
    reply.count(group.pending().len());
    let (first, last) = (group.pending().keys().next(), group.pending().keys().next_back());
    let (Some(first), Some(last)) = (first, last) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, *first);
    reply_id(reply, *last);
    let consumers = group.consumers().iter().filter(|(_, c)| !c.pending().is_empty());
    reply.array(consumers.clone().count());
    for (name, consumer) in consumers {
        reply.array(2);
        reply.bulk(name);
        reply.bulk_int(consumer.pending().len() as i64);
    }
}
