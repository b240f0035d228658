//! The binary: see the library's front page for the architecture, and `cli` for the commands.

mod cli;

use std::process::ExitCode;

/// The engine allocates many small values, which mimalloc is good at.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
