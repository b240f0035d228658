//! EVAL and its kin, and SCRIPT.
//!
//! # Differences from Redis
//!
//! There is no debugger: SCRIPT DEBUG YES and SYNC are refused.

use bytes::Bytes;

use super::{container, help, row};
use crate::base::number;
use crate::command::flags::{
    ALLOW_BUSY, CONTAINER, LOADING, MOVABLE_KEYS, NOSCRIPT, READONLY, SKIP_MONITOR, STALE,
};
use crate::command::{CommandError, Group::Scripting, Spec};
use crate::machine::Outbox;
use crate::server::scripting::NO_SCRIPT;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

const RUN: crate::command::Flags = MOVABLE_KEYS | NOSCRIPT | SKIP_MONITOR | STALE;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Scripting, "EVAL", -3, RUN, "2.6.0", eval).doc("Execute a Lua script server side."),
    row(Scripting, "EVAL_RO", -3, RUN | READONLY, "7.0.0", eval_ro)
        .doc("Execute a read-only Lua script server side."),
    row(Scripting, "EVALSHA", -3, RUN, "2.6.0", evalsha).doc("Execute a Lua script server side."),
    row(Scripting, "EVALSHA_RO", -3, RUN | READONLY, "7.0.0", evalsha_ro)
        .doc("Execute a read-only Lua script server side."),
    row(Scripting, "SCRIPT", -2, CONTAINER, "2.6.0", container)
        .doc("A container for Lua scripts management commands."),
    row(Scripting, "SCRIPT|DEBUG", 3, NOSCRIPT, "3.2.0", debug)
        .doc("Set the debug mode for executed scripts."),
    row(Scripting, "SCRIPT|EXISTS", -3, NOSCRIPT, "2.6.0", exists)
        .doc("Check existence of scripts in the script cache."),
    row(Scripting, "SCRIPT|FLUSH", -2, NOSCRIPT, "2.6.0", flush)
        .doc("Remove all the scripts from the script cache."),
    row(Scripting, "SCRIPT|HELP", 2, LOADING | STALE, "5.0.0", script_help)
        .doc("Show helpful text about the different subcommands."),
    row(Scripting, "SCRIPT|KILL", 2, NOSCRIPT | ALLOW_BUSY, "2.6.0", kill)
        .doc("Kill the script currently in execution."),
    row(Scripting, "SCRIPT|LOAD", 3, NOSCRIPT | STALE, "2.6.0", load)
        .doc("Load the specified Lua script into the script cache."),
];

/// Characters of a SHA1.
const DIGEST_CHARS: usize = 40;

const HELP: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode for subsequent scripts executed.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
];

fn eval(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    run(server, ask, true, false, out)
}

fn eval_ro(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    run(server, ask, true, true, out)
}

fn evalsha(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    run(server, ask, false, false, out)
}

fn evalsha_ro(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    run(server, ask, false, true, out)
}

fn run(
    server: &mut Server,
    ask: &Ask<'_>,
    is_text: bool,
    read_only: bool,
    out: &mut Outbox,
) -> Result<(), CommandError> {
    if !is_text && ask.arg(1).len() != DIGEST_CHARS {
        return Err(NO_SCRIPT);
    }
    let keys = number::parse_i64(ask.arg(2)).ok_or(CommandError::NOT_AN_INTEGER)?;
    let words: Vec<_> = ask.args[3..].iter().map(|word| Bytes::copy_from_slice(word)).collect();
    if keys > words.len() as i64 {
        return Err(CommandError::fixed("ERR Number of keys can't be greater than number of args"));
    }
    let keys = usize::try_from(keys)
        .map_err(|_| CommandError::fixed("ERR Number of keys can't be negative"))?;
    let digest = if is_text {
        server.scripting.load(ask.arg(1))?
    } else {
        String::from_utf8_lossy(ask.arg(1)).to_ascii_lowercase()
    };
    let (keys, args) = words.split_at(keys);
    server.show_script_to_monitors(ask);
    server.run_script(ask.conn, &digest, keys, args, read_only, out)
}

fn load(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let digest = server.scripting.load(ask.arg(2))?;
    server.reply(ask).bulk(digest);
    Ok(())
}

fn exists(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let known = |digest: &&[u8]| {
        server.scripting.knows(&String::from_utf8_lossy(digest).to_ascii_lowercase())
    };
    let known: Vec<bool> = ask.args[2..].iter().map(known).collect();
    let reply = server.reply(ask);
    reply.array(known.len());
    known.iter().for_each(|yes| reply.int(i64::from(*yes)));
    Ok(())
}

fn flush(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let is_mode = ask.is(2, "SYNC") || ask.is(2, "ASYNC");
    if ask.args.len() > 3 || (ask.args.len() == 3 && !is_mode) {
        return Err(CommandError::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    server.scripting.flush();
    server.reply(ask).ok();
    Ok(())
}

fn kill(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.kill_script()?;
    server.reply(ask).ok();
    Ok(())
}

/// There is no debugger, so it can only be switched off.
fn debug(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    if ask.is(2, "NO") {
        server.reply(ask).ok();
        return Ok(());
    }
    if ask.is(2, "YES") || ask.is(2, "SYNC") {
        return Err(CommandError::fixed("ERR this server has no debugger of scripts"));
    }
    Err(CommandError::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

fn script_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    help(server, ask, HELP);
    Ok(())
}
