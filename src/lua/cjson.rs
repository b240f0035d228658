//! `cjson`: JSON, with the limits and words of lua-cjson.

use mlua::{Lua, MultiValue, Table, Variadic};

use super::host::{Outcome, Problem, answer, text_at};
use crate::base::number::text_general;

/// Tables in tables that are written or read.
const DEPTH_MAX: usize = 1000;

/// An array may be so many times longer than it has elements, once it is longer than this.
const SPARSE_RATIO: usize = 2;
const SPARSE_SAFE: usize = 10;

pub(super) fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let encode = |lua: &Lua, words: Variadic<mlua::Value>| -> mlua::Result<MultiValue> {
        let text = one(&words).and_then(|value| {
            let mut out = Vec::new();
            write(&mut out, value, 0).map(|()| out)
        });
        answer(lua, text.and_then(|text| lua.create_string(text).map_err(Problem::from)))
    };
    let decode = |lua: &Lua, words: Variadic<mlua::Value>| -> mlua::Result<MultiValue> {
        let text = one(&words).and_then(|_| text_at(lua, &words, 1));
        let value = text.and_then(|text| Parser { lua, text: &text.as_bytes(), at: 0 }.whole());
        answer(lua, value)
    };
    table.set("encode", lua.create_function(encode)?)?;
    table.set("decode", lua.create_function(decode)?)?;
    table.set("null", mlua::Value::NULL)?;
    table.set("_NAME", "cjson")?;
    table.set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn one(words: &[mlua::Value]) -> Outcome<&mlua::Value> {
    match words {
        [value] => Ok(value),
        _ => Err(Problem::Argument(1, "expected 1 argument".to_owned())),
    }
}

fn write(out: &mut Vec<u8>, value: &mlua::Value, depth: usize) -> Outcome<()> {
    match value {
        mlua::Value::Nil => out.extend(b"null"),
        value if value.is_null() => out.extend(b"null"),
        mlua::Value::Boolean(yes) => out.extend(if *yes { b"true".as_slice() } else { b"false" }),
        mlua::Value::Integer(n) => out.extend(number(*n as f64)?.bytes()),
        mlua::Value::Number(n) => out.extend(number(*n)?.bytes()),
        mlua::Value::String(text) => write_string(out, &text.as_bytes()),
        mlua::Value::Table(_) if depth >= DEPTH_MAX => {
            return Err(format!("Cannot serialise, excessive nesting ({})", depth + 1).into());
        }
        mlua::Value::Table(table) => match array_len(table)? {
            Some(len) => write_array(out, table, len, depth)?,
            None => write_object(out, table, depth)?,
        },
        other => {
            let kind = other.type_name();
            return Err(format!("Cannot serialise {kind}: type not supported").into());
        }
    }
    Ok(())
}

/// Up to 14 significant digits, as C's `%.14g` writes them.
fn number(n: f64) -> Outcome<String> {
    if !n.is_finite() {
        return Err("Cannot serialise number: must not be NaN or Inf".into());
    }
    Ok(text_general(n, 14))
}

/// The length of an array; `None` for an object. An empty table is an object.
fn array_len(table: &Table) -> Outcome<Option<usize>> {
    let (mut max, mut items) = (0i32, 0);
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        let (key, _) = pair.map_err(Problem::from)?;
        let index = match key {
            mlua::Value::Integer(n) => n as f64,
            mlua::Value::Number(n) => n,
            _ => return Ok(None),
        };
        if index < 1.0 || index.fract() != 0.0 {
            return Ok(None);
        }
        if index > f64::from(max) {
            // C's int has no place for a larger one.
            max = if index <= f64::from(i32::MAX) { index as i32 } else { i32::MIN };
        }
        items += 1;
    }
    let max = usize::try_from(max).unwrap_or(0);
    if max > SPARSE_SAFE && max > items * SPARSE_RATIO {
        return Err("Cannot serialise table: excessively sparse array".into());
    }
    Ok(Some(max).filter(|max| *max > 0))
}

