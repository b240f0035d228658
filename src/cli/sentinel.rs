//! `replab sentinel`: one Sentinel in the foreground, standing where redis-sentinel would.

use std::fs::OpenOptions;
use std::sync::Arc;

use anyhow::{Context, bail};
use replab::machine::Machine;
use replab::sentinel::{self, Sentinel};
use replab::server::config::file;
use replab::server::{Config, REDIS_VERSION};

use super::{Outcome, process};

/// The port of a Sentinel that is told none.
const PORT_DEFAULT: &str = "26379";

/// Runs a Sentinel until it ends.
pub(super) fn run(words: &[String]) -> anyhow::Result<Outcome> {
    if matches!(words, [word] if word == "--version" || word == "-v") {
        println!("Redis sentinel v={REDIS_VERSION} (replab {})", env!("CARGO_PKG_VERSION"));
        return Ok(Outcome::Success);
    }
    let [name, given @ ..] = words else {
        bail!("Sentinel needs config file on disk, even if empty: replab sentinel sentinel.conf");
    };
    let given: Vec<String> = given.iter().filter(|word| *word != "--sentinel").cloned().collect();
    let config = configure(name, &given)?;
    let mut process_settings = vec![("port".to_owned(), PORT_DEFAULT.to_owned())];
    process_settings.extend(config.server.iter().cloned());
    let settings = Config::from_directives(&process_settings)?;
    let build = Arc::new(move |birth: replab::world::Birth| {
        let machine = Sentinel::new(config.clone(), birth.port, birth.seed);
        Box::new(machine) as Box<dyn Machine>
    });
    process::run(&settings, 'X', build)
}

/// Reads the file, then the directives, which are kept in it: the Sentinel follows its file. It must
/// be writable: a Sentinel keeps its votes there.
fn configure(name: &str, given: &[String]) -> anyhow::Result<sentinel::Config> {
    let path = std::path::absolute(name)?;
    OpenOptions::new()
        .append(true)
        .open(&path)
        .with_context(|| format!("Sentinel config file {name} is not writable"))?;
    let mut text = std::fs::read_to_string(&path)
        .with_context(|| format!("Fatal error, can't open config file '{name}'"))?;
    let in_file = text.clone();
    for (directive, value) in file::words_of_command_line(given)
        .map_err(|reason| anyhow::anyhow!("*** FATAL CONFIG FILE ERROR ***\n>>> {reason}"))?
    {
        state(&mut text, &directive, &value);
    }
    let mut config = sentinel::Config::parse(&text)
        .map_err(|error| anyhow::anyhow!("*** FATAL CONFIG FILE ERROR ***\n{error}"))?;
    if text != in_file {
        std::fs::write(&path, text)
            .with_context(|| format!("Sentinel config file {name} is not writable"))?;
    }
    config.file = path.to_string_lossy().into_owned();
    Ok(config)
}

/// Adds a directive to a file's text, in place of what it said before. There may be several of
/// `sentinel`, each about something else.
fn state(text: &mut String, directive: &str, value: &str) {
    let line = format!("{directive} {value}");
    let is_about = |old: &str| {
        let word = old.split_whitespace().next().unwrap_or_default();
        word.eq_ignore_ascii_case(directive) && (directive != "sentinel" || old == line)
    };
    let kept = text.lines().filter(|old| !is_about(old)).chain([line.as_str()]);
    *text = kept.map(|line| format!("{line}\n")).collect();
}

#[cfg(test)]
mod tests {
    use super::state;

    #[test]
    fn a_directive_given_is_kept_in_the_file_once() {
        let mut text = "port 1\nsentinel monitor a 127.0.0.1 1 1\n".to_owned();
        for _ in 0..2 {
            state(&mut text, "port", "2");
            state(&mut text, "sentinel", "announce-port 3");
        }
        assert_eq!(text, "sentinel monitor a 127.0.0.1 1 1\nport 2\nsentinel announce-port 3\n");
    }
}
