//! The log on a bench.
