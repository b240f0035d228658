//! BITFIELD: integers of any width at any place of a string.

use super::{byte_at, grow, mask_of, offset};
use crate::base::number;
use crate::command::string::edit_text;
use crate::command::{Call, CommandError, event};
use crate::keyspace::{Blob, Value};

/// What becomes of a number that does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// Where a field is, and what numbers fit it.
#[derive(Debug, Clone, Copy)]
struct Field {
    signed: bool,
    width: u32,
    /// Its first bit.
    at: u64,
}

/// What is to be done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Debug)]
struct Step {
    field: Field,
    action: Action,
    overflow: Overflow,
}

pub(super) fn bitfield(call: &mut Call<'_>) -> Result<(), CommandError> {
    let steps = read_steps(call)?;
    run(call, &steps)
}

pub(super) fn bitfield_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    let steps = read_steps(call)?;
    if steps.iter().any(|step| step.action != Action::Get) {
        return Err(CommandError::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    run(call, &steps)
}

fn read_steps(call: &Call<'_>) -> Result<Vec<Step>, CommandError> {
    let (mut steps, mut overflow, mut index) = (Vec::new(), Overflow::Wrap, 2);
    while index < call.args.len() {
        let values = call.args.len() - index - 1;
        if call.is(index, "OVERFLOW") && values >= 1 {
            overflow = match call.arg(index + 1).to_ascii_uppercase().as_slice() {
                b"WRAP" => Overflow::Wrap,
                b"SAT" => Overflow::Saturate,
                b"FAIL" => Overflow::Fail,
                _ => return Err(CommandError::fixed("ERR Invalid OVERFLOW type specified")),
            };
            index += 2;
            continue;
        }
        let form: Option<fn(i64) -> Action> = match call.arg(index).to_ascii_uppercase().as_slice()
        {
            b"GET" if values >= 2 => None,
            b"SET" if values >= 3 => Some(Action::Set),
            b"INCRBY" if values >= 3 => Some(Action::Add),
            _ => return Err(CommandError::SYNTAX),
        };
        let field = read_field(call, index + 1)?;
        let action = match form {
            None => Action::Get,
            Some(form) => form(call.int(index + 3)?),
        };
        steps.push(Step { field, action, overflow });
        index += if form.is_none() { 3 } else { 4 };
    }
    Ok(steps)
}

fn read_field(call: &Call<'_>, index: usize) -> Result<Field, CommandError> {
    const NO_TYPE: CommandError = CommandError::fixed(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but \
         i64 is.",
    );
    let (signed, width) = match call.arg(index) {
        [b'i', width @ ..] => (true, width),
        [b'u', width @ ..] => (false, width),
        _ => return Err(NO_TYPE),
    };
    let widest = if signed { 64 } else { 63 };
    let width = number::parse_i64(width).filter(|n| (1..=widest).contains(n)).ok_or(NO_TYPE)?;
    let at = match call.arg(index + 1) {
        [b'#', nth @ ..] => offset(call, nth, width as u64)?,
        bit => offset(call, bit, 1)?,
    };
    Ok(Field { signed, width: width as u32, at })
}

fn run(call: &mut Call<'_>, steps: &[Step]) -> Result<(), CommandError> {
    let key = call.arg(1);
    let written = steps.iter().filter(|step| step.action != Action::Get);
    let Some(bits) = written.map(|step| step.field.at + u64::from(step.field.width)).max() else {
        let text = call.read_string(key)?.unwrap_or_default();
        call.reply.array(steps.len());
        steps.iter().for_each(|step| call.reply.int(step.field.read(&text) as i64));
        return Ok(());
    };
    let bytes = bits.div_ceil(8) as usize;
    let len = call.peek_string(key)?.map(|text| text.len());
    if len.is_none() {
        call.create(key, Value::Raw(Blob::new()));
    }
    let answers = edit_text(call, key, |text| {
        grow(text, bytes);
        steps.iter().map(|step| step.run(text)).collect::<Vec<_>>()
    });
    let answers = answers.unwrap_or_default();
    let is_longer = len.is_none_or(|len| len < bytes);
    let changed = answers.iter().filter(|answer| answer.changed).count();
    let changed = changed.max(is_longer.into());
    call.changed_by(key, changed);
    if changed > 0 {
        call.notify(event::STRING, "setbit", key);
    }
    call.reply.array(answers.len());
    for answer in answers {
        match answer.number {
            Some(n) => call.reply.int(n),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// What came of a step.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// `None` if it did not fit.
    number: Option<i64>,
    changed: bool,
}

impl Step {
    fn run(&self, text: &mut Blob) -> Answer {
        let Self { field, action, overflow } = self;
        let old = field.read(text);
        let exact = match *action {
            Action::Get => return Answer { number: Some(old as i64), changed: false },
            Action::Set(n) if field.signed => i128::from(n),
            Action::Set(n) => i128::from(n as u64),
            Action::Add(n) => old + i128::from(n),
        };
        let range = field.range();
        let new = match overflow {
            _ if range.contains(&exact) => exact,
            Overflow::Wrap => field.wrapped(exact),
            Overflow::Saturate if self.wraps_upwards() => *range.end(),
            Overflow::Saturate => exact.clamp(*range.start(), *range.end()),
            Overflow::Fail => return Answer { number: None, changed: false },
        };
        field.write(text, new);
        let shown = if matches!(action, Action::Set(_)) { old } else { new };
        Answer { number: Some(shown as i64), changed: old != new }
    }
}

impl Step {
    /// Redis measures the room above a number with 64 bits, in which it is negative if the number
    /// is among the very lowest: those go up.
    fn wraps_upwards(&self) -> bool {
        let highest = *self.field.range().end() as i64;
        self.field.signed
            && self.field.width < 64
            && matches!(self.action, Action::Set(n) if n < 0 && highest.wrapping_sub(n) < 0)
    }
}

impl Field {
    fn range(self) -> std::ops::RangeInclusive<i128> {
        let numbers = 1_i128 << self.width;
        if self.signed { -numbers / 2..=numbers / 2 - 1 } else { 0..=numbers - 1 }
    }

    /// The number that the lowest bits of `n` are in this field.
    fn wrapped(self, n: i128) -> i128 {
        let numbers = 1_i128 << self.width;
        let low = n.rem_euclid(numbers);
        if self.signed && low >= numbers / 2 { low - numbers } else { low }
    }

    fn read(self, text: &[u8]) -> i128 {
        let bits = self.at..self.at + u64::from(self.width);
        let bit = |bit| i128::from(byte_at(text, bit) & mask_of(bit) != 0);
        self.wrapped(bits.fold(0, |n, at| n << 1 | bit(at)))
    }

    /// Writes a number; the text must reach as far as the field.
    fn write(self, text: &mut Blob, n: i128) {
        let bytes = text.make_mut();
        for nth in 0..self.width {
            let bit = self.at + u64::from(nth);
            let byte = &mut bytes[(bit / 8) as usize];
            let is_on = n >> (self.width - 1 - nth) & 1 == 1;
            *byte = if is_on { *byte | mask_of(bit) } else { *byte & !mask_of(bit) };
        }
    }
}
