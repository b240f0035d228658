//! The clock of a script: it stands still while somebody holds the script.

use crate::machine::Millis;

/// Milliseconds of script time since the lab was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Script time when it last began or ceased to run.
    at: Millis,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The lab is not ready.
    Awaited,
    /// Runs since this lab time.
    Running(Millis),
    /// Somebody holds it. Whether one step may be done all the same.
    Held { may_step: bool },
}

impl Pace {
    /// A clock that runs once the lab is ready.
    pub const fn new() -> Self {
        Self { at: 0, state: State::Awaited }
    }

    pub fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }

    /// Whether a step may be done whatever its time.
    pub fn may_step(&self) -> bool {
        self.state == State::Held { may_step: true }
    }

    /// Script time at a lab time.
    pub fn time(&self, now: Millis) -> Millis {
        match self.state {
            State::Running(since) => self.at + now.saturating_sub(since),
            State::Awaited | State::Held { .. } => self.at,
        }
    }

    /// The lab time of a script time, if the clock runs.
    pub fn when(&self, time: Millis) -> Option<Millis> {
        match self.state {
            State::Running(since) => Some(since.saturating_add(time.saturating_sub(self.at))),
            State::Awaited | State::Held { .. } => None,
        }
    }

    /// The lab is ready.
    pub fn begin(&mut self, now: Millis) {
        if self.state == State::Awaited {
            self.state = State::Running(now);
        }
    }

    pub fn hold(&mut self, now: Millis) {
        *self = Self { at: self.time(now), state: State::Held { may_step: false } };
    }

    /// Lets one step be done, and holds the script at the next.
    pub fn step(&mut self, now: Millis) {
        *self = Self { at: self.time(now), state: State::Held { may_step: true } };
    }

    pub fn go(&mut self, now: Millis) {
        self.state = State::Running(now);
    }

    /// A step is done whose time is `due`: what has a time after it is counted from there.
    pub fn stepped(&mut self, due: Millis) {
        if self.may_step() {
            *self = Self { at: self.at.max(due), state: State::Held { may_step: false } };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_while_it_is_held() {
        let mut pace = Pace::new();
        pace.begin(1_000);
        assert_eq!((pace.time(3_000), pace.when(5_000)), (2_000, Some(6_000)));
        pace.hold(3_000);
        assert_eq!((pace.time(60_000), pace.when(5_000)), (2_000, None));
        pace.go(60_000);
        assert_eq!((pace.time(61_000), pace.when(5_000)), (3_000, Some(63_000)));
    }

    #[test]
    fn a_step_takes_the_clock_to_its_time() {
        let mut pace = Pace::new();
        pace.hold(0);
        pace.begin(100);
        pace.step(200);
        assert!(pace.may_step());
        pace.stepped(5_000);
        assert!(!pace.may_step() && pace.is_held());
        pace.go(1_000);
        assert_eq!(pace.when(7_000), Some(3_000));
    }
}
