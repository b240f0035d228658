//! The snapshot file and an orderly end.

use replab::world::World;

use super::lab::{Lab, plain, saving};

#[test]
fn save_and_bgsave_survive_a_power_loss_and_lastsave_tells_when() {
    for order in ["SAVE", "BGSAVE"] {
        let mut lab = Lab::new(1);
        let alpha = lab.server(None, plain);
        lab.fill(alpha, 5, 10);
        let before = lab.ask(alpha, "LASTSAVE");
        lab.run(2000);
        lab.ask(alpha, order);
        lab.until("saved", |lab| !lab.view(alpha).saving);
        assert_ne!(lab.ask(alpha, "LASTSAVE"), before);
        lab.fill(alpha, 9, 10);
        lab.world.power_loss(alpha);
        lab.start(alpha);
        assert_eq!(lab.view(alpha).keys, 5);
    }
}

#[test]
fn a_node_that_dies_while_saving_keeps_its_old_snapshot() {
    let mut lab = Lab::new(2);
    let alpha = lab.server(None, |c| c.rdb_key_save_delay = 10_000);
    lab.fill(alpha, 5, 10);
    assert_eq!(lab.ask(alpha, "SAVE"), "OK");
    lab.fill(alpha, 100, 10);
    lab.ask(alpha, "BGSAVE");
    lab.run(500);
    assert!(lab.view(alpha).saving);
    lab.world.power_loss(alpha);
    lab.start(alpha);
    assert_eq!(lab.view(alpha).keys, 5);
}

#[test]
fn a_shutdown_lets_replicas_catch_up_and_saves_so_that_they_continue() {
    for order in ["SHUTDOWN", "SIGTERM"] {
        let mut lab = Lab::new(3);
        let alpha = lab.server(None, saving);
        let bravo = lab.server(Some(alpha), plain);
        lab.sync(&[alpha, bravo]);
        lab.cut(alpha, bravo);
        lab.fill(alpha, 5, 10);
        if order == "SHUTDOWN" {
            lab.say(alpha, "SHUTDOWN");
        } else {
            lab.world.stop(alpha);
        }
        lab.run(3000);
        assert_eq!(lab.exits, [], "it waits for the replica");
        lab.heal(alpha, bravo);
        lab.until("ended", |lab| lab.exits == [alpha]);
        assert_eq!(lab.view(bravo).keys, 5);
        lab.start(alpha);
        lab.sync(&[alpha, bravo]);
        assert_eq!(lab.served(alpha), (0, 1), "after {order}");
    }
}

#[test]
fn a_shutdown_does_not_wait_for_a_lost_replica_for_ever() {
    let mut lab = Lab::new(4);
    let alpha = lab.server(None, saving);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    lab.cut(alpha, bravo);
    lab.fill(alpha, 5, 10);
    lab.say(alpha, "SHUTDOWN");
    lab.run(11_000);
    assert_eq!(lab.exits, [alpha]);
    lab.start(alpha);
    assert_eq!(lab.view(alpha).keys, 5);
}
