//! One whole string: GET, SET with its options, and the commands that SET has made superfluous.

use crate::command::time::{Clock, past};
use crate::command::{Call, CommandError, event};
use crate::keyspace::Value;

/// What SET and GETEX may be told besides key and value.
#[derive(Debug, Default)]
struct Options {
    only_if_absent: bool,
    only_if_there: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    /// The clock of an expiry time and the index of its word.
    expiry: Option<(Clock, usize)>,
}

pub(super) fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    let value = call.read(call.arg(1));
    reply_with(call, value.as_ref())
}

pub(super) fn set(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, value) = (call.arg(1), call.arg(2));
    let options = set_options(call)?;
    let at = options.expiry.map(|(clock, index)| clock.read(call, index)).transpose()?;
    if options.get {
        get(call)?;
    }
    let is_there = call.exists(key);
    if (options.only_if_absent && is_there) || (options.only_if_there && !is_there) {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    call.store(key, Value::string(value), options.keep_ttl);
    call.notify(event::STRING, "set", key);
    if let Some(at) = at {
        call.db_mut().set_expiry(key, Some(at));
        call.notify(event::GENERIC, "expire", key);
        replicate_with_expiry(call, key, value, at);
    } else if options.get {
        replicate_without_get(call);
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

pub(super) fn setnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let is_new = !call.exists(key);
    if is_new {
        call.store(key, Value::string(call.arg(2)), false);
        call.notify(event::STRING, "set", key);
    }
    call.reply.int(is_new.into());
    Ok(())
}

pub(super) fn setex(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_with_expiry(call, Clock::SECONDS)
}

pub(super) fn psetex(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_with_expiry(call, Clock::MILLIS)
}

fn set_with_expiry(call: &mut Call<'_>, clock: Clock) -> Result<(), CommandError> {
    let (key, value) = (call.arg(1), call.arg(3));
    let at = clock.read(call, 2)?;
    call.store(key, Value::string(value), false);
    call.db_mut().set_expiry(key, Some(at));
    call.notify(event::STRING, "set", key);
    call.notify(event::GENERIC, "expire", key);
    replicate_with_expiry(call, key, value, at);
    call.reply.ok();
    Ok(())
}

pub(super) fn getset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, value) = (call.arg(1), call.arg(2));
    get(call)?;
    call.store(key, Value::string(value), false);
    call.notify(event::STRING, "set", key);
    call.replicate_as(&[b"SET", key, value]);
    Ok(())
}

pub(super) fn getdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    get(call)?;
    if call.delete(key) {
        call.replicate_as(&[call.lazy.user_del(), key]);
    }
    Ok(())
}

pub(super) fn getex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let options = getex_options(call)?;
    let Some(value) = call.read(key) else {
        call.reply.null();
        return Ok(());
    };
    if value.as_text().is_none() {
        return Err(CommandError::WRONG_TYPE);
    }
    let at = options.expiry.map(|(clock, index)| clock.read(call, index)).transpose()?;
    reply_with(call, Some(&value))?;
    if let Some(at) = at {
        if past(call, at) {
            call.delete(key);
            call.replicate_as(&[call.lazy.expire(), key]);
        } else {
            call.db_mut().set_expiry(key, Some(at));
            call.changed(key);
            call.notify(event::GENERIC, "expire", key);
            call.replicate_as(&[b"PEXPIREAT", key, at.to_string().as_bytes()]);
        }
    } else if options.persist && call.db_mut().set_expiry(key, None).is_some() {
        call.changed(key);
        call.notify(event::GENERIC, "persist", key);
        call.replicate_as(&[b"PERSIST", key]);
    }
    Ok(())
}

fn reply_with(call: &mut Call<'_>, value: Option<&Value>) -> Result<(), CommandError> {
    match value {
        Some(Value::Str(bytes) | Value::Raw(bytes)) => call.reply.bulk(bytes),
        Some(Value::Int(n)) => call.reply.bulk_int(*n),
        None => call.reply.null(),
        Some(_) => return Err(CommandError::WRONG_TYPE),
    }
    Ok(())
}

fn set_options(call: &Call<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut index = 3;
    while index < call.args.len() {
        if call.is(index, "NX") && !options.only_if_there {
            options.only_if_absent = true;
        } else if call.is(index, "XX") && !options.only_if_absent {
            options.only_if_there = true;
        } else if call.is(index, "GET") {
            options.get = true;
        } else if call.is(index, "KEEPTTL") && options.expiry.is_none() {
            options.keep_ttl = true;
        } else {
            index = expiry_option(call, &mut options, index)?;
        }
        index += 1;
    }
    Ok(options)
}

fn getex_options(call: &Call<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut index = 2;
    while index < call.args.len() {
        if call.is(index, "PERSIST") && options.expiry.is_none() {
            options.persist = true;
        } else {
            index = expiry_option(call, &mut options, index)?;
        }
        index += 1;
    }
    Ok(options)
}

/// Reads `EX n` and its like; returns the index of its last word. The same clock may be named
/// twice, the last time counts.
fn expiry_option(
    call: &Call<'_>,
    options: &mut Options,
    index: usize,
) -> Result<usize, CommandError> {
    let clock = Clock::named(call.arg(index)).ok_or(CommandError::SYNTAX)?;
    let is_other = options.expiry.is_some_and(|(earlier, _)| earlier != clock);
    if is_other || options.keep_ttl || options.persist || index + 1 >= call.args.len() {
        return Err(CommandError::SYNTAX);
    }
    options.expiry = Some((clock, index + 1));
    Ok(index + 1)
}

fn replicate_with_expiry(call: &mut Call<'_>, key: &[u8], value: &[u8], at: i64) {
    call.replicate_as(&[b"SET", key, value, b"PXAT", at.to_string().as_bytes()]);
}

fn replicate_without_get(call: &mut Call<'_>) {
    let (fixed, options) = call.args.split_at(3);
    let options = options.iter().filter(|word| !word.eq_ignore_ascii_case(b"GET"));
    let words: Vec<_> = fixed.iter().chain(options).collect();
    call.replicate_as(&words);
}
