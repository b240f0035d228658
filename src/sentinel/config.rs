//! sentinel.conf: reading it.
//!
//! Statements about the Sentinel itself are read first, then the primaries, then what is said of
//! them, whatever their order in the file.

use super::monitor::Settings;
use super::rewrite::quoted;
use super::timing::Timing;
use crate::machine::{Endpoint, Millis};
use crate::resp::request::split_words;

/// What a Sentinel was told to be, and what it knew when it last saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that is read at the start, if it is there, and rewritten.
    pub file: String,
    /// Its text.
    pub text: String,
    /// What concerns the Sentinel itself.
    pub globals: Globals,
    /// The watched primaries.
    pub monitors: Vec<MonitorConfig>,
    /// Directives of the server that the file is also for (`port`, `dir`, `logfile`, ...).
    pub server: Vec<(String, String)>,
}

/// What concerns the Sentinel itself. Fields are directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// `requirepass`; empty for none.
    pub requirepass: String,
    /// `sentinel myid`
    pub my_id: Option<String>,
    /// `sentinel current-epoch`
    pub current_epoch: u64,
    /// `sentinel announce-ip`; empty for none.
    pub announce_ip: String,
    /// `sentinel announce-port`; 0 for none.
    pub announce_port: u16,
    /// `sentinel deny-scripts-reconfig`
    pub deny_scripts_reconfig: bool,
    /// `sentinel sentinel-user`; empty for none.
    pub sentinel_user: String,
    /// `sentinel sentinel-pass`; empty for none.
    pub sentinel_pass: String,
    /// `sentinel resolve-hostnames`
    pub resolve_hostnames: bool,
    /// `sentinel announce-hostnames`
    pub announce_hostnames: bool,
    /// `sentinel-timing`
    pub timing: Timing,
    /// `loglevel`
    pub loglevel: String,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            requirepass: String::new(),
            my_id: None,
            current_epoch: 0,
            announce_ip: String::new(),
            announce_port: 0,
            deny_scripts_reconfig: true,
            sentinel_user: String::new(),
            sentinel_pass: String::new(),
            resolve_hostnames: false,
            announce_hostnames: false,
            timing: Timing::default(),
            loglevel: "notice".to_owned(),
        }
    }
}

/// One watched primary, as configured and as last saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorConfig {
    /// Its name.
    pub name: String,
    /// Its address.
    pub addr: Endpoint,
    /// Its settings.
    pub settings: Settings,
    /// The epoch of the configuration.
    pub config_epoch: u64,
    /// The epoch of the last vote.
    pub leader_epoch: u64,
    /// Known replicas.
    pub replicas: Vec<Endpoint>,
    /// Known Sentinels.
    pub peers: Vec<(String, Endpoint)>,
}

impl Default for Config {
    /// It watches nothing.
    fn default() -> Self {
        Self {
            file: "sentinel.conf".to_owned(),
            text: String::new(),
            globals: Globals::default(),
            monitors: Vec::new(),
            server: Vec::new(),
        }
    }
}

/// A line cannot be followed. Its text is what Redis prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Reading the configuration file, at line {line}\n>>> '{text}'\n{reason}")]
pub struct ConfigError {
    /// From 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong.
    pub reason: String,
}

type Outcome = Result<(), &'static str>;

const UNKNOWN: &str = "Unrecognized sentinel configuration statement.";
const NO_SUCH: &str = "No such master with specified name.";

