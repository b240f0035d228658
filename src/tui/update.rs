//! What a message does to the model, and which actions it asks of the lab.

use crossterm::event::KeyEvent;
use tui_logger::TuiWidgetEvent;

use super::app::{Errand, Layer, Panel, Prompt, Question, Quit, Ui};
use super::beliefs;
use super::inside;
use super::keymap::{self, Binding, Command, Mode};
use super::{typed, view};
use crate::lab::action::{HealRef, ScriptOrder};
use crate::lab::{Action, Direction, LabView, LinkRef, picture};

/// Something that came in from the person or the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was pressed at a column and a row.
    Click(u16, u16),
    /// The wheel turned at a column and a row, by so many rows back.
    Wheel(u16, u16, i16),
    /// The terminal has another size: columns, rows.
    Resized(u16, u16),
}

/// An action and who asks for it, in the journal's words.
pub type Order = (Action, &'static str);

/// Rows that a page key scrolls.
const PAGE: i16 = 8;

/// Changes the model and tells what the lab shall do.
pub fn update(ui: &mut Ui, view: &LabView, msg: Msg) -> Vec<Order> {
    ui.selected = ui.selected.min((view.nodes.len() + view.outside.len()).saturating_sub(1));
    let orders = match msg {
        Msg::Key(key) => on_key(ui, view, key),
        // Where there is only the request for more room, there is nothing to click at.
        Msg::Click(..) | Msg::Wheel(..) if !view::is_large_enough(ui.area) => Vec::new(),
        Msg::Click(x, y) => on_click(ui, view, x, y),
        Msg::Wheel(x, y, by) => {
            on_wheel(ui, view, x, y, by);
            Vec::new()
        }
        Msg::Resized(width, height) => {
            ui.area.width = width;
            ui.area.height = height;
            Vec::new()
        }
    };
    ui.follow_log(view);
    orders
}

fn on_key(ui: &mut Ui, view: &LabView, key: KeyEvent) -> Vec<Order> {
    ui.notice = None;
    let mode = ui.mode();
    match keymap::find(mode, key) {
        Some(binding) if binding.works(view, ui) => run(ui, view, binding.command),
        Some(binding) => {
            ui.notice = Some(why_not(binding, view, ui));
            Vec::new()
        }
        None => {
            typed::take(ui, key);
            Vec::new()
        }
    }
}

/// Why a key does nothing now.
fn why_not(binding: &Binding, view: &LabView, ui: &Ui) -> String {
    let name = binding.name;
    match (ui.node(view), ui.outsider(view)) {
        _ if binding.fault && ui.read_only => {
            "read-only: the keys that break things are locked".to_owned()
        }
        (Some(node), _) => format!("{name} does not apply to {} now", node.name),
        (_, Some(outsider)) => format!(
            "{name} does not apply to {}: it is outside the lab, which only watches it",
            outsider.name()
        ),
        _ => format!("{name}: nothing to do"),
    }
}

fn run(ui: &mut Ui, view: &LabView, command: Command) -> Vec<Order> {
    match command {
        Command::Quit | Command::Close | Command::Freeze | Command::Help if is_inside(ui) => {}
        command if is_inside(ui) => {
            inside::on_key(ui, view, command);
            return Vec::new();
        }
        _ => {}
    }
    match command {
        Command::Quit => ui.quit = Some(Quit::Clean),
        Command::QuitKeep => ui.quit = Some(Quit::KeepFrame),
        Command::Help => ui.layers.push(Layer::Help { scroll: 0 }),
        Command::Submit => return typed::submit(ui, view),
        Command::Complete => typed::complete(ui, view),
        Command::Older => typed::recall(ui, true),
        Command::Newer => typed::recall(ui, false),
        Command::Close => close(ui),
        Command::Up | Command::Down | Command::Left | Command::Right => step(ui, view, command),
        Command::PageUp => scroll(ui, view, PAGE),
        Command::PageDown => scroll(ui, view, -PAGE),
        Command::First => jump(ui, view, false),
        Command::Last => jump(ui, view, true),
        Command::Node(n) if usize::from(n) <= view.nodes.len() => ui.selected = usize::from(n) - 1,
        Command::Node(_) => {}
        Command::NextPanel => next_panel(ui, view, true),
        Command::PreviousPanel => next_panel(ui, view, false),
        Command::Detail => {
            ui.expanded = !view::has_side(view, ui.area);
            ui.focus = Panel::Detail;
        }
        Command::Back => back(ui),
        Command::Expand => ui.expanded = !ui.expanded,
        Command::Freeze => ui.frozen = !ui.frozen,
        Command::Theme => {
            ui.theme_name = ui.theme_name.next();
            ui.notice = Some(format!("theme: {}", ui.theme_name.word()));
        }
        Command::Mouse => {
            ui.mouse = !ui.mouse;
            let whose = if ui.mouse { "replab's" } else { "the terminal's: select text with it" };
            ui.notice = Some(format!("the mouse is {whose}"));
        }
        Command::Logs => show_bottom(ui, Panel::Logs),
        Command::NextStep => return by_key(Action::Script(ScriptOrder::Next)),
        Command::HoldSteps if view.is_held => return by_key(Action::Script(ScriptOrder::Go)),
        Command::HoldSteps => return by_key(Action::Script(ScriptOrder::Hold)),
        Command::Console if ui.read_only => {
            ui.notice = Some("read-only: the console is locked".to_owned());
        }
        Command::Console => {
            show_bottom(ui, Panel::Console);
            ui.layers.push(Layer::Console(Prompt::default()));
        }
        Command::Filter => {
            show_bottom(ui, Panel::Timeline);
            ui.layers.push(Layer::Filter(Prompt::with(ui.filter.clone())));
        }
        Command::Keys => {
            if let Some(ask) = inside::keys_of_selected(ui, view) {
                ui.look(ask);
            }
        }
        Command::Diff => {
            if let Some(ask) = inside::diff_of_selected(ui, view) {
                ui.look(ask);
            } else if let Some(node) = ui.node(view) {
                let typed = Prompt::with(format!("diff {} ", node.name));
                ui.layers.push(Layer::Palette(typed));
            }
        }
        Command::Sentinels => show_bottom(ui, Panel::Sentinels),
        Command::Failovers => {
            ui.failovers_seen = view.failovers.len();
            ui.layers.push(Layer::Failovers { back: 0 });
        }
        Command::Instead => {
            if let Some(Layer::Ask(question)) = ui.layers.pop() {
                return by_key(question.instead);
            }
        }
        Command::Failover | Command::CkQuorum | Command::SentinelReset | Command::SplitVote => {
            return on_monitor_key(ui, view, command);
        }
        Command::Palette => ui.layers.push(Layer::Palette(Prompt::default())),
        Command::Copy => {
            if let Some(text) = ui.redis_cli(view) {
                ui.notice = Some(format!("`{text}` was sent to the terminal's clipboard"));
                ui.clipboard = Some(text);
            }
        }
        Command::Rate => ui.layers.push(Layer::Palette(Prompt::with("write "))),
        Command::Labs => ui.errand = Some(Errand::Offers),
        Command::Export => ui.errand = Some(Errand::Export { file: None }),
        Command::HealAll => return by_key(Action::Heal { what: HealRef::All }),
        Command::Undo => return by_key(Action::Undo),
        _ => return on_fault_key(ui, view, command),
    }
    Vec::new()
}

pub(super) fn by_key(action: Action) -> Vec<Order> {
    vec![(action, "key")]
}

fn on_fault_key(ui: &mut Ui, view: &LabView, command: Command) -> Vec<Order> {
    let Some(row) = ui.node(view) else { return Vec::new() };
    let node = row.name.clone();
    let prefilled = match command {
        Command::Kill => return by_key(Action::Kill { node }),
        Command::Restart => return by_key(Action::Restart { node }),
        Command::Pause if keymap::paused(view, ui) => return by_key(Action::Resume { node }),
        Command::Pause => return by_key(Action::Pause { node, for_ms: None }),
        Command::PowerLoss => return by_key(Action::PowerLoss { node }),
        Command::Isolate => return by_key(Action::Isolate { nodes: vec![node], for_ms: None }),
        Command::Promote => return promote(ui, view, node, "key"),
        Command::Cut => match keymap::link(view, ui) {
            Some((a, b)) => return by_key(cut_or_heal(view, a, b)),
            None => format!("cut {node} "),
        },
        Command::Delay => match keymap::link(view, ui) {
            Some((a, b)) => format!("delay {}->{} ", view.nodes[a].name, view.nodes[b].name),
            None => format!("delay {node}->"),
        },
        Command::Follow => format!("replicaof {node} "),
        _ => return Vec::new(),
    };
    ui.layers.push(Layer::Palette(Prompt::with(prefilled)));
    Vec::new()
}

/// Promotes a replica; one that Sentinels watch only after a question, since they will undo it.
pub(super) fn promote(ui: &mut Ui, view: &LabView, node: String, by: &'static str) -> Vec<Order> {
    let Some(row) = picture::index(&view.nodes, &node) else {
        return vec![(Action::Promote { node }, by)];
    };
    let primary = view.nodes[row].follows.map_or("its primary", |at| view.nodes[at].name.as_str());
    let monitor = beliefs::monitor_of(view, row)
        .filter(|name| beliefs::of_monitor(view, name).any(|belief| belief.is_live()));
    let Some(monitor) = monitor.map(str::to_owned) else {
        ui.notice = Some(format!(
            "{node} starts a history of its own; writes it takes now are not {primary}'s"
        ));
        return vec![(Action::Promote { node }, by)];
    };
    ui.layers.push(Layer::Ask(Question {
        title: format!("SLAVEOF NO ONE on {node}?"),
        text: format!(
            "Sentinels watch {node} as a replica of {primary} ({monitor}). They will undo this \
             within seconds (+convert-to-slave, after 8 to 18 mostly), and the writes that {node} \
             takes meanwhile are lost."
        ),
        yes: Action::Promote { node },
        instead: Action::Failover { monitor },
    }));
    Vec::new()
}

/// Keys that speak to the Sentinels of the primary that the selected node belongs to, or of the
/// only one that is watched.
fn on_monitor_key(ui: &mut Ui, view: &LabView, command: Command) -> Vec<Order> {
    let only = match &view.monitors[..] {
        [only] => Some(only.name.as_str()),
        _ => None,
    };
    let Some(monitor) = beliefs::monitor_of(view, ui.selected).or(only).map(str::to_owned) else {
        ui.notice = Some("select a node that Sentinels watch".to_owned());
        return Vec::new();
    };
    by_key(match command {
        Command::CkQuorum => Action::CkQuorum { monitor },
        Command::SentinelReset => Action::SentinelReset { monitor },
        Command::SplitVote => Action::SplitVote { monitor },
        _ => Action::Failover { monitor },
    })
}

fn cut_or_heal(view: &LabView, a: usize, b: usize) -> Action {
    let link = LinkRef {
        a: view.nodes[a].name.clone(),
        b: view.nodes[b].name.clone(),
        direction: Direction::Both,
    };
    if keymap::is_cut(view, a, b) {
        Action::Heal { what: HealRef::Link(link) }
    } else {
        Action::Cut { link, for_ms: None }
    }
}

/// The order of Tab. The console is not among them: it takes every key.
fn panels(ui: &Ui, view: &LabView) -> Vec<Panel> {
    let mut panels = vec![Panel::Topology];
    if view::has_side(view, ui.area) || ui.expanded {
        panels.push(Panel::Detail);
    }
    panels.push(Panel::Timeline);
    if !view.steps.is_empty() {
        panels.push(Panel::Steps);
    }
    if beliefs::sentinels(view).next().is_some() {
        panels.push(Panel::Sentinels);
    }
    panels.push(Panel::Logs);
    panels
}

fn next_panel(ui: &mut Ui, view: &LabView, forward: bool) {
    let panels = panels(ui, view);
    let at = panels.iter().position(|panel| *panel == ui.focus).unwrap_or(0);
    let by = if forward { 1 } else { panels.len() - 1 };
    ui.focus = panels[(at + by) % panels.len()];
    if matches!(ui.focus, Panel::Timeline | Panel::Logs | Panel::Steps | Panel::Sentinels) {
        show_bottom(ui, ui.focus);
    }
}

fn show_bottom(ui: &mut Ui, panel: Panel) {
    ui.bottom = panel;
    ui.focus = panel;
}

fn back(ui: &mut Ui) {
    if ui.expanded {
        ui.expanded = false;
    } else {
        ui.filter.clear();
    }
    ui.scroll = 0;
    ui.bottom = Panel::Timeline;
    ui.focus = Panel::Topology;
}

pub(super) fn close(ui: &mut Ui) {
    match ui.layers.pop() {
        Some(Layer::Filter(_)) => ui.filter.clear(),
        Some(Layer::Console(_)) => back(ui),
        _ => {}
    }
}

fn step(ui: &mut Ui, view: &LabView, command: Command) {
    let back = matches!(command, Command::Up | Command::Left);
    if let Some(Layer::Labs(labs)) = ui.layers.last_mut() {
        return labs.step(if back { -1 } else { 1 });
    }
    match (ui.layers.is_empty(), ui.focus, command) {
        _ if matches!(ui.layers.last(), Some(Layer::Failovers { .. })) => {
            let most = view.failovers.len().saturating_sub(1);
            if let Some(Layer::Failovers { back: at }) = ui.layers.last_mut() {
                *at = if back { (*at + 1).min(most) } else { at.saturating_sub(1) };
            }
        }
        (true, Panel::Topology | Panel::Detail | Panel::Steps | Panel::Sentinels, _) => {
            ui.selected = view::neighbour(view, ui, command);
        }
        _ => scroll(ui, view, if back { 1 } else { -1 }),
    }
}

/// Scrolls whatever has the keys, by rows back.
fn scroll(ui: &mut Ui, view: &LabView, by: i16) {
    let help_max = view::help_scroll_max(ui);
    match (ui.layers.last_mut(), ui.focus) {
        (Some(Layer::Labs(labs)), _) => labs.step(-isize::from(by)),
        (Some(Layer::Help { scroll }), _) => {
            *scroll = scroll.saturating_add_signed(-by).min(help_max);
        }
        (_, Panel::Logs) => {
            if let Some(log) = &ui.logs {
                let event =
                    if by > 0 { TuiWidgetEvent::PrevPageKey } else { TuiWidgetEvent::NextPageKey };
                log.state.transition(event);
            }
        }
        _ => {
            let rows = if ui.focus == Panel::Timeline {
                view::timeline_rows(view, ui)
            } else {
                view.journal.len()
            };
            let most = rows.saturating_sub(PAGE.unsigned_abs().into());
            ui.scroll = ui.scroll.saturating_add_signed(isize::from(by)).min(most);
        }
    }
}

fn jump(ui: &mut Ui, view: &LabView, to_end: bool) {
    match (ui.mode(), ui.focus) {
        (Mode::Help, _) | (_, Panel::Timeline) => {
            scroll(ui, view, if to_end { i16::MIN + 1 } else { i16::MAX });
        }
        (_, Panel::Logs) => {
            if let (true, Some(log)) = (to_end, &ui.logs) {
                log.state.transition(TuiWidgetEvent::EscapeKey);
            }
        }
        _ => ui.selected = if to_end { view.nodes.len().saturating_sub(1) } else { 0 },
    }
}

fn is_inside(ui: &Ui) -> bool {
    matches!(ui.layers.last(), Some(Layer::Inside(_)))
}

fn on_click(ui: &mut Ui, view: &LabView, x: u16, y: u16) -> Vec<Order> {
    if let Some(Layer::Card | Layer::Help { .. } | Layer::Failovers { .. }) = ui.layers.last() {
        ui.layers.pop();
        return Vec::new();
    }
    // A palette or a filter is typed where the footer stands otherwise.
    let typing =
        matches!(ui.layers.last(), Some(Layer::Palette(_) | Layer::Filter(_) | Layer::Pattern(_)));
    if let Some(binding) = view::footer_hit(view, ui, x, y).filter(|_| !typing) {
        ui.notice = None;
        return run(ui, view, binding.command);
    }
    if ui.inside().is_some() || ui.mode() == Mode::Labs {
        return Vec::new();
    }
    if let Some(node) = view::node_hit(view, ui, x, y) {
        ui.selected = node;
        ui.focus = Panel::Topology;
    } else if let Some(panel) = view::panel_hit(view, ui, x, y).filter(|_| ui.layers.is_empty()) {
        ui.focus = panel;
    }
    Vec::new()
}

fn on_wheel(ui: &mut Ui, view: &LabView, x: u16, y: u16, by: i16) {
    if let Some(Layer::Inside(inside)) = ui.layers.last_mut() {
        return inside.scroll(by.into());
    }
    if ui.layers.is_empty()
        && let Some(panel @ (Panel::Timeline | Panel::Logs)) = view::panel_hit(view, ui, x, y)
    {
        ui.focus = panel;
    }
    scroll(ui, view, by);
}
