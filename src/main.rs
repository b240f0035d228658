//! The binary: see the library's front page for the architecture, and `cli` for the commands.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
