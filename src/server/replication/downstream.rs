//! Replicas: how they come, what they are fed, when they are dropped.

use crate::command::CommandError;
use crate::machine::{Closing, ConnId, Endpoint, Fact, LogLevel, Millis, Outbox, Output};
use crate::repl::{Decision, OutputLimit, Replconf, Replica, Request, continue_line};
use crate::server::client::{Client, ClientKind};
use crate::server::{Ask, Server};

/// Bytes of the stream that a replica's connection is given before it must have taken some: the
/// rest stays in the stream, shared with the others.
const SEND_WINDOW_BYTES: usize = 1 << 20;

impl Server {
    /// PSYNC and SYNC: a client wants to become a replica.
    pub(in crate::server) fn attach_replica(
        &mut self,
        ask: &Ask<'_>,
        request: Option<Request<'_>>,
        is_failover: bool,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        if self.replication.replicas.contains_key(&ask.conn) {
            return Ok(());
        }
        if is_failover {
            self.take_over(ask, out)?;
        }
        if self.replication.failover.is_on() {
            return Err(CommandError::fixed("NOMASTERLINK Can't SYNC while failing over"));
        }
        if self.replication.upstream.as_ref().is_some_and(|u| !u.is_connected()) {
            return Err(CommandError::fixed(
                "NOMASTERLINK Can't SYNC while not connected with my master",
            ));
        }
        let Some(client) = self.clients.get(ask.conn) else { return Ok(()) };
        if !client.reply.is_empty() {
            return Err(CommandError::fixed("ERR SYNC and PSYNC are invalid with pending output"));
        }
        let (announced, peer_ip) = (client.announced.clone(), client.peer.host.clone());
        let used_sync = request.is_none();
        let asked = request.unwrap_or(Request::SYNC);
        let decision = Decision::of(&self.replication.history, asked);
        let now = self.now.mono;
        match &decision {
            Decision::Partial { from, bytes, by_previous_id } => {
                self.stats.sync_partial_ok += 1;
                let replica = Replica::continued(announced, peer_ip, *from, now);
                let (level, line) = decision.log(asked, &replica.name());
                out.log(level, line);
                let line = continue_line(&self.replication.history, replica.announced.psync2);
                self.count_replica_output(line.len());
                out.send(ask.conn, line);
                out.emit(Fact::PartialSyncServed {
                    replica: endpoint_of(&replica),
                    from: *from,
                    bytes: *bytes,
                    by_previous_id: *by_previous_id,
                });
                out.emit(Fact::ReplicaOnline { replica: endpoint_of(&replica) });
                self.add_replica(ask.conn, replica);
                self.count_good_replicas(out);
            }
            Decision::Full(reason) => {
                self.stats.sync_full += 1;
                self.stats.sync_partial_err += u64::from(asked.knows_a_history());
                let replica = Replica::waiting(announced, peer_ip, used_sync, now);
                let name = replica.name();
                out.log(LogLevel::Notice, format!("Replica {name} asks for synchronization"));
                let (level, line) = decision.log(asked, &name);
                out.log(level, line);
                out.emit(Fact::FullSyncServed {
                    replica: endpoint_of(&replica),
                    reason: reason.clone(),
                });
                self.add_replica(ask.conn, replica);
                self.open_history(out);
                self.begin_transfer_if_due(out);
            }
        }
        Ok(())
    }

