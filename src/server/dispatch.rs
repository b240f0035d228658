//! From bytes to commands: reading requests, refusing them in Redis's order, running them.

use smallvec::SmallVec;

use super::blocking::Blocked;
use super::client::{Client, ClientKind, ReplyMode};
use super::scripting::{BUSY, Meanwhile};
use super::table::{Command, Run};
use super::transaction::effective_flags;
use super::{Ask, Server};
use crate::command::{Call, CommandError, ExpiryRule, flags};
use crate::machine::{Closing, ConnId, Endpoint, LogLevel, Outbox, Output};
use crate::resp::Limits;

/// What one client may be told in one turn, unless one command says more: others wait meanwhile.
const TURN_REPLY_BYTES: usize = 1 << 20;

impl Server {
    /// A client came.
    pub(super) fn accept(
        &mut self,
        conn: ConnId,
        peer: Endpoint,
        local: Endpoint,
        out: &mut Outbox,
    ) {
        self.clients.accepted_total += 1;
        if self.clients.len() >= self.config.maxclients {
            self.stats.rejected_connections += 1;
            out.send(conn, &b"-ERR max number of clients reached\r\n"[..]);
            out.push(Output::Close { conn, how: Closing::Flush });
            return;
        }
        if let Some(refusal) = self.refusal_of_strangers(&peer) {
            self.stats.rejected_connections += 1;
            out.send(conn, refusal.as_bytes());
            out.push(Output::Close { conn, how: Closing::Flush });
            return;
        }
        let open = self.config.user.is_open();
        self.clients.add(self.now, conn, peer, local).authenticated = open;
    }

    /// Bytes arrived on a connection.
    pub(super) fn on_received(&mut self, conn: ConnId, data: &[u8], out: &mut Outbox) {
        if self.on_upstream_bytes(conn, data, out) {
            return;
        }
        self.stats.input_bytes += data.len() as u64;
        self.stats.reads += 1;
        self.feed(conn, data, out);
    }

    /// Runs the requests of a client, of which `data` are the newest bytes. What cannot be run yet
    /// (incomplete, or the client waits for something) is kept.
    pub(super) fn feed(&mut self, conn: ConnId, data: &[u8], out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let mut held = std::mem::take(&mut client.input);
        let taken = if held.is_empty() {
            self.run_requests(conn, data, out)
        } else {
            held.extend_from_slice(data);
            self.run_requests(conn, &held, out)
        };
        let Some(client) = self.clients.get_mut(conn) else { return };
        if held.is_empty() {
            held.extend_from_slice(&data[taken..]);
        } else {
            held.drain(..taken);
        }
        let too_much = held.len() > self.config.client_query_buffer_limit
            && client.kind != ClientKind::Primary;
        client.input = held;
        if too_much {
            out.log(LogLevel::Warning, "Closing client that reached max query buffer length");
            self.drop_client(conn, out);
        }
    }

    /// Runs requests from the front of `input` and returns how many bytes they took.
    fn run_requests(&mut self, conn: ConnId, input: &[u8], out: &mut Outbox) -> usize {
        let mut position = 0;
        loop {
            let is_held =
                self.persistence.is_beginning() || self.while_script_runs() == Meanwhile::Wait;
            let Some(client) = self.clients.get_mut(conn) else { return position };
            if client.closing || client.blocked.is_some() || is_held {
                return position;
            }
            if client.reply.len() > TURN_REPLY_BYTES && position < input.len() {
                if !self.greedy.contains(&conn) {
                    self.greedy.push(conn);
                }
                return position;
            }
            let limits = Limits {
                bulk_bytes_max: if client.kind == ClientKind::Primary {
                    u64::MAX
                } else {
                    self.config.proto_max_bulk_len
                },
                unauthenticated: client.must_log_in(&self.config.user),
                ..Limits::default()
            };
            let mut request = std::mem::take(&mut client.request);
            let taken = match request.read(&input[position..], &limits) {
                Ok(Some(taken)) => taken,
                Ok(None) => {
                    client.request = request;
                    return position;
                }
                Err(error) => {
                    client.reply.error(&format!("ERR Protocol error: {error}"));
                    client.closing = true;
                    self.clients.mark(conn);
                    return input.len();
                }
            };
            {
                let words = request.words(&input[position..]);
                self.run_request(conn, &words, request.was_inline(), out);
            }
            // A postponed request stays where it is and is read again when the pause ends.
            let postponed = |c: &Client| c.blocked == Some(Blocked::Paused);
            if !self.clients.get(conn).is_some_and(postponed) {
                position += taken;
            }
            if let Some(client) = self.clients.get_mut(conn) {
                request.recycle();
                client.request = request;
            }
        }
    }

