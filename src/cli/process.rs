//! One node in the foreground, whichever kind it is: directory, log, pidfile, sockets.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use replab::live::{Host, Serve, UnixSocket, serve_one};
use replab::machine::LogLevel;
use replab::server::{Config, REDIS_VERSION};
use replab::world::{Factory, WorldError};

use super::Outcome;

/// What a process says of itself: in the log's lines, `M` for a primary, `S` for a replica, `X` for
/// a Sentinel.
pub(super) type RoleMark = char;

/// Runs a node until it ends. `config` has what concerns the process.
pub(super) fn run(config: &Config, role: RoleMark, build: Factory) -> anyhow::Result<Outcome> {
    let setting = |name: &str| config.get(name).unwrap_or_default();
    if setting("daemonize") == "yes" {
        bail!(
            "daemonize yes: replab stays in the foreground; start it with & or a service manager"
        );
    }
    let dir = setting("dir");
    std::env::set_current_dir(&dir).with_context(|| format!("can't chdir to '{dir}'"))?;
    let mut log = Log::open(&setting("logfile"), role)?;
    let is_wanted = least_level(&setting("loglevel"));
    log.begin(config)?;
    let pidfile = PidFile::write(&setting("pidfile"))?;
    let serve = Serve {
        name: "server".to_owned(),
        hosts: hosts(config, &mut log)?,
        port: config.port,
        unix: unix_socket(&setting("unixsocket"), &setting("unixsocketperm")),
        dir: std::env::current_dir()?,
        seed: super::lab::seed(),
        build,
    };
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
                log.line(LogLevel::Warning, &failed_listening(config.port));
            }
            Err(error.into())
        }
    }
}

/// The addresses of `bind`, of which those that are not of this machine alone are not listened on.
fn hosts(config: &Config, log: &mut Log) -> anyhow::Result<Vec<Host>> {
    let port = config.port;
    // Without a port there is only the Unix socket.
    let addresses = if port == 0 { Vec::new() } else { config.bind_addresses() };
    let mut hosts = Vec::new();
    for address in addresses {
        if let Some(Ok(ip)) = address.local.map(str::parse) {
            hosts.push(Host { ip, is_optional: address.is_optional });
            continue;
        }
        let written = address.written;
        let place = format!("server TCP listening socket {written}:{port}");
        let text = format!("Could not create {place}: only loopback is listened on");
        log.line(LogLevel::Warning, &format!("Warning: {text}"));
        if !address.is_optional {
            log.line(LogLevel::Warning, &failed_listening(port));
            bail!("bind {written}: not a loopback address");
        }
    }
    Ok(hosts)
}

fn failed_listening(port: u16) -> String {
    format!("Failed listening on port {port} (TCP), aborting.")
}

/// `unixsocket` and `unixsocketperm`, where 0 leaves it to the system.
fn unix_socket(path: &str, mode: &str) -> Option<UnixSocket> {
    let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode != 0);
    (!path.is_empty()).then(|| UnixSocket { path: PathBuf::from(path), mode })
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
    role: RoleMark,
}

impl Log {
    fn open(name: &str, role: RoleMark) -> anyhow::Result<Self> {
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
        Ok(Self { out, role })
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
