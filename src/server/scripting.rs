//! Scripts on a node: the ones it knows, and the one that runs.
//!
//! A script is one unit: nobody else's command runs between two of its own, and replicas get its
//! effects as one block. As long as it runs, others wait; from `busy-reply-threshold` on they are told
//! BUSY, and may end it with SCRIPT KILL if it has not written yet.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Server;
use super::blocking::Blocked;
use super::table::Command;
use crate::command::{CommandError, flags};
use crate::lua::{Ask, Engine, Function, Progress, Run, ScriptFlags, Shebang, Told, Value};
use crate::machine::{ConnId, LogLevel, Millis, Outbox};
use crate::resp::{Protocol, Reply};

/// Turns that a script in a MULTI block gets: it cannot be interrupted there.
const TURNS_IN_BLOCK_MAX: u32 = 2_000;

/// The scripts of a node.
#[derive(Debug, Default)]
pub struct Scripting {
    /// Made for the first script.
    engine: Option<Engine>,
    known: BTreeMap<String, Script>,
    running: Option<Running>,
}

/// A script that was loaded.
#[derive(Debug, Clone)]
pub struct Script {
    function: Function,
    flags: ScriptFlags,
    /// Bytes of its text.
    bytes: usize,
}

/// A script that runs.
#[derive(Debug)]
struct Running {
    run: Run,
    /// Who asked for it.
    conn: ConnId,
    began: Millis,
    /// Its client is told when it ends; until then it can be interrupted.
    is_alone: bool,
    read_only: bool,
    allow_oom: bool,
    has_written: bool,
    /// Whether it was said that it is slow.
    is_reported: bool,
    /// The database that its commands see.
    db: usize,
    turns: u32,
    to_kill: bool,
    /// Its client is gone.
    is_abandoned: bool,
}

impl Scripting {
    /// Whether a script is in the middle of its work.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// How many scripts are known, and the bytes of their texts.
    pub fn size(&self) -> (usize, usize) {
        (self.known.len(), self.known.values().map(|script| script.bytes).sum())
    }

    /// Whether this script is known.
    pub fn knows(&self, digest: &str) -> bool {
        self.known.contains_key(digest)
    }

    /// Forgets all scripts.
    pub fn flush(&mut self) {
        self.known.clear();
        if self.running.is_none() {
            self.engine = self.engine.take().and_then(|engine| engine.renewed().ok());
        }
    }

    /// Compiles a script under its digest.
    pub fn load(&mut self, text: &[u8]) -> Result<String, CommandError> {
        let digest = crate::lua::digest(text);
        if self.knows(&digest) {
            return Ok(digest);
        }
        let shebang = Shebang::read(text).map_err(CommandError::new)?;
        let function = self.engine()?.compile(shebang.body).map_err(CommandError::new)?;
        let script = Script { function, flags: shebang.flags, bytes: text.len() };
        self.known.insert(digest.clone(), script);
        Ok(digest)
    }

    fn engine(&mut self) -> Result<&Engine, CommandError> {
        if self.engine.is_none() {
            let engine =
                Engine::new().map_err(|error| CommandError::new(format!("ERR {error}")))?;
            self.engine = Some(engine);
        }
        self.engine.as_ref().ok_or(CommandError::fixed("ERR no scripts can be run"))
    }
}

impl Server {
    /// Runs a script that is known. Its client gets the result now, or waits for it.
    pub(super) fn run_script(
        &mut self,
        conn: ConnId,
        digest: &str,
        keys: &[Bytes],
        args: &[Bytes],
        read_only: bool,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        let script = self.scripting.known.get(digest).cloned();
        let script = script.ok_or(NO_SCRIPT)?;
        self.check_script(script.flags, read_only)?;
        let run = self.scripting.engine()?.run(digest, &script.function, keys, args);
        let run = run.map_err(CommandError::new)?;
        let is_alone = !self.propagation.is_open();
        self.scripting.running = Some(Running {
            run,
            conn,
            began: self.now.mono,
            is_alone,
            read_only: read_only || script.flags.no_writes,
            allow_oom: script.flags.allow_oom,
            has_written: false,
            is_reported: false,
            db: self.clients.get(conn).map_or(0, |client| client.db),
            turns: 0,
            to_kill: false,
            is_abandoned: false,
        });
        if is_alone {
            self.propagation.open(self.now);
        }
        let Some(result) = self.go_on_with_script(out) else {
            self.block(conn, Blocked::Script);
            return Ok(());
        };
        let reply = self.clients.get_mut(conn).map_or(&mut self.nobody, |c| &mut c.reply);
        result.map(|value| value.write(reply)).map_err(CommandError::new)
    }

