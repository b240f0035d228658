//! The clockwork: every period of a Sentinel, and the alarm that says when it next has work.
//!
//! Two clockworks share one set of rules. `redis` looks at everything on ticks, 10 to 19 a second,
//! as the real program does. `fast` looks at a watched primary whenever something about it arrives
//! and at the very moment something is due.

use crate::machine::Millis;

/// Directive `sentinel-timing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    /// Decides in the event.
    #[default]
    Fast,
    /// Decides on ticks, at the real program's periods.
    Redis,
}

impl Timing {
    /// Whether what is known about one address is believed of the next, and an election once begun
    /// is carried through although the primary answers again. The real program does so, and
    /// therefore sometimes deposes a new primary that is healthy.
    pub fn is_credulous(self) -> bool {
        self == Self::Redis
    }
}

/// The periods, in milliseconds, each settable by `SENTINEL DEBUG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    /// INFO to nodes where nothing happens.
    pub info: Millis,
    /// PING, at most; less where `down-after-milliseconds` is less.
    pub ping: Millis,
    /// Asking peers again about a primary that seems down.
    pub ask: Millis,
    /// Hello.
    pub publish: Millis,
    /// `down-after-milliseconds` of a new primary.
    pub default_down_after: Millis,
    /// `failover-timeout` of a new primary.
    pub default_failover_timeout: Millis,
    /// A stall longer than this is TILT.
    pub tilt_trigger: Millis,
    /// How long TILT lasts.
    pub tilt: Millis,
    /// How long a replica may take to say that it follows the promoted one.
    pub reconf_timeout: Millis,
    /// A link younger than this is not reconnected by force.
    pub min_link_age: Millis,
    /// Votes that take longer are no longer waited for.
    pub election_timeout: Millis,
    /// Longest run of a script.
    pub script_runtime: Millis,
    /// First delay before a script is tried again; doubles.
    pub script_retry: Millis,
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            info: 10_000,
            ping: 1000,
            ask: 1000,
            publish: 2000,
            default_down_after: 30_000,
            default_failover_timeout: 180_000,
            tilt_trigger: 2000,
            tilt: 30_000,
            reconf_timeout: 10_000,
            min_link_age: 15_000,
            election_timeout: 10_000,
            script_runtime: 60_000,
            script_retry: 30_000,
        }
    }
}

impl Periods {
    /// Every period by its name in `SENTINEL DEBUG`, in the order shown.
    pub fn by_name(&mut self) -> [(&'static str, &mut Millis); 13] {
        [
            ("INFO-PERIOD", &mut self.info),
            ("PING-PERIOD", &mut self.ping),
            ("ASK-PERIOD", &mut self.ask),
            ("PUBLISH-PERIOD", &mut self.publish),
            ("DEFAULT-DOWN-AFTER", &mut self.default_down_after),
            ("DEFAULT-FAILOVER-TIMEOUT", &mut self.default_failover_timeout),
            ("TILT-TRIGGER", &mut self.tilt_trigger),
            ("TILT-PERIOD", &mut self.tilt),
            ("SLAVE-RECONF-TIMEOUT", &mut self.reconf_timeout),
            ("MIN-LINK-RECONNECT-PERIOD", &mut self.min_link_age),
            ("ELECTION-TIMEOUT", &mut self.election_timeout),
            ("SCRIPT-MAX-RUNTIME", &mut self.script_runtime),
            ("SCRIPT-RETRY-DELAY", &mut self.script_retry),
        ]
    }
}

/// How long a lost connection waits for its next try after so many failures in a row.
pub fn redial_delay(timing: Timing, failures: u32) -> Millis {
    match (timing, failures) {
        (Timing::Redis, _) => 1000,
        (Timing::Fast, 0) => 0,
        (Timing::Fast, failures) => (25 << failures.min(6)).min(1000),
    }
}

/// How long to wait before asking again something that is awaited for `waited` ms: often at first,
/// then ever less so.
pub fn impatience(waited: Millis) -> Millis {
    (waited / 4).clamp(10, 100)
}

/// Collects what is due now and what is due next.
#[derive(Debug)]
pub struct Alarm {
    now: Millis,
    /// The earliest time at which something will be due.
    pub next: Millis,
    /// Whether anything was due.
    pub rang: bool,
}

impl Alarm {
    /// An alarm that never looks further ahead than a second.
    pub fn new(now: Millis) -> Self {
        Self { now, next: now + 1000, rang: false }
    }

    /// Whether `at` has come. If so, the caller acts such that it is not due again at once; if
    /// not, the alarm will ring then.
    pub fn is_due(&mut self, at: Millis) -> bool {
        if at <= self.now {
            self.rang = true;
            return true;
        }
        self.next = self.next.min(at);
        false
    }

    /// Whether `at` has come, for what stays so: it is no work to be done. If it has not, the
    /// alarm will ring then.
    pub fn has_come(&mut self, at: Millis) -> bool {
        if at > self.now {
            self.next = self.next.min(at);
        }
        at <= self.now
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, Timing, impatience, redial_delay};

    #[test]
    fn a_lost_connection_is_tried_at_once_and_then_ever_less() {
        let delays: Vec<_> = (0..8).map(|n| redial_delay(Timing::Fast, n)).collect();
        assert_eq!(delays, [0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(redial_delay(Timing::Redis, 0), 1000);
    }

    #[test]
    fn waiting_makes_patient() {
        assert_eq!([0, 40, 200, 9000].map(impatience), [10, 10, 50, 100]);
    }

    #[test]
    fn the_alarm_rings_for_the_earliest() {
        let mut alarm = Alarm::new(100);
        assert!(!alarm.is_due(300) && !alarm.is_due(200) && !alarm.rang);
        assert!(alarm.is_due(100) && alarm.rang);
        assert_eq!(alarm.next, 200);
    }
}
