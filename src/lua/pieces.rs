//! `struct`: binary structures, <http://www.inf.puc-rio.br/~roberto/struct/>.

use mlua::{Lua, MultiValue, Table, Variadic};

use super::host::{Outcome, Problem, answer, number_at, text_at};
use crate::base::number;
use crate::base::text::until_nul;

pub(super) fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pack = |lua: &Lua, words: Variadic<mlua::Value>| {
        let packed = pack(lua, &words);
        answer(lua, packed.and_then(|out| lua.create_string(out).map_err(Problem::from)))
    };
    let unpack = |lua: &Lua, words: Variadic<mlua::Value>| answer(lua, unpack(lua, &words));
    let size = |lua: &Lua, words: Variadic<mlua::Value>| {
        answer(lua, text_at(lua, &words, 1).and_then(|format| size(&format.as_bytes())))
    };
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
    /// A letter that is no code.
    Unknown(u8),
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
                b'd' => Piece::Double,
                b's' => Piece::Zero,
                b'c' => Piece::Bytes(Some(self.count()?.unwrap_or(1)).filter(|count| *count > 0)),
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
                    self.align = self.count()?.unwrap_or(8);
                    if !self.align.is_power_of_two() {
                        return Err(format!("alignment {} is not a power of 2", self.align).into());
                    }
                    continue;
                }
                letter if letter.is_ascii_alphanumeric() => Piece::Unknown(letter),
                other => return Err(unknown(other)),
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

    /// The number that may follow a code.
    fn count(&mut self) -> Outcome<Option<usize>> {
        let len = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.text.split_at(len);
        self.text = rest;
        if digits.is_empty() {
            return Ok(None);
        }
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i32>().ok());
        Ok(Some(number.ok_or("integral size overflow")? as usize))
    }

    fn width(&mut self, default: usize) -> Outcome<usize> {
        match self.count()? {
            None => Ok(default),
            Some(width @ 0..=32) => Ok(width),
            Some(width) => Err(format!("integral size {width} is larger than limit of 32").into()),
        }
    }
}

fn format(text: &[u8]) -> Format<'_> {
    Format { text, little: true, align: 1 }
}

fn size(text: &[u8]) -> Outcome<f64> {
    let mut format = format(until_nul(text));
    let mut total = 0usize;
    while let Some((piece, padding)) = format.next(total)? {
        let bytes = match piece {
            Piece::Integer { bytes, .. } | Piece::Bytes(Some(bytes)) => bytes,
            Piece::Float => 4,
            Piece::Double => 8,
            Piece::Filler => 1,
            Piece::Zero => return Err(unsized_piece("s")),
            Piece::Bytes(None) => return Err(unsized_piece("c0")),
            Piece::Unknown(_) => 0,
        };
        total = total.saturating_add(padding).saturating_add(bytes);
    }
    Ok(total as f64)
}

fn unsized_piece(code: &str) -> Problem {
    Problem::Argument(1, format!("option '{code}' has no fixed size"))
}

fn unknown(code: u8) -> Problem {
    Problem::Argument(1, format!("invalid format option '{}'", char::from(code)))
}

fn pack(lua: &Lua, words: &[mlua::Value]) -> Outcome<Vec<u8>> {
    // An argument that is missing is nil here.
    let words = &[words, &[mlua::Value::Nil]].concat();
    let text = text_at(lua, words, 1)?;
    let text = text.as_bytes();
    let mut format = format(until_nul(&text));
    let mut out: Vec<u8> = Vec::new();
    let mut nth = 1;
    while let Some((piece, padding)) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        if matches!(piece, Piece::Filler) {
            out.push(0);
            continue;
        }
        nth += 1;
        match piece {
            Piece::Integer { bytes, .. } => {
                put_integer(&mut out, number_at(lua, words, nth)?, bytes, format.little);
            }
            Piece::Float => {
                let number = number_at(lua, words, nth)? as f32;
                put(&mut out, &number.to_le_bytes(), format.little);
            }
            Piece::Double => {
                put(&mut out, &number_at(lua, words, nth)?.to_le_bytes(), format.little);
            }
            Piece::Zero => {
                out.extend(&*text_at(lua, words, nth)?.as_bytes());
                out.push(0);
            }
            Piece::Bytes(count) => {
                let text = text_at(lua, words, nth)?;
                let bytes = text.as_bytes();
                let count = count.unwrap_or(bytes.len());
                let short = || Problem::Argument(nth + 1, "string too short".to_owned());
                out.extend(bytes.get(..count).ok_or_else(short)?);
            }
            Piece::Filler => {}
            Piece::Unknown(code) => return Err(unknown(code)),
        }
    }
    Ok(out)
}

fn put_integer(out: &mut Vec<u8>, number: f64, bytes: usize, little: bool) {
    let integer = if number < 0.0 { number::c_i64(number) } else { number::c_u64(number) as i64 };
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
fn unpack(lua: &Lua, words: &[mlua::Value]) -> Outcome<MultiValue> {
    let (text, data) = (text_at(lua, words, 1)?, text_at(lua, words, 2)?);
    let (text, data) = (text.as_bytes(), data.as_bytes());
    let mut format = format(until_nul(&text));
    let from = match words.get(2) {
        None | Some(mlua::Value::Nil) => 1,
        Some(_) => number::c_i64(number_at(lua, words, 3)?) as usize,
    };
    let below = || Problem::Argument(3, "offset must be 1 or greater".to_owned());
    let mut at = from.checked_sub(1).ok_or_else(below)?;
    let short = || Problem::Argument(2, "data string too short".to_owned());
    let mut all = MultiValue::new();
    while let Some((piece, padding)) = format.next(at)? {
        at = at.saturating_add(padding);
        let rest = data.get(at..).ok_or_else(short)?;
        let take = |count: usize| rest.get(..count).ok_or_else(short);
        let string = |bytes: &[u8]| lua.create_string(bytes).map_err(Problem::from);
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
                let end = end.ok_or("unfinished string in data")?;
                all.push_back(mlua::Value::String(string(&rest[..end])?));
                at += end + 1;
            }
            Piece::Bytes(count) => {
                let count = match (count, all.pop_back()) {
                    (Some(count), previous) => {
                        all.extend(previous);
                        count
                    }
                    (None, Some(mlua::Value::Number(count))) => number::c_u64(count) as usize,
                    (None, _) => return Err("format 'c0' needs a previous size".into()),
                };
                all.push_back(mlua::Value::String(string(take(count)?)?));
                at += count;
            }
            Piece::Filler => {
                take(1)?;
                at += 1;
            }
            Piece::Unknown(code) => return Err(unknown(code)),
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
    if signed && !bytes.is_empty() {
        let unused = 64 - 8 * bytes.len().min(8) as u32;
        return ((bits << unused) as i64 >> unused) as f64;
    }
    bits as f64
}
