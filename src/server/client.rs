//! The connections of a node, and what it knows about each.

use std::collections::HashMap;

use super::config::DefaultUser;
use crate::machine::{ConnId, Endpoint, Millis, Now};
use crate::repl::Announced;
use crate::resp::{Reply, Request};

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// An ordinary client.
    Normal,
    /// A replica that follows this node.
    Replica,
    /// This node's primary, whose stream is applied.
    Primary,
}

/// Which replies a client gets (CLIENT REPLY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// Not the one to the next command.
    SkipNext,
    /// Not the one to this command.
    Skip,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub conn: ConnId,
    /// What CLIENT ID shows: counts up over the life of the node.
    pub id: u64,
    /// Where it comes from.
    pub peer: Endpoint,
    /// The node's address on it.
    pub local: Endpoint,
    /// Who it is.
    pub kind: ClientKind,
    /// Selected database.
    pub db: usize,
    /// Whether it said who it is, or nobody had to when it came.
    pub authenticated: bool,
    /// Bytes that are not understood yet.
    pub input: Vec<u8>,
    /// The request being read.
    pub request: Request,
    /// Replies to be sent at the end of the turn.
    pub reply: Reply,
    /// Which replies it gets.
    pub reply_mode: ReplyMode,
    /// Bytes handed to the world that have not left the node.
    pub unsent_bytes: usize,
    /// To be closed once its replies are sent.
    pub closing: bool,
    /// Monotonic ms of its arrival.
    pub since: Millis,
    /// Monotonic ms of its last request.
    pub active: Millis,
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO lib-name.
    pub lib_name: String,
    /// CLIENT SETINFO lib-ver.
    pub lib_ver: String,
    /// Its last command, as CLIENT LIST shows it.
    pub last_command: Option<&'static str>,
    /// MULTI, until EXEC or DISCARD.
    pub transaction: Option<super::transaction::Transaction>,
    /// What it waits for; its further requests wait with it.
    pub blocked: Option<super::blocking::Blocked>,
    /// Offset of the replication stream after its last command: what WAIT waits for.
    pub write_offset: u64,
    /// What it said of itself by REPLCONF.
    pub announced: Announced,
    /// Whether it sees every command (MONITOR).
    pub monitor: bool,
    /// What it listens to.
    pub subscriptions: super::pubsub::Subscriptions,
    /// Keys that it watches.
    pub watched: Vec<super::transaction::WatchedKey>,
    /// Whether one of them was changed.
    pub watch_spoiled: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// Monotonic ms since which its output is beyond the soft limit.
    pub soft_limit_since: Option<Millis>,
}

impl Client {
    /// Whether it may do nothing before it says who it is.
    pub fn must_log_in(&self, user: &DefaultUser) -> bool {
        !self.authenticated && !user.is_open()
    }

    /// Bytes accounted to it.
    pub fn memory_bytes(&self) -> usize {
        let queued =
            self.transaction.as_ref().map_or(0, super::transaction::Transaction::memory_bytes);
        size_of::<Self>() + self.input.capacity() + self.reply.len() + self.unsent_bytes + queued
    }

    /// Takes back what was written after the first `len` bytes, if replies to it are not sent.
    pub fn hush(&mut self, len: usize) {
        let wants_none = matches!(self.reply_mode, ReplyMode::Off | ReplyMode::Skip);
        if wants_none || self.kind == ClientKind::Primary {
            self.reply.truncate(len);
        }
    }

    /// Whether it listens to anything.
    pub fn is_subscriber(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

/// All connections of a node.
#[derive(Debug, Default)]
pub struct Clients {
    map: HashMap<ConnId, Box<Client>, foldhash::fast::FixedState>,
    /// Those with replies to send at the end of the turn.
    pending: Vec<ConnId>,
    next_id: u64,
    /// Whether there may be one that sees every command.
    may_monitor: bool,
    /// Connections accepted over the life of the node.
    pub accepted_total: u64,
}

impl Clients {
    /// Adds a connection.
    pub fn add(&mut self, now: Now, conn: ConnId, peer: Endpoint, local: Endpoint) -> &mut Client {
        self.next_id += 1;
        let client = Client {
            conn,
            id: self.next_id,
            peer,
            local,
            kind: ClientKind::Normal,
            db: 0,
            authenticated: false,
            input: Vec::new(),
            request: Request::default(),
            reply: Reply::default(),
            reply_mode: ReplyMode::default(),
            unsent_bytes: 0,
            closing: false,
            since: now.mono,
            active: now.mono,
            name: String::new(),
            lib_name: String::new(),
            lib_ver: String::new(),
            last_command: None,
            transaction: None,
            blocked: None,
            write_offset: 0,
            announced: Announced::default(),
            monitor: false,
            subscriptions: super::pubsub::Subscriptions::default(),
            watched: Vec::new(),
            watch_spoiled: false,
            no_evict: false,
            soft_limit_since: None,
        };
        self.map.entry(conn).insert_entry(Box::new(client)).into_mut()
    }

    /// A connection.
    pub fn get(&self, conn: ConnId) -> Option<&Client> {
        self.map.get(&conn).map(|c| &**c)
    }

    /// A connection, to be changed.
    pub fn get_mut(&mut self, conn: ConnId) -> Option<&mut Client> {
        self.map.get_mut(&conn).map(|c| &mut **c)
    }

    /// Forgets a connection.
    pub fn remove(&mut self, conn: ConnId) -> Option<Box<Client>> {
        self.map.remove(&conn)
    }

    /// All connections in any order.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.map.values().map(|c| &**c)
    }

    /// All connections in the order of their ids.
    pub fn in_order(&self) -> Vec<&Client> {
        self.those(|_| true)
    }

    /// All connections of which `pick` holds, in the order of their ids.
    pub fn ids(&self, pick: impl Fn(&Client) -> bool) -> Vec<ConnId> {
        self.those(pick).into_iter().map(|c| c.conn).collect()
    }

    fn those(&self, pick: impl Fn(&Client) -> bool) -> Vec<&Client> {
        let mut clients: Vec<_> = self.map.values().map(|c| &**c).filter(|c| pick(c)).collect();
        clients.sort_unstable_by_key(|c| c.id);
        clients
    }

    /// Connections that are neither replicas nor the primary's.
    pub fn normal_count(&self) -> usize {
        self.map.values().filter(|c| c.kind == ClientKind::Normal).count()
    }

    /// Lets a connection see every command.
    pub fn begin_monitor(&mut self, conn: ConnId) {
        if let Some(client) = self.get_mut(conn) {
            client.monitor = true;
            self.may_monitor = true;
        }
    }

    /// Those that see every command. Asked for at every command, so it costs nothing without any.
    pub fn monitors(&mut self) -> Vec<ConnId> {
        if !self.may_monitor {
            return Vec::new();
        }
        let monitors = self.ids(|client| client.monitor);
        self.may_monitor = !monitors.is_empty();
        monitors
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Notes that a client may have something to be sent.
    pub fn mark(&mut self, conn: ConnId) {
        if self.pending.last() != Some(&conn) {
            self.pending.push(conn);
        }
    }

    /// Those marked since the last call.
    pub fn take_marked(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.pending)
    }
}
