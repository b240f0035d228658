//! `struct`: binary structures, <http://www.inf.puc-rio.br/~roberto/struct/>.

use mlua::{Lua, MultiValue, Table, Variadic};

use super::host::{Outcome, answer};

pub(super) fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pack = |lua: &Lua, (format, words): (mlua::LuaString, Variadic<mlua::Value>)| {
        let packed = pack(lua, &format.as_bytes(), &words);
        answer(lua, packed.and_then(|out| lua.create_string(out).map_err(|e| e.to_string())))
    };
    let unpack =
        |lua: &Lua, (format, text, from): (mlua::LuaString, mlua::LuaString, Option<f64>)| {
            answer(lua, unpack(lua, &format.as_bytes(), &text.as_bytes(), from.unwrap_or(1.0)))
        };
    let size = |lua: &Lua, format: mlua::LuaString| answer(lua, size(&format.as_bytes()));
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(unpack)?)?;
    table.set("size", lua.create_function(size)?)?;
    Ok(table)
}

/// A piece of a format.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Integer {
        bytes: usize,
        signed: bool,
    },
    Float,
    Double,
    /// A string that a NUL ends.
    Zero,
    /// So many bytes; `None` takes all of the string, or as many as the last number said.
    Bytes(Option<usize>),
    /// A byte that means nothing.
    Filler,
}

/// A format being read.
struct Format<'a> {
    text: &'a [u8],
    little: bool,
    align: usize,
}

impl Format<'_> {
    /// The next piece and how many bytes before it bring it to its place at `offset`.
    fn next(&mut self, offset: usize) -> Outcome<Option<(Piece, usize)>> {
        while let Some((&code, rest)) = self.text.split_first() {
            self.text = rest;
            let integer = |bytes, signed| Piece::Integer { bytes, signed };
            let piece = match code {
                b'b' => integer(1, true),
                b'B' => integer(1, false),
                b'h' => integer(2, true),
                b'H' => integer(2, false),
                b'l' => integer(8, true),
                b'L' | b'T' => integer(8, false),
                b'i' => integer(self.width(4)?, true),
                b'I' => integer(self.width(4)?, false),
                b'f' => Piece::Float,
                b'd' | b'n' => Piece::Double,
                b's' => Piece::Zero,
                b'c' => Piece::Bytes(Some(self.count().unwrap_or(1)).filter(|count| *count > 0)),
                b'x' => Piece::Filler,
                b' ' => continue,
                b'>' => {
                    self.little = false;
                    continue;
                }
                b'<' | b'=' => {
                    self.little = true;
                    continue;
                }
                b'!' => {
                    self.align = self.width(8)?;
                    if !self.align.is_power_of_two() {
                        return Err("alignment is not a power of 2".to_owned());
                    }
                    continue;
                }
                other => return Err(format!("invalid format option '{}'", char::from(other))),
            };
            let natural = match piece {
                Piece::Integer { bytes, .. } => bytes,
                Piece::Float => 4,
                Piece::Double => 8,
                _ => 1,
            };
            let align = natural.min(self.align);
            let padding =
                if align > 1 { (align - (offset & (align - 1))) & (align - 1) } else { 0 };
            return Ok(Some((piece, padding)));
        }
        Ok(None)
    }

    /// The number that may follow a code; an absurd one is the largest.
    fn count(&mut self) -> Option<usize> {
        let len = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.text.split_at(len);
        self.text = rest;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        (len > 0).then(|| number.unwrap_or(usize::MAX))
    }

    fn width(&mut self, default: usize) -> Outcome<usize> {
        match self.count() {
            None => Ok(default),
            Some(width @ 1..=32) => Ok(width),
            Some(width) => Err(format!("integral size {width} is larger than limit of 32")),
        }
    }
}

fn format(text: &[u8]) -> Format<'_> {
    Format { text, little: true, align: 1 }
}

fn size(text: &[u8]) -> Outcome<f64> {
    let mut format = format(text);
    let mut total = 0usize;
    while let Some((piece, padding)) = format.next(total)? {
        let bytes = match piece {
            Piece::Integer { bytes, .. } | Piece::Bytes(Some(bytes)) => bytes,
            Piece::Float => 4,
            Piece::Double => 8,
            Piece::Filler => 1,
            Piece::Zero => return Err("variable-size format in format".to_owned()),
            Piece::Bytes(None) => return Err("variable-length format in format".to_owned()),
        };
        total = total.saturating_add(padding).saturating_add(bytes);
    }
    Ok(total as f64)
}

