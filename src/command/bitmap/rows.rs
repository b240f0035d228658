//! The rows of the commands on bitmaps.

use super::{count, field};
use crate::command::flags::{DENYOOM, FAST, READONLY, WRITE};
use crate::command::{Group, Keys, Run, Spec};

/// The rows of this file.
pub(in crate::command) const COMMANDS: &[Spec<Run>] = &[
    Spec {
        name: "SETBIT",
        arity: 4,
        flags: WRITE | DENYOOM,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "2.2.0",
        doc: "Sets or clears a bit of a string and returns what it was.",
        run: super::setbit,
    },
    Spec {
        name: "GETBIT",
        arity: 3,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "2.2.0",
        doc: "Returns a bit of a string.",
        run: super::getbit,
    },
    Spec {
        name: "BITCOUNT",
        arity: -2,
        flags: READONLY,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "2.6.0",
        doc: "Counts the bits that are set in a string or a part of it.",
        run: count::bitcount,
    },
    Spec {
        name: "BITPOS",
        arity: -3,
        flags: READONLY,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "2.8.7",
        doc: "Finds the first bit that is set or clear.",
        run: count::bitpos,
    },
    Spec {
        name: "BITOP",
        arity: -4,
        flags: WRITE | DENYOOM,
        keys: Keys::from(2),
        group: Group::Bitmap,
        since: "2.6.0",
        doc: "Combines the bits of strings and stores the result.",
        run: super::bitop,
    },
    Spec {
        name: "BITFIELD",
        arity: -2,
        flags: WRITE | DENYOOM,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "3.2.0",
        doc: "Reads and changes integers of any width in a string.",
        run: field::bitfield,
    },
    Spec {
        name: "BITFIELD_RO",
        arity: -2,
        flags: READONLY | FAST,
        keys: Keys::one(1),
        group: Group::Bitmap,
        since: "6.0.0",
        doc: "Reads integers of any width in a string.",
        run: field::bitfield_ro,
    },
];
