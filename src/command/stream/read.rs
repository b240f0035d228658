//! Reading on: XREAD, and what it has in common with XREADGROUP.

use super::ids;
use super::{consume, no_group, reply_entries};
use crate::base::number;
use crate::base::text::shown;
use crate::command::{Call, CommandError, Wait};
use crate::keyspace::types::{Stream, StreamId};
use crate::keyspace::{Blob, Kind};
use crate::resp::Protocol;

/// A client that waited is given at most so many entries unless it said how many.
const COUNT_AFTER_WAIT: &[u8] = b"1000";

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    keys: &'a [&'a [u8]],
    /// After which entry, for each key.
    after: &'a [&'a [u8]],
    /// The index of the first key.
    keys_at: usize,
    /// How many entries of each stream at most; 0 for all.
    count: usize,
    /// For how long to wait; 0 for ever.
    wait_ms: Option<u64>,
    /// As whom.
    pub member: Option<Member<'a>>,
    /// The entries are not to be acknowledged.
    pub no_ack: bool,
}

/// A consumer of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub group: &'a [u8],
    pub name: &'a [u8],
}

/// Where to read on in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Entry(StreamId),
    /// `>`: what no consumer of the group was given.
    Delivered,
}

impl<'a> Wish<'a> {
    fn read(call: &Call<'a>, in_group: bool) -> Result<Self, CommandError> {
        let mut wish = Self {
            keys: &[],
            after: &[],
            keys_at: 0,
            count: 0,
            wait_ms: None,
            member: None,
            no_ack: false,
        };
        let mut index = 1;
        while index < call.args.len() && wish.keys_at == 0 {
            let left = call.args.len() - index - 1;
            if left >= 1 && call.is(index, "BLOCK") {
                if call.in_script {
                    let name = shown(call.arg(0));
                    return Err(CommandError::new(format!(
                        "ERR {name} command is not allowed with BLOCK option from scripts"
                    )));
                }
                wish.wait_ms = Some(timeout(call.arg(index + 1))?);
                index += 1;
            } else if left >= 1 && call.is(index, "COUNT") {
                wish.count = call.int(index + 1)?.max(0) as usize;
                index += 1;
            } else if left >= 1 && call.is(index, "STREAMS") {
                wish.keys_at = index + 1;
            } else if left >= 2 && call.is(index, "GROUP") {
                only_in_group(in_group, "GROUP")?;
                let (group, name) = (call.arg(index + 1), call.arg(index + 2));
                wish.member = Some(Member { group, name });
                index += 2;
            } else if call.is(index, "NOACK") {
                only_in_group(in_group, "NOACK")?;
                wish.no_ack = true;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        let streams = call.args.get(index..).unwrap_or_default();
        if streams.len() % 2 != 0 {
            return Err(CommandError::fixed(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be \
                 specified.",
            ));
        }
        if wish.keys_at == 0 {
            return Err(CommandError::SYNTAX);
        }
        if in_group && wish.member.is_none() {
            return Err(CommandError::fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        (wish.keys, wish.after) = streams.split_at(streams.len() / 2);
        Ok(wish)
    }

    /// How many entries of a stream may be given.
    pub fn count_max(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }
}

fn only_in_group(in_group: bool, option: &str) -> Result<(), CommandError> {
    if in_group {
        return Ok(());
    }
    Err(CommandError::new(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

/// A word as the milliseconds that a client waits at most; 0 for no end.
fn timeout(word: &[u8]) -> Result<u64, CommandError> {
    let ms = number::parse_i64(word)
        .ok_or(CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::fixed("ERR timeout is negative"))
}

pub(super) fn xread(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wish = Wish::read(call, false)?;
    read_or_wait(call, &wish)
}

pub(super) fn xreadgroup(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.replicate_nothing();
    let wish = Wish::read(call, true)?;
    read_or_wait(call, &wish)
}

fn read_or_wait(call: &mut Call<'_>, wish: &Wish<'_>) -> Result<(), CommandError> {
    let places = match call.ready {
        Some(ready) => vec![place_after_wait(call, wish, ready)?],
        None => places(call, wish)?,
    };
    let start = call.reply.array_later();
    let mut streams = 0;
    for (key, after) in &places {
        let answered = match (wish.member, after) {
            (None, After::Entry(after)) => read_after(call, wish, key, *after)?,
            (Some(member), After::Entry(after)) => {
                consume::history(call, wish, key, member, *after)?
            }
            (Some(member), After::Delivered) => consume::deliver(call, wish, key, member)?,
            (None, After::Delivered) => false,
        };
        streams += usize::from(answered);
    }
    if streams > 0 {
        match call.reply.protocol() {
            Protocol::Resp2 => call.reply.end_array(start, streams),
            Protocol::Resp3 => call.reply.end_map(start, streams),
        }
    } else if wish.wait_ms.is_none_or(|timeout_ms| !wait(call, wish, &places, timeout_ms)) {
        call.reply.null_array();
    }
    Ok(())
}

/// Where to read on, for each key.
fn places<'k>(
    call: &mut Call<'_>,
    wish: &Wish<'k>,
) -> Result<Vec<(&'k [u8], After)>, CommandError> {
    let mut places = Vec::with_capacity(wish.keys.len());
    for (key, word) in wish.keys.iter().zip(wish.after) {
        let stream = call.read_as::<Stream>(key)?;
        if let Some(member) = wish.member
            && stream.as_ref().and_then(|stream| stream.group(member.group)).is_none()
        {
            return Err(no_group(key, member.group, " in XREADGROUP with GROUP option"));
        }
        let after = match (*word, wish.member) {
            (b"$", None) => After::Entry(stream.map_or(StreamId::MIN, |stream| stream.last_id)),
            (b"$", Some(_)) => {
                return Err(CommandError::fixed(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read \
                     the history of this consumer by specifying a proper ID, or use the > ID to \
                     get new messages. The $ ID would just return an empty result set.",
                ));
            }
            (b">", Some(_)) => After::Delivered,
            (b">", None) => {
                return Err(CommandError::fixed(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                     <group> <consumer> option.",
                ));
            }
            (word, _) => After::Entry(ids::id(word, 0)?),
        };
        places.push((*key, after));
    }
    Ok(places)
}

/// [`places`], for the one key that a client waited for.
fn place_after_wait<'k>(
    call: &mut Call<'_>,
    wish: &Wish<'_>,
    ready: &'k [u8],
) -> Result<(&'k [u8], After), CommandError> {
    let Some(member) = wish.member else {
        let mut pairs = wish.keys.iter().zip(wish.after);
        let after = pairs.find(|(key, _)| **key == ready).map_or(&b"0"[..], |(_, after)| after);
        return Ok((ready, After::Entry(ids::id(after, 0)?)));
    };
    let Ok(Some(stream)) = call.peek_as::<Stream>(ready) else {
        return Err(CommandError::fixed("UNBLOCKED the stream key no longer exists"));
    };
    if stream.group(member.group).is_none() {
        return Err(CommandError::fixed(
            "NOGROUP the consumer group this client was blocked on no longer exists",
        ));
    }
    Ok((ready, After::Delivered))
}

fn read_after(
    call: &mut Call<'_>,
    wish: &Wish<'_>,
    key: &[u8],
    after: StreamId,
) -> Result<bool, CommandError> {
    let Some(stream) = call.read_as::<Stream>(key)? else { return Ok(false) };
    let Some(first) = after.next().filter(|first| *first <= stream.top_id()) else {
        return Ok(false);
    };
    let entries: Vec<_> = stream.range(first, StreamId::MAX).take(wish.count_max()).collect();
    begin_stream(call, key);
    reply_entries(call.reply, &entries);
    Ok(true)
}

/// Answers a stream's key, which its entries are to follow.
pub(super) fn begin_stream(call: &mut Call<'_>, key: &[u8]) {
    if call.reply.protocol() == Protocol::Resp2 {
        call.reply.array(2);
    }
    call.reply.bulk(key);
}

/// Waits for an entry, if it may. What is run then says what `$` was, and how many entries.
fn wait(call: &mut Call<'_>, wish: &Wish<'_>, places: &[(&[u8], After)], timeout_ms: u64) -> bool {
    let (before, _) = call.args.split_at(wish.keys_at - 1);
    let mut words: Vec<_> = before.iter().map(|word| Blob::from(*word)).collect();
    if wish.count == 0 {
        words.extend([&b"COUNT"[..], COUNT_AFTER_WAIT].map(Blob::from));
    }
    words.push(Blob::from(&b"STREAMS"[..]));
    words.extend(wish.keys.iter().map(|key| Blob::from(*key)));
    words.extend(places.iter().map(|(_, after)| match after {
        After::Entry(id) => Blob::from(id.to_string().as_bytes()),
        After::Delivered => Blob::from(&b">"[..]),
    }));
    call.wait(Wait {
        keys: wish.keys.iter().map(|key| Blob::from(*key)).collect(),
        kind: Kind::Stream,
        when_gone: wish.member.is_some(),
        timeout_ms,
        words: Some(words),
    })
}
