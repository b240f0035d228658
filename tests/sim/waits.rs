//! Acknowledgements: WAIT and min-replicas-to-write.

use replab::world::World;

use super::lab::{Lab, plain};

#[test]
fn wait_answers_as_soon_as_enough_replicas_have_the_write() {
    let mut lab = Lab::new(1);
    let alpha = lab.server(None, plain);
    let bravo = lab.server(Some(alpha), plain);
    let charlie = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo, charlie]);
    lab.cut(alpha, charlie);
    lab.fill(alpha, 1, 10);
    let begun = lab.world.now().mono;
    assert_eq!(lab.ask(alpha, "WAIT 1 10000"), "(integer) 1");
    assert!(lab.world.now().mono - begun < 50, "a GETACK is answered at once");
    let begun = lab.world.now().mono;
    assert_eq!(lab.ask(alpha, "WAIT 2 1500"), "(integer) 1");
    assert!((1500..1600).contains(&(lab.world.now().mono - begun)));
    let client = lab.say(alpha, "WAIT 2 0");
    lab.run(3000);
    assert_eq!(lab.answer(client), None);
    lab.heal(alpha, charlie);
    lab.run(1500);
    assert_eq!(lab.answer(client).as_deref(), Some("(integer) 2"));
}

#[test]
fn writes_need_replicas_that_were_heard_lately() {
    let mut lab = Lab::new(2);
    let alpha = lab.server(None, |c| {
        c.min_replicas_to_write = 1;
        c.min_replicas_max_lag = 2;
    });
    let refusal = "(error) NOREPLICAS Not enough good replicas to write.";
    assert_eq!(lab.ask(alpha, "SET k v"), refusal);
    let bravo = lab.server(Some(alpha), plain);
    lab.sync(&[alpha, bravo]);
    assert_eq!(lab.ask(alpha, "SET k v"), "OK");
    lab.cut(alpha, bravo);
    lab.run(4000);
    assert_eq!(lab.ask(alpha, "SET k v"), refusal);
    assert_eq!(lab.ask(alpha, "GET k"), "\"v\"");
    lab.heal(alpha, bravo);
    lab.run(1500);
    assert_eq!(lab.ask(alpha, "SET k v"), "OK");
    lab.world.kill(bravo);
    lab.run(10);
    assert_eq!(lab.ask(alpha, "SET k v"), refusal);
}
