//! `bit`: operations on 32-bit integers, <https://bitop.luajit.org/api.html>.

use mlua::{Lua, MultiValue, Table, Variadic};

use super::host::{Outcome, answer, number_at};

type Operation = fn(&[i32]) -> i32;

/// The functions and how many arguments each needs.
const FUNCTIONS: &[(&str, usize, Operation)] = &[
    ("tobit", 1, |n| n[0]),
    ("bnot", 1, |n| !n[0]),
    ("bswap", 1, |n| n[0].swap_bytes()),
    ("band", 1, |n| n.iter().fold(-1, |a, b| a & b)),
    ("bor", 1, |n| n.iter().fold(0, |a, b| a | b)),
    ("bxor", 1, |n| n.iter().fold(0, |a, b| a ^ b)),
    ("lshift", 2, |n| n[0].wrapping_shl(n[1] as u32)),
    ("rshift", 2, |n| (n[0] as u32).wrapping_shr(n[1] as u32) as i32),
    ("arshift", 2, |n| n[0].wrapping_shr(n[1] as u32)),
    ("rol", 2, |n| n[0].rotate_left(n[1] as u32 & 31)),
    ("ror", 2, |n| n[0].rotate_right(n[1] as u32 & 31)),
];

pub(super) fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for &(name, needed, operation) in FUNCTIONS {
        let run = move |lua: &Lua, words: Variadic<mlua::Value>| -> mlua::Result<MultiValue> {
            answer(lua, integers(lua, &words, needed).map(|numbers| operation(&numbers)))
        };
        table.set(name, lua.create_function(run)?)?;
    }
    let tohex = |lua: &Lua, words: Variadic<mlua::Value>| {
        answer(lua, integers(lua, &words, 1).map(|numbers| hex(&numbers)))
    };
    table.set("tohex", lua.create_function(tohex)?)?;
    Ok(table)
}

/// So many digits of a number, 8 unless told; upper-case if negative.
fn hex(numbers: &[i32]) -> String {
    let wanted = numbers.get(1).copied().unwrap_or(8);
    let digits = wanted.unsigned_abs().min(8) as usize;
    let text = format!("{:08x}", numbers[0]);
    let text = text[8 - digits..].to_owned();
    if wanted < 0 { text.to_uppercase() } else { text }
}

fn integers(lua: &Lua, words: &[mlua::Value], needed: usize) -> Outcome<Vec<i32>> {
    (1..=words.len().max(needed)).map(|nth| number_at(lua, words, nth).map(to_bits)).collect()
}

/// The lowest 32 bits of a number rounded to an integer, and for numbers beyond 2^51 what this way to
/// get at them gives.
fn to_bits(n: f64) -> i32 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    (n + ROUNDER).to_bits() as u32 as i32
}