    fn add_replica(&mut self, conn: ConnId, replica: Replica) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.kind = ClientKind::Replica;
        }
        self.replication.replicas.insert(conn, replica);
    }

    /// The first replica came and nothing was recorded so far: nobody may continue what came
    /// before, so the history gets a new name.
    fn open_history(&mut self, out: &mut Outbox) {
        let history = &mut self.replication.history;
        if history.stream.is_open() {
            return;
        }
        history.fresh(&mut self.dice);
        history.stream.open_backlog();
        self.replication.selected = None;
        let replid = history.replid().to_string();
        out.log(
            LogLevel::Notice,
            format!(
                "Replication backlog created, my new replication IDs are '{replid}' and '{}'",
                crate::repl::NO_REPLID
            ),
        );
        out.emit(Fact::NewReplid { replid, previous: None });
    }

    /// REPLCONF.
    pub(in crate::server) fn on_replconf(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        let Some(client) = self.clients.get_mut(ask.conn) else { return Ok(()) };
        let from_primary = client.kind == ClientKind::Primary;
        let answer = client.announced.replconf(&ask.args[1..]);
        match answer.map_err(|error| CommandError::new(error.to_string()))? {
            Replconf::Ok => self.reply(ask).ok(),
            Replconf::Nothing => {}
            Replconf::GetAck if from_primary => self.acknowledge(out),
            Replconf::GetAck => {}
            Replconf::Ack { offset } => self.on_ack(ask.conn, offset, out),
        }
        Ok(())
    }

    fn on_ack(&mut self, conn: ConnId, offset: u64, out: &mut Outbox) {
        let now = self.now.mono;
        let Some(replica) = self.replication.replicas.get_mut(&conn) else { return };
        if replica.on_ack(offset, now) {
            out.emit(Fact::ReplicaOnline { replica: endpoint_of(replica) });
        }
        self.count_good_replicas(out);
        self.answer_waiters();
    }

    /// An empty line: a sign of life of a replica that loads.
    pub(in crate::server) fn on_empty_request(&mut self, conn: ConnId) {
        if let Some(replica) = self.replication.replicas.get_mut(&conn) {
            replica.on_newline(self.now.mono);
        }
    }

    /// Gives each replica what its connection can take of the stream.
    pub(in crate::server) fn feed_replicas(&mut self, out: &mut Outbox) {
        if self.replication.wants_acks && !self.is_stream_over() {
            self.replication.wants_acks = false;
            self.replication.feed(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
        }
        if self.replication.replicas.is_empty() {
            self.replication.history.stream.trim(None);
            return;
        }
        let limit = self.config.replica_buffer_limit;
        let limit = OutputLimit {
            hard_bytes: limit.hard_bytes,
            soft_bytes: limit.soft_bytes,
            soft_ms: limit.soft_seconds * 1000,
        };
        let (now, mut sent, mut slow) = (self.now.mono, 0, Vec::new());
        let replication = &mut self.replication;
        let stream = &mut replication.history.stream;
        for (conn, replica) in &mut replication.replicas {
            let Some(client) = self.clients.get(*conn) else { continue };
            let mut queued = client.unsent_bytes;
            if replica.is_streaming() && replica.cursor <= stream.offset() {
                for piece in stream.read_from(replica.cursor) {
                    if queued >= SEND_WINDOW_BYTES {
                        break;
                    }
                    queued += piece.len();
                    replica.cursor += piece.len() as u64;
                    sent += piece.len();
                    out.send(*conn, piece);
                }
            }
            let pending = replica.behind(stream) + client.unsent_bytes as u64;
            if replica.is_over_limit(pending, limit, stream.backlog_size() as u64, now) {
                slow.push((*conn, client.id, pending));
            }
        }
        stream.trim(replication.replicas.values().filter_map(Replica::needs).min());
        self.count_replica_output(sent);
        for (conn, id, pending) in slow {
            out.log(
                LogLevel::Warning,
                format!(
                    "Client id={id} flags=S omem={pending} scheduled to be closed ASAP for \
                     overcoming of output buffer limits."
                ),
            );
            self.lose_replica(conn, "it overcame the output buffer limit", out);
        }
    }

    /// What is due for replicas, ten times a second.
    pub(super) fn tend_replicas(&mut self, out: &mut Outbox) {
        let now = self.now.mono;
        self.begin_transfer_if_due(out);
        let timeout_ms = self.config.repl_timeout * 1000;
        let late: Vec<_> = self
            .replication
            .replicas
            .iter()
            .filter_map(|(conn, r)| Some((*conn, r.timed_out(now, timeout_ms)?)))
            .collect();
        for (conn, line) in late {
            out.log(LogLevel::Warning, line);
            self.lose_replica(conn, "repl-timeout", out);
        }
        if self.replication.next_second <= now {
            self.replication.next_second = now + 1000;
            self.keep_waiting_replicas_alive(out);
            self.count_good_replicas(out);
            self.free_backlog_if_alone(out);
        }
        self.ping_replicas();
    }

    /// A newline a second tells a replica that its snapshot is being made.
    fn keep_waiting_replicas_alive(&mut self, out: &mut Outbox) {
        for (conn, replica) in &self.replication.replicas {
            if replica.is_kept_alive_by_newlines() {
                out.send(*conn, &b"\n"[..]);
            }
        }
    }

    /// The stream's own sign of life.
    fn ping_replicas(&mut self) {
        let now = self.now.mono;
        let period = self.config.repl_ping_replica_period * 1000;
        let is_over = self.is_stream_over();
        let replication = &mut self.replication;
        if replication.upstream.is_some()
            || replication.replicas.is_empty()
            || replication.failover.is_on()
            || is_over
        {
            replication.next_ping = now + period;
        } else if replication.next_ping <= now {
            replication.next_ping = now + period;
            replication.feed(b"*1\r\n$4\r\nPING\r\n");
        }
    }

    fn free_backlog_if_alone(&mut self, out: &mut Outbox) {
        let ttl = self.config.repl_backlog_ttl * 1000;
        let replication = &mut self.replication;
        if !replication.replicas.is_empty() || replication.upstream.is_some() {
            replication.alone_since = self.now.mono;
        } else if ttl > 0
            && replication.history.stream.is_open()
            && self.now.since(replication.alone_since) > ttl
        {
            replication.history.fresh(&mut self.dice);
            replication.history.stream.free_backlog();
            out.log(
                LogLevel::Notice,
                format!(
                    "Replication backlog freed after {} seconds without connected replicas.",
                    ttl / 1000
                ),
            );
            out.emit(Fact::BacklogFreed);
        }
    }

    /// Counts those that `min-replicas-to-write` asks for, and tells when writes begin or cease to
    /// be refused.
    pub(in crate::server) fn count_good_replicas(&mut self, out: &mut Outbox) {
        let (now, max_lag) = (self.now.mono, self.config.min_replicas_max_lag);
        let needed = self.config.min_replicas_to_write;
        let good = self.replication.replicas.values().filter(|r| r.is_good(now, max_lag)).count();
        let before = std::mem::replace(&mut self.replication.good_replicas, good);
        let is_on = needed > 0 && max_lag > 0 && !self.is_replica();
        if is_on && (before >= needed) != (good >= needed) {
            out.emit(Fact::WritesAllowed { allowed: good >= needed, good, needed });
        }
    }

    /// NOREPLICAS.
    pub(in crate::server) fn check_good_replicas(&self) -> Result<(), CommandError> {
        let needed = self.config.min_replicas_to_write;
        let is_on = needed > 0 && self.config.min_replicas_max_lag > 0 && !self.is_replica();
        if is_on && self.replication.good_replicas < needed {
            return Err(CommandError::fixed("NOREPLICAS Not enough good replicas to write."));
        }
        Ok(())
    }

    /// Closes a replica's connection.
    pub(in crate::server) fn lose_replica(&mut self, conn: ConnId, reason: &str, out: &mut Outbox) {
        out.push(Output::Close { conn, how: Closing::Now });
        self.forget_client(conn, reason, out);
    }

    /// Closes all replicas' connections: they come back and ask anew.
    pub(super) fn drop_replicas(&mut self, reason: &str, out: &mut Outbox) {
        let conns: Vec<_> = self.replication.replicas.keys().copied().collect();
        for conn in conns {
            self.lose_replica(conn, reason, out);
        }
    }

    /// A replica's (or the primary's) connection is gone.
    pub(in crate::server) fn on_peer_gone(
        &mut self,
        client: &Client,
        reason: &str,
        out: &mut Outbox,
    ) {
        let Some(replica) = self.replication.replicas.remove(&client.conn) else { return };
        let name = replica.name();
        out.log(LogLevel::Notice, format!("Connection with replica {name} lost."));
        let reason = if reason.is_empty() { "the connection ended" } else { reason };
        out.emit(Fact::ReplicaLost { replica: endpoint_of(&replica), reason: reason.to_owned() });
        self.replication.alone_since = self.now.mono;
        self.count_good_replicas(out);
        self.forget_receiver(client.conn, out);
    }

    pub(super) fn count_replica_output(&mut self, bytes: usize) {
        self.stats.repl_output_bytes += bytes as u64;
    }
}

impl Server {
    /// Replicas that applied the stream up to `offset`.
    pub(in crate::server) fn replicas_at(&self, offset: u64) -> usize {
        self.replication.replicas.values().filter(|r| r.has_applied(offset)).count()
    }

    /// Milliseconds after which the oldest waiter for a snapshot has waited long enough.
    pub(super) fn sync_delay_ms(&self) -> Millis {
        self.config.repl_diskless_sync_delay * 1000
    }
}

/// The address of a replica for facts.
pub(super) fn endpoint_of(replica: &Replica) -> Endpoint {
    Endpoint::new(replica.ip(), replica.announced.port)
}
