//! Finding keys without knowing their names.

use super::flags::{READONLY, TOUCHES_ARBITRARY_KEYS};
use super::{Call, CommandError, ExpiryRule, Group, Keys, Run, Spec};
use crate::base::glob;
use crate::base::text::until_nul;
use crate::keyspace::{Blob, Value};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "KEYS",
        arity: 2,
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "1.0.0",
        doc: "Returns all keys that match a pattern.",
        run: keys,
    },
    Spec {
        name: "SCAN",
        arity: -2,
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "2.8.0",
        doc: "Walks over the keys of the database, a few at a time.",
        run: scan,
    },
    Spec {
        name: "RANDOMKEY",
        arity: 1,
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        keys: Keys::NONE,
        group: Group::Generic,
        since: "1.0.0",
        doc: "Returns a random key.",
        run: randomkey,
    },
];

/// Keys that SCAN looks at unless told otherwise.
const SCAN_COUNT_DEFAULT: usize = 10;

/// Keys that RANDOMKEY draws on a replica before it takes one whose time has come: it may have no
/// other.
const RANDOM_DRAWS_MAX: usize = 100;

/// What a walk is asked for: SCAN and its like for collections.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// Where it goes on.
    pub cursor: u64,
    /// About how many elements to look at.
    pub count: usize,
    /// Only those that match.
    pub pattern: Option<&'a [u8]>,
    /// Only keys of this type.
    pub kind: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// Reads a cursor at `index` and the options after it. Only SCAN knows TYPE.
    pub fn read(call: &Call<'a>, index: usize) -> Result<Self, CommandError> {
        let cursor = read_cursor(call.arg(index))?;
        let mut walk = Self { cursor, count: SCAN_COUNT_DEFAULT, pattern: None, kind: None };
        for option in (index + 1..call.args.len()).step_by(2) {
            let value = call.args.get(option + 1).ok_or(CommandError::SYNTAX)?;
            if call.is(option, "COUNT") {
                let count = usize::try_from(call.int(option + 1)?).unwrap_or(0);
                walk.count = if count == 0 { return Err(CommandError::SYNTAX) } else { count };
            } else if call.is(option, "MATCH") {
                walk.pattern = Some(value);
            } else if call.is(option, "TYPE") && index == 1 {
                walk.kind = Some(value);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(walk)
    }

    /// Answers a walk over what is not there.
    pub fn reply_nothing(call: &mut Call<'_>) {
        call.reply.array(2);
        call.reply.bulk("0");
        call.reply.array(0);
    }

    /// Whether an element of this name is asked for.
    pub fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }

    fn wants_kind(&self, value: &Value) -> bool {
        let word = value.kind().word().as_bytes();
        self.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(word))
    }
}

/// A cursor as C reads an unsigned number: up to a NUL, a sign is allowed, a negative number wraps.
pub(super) fn read_cursor(word: &[u8]) -> Result<u64, CommandError> {
    let invalid = CommandError::fixed("ERR invalid cursor");
    let word = until_nul(word);
    let (negative, digits) = match word {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.first().is_some_and(|digit| !digit.is_ascii_digit()) {
        return Err(invalid);
    }
    // No digits at all are a zero, as in C.
    let text = std::str::from_utf8(digits).unwrap_or("?");
    let n: u64 = if word.is_empty() { 0 } else { text.parse().map_err(|_| invalid)? };
    Ok(if negative { n.wrapping_neg() } else { n })
}

fn keys(call: &mut Call<'_>) -> Result<(), CommandError> {
    let pattern = call.arg(1);
    let later = call.reply.array_later();
    let mut count = 0;
    for (key, _, expiry) in call.keyspace.db(call.db).iter() {
        if glob::matches(pattern, key) && !expiry.is_some_and(|at| call.is_over(at)) {
            call.reply.bulk(key);
            count += 1;
        }
    }
    call.reply.end_array(later, count);
    Ok(())
}

fn scan(call: &mut Call<'_>) -> Result<(), CommandError> {
    let walk = Walk::read(call, 1)?;
    let (mut found, mut over): (Vec<Blob>, Vec<Blob>) = (Vec::new(), Vec::new());
    let db = call.keyspace.db(call.db);
    let next = db.scan(walk.cursor, walk.count, |key, value, expiry| {
        if walk.wants(key) {
            if expiry.is_some_and(|at| call.is_over(at)) {
                over.push(key.clone());
            } else if walk.wants_kind(value) {
                found.push(key.clone());
            }
        }
    });
    for key in over {
        call.expire(&key);
    }
    call.reply.array(2);
    call.reply.bulk(next.to_string());
    call.reply.array(found.len());
    for key in found {
        call.reply.bulk(key);
    }
    Ok(())
}

fn randomkey(call: &mut Call<'_>) -> Result<(), CommandError> {
    for draw in 1.. {
        let Some(key) = call.keyspace.db(call.db).random_key(call.dice).cloned() else { break };
        let is_over = call.expiry_of(&key).is_some_and(|at| call.is_over(at));
        if !is_over || (call.expiry == ExpiryRule::Hide && draw >= RANDOM_DRAWS_MAX) {
            call.reply.bulk(key);
            return Ok(());
        }
        call.expire(&key);
    }
    call.reply.null();
    Ok(())
}
