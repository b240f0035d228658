//! `replab server`: one data node in the foreground.

use std::ffi::OsString;

use anyhow::bail;

use super::Outcome;

/// Runs a node until it ends.
pub(super) fn run(words: &[OsString]) -> anyhow::Result<Outcome> {
    let _ = words;
    bail!("`replab server` is not wired")
}
