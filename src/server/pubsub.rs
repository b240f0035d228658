//! Who listens to which channel.

use std::collections::{BTreeMap, BTreeSet};

use super::Server;
use crate::base::glob;
use crate::keyspace::Blob;
use crate::machine::ConnId;
use crate::resp::Reply;

/// What one client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// SUBSCRIBE.
    pub channels: BTreeSet<Blob>,
    /// PSUBSCRIBE.
    pub patterns: BTreeSet<Blob>,
    /// SSUBSCRIBE.
    pub shards: BTreeSet<Blob>,
}

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A channel.
    Channel,
    /// All channels that fit a pattern.
    Pattern,
    /// A channel of a shard; without a cluster, a channel of another name space.
    Shard,
}

impl Topic {
    /// What a client is told when it begins and ceases to listen.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Channel => ("subscribe", "unsubscribe"),
            Self::Pattern => ("psubscribe", "punsubscribe"),
            Self::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }
}

impl Subscriptions {
    fn of(&mut self, topic: Topic) -> &mut BTreeSet<Blob> {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
            Topic::Shard => &mut self.shards,
        }
    }

    /// The count that a (un)subscription is answered with: shards are counted apart.
    fn count(&self, topic: Topic) -> usize {
        match topic {
            Topic::Channel | Topic::Pattern => self.channels.len() + self.patterns.len(),
            Topic::Shard => self.shards.len(),
        }
    }

    /// Whether it listens to nothing.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }
}

/// Listeners by channel, in the order in which they came.
pub type Listeners = BTreeMap<Blob, Vec<ConnId>>;

/// All subscriptions of a node.
#[derive(Debug, Default)]
pub struct PubSub {
    /// By channel.
    pub channels: Listeners,
    /// By pattern.
    pub patterns: Listeners,
    /// By channel of the shard.
    pub shards: Listeners,
}

impl PubSub {
    fn of(&mut self, topic: Topic) -> &mut Listeners {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
            Topic::Shard => &mut self.shards,
        }
    }

    fn remove(&mut self, topic: Topic, name: &Blob, conn: ConnId) {
        let listeners = self.of(topic);
        if let Some(list) = listeners.get_mut(name) {
            list.retain(|other| *other != conn);
            if list.is_empty() {
                listeners.remove(name);
            }
        }
    }
}

impl Server {
    /// A client begins to listen, and is told so.
    pub(super) fn subscribe(&mut self, conn: ConnId, topic: Topic, name: &[u8]) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let name = Blob::from(name);
        if client.subscriptions.of(topic).insert(name.clone()) {
            self.pubsub.of(topic).entry(name.clone()).or_default().push(conn);
        }
        let count = client.subscriptions.count(topic);
        confirm(&mut client.reply, topic.words().0, Some(&name), count);
    }

    /// A client ceases to listen, and is told so.
    pub(super) fn unsubscribe(&mut self, conn: ConnId, topic: Topic, name: &[u8]) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let name = Blob::from(name);
        client.subscriptions.of(topic).remove(&name);
        self.pubsub.remove(topic, &name, conn);
        let count = client.subscriptions.count(topic);
        confirm(&mut client.reply, topic.words().1, Some(&name), count);
    }

    /// A client ceases to listen to everything of a kind, and is told so.
    pub(super) fn unsubscribe_from_all(&mut self, conn: ConnId, topic: Topic) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let names: Vec<Blob> = client.subscriptions.of(topic).iter().cloned().collect();
        if names.is_empty() {
            let count = client.subscriptions.count(topic);
            confirm(&mut client.reply, topic.words().1, None, count);
        }
        for name in names {
            self.unsubscribe(conn, topic, &name);
        }
    }

    /// A client ceases to listen, without a word.
    pub(super) fn unsubscribe_all(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let subscriptions = std::mem::take(&mut client.subscriptions);
        self.forget_subscriptions(conn, subscriptions);
    }

    /// A client is gone with its subscriptions.
    pub(super) fn forget_subscriptions(&mut self, conn: ConnId, mut gone: Subscriptions) {
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            for name in std::mem::take(gone.of(topic)) {
                self.pubsub.remove(topic, &name, conn);
            }
        }
    }

    /// Gives a message to all who listen to a channel and returns how many they are.
    pub(super) fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let key = Blob::from(channel);
        let direct = self.pubsub.channels.get(&key).cloned().unwrap_or_default();
        for conn in &direct {
            self.push(*conn, &[b"message", channel, message]);
        }
        let mut count = direct.len();
        let fitting: Vec<(Blob, Vec<ConnId>)> = self
            .pubsub
            .patterns
            .iter()
            .filter(|(pattern, _)| glob::matches(pattern, channel))
            .map(|(pattern, listeners)| (pattern.clone(), listeners.clone()))
            .collect();
        for (pattern, listeners) in fitting {
            count += listeners.len();
            for conn in listeners {
                self.push(conn, &[b"pmessage", &pattern, channel, message]);
            }
        }
        count
    }

    /// Gives a message to all who listen to a channel of the shard.
    pub(super) fn publish_in_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let listeners = self.pubsub.shards.get(&Blob::from(channel)).cloned().unwrap_or_default();
        for conn in &listeners {
            self.push(*conn, &[b"smessage", channel, message]);
        }
        listeners.len()
    }

    fn push(&mut self, conn: ConnId, words: &[&[u8]]) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.reply.push(words.len());
            for word in words {
                client.reply.bulk(word);
            }
            self.clients.mark(conn);
        }
    }
}

fn confirm(reply: &mut Reply, word: &str, name: Option<&Blob>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count);
}
