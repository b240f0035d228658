//! The rows of the commands on HyperLogLogs.

use crate::command::flags::{ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE};
use crate::command::{Group, Keys, Run, Spec};

/// The rows of this file.
pub(in crate::command) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "PFADD",
        arity: -2,
        flags: WRITE | DENYOOM | FAST,
        keys: Keys::one(1),
        group: Group::HyperLogLog,
        since: "2.8.9",
        doc: "Adds elements to a HyperLogLog, creating it if missing.",
        run: super::pfadd,
    },
    Spec {
        name: "PFCOUNT",
        arity: -2,
        flags: READONLY | MAY_REPLICATE,
        keys: Keys::from(1),
        group: Group::HyperLogLog,
        since: "2.8.9",
        doc: "Estimates how many different elements HyperLogLogs have together.",
        run: super::pfcount,
    },
    Spec {
        name: "PFMERGE",
        arity: -2,
        flags: WRITE | DENYOOM,
        keys: Keys::from(1),
        group: Group::HyperLogLog,
        since: "2.8.9",
        doc: "Puts HyperLogLogs together into one.",
        run: super::pfmerge,
    },
    Spec {
        name: "PFDEBUG",
        arity: 3,
        flags: WRITE | DENYOOM | ADMIN,
        keys: Keys::one(2),
        group: Group::HyperLogLog,
        since: "2.8.9",
        doc: "Shows how a HyperLogLog is kept.",
        run: super::pfdebug,
    },
    Spec {
        name: "PFSELFTEST",
        arity: 1,
        flags: ADMIN,
        keys: Keys::NONE,
        group: Group::HyperLogLog,
        since: "2.8.9",
        doc: "Checks that HyperLogLogs count right.",
        run: super::pfselftest,
    },
];
