//! `replab server`: one data node in the foreground, standing where redis-server would.

use std::io::Read;
use std::sync::Arc;

use anyhow::Context;
use replab::machine::Machine;
use replab::server::config::{ConfigFile, file};
use replab::server::{Config, REDIS_VERSION, Server};

use super::{Outcome, process};

/// Runs a node until it ends.
pub(super) fn run(words: &[String]) -> anyhow::Result<Outcome> {
    if matches!(words, [word] if word == "--version" || word == "-v") {
        println!("Redis server v={REDIS_VERSION} (replab {})", env!("CARGO_PKG_VERSION"));
        return Ok(Outcome::Success);
    }
    let config = configure(words)?;
    let role = if config.replicaof.is_some() { 'S' } else { 'M' };
    let machine = config.clone();
    let build = Arc::new(move |birth: replab::world::Birth| {
        let machine = Server::new(machine.clone(), birth.port, birth.seed);
        Box::new(machine) as Box<dyn Machine>
    });
    process::run(&config, role, build)
}

/// Reads the file, if one is named first, and then the directives.
fn configure(words: &[String]) -> anyhow::Result<Config> {
    let (source, rest) = match words {
        [first, rest @ ..] if !first.starts_with("--") => (Some(first.as_str()), rest),
        rest => (None, rest),
    };
    let mut directives = Vec::new();
    let mut origin = None;
    if let Some(source) = source {
        let text = read(source)?;
        directives = file::parse(&text, &mut |name| {
            std::fs::read_to_string(name).map_err(|error| format!("can't open {name}: {error}"))
        })
        .map_err(|error| anyhow::anyhow!("*** FATAL CONFIG FILE ERROR ***\n{error}"))?;
        if source != "-" {
            let name = std::path::absolute(source)?.to_string_lossy().into_owned();
            origin = Some(ConfigFile { name, text });
        }
    }
    let given = file::command_line(rest)
        .map_err(|reason| anyhow::anyhow!("*** FATAL CONFIG FILE ERROR ***\n>>> {reason}"))?;
    directives.extend(given);
    let mut config = Config::from_directives(&directives)?;
    config.file = origin;
    Ok(config)
}

fn read(source: &str) -> anyhow::Result<String> {
    if source == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(source)
        .with_context(|| format!("Fatal error, can't open config file '{source}'"))
}
