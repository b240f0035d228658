//! The model of the screen: everything about the frame that is not in the lab's view.

use ratatui::layout::Rect;
use tui_input::Input;
use tui_logger::{LevelFilter, TuiWidgetState};

use super::inside::Inside;
use super::keymap::Mode;
use super::labs::Labs;
use super::theme::{ASCII, Glyphs, Theme, ThemeName, UNICODE};
use crate::lab::look::Ask;
use crate::lab::outside::Outsider;
use crate::lab::view::NodeRow;
use crate::lab::{Action, LabView, picture};
use crate::machine::Endpoint;

/// A part of the screen that can have the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// The map, or the table where the map does not fit.
    Topology,
    /// All about the selected node.
    Detail,
    /// What happened.
    Timeline,
    /// The script.
    Steps,
    /// What the Sentinels believe.
    Sentinels,
    /// The selected node's log.
    Logs,
    /// Commands to the selected node.
    Console,
}

impl Panel {
    /// Its title where it shares a place with others.
    pub fn word(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Detail => "detail",
            Self::Timeline => "timeline",
            Self::Steps => "steps",
            Self::Sentinels => "sentinels",
            Self::Logs => "logs",
            Self::Console => "console",
        }
    }
}

/// What lies over the panels and takes the keys. The topmost one counts.
#[derive(Debug)]
pub enum Layer {
    /// The card of the first start.
    Card,
    /// All keys and words; scrolled by so many lines.
    Help {
        /// Lines.
        scroll: u16,
    },
    /// Where the time of a failover went: the newest, or one so many before it.
    Failovers {
        /// Failovers back.
        back: usize,
    },
    /// The keys of a node, or how two differ.
    Inside(Inside),
    /// A glob for the keys that are looked at.
    Pattern(Prompt),
    /// What can be launched.
    Labs(Labs),
    /// Something that asks first.
    Ask(Question),
    /// A typed action.
    Palette(Prompt),
    /// The filter of the timeline.
    Filter(Prompt),
    /// A command to the selected node.
    Console(Prompt),
}

/// A question before something that will not last.
#[derive(Debug)]
pub struct Question {
    /// What it is about.
    pub title: String,
    /// What will happen.
    pub text: String,
    /// What is done all the same.
    pub yes: Action,
    /// What is better.
    pub instead: Action,
}

/// One line of typing.
#[derive(Debug, Default)]
pub struct Prompt {
    /// The text and its cursor.
    pub input: Input,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Place in the history that is shown, counted from the newest.
    pub recalled: Option<usize>,
}

impl Prompt {
    /// A prompt that begins with a text.
    pub fn with(text: impl Into<String>) -> Self {
        Self { input: Input::new(text.into()), ..Self::default() }
    }
}

/// What the person wants of whoever keeps the labs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// To be told what can be launched.
    Offers,
    /// To end the lab and launch another one, or the same anew.
    Launch {
        /// What; none is what runs now.
        name: Option<String>,
    },
    /// To write down what happened.
    Export {
        /// Where; none is a name that is free.
        file: Option<String>,
    },
}

/// How the screen ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quit {
    /// The terminal is as before.
    Clean,
    /// The last frame stays in the scrollback.
    KeepFrame,
}

