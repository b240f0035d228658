//! Lists.
//!
//! `rows.rs` has the rows, `wait.rs` the commands that wait for a list.

mod rows;
mod wait;

pub(super) use self::rows::COMMANDS;

use super::options::{count_at_least, count_to_pop, index_in, range_in, several_keys};
use super::{Call, CommandError, event};
use crate::keyspace::Blob;
use crate::keyspace::types::{End, List};

fn lpush(call: &mut Call<'_>) -> Result<(), CommandError> {
    push(call, End::Left)
}

fn rpush(call: &mut Call<'_>) -> Result<(), CommandError> {
    push(call, End::Right)
}

fn lpushx(call: &mut Call<'_>) -> Result<(), CommandError> {
    push_if_there(call, End::Left)
}

fn rpushx(call: &mut Call<'_>) -> Result<(), CommandError> {
    push_if_there(call, End::Right)
}

fn push(call: &mut Call<'_>, end: End) -> Result<(), CommandError> {
    let (key, items) = (call.arg(1), &call.args[2..]);
    let len = call.edit_or_create(key, |list: &mut List| push_all(list, end, items))?;
    call.changed_by(key, items.len());
    call.notify(event::LIST, pushed(end), key);
    call.reply.count(len);
    Ok(())
}

fn push_if_there(call: &mut Call<'_>, end: End) -> Result<(), CommandError> {
    let (key, items) = (call.arg(1), &call.args[2..]);
    let len = call.edit(key, |list: &mut List| push_all(list, end, items))?;
    if len.is_some() {
        call.changed_by(key, items.len());
        call.notify(event::LIST, pushed(end), key);
    }
    call.reply.count(len.unwrap_or(0));
    Ok(())
}

/// The event of adding at an end.
fn pushed(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

/// The event of taking from an end.
fn popped(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

fn push_all(list: &mut List, end: End, items: &[&[u8]]) -> usize {
    items.iter().for_each(|item| list.push(end, Blob::from(*item)));
    list.len()
}

fn lpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop(call, End::Left, "lpop")
}

fn rpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop(call, End::Right, "rpop")
}

fn pop(call: &mut Call<'_>, end: End, name: &str) -> Result<(), CommandError> {
    let key = call.arg(1);
    let count = match call.args.len() {
        2 => None,
        3 => Some(count_at_least(call, 2, 0, "ERR value is out of range, must be positive")?),
        _ => return Err(CommandError::wrong_arity(name)),
    };
    let items = call.edit(key, |list: &mut List| pop_some(list, end, count.unwrap_or(1)))?;
    match (items, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.null_array(),
        (Some(items), count) => {
            call.changed_by(key, items.len());
            if !items.is_empty() {
                call.notify(event::LIST, popped(end), key);
            }
            if count.is_some() {
                call.reply.array(items.len());
            }
            items.iter().for_each(|item| call.reply.bulk(item));
        }
    }
    Ok(())
}

fn pop_some(list: &mut List, end: End, count: usize) -> Vec<Blob> {
    (0..count.min(list.len())).filter_map(|_| list.pop(end)).collect()
}

fn llen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let list = call.read_as::<List>(call.arg(1))?;
    call.reply.count(list.map_or(0, |list| list.len()));
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let list = call.read_as::<List>(call.arg(1))?.unwrap_or_default();
    let range = range_in(list.len(), start, end);
    call.reply.array(range.len());
    list.range(range).for_each(|item| call.reply.bulk(item));
    Ok(())
}

fn lindex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let list = call.read_as::<List>(call.arg(1))?;
    let Some(list) = list else {
        call.reply.null();
        return Ok(());
    };
    match index_in(list.len(), call.int(2)?).and_then(|index| list.get(index)) {
        Some(item) => call.reply.bulk(item),
        None => call.reply.null(),
    }
    Ok(())
}

fn lset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, item) = (call.arg(1), call.arg(3));
    let len = call.peek_as::<List>(key)?.ok_or(CommandError::NO_SUCH_KEY)?.len();
    let index = index_in(len, call.int(2)?).ok_or(CommandError::OUT_OF_RANGE)?;
    call.edit(key, |list: &mut List| list.replace(index, Blob::from(item)))?;
    call.changed(key);
    call.notify(event::LIST, "lset", key);
    call.reply.ok();
    Ok(())
}

fn linsert(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, pivot, item) = (call.arg(1), call.arg(3), call.arg(4));
    let after = call.is(2, "AFTER");
    if !after && !call.is(2, "BEFORE") {
        return Err(CommandError::SYNTAX);
    }
    let Some(list) = call.peek_as::<List>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let found = list.iter().position(|item| *item == *pivot);
    let len = list.len();
    drop(list);
    match found {
        Some(index) => {
            let at = index + usize::from(after);
            call.edit(key, |list: &mut List| list.insert(at, Blob::from(item)))?;
            call.changed(key);
            call.notify(event::LIST, "linsert", key);
            call.reply.count(len + 1);
        }
        None => call.reply.int(-1),
    }
    Ok(())
}

fn lrem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, count, item) = (call.arg(1), call.int(2)?, call.arg(3));
    let end = if count < 0 { End::Right } else { End::Left };
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = call.edit(key, |list: &mut List| list.remove_equal(item, end, max))?.unwrap_or(0);
    call.changed_by(key, removed);
    if removed > 0 {
        call.notify(event::LIST, "lrem", key);
    }
    call.reply.count(removed);
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, start, end) = (call.arg(1), call.int(2)?, call.int(3)?);
    let trimmed = call.edit(key, |list: &mut List| {
        let before = list.len();
        list.keep(range_in(before, start, end));
        before - list.len()
    })?;
    if let Some(removed) = trimmed {
        call.changed_by(key, removed);
        call.notify(event::LIST, "ltrim", key);
    }
    call.reply.ok();
    Ok(())
}

