//! Topology files: which servers there are, who follows whom, what is wrong with the links, what
//! writes, and what happens when.
//!
//! # From text to [`Topology`]
//!
//! The text becomes TOML's own tree, in which every key and value knows where it stands; small
//! readers ([`server`], [`link`], [`workload`], [`step`]) walk it by hand and note whatever is wrong
//! with the place it is at, so that one run reports everything. When all parts are read, [`whole`]
//! looks at what only shows in the whole (ports used twice, circles of `replicaof`), and [`lint`] at
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
//! persistence = true            # false is the directive save ""
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

pub mod diagnostic;

use std::path::PathBuf;

pub use self::diagnostic::{Diagnostic, Diagnostics};
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
        let _ = text;
        Err(Diagnostics::new(source_name, text, Vec::new()))
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
    /// False if the file says `persistence = false`; `config` then has `save ""`.
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
