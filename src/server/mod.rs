//! Floor 5: a whole data node, as one deterministic machine.
//!
//! # The path of a request
//!
//! Bytes arrive ([`Input::Received`]); the client's requests are read one after the other
//! ([`dispatch`]); the table is asked for the command ([`table`]); refusals are checked in Redis's
//! order; the command runs, on the data alone or on the whole server; its effect goes through the
//! one door to the replication stream and the log ([`propagate`]); its reply waits in the client for
//! the end of the turn, when everything that was written leaves in one piece.
//!
//! # The parts
//!
//! Each part of a node has a file that owns its state and is a field of [`Server`]: clients,
//! configuration, replication, persistence, pub/sub, statistics. A command that needs several of
//! them runs on the `Server`.
//!
//! # Differences from Redis
//!
//! * Snapshots are made beside the node from a reference to the data, not in a forked child:
//!   `latest_fork_usec` and copy-on-write sizes are 0.

mod acl_log;
mod aof;
mod arranging;
mod awaited;
pub mod blocking;
mod client;
mod cmd;
pub mod config;
mod cron;
mod dispatch;
mod events;
mod histogram;
mod jobs;
mod latency;
mod limits;
mod local;
mod memory;
mod persistence;
mod propagate;
mod protected;
mod pubsub;
mod rates;
mod reload;
mod replication;
mod scripting;
mod shutdown;
mod slow;
mod stats;
pub mod table;
mod transaction;
mod view;
mod waiting;

use crate::base::rng::Dice;
use crate::command::Effect;
use crate::keyspace::Keyspace;
use crate::machine::{
    Closing, ConnId, Input, Machine, Millis, NodeData, NodeView, Now, Outbox, Output,
};
use crate::resp::Reply;

use self::client::{Client, ClientKind, Clients};
pub use self::config::{BufferLimit, Config, ConfigError, Fsync};
use self::jobs::Jobs;
use self::persistence::Persistence;
use self::propagate::Propagation;
use self::replication::Replication;
use self::stats::Stats;

/// The version whose behaviour is kept, as INFO, HELLO and snapshots report it.
pub use crate::persist::rdb::REDIS_VERSION;

/// A data node.
#[derive(Debug)]
pub struct Server {
    config: Config,
    /// The port that the world listens on for this node.
    port: u16,
    /// New at every start: Sentinel's reboot detector. Not the replication ID.
    run_id: String,
    /// When the node started.
    started: Now,
    /// The time of the step being made.
    now: Now,
    dice: Dice,
    keyspace: Keyspace,
    clients: Clients,
    effect: Effect,
    propagation: Propagation,
    replication: Replication,
    persistence: Persistence,
    aof: aof::Aof,
    /// An orderly end under way.
    shutdown: Option<shutdown::Shutdown>,
    jobs: Jobs,
    changes: arranging::Changes,
    /// Clients whose wait is over: their further requests can be run.
    unblocked: Vec<ConnId>,
    /// Clients that were answered so much in one turn that their further requests are run in the next.
    greedy: Vec<ConnId>,
    stats: Stats,
    pubsub: pubsub::PubSub,
    watched: transaction::Watched,
    waits: blocking::Waits,
    awaited: awaited::Awaited,
    pauses: blocking::Pauses,
    rates: rates::Rates,
    slow: slow::SlowLog,
    acl_log: acl_log::AclLog,
    latency: latency::Latency,
    /// Microseconds that the node will stand still because of the command being run.
    stall_us: u64,
    scripting: scripting::Scripting,
    /// Whether keys whose time has come are deleted without being asked for.
    active_expire: bool,
    /// Swallows replies to connections that are gone.
    nobody: Reply,
    next_cron: Millis,
    /// See [`local`].
    local_expiries: local::Expiries,
}

/// A command being run on the whole server.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub conn: ConnId,
    /// The words, the command's name first.
    pub args: &'a [&'a [u8]],
}

impl<'a> Ask<'a> {
    /// A word; empty if there is none.
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).copied().unwrap_or_default()
    }

    /// Whether a word is this option, whatever its case.
    pub fn is(&self, index: usize, option: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(option.as_bytes())
    }
}

