//! The topology as a table, where the boxes of the map would not fit: one row a node, indented by
//! whom it follows.

use std::fmt::Write;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::tree::{self, Place};
use super::{node, outsider};
use crate::lab::LabView;
use crate::lab::view::NodeRow;
use crate::tui::app::Ui;
use crate::tui::units::{age, bytes, count, fit};

/// Columns: heading, least width (0 takes what is left), and the panel width from which it is shown.
const COLUMNS: [(&str, usize, u16); 8] = [
    ("node", 16, 0),
    ("port", 5, 0),
    ("is", 8, 0),
    ("link above", 0, 0),
    ("behind", 9, 0),
    ("ACK", 6, 0),
    ("offset", 14, 92),
    ("backlog", 14, 100),
];

/// Draws the table.
pub fn render(frame: &mut Frame<'_>, area: Rect, places: &[Place], view: &LabView, ui: &Ui) {
    let (first, last) = window(places, area, ui);
    let names = places[first..last].iter().map(|place| branch(place, view, ui).width());
    let columns = columns(area.width, names.max().unwrap_or(0));
    let mut lines = vec![heading(&columns, ui)];
    for place in &places[first..last] {
        lines.push(row(place, &columns, view, ui));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The node whose row is at a place on the screen.
pub fn hit(area: Rect, places: &[Place], _: &LabView, ui: &Ui, at: Position) -> Option<usize> {
    if !area.contains(at) || at.y == area.y {
        return None;
    }
    let (first, last) = window(places, area, ui);
    places[first..last].get(usize::from(at.y - area.y - 1)).map(|place| place.node)
}

/// The rows that are shown: as many as fit, the selected one among them.
fn window(places: &[Place], area: Rect, ui: &Ui) -> (usize, usize) {
    let room = usize::from(area.height.saturating_sub(1));
    let at = places.iter().position(|place| place.node == ui.selected).unwrap_or(0);
    let first = (at + 1).saturating_sub(room).min(places.len().saturating_sub(room));
    (first, (first + room).min(places.len()))
}

/// A column that is shown: its place, heading and width.
type Column = (usize, &'static str, usize);

/// Least width of what is said of the link.
const LINK_MIN: usize = 8;

/// The columns that are shown in a panel of this width, where names want so many columns.
fn columns(width: u16, names: usize) -> Vec<Column> {
    let shown = COLUMNS.iter().enumerate().filter(|(_, (.., from))| width >= *from);
    let shown: Vec<_> = shown.map(|(i, (name, width, _))| (i, *name, *width)).collect();
    let taken: usize = shown.iter().map(|(_, _, width)| width + 1).sum();
    let left = usize::from(width).saturating_sub(taken + 1).max(LINK_MIN);
    let for_names = names.saturating_sub(COLUMNS[0].1).min(left - LINK_MIN);
    let wide = |(i, name, width)| match (i, width) {
        (0, width) => (i, name, width + for_names),
        (_, 0) => (i, name, (left - for_names).min(34)),
        _ => (i, name, width),
    };
    shown.into_iter().map(wide).collect()
}

fn heading(columns: &[Column], ui: &Ui) -> Line<'static> {
    let mut text = String::new();
    for (_, name, width) in columns {
        let _ = write!(text, " {name:<width$}");
    }
    Line::styled(text.trim_end().to_owned(), ui.theme().dim)
}

/// What stands in the columns of a row, shown or not.
pub type Cells = [node::Said; COLUMNS.len()];

fn row(place: &Place, columns: &[Column], view: &LabView, ui: &Ui) -> Line<'static> {
    let cells = match view.nodes.get(place.node) {
        Some(row) => cells(place, row, view, ui),
        None => outsider::cells(branch(place, view, ui), view, place.node, ui),
    };
    let mut spans = Vec::new();
    for (column, _, wide) in columns {
        let (text, style) = &cells[*column];
        let text = fit(text, *wide, ui.glyphs());
        let pad = " ".repeat(wide - text.width());
        spans.extend([Span::raw(" "), Span::styled(text, *style), Span::raw(pad)]);
    }
    let style = if place.node == ui.selected { Modifier::REVERSED } else { Modifier::empty() };
    Line::from(spans).style(style)
}

fn cells(place: &Place, row: &NodeRow, view: &LabView, ui: &Ui) -> Cells {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let server = node::server(row);
    let none = || glyphs.none.to_owned();
    let link = match tree::above(view, place.node) {
        None => (String::new(), theme.dim),
        Some(above) => {
            node::faults(view, above, place.node, ui).unwrap_or_else(|| node::link(row, ui))
        }
    };
    let link = node::trouble(view, row, ui).unwrap_or(link);
    let behind = node::behind(row);
    let backlog = server.and_then(|server| server.backlog).map_or_else(none, |backlog| {
        let percent = node::percent(backlog);
        format!("{} {percent:>3}%", node::bar(percent, 8, ui))
    });
    [
        (branch(place, view, ui), theme.title),
        (row.port.to_string(), theme.dim),
        node::word(row, ui),
        link,
        (
            behind.map_or_else(none, bytes),
            behind.filter(|n| *n > 0).map_or(theme.dim, |_| theme.warn),
        ),
        (node::ack_age(view, row).map_or_else(none, age), theme.dim),
        (server.map_or_else(none, |server| count(server.offset, glyphs)), theme.title),
        (backlog, theme.dim),
    ]
}

/// The name behind the branches that lead to it.
fn branch(place: &Place, view: &LabView, ui: &Ui) -> String {
    let [branch, last, pass] = ui.glyphs().tree;
    let name = match view.nodes.get(place.node) {
        Some(row) => row.name.as_str(),
        None => outsider::host(view, place.node),
    };
    let mut text = String::new();
    let mut node = place.node;
    for depth in (0..place.layer).rev() {
        let Some(above) = tree::above(view, node) else { break };
        let is_last = tree::children(view, above).last() == Some(node);
        let piece = match (depth + 1 == place.layer, is_last) {
            (true, true) => last,
            (true, false) => branch,
            (false, true) => " ",
            (false, false) => pass,
        };
        text.insert_str(0, &format!("{piece} "));
        node = above;
    }
    text + name
}
