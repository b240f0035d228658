//! Values on their way between Lua and the protocol.

use mlua::{Lua, Table};

use crate::base::number;
use crate::base::text::shown;
use crate::resp::{Protocol, Reply};

/// What a script returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false, after `redis.setresp(3)`.
    Bool(bool),
    /// A number, cut to an integer.
    Int(i64),
    /// A string.
    Bulk(Vec<u8>),
    /// `{ok = …}`
    Status(String),
    /// `{err = …}`
    Error(String),
    /// `{double = …}`
    Double(f64),
    /// `{big_number = …}`
    BigNumber(String),
    /// `{verbatim_string = {format = …, string = …}}`
    Verbatim(String, Vec<u8>),
    /// A table with elements 1, 2, ….
    Array(Vec<Value>),
    /// `{map = …}`
    Map(Vec<(Value, Value)>),
    /// `{set = …}`
    Set(Vec<Value>),
}

/// Tables in tables beyond this are an error.
const DEPTH_MAX: usize = 1000;

const TOO_DEEP: &str = "ERR reached lua stack limit";

impl Value {
    /// Writes it as a reply.
    pub fn write(&self, reply: &mut Reply) {
        match self {
            Self::Null => reply.null(),
            Self::Bool(yes) => reply.boolean(*yes),
            Self::Int(n) => reply.int(*n),
            Self::Bulk(bytes) => reply.bulk(bytes),
            Self::Status(text) => reply.simple(&text.replace(['\r', '\n'], " ")),
            Self::Error(text) => reply.error(text),
            Self::Double(n) => reply.double(&number::text_f64(*n)),
            Self::BigNumber(text) if reply.protocol() == Protocol::Resp3 => {
                reply.raw(format!("({}\r\n", text.replace(['\r', '\n'], " ")).as_bytes());
            }
            Self::BigNumber(text) => reply.bulk(text),
            Self::Verbatim(format, text) => reply.verbatim(format, text),
            Self::Array(elements) => {
                reply.array(elements.len());
                elements.iter().for_each(|element| element.write(reply));
            }
            Self::Map(pairs) => {
                reply.map(pairs.len());
                for (name, value) in pairs {
                    name.write(reply);
                    value.write(reply);
                }
            }
            Self::Set(members) => {
                reply.set(members.len());
                members.iter().for_each(|member| member.write(reply));
            }
        }
    }

    pub(super) fn of_lua(value: &mlua::Value, resp3: bool) -> mlua::Result<Self> {
        Self::at_depth(value, resp3, 0)
    }

    fn at_depth(value: &mlua::Value, resp3: bool, depth: usize) -> mlua::Result<Self> {
        Ok(match value {
            mlua::Value::String(text) => Self::Bulk(text.as_bytes().to_vec()),
            mlua::Value::Integer(n) => Self::Int(*n),
            mlua::Value::Number(n) => Self::Int(number::c_i64(*n)),
            mlua::Value::Boolean(yes) if resp3 => Self::Bool(*yes),
            mlua::Value::Boolean(true) => Self::Int(1),
            mlua::Value::Table(_) if depth > DEPTH_MAX => Self::Error(TOO_DEEP.to_owned()),
            mlua::Value::Table(table) => Self::of_table(table, resp3, depth)?,
            _ => Self::Null,
        })
    }

    fn of_table(table: &Table, resp3: bool, depth: usize) -> mlua::Result<Self> {
        let inner = |value: &mlua::Value| Self::at_depth(value, resp3, depth + 1);
        if let mlua::Value::String(text) = table.raw_get("err")? {
            return Ok(Self::Error(shown(&text.as_bytes()).into_owned()));
        }
        if let mlua::Value::String(text) = table.raw_get("ok")? {
            return Ok(Self::Status(shown(&text.as_bytes()).into_owned()));
        }
        match table.raw_get("double")? {
            mlua::Value::Number(n) => return Ok(Self::Double(n)),
            mlua::Value::Integer(n) => return Ok(Self::Double(n as f64)),
            _ => {}
        }
        if let mlua::Value::Table(map) = table.raw_get("map")? {
            let pairs = map.pairs::<mlua::Value, mlua::Value>();
            let pairs = pairs.map(|pair| pair.and_then(|(k, v)| Ok((inner(&k)?, inner(&v)?))));
            return Ok(Self::Map(pairs.collect::<Result<_, _>>()?));
        }
        if let mlua::Value::Table(set) = table.raw_get("set")? {
            let members = set.pairs::<mlua::Value, mlua::Value>();
            let members = members.map(|pair| pair.and_then(|(member, _)| inner(&member)));
            return Ok(Self::Set(members.collect::<Result<_, _>>()?));
        }
        if let mlua::Value::String(text) = table.raw_get("big_number")? {
            return Ok(Self::BigNumber(text.to_string_lossy()));
        }
        if let mlua::Value::Table(parts) = table.raw_get("verbatim_string")?
            && let mlua::Value::String(text) = parts.raw_get("string")?
            && let mlua::Value::String(format) = parts.raw_get("format")?
        {
            return Ok(Self::Verbatim(format.to_string_lossy(), text.as_bytes().to_vec()));
        }
        let mut elements = Vec::new();
        loop {
            match table.raw_get(elements.len() + 1)? {
                mlua::Value::Nil => return Ok(Self::Array(elements)),
                element => elements.push(inner(&element)?),
            }
        }
    }
}

