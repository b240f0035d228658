//! The panels, one file each, and where they stand.
//!
//! ```text
//!  header
//! ┌ topology ───────────┐┌ detail ───────┐    At 110 columns and more the detail (and what Sentinels
//! │                     ││               │    believe, and the steps of a script) stand on the right;
//! │ ── sentinels ────── │├ beliefs ──────┤    below that, or where there is no room, they are asked
//! │                     │├ steps ────────┤    for with Enter and Tab.
//! ├ timeline / logs / console ───────────┤
//!  footer
//! ```

mod ask;
mod card;
mod console;
mod detail;
mod diff;
mod failovers;
mod footer;
mod frame;
mod header;
mod help;
mod inside;
mod keys;
mod labs;
mod logs;
mod map;
mod node;
mod opinions;
mod outsider;
mod prompt;
mod sentinel;
mod steps;
mod table;
mod thoughts;
mod timeline;
mod tree;
mod watchers;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::app::{Layer, Panel, Ui};
use super::keymap::{Binding, Command};
use crate::lab::LabView;

/// Below this, nothing is drawn but a polite line.
pub const SIZE_MIN: (u16, u16) = (60, 16);
/// From this width on, the detail has a place of its own.
const WIDE: u16 = 110;

/// Draws one frame. Nothing but the view and the model goes in.
pub fn draw(frame: &mut Frame<'_>, view: &LabView, ui: &Ui) {
    let area = frame.area();
    if !is_large_enough(area) {
        return draw_too_small(frame, area);
    }
    let places = places(view, ui, area);
    header::render(frame, places.header, view, ui);
    for (panel, place) in &places.panels {
        draw_panel(frame, *panel, *place, view, ui);
    }
    match ui.layers.last() {
        Some(Layer::Palette(prompt)) => prompt::palette(frame, places.footer, prompt, view, ui),
        Some(Layer::Pattern(prompt)) => prompt::pattern(frame, places.footer, prompt, ui),
        Some(Layer::Filter(prompt)) => prompt::filter(frame, places.footer, prompt, ui),
        _ => footer::render(frame, places.footer, view, ui),
    }
    for layer in &ui.layers {
        match layer {
            Layer::Card => card::render(frame, places.middle, ui),
            Layer::Help { scroll } => help::render(frame, places.middle, *scroll, ui),
            Layer::Failovers { back } => {
                failovers::render(frame, places.middle, *back, view, ui);
            }
            Layer::Inside(inside) => inside::render(frame, places.middle, inside, view, ui),
            Layer::Labs(labs) => labs::render(frame, places.middle, labs, ui),
            Layer::Ask(question) => ask::render(frame, places.middle, question, ui),
            _ => {}
        }
    }
}

fn draw_panel(frame: &mut Frame<'_>, panel: Panel, area: Rect, view: &LabView, ui: &Ui) {
    match panel {
        Panel::Topology => map::render(frame, area, view, ui),
        Panel::Detail => detail::render(frame, area, view, ui),
        Panel::Timeline => timeline::render(frame, area, view, ui),
        Panel::Steps => steps::render(frame, area, view, ui),
        Panel::Sentinels => opinions::render(frame, area, view, ui),
        Panel::Logs => logs::render(frame, area, view, ui),
        Panel::Console => console::render(frame, area, view, ui),
    }
}

fn draw_too_small(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = SIZE_MIN;
    let text = vec![
        Line::from("terminal too small"),
        Line::from(format!("({}x{}, need {width}x{height})", area.width, area.height)),
    ];
    let middle =
        Rect { y: area.y + area.height.saturating_sub(2) / 2, height: area.height.min(2), ..area };
    frame.render_widget(Paragraph::new(text).alignment(Alignment::Center), middle);
}

/// Whether the detail has a place of its own on a terminal of this size. A map that needs the
/// whole width has it.
pub fn has_side(view: &LabView, area: Rect) -> bool {
    let height = area.height.saturating_sub(2);
    let rows = height - least(height);
    let beside = area.width.saturating_sub(side_width(area.width));
    area.width >= WIDE && (map::fits(view, beside, rows) || !map::fits(view, area.width, rows))
}

/// Columns of the detail.
fn side_width(width: u16) -> u16 {
    (width / 3).clamp(44, 56)
}

/// Whether everything has its place on a screen of this size.
pub fn is_large_enough(area: Rect) -> bool {
    area.width >= SIZE_MIN.0 && area.height >= SIZE_MIN.1
}

/// Rows of the timeline that the filter lets pass.
pub fn timeline_rows(view: &LabView, ui: &Ui) -> usize {
    timeline::rows(view, ui).count()
}

/// Rows that the panel at the bottom has at least.
fn least(height: u16) -> u16 {
    (height / 3).clamp(6, 14).min(height)
}

/// Where everything stands.
struct Places {
    header: Rect,
    middle: Rect,
    footer: Rect,
    panels: Vec<(Panel, Rect)>,
}

