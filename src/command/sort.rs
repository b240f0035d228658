//! SORT: the elements of a list, a set or a sorted set, in the order of themselves or of other
//! keys.
//!
//! # Differences from Redis
//!
//! ALPHA compares bytes, whatever the locale. With BY, elements of equal weights stay in their order.

use std::cmp::Ordering;

use super::flags::{DENYOOM, MOVABLE_KEYS, READONLY, WRITE};
use super::options::{lenient_score, range_in};
use super::{Call, CommandError, Group, Keys, Run, Spec, event};
use crate::base::text::until_nul;
use crate::keyspace::types::{Collection, List, Zset};
use crate::keyspace::{Blob, Value};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "SORT",
        arity: -2,
        flags: WRITE | DENYOOM | MOVABLE_KEYS,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "1.0.0",
        doc: "Returns or stores the elements of a list, a set or a sorted set in order.",
        run: sort,
    },
    Spec {
        name: "SORT_RO",
        arity: -2,
        flags: READONLY | MOVABLE_KEYS,
        keys: Keys::one(1),
        group: Group::Generic,
        since: "7.0.0",
        doc: "Returns the elements of a list, a set or a sorted set in order.",
        run: sort_ro,
    },
];

const NO_NUMBER: CommandError =
    CommandError::fixed("ERR One or more scores can't be converted into double");

/// What is asked for.
#[derive(Debug)]
struct Ask<'a> {
    /// BY
    by: Option<&'a [u8]>,
    /// GET
    get: Vec<&'a [u8]>,
    /// LIMIT: how many to leave out, and how many to return (negative for all).
    limit: (i64, i64),
    alpha: bool,
    descending: bool,
    /// STORE
    target: Option<&'a [u8]>,
}

fn sort(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, true)
}

fn sort_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, false)
}

fn run(call: &mut Call<'_>, may_store: bool) -> Result<(), CommandError> {
    let mut ask = Ask::read(call, may_store)?;
    let value = call.read(call.arg(1));
    let mut items = elements(value.as_ref())?;
    if let Some(Value::Zset(_)) = value {
        // Redis sorts by way of the table, and leaves it so.
        call.edit(call.arg(1), <Zset as Collection>::spread)?;
    }
    // A pattern without a star names no other keys: the order stays as it is.
    let as_it_is = ask.by.is_some_and(|by| !by.contains(&b'*'));
    let is_set = matches!(value, Some(Value::Set(_)));
    if as_it_is && is_set && ask.target.is_some() {
        // A replica's set may be in another order.
        (ask.by, ask.alpha) = (None, true);
        items = ask.in_order(call, items)?;
    } else if !as_it_is {
        items = ask.in_order(call, items)?;
    } else if !is_set && ask.descending {
        items.reverse();
    }
    let range = ask.range(items.len());
    let mut output = Vec::with_capacity(range.len());
    for item in &items[range] {
        if ask.get.is_empty() {
            output.push(Some(item.clone()));
        }
        for pattern in &ask.get {
            output.push(look_up(call, pattern, item));
        }
    }
    if let Some(target) = ask.target {
        store(call, target, output);
        return Ok(());
    }
    call.reply.array(output.len());
    output.iter().for_each(|item| match item {
        Some(item) => call.reply.bulk(item),
        None => call.reply.null(),
    });
    Ok(())
}

fn store(call: &mut Call<'_>, target: &[u8], output: Vec<Option<Blob>>) {
    let len = output.len();
    if len == 0 {
        call.delete(target);
    } else {
        let list: List = output.into_iter().map(Option::unwrap_or_default).collect();
        call.store(target, list.into_value(), false);
        call.changed_by(target, len - 1);
        call.notify(event::LIST, "sortstore", target);
    }
    call.reply.count(len);
}

