//! What a link's policy does to the bytes in front of it: wait, or pass so many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use crate::base::rng::Dice;
use crate::world::LinkPolicy;

/// Throttled bytes pass in so many helpings a second.
const HELPINGS_PER_S: u64 = 50;

/// One directed link between two nodes, shared by all connections that pass it.
#[derive(Debug, Clone)]
pub(super) struct Link {
    policy: watch::Sender<LinkPolicy>,
    /// Until when the link is busy with what it was given, if throttled.
    busy_until: Arc<Mutex<Instant>>,
}

impl Link {
    /// A link that lets everything pass.
    pub(super) fn new() -> Self {
        let policy = watch::Sender::new(LinkPolicy::default());
        Self { policy, busy_until: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Sets the policy.
    pub(super) fn set(&self, policy: LinkPolicy) {
        self.policy.send_replace(policy);
    }

    /// Whether something is wrong with the link.
    pub(super) fn is_faulty(&self) -> bool {
        !self.policy.borrow().is_clear()
    }

    /// When a helping of so many bytes may leave, if it is booked now.
    fn book(&self, bytes: u64, bytes_per_s: u64) -> Instant {
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now().max(*busy_until);
        *busy_until = start + Duration::from_micros(bytes * 1_000_000 / bytes_per_s);
        start
    }
}

/// One connection's place in front of one directed link.
#[derive(Debug)]
pub(super) struct Gate {
    link: Link,
    policy: watch::Receiver<LinkPolicy>,
    dice: Dice,
    /// When the piece in front entered, and its throw of the dice for jitter.
    front: Option<(Instant, u64)>,
}

impl Gate {
    /// A place in front of `link`; the seed is for jitter.
    pub(super) fn new(link: &Link, seed: u64) -> Self {
        let policy = link.policy.subscribe();
        Self { link: link.clone(), policy, dice: Dice::new(seed), front: None }
    }

    /// Waits until what entered at `entered` may pass.
    pub(super) async fn open(&mut self, entered: Instant) {
        loop {
            let policy = *self.policy.borrow_and_update();
            if policy.is_clear() {
                return;
            }
            if policy.cut {
                self.change().await;
                continue;
            }
            let due = entered + Duration::from_millis(self.delay_ms(&policy, entered));
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = self.change() => {}
            }
        }
    }

    /// Waits until some of `bytes` bytes may pass, and says how many.
    pub(super) async fn helping(&mut self, bytes: usize) -> usize {
        let policy = *self.policy.borrow();
        if policy.is_clear() {
            return usize::MAX;
        }
        if policy.bytes_per_s == 0 {
            return bytes;
        }
        let helping = (bytes as u64).min((policy.bytes_per_s / HELPINGS_PER_S).max(1));
        let start = self.link.book(helping, policy.bytes_per_s);
        while start > Instant::now() && self.policy.borrow().bytes_per_s == policy.bytes_per_s {
            tokio::select! {
                () = sleep_until(start.into()) => {}
                () = self.change() => {}
            }
        }
        helping as usize
    }

    async fn change(&mut self) {
        if self.policy.changed().await.is_err() {
            // Cannot be: this gate holds the sender. Never busy in any case.
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn delay_ms(&mut self, policy: &LinkPolicy, entered: Instant) -> u64 {
        let throw = match self.front {
            Some((known, throw)) if known == entered => throw,
            _ => {
                let throw = self.dice.bits();
                self.front = Some((entered, throw));
                throw
            }
        };
        let spread = policy.jitter_ms.saturating_mul(2).saturating_add(1);
        (policy.delay_ms + throw % spread).saturating_sub(policy.jitter_ms)
    }
}
