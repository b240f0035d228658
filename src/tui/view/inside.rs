//! The overlay that looks inside nodes, and what its two kinds have in common.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::{diff, frame, keys, node};
use crate::lab::look::{Ask, Sight};
use crate::lab::{LabView, picture};
use crate::tui::app::Ui;
use crate::tui::inside::Inside;
use crate::tui::units::fit;

/// Draws the overlay.
pub fn render(frame: &mut Frame<'_>, area: Rect, inside: &Inside, view: &LabView, ui: &Ui) {
    let title = match &inside.ask {
        Ask::Keys { node, .. } => format!("keys of {node}"),
        Ask::Diff { a, b } => format!("{a} {} {b}", ui.glyphs().differs),
    };
    let inner = frame::overlay(frame, area, &title, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    match &inside.sight {
        Some(Sight::Keys(listing)) => keys::render(frame, inner, listing, inside, view, ui),
        Some(Sight::Diff(found)) => diff::render(frame, inner, found, inside, view, ui),
        Some(Sight::Nothing(why)) => {
            let line = Line::styled(format!("Nothing to see: {why}."), ui.theme().warn);
            frame.render_widget(Paragraph::new(line), inner);
        }
        None => {
            let line = Line::styled("The snapshot is being read…", ui.theme().dim);
            frame.render_widget(Paragraph::new(line), inner);
        }
    }
}

/// A cell of a table: its text, how it looks, and how wide it is.
pub type Cell = (String, ratatui::style::Style, usize);

/// A row of a table, the selected one reversed.
pub fn row(cells: Vec<Cell>, is_selected: bool, ui: &Ui) -> Line<'static> {
    let mut spans = Vec::with_capacity(cells.len() * 2);
    for (text, style, width) in cells {
        let text = fit(&text, width, ui.glyphs());
        let pad = (width + 1).saturating_sub(text.width());
        let style = if is_selected { ratatui::style::Style::new() } else { style };
        spans.extend([Span::styled(text, style), Span::raw(" ".repeat(pad))]);
    }
    let style = if is_selected { Modifier::REVERSED } else { Modifier::empty() };
    Line::from(spans).style(style)
}

/// The rows that are shown: as many as fit, the selected one in the middle.
pub fn window(at: usize, rows: usize, room: usize) -> std::ops::Range<usize> {
    let first = at.saturating_sub(room / 2).min(rows.saturating_sub(room));
    first..(first + room).min(rows)
}

/// A time to live as people read it, and how long ago one was over.
pub fn ttl(ms: i64) -> String {
    let text = crate::tui::units::age(ms.unsigned_abs());
    if ms > 0 { text } else { format!("over {text}") }
}

/// How the link above a node is, if something is wrong with it; else its state.
pub fn link(view: &LabView, name: &str, ui: &Ui) -> Option<node::Said> {
    let at = picture::index(&view.nodes, name)?;
    let row = &view.nodes[at];
    let above = row.follows?;
    let fault = node::faults(view, above, at, ui);
    Some(node::trouble(view, row, ui).or(fault).unwrap_or_else(|| node::link(row, ui)))
}
