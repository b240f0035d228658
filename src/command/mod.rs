//! Floor 4: commands on data, one file per data type, each command a row of a table.
//!
//! # A row is the command
//!
//! Arity, flags, keys, help and replication behaviour of a command are data in its [`Spec`]; COMMAND,
//! COMMAND DOCS, COMMAND GETKEYS, key extraction and the order of refusals derive from the rows.
//! [`Spec`] is generic over its function: the rows here run on a [`Call`] (a keyspace and a reply),
//! those of the server floor on a whole server.
//!
//! # Effects, not requests, are replicated
//!
//! A command changes data through its [`Call`], which counts changes. One that changed nothing is
//! not replicated. One whose outcome depends on time or chance says what to replicate in its place
//! ([`Call::replicate_as`]): `EXPIRE k 10` becomes `PEXPIREAT k <time>`.
//!
//! # Expired keys
//!
//! Commands look keys up through the call, which knows the node's rule ([`ExpiryRule`]): a primary
//! deletes a key whose time has come and replicates the deletion before the command's own effect; a
//! replica only hides it, and deletes when its primary says so.

mod bitmap;
mod call;
mod chance;
mod database;
mod dump;
mod error;
pub mod event;
mod expire;
pub mod facts;
pub mod find_keys;
mod geo;
#[cfg(test)]
mod golden;
mod hash;
mod hyperloglog;
mod key;
mod list;
mod object;
mod options;
mod scan;
mod set;
mod sort;
pub mod spec;
mod stream;
mod string;
mod time;
mod zset;

pub use self::call::{Call, Effect, ExpiryRule, Lazy, Replicate, Wait};
pub use self::error::CommandError;
pub use self::key::database_number;
pub use self::spec::{Flags, Group, Keys, Spec, flags};

/// What a command on data runs.
pub type Run = fn(&mut Call<'_>) -> Result<(), CommandError>;

/// All rows of this floor, by group.
pub fn tables() -> Vec<&'static [Spec<Run>]> {
    vec![
        key::COMMANDS,
        expire::COMMANDS,
        scan::COMMANDS,
        database::COMMANDS,
        object::COMMANDS,
        string::COMMANDS,
        list::COMMANDS,
        hash::COMMANDS,
        set::COMMANDS,
        zset::COMMANDS,
        bitmap::COMMANDS,
        hyperloglog::COMMANDS,
        stream::COMMANDS,
        geo::COMMANDS,
        sort::COMMANDS,
        dump::COMMANDS,
    ]
}
