//! Looking inside nodes: the keys of one, and how two differ. What is seen comes from
//! [`Source::show`](super::Source::show), later, and is asked for anew.

use super::app::{Layer, Prompt, Ui};
use super::keymap::Command;
use crate::lab::look::{Ask, Sight, Sort};
use crate::lab::view::{NodeKind, NodeStatus};
use crate::lab::{LabView, picture};

/// The overlay of keys, or of differences.
#[derive(Debug)]
pub struct Inside {
    /// What is looked at.
    pub ask: Ask,
    /// What was seen; nothing yet at first.
    pub sight: Option<Sight>,
    /// The selected row.
    pub at: usize,
    /// Whether the selected key's value is shown.
    pub is_open: bool,
}

impl Inside {
    /// Nothing is seen yet.
    pub fn new(ask: Ask) -> Self {
        Self { ask, sight: None, at: 0, is_open: false }
    }

    /// Rows that can be selected.
    pub fn rows(&self) -> usize {
        match &self.sight {
            Some(Sight::Keys(listing)) => listing.len(),
            Some(Sight::Diff(found)) => found.rows.len(),
            Some(Sight::Nothing(_)) | None => 0,
        }
    }

    /// Moves the selection by so many rows back.
    pub fn scroll(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(-by).min(self.rows().saturating_sub(1));
    }

    /// Whether a sight is an answer to what is asked.
    fn is_answered_by(&self, sight: &Sight) -> bool {
        match (&self.ask, sight) {
            (Ask::Keys { node, pattern, sort }, Sight::Keys(seen)) => {
                (node, pattern, *sort) == (&seen.node, &seen.pattern, seen.sort)
            }
            (Ask::Diff { a, b }, Sight::Diff(seen)) => {
                (a, b) == (&seen.sides[0].node, &seen.sides[1].node)
            }
            (_, Sight::Nothing(_)) => true,
            _ => false,
        }
    }

    /// Shows a sight; the selection stays on its key where that is easily found.
    fn show(&mut self, sight: Sight) {
        if let (Some(Sight::Keys(older)), Sight::Keys(newer)) = (&self.sight, &sight) {
            self.at = newer.place_of(older, self.at).unwrap_or(self.at);
        }
        self.sight = Some(sight);
        self.scroll(0);
    }
}

impl Ui {
    /// What lies on top, if it looks inside nodes.
    pub fn inside(&self) -> Option<&Inside> {
        self.layers.iter().rev().find_map(|layer| match layer {
            Layer::Inside(inside) => Some(inside),
            _ => None,
        })
    }

    pub(super) fn inside_mut(&mut self) -> Option<&mut Inside> {
        self.layers.iter_mut().rev().find_map(|layer| match layer {
            Layer::Inside(inside) => Some(inside),
            _ => None,
        })
    }

    /// Something was seen. It is shown if it is what the person looks at.
    pub fn on_sight(&mut self, sight: Sight) {
        if let Some(inside) = self.inside_mut().filter(|inside| inside.is_answered_by(&sight)) {
            inside.show(sight);
        }
    }

    /// Looks at something, instead of what was looked at before.
    pub fn look(&mut self, ask: Ask) {
        self.wants = Some(ask.clone());
        match self.inside_mut() {
            // The old rows stay until the new ones are there.
            Some(inside) => {
                if !matches!((&inside.ask, &ask), (Ask::Keys { .. }, Ask::Keys { .. })) {
                    inside.sight = None;
                    inside.is_open = false;
                }
                inside.ask = ask;
                inside.at = 0;
            }
            None => self.layers.push(Layer::Inside(Inside::new(ask))),
        }
    }

    /// Asks for a new sight of what is looked at.
    pub fn look_again(&mut self) {
        self.wants = self.inside().map(|inside| inside.ask.clone());
    }
}

/// The keys of the selected node.
pub(super) fn keys_of_selected(ui: &Ui, view: &LabView) -> Option<Ask> {
    let node = ui.node(view)?.name.clone();
    Some(Ask::Keys { node, pattern: String::new(), sort: Sort::default() })
}