fn places(view: &LabView, ui: &Ui, area: Rect) -> Places {
    let [header, middle, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(area);
    let panels = if ui.expanded { vec![(ui.focus, middle)] } else { panels(view, ui, middle) };
    Places { header, middle, footer, panels }
}

fn panels(view: &LabView, ui: &Ui, middle: Rect) -> Vec<(Panel, Rect)> {
    let shape = Shape::of(view, ui.area, middle);
    let [upper, bottom] =
        Layout::vertical([Constraint::Length(shape.top), Constraint::Min(0)]).areas(middle);
    let shown = match ui.bottom {
        panel if shape.has_beside(panel) => Panel::Timeline,
        panel => panel,
    };
    let Some(right) = shape.right else {
        return vec![(Panel::Topology, upper), (shown, bottom)];
    };
    let [left, side] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(right)]).areas(upper);
    let below = shape.beside.iter().map(|(_, rows)| Constraint::Length(*rows));
    let sides = Layout::vertical([Constraint::Min(0)].into_iter().chain(below)).split(side);
    let mut panels = vec![(Panel::Topology, left), (Panel::Detail, sides[0])];
    panels.extend(shape.beside.iter().zip(&sides[1..]).map(|((panel, _), area)| (*panel, *area)));
    if shape.steps_below {
        let [bottom, steps] =
            Layout::horizontal([Constraint::Min(0), Constraint::Length(right)]).areas(bottom);
        panels.extend([(shown, bottom), (Panel::Steps, steps)]);
    } else {
        panels.push((shown, bottom));
    }
    panels
}

/// How the screen is shared out.
struct Shape {
    /// Rows of the map.
    top: u16,
    /// Columns of the side, if there is one.
    right: Option<u16>,
    /// What stands on the side below the detail, with its rows.
    beside: Vec<(Panel, u16)>,
    /// Whether the steps stand to the right of the panel at the bottom.
    steps_below: bool,
}

impl Shape {
    fn of(view: &LabView, area: Rect, middle: Rect) -> Self {
        let right = has_side(view, area).then(|| side_width(middle.width));
        // The map gets what its boxes need, within reason; the timeline the rest.
        let least = least(middle.height);
        let width = middle.width - right.unwrap_or(0);
        let wanted = map::rows_wanted(view, width, middle.height - least);
        let side = if right.is_some() { detail::ROWS + 2 + opinions::rows(view) } else { 0 };
        let most = middle.height - least;
        let top = wanted.max(side).clamp(most.min(middle.height / 2), most);
        let mut spare = top.saturating_sub(detail::ROWS + 2);
        let mut beside = Vec::new();
        let sentinels = opinions::rows(view);
        if right.is_some() && sentinels > 0 && sentinels <= spare {
            beside.push((Panel::Sentinels, sentinels));
            spare -= sentinels;
        }
        let steps = right.is_some() && !view.steps.is_empty();
        if steps && spare >= 5 {
            beside.push((Panel::Steps, spare.min((view.steps.len() as u16 + 2).max(5))));
        }
        Self { top, right, steps_below: steps && spare < 5, beside }
    }

    fn has_beside(&self, panel: Panel) -> bool {
        (panel == Panel::Steps && self.steps_below)
            || self.beside.iter().any(|(beside, _)| *beside == panel)
    }
}

/// The panels that share the place at the bottom.
pub fn tabs(view: &LabView, ui: &Ui) -> Vec<Panel> {
    let middle = Rect { height: ui.area.height.saturating_sub(2), ..ui.area };
    let shape = Shape::of(view, ui.area, middle);
    let mut tabs = vec![Panel::Timeline];
    if !view.steps.is_empty() && !shape.has_beside(Panel::Steps) {
        tabs.push(Panel::Steps);
    }
    if opinions::rows(view) > 0 && !shape.has_beside(Panel::Sentinels) {
        tabs.push(Panel::Sentinels);
    }
    tabs.extend([Panel::Logs, Panel::Console]);
    tabs
}

/// The panel at a place on the screen.
pub fn panel_hit(view: &LabView, ui: &Ui, x: u16, y: u16) -> Option<Panel> {
    let places = places(view, ui, ui.area);
    let mut panels = places.panels.into_iter();
    panels.find(|(_, area)| area.contains(Position { x, y })).map(|(panel, _)| panel)
}

/// The node at a place on the screen.
pub fn node_hit(view: &LabView, ui: &Ui, x: u16, y: u16) -> Option<usize> {
    let places = places(view, ui, ui.area);
    let (_, area) = places.panels.into_iter().find(|(panel, _)| *panel == Panel::Topology)?;
    map::hit(area, view, ui, Position { x, y })
}

/// The binding shown in the footer at a place on the screen.
pub fn footer_hit(view: &LabView, ui: &Ui, x: u16, y: u16) -> Option<&'static Binding> {
    let places = places(view, ui, ui.area);
    footer::chips(places.footer, view, ui)
        .into_iter()
        .find(|(area, _)| area.contains(Position { x, y }))
        .map(|(_, binding)| binding)
}

/// The node that an arrow key leads to from the selected one.
pub fn neighbour(view: &LabView, ui: &Ui, command: Command) -> usize {
    tree::neighbour(view, ui.selected, command)
}

/// How far the help can be scrolled.
pub fn help_scroll_max(ui: &Ui) -> u16 {
    help::scroll_max(ui)
}
