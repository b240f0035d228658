//! Panics of a node's threads: caught, told as a message, and kept off the terminal, which may be
//! showing the lab.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

/// How the names of threads begin whose panics are caught.
pub(super) const THREAD_PREFIX: &str = "replab-";

thread_local! {
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the panics of our threads off standard error. Others are shown as before.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = thread::current().name().is_some_and(|name| name.starts_with(THREAD_PREFIX));
            if !ours {
                return before(info);
            }
            let text = info.payload_as_str().unwrap_or("no message");
            let place = info.location().map(|at| format!(" ({at})")).unwrap_or_default();
            MESSAGE.with_borrow_mut(|message| *message = format!("{text}{place}"));
        }));
    });
}

/// Runs `work`; a panic is an error with its message and place.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| MESSAGE.take())
}