    /// Whether a script that says this of itself may begin.
    fn check_script(&self, said: ScriptFlags, read_only: bool) -> Result<(), CommandError> {
        if said.compatible {
            return Ok(());
        }
        if self.is_stale() && !said.allow_stale {
            return Err(CommandError::STALE);
        }
        if said.no_writes {
            return Ok(());
        }
        if read_only {
            return Err(CommandError::fixed(
                "ERR Can not execute a script with write flag using *_ro command.",
            ));
        }
        if self.is_replica() && self.config.replica_read_only {
            return Err(CommandError::fixed(
                "READONLY You can not run script with write flag on readonly replica.",
            ));
        }
        if !said.allow_oom && self.is_out_of_memory() {
            return Err(CommandError::OUT_OF_MEMORY);
        }
        self.check_disk_error()?;
        self.check_good_replicas()
    }

    /// Answers the script's questions until it ends, or has computed for so long that others get
    /// their turn.
    fn go_on_with_script(&mut self, out: &mut Outbox) -> Option<Result<Value, String>> {
        let mut told = Told::Done;
        loop {
            let running = self.scripting.running.as_mut()?;
            if running.to_kill {
                told = Told::Kill;
            }
            told = match running.run.go_on(told) {
                Progress::Asks(Ask::Busy) => {
                    running.turns += 1;
                    if running.is_alone {
                        return None;
                    }
                    running.to_kill = running.turns > TURNS_IN_BLOCK_MAX;
                    Told::Done
                }
                Progress::Asks(ask) => self.answer_script(ask, out),
                Progress::Ended(result) => {
                    let was_alone = running.is_alone;
                    self.scripting.running = None;
                    if was_alone {
                        self.propagation.close();
                    }
                    self.propagation.restrict(None);
                    return Some(result);
                }
            };
        }
    }

    fn answer_script(&mut self, ask: Ask, out: &mut Outbox) -> Told {
        match ask {
            Ask::Call { words, resp3 } => {
                let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
                Told::Reply(self.call_for_script(&words, resp3, out))
            }
            Ask::Log(level, text) => {
                let level = match level {
                    0 => LogLevel::Debug,
                    1 => LogLevel::Verbose,
                    2 => LogLevel::Notice,
                    _ => LogLevel::Warning,
                };
                out.log(level, text);
                Told::Done
            }
            Ask::Replicate(to) => {
                self.propagation.restrict(Some(to));
                Told::Done
            }
            Ask::IsCommand(name) => Told::Known(self.config.renames.named(&name).is_some()),
            Ask::Busy => Told::Done,
        }
    }

    /// The reply to a command of the running script, in the script's version of the protocol.
    fn call_for_script(&mut self, words: &[&[u8]], resp3: bool, out: &mut Outbox) -> Bytes {
        let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let mut reply = Reply::new(protocol);
        let command = match self.find_for_script(words) {
            Ok(command) => command,
            Err(error) => {
                self.stats.count_error(error.code());
                reply.error(error.text());
                return reply.take();
            }
        };
        let Some(running) = &mut self.scripting.running else { return Bytes::new() };
        running.has_written |= command.is(flags::WRITE);
        let (conn, db) = (running.conn, running.db);
        let Some(client) = self.clients.get_mut(conn) else { return Bytes::new() };
        std::mem::swap(&mut client.reply, &mut reply);
        let home = std::mem::replace(&mut client.db, db);
        self.run(conn, command, words, out);
        let Some(client) = self.clients.get_mut(conn) else { return Bytes::new() };
        let db = std::mem::replace(&mut client.db, home);
        std::mem::swap(&mut client.reply, &mut reply);
        if let Some(running) = &mut self.scripting.running {
            running.db = db;
        }
        reply.take()
    }