fn pack(lua: &Lua, text: &[u8], words: &[mlua::Value]) -> Outcome<Vec<u8>> {
    let mut format = format(text);
    let mut out: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some((piece, padding)) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        if matches!(piece, Piece::Filler) {
            out.push(0);
            continue;
        }
        let word = words.get(at).unwrap_or(&mlua::Value::Nil).clone();
        at += 1;
        let bad = |expected: &str, got: &mlua::Value| {
            let got = if at > words.len() { "no value" } else { got.type_name() };
            format!("bad argument #{} to 'pack' ({expected} expected, got {got})", at + 1)
        };
        let number =
            lua.coerce_number(word.clone()).ok().flatten().ok_or_else(|| bad("number", &word));
        let string =
            lua.coerce_string(word.clone()).ok().flatten().ok_or_else(|| bad("string", &word));
        match piece {
            Piece::Integer { bytes, .. } => put_integer(&mut out, number?, bytes, format.little),
            Piece::Float => put(&mut out, &(number? as f32).to_le_bytes(), format.little),
            Piece::Double => put(&mut out, &number?.to_le_bytes(), format.little),
            Piece::Zero => {
                out.extend(&*string?.as_bytes());
                out.push(0);
            }
            Piece::Bytes(count) => {
                let string = string?;
                let bytes = string.as_bytes();
                let count = count.unwrap_or(bytes.len());
                let bytes = bytes.get(..count).ok_or("string too short".to_owned())?;
                out.extend(bytes);
            }
            Piece::Filler => {}
        }
    }
    Ok(out)
}

fn put_integer(out: &mut Vec<u8>, number: f64, bytes: usize, little: bool) {
    let integer = if number < 0.0 { number as i64 } else { number as u64 as i64 };
    let mut wide = [if integer < 0 { 0xff } else { 0 }; 32];
    wide[..8].copy_from_slice(&integer.to_le_bytes());
    put(out, &wide[..bytes], little);
}

fn put(out: &mut Vec<u8>, little_endian: &[u8], little: bool) {
    if little {
        out.extend(little_endian);
    } else {
        out.extend(little_endian.iter().rev());
    }
}

/// The values, and where the next would begin.
fn unpack(lua: &Lua, text: &[u8], data: &[u8], from: f64) -> Outcome<MultiValue> {
    let mut format = format(text);
    if from.is_nan() || from < 1.0 {
        return Err("offset must be 1 or greater".to_owned());
    }
    let mut at = from as usize - 1;
    let mut all = MultiValue::new();
    while let Some((piece, padding)) = format.next(at)? {
        at = at.saturating_add(padding);
        let rest = data.get(at..).ok_or("data string too short".to_owned())?;
        let take = |count: usize| rest.get(..count).ok_or("data string too short".to_owned());
        let string = |bytes: &[u8]| lua.create_string(bytes).map_err(|e| e.to_string());
        match piece {
            Piece::Integer { bytes, signed } => {
                all.push_back(mlua::Value::Number(integer(take(bytes)?, signed, format.little)));
                at += bytes;
            }
            Piece::Float => {
                let bytes = ordered::<4>(take(4)?, format.little);
                all.push_back(mlua::Value::Number(f64::from(f32::from_le_bytes(bytes))));
                at += 4;
            }
            Piece::Double => {
                let bytes = ordered::<8>(take(8)?, format.little);
                all.push_back(mlua::Value::Number(f64::from_le_bytes(bytes)));
                at += 8;
            }
            Piece::Zero => {
                let end = rest.iter().position(|byte| *byte == 0);
                let end = end.ok_or("unfinished string in data".to_owned())?;
                all.push_back(mlua::Value::String(string(&rest[..end])?));
                at += end + 1;
            }
            Piece::Bytes(count) => {
                let count = match (count, all.pop_back()) {
                    (Some(count), previous) => {
                        all.extend(previous);
                        count
                    }
                    (None, Some(mlua::Value::Number(count))) => count as usize,
                    (None, _) => return Err("format 'c0' needs a previous size".to_owned()),
                };
                all.push_back(mlua::Value::String(string(take(count)?)?));
                at += count;
            }
            Piece::Filler => {
                take(1)?;
                at += 1;
            }
        }
    }
    all.push_back(mlua::Value::Number(at as f64 + 1.0));
    Ok(all)
}

fn ordered<const N: usize>(bytes: &[u8], little: bool) -> [u8; N] {
    std::array::from_fn(|i| bytes[if little { i } else { N - 1 - i }])
}

fn integer(bytes: &[u8], signed: bool, little: bool) -> f64 {
    let mut wide = [0u8; 8];
    for (to, at) in wide.iter_mut().zip(0..bytes.len()) {
        *to = bytes[if little { at } else { bytes.len() - 1 - at }];
    }
    let bits = u64::from_le_bytes(wide);
    if signed {
        let unused = 64 - 8 * bytes.len().min(8) as u32;
        return ((bits << unused) as i64 >> unused) as f64;
    }
    bits as f64
}
