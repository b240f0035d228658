//! Several whole strings at once.

use crate::command::{Call, CommandError, event};
use crate::keyspace::Value;

pub(super) fn mget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let keys = &call.args[1..];
    call.reply.array(keys.len());
    for key in keys {
        match call.read(key).and_then(|value| value.as_text()) {
            Some(text) => call.reply.bulk(text),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_pairs(call, "mset")?;
    store_all(call);
    call.reply.ok();
    Ok(())
}

pub(super) fn msetnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_pairs(call, "msetnx")?;
    let keys = call.args[1..].iter().step_by(2);
    // Each is looked at, so that one whose time has come is deleted even if another is there.
    let taken = keys.filter(|key| call.exists(key)).count();
    let free = taken == 0;
    if free {
        store_all(call);
    }
    call.reply.int(free.into());
    Ok(())
}

fn check_pairs(call: &Call<'_>, name: &str) -> Result<(), CommandError> {
    if call.args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(name));
    }
    Ok(())
}

fn store_all(call: &mut Call<'_>) {
    for pair in call.args[1..].chunks_exact(2) {
        call.store(pair[0], Value::string(pair[1]), false);
        call.notify(event::STRING, "set", pair[0]);
    }
}
