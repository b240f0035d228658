//! Topology files: which servers there are, who follows whom, what is wrong with the links, what
//! writes, and what happens when.
//!
//! # From text to [`Topology`]
//!
//! The text becomes TOML's own tree, in which every key and value knows where it stands; small
//! readers (`server`, `link`, `workload`, `step`) walk it by hand and note whatever is wrong
//! with the place it is at, so that one run reports everything. When all parts are read, `whole`
//! looks at what only shows in the whole (ports used twice, circles of `replicaof`), and `lint` at
//! what is allowed and will surprise. Nothing here opens a file or a socket.
//!
//! # The format
//!
//! ```toml
//! title = "Chained replication"
//! about = "alpha feeds bravo; charlie follows bravo."
//! sentinel-timing = "fast"      # or "redis": the real program's ticks
//!
//! [server]                      # defaults for every server
//! repl-backlog-size = "1mb"     # any redis.conf directive
//! persistence = true            # false is the directive save ""; "aof" and "aof-always" a log
//! auto-restart = "500ms"        # or true (100 ms), or false
//!
//! [servers.alpha]               # the order here is the order on the screen
//! port = 6401                   # left out: a free port
//! dir = "alpha-data"            # left out: a directory that goes when the lab ends
//!
//! [servers.bravo]
//! replicaof = "alpha"           # a server of this file, or "host:port" of something outside
//! config = { replica-priority = 10 }
//!
//! [servers.charlie]
//! count = 3                     # charlie1 to charlie3, on consecutive ports
//! replicaof = "bravo"
//!
//! [sentinels.s]                 # s1 to s3; sentinel.conf's statements about itself as well
//! count = 3
//! port = 26401
//!
//! [monitors.mymaster]           # sentinel.conf's statements about a primary
//! primary = "alpha"
//! quorum = 2
//! down-after-milliseconds = 1000
//! sentinels = ["s1", "s2"]      # all if left out
//!
//! [links."alpha->bravo"]        # or "alpha<->bravo"
//! delay = "20ms"                # also: jitter, throttle = "50kb" (per second), cut = true
//!
//! [workload]
//! writes-per-second = 200       # also: target, keys, value-bytes
//!
//! [[steps]]                     # with at: that long after the lab is ready; without: at once
//! at = "5s"
//! do = "cut alpha bravo"
//! say = "The link is cut: bravo falls behind."
//!
//! [[steps]]
//! expect = "bravo link=down"
//! within = "3s"                 # 5s if left out
//! ```

mod builtin;
pub mod diagnostic;
mod link;
mod lint;
mod monitor;
mod names;
mod sentinel;
mod server;
mod step;
mod table;
mod whole;
mod workload;

use std::path::PathBuf;

use toml::de::DeTable;

pub use self::builtin::{Builtin, builtin, builtins};
pub use self::diagnostic::{Diagnostic, Diagnostics};
use self::names::Names;
use self::sentinel::SentinelDraft;
use self::server::Draft;
use self::table::{Notes, Table};
use super::action::{Action, Claim, LinkRef};
use crate::base::time::Millis;
use crate::sentinel::Timing;
use crate::world::LinkPolicy;

/// How long an expectation may take when the file does not say (`within`), in milliseconds.
pub const WITHIN_DEFAULT_MS: Millis = 5_000;

/// How long a server stays dead with `auto-restart = true`, in milliseconds.
pub const AUTO_RESTART_DEFAULT_MS: Millis = 100;

/// Servers that one file may have.
pub const SERVERS_MAX: usize = 64;

/// `down-after-milliseconds` where a monitor does not say it.
const DOWN_AFTER_DEFAULT_MS: Millis = 30_000;

/// Sentinels that one file may have.
pub const SENTINELS_MAX: usize = 32;

