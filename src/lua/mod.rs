//! Floor 4: Lua scripts, as EVAL runs them.
//!
//! # How a script runs
//!
//! A node has one [`Engine`]: a Lua 5.1 state whose globals scripts may read and not write
//! (`prelude.lua`). A script runs on a stack of its own ([`Run`]): where it calls `redis.call`, it
//! stops and *asks* the node, which carries the command out and resumes it with the reply. So a
//! script holds nothing of the node, and the node remains a machine that takes one step at a time.
//!
//! A script that computes for long stops too, every [`INSTRUCTIONS_PER_TURN`], and says that it is
//! busy. The node serves others meanwhile (with BUSY), and may end it.
//!
//! # Values
//!
//! [`value`] turns replies into Lua values and the script's result into a reply, by the rules of
//! <https://redis.io/docs/latest/develop/interact/programmability/lua-api/#data-type-conversion>.
//!
//! # Differences from Redis
//!
//! * The libraries' tables and the table of globals are stand-ins: `getmetatable` of them is an empty
//!   table, and `ipairs` finds nothing in them.
//! * Where `rawset`, `setmetatable` or `next` is called in a tail call and fails, its place is not
//!   told.
//! * An error without a text (`error({})`) is answered; it ends the process of Redis.
//! * `redis.breakpoint` and `redis.debug` do nothing: there is no debugger. Bytecode is not loaded.

mod bits;
mod cjson;
mod cmsgpack;
mod engine;
mod host;
mod lrand48;
mod pieces;
mod run;
mod shebang;
mod value;

pub use self::engine::{Engine, INSTRUCTIONS_PER_TURN};
pub use self::host::digest;
pub use self::run::{Ask, Progress, Run, Told};
pub use self::shebang::{ScriptFlags, Shebang};
pub use self::value::Value;
pub use mlua::Function;

#[cfg(test)]
mod tests;
