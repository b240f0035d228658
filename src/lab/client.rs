//! The lab's own connections to its nodes: RESP over the world's clients.

use std::collections::VecDeque;

use bytes::Bytes;

use super::journal::Event;
use super::nodes::Node;
use super::reply::Reply;
use super::text::Command;
use crate::world::{ClientId, World};

/// Bytes of a printed reply that the journal keeps.
const REPLY_TEXT_BYTES_MAX: usize = 64 << 10;

/// One connection to one node.
pub(super) struct Connection {
    client: ClientId,
    incoming: Vec<u8>,
    /// Replies to what the connection itself asked (AUTH), which nobody waits for.
    unasked: usize,
}

impl Connection {
    /// Connects, and authenticates where the node's configuration asks for it.
    pub fn open(world: &mut impl World, node: &Node) -> Self {
        let client = world.connect(node.id);
        let mut connection = Self { client, incoming: Vec::new(), unasked: 0 };
        if let Some(password) = &node.password {
            world.send(client, command(["AUTH", password]));
            connection.unasked = 1;
        }
        connection
    }

    pub fn is(&self, client: ClientId) -> bool {
        self.client == client
    }

    pub fn send(&self, world: &mut impl World, data: Bytes) {
        world.send(self.client, data);
    }

    pub fn close(self, world: &mut impl World) {
        world.disconnect(self.client);
    }

    /// Takes what arrived and gives the replies that are complete. Bytes that are no reply are
    /// given as an error reply, since a person has to see them.
    pub fn received(&mut self, data: &[u8]) -> Vec<Reply> {
        self.incoming.extend_from_slice(data);
        let mut replies = Vec::new();
        let mut taken = 0;
        loop {
            match Reply::decode(&self.incoming[taken..]) {
                Ok(Some((reply, len))) => {
                    taken += len;
                    replies.push(reply);
                }
                Ok(None) => break,
                Err(reason) => {
                    taken = self.incoming.len();
                    replies.push(Reply::Error(reason));
                }
            }
        }
        self.incoming.drain(..taken);
        let unasked = self.unasked.min(replies.len());
        self.unasked -= unasked;
        replies.split_off(unasked)
    }
}

/// A command as an array of bulk strings.
pub(super) fn command<T: AsRef<[u8]>>(
    words: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
) -> Bytes {
    let words = words.into_iter();
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out.into()
}

/// The kept connection for commands that a person gives to a node. Replies come in the order of
/// the commands.
#[derive(Default)]
pub(super) struct Console {
    connection: Option<Connection>,
    asked: VecDeque<Vec<String>>,
    /// What a reply belongs to that nobody asked for: MONITOR, SUBSCRIBE.
    last: Vec<String>,
    last_reply: Option<String>,
}

impl Console {
    pub fn is(&self, client: ClientId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is(client))
    }

    /// Sends a command, connecting first where there is no connection.
    pub fn ask(&mut self, world: &mut impl World, node: &Node, words: Vec<String>) {
        let connection = self.connection.get_or_insert_with(|| Connection::open(world, node));
        connection.send(world, command(&words));
        self.asked.push_back(words);
        self.last_reply = None;
    }

    /// Whether an answer is awaited.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The answer to the last command, on one line; none while it is awaited.
    pub fn last_reply(&self) -> Option<&str> {
        self.last_reply.as_deref()
    }

    pub fn received(&mut self, data: &[u8]) -> Vec<Event> {
        let Some(connection) = &mut self.connection else { return Vec::new() };
        let replies = connection.received(data);
        replies.iter().map(|reply| self.answer(reply)).collect()
    }

    fn answer(&mut self, reply: &Reply) -> Event {
        if let Some(words) = self.asked.pop_front() {
            self.last = words;
        }
        self.last_reply = self.asked.is_empty().then(|| reply.line());
        Event::Reply {
            command: Command(&self.last).to_string(),
            reply: shortened(reply.print(&self.last)),
            is_error: reply.error().is_some(),
        }
    }

    /// The connection is gone: what was asked gets the words that redis-cli has for it.
    pub fn closed(&mut self, reason: &str) -> Vec<Event> {
        self.connection = None;
        let text = if reason.is_empty() { "Server closed the connection" } else { reason };
        let lost = std::mem::take(&mut self.asked).into_iter();
        lost.map(|words| Event::Reply {
            command: Command(&words).to_string(),
            reply: format!("Error: {text}"),
            is_error: true,
        })
        .collect()
    }
}

/// A text that is too long loses its end, and says so.
fn shortened(mut text: String) -> String {
    if text.len() > REPLY_TEXT_BYTES_MAX {
        let more = text.len() - text.floor_char_boundary(REPLY_TEXT_BYTES_MAX);
        text.truncate(text.len() - more);
        return format!("{text}… ({more} bytes more)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{REPLY_TEXT_BYTES_MAX, shortened};

    #[test]
    fn only_a_text_that_is_too_long_loses_its_end() {
        let fits = "é".repeat(REPLY_TEXT_BYTES_MAX / 2);
        assert_eq!(shortened(fits.clone()), fits);
        let long = shortened(format!("x{fits}"));
        assert!(long.ends_with("é… (2 bytes more)"), "{}", &long[long.len() - 30..]);
    }
}
