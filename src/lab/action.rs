//! Whatever a person can do, as a value with a textual form: what keys, the palette, the steps of a
//! topology file, standard input of a headless run, and the journal all speak.

use crate::machine::Millis;

/// An order to the lab. Names are nodes of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `kill NODE`: SIGKILL.
    Kill {
        /// The node.
        node: String,
    },
    /// `restart NODE`: start it again (killing it first if it runs).
    Restart {
        /// The node.
        node: String,
    },
    /// `pause NODE [for 10s]`: SIGSTOP.
    Pause {
        /// The node.
        node: String,
        /// Resumes by itself after so long.
        for_ms: Option<Millis>,
    },
    /// `resume NODE`: SIGCONT.
    Resume {
        /// The node.
        node: String,
    },
    /// `power-loss NODE`: SIGKILL, and what was not fsynced is gone.
    PowerLoss {
        /// The node.
        node: String,
    },
    /// `shutdown NODE`: SIGTERM.
    Shutdown {
        /// The node.
        node: String,
    },
    /// `cut A B`, `cut A->B`, each `[for 10s]`.
    Cut {
        /// Which link.
        link: LinkRef,
        /// Heals by itself after so long.
        for_ms: Option<Millis>,
    },
    /// `heal`, `heal NODE`, `heal A B`, `heal A->B`: takes every fault off the links named.
    Heal {
        /// Which links.
        what: HealRef,
    },
    /// `isolate NODE... [for 10s]`: cuts every link between these nodes and the others, both ways.
    Isolate {
        /// The nodes of the one side, at least one.
        nodes: Vec<String>,
        /// Heals by itself after so long.
        for_ms: Option<Millis>,
    },
    /// `delay A->B 50ms [+-10ms] [for 10s]`.
    Delay {
        /// Which link.
        link: LinkRef,
        /// Milliseconds.
        delay_ms: Millis,
        /// Milliseconds more or less.
        jitter_ms: Millis,
        /// Heals by itself after so long.
        for_ms: Option<Millis>,
    },
    /// `throttle A->B 50kb [for 10s]`: bytes per second.
    Throttle {
        /// Which link.
        link: LinkRef,
        /// Bytes per second.
        bytes_per_s: u64,
        /// Heals by itself after so long.
        for_ms: Option<Millis>,
    },
    /// `reset A B`: resets the connections between two nodes.
    Reset {
        /// Which link; its direction does not matter.
        link: LinkRef,
    },
    /// `promote NODE`: REPLICAOF NO ONE.
    Promote {
        /// The node.
        node: String,
    },
    /// `replicaof NODE PRIMARY`.
    ReplicaOf {
        /// The node that shall follow.
        node: String,
        /// The node to follow.
        primary: String,
    },
    /// `failover NAME`: SENTINEL FAILOVER, to a Sentinel that watches it.
    Failover {
        /// The monitor.
        monitor: String,
    },
    /// `sentinel-reset NAME`: SENTINEL RESET, to every Sentinel that watches it.
    SentinelReset {
        /// The monitor.
        monitor: String,
    },
    /// `ckquorum NAME`: SENTINEL CKQUORUM, to every Sentinel that watches it.
    CkQuorum {
        /// The monitor.
        monitor: String,
    },
    /// `split-vote NAME`: an election that nobody wins.
    SplitVote {
        /// The monitor.
        monitor: String,
    },
    /// `write 200/s [NODE]`, `write off`: the workload's rate, and where it writes: a node, or a
    /// monitor, whose primary it follows.
    Write {
        /// Writes per second.
        per_second: u32,
        /// The node or monitor to write to; without one, it stays where it was.
        node: Option<String>,
    },
    /// `redis NODE COMMAND…`: a command on the lab's kept connection to a node.
    Redis {
        /// The node.
        node: String,
        /// The command's words.
        words: Vec<String>,
    },
    /// `stream NODE`: what went down its replication stream since it was last told.
    Stream {
        /// The node.
        node: String,
    },
    /// `diff A B`: how the data of two nodes differs, and why.
    Diff {
        /// One node.
        a: String,
        /// Another one.
        b: String,
    },
    /// `keys NODE [PATTERN]`: the keys of a node.
    Keys {
        /// The node.
        node: String,
        /// A glob; without one, all.
        pattern: Option<String>,
    },
    /// `expect NODE FIELD=VALUE … [within 8s]`.
    Expect {
        /// What is expected.
        claim: Claim,
        /// How long it may take to become true.
        within_ms: Millis,
    },
    /// `wait 3s`.
    Wait {
        /// Milliseconds.
        ms: Millis,
    },
    /// `hold`, `next`, `go`: when the script's steps are done.
    Script(ScriptOrder),
    /// `launch [TOPOLOGY]`: ends the lab and launches it anew, or another one. The screen's.
    Launch {
        /// A file, or the name of a built-in topology; without one, what runs now.
        topology: Option<String>,
    },
    /// `export [FILE]`: writes down what happened. The screen's.
    Export {
        /// The file; without one, a name is found.
        file: Option<String>,
    },
    /// `undo`: takes back the last fault.
    Undo,
    /// `quit`.
    Quit,
}

/// Names a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LinkRef {
    /// One end.
    pub a: String,
    /// The other end.
    pub b: String,
    /// Which way.
    pub direction: Direction,
}

/// Which way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `A<->B`, or `A B`.
    Both,
    /// `A->B`: only what A sends to B.
    AToB,
}

/// What becomes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptOrder {
    /// `hold`: no step is done.
    Hold,
    /// `next`: the next step is done, whatever its time, and no other.
    Next,
    /// `go`: it runs on from where it is.
    Go,
}

/// Which links are healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealRef {
    /// All of them.
    All,
    /// All links of a node.
    Node(String),
    /// One link.
    Link(LinkRef),
}

/// Something that can be true of a node, of a watched primary, or of the lab.
///
/// Textual form: a subject (a node's or a monitor's name, or `lab`), then conditions that must hold
/// together: `bravo link=down`, `alpha role=primary keys>=100`, `mymaster primary=bravo`, `lab lost=0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// A node's or a monitor's name, or `lab`.
    pub subject: String,
    /// What must hold.
    pub conditions: Vec<Condition>,
}

/// One comparison of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The field, as listed by the script's documentation.
    pub field: String,
    /// How to compare.
    pub comparison: Comparison,
    /// With what: a word or a number.
    pub value: String,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}
