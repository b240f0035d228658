//! The functions that the prelude gets from outside Lua.
//!
//! They are functions of C to Lua, so that the script's own frame is there when they raise an error,
//! also where it returns what they return. What they raise is kept in the registry: Lua catches a
//! thing of this language, and the prelude puts what was meant in its place.

use std::sync::Arc;

use bytes::Bytes;
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Variadic};
use sha1::{Digest, Sha1};

use super::engine::{PRELUDE, consult};
use super::lrand48::Lrand48;
use super::run::{Ask, Desk, Place, Told, open};
use super::{bits, cjson, cmsgpack, pieces, value};
use crate::base::number;
use crate::base::text::{hex, until_nul};
use crate::persist::rdb::REDIS_VERSION;

/// The results of a function, or what was wrong.
pub(super) type Outcome<T> = Result<T, Problem>;

/// What is wrong with a call of a function.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is said as it is.
    Text(String),
    /// An argument, counted from 1, which is said with the function's name.
    Argument(usize, String),
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<mlua::Error> for Problem {
    fn from(error: mlua::Error) -> Self {
        Self::Text(error.to_string())
    }
}

/// An argument, counted from 1, as a text.
pub(super) fn text_at(lua: &Lua, words: &[mlua::Value], nth: usize) -> Outcome<mlua::LuaString> {
    let word = words.get(nth - 1).cloned().unwrap_or_default();
    lua.coerce_string(word).ok().flatten().ok_or_else(|| wrong_type(words, nth, "string"))
}

/// An argument, counted from 1, as a number.
pub(super) fn number_at(lua: &Lua, words: &[mlua::Value], nth: usize) -> Outcome<f64> {
    let word = words.get(nth - 1).cloned().unwrap_or_default();
    lua.coerce_number(word).ok().flatten().ok_or_else(|| wrong_type(words, nth, "number"))
}

fn wrong_type(words: &[mlua::Value], nth: usize, expected: &str) -> Problem {
    let got = words.get(nth - 1).map_or("no value", mlua::Value::type_name);
    Problem::Argument(nth, format!("{expected} expected, got {got}"))
}

/// Where the last error that was raised from here is kept.
const RAISED: &str = "raised";

/// The table of all functions.
pub(super) fn functions(lua: &Lua, desk: &Arc<Desk>) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.set("redis", redis(lua, desk)?)?;
    let raised = |lua: &Lua, ()| {
        let value = lua.named_registry_value::<mlua::Value>(RAISED)?;
        lua.set_named_registry_value(RAISED, mlua::Value::Nil)?;
        Ok(value)
    };
    host.set("raised", lua.create_function(raised)?)?;
    let at = Arc::clone(desk);
    let random = move |lua: &Lua, limits: Variadic<f64>| answer(lua, random(&at, &limits));
    host.set("random", lua.create_function(random)?)?;
    let at = Arc::clone(desk);
    let randomseed = move |_: &Lua, seed: f64| {
        *open(&at.dice) = Lrand48::new(seed as i32);
        Ok(())
    };
    host.set("randomseed", lua.create_function(randomseed)?)?;
    host.set("place", lua.create_function(|lua, ()| Ok(place(lua).unzip()))?)?;
    host.set("cjson", cjson::functions(lua)?)?;
    host.set("cmsgpack", cmsgpack::functions(lua)?)?;
    host.set("struct", pieces::functions(lua)?)?;
    host.set("bit", bits::functions(lua)?)?;
    Ok(host)
}

