//! A wire between two nodes: a port that leads to another one, until it is cut or held.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// A wire. While it is cut, connections end as soon as they come.
pub struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    is_over: AtomicBool,
    target: AtomicU16,
    is_held: Mutex<bool>,
    released: Condvar,
    ends: Mutex<Vec<TcpStream>>,
}

impl Wire {
    /// A wire to a port.
    pub fn to(target: u16) -> Self {
        let wire = Self::to_nobody();
        wire.lead_to(target);
        wire
    }

    /// A wire that leads nowhere yet.
    pub fn to_nobody() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let its_state = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if its_state.is_over.load(Ordering::SeqCst) {
                    return;
                }
                its_state.join(near);
            }
        });
        Self { port, state }
    }

    /// New connections lead to this port.
    pub fn lead_to(&self, target: u16) {
        self.state.target.store(target, Ordering::SeqCst);
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and every new one until [`Self::mend`].
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.end_all();
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Keeps what is sent, until [`Self::release`].
    pub fn hold(&self) {
        self.state.set_held(true);
    }

    /// Lets go what was kept.
    pub fn release(&self) {
        self.state.set_held(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.release();
        self.state.end_all();
        // Wakes the listener, so that its thread ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn join(self: &Arc<Self>, near: TcpStream) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: whoever cuts sees either the flag obeyed or the streams here.
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let target = self.target.load(Ordering::SeqCst);
        let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { return };
        for stream in [&near, &far] {
            stream.set_nodelay(true).expect("a socket");
        }
        let streams = [&near, &far, &near, &far].map(|s| s.try_clone().expect("a descriptor"));
        let [near_in, far_in, near_out, far_out] = streams;
        for (from, to) in [(near_in, far_out), (far_in, near_out)] {
            let state = Arc::clone(self);
            thread::spawn(move || state.carry(from, to));
        }
        ends.extend([near, far]);
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.wait_while_held();
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from.shutdown(Shutdown::Both));
    }

    fn set_held(&self, held: bool) {
        *self.is_held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.released.notify_all();
    }

    fn wait_while_held(&self) {
        let held = self.is_held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.released.wait_while(held, |held| *held));
    }

    fn end_all(&self) {
        for end in self.ends.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}
