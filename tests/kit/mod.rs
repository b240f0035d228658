//! A bench for tests against the real Redis: real and own nodes behind one face, a wire between
//! them that can be cut, and the data of either for comparison.

mod aftermath;
mod client;
mod data;
mod fleet;
mod node;
mod program;
mod setting;
mod wire;
mod writer;

use std::time::{Duration, Instant};

pub use self::aftermath::Aftermath;
pub use self::client::Client;
pub use self::data::{Data, MANY_KEYS, fetch};
pub use self::fleet::{Fleet, Heard, Plan, port_in, primary_of};
pub use self::node::{Kind, Node, State, assert_same_data};
pub use self::program::Program;
pub use self::setting::setting;
pub use self::wire::Wire;
pub use self::writer::Writer;

/// Nothing in these tests takes longer, unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is true.
#[track_caller]
pub fn eventually(what: &str, is_true: impl FnMut() -> bool) {
    assert!(comes_true(PATIENCE, is_true), "{what}: did not come within {PATIENCE:?}");
}

/// Whether something becomes true within this time.
pub fn comes_true(patience: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    while !is_true() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
