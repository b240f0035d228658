//! Choosing what to launch: what is at hand, as far as the typed words are in it.

use crossterm::event::{Event, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::app::{Panel, Ui};

/// Something that can be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is launched by: a built-in topology's name, or a file.
    pub name: String,
    /// What it is, in a line.
    pub title: String,
    /// What it shows, in a few sentences.
    pub about: String,
}

/// The list while somebody chooses.
#[derive(Debug)]
pub struct Labs {
    offers: Vec<Offer>,
    /// The name of what runs.
    pub running: String,
    /// Words that must be in an offer.
    pub typed: Input,
    /// The chosen one, among those that are shown.
    pub at: usize,
    /// Why the last one that was chosen could not be launched.
    pub wrong: Option<String>,
}

impl Labs {
    /// All offers, what runs chosen.
    pub fn new(offers: Vec<Offer>, running: String) -> Self {
        let at = offers.iter().position(|offer| offer.name == running).unwrap_or(0);
        Self { offers, running, typed: Input::default(), at, wrong: None }
    }

    /// Those that have all the typed words in them, first those that have them in their names.
    pub fn shown(&self) -> Vec<&Offer> {
        let typed = self.typed.value().to_lowercase();
        let has_all = |text: &str| {
            let text = text.to_lowercase();
            typed.split_whitespace().all(|word| text.contains(word))
        };
        let fits =
            |offer: &&Offer| has_all(&[&*offer.name, &*offer.title, &*offer.about].join(" "));
        let mut shown: Vec<&Offer> = self.offers.iter().filter(fits).collect();
        shown.sort_by_key(|offer| !has_all(&offer.name));
        shown
    }

    /// The one that Enter launches.
    pub fn chosen(&self) -> Option<&Offer> {
        self.shown().get(self.at).copied()
    }

    /// Chooses another one, so many rows below.
    pub fn step(&mut self, by: isize) {
        self.wrong = None;
        let most = self.shown().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(most);
    }

    /// A key of the filter.
    pub fn take(&mut self, key: KeyEvent) {
        self.wrong = None;
        let before = self.typed.value().to_owned();
        self.typed.handle_event(&Event::Key(key));
        if self.typed.value() != before {
            self.at = 0;
        }
    }
}

impl Ui {
    /// Another lab runs, with this name: nothing of the last one is of use.
    pub fn begin_anew(&mut self, name: &str) {
        self.selected = 0;
        self.focus = Panel::Topology;
        self.bottom = Panel::Timeline;
        self.expanded = false;
        self.layers.clear();
        self.filter.clear();
        self.scroll = 0;
        self.frozen = false;
        self.failovers_seen = 0;
        self.wants = None;
        self.logs = None;
        self.notice = Some(format!("launched: {name}"));
    }
}