fn lpos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, item) = (call.arg(1), call.arg(2));
    let (mut rank, mut count, mut looked_at_max) = (1, None, 0);
    for option in (3..call.args.len()).step_by(2) {
        if option + 1 >= call.args.len() {
            return Err(CommandError::SYNTAX);
        }
        if call.is(option, "RANK") {
            rank = call.int(option + 1)?;
            if rank == 0 {
                return Err(CommandError::fixed(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                     second ... or use negative to start from the end of the list",
                ));
            }
            // It has no opposite: Redis is content with the first match from the end.
            if rank == i64::MIN {
                rank = -1;
            }
        } else if call.is(option, "COUNT") {
            let text = "ERR COUNT can't be negative";
            count = Some(count_at_least(call, option + 1, 0, text)?);
        } else if call.is(option, "MAXLEN") {
            let text = "ERR MAXLEN can't be negative";
            looked_at_max = count_at_least(call, option + 1, 0, text)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let or_all = |n| if n == 0 { usize::MAX } else { n };
    let list = call.read_as::<List>(key)?.unwrap_or_default();
    let places = places(&list, item, rank, or_all(looked_at_max));
    let found: Vec<_> = places.take(or_all(count.unwrap_or(1))).collect();
    match (count, found.first()) {
        (Some(_), _) => {
            call.reply.array(found.len());
            found.iter().for_each(|place| call.reply.count(*place));
        }
        (None, Some(place)) => call.reply.count(*place),
        (None, None) => call.reply.null(),
    }
    Ok(())
}

/// The indices of elements equal to `item`, from the `rank`th on, from the tail if it is negative.
fn places<'a>(
    list: &'a List,
    item: &'a [u8],
    rank: i64,
    looked_at_max: usize,
) -> Box<dyn Iterator<Item = usize> + 'a> {
    let is_it = move |(_, found): &(usize, &Blob)| **found == *item;
    let skipped = rank.unsigned_abs() as usize - 1;
    let items = list.iter().enumerate();
    if rank < 0 {
        let found = items.rev().take(looked_at_max).filter(is_it);
        Box::new(found.map(|(index, _)| index).skip(skipped))
    } else {
        let found = items.take(looked_at_max).filter(is_it);
        Box::new(found.map(|(index, _)| index).skip(skipped))
    }
}

fn lmove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (from, to) = (end_at(call, 3)?, end_at(call, 4)?);
    if !move_item(call, from, to)? {
        call.reply.null();
    }
    Ok(())
}

fn rpoplpush(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !move_item(call, End::Right, End::Left)? {
        call.reply.null();
    }
    Ok(())
}

/// Moves an element from the list at the first key to that at the second and answers it; returns
/// false if there is no such list.
fn move_item(call: &mut Call<'_>, from: End, to: End) -> Result<bool, CommandError> {
    let (source, target) = (call.arg(1), call.arg(2));
    if call.peek_as::<List>(source)?.is_none() {
        return Ok(false);
    }
    call.peek_as::<List>(target)?;
    let item = if source == target {
        // In one piece, so that a list of one element does not vanish in between.
        call.edit(source, |list: &mut List| {
            list.pop(from).inspect(|item| list.push(to, item.clone()))
        })?
    } else {
        let item = call.edit(source, |list: &mut List| list.pop(from))?;
        if let Some(Some(item)) = &item {
            call.edit_or_create(target, |list: &mut List| list.push(to, item.clone()))?;
            call.touched(source);
        }
        item
    };
    if let Some(item) = item.flatten() {
        call.changed(target);
        call.notify(event::LIST, pushed(to), target);
        call.notify(event::LIST, popped(from), source);
        call.reply.bulk(item);
    }
    Ok(true)
}

fn end_at(call: &Call<'_>, index: usize) -> Result<End, CommandError> {
    match call.arg(index).to_ascii_uppercase().as_slice() {
        b"LEFT" => Ok(End::Left),
        b"RIGHT" => Ok(End::Right),
        _ => Err(CommandError::SYNTAX),
    }
}

fn lmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wish = PopFromFirst::read(call, 1)?;
    if !wish.run(call)? {
        call.reply.null_array();
    }
    Ok(())
}

/// What LMPOP and BLMPOP ask for: some elements of the first list that has any.
#[derive(Debug)]
struct PopFromFirst<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> PopFromFirst<'a> {
    /// Reads it from the word on that says how many keys there are.
    fn read(call: &Call<'a>, index: usize) -> Result<Self, CommandError> {
        let (keys, after) = several_keys(call, index, "ERR numkeys should be greater than 0")?;
        let end = end_at(call, after)?;
        let count = count_to_pop(call, after + 1)?;
        Ok(Self { keys, end, count })
    }

    /// Answers and returns true if there was anything.
    fn run(&self, call: &mut Call<'_>) -> Result<bool, CommandError> {
        for key in call.worth_a_look(self.keys) {
            let take = |list: &mut List| pop_some(list, self.end, self.count);
            let Some(items) = call.edit(key, take)? else { continue };
            call.changed_by(key, items.len());
            call.notify(event::LIST, popped(self.end), key);
            let word = if self.end == End::Left { "LPOP" } else { "RPOP" };
            call.replicate_as(&[word.as_bytes(), key, items.len().to_string().as_bytes()]);
            call.reply.array(2);
            call.reply.bulk(key);
            call.reply.array(items.len());
            items.iter().for_each(|item| call.reply.bulk(item));
            return Ok(true);
        }
        Ok(false)
    }
}
