//! Choosing what to launch, and the errands that come of it.

use super::*;
use crate::tui::app::Errand;
use crate::tui::fixtures::healthy;
use crate::tui::labs::{Labs, Offer};

fn offer(name: &str, title: &str, about: &str) -> Offer {
    Offer { name: name.into(), title: title.into(), about: about.into() }
}

fn labs() -> Labs {
    let shipped = crate::lab::topology::builtins().iter().map(|shipped| {
        let read = shipped.topology().unwrap();
        offer(shipped.name, &read.title, &read.about)
    });
    let mine = offer("mine.toml", "Mine", "Two servers and a slow link.");
    Labs::new(shipped.chain([mine]).collect(), "chain".into())
}

fn choosing(width: u16, height: u16, keys: &str) -> Ui {
    let mut ui = ui(width, height);
    ui.layers.push(Layer::Labs(labs()));
    typed(&mut ui, &healthy(), keys);
    ui
}

fn launches(keys: &str) -> Option<String> {
    match choosing(80, 24, keys).errand? {
        Errand::Launch { name } => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_be_launched() {
    snapshots("labs", &healthy(), |ui| ui.layers.push(Layer::Labs(labs())));
}

#[test]
fn the_list_is_filtered_as_one_types() {
    let ui = choosing(80, 24, "sentinel quorum");
    insta::assert_snapshot!("labs_filtered_80x24", export::text(&frame(&healthy(), &ui)));
    let none = export::text(&frame(&healthy(), &choosing(80, 24, "zebra")));
    assert!(none.contains("None has these words in it."), "{none}");
}

#[test]
fn enter_launches_the_chosen_one_and_first_of_all_the_lab_that_runs_anew() {
    assert_eq!(launches("<enter>").as_deref(), Some("chain"));
    assert_eq!(launches("<down><enter>").as_deref(), Some("fan"));
    assert_eq!(launches("mine<enter>").as_deref(), Some("mine.toml"));
    assert_eq!(launches("brain<enter>").as_deref(), Some("split-brain"));
    assert_eq!(launches("failover<enter>").as_deref(), Some("failover"), "names go first");
    assert_eq!(launches("zebra<enter>"), None);
    assert_eq!(launches("<esc>"), None);
}

#[test]
fn a_lab_that_cannot_be_launched_shows_why_until_the_next_key() {
    let mut ui = choosing(80, 24, "mine");
    if let Some(Layer::Labs(labs)) = ui.layers.last_mut() {
        labs.wrong = Some("error: `alpah` is no server\n --> mine.toml:3:14".into());
    }
    insta::assert_snapshot!("labs_wrong_80x24", export::text(&frame(&healthy(), &ui)));
    typed(&mut ui, &healthy(), "<down>");
    let text = export::text(&frame(&healthy(), &ui));
    assert!(text.contains("Two servers and a slow link.") && !text.contains("alpah"), "{text}");
}

#[test]
fn keys_and_typed_words_come_to_the_same_errands() {
    let errand = |keys: &str| {
        let mut ui = ui(80, 24);
        assert!(typed(&mut ui, &healthy(), keys).is_empty());
        ui.errand
    };
    assert_eq!(errand("o"), Some(Errand::Offers));
    assert_eq!(errand(":launch<enter>"), Some(Errand::Launch { name: None }));
    let chain = Some(Errand::Launch { name: Some("chain".into()) });
    assert_eq!(errand(":launch chain<enter>"), chain);
    assert_eq!(errand("E"), Some(Errand::Export { file: None }));
    let file = Some(Errand::Export { file: Some("a.md".into()) });
    assert_eq!(errand(":export a.md<enter>"), file);
}

#[test]
fn a_screen_that_only_watches_launches_nothing_and_still_writes_down() {
    let mut ui = ui(80, 24);
    ui.read_only = true;
    typed(&mut ui, &healthy(), "o:launch chain<enter>");
    assert_eq!(ui.errand, None);
    typed(&mut ui, &healthy(), ":export<enter>");
    assert_eq!(ui.errand, Some(Errand::Export { file: None }));
}

#[test]
fn nothing_of_the_last_lab_is_left_when_another_one_begins() {
    let mut ui = choosing(80, 24, "");
    (ui.selected, ui.scroll, ui.failovers_seen, ui.frozen) = (3, 7, 2, true);
    ui.filter = "kill".into();
    ui.begin_anew("fan");
    assert_eq!((ui.selected, ui.scroll, ui.failovers_seen, ui.frozen), (0, 0, 0, false));
    assert!(ui.layers.is_empty() && ui.filter.is_empty());
}
