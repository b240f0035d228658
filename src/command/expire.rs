//! When keys expire.

use super::flags::{FAST, READONLY, WRITE};
use super::time::{Clock, invalid_expire, past};
use super::{Call, CommandError, Group, Keys, Run, Spec, event};
use crate::base::text::shown;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "EXPIRE",
        arity: -3,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Sets the time to live of a key in seconds.",
        run: expire,
    },
    Spec {
        name: "PEXPIRE",
        arity: -3,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.6.0",
        doc: "Sets the time to live of a key in milliseconds.",
        run: pexpire,
    },
    Spec {
        name: "EXPIREAT",
        arity: -3,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.2.0",
        doc: "Sets when a key expires, in seconds since the epoch.",
        run: expireat,
    },
    Spec {
        name: "PEXPIREAT",
        arity: -3,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.6.0",
        doc: "Sets when a key expires, in milliseconds since the epoch.",
        run: pexpireat,
    },
    Spec {
        name: "TTL",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Tells the time to live of a key in seconds.",
        run: ttl,
    },
    Spec {
        name: "PTTL",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.6.0",
        doc: "Tells the time to live of a key in milliseconds.",
        run: pttl,
    },
    Spec {
        name: "EXPIRETIME",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "7.0.0",
        doc: "Tells when a key expires, in seconds since the epoch.",
        run: expiretime,
    },
    Spec {
        name: "PEXPIRETIME",
        arity: 2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "7.0.0",
        doc: "Tells when a key expires, in milliseconds since the epoch.",
        run: pexpiretime,
    },
    Spec {
        name: "PERSIST",
        arity: 2,
        flags: WRITE | FAST,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "2.2.0",
        doc: "Makes a key stay for ever.",
        run: persist,
    },
];

/// On what present expiry time a new one depends.
#[derive(Debug, Default)]
struct Conditions {
    only_if_none: bool,
    only_if_some: bool,
    only_if_later: bool,
    only_if_earlier: bool,
}

impl Conditions {
    fn read(call: &Call<'_>) -> Result<Self, CommandError> {
        let mut conditions = Self::default();
        for index in 3..call.args.len() {
            if call.is(index, "NX") {
                conditions.only_if_none = true;
            } else if call.is(index, "XX") {
                conditions.only_if_some = true;
            } else if call.is(index, "GT") {
                conditions.only_if_later = true;
            } else if call.is(index, "LT") {
                conditions.only_if_earlier = true;
            } else {
                let option = shown(call.arg(index));
                return Err(CommandError::new(format!("ERR Unsupported option {option}")));
            }
        }
        let Self { only_if_none, only_if_some, only_if_later, only_if_earlier } = conditions;
        if only_if_none && (only_if_some || only_if_later || only_if_earlier) {
            return Err(CommandError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if only_if_later && only_if_earlier {
            return Err(CommandError::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// Whether the new time may replace the present one. A key that does not expire counts as one
    /// that expires after all others.
    fn allow(&self, present: Option<i64>, new: i64) -> bool {
        !(self.only_if_none && present.is_some()
            || self.only_if_some && present.is_none()
            || self.only_if_later && present.is_none_or(|present| new <= present)
            || self.only_if_earlier && present.is_some_and(|present| new >= present))
    }
}

fn expire(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_on(call, Clock::SECONDS)
}

fn pexpire(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_on(call, Clock::MILLIS)
}

fn expireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_on(call, Clock::SECONDS_AT)
}

fn pexpireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_on(call, Clock::MILLIS_AT)
}

fn expire_on(call: &mut Call<'_>, clock: Clock) -> Result<(), CommandError> {
    let key = call.arg(1);
    let conditions = Conditions::read(call)?;
    let at = clock.at(call.int(2)?, call.now_ms).ok_or_else(|| invalid_expire(call))?;
    let allowed = call.exists(key) && conditions.allow(call.expiry_of(key), at);
    call.reply.int(allowed.into());
    if !allowed {
        return Ok(());
    }
    if past(call, at) {
        call.delete(key);
        call.replicate_as(&[call.lazy.expire(), key]);
        return Ok(());
    }
    call.db_mut().set_expiry(key, Some(at));
    call.changed(key);
    call.notify(event::GENERIC, "expire", key);
    if clock != Clock::MILLIS_AT {
        let at = at.to_string();
        let fixed = [b"PEXPIREAT", key, at.as_bytes()];
        let words: Vec<_> = fixed.iter().chain(&call.args[3..]).collect();
        call.replicate_as(&words);
    }
    Ok(())
}

fn ttl(call: &mut Call<'_>) -> Result<(), CommandError> {
    let now_ms = call.now_ms;
    reply_expiry(call, |at| ((at - now_ms).max(0) + 500) / 1000)
}

fn pttl(call: &mut Call<'_>) -> Result<(), CommandError> {
    let now_ms = call.now_ms;
    reply_expiry(call, |at| (at - now_ms).max(0))
}

fn expiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply_expiry(call, |at| at.saturating_add(500) / 1000)
}

fn pexpiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    reply_expiry(call, |at| at)
}

/// Answers what `show` makes of the expiry time; -1 if the key stays, -2 if there is none.
fn reply_expiry(call: &mut Call<'_>, show: impl Fn(i64) -> i64) -> Result<(), CommandError> {
    let key = call.arg(1);
    let answer = match call.glance(key) {
        None => -2,
        Some(_) => call.expiry_of(key).map_or(-1, show),
    };
    call.reply.int(answer);
    Ok(())
}

fn persist(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let was_set = call.exists(key) && call.db_mut().set_expiry(key, None).is_some();
    if was_set {
        call.changed(key);
        call.notify(event::GENERIC, "persist", key);
    }
    call.reply.int(was_set.into());
    Ok(())
}
