//! The table of actions: one row each. The parser, help, completion and the README read it.

use super::action::{Action, ScriptOrder};
use super::parse::{
    EXPECT_WITHIN_DEFAULT_MS, ParseError, read_claim, read_duration, read_heal, read_jitter,
    read_link, read_monitor, read_name, read_names, read_option, read_rate, read_throughput,
};
use super::words::Words;

/// One action that exists.
pub struct ActionRow {
    /// The verb.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// What follows the verb, for completion.
    pub(super) slots: &'static [Slot],
    pub(super) read: fn(&mut Words) -> Result<Action, ParseError>,
}

/// What can stand at a place of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Node,
    Nodes,
    Monitor,
    NodeOrMonitor,
    Link,
    Duration,
    Jitter,
    Throughput,
    Rate,
    Claim,
    Topology,
    For,
}

impl ActionRow {
    /// The row of a verb.
    pub fn of(verb: &str) -> Option<&'static Self> {
        ACTIONS.iter().find(|row| row.name == verb)
    }
}

/// All actions, in the order in which help shows them.
pub const ACTIONS: &[ActionRow] = &[
    ActionRow {
        name: "kill",
        usage: "kill NODE",
        doc: "Ends a node at once, as SIGKILL does.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Kill { node: read_name(words)? }),
    },
    ActionRow {
        name: "restart",
        usage: "restart NODE",
        doc: "Starts a node again from its directory, killing it first if it runs.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Restart { node: read_name(words)? }),
    },
    ActionRow {
        name: "pause",
        usage: "pause NODE [for 10s]",
        doc: "Freezes a node, as SIGSTOP does: its sockets stay, nothing is answered.",
        slots: &[Slot::Node, Slot::For],
        read: |words| {
            Ok(Action::Pause { node: read_name(words)?, for_ms: read_option(words, "for")? })
        },
    },
    ActionRow {
        name: "resume",
        usage: "resume NODE",
        doc: "Lets a frozen node run again, as SIGCONT does.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Resume { node: read_name(words)? }),
    },
    ActionRow {
        name: "power-loss",
        usage: "power-loss NODE",
        doc: "Ends a node at once and takes away whatever it had not fsynced.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::PowerLoss { node: read_name(words)? }),
    },
    ActionRow {
        name: "shutdown",
        usage: "shutdown NODE",
        doc: "Asks a node to end in order, as SIGTERM does.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Shutdown { node: read_name(words)? }),
    },
    ActionRow {
        name: "cut",
        usage: "cut A B | cut A->B [for 10s]",
        doc: "Lets no byte and no end of stream across a link, in both directions or in one.",
        slots: &[Slot::Link, Slot::For],
        read: |words| {
            Ok(Action::Cut { link: read_link(words)?, for_ms: read_option(words, "for")? })
        },
    },
    ActionRow {
        name: "heal",
        usage: "heal [NODE | A B | A->B]",
        doc: "Takes every fault off the links named, or off all; what was held arrives.",
        slots: &[Slot::Link],
        read: |words| Ok(Action::Heal { what: read_heal(words)? }),
    },
    ActionRow {
        name: "isolate",
        usage: "isolate NODE… [for 10s]",
        doc: "Cuts every link between these nodes and the others, in both directions.",
        slots: &[Slot::Nodes, Slot::For],
        read: |words| {
            Ok(Action::Isolate { nodes: read_names(words)?, for_ms: read_option(words, "for")? })
        },
    },
    ActionRow {
        name: "delay",
        usage: "delay A B | delay A->B 50ms [+-10ms] [for 10s]",
        doc: "Makes what passes a link late, by about so much; its order is kept.",
        slots: &[Slot::Link, Slot::Duration, Slot::Jitter, Slot::For],
        read: |words| {
            Ok(Action::Delay {
                link: read_link(words)?,
                delay_ms: read_duration(words)?,
                jitter_ms: read_jitter(words)?,
                for_ms: read_option(words, "for")?,
            })
        },
    },
    ActionRow {
        name: "throttle",
        usage: "throttle A B | throttle A->B 50kb [for 10s]",
        doc: "Lets only so many bytes per second across a link.",
        slots: &[Slot::Link, Slot::Throughput, Slot::For],
        read: |words| {
            Ok(Action::Throttle {
                link: read_link(words)?,
                bytes_per_s: read_throughput(words)?,
                for_ms: read_option(words, "for")?,
            })
        },
    },
    ActionRow {
        name: "reset",
        usage: "reset A B",
        doc: "Resets the connections between two nodes, as a firewall that forgot them would.",
        slots: &[Slot::Link],
        read: |words| Ok(Action::Reset { link: read_link(words)? }),
    },
    ActionRow {
        name: "promote",
        usage: "promote NODE",
        doc: "Sends REPLICAOF NO ONE: the node becomes a primary.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Promote { node: read_name(words)? }),
    },
    ActionRow {
        name: "replicaof",
        usage: "replicaof NODE PRIMARY",
        doc: "Sends REPLICAOF: the first node follows the second.",
        slots: &[Slot::Node, Slot::Node],
        read: |words| Ok(Action::ReplicaOf { node: read_name(words)?, primary: read_name(words)? }),
    },
    ActionRow {
        name: "failover",
        usage: "failover NAME",
        doc: "Sends SENTINEL FAILOVER: the Sentinels replace a primary that works, in good order.",
        slots: &[Slot::Monitor],
        read: |words| Ok(Action::Failover { monitor: read_monitor(words)? }),
    },
    ActionRow {
        name: "ckquorum",
        usage: "ckquorum NAME",
        doc: "Asks every Sentinel whether enough of them are there for a failover.",
        slots: &[Slot::Monitor],
        read: |words| Ok(Action::CkQuorum { monitor: read_monitor(words)? }),
    },
    ActionRow {
        name: "sentinel-reset",
        usage: "sentinel-reset NAME",
        doc: "Makes every Sentinel forget the replicas and Sentinels of a primary, and look anew.",
        slots: &[Slot::Monitor],
        read: |words| Ok(Action::SentinelReset { monitor: read_monitor(words)? }),
    },
    ActionRow {
        name: "split-vote",
        usage: "split-vote NAME",
        doc: "Kills the primary and lets its Sentinels hear each other late, so that each votes for itself and nobody wins; then heals.",
        slots: &[Slot::Monitor],
        read: |words| Ok(Action::SplitVote { monitor: read_monitor(words)? }),
    },
    ActionRow {
        name: "write",
        usage: "write 200/s [NODE|NAME] | write off",
        doc: "Sets the workload's rate, and moves it to a node, or to wherever Sentinels send it.",
        slots: &[Slot::Rate, Slot::NodeOrMonitor],
        read: |words| {
            let per_second = read_rate(words)?;
            let node = words.peek().is_some().then(|| read_name(words)).transpose()?;
            Ok(Action::Write { per_second, node })
        },
    },
    ActionRow {
        name: "redis",
        usage: "redis NODE COMMAND…",
        doc: "Sends a command on the lab's own connection to a node and shows the reply.",
        slots: &[Slot::Node],
        read: |words| {
            let node = read_name(words)?;
            let mut command = vec![words.next("a command", "for example redis alpha GET k")?.text];
            command.extend(std::iter::from_fn(|| words.take()).map(|word| word.text));
            Ok(Action::Redis { node, words: command })
        },
    },
    ActionRow {
        name: "stream",
        usage: "stream NODE",
        doc: "Tells what went down a node's replication stream since it was last told, beside what the lab asked it.",
        slots: &[Slot::Node],
        read: |words| Ok(Action::Stream { node: read_name(words)? }),
    },
    ActionRow {
        name: "diff",
        usage: "diff A B",
        doc: "Compares the data of two nodes and says why keys differ: not yet arrived, expired, written locally.",
        slots: &[Slot::Node, Slot::Node],
        read: |words| Ok(Action::Diff { a: read_name(words)?, b: read_name(words)? }),
    },
    ActionRow {
        name: "keys",
        usage: "keys NODE [PATTERN]",
        doc: "Shows the keys of a node, from a snapshot that costs it nothing.",
        slots: &[Slot::Node],
        read: |words| {
            let node = read_name(words)?;
            Ok(Action::Keys { node, pattern: words.take().map(|word| word.text) })
        },
    },
    ActionRow {
        name: "expect",
        usage: "expect NODE|NAME|lab FIELD=VALUE… [within 8s]",
        doc: "Waits until something is true of a node, a watched primary or the lab; fails if it does not become so.",
        slots: &[Slot::Claim],
        read: |words| {
            let claim = read_claim(words)?;
            let within = read_option(words, "within")?;
            Ok(Action::Expect { claim, within_ms: within.unwrap_or(EXPECT_WITHIN_DEFAULT_MS) })
        },
    },
    ActionRow {
        name: "wait",
        usage: "wait 3s",
        doc: "Lets time pass before the next line of a script.",
        slots: &[Slot::Duration],
        read: |words| Ok(Action::Wait { ms: read_duration(words)? }),
    },
    ActionRow {
        name: "undo",
        usage: "undo",
        doc: "Takes back the last fault.",
        slots: &[],
        read: |_| Ok(Action::Undo),
    },
    ActionRow {
        name: "hold",
        usage: "hold",
        doc: "Holds the script: no step is done until `next` or `go`.",
        slots: &[],
        read: |_| Ok(Action::Script(ScriptOrder::Hold)),
    },
    ActionRow {
        name: "next",
        usage: "next",
        doc: "Does the script's next step, whatever its time, and holds the script there.",
        slots: &[],
        read: |_| Ok(Action::Script(ScriptOrder::Next)),
    },
    ActionRow {
        name: "go",
        usage: "go",
        doc: "Lets a held script run on.",
        slots: &[],
        read: |_| Ok(Action::Script(ScriptOrder::Go)),
    },
    ActionRow {
        name: "launch",
        usage: "launch [TOPOLOGY]",
        doc: "Ends the lab and launches it anew from its file, or another one: on the screen only.",
        slots: &[Slot::Topology],
        read: |words| Ok(Action::Launch { topology: words.take().map(|word| word.text) }),
    },
    ActionRow {
        name: "export",
        usage: "export [FILE]",
        doc: "Writes what happened, and what came of it, to a file (Markdown): on the screen only.",
        slots: &[],
        read: |words| Ok(Action::Export { file: words.take().map(|word| word.text) }),
    },
    ActionRow {
        name: "quit",
        usage: "quit",
        doc: "Ends the lab.",
        slots: &[],
        read: |_| Ok(Action::Quit),
    },
];
