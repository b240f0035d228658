//! The argument table. Its doc comments are the help texts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use replab::base::time::Millis;
use replab::lab::parse;

const EXAMPLES: &str = "\
Examples:
  replab                        a primary, two replicas, and a third behind one of them
  replab chain                  a built-in topology; `replab list` names them all
  replab my-lab.toml            your own; `replab check my-lab.toml` says what is wrong with it
  redis-cli -p 6401 SET a 1     every node of a lab is a server you can talk to

  replab run pair               the same lab without a screen: exit 0 if every expectation held
  replab run pair --json        one JSON object a line
  echo 'kill alpha' | replab run default --stdin --for 10s
  replab sim chain --seed 7     in simulated time: milliseconds, and the same every time

  replab server --port 6379     one node in the foreground, where redis-server would stand";

/// A terminal lab for Redis replication: start a topology, watch it live, break it, understand it.
#[derive(Debug, Parser)]
#[command(
    name = "replab",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Without a command: the screen.
    #[command(flatten)]
    pub tui: TuiArgs,
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do other than show the screen.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the built-in topologies
    List,
    /// Says what is wrong with topology files, without starting anything
    Check(CheckArgs),
    /// Runs a lab without a screen, printing what happens
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Runs a lab in a simulated world: virtual time, seeded chance
    Sim(SimArgs),
    /// Runs one server in the foreground, usable where redis-server is
    #[command(
        override_usage = "replab server [FILE | -] [--DIRECTIVE VALUE…]…",
        after_help = SERVER_EXAMPLES
    )]
    Server(ServerArgs),
    /// Runs one Sentinel in the foreground, usable where redis-sentinel is
    #[command(override_usage = "replab sentinel FILE [--DIRECTIVE VALUE…]…")]
    Sentinel(ServerArgs),
    /// Says whether a snapshot file is good, usable where redis-check-rdb is
    CheckRdb(CheckRdbArgs),
    /// Says whether a log of commands is good, usable where redis-check-aof is
    CheckAof(CheckAofArgs),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  replab run backlog-overflow
  replab run chain --json | jq 'select(.fact == \"partial-sync-done\")'
  printf 'kill alpha\\nexpect mymaster failovers=1 within 10s\\n' | replab run default --stdin

Exit code 0 if every expectation held and all could be done, 1 if not.";

const SERVER_EXAMPLES: &str = "\
Examples:
  replab server redis.conf
  replab server --port 6380 --replicaof 127.0.0.1 6379
  replab server redis.conf --save '' --appendonly no
  echo 'port 6380' | replab server -";

/// Arguments of the screen.
#[derive(Debug, Args)]
pub struct TuiArgs {
    /// A topology file, or the name of a built-in one (`replab list`)
    #[arg(default_value = "default")]
    pub topology: String,
    /// Colours
    #[arg(long, value_enum)]
    pub theme: Option<Theme>,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// Watch only: no key changes anything
    #[arg(long)]
    pub read_only: bool,
    /// Hold the script from the beginning: each `n` does a step
    #[arg(long)]
    pub hold: bool,
    /// Add N to every port of the file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port_offset: u16,
}

/// Colours of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// Told apart by everybody
    ColourBlind,
    /// No colours
    Mono,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Topology files, or names of built-in ones
    #[arg(required = true, value_name = "FILE")]
    pub topologies: Vec<String>,
}

/// Arguments of `check-rdb`.
#[derive(Debug, Args)]
pub struct CheckRdbArgs {
    /// A snapshot file
    pub file: PathBuf,
}

/// Arguments of `check-aof`.
#[derive(Debug, Args)]
pub struct CheckAofArgs {
    /// Cut the last file to what is good, after asking
    #[arg(long, conflicts_with = "truncate_to_timestamp")]
    pub fix: bool,
    /// Cut the last file where it becomes younger than so many seconds since 1970 (it must have been
    /// written with aof-timestamp-enabled yes)
    #[arg(long, value_name = "SECONDS")]
    pub truncate_to_timestamp: Option<i64>,
    /// A manifest, or one file
    pub file: PathBuf,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A topology file, or the name of a built-in one
    pub topology: String,
    /// End after so long [default: when steps and input are done; without any, at Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub for_ms: Option<Millis>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Read further actions from standard input, one a line
    #[arg(long)]
    pub stdin: bool,
    /// Add N to every port of the file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port_offset: u16,
}

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// A topology file, or the name of a built-in one
    #[arg(required_unless_present = "seeds", conflicts_with = "seeds")]
    pub topology: Option<String>,
    /// Instead of a topology: so many trials of a chain of five under random faults, each checked
    /// for convergence, honest resyncs and equal data; they begin with --seed
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Trials of one primary or two and their replicas, watched by three to five Sentinels, instead
    /// of chains: each checked for one vote and one configuration per epoch, no needless failover,
    /// timely failovers, one primary in the end, and no loss of what was acknowledged in calm
    #[arg(long, requires = "seeds")]
    pub sentinels: bool,
    /// Where chance begins: equal seeds give equal runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// End after so much simulated time [default: when the steps are done; without steps, 10s]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub for_ms: Option<Millis>,
}

/// Arguments of `server` and `sentinel`, as they were given: `--directive value …` is redis-server's
/// own grammar.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// A redis.conf or sentinel.conf, then directives with their values; a server reads `-` as its
    /// standard input, a Sentinel needs a file that it can write
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FILE | --DIRECTIVE VALUE"
    )]
    pub words: Vec<OsString>,
}

fn duration(text: &str) -> Result<Millis, String> {
    parse::duration(text).ok_or_else(|| "a duration is written 500ms, 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    #[test]
    fn the_table_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_server_takes_directives_as_redis_server_does() {
        let line = ["replab", "server", "--port", "6380", "--save", "", "--save", "100", "100"];
        let Some(Command::Server(args)) = Cli::parse_from(line).command else {
            panic!("another command");
        };
        assert_eq!(args.words, line[2..]);
    }

    #[test]
    fn a_word_that_is_no_command_is_a_topology() {
        let cli = Cli::parse_from(["replab", "chain", "--ascii"]);
        assert!(cli.command.is_none() && cli.tui.ascii);
        assert_eq!(cli.tui.topology, "chain");
    }
}
