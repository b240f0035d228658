//! LATENCY: how long commands take, and which of them took too long.

use super::{container, help, row};
use crate::command::flags::{ADMIN, CONTAINER, FAST, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::server::table::{self, Command, ServerRun};
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "LATENCY", -2, CONTAINER, "2.8.13", container)
        .doc("A container for latency diagnostics commands."),
    row(Group::Server, "LATENCY|DOCTOR", 2, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", doctor)
        .doc("Return a human readable latency analysis report."),
    row(Group::Server, "LATENCY|GRAPH", 3, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", graph)
        .doc("Return a latency graph for the event."),
    row(Group::Server, "LATENCY|HELP", 2, LOADING | STALE, "2.8.13", latency_help)
        .doc("Show helpful text about the different subcommands."),
    row(
        Group::Server,
        "LATENCY|HISTOGRAM",
        -2,
        ADMIN | LOADING | NOSCRIPT | STALE,
        "7.0.0",
        histogram,
    )
    .doc("Return the cumulative distribution of latencies of a subset of commands or all."),
    row(Group::Server, "LATENCY|HISTORY", 3, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", history)
        .doc("Return timestamp-latency samples for the event."),
    row(Group::Server, "LATENCY|LATEST", 2, ADMIN | LOADING | NOSCRIPT | STALE, "2.8.13", latest)
        .doc("Return the latest latency samples for all events."),
    row(
        Group::Server,
        "LATENCY|RESET",
        -2,
        ADMIN | LOADING | NOSCRIPT | STALE,
        "2.8.13",
        latency_reset,
    )
    .doc("Reset latency data for one or more events."),
];

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

/// What is advised whenever commands were slow.
const ADVICE: &str = "\
    - Check your Slow Log to understand what are the commands you are running which are too slow to \
    execute. Please check https://redis.io/commands/slowlog for more information.\n- Deleting, \
    expiring or evicting (because of maxmemory policy) large objects is a blocking operation. If \
    you have very large objects that are often deleted, expired, or evicted, try to fragment those \
    objects into multiple smaller objects.\n";

type Answer = Result<(), CommandError>;

fn latest(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let events: Vec<_> = server
        .latency
        .events()
        .filter_map(|(name, event)| Some((name, *event.samples.back()?, event.worst_ms)))
        .collect();
    let reply = server.reply(ask);
    reply.array(events.len());
    for (name, (at_s, ms), worst_ms) in events {
        reply.array(4);
        reply.bulk(name);
        reply.int(at_s);
        reply.int(ms as i64);
        reply.int(worst_ms as i64);
    }
    Ok(())
}

fn history(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let event = server.latency.event(ask.arg(2));
    let samples: Vec<_> = event.map_or_else(Vec::new, |(_, e)| e.samples.iter().copied().collect());
    let reply = server.reply(ask);
    reply.array(samples.len());
    for (at_s, ms) in samples {
        reply.array(2);
        reply.int(at_s);
        reply.int(ms as i64);
    }
    Ok(())
}

fn latency_reset(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let wanted = &ask.args[2..];
    let count = server.latency.reset(|name| {
        wanted.is_empty() || wanted.iter().any(|w| w.eq_ignore_ascii_case(name.as_bytes()))
    });
    server.reply(ask).count(count);
    Ok(())
}

fn graph(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let Some((name, event)) = server.latency.event(ask.arg(2)) else {
        let event = String::from_utf8_lossy(ask.arg(2));
        return Err(CommandError::new(format!("ERR No samples available for event '{event}'")));
    };
    let text = event.graph(name, server.now.wall_s());
    server.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn doctor(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let now_s = server.now.wall_s();
    let spikes: Vec<_> = server
        .latency
        .events()
        .enumerate()
        .map(|(n, (name, event))| format!("{}. {}\n", n + 1, event.summary(name, now_s)))
        .collect();
    let text = if !spikes.is_empty() {
        format!(
            "Dave, I have observed latency spikes in this Redis instance. You don't mind talking \
             about it, do you Dave?\n\n{}\nI have a few advices for you:\n\n{}{ADVICE}",
            spikes.concat(),
            server.advice_on_slow_log()
        )
    } else if server.config.latency_monitor_threshold == 0 {
        "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. \
         You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable \
         it. If we weren't in a deep space mission I'd suggest to take a look at \
         https://redis.io/topics/latency-monitor.\n"
            .to_owned()
    } else {
        "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the \
         slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and \
         think things over.\n"
            .to_owned()
    };
    server.reply(ask).verbatim("txt", text.as_bytes());
    Ok(())
}

fn histogram(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let wanted = &ask.args[2..];
    let shown: Vec<_> = table::all()
        .iter()
        .zip(&server.stats.latencies)
        .filter(|(command, _)| {
            let name = command.name.as_bytes();
            let head = command.name.split('|').next().unwrap_or_default().as_bytes();
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|w| w.eq_ignore_ascii_case(name) || w.eq_ignore_ascii_case(head))
        })
        .filter_map(|(command, histogram)| {
            let histogram = histogram.as_ref()?;
            Some((&command.name, histogram.total(), histogram.cumulative()))
        })
        .collect();
    let reply = server.reply(ask);
    reply.map(shown.len());
    for (name, calls, steps) in shown {
        reply.bulk(name);
        reply.map(2);
        reply.bulk("calls");
        reply.int(calls as i64);
        reply.bulk("histogram_usec");
        reply.map(steps.len());
        for (bound, count) in steps {
            reply.int(bound as i64);
            reply.int(count as i64);
        }
    }
    Ok(())
}

fn latency_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

impl Server {
    /// What is advised if the slow log misses what is slow enough to be kept here.
    fn advice_on_slow_log(&self) -> String {
        let limit_us = self.config.latency_monitor_threshold * 1000;
        match u64::try_from(self.config.slowlog_log_slower_than) {
            Ok(slow_us) if self.config.slowlog_max_len > 0 && slow_us <= limit_us => String::new(),
            Ok(_) if self.config.slowlog_max_len > 0 => format!(
                "- Your current Slow Log configuration only logs events that are slower than your \
                 configured latency monitor threshold. Please use 'CONFIG SET \
                 slowlog-log-slower-than {limit_us}'.\n"
            ),
            _ => format!(
                "- There are latency issues with potentially slow commands you are using. Try to \
                 enable the Slow Log Redis feature using the command 'CONFIG SET \
                 slowlog-log-slower-than {limit_us}'. If the Slow log is disabled Redis is not able \
                 to log slow commands execution for you.\n"
            ),
        }
    }

    /// Keeps that a command took longer than it should.
    pub(in crate::server) fn note_latency(&mut self, command: &Command, micros: u64) {
        let (limit, ms) = (self.config.latency_monitor_threshold, micros / 1000);
        if limit > 0 && ms >= limit {
            let event = if command.is(FAST) { "fast-command" } else { "command" };
            self.latency.add(event, self.now.wall_s(), ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn what_takes_longer_than_the_threshold_is_kept_until_it_is_reset() {
        let mut bench = Bench::new(&[("enable-debug-command", "yes")]);
        let conn = bench.connect();
        bench.ask(conn, "DEBUG SLEEP 0.1");
        assert_eq!(bench.ask(conn, "LATENCY LATEST"), "(empty array)", "it is off");
        for line in
            ["CONFIG SET latency-monitor-threshold 50", "DEBUG SLEEP 0.1", "DEBUG SLEEP 0.001"]
        {
            bench.ask(conn, line);
        }
        for (line, answer) in [
            ("LATENCY HISTORY command", "1) 1) (integer) 1700000000\n   2) (integer) 100"),
            ("LATENCY HISTORY nosuch", "(empty array)"),
            ("LATENCY GRAPH nosuch", "(error) ERR No samples available for event 'nosuch'"),
            ("LATENCY RESET nosuch", "(integer) 0"),
            ("LATENCY RESET", "(integer) 1"),
            ("LATENCY LATEST", "(empty array)"),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
        assert!(bench.ask(conn, "SLOWLOG GET 1").contains("(integer) 100000"));
    }
}
