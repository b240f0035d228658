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
mod names;
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
use self::table::{Notes, Table};
use super::action::{Action, Claim, LinkRef};
use crate::base::time::Millis;
use crate::world::LinkPolicy;

/// How long an expectation may take when the file does not say (`within`), in milliseconds.
pub const WITHIN_DEFAULT_MS: Millis = 5_000;

/// How long a server stays dead with `auto-restart = true`, in milliseconds.
pub const AUTO_RESTART_DEFAULT_MS: Millis = 100;

/// Servers that one file may have.
pub const SERVERS_MAX: usize = 64;

/// What a topology file says, checked: names exist, ports differ, nobody follows itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// One line.
    pub title: String,
    /// What it shows, in a few sentences.
    pub about: String,
    /// In file order, groups already expanded. At least one.
    pub servers: Vec<ServerSpec>,
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
        for server in &mut self.servers {
            let Some(port) = server.port else { continue };
            let moved = port.checked_add(offset);
            let past_end = || PortPastEnd { server: server.name.clone(), port, offset };
            server.port = Some(moved.ok_or_else(past_end)?);
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
#[error("`{server}` has port {port}, and {offset} more is past 65535")]
pub struct PortPastEnd {
    /// The server's name.
    pub server: String,
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
    whole::check(&drafts, errors);
    let names = Names::of(&drafts);
    let links = link::read_links(root.take("links").as_ref(), &names, errors);
    let workload = workload::read_workload(root.take("workload").as_ref(), &drafts, errors);
    let steps = step::read_steps(root.take("steps").as_ref(), &names, errors);
    root.finish(errors);
    lint::lint(&drafts, workload.as_ref(), warnings);
    Topology {
        title,
        about,
        servers: drafts.into_iter().map(|draft| draft.spec).collect(),
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
    /// Where it writes; `None` for the first primary.
    pub target: Option<String>,
    /// How many different keys.
    pub keys: u64,
    /// Bytes of each value.
    pub value_bytes: usize,
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
        let off = WorkloadSpec { writes_per_second: 0, target: None, keys: 1_000, value_bytes: 32 };
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
    fn an_empty_text_has_no_servers_and_points_at_its_beginning() {
        let wrong = Topology::parse("empty.toml", "").expect_err("no servers").render(false);
        assert!(
            wrong.contains("there are no servers") && wrong.contains("empty.toml:1:1"),
            "{wrong}"
        );
    }
}
