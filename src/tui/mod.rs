//! Floor 9: the screen.
//!
//! A frame is a pure function of the lab's view and the screen's model: `view::draw(frame, &LabView,
//! &Ui)`. A key, a click or a resize becomes a [`update::Msg`]; [`update::update`] changes the model
//! and says which actions the lab shall carry out. Nothing else happens: the screen knows the lab
//! through [`Source`] alone, and no machine.
//!
//! | file | subject |
//! |---|---|
//! | `run` | the loop: pull the view, draw, wait for keys |
//! | `terminal` | raw mode and back, whatever happens |
//! | `app`, `update` | the model, and what a message does to it |
//! | `keymap` | the one table of keys |
//! | `typed` | what a typed line does |
//! | `labs` | choosing what to launch |
//! | `inside` | looking inside nodes: keys, and how two differ |
//! | `beliefs` | what the Sentinels believe, set against the truth |
//! | `theme`, `units` | colours and glyphs, numbers |
//! | `view` | one file for each panel |
//! | `export` | a frame as SVG or text |
//!
//! The one thing a frame shows beyond its two arguments is the log panel's text, which tui-logger
//! keeps for the whole process.

pub mod app;
pub mod beliefs;
pub mod export;
pub mod inside;
pub mod keymap;
pub mod labs;
mod run;
mod terminal;
pub mod theme;
mod typed;
pub mod units;
pub mod update;
pub mod view;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::labs::Offer;
pub use self::run::run;
use self::theme::ThemeName;
use crate::lab::look::{Ask, Sight};
use crate::lab::{Action, LabView, LogLine};

/// Where the screen gets its picture of the lab from, and where it sends what the person wants.
pub trait Source {
    /// The newest picture. The same `Arc` as before means that nothing changed.
    fn view(&self) -> Arc<LabView>;
    /// Hands an action to the lab. `by` is "key" or "palette".
    fn act(&self, action: Action, by: &'static str);
    /// Asks for the data of nodes; what is seen comes later.
    fn show(&self, ask: Ask);
    /// What the last [`Source::show`] came to, once it is there.
    fn take_sight(&self) -> Option<Sight>;
    /// Log lines of the nodes that came since the last call.
    fn drain_logs(&self) -> Vec<LogLine>;
    /// What can be launched, and the name of what runs.
    fn offers(&self) -> (Vec<Offer>, String);
    /// Ends the lab in order and launches another one, or without a name the same anew.
    ///
    /// # Errors
    /// What is wrong with it, for the person. The lab that ran runs, if need be anew.
    fn launch(&mut self, name: Option<&str>) -> Result<(), String>;
    /// Writes what happened to a file, or to one whose name is found, and gives its path.
    ///
    /// # Errors
    /// Why it could not be written, for the person.
    fn export(&self, file: Option<&str>) -> Result<String, String>;
    /// Whether there is a lab still: `quit` in a script or the palette ends it.
    fn is_running(&self) -> bool;
}

/// How the screen shall look and behave.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Colours.
    pub theme: ThemeName,
    /// Only ASCII is drawn.
    pub ascii: bool,
    /// Keys that break things are locked.
    pub read_only: bool,
    /// The mouse stays the terminal's.
    pub no_mouse: bool,
    /// The file whose presence says that the card of the first start was shown; `None` never shows
    /// the card.
    pub first_start_mark: Option<PathBuf>,
}

impl Options {
    /// What the environment asks for: `NO_COLOR`, the locale, and the person's state directory.
    pub fn from_environment() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            theme: if no_color || dumb { ThemeName::Monochrome } else { ThemeName::Dark },
            ascii: !is_utf8_locale(),
            first_start_mark: first_start_mark(),
            ..Self::default()
        }
    }
}

/// Whether the locale, by the first of its variables that is set, is a UTF-8 one.
fn is_utf8_locale() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    // Windows and macOS terminals set none of them and draw UTF-8.
    locale.map_or(!cfg!(target_os = "linux"), |value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

fn first_start_mark() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok()?;
    let dir = base.state_dir().unwrap_or_else(|| base.data_dir());
    Some(dir.join("replab").join("first-start"))
}