    pub(super) fn run_request(
        &mut self,
        conn: ConnId,
        words: &[&[u8]],
        inline: bool,
        out: &mut Outbox,
    ) {
        let Some(&name) = words.first() else {
            self.on_empty_request(conn);
            return;
        };
        if is_http(name, inline) {
            out.log(
                LogLevel::Warning,
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or \
                 Host: commands to Redis. This is likely due to an attacker attempting to use \
                 Cross Protocol Scripting to compromise your Redis instance. Connection aborted.",
            );
            self.drop_client(conn, out);
            return;
        }
        let Some(client) = self.clients.get_mut(conn) else { return };
        client.active = self.now.mono;
        let mode_before = client.reply_mode;
        client.reply_mode = match mode_before {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            mode => mode,
        };
        let before = client.reply.len();
        self.clients.mark(conn);
        self.run_command(conn, words, out);
        if let Some(client) = self.clients.get_mut(conn) {
            client.hush(before);
            if client.blocked == Some(Blocked::Paused) {
                // It is read again.
                client.reply_mode = mode_before;
            }
        }
        self.check_replica_output(conn, out);
    }

    /// Looks a command up, refuses it or runs it.
    fn run_command(&mut self, conn: ConnId, words: &[&[u8]], out: &mut Outbox) {
        let found = self.config.renames.find(words);
        if let Some(client) = self.clients.get_mut(conn) {
            client.last_command = found.as_ref().ok().map(|command| command.name.as_str());
        }
        let command = match found {
            Ok(command) => command,
            Err(error) => return self.reject(conn, words, &error),
        };
        if let Err(error) = self.check(conn, command) {
            self.stats.commands[command.index].rejected += 1;
            return self.reject(conn, words, &error);
        }
        if self.is_ended_by_log(conn, command, out) {
            return;
        }
        if self.postpone(conn, command) || self.queue(conn, command, words) {
            return;
        }
        self.propagation.loosen(command.is(flags::TOUCHES_ARBITRARY_KEYS));
        self.run(conn, command, words, out);
        if !self.scripting.is_running() {
            self.end_command(conn);
        }
    }

    /// A command is over, and with it a unit, unless it was one of several.
    pub(super) fn end_command(&mut self, conn: ConnId) {
        self.end_unit();
        self.propagation.loosen(false);
        if let Some(client) = self.clients.get_mut(conn) {
            client.write_offset = self.replication.offset();
        }
        self.serve_waiters();
    }

    /// Runs a command that was found acceptable, as part of the current unit.
    pub(super) fn run(
        &mut self,
        conn: ConnId,
        command: &'static Command,
        words: &[&[u8]],
        out: &mut Outbox,
    ) {
        let began = out.micros();
        let result = match command.run {
            Run::Data(run) => {
                let result = self.run_on_data(conn, run, words, None);
                if let Some(wait) = self.effect.wait.take() {
                    self.wait_for_keys(conn, command, words, wait);
                }
                result
            }
            Run::Server(run) => run(self, &Ask { conn, args: words }, out),
        };
        let took = out.micros().saturating_sub(began) + std::mem::take(&mut self.stall_us);
        self.stats.count(command, took, result.is_err());
        if self.config.latency_tracking {
            self.stats.latencies[command.index].get_or_insert_default().add(took);
        }
        self.show_to_monitors(conn, command, words);
        self.note_slow(conn, command, words, took);
        self.note_latency(command, took);
        if let Err(error) = result {
            self.reply_error(conn, &error);
        }
    }

    /// Runs a command on data; again, if it waited and `ready` is the key that it may find
    /// something in now.
    pub(super) fn run_on_data(
        &mut self,
        conn: ConnId,
        run: crate::command::Run,
        words: &[&[u8]],
        ready: Option<&[u8]>,
    ) -> Result<(), CommandError> {
        let classes = self.event_classes();
        let takes_local_writes = self.takes_local_writes();
        // What a script that began before the pause writes must not meet hidden keys.
        let is_kept = self.pauses.is_on() && !self.scripting.is_running();
        let Some(client) = self.clients.get_mut(conn) else { return Ok(()) };
        let from_primary = client.kind == ClientKind::Primary;
        let db = client.db;
        self.effect.reset();
        self.effect.track_touched |= takes_local_writes;
        self.effect.classes = classes;
        let mut call = Call {
            args: words,
            db,
            keyspace: &mut self.keyspace,
            now_ms: self.propagation.unit_time(self.now),
            reply: &mut client.reply,
            effect: &mut self.effect,
            dice: &mut self.dice,
            expiry: if from_primary {
                ExpiryRule::Ignore
            } else if self.replication.follows().is_some() || is_kept {
                ExpiryRule::Hide
            } else {
                ExpiryRule::Delete
            },
            may_wait: !from_primary && !self.propagation.is_open(),
            in_script: self.scripting.is_running(),
            ready,
            bulk_bytes_max: if from_primary { u64::MAX } else { self.config.proto_max_bulk_len },
            packing: &self.config.packing,
            compress: self.config.rdbcompression,
            lazy: self.config.lazy,
        };
        let result = run(&mut call);
        self.settle(db, words);
        if !from_primary && takes_local_writes {
            self.note_local_expiries();
        }
        result
    }