impl Config {
    /// What a person may say of a Sentinel itself: `sentinel STATEMENT VALUE`.
    pub const OWN_STATEMENTS: &'static [&'static str] = &[
        "announce-ip",
        "announce-port",
        "announce-hostnames",
        "resolve-hostnames",
        "deny-scripts-reconfig",
        "sentinel-user",
        "sentinel-pass",
    ];

    /// What a person may say of a watched primary: `sentinel STATEMENT PRIMARY VALUE`.
    pub const PRIMARY_STATEMENTS: &'static [&'static str] = &[
        "down-after-milliseconds",
        "failover-timeout",
        "parallel-syncs",
        "auth-pass",
        "auth-user",
        "notification-script",
        "client-reconfig-script",
        "rename-command",
        "master-reboot-down-after-period",
    ];

    /// Whether a statement about a Sentinel itself can be followed; if not, why.
    pub fn check_own(statement: &str, value: &str) -> Result<(), &'static str> {
        Globals::default().set(statement, value)
    }

    /// Whether a statement about a primary can be followed; if not, why.
    pub fn check_about_primary(statement: &str, value: &str) -> Result<(), &'static str> {
        let words = split_words(value.as_bytes()).ok_or("unbalanced quotes")?;
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        Settings::new(1).apply(statement, &words)
    }

    /// Reads a sentinel.conf.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self { text: text.to_owned(), ..Self::default() };
        let mut statements = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = move |reason: &str| ConfigError {
                line: index + 1,
                text: line.to_owned(),
                reason: reason.to_owned(),
            };
            let words = split_words(line.as_bytes())
                .ok_or_else(|| fail("Unbalanced quotes in configuration line"))?;
            let mut words: Vec<String> =
                words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
            lower_names(&mut words);
            statements.push((rank(&words), words, fail));
        }
        // Stable: within a rank the file's order holds.
        statements.sort_by_key(|(rank, ..)| *rank);
        for (_, words, fail) in &statements {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            config.apply(&words).map_err(fail)?;
        }
        Ok(config)
    }

    /// A configuration from directives by name and value, as a lab has them. What is said of a
    /// primary is several words (`sentinel down-after-milliseconds`, `mymaster 1000`), all else is
    /// one, whatever it holds (`requirepass`, `two words`).
    pub fn from_directives(directives: &[(String, String)]) -> Result<Self, ConfigError> {
        let line = |(name, value): &(String, String)| match name.strip_prefix("sentinel ") {
            Some(statement) if statement == "monitor" || is_about_a_primary(statement) => {
                format!("{name} {value}\n")
            }
            _ => format!("{name} {}\n", quoted(value)),
        };
        Self::parse(&directives.iter().map(line).collect::<String>())
    }

    fn apply(&mut self, words: &[&str]) -> Outcome {
        match words {
            ["sentinel", rest @ ..] => match rest {
                [] => Err("wrong number of arguments"),
                ["monitor", name, host, port, quorum] => self.monitor(name, host, port, quorum),
                [statement, args @ ..] if is_about_a_primary(statement) => {
                    self.about_primary(statement, args)
                }
                [statement, value] => self.globals.set(statement, value),
                _ => Err(UNKNOWN),
            },
            ["sentinel-timing", value] => {
                self.globals.timing = match *value {
                    "redis" => Timing::Redis,
                    "fast" => Timing::Fast,
                    _ => return Err("argument must be 'redis' or 'fast'"),
                };
                Ok(())
            }
            ["requirepass", value] => {
                (*value).clone_into(&mut self.globals.requirepass);
                Ok(())
            }
            ["loglevel", value] => {
                (*value).clone_into(&mut self.globals.loglevel);
                self.server.push(("loglevel".to_owned(), (*value).to_owned()));
                Ok(())
            }
            [name, values @ ..] => {
                let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                self.server.push(((*name).to_owned(), values.join(" ")));
                Ok(())
            }
            [] => Ok(()),
        }
    }

    fn monitor(&mut self, name: &str, host: &str, port: &str, quorum: &str) -> Outcome {
        let quorum = quorum.parse::<i64>().unwrap_or(0);
        if quorum <= 0 {
            return Err("Quorum must be 1 or greater.");
        }
        let addr = address(host, port, self.globals.resolve_hostnames)?;
        if self.monitors.iter().any(|m| m.name == name) {
            return Err("Duplicate master name.");
        }
        if !is_plain(name) {
            return Err("Master name contains characters that a hello cannot carry.");
        }
        self.monitors.push(MonitorConfig {
            name: name.to_owned(),
            addr,
            settings: Settings::new(quorum as u64),
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            peers: Vec::new(),
        });
        Ok(())
    }

    fn about_primary(&mut self, statement: &str, args: &[&str]) -> Outcome {
        let resolve = self.globals.resolve_hostnames;
        let epoch = self.globals.current_epoch;
        let (Some(name), args) = (args.first(), args.get(1..).unwrap_or_default()) else {
            return Err(UNKNOWN);
        };
        let m = self.monitors.iter_mut().find(|m| m.name == *name).ok_or(NO_SUCH)?;
        let mut newest = epoch;
        match (statement, args) {
            ("known-replica" | "known-slave", [host, port]) => {
                m.replicas.push(address(host, port, resolve)?);
            }
            ("known-sentinel", [host, port, id]) => {
                m.peers.push(((*id).to_owned(), address(host, port, resolve)?));
            }
            // Written by Sentinels that had not heard the id yet.
            ("known-sentinel", [_, _]) => {}
            ("config-epoch", [epoch]) => {
                m.config_epoch = epoch.parse().map_err(|_| "Invalid epoch.")?;
                newest = newest.max(m.config_epoch);
            }
            ("leader-epoch", [epoch]) => {
                m.leader_epoch = epoch.parse().map_err(|_| "Invalid epoch.")?;
                newest = newest.max(m.leader_epoch);
            }
            (statement, args) => m.settings.apply(statement, args)?,
        }
        self.globals.current_epoch = newest;
        Ok(())
    }
}

