//! The topologies inside the binary: the files of `topologies/`.

use super::{Diagnostics, Topology};

/// A topology inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// What it is asked for by.
    pub name: &'static str,
    /// Its file's content.
    pub text: &'static str,
}

impl Builtin {
    /// Reads it.
    ///
    /// # Errors
    /// None for the shipped files: the tests read them all.
    pub fn topology(&self) -> Result<Topology, Diagnostics> {
        Topology::parse(&format!("topologies/{}.toml", self.name), self.text)
    }
}

/// All of them, `default` first.
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}

/// The one of that name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$(Builtin {
            name: $name,
            text: include_str!(concat!("../../../topologies/", $name, ".toml")),
        }),+]
    };
}

const BUILTINS: &[Builtin] = embedded!(
    "default",
    "pair",
    "chain",
    "fan",
    "backlog-overflow",
    "persistence-off",
    "min-replicas",
    "stale-reads",
    "aof-vs-rdb-power-loss",
    "restart-partial-resync",
    "expiry-on-replicas",
    "effects-not-commands",
    "writable-replica",
    "slow-replica-output-buffer",
    "disk-vs-diskless",
    "failover",
    "quorum-is-not-majority",
    "two-sentinels",
    "five-sentinels",
    "split-brain",
    "old-primary-returns",
    "priority-zero",
    "auth-mismatch",
    "flapping",
    "chained-failover",
    "double-failover",
    "persistence-off-sentinel",
    "wait-is-not-consensus",
);

#[cfg(test)]
mod tests {
    use super::{builtin, builtins};

    #[test]
    fn every_shipped_topology_reads_and_says_what_it_is() {
        for shipped in builtins() {
            let topology = shipped.topology().unwrap_or_else(|wrong| panic!("{wrong}"));
            assert!(!topology.title.is_empty(), "{} has a title", shipped.name);
            assert!(!topology.about.is_empty(), "{} has an about", shipped.name);
        }
    }

    #[test]
    fn only_the_experiments_about_a_trap_are_warned_of() {
        let warned: Vec<&str> = builtins()
            .iter()
            .filter(|shipped| shipped.topology().is_ok_and(|read| !read.lints.is_empty()))
            .map(|shipped| shipped.name)
            .collect();
        let traps = [
            "backlog-overflow",
            "persistence-off",
            "slow-replica-output-buffer",
            "quorum-is-not-majority",
            "two-sentinels",
            "auth-mismatch",
            "persistence-off-sentinel",
        ];
        assert_eq!(warned, traps);
    }

    #[test]
    fn every_file_of_topologies_is_inside() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/topologies");
        for file in std::fs::read_dir(folder).expect("topologies/ is there") {
            let path = file.expect("readable").path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
            assert!(builtin(name).is_some(), "{name} is not in the table");
        }
    }
}