    /// The refusals, in the order in which Redis checks them.
    fn check(&self, conn: ConnId, command: &Command) -> Result<(), CommandError> {
        let Some(client) = self.clients.get(conn) else { return Ok(()) };
        let effective = effective_flags(command, client.transaction.as_ref());
        let is_write = effective & flags::WRITE != 0;
        let from_primary = client.kind == ClientKind::Primary;
        if client.must_log_in(&self.config.user) && !command.is(flags::NO_AUTH) {
            return Err(CommandError::fixed("NOAUTH Authentication required."));
        }
        if self.while_script_runs() == Meanwhile::Busy && !command.is(flags::ALLOW_BUSY) {
            return Err(BUSY);
        }
        if command.is(flags::NO_MULTI) && client.transaction.is_some() {
            return Err(CommandError::fixed("ERR Command not allowed inside a transaction"));
        }
        self.check_memory(client, command)?;
        if (is_write || command.name == "ping") && !from_primary {
            self.check_disk_error()?;
        }
        if is_write && !from_primary {
            self.check_good_replicas()?;
            if self.is_replica() && self.config.replica_read_only {
                return Err(CommandError::READ_ONLY);
            }
        }
        Self::check_subscriber(client, command)?;
        if !from_primary && effective & flags::STALE == 0 && self.is_stale() {
            return Err(CommandError::STALE);
        }
        if effective & flags::LOADING == 0 && self.is_loading() {
            return Err(CommandError::fixed("LOADING Redis is loading the dataset in memory"));
        }
        Ok(())
    }

    /// Answers a request that is not run. An open transaction is spoiled by it, and is gone if this
    /// is an EXEC.
    fn reject(&mut self, conn: ConnId, words: &[&[u8]], error: &CommandError) {
        let is_exec = words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
        if is_exec {
            // Also without an open one: what was watched is not watched any more.
            self.end_transaction(conn);
            self.unwatch(conn);
            let why = error.text().strip_prefix("ERR ").unwrap_or(error.text());
            let text = format!("EXECABORT Transaction discarded because of: {why}");
            return self.reply_error(conn, &CommandError::new(text));
        }
        if let Some(client) = self.clients.get_mut(conn)
            && let Some(transaction) = &mut client.transaction
        {
            transaction.spoil();
        }
        self.reply_error(conn, error);
    }

    pub(super) fn reply_error(&mut self, conn: ConnId, error: &CommandError) {
        self.stats.count_error(error.code());
        if let Some(client) = self.clients.get_mut(conn) {
            client.reply.error(error.text());
        }
    }
}

/// Redis's guard against browsers that are made to talk to it.
fn is_http(name: &[u8], inline: bool) -> bool {
    name.eq_ignore_ascii_case(b"host:") || (inline && name.eq_ignore_ascii_case(b"post"))
}

/// A queued command's words as slices.
pub(super) fn slices(words: &[crate::keyspace::Blob]) -> SmallVec<[&[u8]; 8]> {
    words.iter().map(|w| &w[..]).collect()
}

#[cfg(test)]
mod tests {
    use super::TURN_REPLY_BYTES;
    use crate::machine::Input;
    use crate::server::testing::Bench;

    #[test]
    fn who_asks_for_much_is_answered_over_several_turns_in_order() {
        let mut bench = Bench::new(&[]);
        let (greedy, other) = (bench.connect(), bench.connect());
        let value = "x".repeat(600_000);
        bench.ask(greedy, &format!("SET big {value}"));
        let line = b"GET big\r\n".repeat(6);
        bench.step(Input::Received { conn: greedy, data: &line });
        bench.step(Input::Received { conn: greedy, data: b"PING\r\n" });
        let first = bench.received(greedy);
        assert!(first.len() < 3 * TURN_REPLY_BYTES, "{} bytes", first.len());
        assert_eq!(bench.ask(other, "PING"), "PONG");
        bench.advance(0);
        let all = [first, bench.received(greedy)].concat();
        let replies = format!("$600000\r\n{value}\r\n").repeat(6) + "+PONG\r\n";
        assert!(all == replies.as_bytes(), "{} bytes", all.len());
    }
}
