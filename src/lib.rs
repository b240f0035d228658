//! The map of replab: a terminal lab for Redis replication.
//!
//! # Bird's eye
//!
//! A *node* (a whole server) is a deterministic state machine, [`machine::Machine`]: no socket,
//! clock, dice, file or thread inside. A *world* ([`world::World`]) runs many of them and owns the
//! network between them. There are two worlds of one shape: [`live`] (threads, sockets, files, real
//! time) and [`sim`] (virtual clock, network and disk, all seeded). The *lab* ([`lab`]) reads a
//! topology file, starts the nodes in a world, carries out actions, and keeps a journal. The *faces*
//! ([`script`], [`report`], [`tui`]) read the journal and the lab's view, and speak actions.
//!
//! # Floors: a floor uses only the floors below it
//!
//! | floor | folder | subject |
//! |---|---|---|
//! | 0 | [`base`] | time, dice, numbers, globs, checksums |
//! | 1 | [`resp`] | the wire protocol, both directions |
//! | 2 | [`keyspace`] | databases, copy-on-write snapshots, values, expiry |
//! | 3 | [`persist`], [`repl`], [`machine`] | RDB and AOF; replication stream, backlog, handshake; the node's trait |
//! | 4 | [`command`] | the table of commands, one file per data type |
//! | 5 | [`server`] | a whole node: clients, dispatch, propagation, replication, INFO, CONFIG |
//! | 5 | [`sentinel`] | a whole Sentinel: watching, agreeing, electing, failing over |
//! | 6 | [`world`] | what can be done to nodes and links, whichever world they live in |
//! | 7 | [`live`], [`sim`] | the two worlds |
//! | 8 | [`lab`] | topology, actions, journal, workload |
//! | 9 | [`script`], [`report`], [`tui`] | the faces |
//!
//! `tests/tidy.rs` holds these walls.

pub mod base;
pub mod command;
pub mod keyspace;
pub mod lab;
pub mod live;
pub mod machine;
pub mod persist;
pub mod repl;
pub mod report;
pub mod resp;
pub mod script;
pub mod sentinel;
pub mod server;
pub mod sim;
pub mod tui;
pub mod world;
