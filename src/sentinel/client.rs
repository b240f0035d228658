//! Clients of a Sentinel: their requests, their replies, and the events they subscribed to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Sentinel, cmd};
use crate::base::glob;
use crate::machine::{Closing, ConnId, Endpoint, Millis, Outbox, Output};
use crate::resp::{Limits, Reply, Request};

/// Bytes of a request that is not complete; beyond this the client is closed.
const INPUT_BYTES_MAX: usize = 64 << 20;

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// What CLIENT ID shows.
    pub id: u64,
    /// Where it comes from.
    pub peer: Endpoint,
    /// Our address on it.
    pub local: Endpoint,
    /// CLIENT SETNAME.
    pub name: String,
    /// Whether it may do anything but authenticate.
    pub authenticated: bool,
    /// Replies to be sent at the end of the turn.
    pub reply: Reply,
    /// Bytes of replies that have not left this node yet.
    pub unsent_bytes: usize,
    /// Since when more of them than the soft limit wait.
    pub slow_since: Option<Millis>,
    /// To be closed once its replies are sent.
    pub closing: bool,
    /// Channels it listens to.
    pub channels: BTreeSet<Vec<u8>>,
    /// Patterns of channels it listens to.
    pub patterns: BTreeSet<Vec<u8>>,
    /// Monotonic ms of its arrival.
    pub since: Millis,
    /// Monotonic ms of its last request.
    pub active: Millis,
    /// Its last command, as CLIENT LIST shows it.
    pub last_command: String,
    input: Vec<u8>,
    request: Request,
}

/// All clients, in the order of their arrival.
#[derive(Debug, Default)]
pub struct Clients {
    map: BTreeMap<ConnId, Client>,
    next_id: u64,
    nobody: Reply,
}

impl Clients {
    /// A client.
    pub fn get(&self, conn: ConnId) -> Option<&Client> {
        self.map.get(&conn)
    }

    /// A client, to be changed.
    pub fn get_mut(&mut self, conn: ConnId) -> Option<&mut Client> {
        self.map.get_mut(&conn)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (ConnId, &Client)> {
        self.map.iter().map(|(conn, client)| (*conn, client))
    }

    /// Where replies to a client go.
    pub fn reply(&mut self, conn: ConnId) -> &mut Reply {
        match self.map.get_mut(&conn) {
            Some(client) => &mut client.reply,
            None => &mut self.nobody,
        }
    }

    /// Forgets a client.
    pub fn remove(&mut self, conn: ConnId) {
        self.map.remove(&conn);
    }

    /// Connections accepted over the life of the node.
    pub fn accepted_total(&self) -> u64 {
        self.next_id
    }

    /// Sends what was written in this turn.
    pub fn flush(&mut self, out: &mut Outbox) {
        for (conn, client) in &mut self.map {
            if !client.reply.is_empty() {
                out.send(*conn, client.reply.take());
            }
            if client.closing {
                out.push(Output::Close { conn: *conn, how: Closing::Flush });
            }
        }
        self.map.retain(|_, client| !client.closing);
    }
}

impl Sentinel {
    /// A client came.
    pub(super) fn accept(&mut self, conn: ConnId, peer: Endpoint, local: Endpoint) {
        self.clients.next_id += 1;
        let client = Client {
            id: self.clients.next_id,
            peer,
            local,
            name: String::new(),
            authenticated: self.common.globals.requirepass.is_empty(),
            reply: Reply::default(),
            unsent_bytes: 0,
            slow_since: None,
            closing: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            since: self.common.now.mono,
            active: self.common.now.mono,
            last_command: String::new(),
            input: Vec::new(),
            request: Request::default(),
        };
        self.clients.map.insert(conn, client);
    }

    /// Bytes arrived from a client.
    pub(super) fn on_request(&mut self, conn: ConnId, data: &[u8]) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.input.extend_from_slice(data);
            if self.loading.is_none() {
                self.feed(conn);
            }
        }
    }

    /// Runs what clients asked for while the file was read.
    pub(super) fn feed_all(&mut self) {
        let conns: Vec<ConnId> = self.clients.map.keys().copied().collect();
        for conn in conns {
            self.feed(conn);
        }
    }

    fn feed(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let input = std::mem::take(&mut client.input);
        let mut taken = 0;
        while let Some(client) = self.clients.get_mut(conn).filter(|client| !client.closing) {
            let unauthenticated = !client.authenticated;
            let limits = Limits { unauthenticated, ..Limits::default() };
            let mut request = std::mem::take(&mut client.request);
            let read = request.read(&input[taken..], &limits);
            match read {
                Ok(Some(bytes)) => {
                    let words = request.words(&input[taken..]);
                    if !words.is_empty() {
                        cmd::run(self, conn, &words);
                        self.check_output(conn);
                    }
                    taken += bytes;
                }
                Ok(None) => {
                    client.request = request;
                    break;
                }
                Err(error) => {
                    client.reply.error(&format!("ERR Protocol error: {error}"));
                    client.closing = true;
                }
            }
        }
        if let Some(client) = self.clients.get_mut(conn) {
            client.input.extend_from_slice(&input[taken..]);
            client.closing |= client.input.len() > INPUT_BYTES_MAX;
        }
    }

    /// Gives the events of this turn to those who listen.
    pub(super) fn publish_events(&mut self) {
        for message in std::mem::take(&mut self.common.messages) {
            let (channel, text) = (message.channel.as_bytes(), message.text.as_bytes());
            for client in self.clients.map.values_mut() {
                if client.channels.contains(channel) {
                    client.reply.push(3);
                    client.reply.bulk("message");
                    client.reply.bulk(channel);
                    client.reply.bulk(text);
                }
                for pattern in client.patterns.iter().filter(|p| glob::matches(p, channel)) {
                    client.reply.push(4);
                    client.reply.bulk("pmessage");
                    client.reply.bulk(pattern);
                    client.reply.bulk(channel);
                    client.reply.bulk(text);
                }
            }
        }
    }
}