/// What a topology file says, checked: names exist, ports differ, nobody follows itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// One line.
    pub title: String,
    /// What it shows, in a few sentences.
    pub about: String,
    /// In file order, groups already expanded. At least one.
    pub servers: Vec<ServerSpec>,
    /// In file order, groups already expanded.
    pub sentinels: Vec<SentinelSpec>,
    /// What the Sentinels watch, in file order.
    pub monitors: Vec<MonitorSpec>,
    /// The clockwork of the Sentinels.
    pub sentinel_timing: Timing,
    /// In file order.
    pub links: Vec<LinkSpec>,
    /// What writes, if anything.
    pub workload: Option<WorkloadSpec>,
    /// What happens, in order.
    pub steps: Vec<StepSpec>,
    /// What is allowed and will surprise.
    pub lints: Diagnostics,
}

impl Topology {
    /// Reads a topology. `source_name` is how diagnostics call the text: a path, usually.
    ///
    /// # Errors
    /// Everything that is wrong with it, in file order.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let diagnostics = |items| Diagnostics::new(source_name, text, items);
        let (tree, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            return Err(diagnostics(syntax.iter().map(syntax_error).collect()));
        }
        let mut errors = Notes::new(text);
        let mut warnings = Notes::new(text);
        let root = Table::new("the file", 0..0, tree.get_ref());
        let topology = read(root, &mut errors, &mut warnings);
        match errors.into_items() {
            errors if errors.is_empty() => {
                Ok(Self { lints: diagnostics(warnings.into_items()), ..topology })
            }
            errors => Err(diagnostics(errors)),
        }
    }

    /// The same topology with every port of the file that much higher.
    ///
    /// # Errors
    /// A port would be past 65535.
    pub fn with_port_offset(mut self, offset: u16) -> Result<Self, PortPastEnd> {
        let servers = self.servers.iter_mut().map(|node| (&node.name, &mut node.port));
        let sentinels = self.sentinels.iter_mut().map(|node| (&node.name, &mut node.port));
        for (name, own) in servers.chain(sentinels) {
            let Some(port) = *own else { continue };
            let past_end = || PortPastEnd { node: name.clone(), port, offset };
            *own = Some(port.checked_add(offset).ok_or_else(past_end)?);
        }
        Ok(self)
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&ServerSpec> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The first server that follows nobody.
    pub fn primary(&self) -> Option<&ServerSpec> {
        self.servers.iter().find(|server| server.replicaof.is_none())
    }
}

/// A port that an offset pushes past the last one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{node}` has port {port}, and {offset} more is past 65535")]
pub struct PortPastEnd {
    /// The node's name.
    pub node: String,
    /// Its port in the file.
    pub port: u16,
    /// What was to be added.
    pub offset: u16,
}

/// Reads the whole file. What it gives counts only if no error was noted.
fn read(mut root: Table<'_>, errors: &mut Notes<'_>, warnings: &mut Notes<'_>) -> Topology {
    let mut text = |name, errors: &mut Notes<'_>| {
        root.take(name).and_then(|field| field.string(errors)).unwrap_or_default().to_owned()
    };
    let title = text("title", errors);
    let about = text("about", errors);
    let defaults = server::read_defaults(root.take("server").as_ref(), errors);
    let drafts = server::read_servers(root.take("servers").as_ref(), &defaults, errors);
    let timing = monitor::read_timing(root.take("sentinel-timing").as_ref(), errors);
    let sentinels = sentinel::read_sentinels(root.take("sentinels").as_ref(), errors);
    let watchers = Names::of(sentinels.iter().map(SentinelDraft::named));
    let monitors =
        monitor::read_monitors(root.take("monitors").as_ref(), &drafts, &watchers, errors);
    let servers = drafts.iter().map(Draft::named);
    let names = Names::of(servers.chain(sentinels.iter().map(SentinelDraft::named)));
    whole::check(&drafts, &names, errors);
    let links = link::read_links(root.take("links").as_ref(), &names, errors);
    let workload = root.take("workload");
    let workload =
        workload::read_workload(workload.as_ref(), &drafts, &monitors, &watchers, errors);
    let speakable = step::Subjects { names: &names, monitors: &monitors };
    let steps = step::read_steps(root.take("steps").as_ref(), &speakable, errors);
    root.finish(errors);
    lint::lint(&drafts, workload.as_ref(), warnings);
    lint::lint_monitors(&monitors, &drafts, &links, warnings);
    Topology {
        title,
        about,
        servers: drafts.into_iter().map(|draft| draft.spec).collect(),
        sentinels: sentinels.into_iter().map(|draft| draft.spec).collect(),
        monitors: monitors.into_iter().map(|draft| draft.spec).collect(),
        sentinel_timing: timing,
        links,
        workload: workload.map(|workload| workload.spec),
        steps,
        lints: Diagnostics::default(),
    }
}