impl Globals {
    /// Follows a statement about the Sentinel itself.
    pub fn set(&mut self, statement: &str, value: &str) -> Outcome {
        let yes_no = |fail| match value {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(fail),
        };
        match statement {
            "myid" if value.len() == 40 && is_plain(value) => self.my_id = Some(value.to_owned()),
            "myid" => return Err("Malformed Sentinel id in myid option."),
            "current-epoch" => {
                let epoch = value.parse().map_err(|_| "Invalid epoch.")?;
                self.current_epoch = self.current_epoch.max(epoch);
            }
            "announce-ip" => value.clone_into(&mut self.announce_ip),
            "announce-port" => self.announce_port = value.parse().map_err(|_| "Invalid port")?,
            "deny-scripts-reconfig" => {
                self.deny_scripts_reconfig =
                    yes_no("Please specify yes or no for the deny-scripts-reconfig options.")?;
            }
            "sentinel-user" => value.clone_into(&mut self.sentinel_user),
            "sentinel-pass" => value.clone_into(&mut self.sentinel_pass),
            "resolve-hostnames" => {
                self.resolve_hostnames =
                    yes_no("Please specify yes or no for the resolve-hostnames option.")?;
            }
            "announce-hostnames" => {
                self.announce_hostnames =
                    yes_no("Please specify yes or no for the announce-hostnames option.")?;
            }
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }
}

impl Settings {
    /// Follows a statement about a primary: its name and what comes after the primary's name.
    pub fn apply(&mut self, statement: &str, args: &[&str]) -> Outcome {
        match (statement, args) {
            ("down-after-milliseconds", [ms]) => self.down_after = positive(ms)?,
            ("failover-timeout", [ms]) => self.failover_timeout = positive(ms)?,
            ("parallel-syncs", [n]) => self.parallel_syncs = n.parse().unwrap_or(0).max(1),
            ("notification-script", [path]) => self.notification_script = Some((*path).to_owned()),
            ("client-reconfig-script", [path]) => {
                self.client_reconfig_script = Some((*path).to_owned());
            }
            ("auth-pass", [pass]) => self.auth_pass = Some((*pass).to_owned()),
            ("auth-user", [user]) => self.auth_user = Some((*user).to_owned()),
            ("rename-command", [old, new]) => {
                let old = old.to_ascii_uppercase();
                if self.renamed.insert(old, (*new).to_owned()).is_some() {
                    return Err("Same command renamed multiple times with rename-command.");
                }
            }
            ("master-reboot-down-after-period", [ms]) => {
                self.reboot_down_after = time(ms).ok_or("negative time parameter.")?;
            }
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }
}

/// Longest time that can be configured, ms: sums of some of them cannot overflow.
const TIME_MAX: Millis = 1 << 48;

/// A time in milliseconds, if it is one.
pub fn time(ms: &str) -> Option<Millis> {
    ms.parse().ok().filter(|ms| *ms <= TIME_MAX)
}

fn positive(ms: &str) -> Result<Millis, &'static str> {
    time(ms).filter(|ms| *ms > 0).ok_or("negative or zero time parameter.")
}

/// Directives and statements may be written in any case.
fn lower_names(words: &mut [String]) {
    if let Some((name, rest)) = words.split_first_mut() {
        name.make_ascii_lowercase();
        if name == "sentinel"
            && let Some(statement) = rest.first_mut()
        {
            statement.make_ascii_lowercase();
        }
    }
}

/// Globals first, then monitors, then what is said of them. Epochs and ids come with the globals.
fn rank(words: &[String]) -> u8 {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sentinel", "monitor", ..] => 1,
        ["sentinel", statement, ..] if is_about_a_primary(statement) => 2,
        _ => 0,
    }
}

fn is_about_a_primary(statement: &str) -> bool {
    matches!(
        statement,
        "down-after-milliseconds"
            | "failover-timeout"
            | "parallel-syncs"
            | "notification-script"
            | "client-reconfig-script"
            | "auth-pass"
            | "auth-user"
            | "rename-command"
            | "master-reboot-down-after-period"
            | "config-epoch"
            | "leader-epoch"
            | "known-replica"
            | "known-slave"
            | "known-sentinel"
    )
}

/// An address, if it is one.
pub fn address(host: &str, port: &str, names: bool) -> Result<Endpoint, &'static str> {
    if !is_host(host, names) {
        return Err("Can't resolve instance hostname.");
    }
    let port = port.parse().map_err(|_| "Invalid port number.")?;
    Ok(Endpoint::new(host, port))
}

