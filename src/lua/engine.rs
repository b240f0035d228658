//! The Lua state of a node.

use std::sync::Arc;

use bytes::Bytes;
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, VmState};

use super::run::{Ask, Desk, Run, Voice, open};
use super::{Value, host};
use crate::base::text::shown;

/// Instructions after which a script asks whether it may go on: some milliseconds.
pub const INSTRUCTIONS_PER_TURN: u32 = 1_000_000;

/// What the prelude is called in messages.
pub(super) const PRELUDE: &str = "=replab";

/// What becomes of a script that was killed.
const KILLED: &str = "Script killed by user with SCRIPT KILL...";

/// The name under which the host's functions find the way to the node.
const ASK: &str = "ask";

/// A Lua state, in which scripts run one at a time.
#[derive(Debug)]
pub struct Engine {
    lua: Lua,
    globals: Table,
    confine: Function,
    guard: Function,
    desk: Arc<Desk>,
}

impl Engine {
    /// A state without any script.
    pub fn new() -> mlua::Result<Self> {
        Self::with_desk(Desk::new())
    }

    /// Another state without any script, whose dice go on where those of this one are.
    pub fn renewed(&self) -> mlua::Result<Self> {
        let desk = Desk::new();
        *open(&desk.dice) = *open(&self.desk.dice);
        Self::with_desk(desk)
    }

    fn with_desk(desk: Desk) -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let desk = Arc::new(desk);
        let prelude = lua.load(include_str!("prelude.lua")).set_name(PRELUDE);
        let (globals, confine, guard) = prelude.call(host::functions(&lua, &desk)?)?;
        Ok(Self { lua, globals, confine, guard, desk })
    }

    /// Compiles a script.
    pub fn compile(&self, body: &[u8]) -> Result<Function, String> {
        // Bytecode is nothing but a wrong character, which it is behind a space.
        let source =
            if body.first() == Some(&0x1b) { [b" ", body].concat() } else { body.to_vec() };
        let chunk = self.lua.load(source).set_name("@user_script");
        let function = chunk.into_function();
        let function = function.and_then(|script| self.confine.call::<Function>(script));
        function.map_err(|error| {
            format!("ERR Error compiling script (new function): {}", first_line(&error))
        })
    }

    /// Begins to run a compiled script, whose digest is told with its errors.
    pub fn run(
        &self,
        digest: &str,
        script: &Function,
        keys: &[Bytes],
        args: &[Bytes],
    ) -> Result<Run, String> {
        let prepared = self.set_words("KEYS", keys).and_then(|()| self.set_words("ARGV", args));
        prepared.map_err(|error| format!("ERR {}", first_line(&error)))?;
        let (lua, guard, desk) = (self.lua.clone(), self.guard.clone(), Arc::clone(&self.desk));
        let (script, digest) = (script.clone(), digest.to_owned());
        Run::new(&self.desk, move |voice| play(&lua, &guard, &script, &desk, voice, &digest))
    }

    fn set_words(&self, name: &str, words: &[Bytes]) -> mlua::Result<()> {
        let table = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (index, word) in words.iter().enumerate() {
            table.raw_set(index + 1, self.lua.create_string(word)?)?;
        }
        self.globals.raw_set(name, table)
    }
}

/// On the script's own stack: runs it to its end.
fn play(
    lua: &Lua,
    guard: &Function,
    script: &Function,
    desk: &Arc<Desk>,
    voice: &Voice,
    digest: &str,
) -> Result<Value, String> {
    let outcome = lua.scope(|scope| {
        let ask = scope.create_function(|_, ()| {
            desk.pass(voice);
            Ok(())
        })?;
        lua.set_named_registry_value(ASK, ask)?;
        watch(lua, desk, INSTRUCTIONS_PER_TURN)?;
        guard.call::<(bool, mlua::Value)>(script)
    });
    lua.remove_global_hook();
    match outcome {
        _ if desk.is_killed() => {
            let place = desk.killed_at();
            Err(format!("ERR {KILLED} script: {digest}, on {}:{}.", place.0, place.1))
        }
        Ok((true, value)) => Value::of_lua(&value, desk.resp3()).map_err(|e| first_line(&e)),
        Ok((false, mlua::Value::Table(problem))) => Err(told(&problem, digest)),
        Ok((false, _)) => Err("ERR Error running script, execution failure".to_owned()),
        Err(error) => Err(format!("ERR {}", first_line(&error))),
    }
}

/// Lets the script ask now and then whether it may go on. One that must end is told so at every
/// instruction, whatever it catches.
fn watch(lua: &Lua, desk: &Arc<Desk>, every: u32) -> mlua::Result<()> {
    let desk = Arc::clone(desk);
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(every), move |lua, _| {
        if !desk.is_killed() {
            consult(lua, &desk, Ask::Busy)?;
        }
        if desk.is_killed() {
            if every > 1 {
                desk.note_place(host::place(lua));
                watch(lua, &desk, 1)?;
            }
            return Err(mlua::Error::runtime(KILLED));
        }
        Ok(VmState::Continue)
    })
}

/// Asks the node and waits for its answer.
pub(super) fn consult(lua: &Lua, desk: &Desk, question: Ask) -> mlua::Result<Option<super::Told>> {
    desk.ask(question);
    lua.named_registry_value::<Function>(ASK)?.call::<()>(())?;
    Ok(desk.answer())
}

/// What an error says to the client: its text, and where it came up.
fn told(problem: &Table, digest: &str) -> String {
    let field = |name: &str| problem.raw_get::<Option<mlua::LuaString>>(name).ok().flatten();
    let text = field("err").map(|text| shown(&text.as_bytes()).into_owned()).unwrap_or_default();
    let line = problem.raw_get::<Option<i64>>("line").ok().flatten();
    match (field("source"), line) {
        (Some(source), Some(line)) => {
            format!("{text} script: {digest}, on {}:{line}.", source.to_string_lossy())
        }
        _ => text,
    }
}

/// An error without the trace that mlua adds to it.
fn first_line(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => {
            message.clone()
        }
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}
