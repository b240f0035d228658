//! A client as an application has it: it writes all the time, and asks Sentinels whenever it must.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use replab::resp::Answer;

use super::kit::{Client, port_in};

/// Between two writes, and between two times that a Sentinel is asked.
const PAUSE: Duration = Duration::from_millis(5);

/// A client that writes until somebody else than the first primary acknowledged a write.
pub struct Writer {
    thread: JoinHandle<Option<Instant>>,
    is_over: Arc<AtomicBool>,
}

impl Writer {
    /// Begins to write.
    pub fn start(sentinels: Vec<u16>, first: u16) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut next = sentinels.iter().cycle();
            while !over.load(Ordering::Relaxed) {
                if let Some(sentinel) = next.next()
                    && let Some(acknowledged) = write_through(*sentinel, first, &over)
                {
                    return Some(acknowledged);
                }
                thread::sleep(PAUSE);
            }
            None
        });
        Self { thread, is_over }
    }

    /// When the new primary acknowledged its first write.
    pub fn end(self) -> Instant {
        super::kit::comes_true(super::kit::PATIENCE, || self.thread.is_finished());
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a writer").expect("an acknowledged write")
    }
}

/// Writes to the primary that a Sentinel names, until it fails.
fn write_through(sentinel: u16, first: u16, over: &AtomicBool) -> Option<Instant> {
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"];
    let port = port_in(&Client::connect(sentinel).ok()?.try_call(&question).ok()?)?;
    let mut primary = Client::connect(port).ok()?;
    let Answer::Array(role) = primary.try_call(&["ROLE"]).ok()? else { return None };
    if !matches!(role.first(), Some(Answer::Bulk(role)) if role == b"master") {
        return None;
    }
    while !over.load(Ordering::Relaxed) {
        match primary.try_call(&["SET", "written", "yes"]).ok()? {
            Answer::Simple(_) if port != first => return Some(Instant::now()),
            Answer::Simple(_) => thread::sleep(PAUSE),
            _ => return None,
        }
    }
    None
}
