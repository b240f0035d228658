//! A client's search for the primary, as Redis's guideline for clients of Sentinel has it: ask a
//! Sentinel, ask the next one if it does not know or does not answer, and listen to all of them
//! for `+switch-master` meanwhile. Whoever connects there verifies by ROLE, and has it searched
//! again when the connection is lost or refused.

use super::client::{Connection, command};
use super::nodes::Node;
use super::picture::is_local;
use super::reply::Reply;
use super::view::NodeStatus;
use crate::machine::Millis;
use crate::world::{ClientId, World};

/// A Sentinel that does not answer for so long is given up, in milliseconds.
const ANSWER_MS_MAX: Millis = 500;

/// Milliseconds between two attempts to listen to a Sentinel.
const LISTEN_AGAIN_MS: Millis = 500;

/// The search for one primary.
pub(super) struct Seeker {
    monitor: String,
    ears: Vec<Ear>,
    /// Which of them is asked.
    asks: usize,
    question: Option<Question>,
    ask_at: Option<Millis>,
}

/// A connection that listens to a Sentinel.
struct Ear {
    sentinel: usize,
    connection: Option<Connection>,
    listen_at: Millis,
}

struct Question {
    connection: Connection,
    gives_up_at: Millis,
}

impl Seeker {
    /// Begins to search at once. `sentinels` are places of nodes.
    pub fn new(monitor: &str, sentinels: &[usize], now: Millis) -> Self {
        let ear = |sentinel: &usize| Ear { sentinel: *sentinel, connection: None, listen_at: now };
        Self {
            monitor: monitor.to_owned(),
            ears: sentinels.iter().map(ear).collect(),
            asks: 0,
            question: None,
            ask_at: Some(now),
        }
    }

    /// The name of the primary.
    pub fn monitor(&self) -> &str {
        &self.monitor
    }

    /// Asks at a time, unless a question is open or due before.
    pub fn ask(&mut self, at: Millis) {
        if self.question.is_none() {
            self.ask_at = Some(self.ask_at.map_or(at, |due| due.min(at)));
        }
    }

    /// Does what is due.
    pub fn turn(&mut self, world: &mut impl World, nodes: &[Node], now: Millis) {
        for ear in &mut self.ears {
            let node = &nodes[ear.sentinel];
            let is_dead = matches!(node.status, NodeStatus::Dead(..));
            if ear.connection.is_none() && now >= ear.listen_at && !is_dead {
                let connection = Connection::open(world, node);
                connection.send(world, command(["SUBSCRIBE", "+switch-master"]));
                ear.connection = Some(connection);
            }
        }
        if self.question.as_ref().is_some_and(|question| now >= question.gives_up_at) {
            self.ask_the_next(world, now);
        }
        if self.question.is_none()
            && self.ask_at.is_some_and(|at| now >= at)
            && let Some(ear) = self.ears.get(self.asks)
        {
            let connection = Connection::open(world, &nodes[ear.sentinel]);
            let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.monitor];
            connection.send(world, command(words));
            self.ask_at = None;
            self.question = Some(Question { connection, gives_up_at: now + ANSWER_MS_MAX });
        }
    }

    /// When the next turn is due.
    pub fn next_turn(&self) -> Option<Millis> {
        let gives_up = self.question.as_ref().map(|question| question.gives_up_at);
        let deaf = self.ears.iter().filter(|ear| ear.connection.is_none());
        let listens = deaf.map(|ear| ear.listen_at).min();
        [gives_up, self.ask_at, listens].into_iter().flatten().min()
    }

    pub fn is(&self, client: ClientId) -> bool {
        self.question.as_ref().is_some_and(|question| question.connection.is(client))
            || self.ears.iter().any(|ear| ear.is(client))
    }

    /// Takes what a Sentinel says, and gives the primary's port if that is what it says.
    pub fn received(
        &mut self,
        world: &mut impl World,
        client: ClientId,
        data: &[u8],
        now: Millis,
    ) -> Option<u16> {
        if let Some(ear) = self.ears.iter_mut().find(|ear| ear.is(client)) {
            let replies = ear.connection.as_mut()?.received(data);
            return replies.iter().rev().find_map(|reply| switched(reply, &self.monitor));
        }
        let question = self.question.as_mut()?;
        let replies = question.connection.received(data);
        let answer = replies.first()?;
        let port = address(answer);
        match port {
            Some(_) => self.close_question(world),
            None => self.ask_the_next(world, now),
        }
        port
    }

    /// A Sentinel is gone.
    pub fn closed(&mut self, world: &mut impl World, client: ClientId, now: Millis) {
        if let Some(ear) = self.ears.iter_mut().find(|ear| ear.is(client)) {
            ear.connection = None;
            ear.listen_at = now + LISTEN_AGAIN_MS;
        } else {
            self.ask_the_next(world, now);
        }
    }

    /// Ends the search.
    pub fn close(mut self, world: &mut impl World) {
        self.close_question(world);
        for ear in self.ears {
            ear.connection.into_iter().for_each(|connection| connection.close(world));
        }
    }

    fn close_question(&mut self, world: &mut impl World) {
        if let Some(question) = self.question.take() {
            question.connection.close(world);
        }
    }

    /// After the last one comes a pause, and the first one again.
    fn ask_the_next(&mut self, world: &mut impl World, now: Millis) {
        self.close_question(world);
        self.asks = (self.asks + 1) % self.ears.len().max(1);
        let pause = if self.asks == 0 { LISTEN_AGAIN_MS } else { 0 };
        self.ask_at = Some(now + pause);
    }
}

impl Ear {
    fn is(&self, client: ClientId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is(client))
    }
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// The port in an answer to GET-MASTER-ADDR-BY-NAME.
fn address(reply: &Reply) -> Option<u16> {
    let Reply::Array(parts) = reply else { return None };
    let [host, port] = parts.as_slice() else { return None };
    is_local(text(host)?).then(|| text(port)?.parse().ok()).flatten()
}

/// The new port in a message of `+switch-master`: name, old and new address.
fn switched(reply: &Reply, monitor: &str) -> Option<u16> {
    let Reply::Array(parts) = reply else { return None };
    let [kind, channel, message] = parts.as_slice() else { return None };
    if (text(kind)?, text(channel)?) != ("message", "+switch-master") {
        return None;
    }
    match text(message)?.split(' ').collect::<Vec<_>>()[..] {
        [name, _, _, host, port] if name == monitor && is_local(host) => port.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(words: &[&str]) -> Reply {
        Reply::Array(words.iter().map(|word| Reply::Bulk(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_message_counts_if_it_is_about_the_primary_that_is_followed() {
        let message = |text| array(&["message", "+switch-master", text]);
        let there = message("mymaster 127.0.0.1 6401 127.0.0.1 6402");
        assert_eq!(switched(&there, "mymaster"), Some(6402));
        assert_eq!(switched(&there, "cache"), None);
        assert_eq!(switched(&message("mymaster 127.0.0.1 6401"), "mymaster"), None);
        assert_eq!(switched(&array(&["subscribe", "+switch-master", "1"]), "mymaster"), None);
    }

    #[test]
    fn an_address_outside_the_lab_is_none() {
        assert_eq!(address(&array(&["127.0.0.1", "6402"])), Some(6402));
        assert_eq!(address(&array(&["10.0.0.9", "6402"])), None);
        assert_eq!(address(&Reply::Nil), None);
    }
}
