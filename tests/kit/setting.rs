//! Numbers that whoever runs a test may set.

/// The number in a variable of the environment, if it has one.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
