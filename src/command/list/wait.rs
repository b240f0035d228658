//! Commands that take from a list and wait for one if there is none.

use super::{PopFromFirst, end_at, move_item, popped};
use crate::command::options::timeout_ms;
use crate::command::{Call, CommandError, event};
use crate::keyspace::Kind;
use crate::keyspace::types::{End, List};

pub(super) fn blpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_or_wait(call, End::Left, "LPOP")
}

pub(super) fn brpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_or_wait(call, End::Right, "RPOP")
}

fn pop_or_wait(call: &mut Call<'_>, end: End, effect: &str) -> Result<(), CommandError> {
    let last = call.args.len() - 1;
    let keys = &call.args[1..last];
    let timeout = timeout_ms(call, last)?;
    for key in call.worth_a_look(keys) {
        let Some(Some(item)) = call.edit(key, |list: &mut List| list.pop(end))? else { continue };
        call.changed(key);
        call.notify(event::LIST, popped(end), key);
        call.replicate_as(&[effect.as_bytes(), key]);
        call.reply.array(2);
        call.reply.bulk(key);
        call.reply.bulk(item);
        return Ok(());
    }
    if !call.wait_for(Kind::List, keys, timeout) {
        call.reply.null_array();
    }
    Ok(())
}

pub(super) fn blmove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (from, to) = (end_at(call, 3)?, end_at(call, 4)?);
    let timeout = timeout_ms(call, 5)?;
    if !move_item(call, from, to)? {
        return wait_for_source(call, timeout);
    }
    // Redis spells the ends anew for a client that waited.
    let waited = call.ready.is_some();
    let spelt = |index, end| match (waited, end) {
        (false, _) => call.arg(index),
        (true, End::Left) => b"left",
        (true, End::Right) => b"right",
    };
    call.replicate_as(&[b"LMOVE", call.arg(1), call.arg(2), spelt(3, from), spelt(4, to)]);
    Ok(())
}

pub(super) fn brpoplpush(call: &mut Call<'_>) -> Result<(), CommandError> {
    let timeout = timeout_ms(call, 3)?;
    if !move_item(call, End::Right, End::Left)? {
        return wait_for_source(call, timeout);
    }
    call.replicate_as(&[b"RPOPLPUSH", call.arg(1), call.arg(2)]);
    Ok(())
}

fn wait_for_source(call: &mut Call<'_>, timeout_ms: u64) -> Result<(), CommandError> {
    if !call.wait_for(Kind::List, &call.args[1..2], timeout_ms) {
        call.reply.null();
    }
    Ok(())
}

pub(super) fn blmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wish = PopFromFirst::read(call, 2)?;
    let timeout = timeout_ms(call, 1)?;
    if !wish.run(call)? && !call.wait_for(Kind::List, wish.keys, timeout) {
        call.reply.null_array();
    }
    Ok(())
}
