//! Servers and Sentinels outside the lab.

use super::*;
use crate::tui::fixtures::{among_others, primary, replica, with_replicas};

/// The place behind the nodes of the first server outside.
const OUTSIDE: usize = 4;

#[test]
fn a_replica_outside_stands_under_the_node_that_feeds_it() {
    snapshots("outside", &among_others(), |ui| ui.selected = OUTSIDE);
}

#[test]
fn what_is_outside_is_told_in_full_on_enter() {
    let view = among_others();
    let mut ui = ui(80, 24);
    ui.selected = OUTSIDE;
    typed(&mut ui, &view, "<enter>");
    insta::assert_snapshot!("outside_detail_80x24", export::text(&frame(&view, &ui)));
}

#[test]
fn ascii_draws_what_is_outside_with_nothing_else() {
    let mut ui = ui(120, 36);
    ui.ascii = true;
    let text = export::text(&frame(&among_others(), &ui));
    assert!(text.is_ascii() && text.contains("127.0.0.1:27000"), "{text}");
}

#[test]
fn a_primary_outside_stands_over_the_nodes_that_follow_it() {
    let mut view = among_others();
    view.outside.truncate(1);
    view.outside[0].fed = None;
    view.outside[0].feeds = vec![0, 3];
    view.nodes[0] = replica("alpha", 6401, 0, 0);
    view.nodes[0].follows = None;
    let text = export::text(&frame(&view, &ui(120, 36)));
    let line = |word: &str| text.lines().position(|line| line.contains(word));
    assert!(line("OUTSIDE") < line("┏ alpha"), "{text}");
    assert!(text.contains("feeds alpha, delta"), "{text}");
}

#[test]
fn keys_that_break_things_stop_at_the_border_of_the_lab() {
    let view = among_others();
    let mut ui = ui(120, 36);
    ui.selected = OUTSIDE;
    for key in ["K", "r", "z", "P", "x", "X", "s", "f", "d", "c", "L", "i", "D"] {
        assert!(typed(&mut ui, &view, key).is_empty(), "{key}");
        let notice = ui.notice.clone().unwrap_or_default();
        let ending = "to 127.0.0.1:27000: it is outside the lab, which only watches it";
        assert!(notice.ends_with(ending), "{key}: {notice}");
    }
    typed(&mut ui, &view, "y");
    assert_eq!(ui.clipboard.as_deref(), Some("redis-cli -p 27000"));
    ui.selected = OUTSIDE + 1;
    typed(&mut ui, &view, "y");
    assert_eq!(ui.clipboard.as_deref(), Some("redis-cli -h 192.168.100.17 -p 6379"));
    typed(&mut ui, &view, "2");
    assert_eq!(ui.selected, 1, "digits lead back into the lab");
}

#[test]
fn arrows_walk_across_the_border_of_the_lab() {
    let view = among_others();
    let mut ui = ui(120, 36);
    ui.selected = 2;
    typed(&mut ui, &view, "l");
    assert_eq!(ui.selected, OUTSIDE);
    typed(&mut ui, &view, "<down>");
    assert_eq!(ui.selected, 3);
    typed(&mut ui, &view, "<up>");
    assert_eq!(ui.selected, OUTSIDE);
    typed(&mut ui, &view, "<up>");
    assert_eq!(ui.selected, 0);
}

#[test]
fn one_that_goes_takes_the_selection_with_it() {
    let mut view = among_others();
    let mut ui = ui(120, 36);
    ui.selected = OUTSIDE + 1;
    view.outside.clear();
    typed(&mut ui, &view, "?");
    assert_eq!(ui.selected, 3);
    frame(&view, &ui);
}

#[test]
fn sentinels_outside_are_counted_at_the_primary_where_the_lab_has_none() {
    let text = export::text(&frame(&among_others(), &ui(120, 36)));
    assert!(text.contains(" 1 Sentinel "), "{text}");
    let mut lone = among_others();
    lone.nodes = vec![primary("alpha", 6401)];
    lone.outside.clear();
    with_replicas(&mut lone);
    let text = export::text(&frame(&lone, &ui(120, 36)));
    assert!(!text.contains("Sentinel"), "{text}");
}
