//! Links that break and heal, and nodes that come back.

use replab::machine::{FullSyncReason, LinkState};
use replab::world::World;

use super::lab::{Lab, plain, saving};

#[test]
fn what_a_cut_link_held_arrives_when_it_heals() {
    let mut lab = Lab::new(1);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 5, 10);
    lab.run(5000);
    assert_eq!(lab.view(bravo).keys, 0);
    lab.heal(alpha, bravo);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.view(bravo).keys, 5);
    assert_eq!(lab.served(alpha), (1, 0), "the connection outlived the cut");
}

#[test]
fn a_cut_longer_than_repl_timeout_ends_in_a_partial_resync() {
    let mut lab = Lab::new(2);
    let alpha = lab.server(None, |c| c.repl_timeout = 5);
    let bravo = lab.server(Some(alpha), |c| c.repl_timeout = 5);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 5, 10);
    lab.until("both gave up", |lab| {
        lab.view(alpha).replicas.is_empty()
            && lab.view(bravo).primary.unwrap().state != LinkState::Connected
    });
    lab.heal(alpha, bravo);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.served(alpha), (1, 1));
}

#[test]
fn a_backlog_that_forgot_what_was_missed_ends_in_a_full_resync() {
    for (size, served) in [(16 << 10, (2, 0)), (1 << 20, (1, 1))] {
        let mut lab = Lab::new(3);
        let alpha = lab.server(None, |c| c.repl_backlog_size = size);
        let bravo = lab.server(Some(alpha), plain);
        lab.sync(&[alpha, bravo]);
        lab.cut(alpha, bravo);
        lab.world.reset_link(alpha, bravo);
        lab.fill(alpha, 100, 1000);
        lab.heal(alpha, bravo);
        lab.sync(&[alpha, bravo]);
        assert_eq!(lab.served(alpha), served);
        if served.0 == 2 {
            assert!(matches!(lab.last_reason(alpha), FullSyncReason::BeforeBacklog { .. }));
        }
    }
}

#[test]
fn a_primary_that_restarts_from_its_snapshot_is_continued_by_its_previous_name() {
    let mut lab = Lab::new(4);
    let alpha = lab.server(None, saving);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.ask(alpha, "SAVE"), "OK");
    lab.world.kill(alpha);
    lab.run(2000);
    lab.start(alpha);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.view(bravo).keys, lab.served(alpha)), (5, (0, 1)));
    assert!(lab.last_was_by_previous_id(alpha));
}

#[test]
fn a_primary_that_restarts_without_a_snapshot_wipes_its_replicas() {
    let mut lab = Lab::new(5);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo]);
    lab.world.kill(alpha);
    lab.start(alpha);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.view(bravo).keys, lab.served(alpha)), (0, (1, 0)));
    assert!(matches!(lab.last_reason(alpha), FullSyncReason::OtherHistory { .. }));
}

#[test]
fn a_replica_ahead_of_its_primarys_snapshot_starts_over() {
    let mut lab = Lab::new(6);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.ask(alpha, "SAVE"), "OK");
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo]);
    lab.world.power_loss(alpha);
    lab.start(alpha);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.view(bravo).keys, lab.served(alpha)), (0, (1, 0)));
    assert!(matches!(lab.last_reason(alpha), FullSyncReason::AheadOfShared { .. }));
}

#[test]
fn a_replica_that_restarts_from_its_snapshot_gets_what_it_missed() {
    let mut lab = Lab::new(7);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.ask(bravo, "SAVE"), "OK");
    lab.world.power_loss(bravo);
    lab.fill(alpha, 9, 10);
    lab.start(bravo);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.view(bravo).keys, lab.served(alpha)), (9, (1, 1)));
}

#[test]
fn a_chain_forwards_the_stream_and_its_name() {
    let mut lab = Lab::new(8);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(bravo), plain);
    let delta = lab.server(Some(charlie), plain);
    let all = [alpha, bravo, charlie, delta];
    lab.fill(alpha, 20, 100);
    lab.sync(&all);
    assert_eq!(lab.ask(alpha, "SAVE"), "OK");
    let old = lab.view(alpha).replid;
    lab.world.kill(alpha);
    lab.run(500);
    lab.start(alpha);
    lab.sync(&all);
    assert_ne!(lab.view(delta).replid, old, "the new name went down the chain");
    assert_eq!(all.map(|node| lab.served(node).0), [0, 1, 1, 0], "nobody needed a full resync");
}

#[test]
fn a_paused_node_goes_on_where_it_was() {
    for pause_replica in [true, false] {
        let mut lab = Lab::new(9);
        let alpha = lab.server(None, |c| c.repl_timeout = 5);
        let bravo = lab.server(Some(alpha), |c| c.repl_timeout = 5);
        lab.sync(&[alpha, bravo]);
        let paused = if pause_replica { bravo } else { alpha };
        lab.world.pause(paused);
        if pause_replica {
            lab.fill(alpha, 5, 10);
        }
        lab.run(20_000);
        lab.world.resume(paused);
        lab.sync(&[alpha, bravo]);
        lab.fill(alpha, 6, 10);
        lab.sync(&[alpha, bravo]);
        assert_eq!((lab.view(bravo).keys, lab.served(alpha).0), (6, 1));
    }
}

#[test]
fn a_backlog_that_nobody_wants_is_freed_after_its_time_and_the_history_renamed() {
    let mut lab = Lab::new(10);
    let alpha = lab.server(None, |c| c.repl_backlog_ttl = 3);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    let old = lab.view(alpha).replid;
    lab.world.kill(bravo);
    lab.run(2500);
    assert!(lab.view(alpha).backlog.is_some());
    lab.run(2500);
    assert_eq!(lab.view(alpha).backlog, None);
    assert_ne!(lab.view(alpha).replid, old);
}

#[test]
fn the_time_of_an_unwanted_backlog_begins_anew_with_a_restart() {
    let mut lab = Lab::new(11);
    let alpha = lab.server(None, |c| c.repl_backlog_ttl = 3);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.ask(alpha, "SAVE"), "OK");
    lab.world.kill(bravo);
    lab.world.kill(alpha);
    lab.run(20_000);
    lab.start(alpha);
    lab.run(2500);
    assert!(lab.view(alpha).backlog.is_some());
    lab.until("freed", |lab| lab.view(alpha).backlog.is_none());
}