/// The selected node beside the one it follows, or beside its first replica. The one followed is
/// on the left.
pub(super) fn diff_of_selected(ui: &Ui, view: &LabView) -> Option<Ask> {
    let replica = (0..view.nodes.len()).find(|&i| view.nodes[i].follows == Some(ui.selected));
    let (a, b) = match (ui.node(view)?.follows, replica) {
        (Some(above), _) => (above, ui.selected),
        (None, Some(below)) => (ui.selected, below),
        (None, None) => return None,
    };
    Some(Ask::Diff { a: view.nodes[a].name.clone(), b: view.nodes[b].name.clone() })
}

/// Rows that a page key moves: about as many as are shown.
fn page(ui: &Ui) -> isize {
    isize::try_from(ui.area.height.saturating_sub(12)).unwrap_or(8).max(1)
}

/// What a key does while nodes are looked inside.
pub(super) fn on_key(ui: &mut Ui, view: &LabView, command: Command) {
    let page = page(ui);
    let by = match command {
        Command::Up => 1,
        Command::Down => -1,
        Command::PageUp => page,
        Command::PageDown => -page,
        Command::First => isize::MAX,
        Command::Last => -isize::MAX,
        _ => return on_other_key(ui, view, command),
    };
    if let Some(inside) = ui.inside_mut() {
        inside.scroll(by);
    }
}

fn on_other_key(ui: &mut Ui, view: &LabView, command: Command) {
    let ask = ui.inside().map(|inside| inside.ask.clone());
    match (command, ask) {
        (Command::Left | Command::Right, Some(Ask::Keys { node, pattern, sort })) => {
            if let Some(next) = beside(view, &node, command == Command::Right) {
                ui.selected = next;
                let node = view.nodes[next].name.clone();
                ui.look(Ask::Keys { node, pattern, sort });
            }
        }
        (Command::Left | Command::Right, Some(Ask::Diff { a, b })) => {
            let forward = command == Command::Right;
            let next = beside(view, &b, forward)
                .filter(|next| view.nodes[*next].name != a)
                .or_else(|| {
                    let skipped = beside(view, &b, forward)?;
                    beside(view, &view.nodes[skipped].name, forward)
                });
            if let Some(next) = next {
                ui.look(Ask::Diff { a, b: view.nodes[next].name.clone() });
            }
        }
        (Command::Sort, Some(Ask::Keys { node, pattern, sort })) => {
            ui.look(Ask::Keys { node, pattern, sort: sort.next() });
        }
        (Command::Again, _) => ui.look_again(),
        (Command::Detail, _) => {
            if let Some(inside) = ui.inside_mut() {
                inside.is_open = !inside.is_open;
            }
        }
        (Command::Filter, Some(Ask::Keys { pattern, .. })) => {
            ui.layers.push(Layer::Pattern(Prompt::with(pattern)));
        }
        (Command::Keys, Some(Ask::Diff { b, .. })) => {
            ui.look(Ask::Keys { node: b, pattern: String::new(), sort: Sort::default() });
        }
        (Command::Diff, _) => match diff_of_selected(ui, view) {
            Some(ask) => ui.look(ask),
            None => ui.notice = Some("it follows nobody and nobody follows it".to_owned()),
        },
        _ => {}
    }
}

/// The next server that runs, around, or the one before.
fn beside(view: &LabView, node: &str, forward: bool) -> Option<usize> {
    let count = view.nodes.len();
    let at = picture::index(&view.nodes, node)?;
    let step = |by: usize| if forward { at + by } else { at + count - by };
    (1..count).map(|by| step(by) % count).find(|i| {
        let row = &view.nodes[*i];
        row.kind == NodeKind::Server && !matches!(row.status, NodeStatus::Dead(..))
    })
}

/// The typed glob chooses keys from now on. A word without a star is looked for anywhere.
pub(super) fn submit_pattern(ui: &mut Ui, text: &str) {
    let Some(Ask::Keys { node, sort, .. }) = ui.inside().map(|inside| inside.ask.clone()) else {
        return;
    };
    let is_glob = text.is_empty() || text.contains(['*', '?', '[', '\\']);
    let pattern = if is_glob { text.to_owned() } else { format!("*{text}*") };
    ui.look(Ask::Keys { node, pattern, sort });
}