/// Whether this is an IP address, or, where names are allowed, could be a host's name.
pub fn is_host(host: &str, names: bool) -> bool {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    host.parse::<core::net::IpAddr>().is_ok()
        || (names && !host.is_empty() && host.bytes().all(in_name))
}

/// Whether a word can stand in a hello and in a line of the file.
pub fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b'"'))
}

#[cfg(test)]
mod tests {
    use super::{Config, Timing};

    #[test]
    fn what_concerns_the_process_keeps_its_quotes() {
        let config =
            Config::parse("port 26400\nlogfile \"\"\ndir \"/a dir\"\n").expect("well-formed");
        let server: Vec<_> = config.server.iter().map(|(n, v)| format!("{n} {v}")).collect();
        assert_eq!(server, ["port 26400", "logfile \"\"", "dir \"/a dir\""]);
    }

    #[test]
    fn the_order_in_the_file_does_not_matter() {
        let config = Config::parse(
            "sentinel down-after-milliseconds mm 1000\n# a comment\nport 26400\n\
             sentinel known-replica mm 10.0.0.2 6379\nsentinel monitor mm 10.0.0.1 6379 2\n\
             sentinel leader-epoch mm 7\nsentinel-timing redis\n",
        )
        .expect("well-formed");
        let mm = &config.monitors[0];
        assert_eq!((mm.settings.down_after, mm.settings.quorum, mm.leader_epoch), (1000, 2, 7));
        assert_eq!(mm.replicas[0].to_string(), "10.0.0.2:6379");
        assert_eq!((config.globals.timing, config.globals.current_epoch), (Timing::Redis, 7));
        assert_eq!(config.server, [("port".to_owned(), "26400".to_owned())]);
    }

    #[test]
    fn errors_name_the_line() {
        let monitor = "sentinel monitor mm 127.0.0.1 6379 2";
        for (line, reason) in [
            ("sentinel monitor aa 127.0.0.1 6379 0", "Quorum must be 1 or greater."),
            ("sentinel auth-pass nn x", "No such master with specified name."),
            ("sentinel failover-timeout mm 0", "negative or zero time parameter."),
            (monitor, "Duplicate master name."),
            ("sentinel monitor aa no.such 6379 1", "Can't resolve instance hostname."),
            ("sentinel myid abc", "Malformed Sentinel id in myid option."),
            ("sentinel nonsense mm 1", "Unrecognized sentinel configuration statement."),
        ] {
            let error = Config::parse(&format!("{monitor}\n\n{line}\n")).expect_err(line);
            assert_eq!((error.line, error.reason.as_str()), (3, reason), "{line}");
            assert_eq!(
                error.to_string(),
                format!("Reading the configuration file, at line 3\n>>> '{line}'\n{reason}")
            );
        }
    }

    #[test]
    fn names_of_directives_have_no_case() {
        let config = Config::parse(
            "RequirePass Secret\nSENTINEL Down-After-Milliseconds Mm 1000\nPort 26400\n\
             Sentinel MONITOR Mm 127.0.0.1 6379 2\n",
        )
        .expect("well-formed");
        assert_eq!(config.globals.requirepass, "Secret");
        let m = &config.monitors[0];
        assert_eq!((m.name.as_str(), m.settings.down_after), ("Mm", 1000));
        assert_eq!(config.server, [("port".to_owned(), "26400".to_owned())]);
    }

    #[test]
    fn a_value_of_a_directive_is_one_word_whatever_it_holds() {
        let directives = [
            ("requirepass", "two words"),
            ("sentinel sentinel-pass", "a \"quoted\" one"),
            ("sentinel announce-ip", ""),
            ("sentinel monitor", "mm 127.0.0.1 6379 2"),
            ("sentinel rename-command", "mm CONFIG guessed"),
        ];
        let config = Config::from_directives(
            &directives.map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
        .expect("all of it can be followed");
        let globals = &config.globals;
        assert_eq!(
            [&globals.requirepass, &globals.sentinel_pass, &globals.announce_ip],
            ["two words", "a \"quoted\" one", ""]
        );
        assert_eq!(config.monitors[0].settings.command("CONFIG"), "guessed");
    }

    #[test]
    fn names_are_hosts_only_where_allowed() {
        let text = "sentinel monitor mm alpha.local 6379 1\nsentinel resolve-hostnames yes\n";
        let config = Config::parse(text).expect("names are allowed");
        assert_eq!(config.monitors[0].addr.host, "alpha.local");
        assert!(super::is_host("::1", false) && !super::is_host("a b", true));
    }
}
