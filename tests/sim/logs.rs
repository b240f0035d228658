//! The log of commands (AOF): what a crash leaves of it.

use replab::machine::Fact;
use replab::server::{Config, Fsync};
use replab::world::{NodeId, World};

use super::lab::{Lab, plain};

/// A log that is made durable like this.
fn logging(fsync: Fsync) -> impl Fn(&mut Config) {
    move |config| {
        config.appendonly = true;
        config.appendfsync = fsync;
    }
}

/// Keys that are left after 100 writes, 3 seconds, 20 writes, and the crash.
fn left(fsync: Fsync, crash: fn(&mut Lab, NodeId)) -> u64 {
    let mut lab = Lab::new(1);
    let alpha = lab.server(None, logging(fsync));
    for key in 0..120 {
        if key == 100 {
            lab.run(3000);
        }
        assert_eq!(lab.ask(alpha, &format!("SET {key} x")), "OK");
    }
    crash(&mut lab, alpha);
    lab.start(alpha);
    lab.view(alpha).keys
}

#[test]
fn a_power_loss_takes_what_the_policy_allows() {
    let power_loss = |lab: &mut Lab, node| lab.world.power_loss(node);
    assert_eq!(left(Fsync::Always, power_loss), 120, "always: nothing");
    let kept = left(Fsync::Everysec, power_loss);
    assert!((100..120).contains(&kept), "everysec: about a second of {kept}");
    assert_eq!(left(Fsync::No, power_loss), 0, "no: all since the file was made");
}

#[test]
fn a_kill_takes_nothing_unless_a_write_waits_for_a_slow_sync() {
    for fsync in [Fsync::Always, Fsync::No] {
        assert_eq!(left(fsync, |lab, node| lab.world.kill(node)), 120, "{fsync:?}");
    }
}

#[test]
fn a_power_loss_at_any_moment_of_a_rewrite_takes_no_write_that_was_synced() {
    for moment in 0..60 {
        let mut lab = Lab::new(moment);
        let alpha = lab.server(None, |config| {
            logging(Fsync::Always)(config);
            config.rdb_key_save_delay = 1000;
        });
        lab.fill(alpha, 20, 10);
        let client = lab.say(alpha, "BGREWRITEAOF");
        for key in 0..moment / 2 {
            lab.say(alpha, &format!("SET new{key} x"));
            lab.run(2);
        }
        lab.run(moment % 2);
        let mut acked = 0;
        while let Some(answer) = lab.answer(client) {
            acked += u64::from(answer == "OK");
        }
        lab.world.power_loss(alpha);
        lab.start(alpha);
        let keys = lab.view(alpha).keys;
        assert!(keys >= 20 + acked, "{acked} at {moment}: {keys}");
    }
}

#[test]
fn a_rewrite_makes_the_log_short_and_it_goes_on() {
    let mut lab = Lab::new(3);
    let alpha = lab.server(None, logging(Fsync::Always));
    for _ in 0..200 {
        lab.ask(alpha, "INCR counter");
    }
    assert_eq!(lab.ask(alpha, "BGREWRITEAOF"), "Background append only file rewriting started");
    lab.until("rewritten", |lab| {
        lab.facts.iter().any(|(_, fact)| matches!(fact, Fact::LogRewritten { .. }))
    });
    lab.ask(alpha, "INCR counter");
    let file = |name| lab.world.file(alpha, name).map(<[u8]>::len);
    assert_eq!(file("appendonlydir/appendonly.aof.1.incr.aof"), None);
    let tail = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n";
    assert_eq!(file("appendonlydir/appendonly.aof.2.incr.aof"), Some(tail.len()));
    lab.world.power_loss(alpha);
    lab.start(alpha);
    assert_eq!(lab.ask(alpha, "GET counter"), "\"201\"");
}

#[test]
fn turned_on_while_the_node_runs_it_holds_what_was_there_before() {
    let mut lab = Lab::new(4);
    let alpha = lab.server(None, |config| config.appendfsync = Fsync::Always);
    lab.fill(alpha, 30, 10);
    assert_eq!(lab.ask(alpha, "CONFIG SET appendonly yes"), "OK");
    for key in 0..20 {
        lab.ask(alpha, &format!("SET later{key} x"));
    }
    lab.until("on", |lab| {
        lab.facts.iter().any(|(_, fact)| matches!(fact, Fact::LogRewritten { .. }))
    });
    let incr = lab.world.file(alpha, "appendonlydir/appendonly.aof.1.incr.aof");
    assert!(incr.is_some_and(|log| log.windows(7).any(|word| word == b"later19")));
    let manifest = lab.world.file(alpha, "appendonlydir/appendonly.aof.manifest").unwrap();
    assert_eq!(
        String::from_utf8_lossy(manifest),
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    );
}

#[test]
fn a_replica_logs_what_its_primary_says_and_loads_it_without_the_primary() {
    let mut lab = Lab::new(5);
    let alpha = lab.server(None, plain);
    lab.fill(alpha, 10, 10);
    let bravo = lab.server(Some(alpha), logging(Fsync::Always));
    lab.sync(&[alpha, bravo]);
    lab.until("logging", |lab| {
        lab.facts.iter().any(|(_, fact)| matches!(fact, Fact::LogRewritten { .. }))
    });
    for line in ["SELECT 3", "MULTI", "SET a 1", "SET b 2", "EXEC", "PUBLISH news x"] {
        lab.ask(alpha, line);
    }
    lab.sync(&[alpha, bravo]);
    lab.world.kill(alpha);
    lab.world.power_loss(bravo);
    lab.start(bravo);
    assert_eq!(lab.view(bravo).keys, 12);
    assert_eq!(lab.ask(bravo, "SELECT 3"), "OK");
    assert_eq!(lab.ask(bravo, "GET b"), "\"2\"");
}
