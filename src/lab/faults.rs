//! What is wrong with the links now, when it heals by itself, and what `undo` takes back.

use std::collections::BTreeMap;

use super::text::{Duration, Size};
use crate::machine::Millis;
use crate::world::LinkPolicy;

/// A directed link, by the places of its nodes.
pub(super) type Pair = (usize, usize);

/// One aspect of a link's policy: what one action sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    Cut,
    Delay,
    Throttle,
}

impl Aspect {
    fn copy(self, from: LinkPolicy, into: &mut LinkPolicy) {
        match self {
            Self::Cut => into.cut = from.cut,
            Self::Delay => {
                into.delay_ms = from.delay_ms;
                into.jitter_ms = from.jitter_ms;
            }
            Self::Throttle => into.bytes_per_s = from.bytes_per_s,
        }
    }

    fn is_same(self, a: LinkPolicy, b: LinkPolicy) -> bool {
        let mut with_other = a;
        self.copy(b, &mut with_other);
        with_other == a
    }
}

/// The faults of one directed link.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    pub policy: LinkPolicy,
    pub since_ms: Millis,
    ends: Vec<End>,
}

/// When an aspect goes back, and to what.
#[derive(Debug, Clone)]
struct End {
    aspect: Aspect,
    at_ms: Millis,
    before: LinkPolicy,
}

impl Fault {
    pub fn heals_at_ms(&self) -> Option<Millis> {
        self.ends.iter().map(|end| end.at_ms).min()
    }
}

/// A link whose policy changed, and the new one.
pub(super) type Change = (Pair, LinkPolicy);

/// The faults of all links.
#[derive(Debug, Default)]
pub(super) struct Faults {
    links: BTreeMap<Pair, Fault>,
}

impl Faults {
    pub fn policy(&self, pair: Pair) -> LinkPolicy {
        self.links.get(&pair).map(|fault| fault.policy).unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Pair, &Fault)> {
        self.links.iter().map(|(pair, fault)| (*pair, fault))
    }

    /// Sets one aspect of a link, until `ends_at_ms` if given. What it then goes back to is what
    /// was there before the first of overlapping faults.
    pub fn set(
        &mut self,
        pair: Pair,
        aspect: Aspect,
        wanted: LinkPolicy,
        now_ms: Millis,
        ends_at_ms: Option<Millis>,
    ) -> Option<Change> {
        let fault = self.links.entry(pair).or_default();
        let old = fault.policy;
        let earlier = fault.ends.iter().position(|end| end.aspect == aspect);
        let before = earlier.map_or(old, |at| fault.ends.remove(at).before);
        fault.ends.extend(ends_at_ms.map(|at_ms| End { aspect, at_ms, before }));
        aspect.copy(wanted, &mut fault.policy);
        self.settle(pair, old, now_ms)
    }

    /// Gives a link a whole new policy.
    pub fn replace(&mut self, pair: Pair, policy: LinkPolicy, now_ms: Millis) -> Option<Change> {
        let fault = self.links.entry(pair).or_default();
        let old = std::mem::replace(&mut fault.policy, policy);
        fault.ends.clear();
        self.settle(pair, old, now_ms)
    }

    /// What is wrong with a link.
    pub fn of(&self, pair: Pair) -> Fault {
        self.links.get(&pair).cloned().unwrap_or_default()
    }

    /// Whether an aspect of a link is still as an action made it.
    pub fn is_still(&self, aspect: Aspect, changed: &Changed) -> bool {
        aspect.is_same(self.policy(changed.pair), changed.after)
    }

    /// Makes an aspect of a link what it was; what would have healed by itself will.
    pub fn restore(&mut self, aspect: Aspect, changed: Changed, now_ms: Millis) -> Option<Change> {
        let Changed { pair, before, .. } = changed;
        let is_meant = |end: &End| end.aspect == aspect;
        let fault = self.links.entry(pair).or_default();
        let old = fault.policy;
        fault.ends.retain(|end| !is_meant(end));
        fault.ends.extend(before.ends.into_iter().filter(is_meant));
        aspect.copy(before.policy, &mut fault.policy);
        self.settle(pair, old, now_ms)
    }

    /// Heals what heals by itself.
    pub fn expire(&mut self, now_ms: Millis) -> Vec<Change> {
        let due = |fault: &Fault| fault.heals_at_ms().is_some_and(|at| at <= now_ms);
        let pairs: Vec<Pair> = self.iter().filter(|(_, f)| due(f)).map(|(pair, _)| pair).collect();
        let mut changes = Vec::new();
        for pair in pairs {
            let Some(fault) = self.links.get_mut(&pair) else { continue };
            let old = fault.policy;
            for end in fault.ends.extract_if(.., |end| end.at_ms <= now_ms) {
                end.aspect.copy(end.before, &mut fault.policy);
            }
            changes.extend(self.settle(pair, old, now_ms));
        }
        changes
    }