fn syntax_error(error: &toml::de::Error) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.span().unwrap_or_default(), error.message());
    match error.message() {
        "duplicate key" => diagnostic.label("it is already there, above"),
        _ => diagnostic,
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSpec {
    /// Name in the lab, of `a-z 0-9 -`.
    pub name: String,
    /// Port on 127.0.0.1, never 0; `None` for a free one.
    pub port: Option<u16>,
    /// Whom it follows: another server's name, or `host:port` (it has a colon) of something
    /// outside.
    pub replicaof: Option<String>,
    /// redis.conf directives with their values as CONFIG SET takes them: `[server]` first, then the
    /// server's own, which win. Never has `port`, `dir` or `replicaof`.
    pub config: Vec<(String, String)>,
    /// Directory for its files; `None` for one that goes when the lab ends.
    pub dir: Option<PathBuf>,
    /// False if the file says `persistence = false`; `config` then has `save ""`, and with a log
    /// `appendonly` and `appendfsync`.
    pub persistence: bool,
    /// Starts again by itself after it was dead for so many milliseconds.
    pub auto_restart: Option<Millis>,
}

impl ServerSpec {
    /// The last value given to a directive.
    pub fn directive(&self, name: &str) -> Option<&str> {
        self.config.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentinelSpec {
    /// Name in the lab, of `a-z 0-9 -`.
    pub name: String,
    /// Port on 127.0.0.1, never 0; `None` for a free one.
    pub port: Option<u16>,
    /// What sentinel.conf says of itself: (`sentinel announce-ip`, `10.0.0.1`).
    pub config: Vec<(String, String)>,
    /// Directory for its file; `None` for one that goes when the lab ends.
    pub dir: Option<PathBuf>,
    /// Starts again by itself after it was dead for so many milliseconds.
    pub auto_restart: Option<Millis>,
}

/// A primary that Sentinels watch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MonitorSpec {
    /// Its name among the Sentinels.
    pub name: String,
    /// The server that is watched at first.
    pub primary: String,
    /// Sentinels that must agree that it is down.
    pub quorum: u64,
    /// The Sentinels that watch it.
    pub sentinels: Vec<String>,
    /// What sentinel.conf says of it: (`down-after-milliseconds`, `1000`).
    pub config: Vec<(String, String)>,
}

impl MonitorSpec {
    /// The last value given to a statement.
    pub fn statement(&self, name: &str) -> Option<&str> {
        self.config.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `down-after-milliseconds`, or Redis's default.
    pub fn down_after_ms(&self) -> Millis {
        let given = self.statement("down-after-milliseconds").and_then(|ms| ms.parse().ok());
        given.unwrap_or(DOWN_AFTER_DEFAULT_MS)
    }
}

/// What is wrong with a link from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Which link, and which way.
    pub link: LinkRef,
    /// What it does to bytes.
    pub policy: LinkPolicy,
}

/// What writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// Writes per second; 0 is off until somebody says `write 100/s`.
    pub writes_per_second: u32,
    /// Where it writes: a server, or a monitor, whose primary it follows; `None` for the first
    /// monitor, or without one the first primary.
    pub target: Option<String>,
    /// The Sentinels that it asks for the primary; empty for all that watch it.
    pub sentinels: Vec<String>,
    /// How many different keys.
    pub keys: u64,
    /// Bytes of each value.
    pub value_bytes: usize,
}

impl Default for WorkloadSpec {
    /// What a file says that says nothing of it.
    fn default() -> Self {
        Self {
            writes_per_second: 0,
            target: None,
            sentinels: Vec::new(),
            keys: 1_000,
            value_bytes: 32,
        }
    }
}

/// One thing that happens: an order, a word to the reader, or an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSpec {
    /// Milliseconds after the lab is ready; `None` for at once after the step before.
    pub at_ms: Option<Millis>,
    /// A sentence to the reader.
    pub say: Option<String>,
    /// What is done. Never [`Action::Expect`].
    pub order: Option<Action>,
    /// What shall become true within how many milliseconds.
    pub expect: Option<(Claim, Millis)>,
    /// Line in the file, from 1.
    pub line: usize,
    /// The step as text: `cut alpha bravo`, `expect bravo link=down within 3s`, or its `say`.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::{LinkSpec, Topology, WorkloadSpec};
    use crate::lab::action::{Direction, LinkRef};
    use crate::world::LinkPolicy;

    fn read(text: &str) -> Topology {
        Topology::parse("test.toml", text).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn config(topology: &Topology, server: &str) -> Vec<(String, String)> {
        topology.server(server).map(|server| server.config.clone()).unwrap_or_default()
    }

    fn pairs(config: &[(&str, &str)]) -> Vec<(String, String)> {
        config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn servers_stand_in_the_order_of_the_file() {
        let topology =
            read("[servers.zulu]\n[servers.alpha]\nreplicaof = \"zulu\"\n[servers.mike]");
        let names: Vec<&str> = topology.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["zulu", "alpha", "mike"]);
        assert_eq!(topology.primary().map(|server| server.name.as_str()), Some("zulu"));
    }

    #[test]
    fn values_become_redis_text_and_own_settings_follow_the_defaults() {
        let topology = read(
            "[server]\nmaxclients = 100\nreplica-read-only = true\n\
             [servers.a]\nmaxclients = 7\nconfig = { client-output-buffer-limit = [\"replica\", 0, 0, 0] }",
        );
        let expected = pairs(&[
            ("maxclients", "100"),
            ("replica-read-only", "yes"),
            ("maxclients", "7"),
            ("client-output-buffer-limit", "replica 0 0 0"),
        ]);
        assert_eq!(config(&topology, "a"), expected);
        assert_eq!(topology.servers[0].directive("maxclients"), Some("7"));
    }

    #[test]
    fn persistence_off_is_an_empty_save_which_a_server_can_take_back() {
        let topology = read(
            "[server]\npersistence = false\n[servers.a]\n\
             [servers.b]\npersistence = true\n[servers.c]\nsave = \"60 1\"",
        );
        assert_eq!(config(&topology, "a"), pairs(&[("save", "")]));
        assert_eq!(config(&topology, "b"), []);
        assert_eq!(config(&topology, "c"), pairs(&[("save", "60 1")]));
        let on: Vec<bool> = topology.servers.iter().map(|server| server.persistence).collect();
        assert_eq!(on, [false, true, true]);
    }

    #[test]
    fn a_log_is_two_directives_and_no_snapshots() {
        let topology = read(
            "[server]\npersistence = \"aof\"\n[servers.a]\n\
             [servers.b]\npersistence = \"aof-always\"\n[servers.c]\npersistence = true",
        );
        let log = |policy| pairs(&[("save", ""), ("appendonly", "yes"), ("appendfsync", policy)]);
        assert_eq!(config(&topology, "a"), log("everysec"));
        assert_eq!(config(&topology, "b"), log("always"));
        assert_eq!(config(&topology, "c"), []);
        assert!(topology.servers[0].persistence);
    }

    #[test]
    fn a_group_becomes_numbered_servers_with_ports_and_directories_of_their_own() {
        let topology = read("[servers.n]\ncount = 2\nport = 7000\ndir = \"data\"");
        let servers: Vec<_> = topology
            .servers
            .iter()
            .map(|server| (server.name.as_str(), server.port, server.dir.clone()))
            .collect();
        assert_eq!(
            servers,
            [
                ("n1", Some(7000), Some("data/n1".into())),
                ("n2", Some(7001), Some("data/n2".into())),
            ]
        );
    }

    #[test]
    fn auto_restart_is_a_tenth_of_a_second_unless_said() {
        let topology = read(
            "[server]\nauto-restart = \"2s\"\n[servers.a]\n\
             [servers.b]\nauto-restart = true\n[servers.c]\nauto-restart = false",
        );
        let after: Vec<_> = topology.servers.iter().map(|server| server.auto_restart).collect();
        assert_eq!(after, [Some(2_000), Some(100), None]);
    }

    #[test]
    fn links_have_a_direction_and_a_policy() {
        let topology = read(
            "[servers.a]\n[servers.b]\n\
             [links.\"b->a\"]\ndelay = \"20ms\"\njitter = \"5ms\"\nthrottle = \"50kb\"",
        );
        assert_eq!(
            topology.links,
            [LinkSpec {
                link: LinkRef { a: "b".to_owned(), b: "a".to_owned(), direction: Direction::AToB },
                policy: LinkPolicy { cut: false, delay_ms: 20, jitter_ms: 5, bytes_per_s: 51_200 },
            }]
        );
    }

    #[test]
    fn an_offset_moves_the_ports_of_the_file_and_leaves_free_ones_free() {
        let topology = read("[servers.a]\nport = 6401\n[servers.b]");
        let moved = topology.clone().with_port_offset(1_000).expect("there is room");
        let ports: Vec<_> = moved.servers.iter().map(|server| server.port).collect();
        assert_eq!(ports, [Some(7_401), None]);
        let wrong = topology.with_port_offset(60_000).expect_err("past the end");
        assert_eq!(wrong.to_string(), "`a` has port 6401, and 60000 more is past 65535");
    }

    #[test]
    fn a_workload_is_off_until_it_has_a_rate() {
        let off = WorkloadSpec {
            writes_per_second: 0,
            target: None,
            sentinels: vec![],
            keys: 1_000,
            value_bytes: 32,
        };
        assert_eq!(read("[servers.a]\n[workload]").workload, Some(off));
        assert_eq!(read("[servers.a]").workload, None);
    }

    #[test]
    fn steps_know_their_line_and_their_text() {
        let topology = read(
            "[servers.a]\n\n[[steps]]\nat = \"2s\"\ndo = \"kill a\"\nsay = \"Away.\"\n\
             [[steps]]\nexpect = \"a status=dead\"\n[[steps]]\nsay = \"Done.\"",
        );
        let steps: Vec<_> =
            topology.steps.iter().map(|step| (step.at_ms, step.line, step.text.as_str())).collect();
        assert_eq!(
            steps,
            [
                (Some(2_000), 3, "kill a"),
                (None, 7, "expect a status=dead within 5s"),
                (None, 9, "Done."),
            ]
        );
        assert_eq!(topology.steps[0].say.as_deref(), Some("Away."));
    }

    #[test]
    fn of_very_many_mistakes_the_first_are_shown() {
        let wrong = Topology::parse("test.toml", &"a = 1\n".repeat(1000)).expect_err("mistakes");
        let text = wrong.to_string();
        assert_eq!(text.matches("test.toml:").count(), 50);
        assert!(text.ends_with("\n\nand 949 more"), "{text}");
    }

    #[test]
    fn an_empty_text_has_no_servers_and_points_at_its_beginning() {
        let wrong = Topology::parse("empty.toml", "").expect_err("no servers").render(false);
        assert!(
            wrong.contains("there are no servers") && wrong.contains("empty.toml:1:1"),
            "{wrong}"
        );
    }
}
