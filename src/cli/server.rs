//! `replab server`: one data node in the foreground, standing where redis-server would.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use replab::base::glob;
use replab::machine::Machine;
use replab::server::config::ConfigFile;
use replab::server::config::file::{self, FileError};
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
    let text = source.map(read).transpose()?.unwrap_or_default();
    let mut directives = file::parse(&text, &mut included).map_err(|error| fatal(&error))?;
    directives.extend(file::command_line(rest, &text).map_err(|error| fatal(&error))?);
    let mut config = Config::from_directives(&directives)?;
    if let Some(source) = source.filter(|source| *source != "-") {
        let name = std::path::absolute(source)?.to_string_lossy().into_owned();
        config.file = Some(ConfigFile { name, text });
    }
    Ok(config)
}

fn fatal(error: &FileError) -> anyhow::Error {
    anyhow::anyhow!("*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n{error}")
}

/// The texts of the files that `include` names: one, or all whose names fit a pattern in order.
fn included(pattern: &str) -> Result<Vec<String>, String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            format!("Fatal error, can't open config file '{}': {error}", path.display())
        })
    };
    let path = Path::new(pattern);
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else {
        return Ok(vec![read(path)?]);
    };
    if !name.iter().any(|byte| b"*?[".contains(byte)) {
        return Ok(vec![read(path)?]);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(files) = std::fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut names: Vec<_> = files.filter_map(|file| Some(file.ok()?.file_name())).collect();
    names.retain(|found| glob::matches(name, found.as_encoded_bytes()));
    names.sort();
    names.iter().map(|name| read(&dir.join(name))).collect()
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
