//! Full resyncs.

use replab::machine::{Fact, ReplicaState};
use replab::server::BufferLimit;
use replab::world::LinkPolicy;

use super::lab::{Lab, plain};

#[test]
fn a_replica_gets_what_was_there_and_what_comes_through_a_file_or_straight() {
    for diskless in [true, false] {
        let mut lab = Lab::new(1);
        let alpha = lab.server(None, |c| c.repl_diskless_sync = diskless);
        lab.fill(alpha, 50, 100);
        let bravo = lab.server(Some(alpha), plain);
        lab.sync(&[alpha, bravo]);
        assert_eq!(lab.ask(alpha, "SET after 2"), "OK");
        lab.sync(&[alpha, bravo]);
        assert_eq!(lab.ask(bravo, "GET after"), "\"2\"");
        assert_eq!(
            lab.ask(bravo, "SET k v"),
            "(error) READONLY You can't write against a read only replica."
        );
        assert_eq!((lab.view(bravo).keys, lab.served(alpha)), (51, (1, 0)));
    }
}

/// How many snapshots a node has begun.
fn snapshots(lab: &Lab) -> usize {
    lab.facts.iter().filter(|(_, fact)| matches!(fact, Fact::SaveStarted { .. })).count()
}

#[test]
fn replicas_that_come_together_share_a_snapshot() {
    let mut lab = Lab::new(2);
    let alpha = lab.server(None, |c| c.repl_diskless_sync_delay = 2);
    lab.fill(alpha, 50, 100);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo, charlie]);
    assert_eq!((snapshots(&lab), lab.served(alpha)), (1, (2, 0)));
}

#[test]
fn a_replica_joins_a_snapshot_file_being_written_and_gets_the_stream_since_it_began() {
    let mut lab = Lab::new(3);
    let alpha = lab.server(None, |c| {
        c.repl_diskless_sync = false;
        c.rdb_key_save_delay = 50_000;
    });
    lab.fill(alpha, 50, 100);
    let bravo = lab.server(Some(alpha), plain);
    lab.until("saving", |lab| lab.view(alpha).saving);
    lab.fill(alpha, 60, 200);
    let charlie = lab.server(Some(alpha), plain);
    lab.fill(alpha, 70, 300);
    assert!(lab.view(alpha).saving);
    lab.sync(&[alpha, bravo, charlie]);
    assert_eq!((snapshots(&lab), lab.served(alpha), lab.view(charlie).keys), (1, (2, 0), 70));
}

#[test]
fn a_replica_that_comes_during_a_straight_snapshot_waits_for_the_next() {
    let mut lab = Lab::new(4);
    let alpha = lab.server(None, |c| c.rdb_key_save_delay = 50_000);
    lab.fill(alpha, 50, 100);
    let bravo = lab.server(Some(alpha), plain);
    lab.run(1000);
    let charlie = lab.server(Some(alpha), plain);
    lab.run(500);
    let states: Vec<_> = lab.view(alpha).replicas.iter().map(|r| r.state).collect();
    assert_eq!(states, [ReplicaState::WaitSnapshot; 2]);
    lab.fill(alpha, 60, 100);
    lab.sync(&[alpha, bravo, charlie]);
    assert_eq!(snapshots(&lab), 2);
}

#[test]
fn a_replica_that_breaks_off_during_a_snapshot_starts_over() {
    for diskless in [true, false] {
        let mut lab = Lab::new(5);
        let alpha = lab.server(None, |c| {
            c.repl_diskless_sync = diskless;
            c.rdb_key_save_delay = 20_000;
        });
        lab.fill(alpha, 100, 100);
        let bravo = lab.server(Some(alpha), plain);
        for _ in 0..3 {
            lab.run(700);
            replab::world::World::reset_link(&mut lab.world, alpha, bravo);
        }
        lab.sync(&[alpha, bravo]);
        assert!(lab.served(alpha).0 > 1);
    }
}

#[test]
fn a_slow_receiver_gets_everything_and_holds_up_no_writes() {
    let mut lab = Lab::new(6);
    let alpha = lab.server(None, plain);
    lab.fill(alpha, 100, 3000);
    let bravo = lab.server(Some(alpha), plain);
    lab.link(alpha, bravo, LinkPolicy { bytes_per_s: 50_000, ..LinkPolicy::default() });
    lab.run(1000);
    lab.fill(alpha, 120, 300);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.served(alpha), lab.view(bravo).keys), ((1, 0), 120));
}

#[test]
fn a_replica_beyond_the_output_buffer_limit_is_dropped_and_comes_back() {
    let mut lab = Lab::new(7);
    let alpha = lab.server(None, |c| {
        c.repl_backlog_size = 16 << 10;
        c.replica_buffer_limit =
            BufferLimit { hard_bytes: 2 << 20, soft_bytes: 0, soft_seconds: 0 };
    });
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 50, 100_000);
    let lost = |lab: &Lab| {
        lab.facts.iter().any(|(_, fact)| {
            matches!(fact, Fact::ReplicaLost { reason, .. } if reason.contains("output buffer"))
        })
    };
    assert!(lost(&lab) && lab.view(alpha).replicas.is_empty());
    lab.heal(alpha, bravo);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.served(alpha), (2, 0));
}
