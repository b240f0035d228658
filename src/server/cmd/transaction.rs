//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::row;
use crate::command::flags::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE};
use crate::command::{CommandError, Group::Transactions, Keys, Spec};
use crate::machine::ConnId;
use crate::machine::Outbox;
use crate::server::dispatch::slices;
use crate::server::table::ServerRun;
use crate::server::transaction::Transaction;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Transactions, "MULTI", 1, ALLOW_BUSY | FAST | LOADING | NOSCRIPT | STALE, "1.2.0", multi)
        .doc("Mark the start of a transaction block."),
    row(Transactions, "EXEC", 1, LOADING | NOSCRIPT | SKIP_SLOWLOG | STALE, "1.2.0", exec)
        .doc("Execute all commands issued after MULTI."),
    row(
        Transactions,
        "DISCARD",
        1,
        ALLOW_BUSY | FAST | LOADING | NOSCRIPT | STALE,
        "2.0.0",
        discard,
    )
    .doc("Discard all commands issued after MULTI."),
    row(Transactions, "WATCH", -2, ALLOW_BUSY | FAST | LOADING | NOSCRIPT | STALE, "2.2.0", watch)
        .keys(Keys::from(1))
        .doc("Watch the given keys to determine execution of the MULTI/EXEC block."),
    row(
        Transactions,
        "UNWATCH",
        1,
        ALLOW_BUSY | FAST | LOADING | NOSCRIPT | STALE,
        "2.2.0",
        unwatch,
    )
    .doc("Forget about all watched keys."),
];

fn multi(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    let Some(client) = server.clients.get_mut(ask.conn) else { return Ok(()) };
    if client.transaction.is_some() {
        return Err(CommandError::fixed("ERR MULTI calls can not be nested"));
    }
    client.transaction = Some(Transaction::default());
    client.reply.ok();
    Ok(())
}

fn exec(server: &mut Server, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
    let failed = server.watch_failed(ask.conn);
    let transaction = server.end_transaction(ask.conn);
    let transaction = transaction.ok_or(CommandError::fixed("ERR EXEC without MULTI"))?;
    if transaction.is_spoiled() {
        return Err(CommandError::fixed(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if failed {
        server.reply(ask).null_array();
        return Ok(());
    }
    server.reply(ask).array(transaction.len());
    server.propagation.open(server.now);
    for (command, words) in transaction.into_queued() {
        let closing_after = server.client(ask).filter(|c| c.closing).map(|c| c.reply.len());
        server.run(ask.conn, command, &slices(&words), out);
        if let Some(bytes) = closing_after {
            server.reply(ask).truncate(bytes);
        }
    }
    server.propagation.close();
    Ok(())
}

fn discard(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    if server.end_transaction(ask.conn).is_none() {
        return Err(CommandError::fixed("ERR DISCARD without MULTI"));
    }
    server.reply(ask).ok();
    Ok(())
}

fn watch(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    if server.client(ask).is_some_and(|c| c.transaction.is_some()) {
        return Err(CommandError::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    // What is spoiled already stays so; more keys would change nothing.
    if !server.client(ask).is_some_and(|c| c.watch_spoiled) {
        for key in &ask.args[1..] {
            server.watch(ask.conn, key);
        }
    }
    server.reply(ask).ok();
    Ok(())
}

fn unwatch(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Result<(), CommandError> {
    server.unwatch(ask.conn);
    server.reply(ask).ok();
    Ok(())
}

impl Server {
    /// Takes a client's open block away, and with it what it watches.
    pub(in crate::server) fn end_transaction(&mut self, conn: ConnId) -> Option<Transaction> {
        let transaction = self.clients.get_mut(conn)?.transaction.take()?;
        self.unwatch(conn);
        Some(transaction)
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn a_block_runs_as_one() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let replies = bench.send(
            conn,
            b"MULTI\r\nSET k 1\r\nGET k\r\nMULTI\r\nWATCH k\r\nEXEC\r\nEXEC\r\nDISCARD\r\n",
        );
        assert_eq!(
            replies,
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR MULTI calls can not be nested\r\n\
             -ERR WATCH inside MULTI is not allowed\r\n*2\r\n+OK\r\n$1\r\n1\r\n\
             -ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n"
        );
    }

    #[test]
    fn a_refused_command_spoils_the_block() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        let replies = bench.send(conn, b"MULTI\r\nGET\r\nGET k\r\nEXEC\r\n");
        assert!(replies.ends_with(
            b"+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"
        ));
    }

    #[test]
    fn a_watched_key_that_is_touched_stops_the_block() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        for (change, answer) in [("SET k 2", "(nil)"), ("SET j 2", "1) OK")] {
            bench.ask(one, "WATCH k");
            bench.ask(other, change);
            bench.ask(one, "MULTI");
            bench.ask(one, "SET k 1");
            assert_eq!(bench.ask(one, "EXEC"), answer, "{change}");
        }
        bench.ask(one, "WATCH k");
        bench.ask(other, "SET k 3");
        bench.ask(one, "UNWATCH");
        bench.ask(one, "MULTI");
        assert_eq!(bench.ask(one, "EXEC"), "(empty array)");
    }

    #[test]
    fn a_watched_key_that_expires_stops_the_block() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.ask(conn, "SET k 1");
        let soon = bench.now.wall_ms() + 50;
        bench.server.keyspace.db_mut(0).set_expiry(b"k", Some(soon));
        bench.ask(conn, "WATCH k");
        bench.advance(75);
        bench.ask(conn, "MULTI");
        assert_eq!(bench.ask(conn, "EXEC"), "(nil)");
    }

    #[test]
    fn a_replica_refuses_a_block_that_writes() {
        let mut bench = Bench::new(&[("replicaof", "127.0.0.1 7999")]);
        let conn = bench.connect();
        let refusal = "READONLY You can't write against a read only replica.";
        bench.ask(conn, "MULTI");
        assert_eq!(bench.ask(conn, "SET k 1"), format!("(error) {refusal}"));
        assert!(bench.ask(conn, "EXEC").contains("EXECABORT"));
        bench.ask(conn, "MULTI");
        bench.server.config.replica_read_only = false;
        bench.ask(conn, "SET k 1");
        bench.server.config.replica_read_only = true;
        assert_eq!(
            bench.ask(conn, "EXEC"),
            format!("(error) EXECABORT Transaction discarded because of: {refusal}")
        );
        assert_eq!(bench.ask(conn, "EXEC"), "(error) ERR EXEC without MULTI");
    }
}