/// The functions of `redis`, <https://redis.io/docs/latest/develop/interact/programmability/lua-api/>.
fn redis(lua: &Lua, desk: &Arc<Desk>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let set = |name: &str, run: fn(&Lua, &Desk, &[mlua::Value]) -> mlua::Result<mlua::Value>| {
        let desk = Arc::clone(desk);
        let run = move |lua: &Lua, words: Variadic<mlua::Value>| run(lua, &desk, &words);
        redis.set(name, lua.create_function(run)?)
    };
    set("call", |lua, desk, words| match command(lua, desk, words)? {
        (reply, true) => Err(raise(lua, reply)),
        (reply, false) => Ok(reply),
    })?;
    set("pcall", |lua, desk, words| Ok(command(lua, desk, words)?.0))?;
    set("error_reply", |lua, _, words| match words {
        [mlua::Value::String(text)] => tagged(lua, "err", &with_code(&text.as_bytes())),
        _ => tagged(lua, "err", b"ERR wrong number or type of arguments"),
    })?;
    set("status_reply", |lua, _, words| match words {
        [mlua::Value::String(text)] => tagged(lua, "ok", &text.as_bytes()),
        _ => tagged(lua, "err", b"ERR wrong number or type of arguments"),
    })?;
    set("sha1hex", |lua, _, words| match words {
        [word] => {
            let text = lua.coerce_string(word.clone())?;
            let digest = text.map_or_else(|| digest(b""), |text| digest(&text.as_bytes()));
            lua.create_string(digest).map(mlua::Value::String)
        }
        _ => Err(fail(lua, "wrong number of arguments")),
    })?;
    set("log", log)?;
    set("setresp", |lua, desk, words| match words {
        [version] => {
            match lua.coerce_number(version.clone())?.map(f64::trunc) {
                Some(2.0) => desk.set_resp3(false),
                Some(3.0) => desk.set_resp3(true),
                _ => return Err(fail(lua, "RESP version must be 2 or 3.")),
            }
            Ok(mlua::Value::Nil)
        }
        _ => Err(fail(lua, "redis.setresp() requires one argument.")),
    })?;
    set("set_repl", |lua, desk, words| {
        let [flags] = words else {
            return Err(fail(lua, "redis.set_repl() requires two arguments."));
        };
        // What is no number is 0 to C.
        let flags = lua.coerce_number(flags.clone())?.unwrap_or_default().trunc();
        if !(0.0..=3.0).contains(&flags) {
            let texts = "Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
            return Err(fail(lua, &format!("Invalid replication flags. {texts}")));
        }
        consult(lua, desk, Ask::Replicate(flags as u8)).map(|_| mlua::Value::Nil)
    })?;
    set("acl_check_cmd", |lua, desk, words| {
        if words.is_empty() {
            return Err(fail(lua, NO_WORDS));
        }
        let mut command = words_of(words).ok_or_else(|| fail(lua, NO_WORD))?;
        match consult(lua, desk, Ask::IsCommand(command.swap_remove(0)))? {
            Some(Told::Known(true)) => Ok(mlua::Value::Boolean(true)),
            _ => Err(fail(lua, "Invalid command passed to redis.acl_check_cmd()")),
        }
    })?;
    set("replicate_commands", |_, _, _| Ok(mlua::Value::Boolean(true)))?;
    set("breakpoint", |_, _, _| Ok(mlua::Value::Boolean(false)))?;
    set("debug", |_, _, _| Ok(mlua::Value::Nil))?;
    redis.set("REDIS_VERSION", REDIS_VERSION)?;
    redis.set("REDIS_VERSION_NUM", version_number())?;
    Ok(redis)
}

/// An error's text as a script gives it: after a `-` or not, its code first, or none if it is a
/// single word.
fn with_code(text: &[u8]) -> Vec<u8> {
    let text = until_nul(text);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() }
}

fn log(lua: &Lua, desk: &Desk, words: &[mlua::Value]) -> mlua::Result<mlua::Value> {
    let [level, texts @ ..] = words else {
        return Err(fail(lua, "redis.log() requires two arguments or more."));
    };
    if texts.is_empty() {
        return Err(fail(lua, "redis.log() requires two arguments or more."));
    }
    let level = lua.coerce_number(level.clone())?;
    let level = level.ok_or_else(|| fail(lua, "First argument must be a number (log level)."))?;
    let level = level.trunc();
    if !(0.0..=3.0).contains(&level) {
        return Err(fail(lua, "Invalid debug level."));
    }
    let mut line = Vec::new();
    for text in texts {
        let text = lua.coerce_string(text.clone())?;
        line.push(text.map(|text| text.to_string_lossy()).unwrap_or_default());
    }
    consult(lua, desk, Ask::Log(level as u8, line.join(" "))).map(|_| mlua::Value::Nil)
}

/// An error that is this value.
fn raise(lua: &Lua, value: mlua::Value) -> mlua::Error {
    match lua.set_named_registry_value(RAISED, value) {
        Ok(()) => mlua::Error::runtime("see the registry"),
        Err(error) => error,
    }
}

/// An error of the functions of `redis`.
fn fail(lua: &Lua, text: &str) -> mlua::Error {
    match tagged(lua, "err", format!("ERR {text}").as_bytes()) {
        Ok(problem) => raise(lua, problem),
        Err(error) => error,
    }
}

fn tagged(lua: &Lua, name: &str, text: &[u8]) -> mlua::Result<mlua::Value> {
    let table = lua.create_table()?;
    table.raw_set(name, lua.create_string(text)?)?;
    Ok(mlua::Value::Table(table))
}

