//! Who of a node's connections has something to do.
//!
//! Each connection has a waker of its own that puts its token on this list and wakes the node's one
//! loop, so that a round costs what is ready and not what exists.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::machine::ConnId;

/// Whom a waker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A connection, accepted or dialled.
    Conn(ConnId),
    /// One of the node's listeners.
    Listener(usize),
}

/// The list, and the loop that reads it.
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Mutex<Vec<Token>>,
    owner: Mutex<Option<Waker>>,
}

impl Ready {
    /// Names the loop that is woken from now on.
    pub(super) fn owned_by(&self, owner: &Waker) {
        let mut slot = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        if !slot.as_ref().is_some_and(|known| known.will_wake(owner)) {
            *slot = Some(owner.clone());
        }
    }

    /// Wakes the loop.
    pub(super) fn wake_owner(&self) {
        if let Some(owner) = &*self.owner.lock().unwrap_or_else(PoisonError::into_inner) {
            owner.wake_by_ref();
        }
    }

    /// Moves the list to the end of `into`.
    pub(super) fn take(&self, into: &mut Vec<Token>) {
        into.append(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What is behind a connection's waker.
#[derive(Debug)]
pub(super) struct Bell {
    token: Token,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Bell {
    /// A bell for `token`, silent.
    pub(super) fn new(token: Token, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { token, rung: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// Lets it ring again. To be called before looking at what it stands for.
    pub(super) fn hush(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let mut list = self.ready.list.lock().unwrap_or_else(PoisonError::into_inner);
            list.push(self.token);
            drop(list);
            self.ready.wake_owner();
        }
    }
}
