//! HyperLogLogs: how many different elements there were, in 12 KB or less, to within a percent.
//!
//! A HyperLogLog is a string, byte for byte the one that Redis has: a header with the last count,
//! and 2^14 registers, packed ([`sketch`]). The count comes from how many registers hold each
//! number ([`estimate`]).

mod estimate;
mod rows;
mod sketch;

pub(super) use self::rows::COMMANDS;

use self::sketch::{Corrupt, Registers, Sketch};
use super::{Call, CommandError, event};
use crate::base::text::shown;
use crate::keyspace::{Blob, Value};

const NO_SKETCH: CommandError =
    CommandError::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> Self {
        Self::fixed("INVALIDOBJ Corrupted HLL object detected")
    }
}

fn sketch_of(text: &Blob) -> Result<Sketch, CommandError> {
    Sketch::of(text).ok_or(NO_SKETCH)
}

/// The sketch in a key that is about to be changed.
fn peek(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Sketch>, CommandError> {
    call.peek_string(key)?.as_ref().map(sketch_of).transpose()
}

fn put(call: &mut Call<'_>, key: &[u8], sketch: Sketch) {
    call.store(key, Value::Raw(sketch.into_blob()), true);
}

fn pfadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(1);
    let there = peek(call, key)?;
    let mut changed = there.is_none();
    let mut sketch = there.unwrap_or_default();
    let added = call.args[2..].iter().try_for_each(|element| {
        changed |= sketch.add(element, call.packing.hll_sparse_bytes_max)?;
        Ok::<_, Corrupt>(())
    });
    added?;
    if changed {
        sketch.forget_count();
        put(call, key, sketch);
        call.notify(event::STRING, "pfadd", key);
    }
    call.reply.int(changed.into());
    Ok(())
}

fn pfcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 2 {
        let mut registers = Registers::default();
        for key in &call.args[1..] {
            if let Some(text) = call.read_string(key)? {
                sketch_of(&text)?.merge_into(&mut registers)?;
            }
        }
        call.reply.int(estimate::count(&registers) as i64);
        return Ok(());
    }
    let key = call.arg(1);
    let Some(text) = call.read_string(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let mut sketch = sketch_of(&text)?;
    let count = if let Some(count) = sketch.known_count() {
        count
    } else {
        let mut registers = Registers::default();
        sketch.merge_into(&mut registers)?;
        let count = estimate::count(&registers);
        sketch.remember_count(count);
        put(call, key, sketch);
        count
    };
    call.reply.int(count as i64);
    Ok(())
}

fn pfmerge(call: &mut Call<'_>) -> Result<(), CommandError> {
    let target = call.arg(1);
    let (mut registers, mut dense) = (Registers::default(), false);
    for key in &call.args[1..] {
        if let Some(text) = call.read_string(key)? {
            let sketch = sketch_of(&text)?;
            dense |= !sketch.is_sparse();
            sketch.merge_into(&mut registers)?;
        }
    }
    let mut sketch = peek(call, target)?.unwrap_or_default();
    if dense {
        sketch.make_dense()?;
    }
    for (index, value) in registers.iter().enumerate().filter(|(_, value)| *value > 0) {
        sketch.raise(index, value, call.packing.hll_sparse_bytes_max)?;
    }
    sketch.forget_count();
    put(call, target, sketch);
    call.notify(event::STRING, "pfadd", target);
    call.reply.ok();
    Ok(())
}

fn pfdebug(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = call.arg(2);
    let mut sketch =
        peek(call, key)?.ok_or(CommandError::fixed("ERR The specified key does not exist"))?;
    let was_sparse = sketch.is_sparse();
    match call.arg(1).to_ascii_uppercase().as_slice() {
        b"ENCODING" => call.reply.simple(if was_sparse { "sparse" } else { "dense" }),
        b"DECODE" if was_sparse => call.reply.bulk(sketch.spelt_out()),
        b"DECODE" => return Err(CommandError::fixed("ERR HLL encoding is not sparse")),
        b"TODENSE" => {
            make_dense(call, key, &mut sketch)?;
            call.reply.int(was_sparse.into());
        }
        b"GETREG" => {
            make_dense(call, key, &mut sketch)?;
            let mut registers = Registers::default();
            sketch.merge_into(&mut registers)?;
            call.reply.array(registers.iter().count());
            registers.iter().for_each(|value| call.reply.int(value.into()));
        }
        _ => {
            let word = shown(call.arg(1)).into_owned();
            return Err(CommandError::new(format!("ERR Unknown PFDEBUG subcommand '{word}'")));
        }
    }
    Ok(())
}

fn make_dense(call: &mut Call<'_>, key: &[u8], sketch: &mut Sketch) -> Result<(), CommandError> {
    if sketch.is_sparse() {
        sketch.make_dense()?;
        put(call, key, sketch.clone());
    }
    Ok(())
}

/// Redis's own check of itself: both forms count alike, and to within four standard errors.
fn pfselftest(call: &mut Call<'_>) -> Result<(), CommandError> {
    match self_test(call.dice.bits()) {
        Ok(()) => call.reply.ok(),
        Err(text) => return Err(CommandError::new(format!("TESTFAILED {text}"))),
    }
    Ok(())
}

fn self_test(seed: u64) -> Result<(), String> {
    const STANDARD_ERROR: f64 = 1.04 / 128.0;
    let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
    dense.make_dense().map_err(|_| "an empty sketch cannot be made dense")?;
    let counted = |sketch: &Sketch| {
        let mut registers = Registers::default();
        sketch.merge_into(&mut registers).map(|()| estimate::count(&registers))
    };
    for n in 1..=100_000_u64 {
        let element = (n ^ seed).to_ne_bytes();
        for sketch in [&mut sparse, &mut dense] {
            sketch.add(&element, 3000).map_err(|_| format!("corrupt after {n} elements"))?;
        }
        if n.ilog10() != (n + 1).ilog10() {
            let counts = counted(&sparse).and_then(|count| Ok((count, counted(&dense)?)));
            let (count, other) = counts.map_err(|_| format!("corrupt after {n} elements"))?;
            let tolerance = (STANDARD_ERROR * 4.0 * n as f64).ceil().max(1.0);
            if count != other || (count as f64 - n as f64).abs() > tolerance {
                return Err(format!("{n} elements are counted as {count} and {other}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_self_test_succeeds() {
        assert_eq!(super::self_test(7 << 32), Ok(()));
    }
}
