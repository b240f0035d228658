//! `cmsgpack`: MessagePack, <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use mlua::{Lua, MultiValue, Table, Variadic};

use super::host::{Outcome, Problem, answer, number_at, text_at};

/// Numbers that may be written as integers.
const INTEGERS: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;

/// Tables in tables beyond this are written as nil.
const DEPTH_MAX: usize = 16;

pub(super) fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pack = |lua: &Lua, words: Variadic<mlua::Value>| -> mlua::Result<MultiValue> {
        answer(lua, pack(&words).and_then(|out| lua.create_string(out).map_err(Problem::from)))
    };
    let unpack = |lua: &Lua, words: Variadic<mlua::Value>| {
        let all = text_at(lua, &words, 1)
            .and_then(|text| Unpacker::read(lua, &text.as_bytes(), 0, usize::MAX));
        answer(lua, all.map(|(all, _)| all))
    };
    let unpack_one =
        |lua: &Lua, words: Variadic<mlua::Value>| answer(lua, with_offset(lua, &words, 2, 1.0));
    let unpack_limit = |lua: &Lua, words: Variadic<mlua::Value>| {
        let limit = number_at(lua, &words, 2);
        answer(lua, limit.and_then(|limit| with_offset(lua, &words, 3, limit.trunc())))
    };
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(unpack)?)?;
    table.set("unpack_one", lua.create_function(unpack_one)?)?;
    table.set("unpack_limit", lua.create_function(unpack_limit)?)?;
    table.set("_NAME", "cmsgpack")?;
    table.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn pack(words: &[mlua::Value]) -> Outcome<Vec<u8>> {
    if words.is_empty() {
        return Err(Problem::Argument(0, "MessagePack pack needs input.".to_owned()));
    }
    let mut out = Vec::new();
    words.iter().try_for_each(|word| write(&mut out, word, 0))?;
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &mlua::Value, depth: usize) -> Outcome<()> {
    match value {
        mlua::Value::Boolean(yes) => out.push(if *yes { 0xc3 } else { 0xc2 }),
        mlua::Value::Integer(n) => write_integer(out, *n),
        mlua::Value::Number(n) if n.fract() == 0.0 && INTEGERS.contains(n) => {
            write_integer(out, *n as i64);
        }
        mlua::Value::Number(n) if !n.is_nan() && f64::from(*n as f32).to_bits() == n.to_bits() => {
            out.push(0xca);
            out.extend((*n as f32).to_be_bytes());
        }
        mlua::Value::Number(n) => {
            out.push(0xcb);
            out.extend(n.to_be_bytes());
        }
        mlua::Value::String(text) => {
            let text = text.as_bytes();
            write_len(out, text.len(), (0xa0, 32), &[0xd9, 0xda, 0xdb]);
            out.extend(&*text);
        }
        mlua::Value::Table(table) if depth < DEPTH_MAX => write_table(out, table, depth)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn write_integer(out: &mut Vec<u8>, n: i64) {
    match n {
        0..=0x7f => out.push(n as u8),
        -32..0 => out.push(n as u8),
        0x80..=0xff => out.extend([0xcc, n as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((n as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(n.to_be_bytes());
        }
        -0x80..-32 => out.extend([0xd0, n as u8]),
        -0x8000..-0x80 => {
            out.push(0xd1);
            out.extend((n as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend((n as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(n.to_be_bytes());
        }
    }
}

/// A length: in one byte with `tag` below `limit`, else behind one of the codes for 1, 2 or 4 bytes
/// (or 2 or 4, if there are two).
fn write_len(out: &mut Vec<u8>, len: usize, (tag, limit): (u8, usize), codes: &[u8]) {
    let wide = codes.len() - 2;
    if len < limit {
        out.push(tag | len as u8);
    } else if len <= 0xff && wide == 1 {
        out.extend([codes[0], len as u8]);
    } else if len <= 0xffff {
        out.push(codes[wide]);
        out.extend((len as u16).to_be_bytes());
    } else {
        out.push(codes[wide + 1]);
        out.extend((len as u32).to_be_bytes());
    }
}

fn write_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Outcome<()> {
    let pairs = table.pairs::<mlua::Value, mlua::Value>();
    let pairs: Vec<_> = pairs.collect::<Result<_, _>>().map_err(Problem::from)?;
    let index = |key: &mlua::Value| match key {
        mlua::Value::Integer(n) => Some(*n as f64),
        mlua::Value::Number(n) => Some(*n),
        _ => None,
    };
    let in_array = |key: &mlua::Value| {
        index(key).is_some_and(|n| n.fract() == 0.0 && n >= 1.0 && n <= pairs.len() as f64)
    };
    if pairs.iter().all(|(key, _)| in_array(key)) {
        write_len(out, pairs.len(), (0x90, 16), &[0xdc, 0xdd]);
        for index in 1..=pairs.len() {
            let element = table.raw_get(index).map_err(Problem::from)?;
            write(out, &element, depth + 1)?;
        }
        return Ok(());
    }
    write_len(out, pairs.len(), (0x80, 16), &[0xde, 0xdf]);
    for (key, value) in &pairs {
        write(out, key, depth + 1)?;
        write(out, value, depth + 1)?;
    }
    Ok(())
}

/// So many values from an offset on, with the offset behind them in front, or -1 at the end.
fn with_offset(lua: &Lua, words: &[mlua::Value], nth: usize, limit: f64) -> Outcome<MultiValue> {
    let offset = match words.get(nth - 1) {
        None | Some(mlua::Value::Nil) => 0.0,
        Some(_) => number_at(lua, words, nth)?.trunc(),
    };
    let text = text_at(lua, words, 1)?;
    let (text, len) = (&*text.as_bytes(), text.as_bytes().len());
    if offset < 0.0 || limit < 0.0 {
        let asked = format!("offset of {offset} and limit of {len}");
        return Err(format!("Invalid request to unpack with {asked}.").into());
    }
    if offset > len as f64 {
        return Err(format!("Start offset {offset} greater than input length {len}.").into());
    }
    let (mut all, end) = Unpacker::read(lua, text, offset as usize, limit as usize)?;
    let next = if end < text.len() { end as f64 } else { -1.0 };
    all.push_front(mlua::Value::Number(next));
    Ok(all)
}

struct Unpacker<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
}

const MISSING: &str = "Missing bytes in input.";
const BAD: &str = "Bad data format in input.";

impl<'a> Unpacker<'a> {
    /// Up to so many values from here on, and where they end.
    fn read(lua: &'a Lua, text: &'a [u8], at: usize, limit: usize) -> Outcome<(MultiValue, usize)> {
        let mut unpacker = Self { lua, text, at };
        let mut all = MultiValue::new();
        while unpacker.at < text.len() && all.len() < limit {
            all.push_back(unpacker.value(0)?);
        }
        Ok((all, unpacker.at))
    }

    fn value(&mut self, depth: usize) -> Outcome<mlua::Value> {
        let code = self.number::<1>()? as u8;
        let number = |n: f64| Ok(mlua::Value::Number(n));
        match code {
            0..=0x7f => number(f64::from(code)),
            0x80..=0x8f => self.map(usize::from(code & 15), depth),
            0x90..=0x9f => self.array(usize::from(code & 15), depth),
            0xa0..=0xbf => self.string(usize::from(code & 31)),
            0xc0 => Ok(mlua::Value::Nil),
            0xc2 => Ok(mlua::Value::Boolean(false)),
            0xc3 => Ok(mlua::Value::Boolean(true)),
            0xc4 | 0xd9 => self.number::<1>().and_then(|len| self.string(len as usize)),
            0xc5 | 0xda => self.number::<2>().and_then(|len| self.string(len as usize)),
            0xc6 | 0xdb => self.number::<4>().and_then(|len| self.string(len as usize)),
            0xca => {
                self.number::<4>().and_then(|bits| number(f64::from(f32::from_bits(bits as u32))))
            }
            0xcb => self.number::<8>().and_then(|bits| number(f64::from_bits(bits))),
            0xcc => self.number::<1>().and_then(|n| number(n as f64)),
            0xcd => self.number::<2>().and_then(|n| number(n as f64)),
            0xce => self.number::<4>().and_then(|n| number(n as f64)),
            0xcf => self.number::<8>().and_then(|n| number(n as f64)),
            0xd0 => self.number::<1>().and_then(|n| number(f64::from(n as i8))),
            0xd1 => self.number::<2>().and_then(|n| number(f64::from(n as i16))),
            0xd2 => self.number::<4>().and_then(|n| number(f64::from(n as i32))),
            0xd3 => self.number::<8>().and_then(|n| number(n as i64 as f64)),
            0xdc => self.number::<2>().and_then(|len| self.array(len as usize, depth)),
            0xdd => self.number::<4>().and_then(|len| self.array(len as usize, depth)),
            0xde => self.number::<2>().and_then(|len| self.map(len as usize, depth)),
            0xdf => self.number::<4>().and_then(|len| self.map(len as usize, depth)),
            0xe0..=0xff => number(f64::from(code as i8)),
            _ => Err(BAD.into()),
        }
    }

    fn number<const N: usize>(&mut self) -> Outcome<u64> {
        let bytes = self.take(N)?;
        Ok(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn take(&mut self, len: usize) -> Outcome<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or(MISSING)?;
        let bytes = self.text.get(self.at..end).ok_or(MISSING)?;
        self.at = end;
        Ok(bytes)
    }

    fn string(&mut self, len: usize) -> Outcome<mlua::Value> {
        let bytes = self.take(len)?;
        self.lua.create_string(bytes).map(mlua::Value::String).map_err(Problem::from)
    }

    fn array(&mut self, len: usize, depth: usize) -> Outcome<mlua::Value> {
        let table = self.table(depth)?;
        for index in 1..=len {
            let element = self.value(depth + 1)?;
            table.raw_set(index, element).map_err(Problem::from)?;
        }
        Ok(mlua::Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Outcome<mlua::Value> {
        let table = self.table(depth)?;
        for _ in 0..len {
            let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
            table.raw_set(key, value).map_err(|_| BAD)?;
        }
        Ok(mlua::Value::Table(table))
    }

    /// Hostile input must not exhaust the stack.
    fn table(&self, depth: usize) -> Outcome<Table> {
        if depth > 1000 {
            return Err(BAD.into());
        }
        self.lua.create_table().map_err(Problem::from)
    }
}
