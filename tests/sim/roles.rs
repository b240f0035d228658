//! Promotion, new primaries, FAILOVER.

use replab::machine::{FullSyncReason, Role};
use replab::world::World;

use super::lab::{Lab, plain};

#[test]
fn siblings_and_the_old_primary_continue_with_a_promoted_replica() {
    let mut lab = Lab::new(1);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(alpha), plain);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo, charlie]);
    assert_eq!(lab.ask(bravo, "REPLICAOF NO ONE"), "OK");
    lab.follow(charlie, bravo);
    lab.follow(alpha, bravo);
    lab.fill(bravo, 6, 10);
    lab.sync(&[bravo, alpha, charlie]);
    assert_eq!(lab.served(bravo), (0, 2));
    assert!(lab.last_was_by_previous_id(bravo));
    assert_eq!(lab.view(charlie).keys, 6);
}

#[test]
fn a_sibling_that_is_ahead_of_the_promoted_replica_starts_over() {
    let mut lab = Lab::new(2);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo, charlie]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, charlie]);
    assert_eq!(lab.ask(bravo, "REPLICAOF NO ONE"), "OK");
    lab.follow(charlie, bravo);
    lab.sync(&[bravo, charlie]);
    assert_eq!((lab.served(bravo), lab.view(charlie).keys), ((1, 0), 0));
    assert!(matches!(lab.last_reason(bravo), FullSyncReason::AheadOfShared { .. }));
}

#[test]
fn a_promotion_in_the_middle_of_a_chain_takes_its_lower_part_along() {
    let mut lab = Lab::new(3);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(bravo), plain);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo, charlie]);
    assert_eq!(lab.ask(bravo, "REPLICAOF NO ONE"), "OK");
    lab.fill(bravo, 6, 10);
    lab.sync(&[bravo, charlie]);
    assert_eq!(lab.served(bravo), (1, 1));
}

#[test]
fn a_failover_changes_roles_without_a_full_resync() {
    let mut lab = Lab::new(4);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(alpha), plain);
    lab.fill(alpha, 5, 10);
    lab.sync(&[alpha, bravo, charlie]);
    let port = lab.world.port(bravo);
    assert_eq!(lab.ask(alpha, &format!("FAILOVER TO 127.0.0.1 {port}")), "OK");
    lab.until("roles changed", |lab| {
        (lab.view(alpha).role, lab.view(bravo).role) == (Role::Replica, Role::Primary)
    });
    lab.sync(&[bravo, alpha, charlie]);
    assert_eq!((lab.served(bravo).0, lab.served(alpha).0, lab.view(alpha).keys), (0, 2, 5));
}

#[test]
fn a_failover_to_a_replica_that_does_not_catch_up_is_aborted() {
    let mut lab = Lab::new(5);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 1, 10);
    assert_eq!(lab.ask(alpha, "FAILOVER ABORT"), "(error) ERR No failover in progress.");
    assert_eq!(lab.ask(alpha, "FAILOVER TIMEOUT 1000"), "OK");
    assert_eq!(lab.ask(alpha, "FAILOVER"), "(error) ERR FAILOVER already in progress.");
    lab.run(1500);
    assert_eq!(lab.ask(alpha, "FAILOVER"), "OK", "the first one was over");
    assert_eq!(lab.ask(alpha, "FAILOVER ABORT"), "OK");
    lab.heal(alpha, bravo);
    lab.sync(&[alpha, bravo]);
    assert_eq!((lab.view(alpha).role, lab.served(alpha)), (Role::Primary, (1, 0)));
}

#[test]
fn a_forced_failover_to_a_dead_replica_leaves_the_primary_a_primary() {
    let mut lab = Lab::new(6);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 1, 10);
    let port = lab.world.port(bravo);
    let order = format!("FAILOVER TO 127.0.0.1 {port} FORCE TIMEOUT 500");
    assert_eq!(lab.ask(alpha, &order), "OK");
    lab.world.kill(bravo);
    lab.run(1000);
    lab.heal(alpha, bravo);
    lab.until("aborted", |lab| lab.view(alpha).role == Role::Primary);
    lab.fill(alpha, 2, 10);
    lab.start(bravo);
    lab.sync(&[alpha, bravo]);
}
