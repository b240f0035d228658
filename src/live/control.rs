//! What the world can do to a node's thread from outside: end it, park it, ask it to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ready::Ready;
use crate::machine::{Millis, Signal};

/// One run of a node, seen from outside. Every call returns at once.
#[derive(Debug, Default)]
pub(super) struct Control {
    orders: Mutex<Orders>,
    changed: Condvar,
    /// Set with every order, so that a round without one takes no lock.
    attention: AtomicBool,
    ready: Arc<Ready>,
}

#[derive(Debug, Default)]
struct Orders {
    killed: Option<Death>,
    paused: bool,
    stop: Option<Signal>,
    /// How many times the data was asked for; each is answered.
    data_asked: usize,
    ended: bool,
}

/// How a node is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// What was written stays.
    Kill,
    /// What was not fsynced goes.
    PowerLoss,
}

/// What a node shows of itself without doing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Its picture.
    View,
    /// Its data.
    Data,
}

/// What a node must do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Run,
    /// Tell the machine to stop.
    Stop(Signal),
    /// Drop everything.
    Die(Death),
}

impl Control {
    /// The list of this run's ready connections.
    pub(super) fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    /// Ends the node.
    pub(super) fn kill(&self, death: Death) {
        self.order(|orders| orders.killed = Some(death));
    }

    /// Parks the node at its next round, or lets it go on.
    pub(super) fn pause(&self, paused: bool) {
        self.order(|orders| orders.paused = paused);
    }

    /// Asks for an orderly end.
    pub(super) fn stop(&self, signal: Signal) {
        self.order(|orders| orders.stop = Some(signal));
    }

    /// Asks for the node's data.
    pub(super) fn ask_data(&self) {
        self.order(|orders| orders.data_asked += 1);
    }

    fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut self.lock());
        self.attention.store(true, Ordering::Release);
        self.changed.notify_all();
        self.ready.wake_owner();
    }

    /// Whether the node neither ended nor was killed.
    pub(super) fn is_alive(&self) -> bool {
        let orders = self.lock();
        !orders.ended && orders.killed.is_none()
    }

    /// The node's thread says that it ends. Unless it was killed, `close_port` is called before
    /// anybody can start the node again. Whether it was killed.
    pub(super) fn end(&self, close_port: impl FnOnce()) -> bool {
        let mut orders = self.lock();
        if orders.killed.is_none() {
            close_port();
        }
        orders.ended = true;
        orders.killed.is_some()
    }

    /// What the node's thread must do. Blocks while the node is paused; what is asked for meanwhile,
    /// it shows.
    pub(super) fn obey(&self, mut show: impl FnMut(Show)) -> Order {
        if !self.attention.swap(false, Ordering::AcqRel) {
            return Order::Run;
        }
        let mut orders = self.lock();
        if orders.paused && orders.killed.is_none() {
            drop(orders);
            show(Show::View);
            orders = self.lock();
        }
        loop {
            let is_parked = orders.paused && orders.killed.is_none();
            if orders.data_asked > 0 {
                orders.data_asked -= 1;
                drop(orders);
                show(Show::Data);
                orders = self.lock();
            } else if is_parked {
                orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
            } else {
                break;
            }
        }
        match (orders.killed, orders.stop.take()) {
            (Some(death), _) => Order::Die(death),
            (None, Some(signal)) => Order::Stop(signal),
            (None, None) => Order::Run,
        }
    }

    /// Blocks the node's thread for so long, or until it is killed.
    pub(super) fn stall(&self, ms: Millis) {
        let wait = Duration::from_millis(ms);
        drop(self.changed.wait_timeout_while(self.lock(), wait, |orders| orders.killed.is_none()));
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