/// The Lua value of a reply, and whether it is an error.
pub(super) fn of_reply(lua: &Lua, reply: &[u8]) -> mlua::Result<(mlua::Value, bool)> {
    let value = Reader { lua, rest: reply }.value()?;
    Ok((value, reply.first() == Some(&b'-')))
}

/// Reads what this node wrote itself.
struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> mlua::Result<mlua::Value> {
        let line = self.line();
        let (kind, text) = line.split_first().unwrap_or((&b'_', b""));
        Ok(match kind {
            b':' => mlua::Value::Number(number::parse_i64(text).unwrap_or_default() as f64),
            b'+' => self.tagged("ok", text)?,
            b'-' => self.tagged("err", text)?,
            b'$' => match self.bytes(text) {
                Some(bytes) => mlua::Value::String(self.lua.create_string(bytes)?),
                None => mlua::Value::Boolean(false),
            },
            b'*' if text == b"-1" => mlua::Value::Boolean(false),
            b'*' | b'>' => mlua::Value::Table(self.array(text)?),
            b'%' => self.wrapped("map", |reader| reader.map(text))?,
            b'~' => self.wrapped("set", |reader| reader.set(text))?,
            b',' => {
                let n = number::parse_f64(text).unwrap_or_default();
                self.wrapped("double", |_| Ok(n))?
            }
            b'(' => self.tagged("big_number", text)?,
            b'#' => mlua::Value::Boolean(text == b"t"),
            b'=' => self.verbatim(text)?,
            _ => mlua::Value::Nil,
        })
    }

    fn tagged(&self, name: &str, text: &[u8]) -> mlua::Result<mlua::Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, self.lua.create_string(text)?)?;
        Ok(mlua::Value::Table(table))
    }

    fn wrapped<T: mlua::IntoLua>(
        &mut self,
        name: &str,
        inner: impl FnOnce(&mut Self) -> mlua::Result<T>,
    ) -> mlua::Result<mlua::Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, inner(self)?)?;
        Ok(mlua::Value::Table(table))
    }

    fn verbatim(&mut self, len: &[u8]) -> mlua::Result<mlua::Value> {
        let bytes = self.bytes(len).unwrap_or_default();
        let (format, text) = bytes.split_at_checked(4).unwrap_or((b"txt:", bytes));
        let parts = self.lua.create_table()?;
        parts.raw_set("format", self.lua.create_string(&format[..3])?)?;
        parts.raw_set("string", self.lua.create_string(text)?)?;
        self.wrapped("verbatim_string", |_| Ok(parts))
    }

    fn array(&mut self, len: &[u8]) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        for index in 1..=number::parse_i64(len).unwrap_or_default() {
            table.raw_set(index, self.value()?)?;
        }
        Ok(table)
    }

    fn map(&mut self, len: &[u8]) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        for _ in 0..number::parse_i64(len).unwrap_or_default() {
            let (name, value) = (self.value()?, self.value()?);
            table.raw_set(name, value)?;
        }
        Ok(table)
    }

    fn set(&mut self, len: &[u8]) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        for _ in 0..number::parse_i64(len).unwrap_or_default() {
            table.raw_set(self.value()?, true)?;
        }
        Ok(table)
    }

    fn bytes(&mut self, len: &[u8]) -> Option<&'a [u8]> {
        let len = usize::try_from(number::parse_i64(len)?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(len + 2)?;
        self.rest = rest;
        Some(&bytes[..len])
    }

    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memmem::find(self.rest, b"\r\n").unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }
}