impl<'a> Ask<'a> {
    fn read(call: &Call<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut ask = Self {
            by: None,
            get: Vec::new(),
            limit: (0, -1),
            alpha: false,
            descending: false,
            target: None,
        };
        let mut index = 2;
        while index < call.args.len() {
            let values = call.args.len() - index - 1;
            index += match call.arg(index).to_ascii_uppercase().as_slice() {
                b"ASC" => {
                    ask.descending = false;
                    1
                }
                b"DESC" => {
                    ask.descending = true;
                    1
                }
                b"ALPHA" => {
                    ask.alpha = true;
                    1
                }
                b"LIMIT" if values >= 2 => {
                    ask.limit = (call.int(index + 1)?, call.int(index + 2)?);
                    3
                }
                b"STORE" if values >= 1 && may_store => {
                    ask.target = Some(call.arg(index + 1));
                    2
                }
                b"BY" if values >= 1 => {
                    ask.by = Some(call.arg(index + 1));
                    2
                }
                b"GET" if values >= 1 => {
                    ask.get.push(call.arg(index + 1));
                    2
                }
                _ => return Err(CommandError::SYNTAX),
            };
        }
        Ok(ask)
    }

    /// The elements that LIMIT leaves.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let start = self.limit.0.clamp(0, len as i64);
        let count = self.limit.1.clamp(-1, len as i64);
        match count {
            -1 => range_in(len, start, -1),
            0 => 0..0,
            count => range_in(len, start, start + count - 1),
        }
    }

    fn in_order(&self, call: &mut Call<'_>, items: Vec<Blob>) -> Result<Vec<Blob>, CommandError> {
        let mut weighed = Vec::with_capacity(items.len());
        for item in items {
            let by = match self.by {
                Some(pattern) => look_up(call, pattern, &item),
                None => Some(item.clone()),
            };
            weighed.push((self.weight(by)?, item));
        }
        weighed.sort_by(|(a, this), (b, other)| {
            let order = match (a, b) {
                (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
                // So that the order does not depend on where they were.
                (Weight::Number(a), Weight::Number(b)) => {
                    a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| this.cmp(other))
                }
                _ => Ordering::Equal,
            };
            if self.descending { order.reverse() } else { order }
        });
        Ok(weighed.into_iter().map(|(_, item)| item).collect())
    }

    fn weight(&self, by: Option<Blob>) -> Result<Weight, CommandError> {
        if self.alpha {
            // A locale's comparison ends at a NUL; what is stored is compared as bytes.
            let seen = |text: Blob| match self.target {
                Some(_) => text,
                None => Blob::from(until_nul(&text)),
            };
            return Ok(Weight::Text(by.map(seen)));
        }
        match by {
            None => Ok(Weight::Number(0.0)),
            Some(text) => lenient_score(&text).map(Weight::Number).ok_or(NO_NUMBER),
        }
    }
}

/// What an element is sorted by.
#[derive(Debug)]
enum Weight {
    Number(f64),
    /// None comes before all others.
    Text(Option<Blob>),
}

fn elements(value: Option<&Value>) -> Result<Vec<Blob>, CommandError> {
    Ok(match value {
        None => Vec::new(),
        Some(Value::List(list)) => list.iter().cloned().collect(),
        Some(Value::Set(set)) => set.iter().cloned().collect(),
        Some(Value::Zset(zset)) => {
            zset.in_order().into_iter().map(|(member, _)| member.clone()).collect()
        }
        Some(_) => return Err(CommandError::WRONG_TYPE),
    })
}

/// What a pattern means for an element: the string, or with `->field` the field of a hash, in the
/// key that the pattern names once the element stands for its star. `#` is the element itself.
fn look_up(call: &mut Call<'_>, pattern: &[u8], item: &Blob) -> Option<Blob> {
    if pattern == b"#" {
        return Some(item.clone());
    }
    let star = memchr::memchr(b'*', pattern)?;
    let (before, after) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = memchr::memmem::find(after, b"->").filter(|arrow| arrow + 2 < after.len());
    let (after, field) = match arrow {
        Some(arrow) => (&after[..arrow], Some(&after[arrow + 2..])),
        None => (after, None),
    };
    match (call.read(&[before, item, after].concat())?, field) {
        (Value::Hash(hash), Some(field)) => hash.get(field).map(Blob::from),
        (value, None) => value.as_text(),
        _ => None,
    }
}
