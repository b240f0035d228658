//! The commands: what they are called, what they take, and what runs them.
//!
//! Exit codes: 0 done, 1 failed (the reason is on standard error), 2 not understood.

mod args;
mod files;
mod lab;
mod labs;
mod process;
mod sentinel;
mod server;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser};
use replab::lab::parse::did_you_mean;
use replab::lab::topology::{Diagnostics, Topology, builtin, builtins};

use self::args::{CheckArgs, Cli, Command, TuiArgs};

/// How a command ended that had no error to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// As it should.
    Success,
    /// Not as it should, and that has been said already.
    Failure,
}

/// Runs what the arguments ask for.
pub fn main() -> ExitCode {
    match as_redis().unwrap_or_else(as_replab) {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Failure) => ExitCode::FAILURE,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn as_replab() -> anyhow::Result<Outcome> {
    run(Cli::parse())
}

/// Runs a command as if its name had been given.
fn as_command(name: &str, words: Vec<String>) -> anyhow::Result<Outcome> {
    run(Cli::parse_from(["replab".to_owned(), name.to_owned()].into_iter().chain(words)))
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        None => tui(&cli.tui),
        Some(Command::List) => list(),
        Some(Command::Check(args)) => check(&args),
        Some(Command::Run(args)) => lab::run(&args),
        Some(Command::Sim(args)) => lab::sim(&args),
        Some(Command::Server(args)) => server::run(&lossy(args.words)),
        Some(Command::Sentinel(args)) => sentinel::run(&lossy(args.words)),
        Some(Command::CheckRdb(args)) => files::check_rdb(&args),
        Some(Command::CheckAof(args)) => files::check_aof(&args),
        Some(Command::Completions { shell }) => completions(shell),
    }
}

/// Called by the name of one of Redis's programs, the binary stands in for it.
fn as_redis() -> Option<anyhow::Result<Outcome>> {
    let mut words = std::env::args_os();
    let program = PathBuf::from(words.next()?);
    let words = lossy(words);
    match program.file_name()?.to_str()? {
        "redis-sentinel" | "valkey-sentinel" => Some(sentinel::run(&words)),
        "redis-server" | "valkey-server" if words.iter().any(|word| word == "--sentinel") => {
            Some(sentinel::run(&words))
        }
        "redis-server" | "valkey-server" => Some(server::run(&words)),
        "redis-check-rdb" | "valkey-check-rdb" => Some(as_command("check-rdb", words)),
        "redis-check-aof" | "valkey-check-aof" => Some(as_command("check-aof", words)),
        _ => None,
    }
}

fn lossy(words: impl IntoIterator<Item = OsString>) -> Vec<String> {
    words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// `replab [TOPOLOGY]`
fn tui(args: &TuiArgs) -> anyhow::Result<Outcome> {
    let topology = load(&args.topology)?.with_port_offset(args.port_offset)?;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!(
            "the screen needs a terminal, and there is none here\n\
             help: without a screen: replab run {0}   or, in simulated time: replab sim {0}",
            args.topology
        );
    }
    lab::screen(topology, args)
}

/// `replab list`
fn list() -> anyhow::Result<Outcome> {
    let width = builtins().iter().map(|builtin| builtin.name.len()).max().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for builtin in builtins() {
        let topology = builtin.topology()?;
        let (servers, sentinels) = (topology.servers.len(), topology.sentinels.len());
        let nodes = match sentinels {
            0 => format!("{servers} servers"),
            _ => format!("{servers} servers, {sentinels} Sentinels"),
        };
        writeln!(out, "{:width$}  {nodes:<22}  {}", builtin.name, topology.title)?;
    }
    writeln!(out, "\nTry one:   replab chain   or, without a screen:   replab run chain")?;
    Ok(Outcome::Success)
}

/// `replab check`
fn check(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::Success;
    for name in &args.topologies {
        let checked = load(name).and_then(|topology| {
            replab::lab::check(&topology)?;
            Ok(topology)
        });
        match checked {
            Ok(topology) => {
                print_warnings(&topology);
                writeln!(std::io::stdout(), "{name}: {}", verdict(&topology))?;
            }
            Err(error) => {
                complain(&error);
                outcome = Outcome::Failure;
            }
        }
    }
    Ok(outcome)
}

/// `ok`, and how often one should look again.
fn verdict(topology: &Topology) -> String {
    match topology.lints.items().len() {
        0 => "ok".to_owned(),
        1 => "ok, 1 warning".to_owned(),
        n => format!("ok, {n} warnings"),
    }
}

/// `replab completions`
fn completions(shell: clap_complete::Shell) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "replab", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Outcome::Success)
}

/// Reads a built-in topology, or a file: what looks like a path is one, and a name wins over a file
/// that happens to be called the same.
fn load(name: &str) -> anyhow::Result<Topology> {
    if let Some(builtin) = builtin(name) {
        return Ok(builtin.topology()?);
    }
    let path = Path::new(name);
    let looks_like_path = path.extension().is_some() || path.components().count() > 1;
    if !looks_like_path && !path.exists() {
        let names: Vec<&str> = builtins().iter().map(|builtin| builtin.name).collect();
        let near = did_you_mean(name, names.iter().copied())
            .map(|known| format!("help: did you mean `{known}`?\n"));
        bail!(
            "there is no topology `{name}`: no file, and none of the built-in ones\n{}\
             help: built in are {}",
            near.unwrap_or_default(),
            names.join(", ")
        );
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    Ok(Topology::parse(name, &text)?)
}

fn print_warnings(topology: &Topology) {
    if !topology.lints.is_empty() {
        eprintln!("{}\n", topology.lints.render(stderr_takes_colour()));
    }
}

/// Says on standard error what went wrong.
fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<Diagnostics>() {
        Some(diagnostics) => eprintln!("{}\n", diagnostics.render(stderr_takes_colour())),
        None => eprintln!("error: {error:#}"),
    }
}

fn stderr_takes_colour() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !no_color
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
