//! Looking at entries: XLEN, XRANGE, XREVRANGE.

use super::ids::{interval_end, interval_start};
use super::reply_entries;
use crate::command::{Call, CommandError};
use crate::keyspace::types::Stream;

pub(super) fn xlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = call.read_as::<Stream>(call.arg(1))?;
    call.reply.count(stream.map_or(0, |stream| stream.len()));
    Ok(())
}

pub(super) fn xrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    range(call, 2, 3)
}

pub(super) fn xrevrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    range(call, 3, 2)
}

fn range(call: &mut Call<'_>, start_at: usize, end_at: usize) -> Result<(), CommandError> {
    let start = interval_start(call.arg(start_at))?;
    let end = interval_end(call.arg(end_at))?;
    let mut count = usize::MAX;
    for index in (4..call.args.len()).step_by(2) {
        if !call.is(index, "COUNT") || index + 1 >= call.args.len() {
            return Err(CommandError::SYNTAX);
        }
        count = call.int(index + 1)?.max(0) as usize;
    }
    let Some(stream) = call.read_as::<Stream>(call.arg(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    if count == 0 {
        call.reply.null_array();
        return Ok(());
    }
    let entries: Vec<_> = if start_at < end_at {
        stream.range(start, end).take(count).collect()
    } else {
        stream.range_back(start, end).take(count).collect()
    };
    reply_entries(call.reply, &entries);
    Ok(())
}