fn write_array(out: &mut Vec<u8>, table: &Table, len: usize, depth: usize) -> Outcome<()> {
    out.push(b'[');
    for index in 1..=len {
        if index > 1 {
            out.push(b',');
        }
        let element = table.raw_get(index).map_err(Problem::from)?;
        write(out, &element, depth + 1)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object(out: &mut Vec<u8>, table: &Table, depth: usize) -> Outcome<()> {
    out.push(b'{');
    let mut is_first = true;
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        let (key, value) = pair.map_err(Problem::from)?;
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        match key {
            mlua::Value::String(text) => write_string(out, &text.as_bytes()),
            mlua::Value::Integer(n) => out.extend(format!("\"{}\"", number(n as f64)?).bytes()),
            mlua::Value::Number(n) => out.extend(format!("\"{}\"", number(n)?).bytes()),
            other => {
                let text = "table key must be a number or string";
                return Err(format!("Cannot serialise {}: {text}", other.type_name()).into());
            }
        }
        out.push(b':');
        write(out, &value, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'/' => out.extend([b'\\', byte]),
            8 => out.extend(b"\\b"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            12 => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            0..=31 | 127 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Reads JSON text.
struct Parser<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn whole(mut self) -> Outcome<mlua::Value> {
        // UTF-16 and UTF-32 have a zero in the first two bytes.
        if self.text.len() >= 2 && (self.text[0] == 0 || self.text[1] == 0) {
            return Err("JSON parser does not support UTF-16 or UTF-32".into());
        }
        let value = self.value(0)?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.wrong("the end"));
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Outcome<mlua::Value> {
        self.space();
        let rest = &self.text[self.at..];
        match rest.first() {
            Some(b'{') => self.nested(depth, Self::object),
            Some(b'[') => self.nested(depth, Self::array),
            Some(b'"') => self.string().and_then(|text| self.text_value(&text)),
            _ => {
                let words = [
                    ("true", mlua::Value::Boolean(true)),
                    ("false", mlua::Value::Boolean(false)),
                    ("null", mlua::Value::NULL),
                ];
                for (word, value) in words {
                    if rest.starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.number()
            }
        }
    }

    fn nested(
        &mut self,
        depth: usize,
        read: impl FnOnce(&mut Self, usize) -> Outcome<Table>,
    ) -> Outcome<mlua::Value> {
        if depth >= DEPTH_MAX {
            return Err(format!(
                "Found too many nested data structures ({}) at character {}",
                depth + 1,
                self.at + 1
            )
            .into());
        }
        self.at += 1;
        read(self, depth + 1).map(mlua::Value::Table)
    }

    fn object(&mut self, depth: usize) -> Outcome<Table> {
        let table = self.table()?;
        self.space();
        if self.take(b'}') {
            return Ok(table);
        }
        loop {
            self.space();
            if self.text.get(self.at) != Some(&b'"') {
                return Err(self.wrong("object key string"));
            }
            let key = self.string()?;
            let key = self.text_value(&key)?;
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("colon"));
            }
            let value = self.value(depth)?;
            table.raw_set(key, value).map_err(Problem::from)?;
            self.space();
            if self.take(b'}') {
                return Ok(table);
            }
            if !self.take(b',') {
                return Err(self.wrong("comma or object end"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Outcome<Table> {
        let table = self.table()?;
        self.space();
        if self.take(b']') {
            return Ok(table);
        }
        for index in 1.. {
            let value = self.value(depth)?;
            table.raw_set(index, value).map_err(Problem::from)?;
            self.space();
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return Err(self.wrong("comma or array end"));
            }
        }
        Ok(table)
    }

    fn string(&mut self) -> Outcome<Vec<u8>> {
        let start = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.next().ok_or_else(|| invalid(start, "unexpected end of string"))?;
            match byte {
                b'"' => return Ok(out),
                b'\\' => self.escape(&mut out)?,
                _ => out.push(byte),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Outcome<()> {
        let at = self.at - 1;
        match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => out.push(byte),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                let invalid = || invalid(at, "invalid unicode escape code");
                let high = self.hex(self.at).ok_or_else(invalid)?;
                let low = self.hex(self.at + 6).filter(|_| {
                    self.text.get(self.at + 4..self.at + 6).is_some_and(|t| t == b"\\u")
                });
                let units = match (high, low) {
                    (0xd800..0xdc00, Some(low)) => vec![high, low],
                    _ => vec![high],
                };
                let decoded: Result<String, _> =
                    char::decode_utf16(units.iter().copied()).collect();
                out.extend(decoded.map_err(|_| invalid())?.bytes());
                self.at += units.len() * 6 - 2;
            }
            _ => return Err(invalid(at, "invalid escape code")),
        }
        Ok(())
    }

    fn hex(&self, at: usize) -> Option<u16> {
        let digits = std::str::from_utf8(self.text.get(at..at + 4)?).ok()?;
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, 16).ok())?
    }

    /// A number as C reads it: also with a plus sign, `inf`, `nan` or hexadecimal.
    fn number(&mut self) -> Outcome<mlua::Value> {
        let rest = &self.text[self.at..];
        let len = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))
            .unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..len]).to_ascii_lowercase();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1.0, digits),
            None => (1.0, text.as_str()),
        };
        let number = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
            None => digits.parse().ok(),
        };
        let number = number.filter(|_| len > 0).ok_or_else(|| self.wrong("value"))?;
        self.at += len;
        Ok(mlua::Value::Number(sign * number))
    }

    fn table(&self) -> Outcome<Table> {
        self.lua.create_table().map_err(Problem::from)
    }

    fn text_value(&self, text: &[u8]) -> Outcome<mlua::Value> {
        self.lua.create_string(text).map(mlua::Value::String).map_err(Problem::from)
    }

    fn space(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.text.get(self.at) == Some(&wanted);
        self.at += usize::from(is_there);
        is_there
    }

    /// `Expected value but found T_END at character 3`
    fn wrong(&self, expected: &str) -> Problem {
        let found = match self.text.get(self.at) {
            None => "T_END",
            Some(b'{') => "T_OBJ_BEGIN",
            Some(b'}') => "T_OBJ_END",
            Some(b'[') => "T_ARR_BEGIN",
            Some(b']') => "T_ARR_END",
            Some(b'"') => "T_STRING",
            Some(b':') => "T_COLON",
            Some(b',') => "T_COMMA",
            Some(b'0'..=b'9' | b'-') => "T_NUMBER",
            Some(_) if self.text[self.at..].starts_with(b"true") => "T_BOOLEAN",
            Some(_) if self.text[self.at..].starts_with(b"false") => "T_BOOLEAN",
            Some(_) if self.text[self.at..].starts_with(b"null") => "T_NULL",
            Some(_) => "invalid token",
        };
        format!("Expected {expected} but found {found} at character {}", self.at + 1).into()
    }
}

fn invalid(at: usize, what: &str) -> Problem {
    format!("Expected value but found {what} at character {}", at + 1).into()
}
