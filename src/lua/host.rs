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
use crate::base::text::hex;
use crate::persist::rdb::REDIS_VERSION;

/// The results of a function, or what was wrong with its arguments.
pub(super) type Outcome<T> = Result<T, String>;

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
        [mlua::Value::String(text)] => {
            let text = text.as_bytes();
            tagged(lua, "err", text.strip_prefix(b"-").unwrap_or(&text))
        }
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
            match lua.coerce_integer(version.clone())? {
                Some(version @ (2 | 3)) => desk.set_resp3(version == 3),
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
        let flags = lua.coerce_number(flags.clone())?.filter(|flags| (0.0..=3.0).contains(flags));
        let flags = flags.ok_or_else(|| {
            let texts = "Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
            fail(lua, &format!("Invalid replication flags. {texts}"))
        })?;
        consult(lua, desk, Ask::Replicate(flags as u8)).map(|_| mlua::Value::Nil)
    })?;
    set("acl_check_cmd", |lua, desk, words| {
        let Some(mlua::Value::String(name)) = words.first() else {
            let text = "Please specify at least one argument for this redis.acl_check_cmd() call";
            return Err(fail(lua, text));
        };
        let question = Ask::IsCommand(Bytes::copy_from_slice(&name.as_bytes()));
        match consult(lua, desk, question)? {
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

fn log(lua: &Lua, desk: &Desk, words: &[mlua::Value]) -> mlua::Result<mlua::Value> {
    let [level, texts @ ..] = words else {
        return Err(fail(lua, "redis.log() requires two arguments or more."));
    };
    if texts.is_empty() {
        return Err(fail(lua, "redis.log() requires two arguments or more."));
    }
    let level = lua.coerce_number(level.clone())?;
    let level = level.ok_or_else(|| fail(lua, "First argument must be a number (log level)."))?;
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
            let place = place(lua).map(|(source, line)| {
                format!("{}:{line}: ", source.trim_start_matches(['@', '=']))
            });
            let text = place.unwrap_or_default() + &problem;
            Err(raise(lua, mlua::Value::String(lua.create_string(text)?)))
        }
    }
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
        return refuse("ERR Please specify at least one argument for this redis lib call");
    }
    let mut command = Vec::with_capacity(words.len());
    for word in words {
        command.push(match word {
            mlua::Value::String(text) => Bytes::copy_from_slice(&text.as_bytes()),
            mlua::Value::Integer(n) => Bytes::from(number::text_f64(*n as f64)),
            mlua::Value::Number(n) => Bytes::from(number::text_f64(*n)),
            _ => return refuse("ERR Lua redis lib command arguments must be strings or integers"),
        });
    }
    let question = Ask::Call { words: command, resp3: desk.resp3() };
    match consult(lua, desk, question)? {
        Some(Told::Reply(reply)) => value::of_reply(lua, &reply),
        _ => Err(mlua::Error::runtime("the script must end")),
    }
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
        [_] => Err("bad argument #1 to 'random' (interval is empty)".to_owned()),
        [low, high] if low <= high => {
            let (low, high) = (low.trunc(), high.trunc());
            Ok((part * (high - low + 1.0)).floor() + low)
        }
        [_, _] => Err("bad argument #2 to 'random' (interval is empty)".to_owned()),
        _ => Err("wrong number of arguments".to_owned()),
    }
}
