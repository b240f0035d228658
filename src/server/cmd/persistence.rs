//! Persistence: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN.

use crate::command::flags::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::{Group, Keys, Spec};
use crate::server::table::ServerRun;

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    Spec {
        name: "SAVE",
        arity: 1,
        flags: ADMIN | NOSCRIPT | NO_MULTI,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Synchronously saves the database(s) to disk.",
        run: |server, ask, out| server.on_save(ask, out),
    },
    Spec {
        name: "BGSAVE",
        arity: -1,
        flags: ADMIN | NOSCRIPT,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Asynchronously saves the database(s) to disk.",
        run: |server, ask, out| server.on_bgsave(ask, out),
    },
    Spec {
        name: "BGREWRITEAOF",
        arity: 1,
        flags: ADMIN | NOSCRIPT,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Asynchronously rewrites the append-only file to disk.",
        run: |server, ask, out| server.on_bgrewriteaof(ask, out),
    },
    Spec {
        name: "LASTSAVE",
        arity: 1,
        flags: LOADING | STALE | FAST,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Returns the Unix timestamp of the last successful save to disk.",
        run: |server, ask, _| {
            let last = server.persistence.last_save_s;
            server.reply(ask).int(last);
            Ok(())
        },
    },
    Spec {
        name: "SHUTDOWN",
        arity: -1,
        flags: ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
        keys: Keys::NONE,
        group: Group::Server,
        since: "1.0.0",
        doc: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
        run: |server, ask, out| server.on_shutdown(ask, out),
    },
];