/// The model.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with its key")]
pub struct Ui {
    /// The terminal's size.
    pub area: Rect,
    /// Index of the selected node; behind the nodes come the servers outside the lab.
    pub selected: usize,
    /// The panel that has the keys.
    pub focus: Panel,
    /// Which panel shares the bottom.
    pub bottom: Panel,
    /// Whether the focused panel takes all the room.
    pub expanded: bool,
    /// What lies on top, the topmost last.
    pub layers: Vec<Layer>,
    /// Only timeline rows with this text are shown.
    pub filter: String,
    /// Timeline rows above its end; 0 follows.
    pub scroll: usize,
    /// Lines typed earlier, oldest first.
    pub history: Vec<String>,
    /// The view stands still, the nodes do not.
    pub frozen: bool,
    /// Fault keys are locked.
    pub read_only: bool,
    /// The mouse is ours, not the terminal's.
    pub mouse: bool,
    /// Colours.
    pub theme_name: ThemeName,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// How many failovers the person has looked at.
    pub failovers_seen: usize,
    /// A line for the person, until the next key.
    pub notice: Option<String>,
    /// What shall be looked at inside nodes, on its way to the lab.
    pub wants: Option<Ask>,
    /// What somebody else must do.
    pub errand: Option<Errand>,
    /// Text on its way to the terminal's clipboard.
    pub clipboard: Option<String>,
    /// Set when the screen shall end.
    pub quit: Option<Quit>,
    /// The log panel's place in one node's log.
    pub logs: Option<NodeLog>,
}

/// The log panel's state for one node.
pub struct NodeLog {
    /// The node.
    pub node: String,
    /// Filter and scroll.
    pub state: TuiWidgetState,
}

impl std::fmt::Debug for NodeLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeLog").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Ui {
    /// The screen at its start.
    pub fn new(area: Rect) -> Self {
        Self {
            area,
            selected: 0,
            focus: Panel::Topology,
            bottom: Panel::Timeline,
            expanded: false,
            layers: Vec::new(),
            filter: String::new(),
            scroll: 0,
            history: Vec::new(),
            frozen: false,
            read_only: false,
            mouse: true,
            theme_name: ThemeName::Dark,
            ascii: false,
            failovers_seen: 0,
            notice: None,
            wants: None,
            errand: None,
            clipboard: None,
            quit: None,
            logs: None,
        }
    }

    /// Which part of the key table counts now.
    pub fn mode(&self) -> Mode {
        match self.layers.last() {
            None => Mode::Screen,
            Some(Layer::Card) => Mode::Card,
            Some(Layer::Help { .. }) => Mode::Help,
            Some(Layer::Failovers { .. }) => Mode::Failovers,
            Some(Layer::Labs(_)) => Mode::Labs,
            Some(Layer::Ask(_)) => Mode::Ask,
            Some(Layer::Inside(Inside { ask: Ask::Keys { .. }, .. })) => Mode::Keys,
            Some(Layer::Inside(_)) => Mode::Diff,
            Some(Layer::Palette(_) | Layer::Filter(_) | Layer::Console(_) | Layer::Pattern(_)) => {
                Mode::Prompt
            }
        }
    }

    /// The selected server, if it is one outside the lab.
    pub fn outsider<'a>(&self, view: &'a LabView) -> Option<&'a Outsider> {
        view.outside.get(self.selected.checked_sub(view.nodes.len())?)
    }

    /// How redis-cli reaches what is selected.
    pub fn redis_cli(&self, view: &LabView) -> Option<String> {
        let Some(Endpoint { host, port }) = self.outsider(view).map(|found| &found.address) else {
            return Some(format!("redis-cli -p {}", self.node(view)?.port));
        };
        let to = if picture::is_local(host) { String::new() } else { format!("-h {host} ") };
        (*port != 0).then(|| format!("redis-cli {to}-p {port}"))
    }

    /// The selected node.
    pub fn node<'a>(&self, view: &'a LabView) -> Option<&'a NodeRow> {
        view.nodes.get(self.selected)
    }

    /// The styles.
    pub fn theme(&self) -> Theme {
        self.theme_name.styles()
    }

    /// The glyphs.
    pub fn glyphs(&self) -> &'static Glyphs {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    /// Points the log panel at the selected node.
    pub fn follow_log(&mut self, view: &LabView) {
        let Some(node) = self.node(view) else { return };
        if self.logs.as_ref().is_none_or(|log| log.node != node.name) {
            let state = TuiWidgetState::new()
                .set_default_display_level(LevelFilter::Off)
                .set_level_for_target(&node.name, LevelFilter::Trace);
            self.logs = Some(NodeLog { node: node.name.clone(), state });
        }
    }
}
