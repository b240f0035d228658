//! Who this node follows, and how that changes.

use super::upstream::Upstream;
use crate::command::CommandError;
use crate::machine::{Closing, Endpoint, Fact, LogLevel, Outbox, Output, Role};
use crate::server::{Ask, Server};

impl Server {
    /// REPLICAOF and SLAVEOF.
    pub(in crate::server) fn replicaof(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        if self.replication.failover.is_on() {
            return Err(CommandError::fixed("ERR REPLICAOF not allowed while failing over."));
        }
        if self.replication.replicas.contains_key(&ask.conn) {
            return Err(CommandError::fixed("ERR Command is not valid when client is a replica."));
        }
        let host = String::from_utf8_lossy(ask.arg(1)).into_owned();
        if ask.is(1, "no") && ask.is(2, "one") {
            self.become_primary(out);
            self.reply(ask).ok();
            return Ok(());
        }
        let port = crate::base::number::parse_i64(ask.arg(2))
            .and_then(|port| u16::try_from(port).ok())
            .ok_or(CommandError::fixed("ERR Invalid master port"))?;
        let primary = Endpoint::new(host, port);
        if self.replication.follows() == Some(&primary) {
            out.log(
                LogLevel::Notice,
                "REPLICAOF would result into synchronization with the master we are already \
                 connected with. No operation performed.",
            );
            self.reply(ask).simple("OK Already connected to specified master");
            return Ok(());
        }
        self.follow(primary, out);
        self.reply(ask).ok();
        Ok(())
    }

    /// Follows another node from now on. What it has is kept until that node says what is missing.
    pub(in crate::server) fn follow(&mut self, primary: Endpoint, out: &mut Outbox) {
        let resumable = match &self.replication.upstream {
            // Its own history: its successor may be able to continue it.
            None => true,
            Some(upstream) => upstream.resumable,
        };
        self.close_upstream(out);
        out.log(
            LogLevel::Notice,
            format!(
                "REPLICAOF {}:{} enabled (user request from client)",
                primary.host, primary.port
            ),
        );
        if self.replication.upstream.is_none() {
            out.log(
                LogLevel::Notice,
                "Before turning into a replica, using my own master parameters to synthesize a \
                 cached master: I may be able to synchronize with the new master with just a \
                 partial transfer.",
            );
        }
        self.replication.upstream = Some(Upstream::new(primary.clone(), resumable));
        self.unblock_waiters_of_old_role();
        self.count_good_replicas(out);
        out.emit(Fact::RoleChanged { role: Role::Replica, follows: Some(primary) });
        self.tend_upstream(out);
    }

    /// REPLICAOF NO ONE: goes on alone, under a new name; replicas of the old history can follow.
    pub(in crate::server) fn become_primary(&mut self, out: &mut Outbox) {
        if self.replication.upstream.is_none() {
            return;
        }
        self.close_upstream(out);
        self.replication.upstream = None;
        self.shift_history(out);
        self.drop_replicas("the role changed", out);
        self.replication.alone_since = self.now.mono;
        out.log(LogLevel::Notice, "MASTER MODE enabled (user request from client)");
        out.emit(Fact::RoleChanged { role: Role::Primary, follows: None });
        self.count_good_replicas(out);
    }

    /// Gives the history a new name; the old one stays good for what was shared so far.
    pub(in crate::server) fn shift_history(&mut self, out: &mut Outbox) {
        let history = &mut self.replication.history;
        let (old, until) = (history.replid().to_string(), history.offset() + 1);
        history.shift(&mut self.dice);
        self.replication.selected = None;
        let replid = history.replid().to_string();
        out.log(
            LogLevel::Notice,
            format!(
                "Setting secondary replication ID to {old}, valid up to offset: {until}. New \
                 replication ID is {replid}"
            ),
        );
        out.emit(Fact::NewReplid { replid, previous: Some((old, until)) });
    }

    /// DEBUG CHANGE-REPL-ID: a new name that nobody can continue.
    pub(in crate::server) fn rename_history(&mut self, out: &mut Outbox) {
        self.replication.history.fresh(&mut self.dice);
        let replid = self.replication.history.replid().to_string();
        out.log(LogLevel::Warning, format!("Changing replication IDs to {replid}"));
        out.emit(Fact::NewReplid { replid, previous: None });
    }

    /// Ends the link to the primary, if there is one.
    fn close_upstream(&mut self, out: &mut Outbox) {
        let Some(conn) = self.replication.upstream.as_ref().and_then(Upstream::conn) else {
            return;
        };
        out.push(Output::Close { conn, how: Closing::Now });
        self.hang_up(out);
    }

    /// Whether a client must not be served from old data.
    pub(in crate::server) fn is_stale(&self) -> bool {
        !self.config.replica_serve_stale_data
            && self.replication.upstream.as_ref().is_some_and(|u| !u.is_connected())
    }
}
