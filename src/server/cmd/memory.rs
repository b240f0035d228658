//! MEMORY: what is accounted to keys and to the node.

use super::{container, help, row};
use crate::base::number;
use crate::command::flags::{CONTAINER, LOADING, READONLY, STALE};
use crate::command::{CommandError, Group, Keys, Spec};
use crate::keyspace::Value;
use crate::machine::Outbox;
use crate::resp::Reply;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "MEMORY", -2, CONTAINER, "4.0.0", container)
        .doc("A container for memory diagnostics commands."),
    row(Group::Server, "MEMORY|DOCTOR", 2, 0, "4.0.0", doctor)
        .doc("Outputs memory problems report."),
    row(Group::Server, "MEMORY|HELP", 2, LOADING | STALE, "4.0.0", memory_help)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Server, "MEMORY|MALLOC-STATS", 2, 0, "4.0.0", malloc_stats)
        .doc("Show allocator internal stats."),
    row(Group::Server, "MEMORY|PURGE", 2, 0, "4.0.0", purge)
        .doc("Ask the allocator to release memory."),
    row(Group::Server, "MEMORY|STATS", 2, 0, "4.0.0", stats).doc("Show memory usage details."),
    row(Group::Server, "MEMORY|USAGE", -3, READONLY, "4.0.0", usage)
        .keys(Keys::one(2))
        .doc("Estimate the memory usage of a key."),
];

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
];

type Answer = Result<(), CommandError>;

/// Below this MEMORY DOCTOR has nothing to say.
const DOCTOR_BYTES_MIN: u64 = 5 << 20;

fn usage(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    match ask.args {
        [_, _, _] => {}
        [_, _, _, option, count] if option.eq_ignore_ascii_case(b"SAMPLES") => {
            let count = number::parse_i64(count).ok_or(CommandError::NOT_AN_INTEGER)?;
            if count < 0 {
                return Err(CommandError::SYNTAX);
            }
        }
        _ => return Err(CommandError::SYNTAX),
    }
    let key = ask.arg(2);
    let db = server.client(ask).map_or(0, |c| c.db);
    let bytes = server.keyspace.db(db).get(key).map(|value| {
        // A key of at most fifteen bytes lies in its table entry.
        let key_bytes = if key.len() > 15 { key.len() + 16 } else { 0 };
        2 * size_of::<Value>() + value.heap_bytes() + key_bytes
    });
    let reply = server.reply(ask);
    match bytes {
        Some(bytes) => reply.count(bytes),
        None => reply.null(),
    }
    Ok(())
}

fn stats(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let memory = server.memory();
    let (used, keys) = (memory.used(), server.keyspace.keys());
    let peak = server.rates.memory_peak_bytes.max(used);
    let own = used - memory.startup;
    let dbs: Vec<(usize, u64)> = server
        .keyspace
        .iter()
        .enumerate()
        .filter(|(_, db)| !db.is_empty())
        .map(|(index, db)| (index, db.table_bytes() as u64))
        .collect();
    let reply = server.reply(ask);
    reply.map(27 + dbs.len());
    numbers(
        reply,
        &[
            ("peak.allocated", peak),
            ("total.allocated", used),
            ("startup.allocated", memory.startup),
            ("replication.backlog", memory.backlog),
            ("clients.slaves", memory.replicas),
            ("clients.normal", memory.clients),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", 0),
            ("functions.caches", 0),
        ],
    );
    for (index, tables) in dbs {
        reply.bulk(format!("db.{index}"));
        reply.map(3);
        let parts = [("main", tables), ("expires", 0), ("slot-to-keys", 0)];
        for (part, bytes) in parts {
            numbers(reply, &[(&format!("overhead.hashtable.{part}"), bytes)]);
        }
    }
    numbers(
        reply,
        &[
            ("overhead.total", memory.overhead()),
            ("keys.count", keys),
            ("keys.bytes-per-key", own.checked_div(keys).unwrap_or(0)),
            ("dataset.bytes", memory.dataset),
        ],
    );
    ratio(reply, "dataset.percentage", share(memory.dataset, own));
    ratio(reply, "peak.percentage", share(used, peak));
    for name in ["allocator.allocated", "allocator.active", "allocator.resident"] {
        numbers(reply, &[(name, used)]);
    }
    for name in ["allocator-fragmentation", "allocator-rss", "rss-overhead"] {
        ratio(reply, &format!("{name}.ratio"), 1.0);
        numbers(reply, &[(&format!("{name}.bytes"), 0)]);
    }
    ratio(reply, "fragmentation", 1.0);
    numbers(reply, &[("fragmentation.bytes", 0)]);
    Ok(())
}

fn numbers(reply: &mut Reply, fields: &[(&str, u64)]) {
    for (name, n) in fields {
        reply.bulk(name);
        reply.int(*n as i64);
    }
}

fn ratio(reply: &mut Reply, name: &str, value: f64) {
    reply.bulk(name);
    reply.double(&value.to_string());
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn doctor(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let text = if server.memory_bytes() < DOCTOR_BYTES_MIN {
        "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be \
         used in these conditions. Please, leave for your mission on Earth and fill it with some \
         data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n"
    } else {
        "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs \
         on this base.\n"
    };
    server.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn purge(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).ok();
    Ok(())
}

fn malloc_stats(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).verbatim("txt", b"Stats not supported for the current allocator");
    Ok(())
}

fn memory_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn usage_grows_with_the_value() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.ask(conn, "SET k 1");
        let small = bench.ask(conn, "MEMORY USAGE k");
        bench.ask(conn, &format!("SET k {}", "x".repeat(1000)));
        assert_ne!(bench.ask(conn, "MEMORY USAGE k"), small);
        assert_eq!(bench.ask(conn, "MEMORY USAGE nosuch"), "(nil)");
        assert_eq!(bench.ask(conn, "MEMORY USAGE k SAMPLES"), "(error) ERR syntax error");
    }
}
