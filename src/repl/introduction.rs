//! What a replica says to its primary, in bytes.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::ReplId;
use crate::machine::Endpoint;
use crate::resp::command;

/// What a replica says of itself and asks for.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Whom it calls.
    pub primary: Endpoint,
    /// `masterauth`, with `masteruser` if set.
    pub auth: Option<Credentials>,
    /// The port to show for this node.
    pub listening_port: u16,
    /// `replica-announce-ip`
    pub announce_ip: Option<String>,
    /// The history it knows and the last byte applied.
    pub resume: Option<(ReplId, u64)>,
    /// Whether this is a primary that hands its role over.
    pub failover: bool,
    /// Whether a snapshot is parsed as it arrives (only a word of the log).
    pub diskless_load: bool,
}

/// A user's password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `masteruser`; without it the default user.
    pub user: Option<Vec<u8>>,
    /// `masterauth`
    pub password: Vec<u8>,
}

/// A command of the burst, whose reply is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent {
    /// An error ends the attempt.
    Auth,
    /// An error is only logged. The option is named by its first word.
    Replconf(&'static str),
}

impl Introduction {
    /// The first word, alone: the primary may not be one, or not ready.
    pub(super) fn ping() -> Bytes {
        command(&["PING"])
    }

    /// All that needs no answer before the next, in one go.
    pub(super) fn burst(&self) -> (Bytes, VecDeque<Sent>) {
        let (mut bytes, mut awaited) = (BytesMut::new(), VecDeque::new());
        if let Some(Credentials { user, password }) = &self.auth {
            let mut words = vec![&b"AUTH"[..]];
            words.extend(user.as_deref());
            words.push(password);
            bytes.extend_from_slice(&command(&words));
            awaited.push_back(Sent::Auth);
        }
        let mut replconf = |option: &'static str, values: &[&[u8]]| {
            let words = [&[&b"REPLCONF"[..], option.as_bytes()], values].concat();
            bytes.extend_from_slice(&command(&words));
            awaited.push_back(Sent::Replconf(option));
        };
        replconf("listening-port", &[self.listening_port.to_string().as_bytes()]);
        if let Some(ip) = &self.announce_ip {
            replconf("ip-address", &[ip.as_bytes()]);
        }
        replconf("capa", &[b"eof", b"capa", b"psync2"]);
        (bytes.freeze(), awaited)
    }

    /// The question: may it go on after the last byte applied?
    pub(super) fn psync(&self) -> Bytes {
        let (id, next) = match self.resume {
            Some((replid, applied)) => (replid.to_string(), (applied + 1).to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        let mut words: Vec<&[u8]> = vec![b"PSYNC", id.as_bytes(), next.as_bytes()];
        if self.failover {
            words.push(b"FAILOVER");
        }
        command(&words)
    }
}

/// `REPLCONF ACK`: the last byte applied.
pub fn ack(offset: u64) -> Bytes {
    command(&["REPLCONF", "ACK", &offset.to_string()])
}
