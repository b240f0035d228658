//! Keyspace events: what happened to keys, told in channels (`notify-keyspace-events`).
//!
//! # Differences from Redis
//!
//! A client of RESP3 that listens to what it does itself is told after the reply, not before.

use super::Server;
use crate::command::event::{self, Classes, Event};

impl Server {
    /// The classes of events that are told, if they are told in any channel.
    pub(super) fn event_classes(&self) -> Classes {
        let classes = event::classes(&self.config.notify_keyspace_events);
        if classes & (event::KEYSPACE | event::KEYEVENT) == 0 { 0 } else { classes }
    }

    /// Tells what the last command on data did to keys.
    pub(super) fn tell_events(&mut self) {
        for event in std::mem::take(&mut self.effect.events) {
            self.tell(&event);
        }
    }

    /// Tells that a key's time has come.
    pub(super) fn tell_expired(&mut self, event: &Event) {
        if self.event_classes() & event::EXPIRED != 0 {
            self.tell(event);
        }
    }

    fn tell(&mut self, Event { db, name, key }: &Event) {
        let classes = self.event_classes();
        if classes & event::KEYSPACE != 0 {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, name.as_bytes());
        }
        if classes & event::KEYEVENT != 0 {
            self.publish(format!("__keyevent@{db}__:{name}").as_bytes(), key);
        }
    }
}
