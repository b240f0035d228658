//! `replab server`: one data node in the foreground, standing where redis-server would.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use replab::live::{Serve, serve_one};
use replab::machine::{LogLevel, Machine};
use replab::server::config::{ConfigFile, file};
use replab::server::{Config, REDIS_VERSION, Server};
use replab::world::WorldError;

use super::Outcome;

/// Runs a node until it ends.
pub(super) fn run(words: &[OsString]) -> anyhow::Result<Outcome> {
    let words: Vec<String> = words.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    if matches!(words.as_slice(), [word] if word == "--version" || word == "-v") {
        println!("Redis server v={REDIS_VERSION} (replab {})", env!("CARGO_PKG_VERSION"));
        return Ok(Outcome::Success);
    }
    let config = configure(&words)?;
    let setting = |name: &str| config.get(name).unwrap_or_default();
    if setting("daemonize") == "yes" {
        bail!(
            "daemonize yes: replab stays in the foreground; start it with & or a service manager"
        );
    }
    let dir = setting("dir");
    std::env::set_current_dir(&dir).with_context(|| format!("can't chdir to '{dir}'"))?;
    let mut log = Log::open(&setting("logfile"), config.replicaof.is_some())?;
    let is_wanted = least_level(&setting("loglevel"));
    log.begin(&config)?;
    let pidfile = PidFile::write(&setting("pidfile"))?;
    let serve = serve(&config, &setting("bind"), &setting("unixsocket"))?;
    let served = serve_one(&serve, |level, text| {
        if level >= is_wanted {
            log.line(level, text);
        }
    });
    drop(pidfile);
    match served {
        Ok(0) => Ok(Outcome::Success),
        Ok(_) => Ok(Outcome::Failure),
        Err(error) => {
            if matches!(error, WorldError::PortInUse { .. }) {
                let port = config.port;
                log.line(
                    LogLevel::Warning,
                    &format!("Failed listening on port {port} (TCP), aborting."),
                );
            }
            Err(error.into())
        }
    }
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

fn serve(config: &Config, bind: &str, unix: &str) -> anyhow::Result<Serve> {
    let machine = config.clone();
    Ok(Serve {
        name: "server".to_owned(),
        host: address(bind)?,
        port: config.port,
        unix: Some(PathBuf::from(unix)).filter(|path| !path.as_os_str().is_empty()),
        dir: std::env::current_dir()?,
        seed: super::lab::seed(),
        build: Arc::new(move |birth| {
            let machine = Server::new(machine.clone(), birth.port, birth.seed);
            Box::new(machine) as Box<dyn Machine>
        }),
    })
}

/// The first IPv4 address of `bind`. Without one that was chosen, only this machine is served.
fn address(bind: &str) -> anyhow::Result<IpAddr> {
    let given = bind.split_whitespace().map(|word| word.trim_start_matches('-'));
    let mut addresses = given.filter_map(|word| match word {
        "*" => Some(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        "localhost" => Some(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        word if word.contains(':') => None,
        word => Some(word.parse::<IpAddr>()),
    });
    match addresses.next() {
        Some(address) => Ok(address.with_context(|| format!("bind {bind}: not an address"))?),
        None => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

fn least_level(word: &str) -> LogLevel {
    match word {
        "debug" => LogLevel::Debug,
        "verbose" => LogLevel::Verbose,
        "warning" => LogLevel::Warning,
        _ => LogLevel::Notice,
    }
}

/// The server's log, in Redis's form: `pid:role date level text`.
struct Log {
    out: Box<dyn Write>,
    role: char,
}

impl Log {
    fn open(name: &str, is_replica: bool) -> anyhow::Result<Self> {
        let out: Box<dyn Write> = if name.is_empty() {
            Box::new(std::io::stdout())
        } else {
            let file: File = OpenOptions::new()
                .create(true)
                .append(true)
                .open(name)
                .with_context(|| format!("can't open the log file '{name}'"))?;
            Box::new(file)
        };
        Ok(Self { out, role: if is_replica { 'S' } else { 'M' } })
    }

    fn begin(&mut self, config: &Config) -> anyhow::Result<()> {
        let pid = std::process::id();
        let version = REDIS_VERSION;
        self.line(
            LogLevel::Warning,
            &format!("Redis version={version}, bits=64, pid={pid}, just started"),
        );
        writeln!(
            self.out,
            "\n  replab {}, as Redis {version}\n  Port: {}\n  PID: {pid}\n",
            env!("CARGO_PKG_VERSION"),
            config.port
        )?;
        Ok(self.out.flush()?)
    }

    /// Whoever waits for a line must find it whole, so each is flushed. A log that cannot be
    /// written is no reason to end the server.
    fn line(&mut self, level: LogLevel, text: &str) {
        let mark = match level {
            LogLevel::Debug => '.',
            LogLevel::Verbose => '-',
            LogLevel::Notice => '*',
            LogLevel::Warning => '#',
        };
        let now = jiff::Zoned::now().strftime("%d %b %Y %H:%M:%S%.3f");
        let (pid, role) = (std::process::id(), self.role);
        let _ = writeln!(self.out, "{pid}:{role} {now} {mark} {text}");
        let _ = self.out.flush();
    }
}

/// A file with the process's number that goes with it.
struct PidFile(PathBuf);

impl PidFile {
    fn write(name: &str) -> anyhow::Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }
        let path = std::path::absolute(Path::new(name))?;
        std::fs::write(&path, format!("{}\n", std::process::id()))
            .with_context(|| format!("can't write the pidfile '{name}'"))?;
        Ok(Some(Self(path)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
