//! FAILOVER: a primary hands its role to a replica without losing a write.
//!
//! Writes are paused; when the target has all of the stream, this node becomes its replica and
//! asks it, in the same breath, to take over (`PSYNC <replid> <offset> FAILOVER`).

use super::Upstream;
use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::machine::{ConnId, Endpoint, Fact, LogLevel, Millis, Outbox, Role};
use crate::server::blocking::PauseReason;
use crate::server::{Ask, Server};

/// The state of handing over.
#[derive(Debug, Default)]
pub enum Failover {
    /// `no-failover`
    #[default]
    None,
    /// `waiting-for-sync`: until the target, or any replica, has all of the stream.
    WaitingForSync {
        /// The wanted replica.
        target: Option<Endpoint>,
        /// When to give up, or with `force` to go on anyway.
        until: Option<Millis>,
        /// See `until`.
        force: bool,
    },
    /// `failover-in-progress`: the target was asked to take over.
    InProgress,
}

impl Failover {
    /// Whether one is under way.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// `master_failover_state`
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "no-failover",
            Self::WaitingForSync { .. } => "waiting-for-sync",
            Self::InProgress => "failover-in-progress",
        }
    }
}

/// The words of FAILOVER.
#[derive(Debug, Default)]
struct Order {
    target: Option<Endpoint>,
    timeout_ms: Option<Millis>,
    force: bool,
    abort: bool,
}

impl Order {
    fn parse(ask: &Ask<'_>) -> Result<Self, CommandError> {
        let mut order = Self::default();
        let mut at = 1;
        while at < ask.args.len() {
            if ask.is(at, "timeout") && at + 1 < ask.args.len() && order.timeout_ms.is_none() {
                let ms = parse_i64(ask.arg(at + 1)).ok_or(CommandError::NOT_AN_INTEGER)?;
                let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0);
                order.timeout_ms = Some(
                    ms.ok_or(CommandError::fixed("ERR FAILOVER timeout must be greater than 0"))?,
                );
                at += 2;
            } else if ask.is(at, "abort") && at == 1 && ask.args.len() == 2 {
                order.abort = true;
                at += 1;
            } else if ask.is(at, "to") && at + 2 < ask.args.len() && order.target.is_none() {
                let port = parse_i64(ask.arg(at + 2)).ok_or(CommandError::NOT_AN_INTEGER)?;
                let host = String::from_utf8_lossy(ask.arg(at + 1)).into_owned();
                order.target = Some(Endpoint::new(host, u16::try_from(port).unwrap_or(0)));
                at += 3;
            } else if ask.is(at, "force") && !order.force {
                order.force = true;
                at += 1;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(order)
    }
}

impl Server {
    /// FAILOVER.
    pub(in crate::server) fn on_failover(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        let order = Order::parse(ask)?;
        if order.abort {
            if !self.replication.failover.is_on() {
                return Err(CommandError::fixed("ERR No failover in progress."));
            }
            self.abort_failover("Failover manually aborted", out);
        } else {
            self.check_failover(&order)?;
            self.pause_writes(Millis::MAX, PauseReason::Failover);
            out.log(LogLevel::Notice, "FAILOVER requested.");
            let until = order.timeout_ms.map(|ms| self.now.mono + ms);
            let (target, force) = (order.target, order.force);
            self.replication.failover = Failover::WaitingForSync { target, until, force };
            self.tell_failover("requested", out);
            self.tend_failover(out);
        }
        self.reply(ask).ok();
        Ok(())
    }