/// The results, or an error that says where the function was called.
pub(super) fn answer<T: IntoLuaMulti>(lua: &Lua, outcome: Outcome<T>) -> mlua::Result<MultiValue> {
    match outcome {
        Ok(results) => results.into_lua_multi(lua),
        Err(problem) => {
            let text = match problem {
                Problem::Text(text) => text,
                Problem::Argument(nth, text) => {
                    let name = lua.inspect_stack(0, |frame| Some(frame.names().name?.into_owned()));
                    let name = name.flatten().unwrap_or_else(|| "?".to_owned());
                    format!("bad argument #{nth} to '{name}' ({text})")
                }
            };
            let text = called_at(lua) + &text;
            Err(raise(lua, mlua::Value::String(lua.create_string(text)?)))
        }
    }
}

/// Where the function that runs was called from, if that was a function of Lua.
fn called_at(lua: &Lua) -> String {
    let place = lua.inspect_stack(1, |frame| {
        let name = frame.source().short_src.map(std::borrow::Cow::into_owned).unwrap_or_default();
        frame.current_line().map(|line| format!("{name}:{line}: "))
    });
    place.flatten().unwrap_or_default()
}

/// The SHA1 of a text as 40 hexadecimal digits: the name of a script.
pub fn digest(text: &[u8]) -> String {
    hex(&Sha1::digest(text))
}

fn version_number() -> u32 {
    REDIS_VERSION.split('.').fold(0, |n, part| n << 8 | part.parse::<u32>().unwrap_or_default())
}

/// A command: the Lua value of its reply, and whether it is an error.
fn command(lua: &Lua, desk: &Desk, words: &[mlua::Value]) -> mlua::Result<(mlua::Value, bool)> {
    let refuse = |text: &str| Ok((tagged(lua, "err", text.as_bytes())?, true));
    if words.is_empty() {
        return refuse(&format!("ERR {NO_WORDS}"));
    }
    let Some(command) = words_of(words) else { return refuse(&format!("ERR {NO_WORD}")) };
    let question = Ask::Call { words: command, resp3: desk.resp3() };
    match consult(lua, desk, question)? {
        Some(Told::Reply(reply)) => {
            let (value, is_error) = value::of_reply(lua, &reply)?;
            if let (true, mlua::Value::Table(error)) = (is_error, &value) {
                // The error was counted where it came up.
                error.raw_set("ignore_error_stats_update", true)?;
            }
            Ok((value, is_error))
        }
        _ => Err(mlua::Error::runtime("the script must end")),
    }
}

const NO_WORDS: &str = "Please specify at least one argument for this redis lib call";
const NO_WORD: &str = "Lua redis lib command arguments must be strings or integers";

/// Values as the words of a command; `None` if one cannot be a word.
fn words_of(values: &[mlua::Value]) -> Option<Vec<Bytes>> {
    let word = |value: &mlua::Value| match value {
        mlua::Value::String(text) => Some(Bytes::copy_from_slice(&text.as_bytes())),
        mlua::Value::Integer(n) => Some(Bytes::from(number::text_f64(*n as f64))),
        mlua::Value::Number(n) => Some(Bytes::from(number::text_f64(*n))),
        _ => None,
    };
    values.iter().map(word).collect()
}

/// Where in the script an error came up: the innermost function that is neither C nor of the prelude.
pub(super) fn place(lua: &Lua) -> Option<Place> {
    let at = |level| {
        lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let name = source.source.map(std::borrow::Cow::into_owned).unwrap_or_default();
            (source.what != "C" && name != PRELUDE)
                .then(|| frame.current_line().map(|line| (name, line)))
        })
    };
    (0..).map_while(at).flatten().next().flatten()
}

/// `math.random` with none, one or two limits.
fn random(desk: &Desk, limits: &[f64]) -> Outcome<f64> {
    let part = f64::from(open(&desk.dice).roll() % i32::MAX) / f64::from(i32::MAX);
    match limits {
        [] => Ok(part),
        [high] if *high >= 1.0 => Ok((part * high.trunc()).floor() + 1.0),
        [_] => Err(Problem::Argument(1, "interval is empty".to_owned())),
        [low, high] if low <= high => {
            let (low, high) = (low.trunc(), high.trunc());
            Ok((part * (high - low + 1.0)).floor() + low)
        }
        [_, _] => Err(Problem::Argument(2, "interval is empty".to_owned())),
        _ => Err("wrong number of arguments".into()),
    }
}