    /// The refusals of a command from a script, in the order in which Redis checks them.
    fn find_for_script(&self, words: &[&[u8]]) -> Result<&'static Command, CommandError> {
        let command = self
            .config
            .renames
            .look_up(words)
            .map_err(|_| CommandError::fixed("ERR Unknown Redis command called from script"))?;
        if !command.fits(words.len()) {
            return Err(CommandError::fixed(
                "ERR Wrong number of args calling Redis command from script",
            ));
        }
        if command.is(flags::NOSCRIPT) {
            return Err(CommandError::fixed("ERR This Redis command is not allowed from script"));
        }
        if !command.is(flags::STALE) && self.is_stale() {
            return Err(CommandError::STALE);
        }
        let Some(running) = &self.scripting.running else { return Ok(command) };
        let needs_memory = command.is(flags::DENYOOM) && !running.has_written && !running.allow_oom;
        if needs_memory && self.is_out_of_memory() {
            return Err(CommandError::OUT_OF_MEMORY);
        }
        if running.read_only && command.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0 {
            return Err(CommandError::fixed(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        // One that has written already is not stopped half-way.
        if !command.is(flags::WRITE) || running.has_written {
            return Ok(command);
        }
        if self.is_replica() && self.config.replica_read_only {
            return Err(CommandError::READ_ONLY);
        }
        self.check_disk_error()?;
        self.check_good_replicas()?;
        Ok(command)
    }

    /// A turn of a script that takes long.
    pub(super) fn tend_script(&mut self, out: &mut Outbox) {
        let Some(running) = &mut self.scripting.running else { return };
        let (conn, elapsed) = (running.conn, self.now.since(running.began));
        let is_abandoned = running.is_abandoned;
        if elapsed >= self.config.busy_reply_threshold && !running.is_reported {
            running.is_reported = true;
            out.log(
                LogLevel::Warning,
                format!(
                    "Slow script detected: still in execution after {elapsed} milliseconds. You can \
                     try killing the script using the SCRIPT KILL command."
                ),
            );
            // Those who waited are told.
            self.serve_those_who_came_first();
        }
        let Some(result) = self.go_on_with_script(out) else { return };
        let result = result.map_err(CommandError::new);
        if let Err(error) = &result {
            self.stats.count_error(error.code());
        }
        if !is_abandoned {
            self.unblock(conn, |reply| match result {
                Ok(value) => value.write(reply),
                Err(error) => reply.error(error.text()),
            });
        }
        self.end_command(conn);
        if is_abandoned {
            self.forget_client(conn, "", out);
        }
        self.serve_those_who_came_first();
        self.apply_what_waited(out);
    }

    /// The client of the running script is going. The script ends with it, unless it has written:
    /// then it goes on, and true is answered, because it still runs in its client's name.
    pub(super) fn abandon_script(&mut self, conn: ConnId, out: &mut Outbox) -> bool {
        while let Some(running) = &mut self.scripting.running
            && running.conn == conn
        {
            if running.has_written {
                running.is_abandoned = true;
                return true;
            }
            running.to_kill = true;
            if self.go_on_with_script(out).is_some() {
                self.end_command(conn);
            }
        }
        false
    }

    /// SCRIPT KILL.
    pub(super) fn kill_script(&mut self) -> Result<(), CommandError> {
        let running = self.scripting.running.as_mut();
        let running =
            running.ok_or(CommandError::fixed("NOTBUSY No scripts in execution right now."))?;
        if running.has_written {
            return Err(CommandError::fixed(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. \
                 You can either wait the script termination or kill the server in a hard way using \
                 the SHUTDOWN NOSAVE command.",
            ));
        }
        running.to_kill = true;
        Ok(())
    }

    /// What becomes of a request while a script runs.
    pub(super) fn while_script_runs(&self) -> Meanwhile {
        match &self.scripting.running {
            None => Meanwhile::Run,
            Some(running) if running.is_reported => Meanwhile::Busy,
            Some(_) => Meanwhile::Wait,
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// No script runs.
    Run,
    /// It waits for the script to end.
    Wait,
    /// It is refused, unless it may run beside a slow script.
    Busy,
}

/// EVALSHA of a script that is not known.
pub const NO_SCRIPT: CommandError =
    CommandError::fixed("NOSCRIPT No matching script. Please use EVAL.");

/// What others are told while a script takes long.
pub const BUSY: CommandError = CommandError::fixed(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
);

#[cfg(test)]
mod tests;
