//! TILT: after a long stall, or when the wall clock went back, what this Sentinel thinks cannot be
//! trusted. It goes on watching, but decides nothing for a while.

use super::common::Common;
use super::event::Event;
use crate::machine::{Millis, Now};

/// Whether decisions are suspended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tilt {
    since: Option<Millis>,
    /// By when this Sentinel asked to be woken.
    expected: Option<Millis>,
    last: Now,
}

impl Tilt {
    /// Whether decisions are suspended.
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Since when (monotonic ms).
    pub fn since(&self) -> Option<Millis> {
        self.since
    }

    /// Notes when this Sentinel wants to be woken at the latest.
    pub fn expect(&mut self, at: Millis) {
        self.expected = Some(at);
    }
}

impl Common {
    /// Looks at the clock at the beginning of a step.
    pub fn watch_clock(&mut self) {
        let now = self.now;
        let late = self.tilt.expected.map_or(0, |at| now.since(at.max(self.tilt.last.mono)));
        let went_back = now.wall_us + 1000 < self.tilt.last.wall_us;
        self.tilt.last = now;
        if late > self.periods.tilt_trigger || went_back {
            self.tilt.expected = Some(now.mono);
            let was_on = self.tilt.since.replace(now.mono).is_some();
            if !was_on {
                let cause = if late > self.periods.tilt_trigger {
                    format!("It stood still for {late} ms")
                } else {
                    "The wall clock went back".to_owned()
                };
                self.event_alone(Event::Tilt, "#tilt mode entered", || {
                    format!("{cause}, so it decides nothing until it has seen how things are.")
                });
            }
        } else if self.tilt.since.is_some_and(|since| now.since(since) > self.periods.tilt) {
            self.tilt.since = None;
            self.event_alone(Event::NotTilt, "#tilt mode exited", || {
                "It trusts what it sees again.".to_owned()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::Input;
    use crate::sentinel::testing::Bench;

    #[test]
    fn it_says_why_it_does_not_trust_itself() {
        let why = |shift: fn(&mut Bench)| {
            let mut bench = Bench::new("");
            shift(&mut bench);
            bench.step(Input::Tick);
            let (_, sentence) = bench.sentences.pop().expect("an event");
            sentence.split(", so").next().unwrap_or_default().to_owned()
        };
        assert_eq!(why(|bench| bench.now += 5000), "It stood still for 4000 ms");
        assert_eq!(why(|bench| bench.wall_behind = 5000), "The wall clock went back");
    }
}
