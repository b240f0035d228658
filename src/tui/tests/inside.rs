//! Looking inside nodes, with sights of a simulated lab.

use std::cell::RefCell;

use super::{SIZES, frame, healthy, script, snapshots, typed, ui};
use crate::lab::look::{Ask, Sight, Sort};
use crate::lab::topology::Topology;
use crate::lab::{Lab, LabView, machines, parse};
use crate::machine::Millis;
use crate::sim::SimWorld;
use crate::tui::app::Ui;
use crate::tui::export;

/// A primary and a replica that takes writes.
const PAIR: &str = r#"
title = "A pair"
[servers.alpha]
port = 6401
[servers.bravo]
port = 6402
replicaof = "alpha"
replica-read-only = false
"#;

struct Bench {
    lab: Lab<SimWorld>,
}

impl Bench {
    /// A lab with a few keys of every type, in both nodes.
    fn new() -> Self {
        let topology = Topology::parse("pair", PAIR).unwrap();
        let mut bench = Self { lab: Lab::new(SimWorld::new(7), &topology, &machines()).unwrap() };
        bench.live(8_000);
        assert!(bench.lab.is_ready());
        bench.ask("alpha SET greeting hello");
        bench.ask("alpha SET visits 1203");
        bench.ask("alpha SET session token PX 60000");
        bench.ask("alpha HSET user:7 name Ada city London");
        bench.ask("alpha RPUSH jobs mail resize invoice");
        bench.ask("alpha ZADD board 1815 Ada 1906 Grace");
        bench.ask("alpha SADD tags red green");
        bench.ask("alpha XADD log 1-1 level info text started");
        bench.ask("alpha SELECT 2");
        bench.ask("alpha SET elsewhere 1");
        bench.ask("alpha SELECT 0");
        bench
    }

    fn live(&mut self, ms: Millis) {
        let until = self.lab.now_ms() + ms;
        while self.lab.now_ms() < until {
            self.lab.turn(until);
        }
    }

    fn act(&mut self, line: &str) {
        self.lab.act(&parse::action(line).unwrap(), "key");
        self.live(100);
    }

    fn ask(&mut self, line: &str) {
        self.act(&format!("redis {line}"));
    }

    fn see(&mut self, ask: Ask) -> Sight {
        self.lab.show(ask);
        self.live(10);
        Sight::of(self.lab.drain_taken().remove(0))
    }

    fn keys(&mut self, node: &str, pattern: &str, sort: Sort) -> Sight {
        self.see(Ask::Keys { node: node.to_owned(), pattern: pattern.to_owned(), sort })
    }

    /// A lab whose nodes differ for every reason there is while they have one history.
    fn differing() -> Self {
        let mut bench = Self::new();
        bench.ask("alpha SET short lived PX 500");
        bench.act("cut alpha bravo");
        bench.ask("alpha INCR visits");
        bench.ask("alpha DEL tags");
        bench.ask("alpha SET greeting goodbye");
        bench.ask("alpha SET greeting \"see you\"");
        bench.ask("bravo SET mine 1");
        bench.ask("bravo HSET user:7 city Paris");
        bench.live(1_000);
        bench
    }
}

/// The screen after these keys, and after it was given what it asked for.
fn shown(ui: &mut Ui, view: &LabView, keys: &str, bench: &mut Bench) {
    typed(ui, view, keys);
    if let Some(ask) = ui.wants.take() {
        let sight = bench.see(ask);
        ui.on_sight(sight);
    }
}

/// Snapshots the answer to what some keys ask for, after some more keys.
fn snapshots_of_sight(name: &str, bench: &mut Bench, asking: &str, after: &str) {
    let view = bench.lab.view();
    let mut asks = ui(80, 24);
    typed(&mut asks, &view, asking);
    let ask = asks.wants.take().unwrap();
    let sights: Vec<Sight> = SIZES.iter().map(|_| bench.see(ask.clone())).collect();
    let sights = RefCell::new(sights);
    snapshots(name, &view, |ui| {
        typed(ui, &view, asking);
        ui.on_sight(sights.borrow_mut().pop().unwrap());
        typed(ui, &view, after);
    });
}

fn text(view: &LabView, ui: &Ui) -> String {
    export::text(&frame(view, ui))
}

#[test]
fn the_keys_of_a_node_with_types_sizes_and_a_peek_of_each_value() {
    let mut bench = Bench::new();
    snapshots_of_sight(
        "keys",
        &mut bench,
        "2i",
        "<down><down><down><down><down><down><down><enter>",
    );
}

#[test]
fn two_nodes_side_by_side_and_why_each_key_differs() {
    let mut bench = Bench::differing();
    snapshots_of_sight("diff", &mut bench, "D", "<down><down><down><down><enter>");
}

#[test]
fn a_glob_and_an_order_are_asked_for_and_the_old_rows_stay_until_the_new_ones_come() {
    let mut bench = Bench::new();
    let view = bench.lab.view();
    let mut ui = ui(120, 36);
    shown(&mut ui, &view, "i", &mut bench);
    assert!(text(&view, &ui).contains("9 keys   by name"));
    typed(&mut ui, &view, "/user<enter>");
    assert!(text(&view, &ui).contains("greeting"), "not there yet");
    shown(&mut ui, &view, "", &mut bench);
    let seen = text(&view, &ui);
    assert!(seen.contains("1 of 9 keys fit *user*") && !seen.contains("greeting"), "{seen}");
    shown(&mut ui, &view, "ss", &mut bench);
    assert!(text(&view, &ui).contains("by TTL"));
    shown(&mut ui, &view, "<right>", &mut bench);
    assert!(text(&view, &ui).contains("keys of bravo"));
}

#[test]
fn what_was_asked_for_before_is_not_shown_any_more() {
    let mut bench = Bench::new();
    let view = bench.lab.view();
    let mut ui = ui(120, 36);
    typed(&mut ui, &view, "i");
    let late = bench.keys("alpha", "", Sort::Name);
    typed(&mut ui, &view, "<right>");
    ui.on_sight(late);
    assert!(text(&view, &ui).contains("The snapshot is being read"));
    typed(&mut ui, &view, "<esc>");
    let late = bench.keys("bravo", "", Sort::Name);
    ui.on_sight(late);
    assert!(ui.inside().is_none());
}

#[test]
fn the_palette_looks_without_an_order_to_the_lab() {
    let view = healthy();
    let mut ui = ui(120, 36);
    assert!(typed(&mut ui, &view, ":diff alpha bravo<enter>").is_empty());
    let ask = Ask::Diff { a: "alpha".to_owned(), b: "bravo".to_owned() };
    assert_eq!(ui.wants.take(), Some(ask));
    assert!(typed(&mut ui, &view, "<esc>:keys charlie w:*<enter>").is_empty());
    let (node, pattern) = ("charlie".to_owned(), "w:*".to_owned());
    assert_eq!(ui.wants.take(), Some(Ask::Keys { node, pattern, sort: Sort::Name }));
    assert!(script(&view, "ijK").is_empty(), "no node is killed from in there");
}

#[test]
fn a_node_that_is_dead_has_nothing_to_show() {
    let mut bench = Bench::new();
    bench.act("kill bravo");
    let view = bench.lab.view();
    let mut ui = ui(80, 24);
    shown(&mut ui, &view, ":keys bravo<enter>", &mut bench);
    assert!(text(&view, &ui).contains("Nothing to see: bravo is dead"));
}
