//! Events: what happened, in the real program's words, to the log, to subscribers, to scripts, and
//! as facts.

use super::common::Common;
use super::monitor::Monitor;
use crate::machine::{Endpoint, Fact, LogLevel};

macro_rules! events {
    ($($variant:ident $text:literal $level:ident,)*) => {
        /// An event. Its text is the channel it is published on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl Event {
            /// The channel.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn level(self) -> LogLevel {
                match self { $(Self::$variant => LogLevel::$level,)* }
            }
        }
    };
}

events! {
    Monitor "+monitor" Warning,
    Unmonitor "-monitor" Warning,
    ResetPrimary "+reset-master" Warning,
    Sdown "+sdown" Warning,
    NotSdown "-sdown" Warning,
    Odown "+odown" Warning,
    NotOdown "-odown" Warning,
    NewEpoch "+new-epoch" Warning,
    TryFailover "+try-failover" Warning,
    VoteForLeader "+vote-for-leader" Warning,
    ElectedLeader "+elected-leader" Warning,
    StateSelect "+failover-state-select-slave" Warning,
    Selected "+selected-slave" Warning,
    StateSendNoOne "+failover-state-send-slaveof-noone" Notice,
    StateWaitPromotion "+failover-state-wait-promotion" Notice,
    Promoted "+promoted-slave" Warning,
    StateReconf "+failover-state-reconf-slaves" Warning,
    ReconfSent "+slave-reconf-sent" Notice,
    ReconfInProgress "+slave-reconf-inprog" Notice,
    ReconfDone "+slave-reconf-done" Notice,
    ReconfSentTimeout "-slave-reconf-sent-timeout" Notice,
    ReconfBestEffort "+slave-reconf-sent-be" Notice,
    End "+failover-end" Warning,
    EndForTimeout "+failover-end-for-timeout" Warning,
    AbortNotElected "-failover-abort-not-elected" Warning,
    AbortNoGoodReplica "-failover-abort-no-good-slave" Warning,
    AbortReplicaTimeout "-failover-abort-slave-timeout" Warning,
    ConfigUpdateFrom "+config-update-from" Warning,
    SwitchPrimary "+switch-master" Warning,
    Set "+set" Warning,
    Tilt "+tilt" Warning,
    NotTilt "-tilt" Warning,
    ScriptError "-script-error" Warning,
    ScriptTimeout "-script-timeout" Warning,
    Replica "+slave" Notice,
    Peer "+sentinel" Notice,
    PeerMoved "+sentinel-address-switch" Notice,
    PeerUpdated "+sentinel-address-update" Notice,
    PeerInvalid "+sentinel-invalid-addr" Notice,
    Refused "-hello-refused" Notice,
    Reboot "+reboot" Notice,
    ConvertToReplica "+convert-to-slave" Notice,
    FixReplica "+fix-slave-config" Notice,
    RoleChange "+role-change" Verbose,
    RoleUnexpected "-role-change" Verbose,
}

/// Whom an event is about, as its text names it.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// The primary.
    Primary,
    /// One of its replicas.
    Replica(&'a Endpoint),
    /// A Sentinel: id and address.
    Peer(&'a str, &'a Endpoint),
}

/// A message for subscribers.
#[derive(Debug)]
pub struct Message {
    /// The channel.
    pub channel: &'static str,
    /// The text.
    pub text: String,
}

impl Common {
    /// An event about an instance; `extra` follows its description after a space.
    pub fn event_about(
        &mut self,
        event: Event,
        m: &Monitor,
        about: About<'_>,
        extra: &str,
        sentence: impl FnOnce() -> String,
    ) {
        let primary = &m.primary.node.addr;
        let (name, host, port) = (&m.name, &primary.host, primary.port);
        let mut text = match about {
            About::Primary => format!("master {name} {host} {port}"),
            About::Replica(addr) => format!(
                "slave {}:{} {} {} @ {name} {host} {port}",
                addr.host, addr.port, addr.host, addr.port
            ),
            About::Peer(id, addr) => {
                format!("sentinel {id} {} {} @ {name} {host} {port}", addr.host, addr.port)
            }
        };
        if !extra.is_empty() {
            text.push(' ');
            text.push_str(extra);
        }
        self.event(event, m, &text, sentence);
    }

    /// An event about a watched primary whose text does not describe an instance.
    pub fn event(
        &mut self,
        event: Event,
        m: &Monitor,
        text: &str,
        sentence: impl FnOnce() -> String,
    ) {
        self.tell(event, Some(m), text, sentence());
    }

    /// An event about no primary.
    pub fn event_alone(&mut self, event: Event, text: &str, sentence: impl FnOnce() -> String) {
        self.tell(event, None, text, sentence());
    }

    fn tell(&mut self, event: Event, m: Option<&Monitor>, text: &str, sentence: String) {
        // A decision was made: what follows from it is looked at before the turn ends.
        self.alarm.rang = true;
        self.out.log(event.level(), format!("{} {text}", event.text()));
        self.out.emit(Fact::Sentinel {
            event: event.text(),
            text: text.to_owned(),
            monitor: m.map(|m| m.name.to_string()),
            sentence,
        });
        self.messages.push(Message { channel: event.text(), text: text.to_owned() });
        if event.level() == LogLevel::Warning
            && let Some(script) = m.and_then(|m| m.settings.notification_script.as_ref())
        {
            let args = vec![event.text().to_owned(), text.to_owned()];
            self.scripts.add(script.clone(), args);
        }
    }
}