impl Server {
    /// A node that listens on `port`, all its chance drawn from `seed`.
    pub fn new(mut config: Config, port: u16, seed: u64) -> Self {
        config.port = port;
        let mut dice = Dice::new(seed);
        Self {
            keyspace: Keyspace::new(config.databases, dice.bits()),
            replication: Replication::new(&config, &mut dice),
            run_id: dice.hex40(),
            config,
            port,
            started: Now::default(),
            now: Now::default(),
            dice,
            clients: Clients::default(),
            effect: Effect::default(),
            propagation: Propagation::default(),
            persistence: Persistence::default(),
            aof: aof::Aof::default(),
            shutdown: None,
            jobs: Jobs::default(),
            changes: arranging::Changes::default(),
            unblocked: Vec::new(),
            greedy: Vec::new(),
            stats: Stats::default(),
            pubsub: pubsub::PubSub::default(),
            watched: transaction::Watched::default(),
            waits: blocking::Waits::default(),
            awaited: awaited::Awaited::default(),
            pauses: blocking::Pauses::default(),
            rates: rates::Rates::default(),
            slow: slow::SlowLog::default(),
            acl_log: acl_log::AclLog::default(),
            latency: latency::Latency::default(),
            stall_us: 0,
            scripting: scripting::Scripting::default(),
            active_expire: true,
            nobody: Reply::default(),
            next_cron: 0,
            local_expiries: local::Expiries::default(),
        }
    }

    /// Where the reply to a command goes.
    fn reply(&mut self, ask: &Ask<'_>) -> &mut Reply {
        match self.clients.get_mut(ask.conn) {
            Some(client) => &mut client.reply,
            None => &mut self.nobody,
        }
    }

    /// The client that asks.
    fn client(&self, ask: &Ask<'_>) -> Option<&Client> {
        self.clients.get(ask.conn)
    }

    fn is_replica(&self) -> bool {
        self.replication.follows().is_some()
    }

    /// Closes a client's connection now.
    fn drop_client(&mut self, conn: ConnId, out: &mut Outbox) {
        if !self.on_upstream_closed(conn, "the connection was killed", out) {
            out.push(Output::Close { conn, how: Closing::Now });
            self.forget_client(conn, "", out);
        }
    }

    /// The connection is gone, or about to be.
    fn forget_client(&mut self, conn: ConnId, reason: &str, out: &mut Outbox) {
        if self.abandon_script(conn, out) {
            return;
        }
        let Some(mut client) = self.clients.remove(conn) else { return };
        self.forget_subscriptions(conn, std::mem::take(&mut client.subscriptions));
        self.forget_watched(conn, std::mem::take(&mut client.watched));
        if let Some(blocked) = client.blocked.take() {
            self.forget_wait(conn, &blocked);
        }
        if client.kind != ClientKind::Normal {
            self.on_peer_gone(&client, reason, out);
        }
    }

    /// Sends what was written during the turn.
    fn flush(&mut self, out: &mut Outbox) {
        for conn in self.clients.take_marked() {
            if self.check_output(conn, out) || self.check_replica_output(conn, out) {
                continue;
            }
            let Some(client) = self.clients.get_mut(conn) else { continue };
            if !client.reply.is_empty() {
                let data = client.reply.take();
                self.stats.output_bytes += data.len() as u64;
                self.stats.writes += 1;
                out.send(conn, data);
            }
            if client.closing {
                out.push(Output::Close { conn, how: Closing::Flush });
                self.forget_client(conn, "", out);
            }
        }
    }
}

impl Machine for Server {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        self.now = now;
        self.keyspace.set_time(now.wall_s() as u32);
        match input {
            Input::Started => self.start(out),
            Input::Accepted { conn, peer, local } => self.accept(conn, peer, local, out),
            Input::Dialled { conn, local: _ } => self.on_dialled(conn, out),
            Input::Received { conn, data } => self.on_received(conn, data, out),
            Input::Unsent { conn, bytes } => {
                if let Some(client) = self.clients.get_mut(conn) {
                    client.unsent_bytes = bytes;
                    self.check_output(conn, out);
                }
            }
            Input::Closed { conn, reason } => {
                if !self.on_upstream_closed(conn, &reason, out) {
                    self.forget_client(conn, &reason, out);
                }
            }
            Input::Job { id, event } => self.on_job(id, event, out),
            Input::LogFailed { name, reason, unwritten } => {
                self.on_log_failed(&name, reason, &unwritten, out);
            }
            Input::Arranged(result) => self.on_arranged(result, out),
            Input::Tick => self.tick(out),
            Input::Turn => self.end_turn(out),
            Input::Stop(signal) => self.on_signal(signal, out),
        }
    }

    fn deadline(&self) -> Option<Millis> {
        Some(self.next_deadline())
    }

    fn view(&self, now: Now) -> NodeView {
        NodeView::Server(Box::new(self.picture(now)))
    }

    fn data(&mut self, now: Now) -> Option<NodeData> {
        Some(self.lend_data(now))
    }
}

#[cfg(test)]
pub(crate) mod testing;