    /// Ends now what was to end at `at_ms`, if nothing was set in its place.
    pub fn end(
        &mut self,
        pair: Pair,
        aspect: Aspect,
        at_ms: Millis,
        now_ms: Millis,
    ) -> Option<Change> {
        let fault = self.links.get_mut(&pair)?;
        let old = fault.policy;
        let is_it = |end: &End| end.aspect == aspect && end.at_ms == at_ms;
        let end = fault.ends.iter().position(is_it).map(|at| fault.ends.remove(at))?;
        aspect.copy(end.before, &mut fault.policy);
        self.settle(pair, old, now_ms)
    }

    pub fn next_end_ms(&self) -> Option<Millis> {
        self.links.values().filter_map(Fault::heals_at_ms).min()
    }

    fn settle(&mut self, pair: Pair, old: LinkPolicy, now_ms: Millis) -> Option<Change> {
        let fault = self.links.get_mut(&pair)?;
        let policy = fault.policy;
        if old.is_clear() {
            fault.since_ms = now_ms;
        }
        if policy.is_clear() && fault.ends.is_empty() {
            self.links.remove(&pair);
        }
        (policy != old).then_some((pair, policy))
    }
}

/// The state of a link in words: `cut`, `delay 50ms +-10ms, throttle 50kb/s`, `clear`.
pub fn describe(policy: &LinkPolicy) -> String {
    let mut parts = Vec::new();
    if policy.cut {
        parts.push("cut".to_owned());
    }
    if policy.delay_ms > 0 || policy.jitter_ms > 0 {
        let jitter = match policy.jitter_ms {
            0 => String::new(),
            ms => format!(" +-{}", Duration(ms)),
        };
        parts.push(format!("delay {}{jitter}", Duration(policy.delay_ms)));
    }
    if policy.bytes_per_s > 0 {
        parts.push(format!("throttle {}/s", Size(policy.bytes_per_s)));
    }
    if parts.is_empty() { "clear".to_owned() } else { parts.join(", ") }
}

/// How one fault is taken back.
#[derive(Debug, Clone)]
pub(super) enum Undo {
    /// The node was killed: start it.
    Start(usize),
    /// The node was frozen: let it run.
    Resume(usize),
    /// An aspect of links was changed.
    Links { aspect: Aspect, changes: Vec<Changed>, text: String },
}

/// What an action made of a link.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub pair: Pair,
    pub before: Fault,
    pub after: LinkPolicy,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: LinkPolicy = LinkPolicy { cut: true, delay_ms: 0, jitter_ms: 0, bytes_per_s: 0 };
    const SLOW: LinkPolicy = LinkPolicy { cut: false, delay_ms: 20, jitter_ms: 0, bytes_per_s: 0 };

    #[test]
    fn a_timed_cut_goes_back_to_what_the_link_was() {
        let mut faults = Faults::default();
        faults.replace((0, 1), SLOW, 0);
        faults.set((0, 1), Aspect::Cut, CUT, 100, Some(1_100));
        faults.set((0, 1), Aspect::Cut, CUT, 200, Some(2_200));
        assert_eq!(describe(&faults.policy((0, 1))), "cut, delay 20ms");
        assert_eq!(faults.expire(1_100), []);
        assert_eq!(faults.expire(2_200), [((0, 1), SLOW)]);
        assert_eq!(faults.next_end_ms(), None);
    }

    #[test]
    fn a_fault_that_ends_early_takes_nothing_along_that_was_set_after_it() {
        let mut faults = Faults::default();
        faults.set((0, 1), Aspect::Delay, SLOW, 0, Some(50));
        faults.set((2, 3), Aspect::Delay, SLOW, 0, Some(50));
        faults.set((2, 3), Aspect::Delay, SLOW, 10, None);
        assert_eq!(
            faults.end((0, 1), Aspect::Delay, 50, 20),
            Some(((0, 1), LinkPolicy::default()))
        );
        assert_eq!(faults.end((2, 3), Aspect::Delay, 50, 20), None);
        assert_eq!(faults.policy((2, 3)), SLOW);
    }

    #[test]
    fn a_healed_link_is_forgotten_with_its_timers() {
        let mut faults = Faults::default();
        faults.set((0, 1), Aspect::Cut, CUT, 0, Some(50));
        let clear = LinkPolicy::default();
        assert_eq!(faults.replace((0, 1), clear, 10), Some(((0, 1), clear)));
        assert_eq!(faults.iter().count(), 0);
        assert!(faults.expire(50).is_empty());
    }
}
