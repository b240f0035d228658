//! Whole topologies of real servers in the simulated world.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;
use std::sync::Arc;

use replab::machine::{LinkState, Machine, ServerView};
use replab::resp::{Answer, command, read_answer};
use replab::server::{Config, Server};
use replab::sim::SimWorld;
use replab::world::{Birth, ClientId, NodeId, NodeSpec, World, WorldEvent};

/// Nodes in a simulated world, and clients that ask them.
struct Lab {
    world: SimWorld,
    received: HashMap<ClientId, Vec<u8>>,
}

impl Lab {
    fn new(seed: u64) -> Self {
        Self { world: SimWorld::new(seed), received: HashMap::new() }
    }

    fn server(
        &mut self,
        name: &str,
        primary: Option<NodeId>,
        directives: &[(&str, &str)],
    ) -> NodeId {
        let mut directives: Vec<(String, String)> =
            directives.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        if let Some(primary) = primary {
            let port = self.world.port(primary);
            directives.push(("replicaof".to_owned(), format!("127.0.0.1 {port}")));
        }
        let config = Config::from_directives(&directives).expect("directives are right");
        let build = Arc::new(move |birth: Birth| {
            Box::new(Server::new(config.clone(), birth.port, birth.seed)) as Box<dyn Machine>
        });
        let spec = NodeSpec { name: name.to_owned(), port: 0, dir: None, build };
        let node = self.world.add(spec).expect("a port");
        self.world.start(node).expect("starts");
        node
    }

    fn view(&self, node: NodeId) -> ServerView {
        let view = self.world.view(node).expect("runs");
        view.server().expect("a data node").clone()
    }

    fn run(&mut self, ms: u64) {
        let until = self.world.now().mono + ms;
        while let Some(event) = self.world.poll(until) {
            if let WorldEvent::ClientReceived { client, data } = event {
                self.received.entry(client).or_default().extend_from_slice(&data);
            }
        }
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..600 {
            if holds(self) {
                return;
            }
            self.run(100);
        }
        panic!("not within a minute: {what}");
    }

    fn ask(&mut self, client: ClientId, words: &[&str]) -> Answer {
        self.world.send(client, command(words));
        for _ in 0..6000 {
            self.run(10);
            let data = self.received.entry(client).or_default();
            if let Some((answer, taken)) = read_answer(data).expect("well-formed") {
                data.drain(..taken);
                return answer;
            }
        }
        panic!("no answer to {words:?}");
    }

    fn is_in_sync(&self, replica: NodeId, primary: NodeId) -> bool {
        let (replica, primary) = (self.view(replica), self.view(primary));
        replica.primary.is_some_and(|link| link.state == LinkState::Connected)
            && replica.offset == primary.offset
            && replica.replid == primary.replid
    }
}

const QUICK: &[(&str, &str)] = &[("repl-diskless-sync-delay", "0")];

#[test]
fn a_replica_gets_what_was_there_and_what_comes() {
    let mut lab = Lab::new(1);
    let alpha = lab.server("alpha", None, QUICK);
    let client = lab.world.connect(alpha);
    assert_eq!(lab.ask(client, &["SET", "before", "1"]).to_string(), "OK");
    let bravo = lab.server("bravo", Some(alpha), QUICK);
    lab.until("in sync", |lab| lab.is_in_sync(bravo, alpha));
    assert_eq!(lab.ask(client, &["SET", "after", "2"]).to_string(), "OK");
    lab.until("in sync", |lab| lab.is_in_sync(bravo, alpha) && lab.view(bravo).keys == 2);
    let reader = lab.world.connect(bravo);
    assert_eq!(lab.ask(reader, &["GET", "before"]).to_string(), "\"1\"");
    assert_eq!(lab.ask(reader, &["GET", "after"]).to_string(), "\"2\"");
    assert_eq!(
        lab.ask(reader, &["SET", "k", "v"]).to_string(),
        "(error) READONLY You can't write against a read only replica."
    );
    assert_eq!((lab.view(alpha).sync_full, lab.view(alpha).sync_partial_ok), (1, 0));
}