    fn check_failover(&self, order: &Order) -> Result<(), CommandError> {
        let refuse = |text| Err(CommandError::fixed(text));
        if self.replication.failover.is_on() {
            return refuse("ERR FAILOVER already in progress.");
        }
        if self.is_replica() {
            return refuse("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.replication.replicas.is_empty() {
            return refuse("ERR FAILOVER requires connected replicas.");
        }
        if order.force && (order.timeout_ms.is_none() || order.target.is_none()) {
            return refuse(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
            );
        }
        if let Some(target) = &order.target {
            match self.replica_at(target) {
                None => return refuse("ERR FAILOVER target HOST and PORT is not a replica."),
                Some(conn) if !self.replication.replicas[&conn].is_online() => {
                    return refuse("ERR FAILOVER target replica is not online.");
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn replica_at(&self, target: &Endpoint) -> Option<ConnId> {
        let mut replicas = self.replication.replicas.iter();
        let found =
            replicas.find(|(_, r)| r.ip() == target.host && r.announced.port == target.port);
        found.map(|(conn, _)| *conn)
    }

    /// Goes on with handing over, if it is time.
    pub(in crate::server) fn tend_failover(&mut self, out: &mut Outbox) {
        let Failover::WaitingForSync { target, until, force } = &self.replication.failover else {
            return;
        };
        let offset = self.replication.offset();
        let ready = self.replication.replicas.values().find(|replica| {
            replica.has_applied(offset)
                && target
                    .as_ref()
                    .is_none_or(|t| t.host == replica.ip() && t.port == replica.announced.port)
        });
        let is_late = until.is_some_and(|until| until <= self.now.mono);
        let successor = match (ready, is_late && *force) {
            (Some(replica), _) => Some(super::downstream::endpoint_of(replica)),
            (None, true) => target.clone(),
            (None, false) => None,
        };
        match successor {
            Some(successor) => self.hand_over(successor, out),
            None if is_late => {
                self.abort_failover("Replica never caught up before timeout", out);
            }
            None => {}
        }
    }

    fn hand_over(&mut self, successor: Endpoint, out: &mut Outbox) {
        out.log(
            LogLevel::Notice,
            format!("Failover target is {}:{}, failing over.", successor.host, successor.port),
        );
        self.replication.failover = Failover::InProgress;
        self.tell_failover(&format!("to {successor}"), out);
        let mut upstream = Upstream::new(successor, true);
        upstream.failover = true;
        self.replication.upstream = Some(upstream);
        self.tend_upstream(out);
    }

    /// The target took over: this node is its replica now.
    pub(super) fn failover_succeeded(&mut self, out: &mut Outbox) {
        if !matches!(self.replication.failover, Failover::InProgress) {
            return;
        }
        self.replication.failover = Failover::None;
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.failover = false;
            let follows = Some(upstream.primary.clone());
            out.emit(Fact::RoleChanged { role: Role::Replica, follows });
        }
        self.tell_failover("the target took over", out);
        self.unblock_waiters_of_old_role();
        self.unpause(PauseReason::Failover);
    }

    /// The target could not be reached or refused: this node stays the primary.
    pub(super) fn failover_refused(&mut self, reason: &str, out: &mut Outbox) {
        if matches!(self.replication.failover, Failover::InProgress) {
            self.abort_failover(reason, out);
        }
    }

    fn abort_failover(&mut self, reason: &str, out: &mut Outbox) {
        out.log(LogLevel::Notice, format!("Aborting failover: {reason}"));
        let was_in_progress = matches!(self.replication.failover, Failover::InProgress);
        self.replication.failover = Failover::None;
        if was_in_progress {
            self.become_primary(out);
        }
        self.tell_failover(reason, out);
        self.unpause(PauseReason::Failover);
    }

    fn tell_failover(&mut self, reason: &str, out: &mut Outbox) {
        let state = self.replication.failover.word();
        out.emit(Fact::FailoverState { state, reason: reason.to_owned() });
    }

    /// `PSYNC <replid> <offset> FAILOVER`: the primary asks this replica to take over.
    pub(super) fn take_over(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        if !self.is_replica() {
            return Err(CommandError::fixed("ERR PSYNC FAILOVER can't be sent to a master."));
        }
        if !self.replication.history.replid().matches(ask.arg(1)) {
            return Err(CommandError::fixed("ERR PSYNC FAILOVER replid must match my replid."));
        }
        out.log(LogLevel::Notice, "Failover request received for replid. Becoming master.");
        self.become_primary(out);
        Ok(())
    }
}
