//! The keys of a node, from a snapshot: a page of them, and the value of the selected one.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::inside::{Cell, row, ttl, window};
use crate::lab::LabView;
use crate::lab::look::{KeyRow, Listing};
use crate::tui::app::Ui;
use crate::tui::inside::Inside;
use crate::tui::units::{age, bytes, count, fit};

/// Elements of a value that can be shown.
const ELEMENTS_MAX: usize = 100;

/// From this width on, a row has the encoding too.
const WIDE: u16 = 100;

/// Draws a page.
pub fn render(
    frame: &mut Frame<'_>,
    area: Rect,
    listing: &Listing,
    inside: &Inside,
    view: &LabView,
    ui: &Ui,
) {
    let wanted = if inside.is_open { elements(listing, inside.at, area, ui) } else { Vec::new() };
    let value_rows = (wanted.len() as u16).min(area.height / 2);
    let [head, table, value] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(value_rows),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(heading(listing, view, ui)), head);
    let room = usize::from(table.height.saturating_sub(1));
    let mut lines = vec![row(columns(table.width, None, ui), false, ui)];
    let age_ms = view.now_ms.saturating_sub(listing.at_ms);
    for at in window(inside.at, listing.len(), room) {
        if let Some(mut key) = listing.row(at) {
            key.ttl_ms = key.ttl_ms.map(|ms| ms.saturating_sub_unsigned(age_ms));
            let cells = columns(table.width, Some(&key), ui);
            lines.push(row(cells, at == inside.at, ui));
        }
    }
    frame.render_widget(Paragraph::new(lines), table);
    if value_rows > 0 {
        frame.render_widget(Paragraph::new(elements(listing, inside.at, value, ui)), value);
    }
}

fn heading(listing: &Listing, view: &LabView, ui: &Ui) -> Vec<Line<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let all = count(listing.keys, glyphs);
    let number = match (listing.pattern.as_str(), listing.keys) {
        ("", 1) => "1 key".to_owned(),
        ("", _) => format!("{all} keys"),
        (glob, _) => format!("{} of {all} keys fit {glob}", count(listing.len() as u64, glyphs)),
    };
    let taken = age(view.now_ms.saturating_sub(listing.at_ms));
    let about = format!(
        "   by {}   a snapshot of {taken} ago, at offset {}",
        listing.sort.word(),
        count(listing.offset, glyphs)
    );
    vec![
        Line::from(vec![Span::styled(number, theme.title), Span::styled(about, theme.dim)]),
        Line::default(),
    ]
}

/// The cells of a row, or of the heading.
fn columns(width: u16, key: Option<&KeyRow>, ui: &Ui) -> Vec<Cell> {
    let theme = ui.theme();
    let is_wide = width >= WIDE;
    // The other columns, and a space between any two.
    let fixed = if is_wide { 52 } else { 40 };
    let left = usize::from(width).saturating_sub(fixed);
    let name = (left * 2 / 5).clamp(8, 48);
    let peek = left.saturating_sub(name);
    let Some(key) = key else {
        let heading = |(text, width): (&str, usize)| (text.to_owned(), theme.dim, width);
        let mut cells = vec![("db", 2), ("key", name), ("type", 6)];
        if is_wide {
            cells.push(("encoding", 11));
        }
        cells.extend([("elements", 8), ("    size", 8), ("    lives", 9), ("value", peek)]);
        return cells.into_iter().map(heading).collect();
    };
    let none = ui.glyphs().none;
    let is_over = key.ttl_ms.is_some_and(|ms| ms <= 0);
    let elements = key.elements.map_or(none.to_owned(), |n| count(n as u64, ui.glyphs()));
    let lives = key.ttl_ms.map_or(none.to_owned(), ttl);
    let mut cells: Vec<Cell> = vec![
        (key.db.to_string(), theme.dim, 2),
        (key.key.clone(), if is_over { theme.dim } else { theme.title }, name),
        (key.kind.to_owned(), theme.replica, 6),
    ];
    if is_wide {
        cells.push((key.encoding.to_owned(), theme.dim, 11));
    }
    let style = ratatui::style::Style::new();
    cells.extend([
        (format!("{elements:>8}"), theme.dim, 8),
        (format!("{:>8}", bytes(key.bytes)), style, 8),
        (format!("{lives:>9}"), if is_over { theme.warn } else { theme.dim }, 9),
        (key.peek.clone(), style, peek),
    ]);
    cells
}

/// The value of the selected key, its first elements one below the other.
fn elements(listing: &Listing, at: usize, area: Rect, ui: &Ui) -> Vec<Line<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let Some(key) = listing.row(at) else { return Vec::new() };
    let room = usize::from(area.height.saturating_sub(2)).min(ELEMENTS_MAX);
    let width = usize::from(area.width);
    let Some(seen) = listing.elements(at, room) else { return Vec::new() };
    let rule = glyphs.line[1].repeat(width.saturating_sub(key.key.len() + 2).min(width));
    let mut lines = vec![
        Line::from(vec![
            Span::styled(fit(&key.key, width, glyphs), theme.title),
            Span::styled(format!(" {rule}"), theme.dim),
        ]),
        Line::styled(format!("{}, {}, {}", key.kind, key.encoding, bytes(key.bytes)), theme.dim),
    ];
    if key.elements.is_none() {
        let text = seen.rows.first().map(|(_, text)| text.clone()).unwrap_or_default();
        let wrapped = crate::tui::units::wrap(&text, width);
        lines.extend(wrapped.into_iter().take(room).map(Line::from));
        return lines;
    }
    let wide = seen.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(width / 3);
    for (name, text) in seen.rows {
        lines.push(row(
            vec![
                (name, theme.key, wide),
                (text, ratatui::style::Style::new(), width.saturating_sub(wide + 2)),
            ],
            false,
            ui,
        ));
    }
    if seen.more > 0 {
        lines.pop();
        let more = count(seen.more as u64 + 1, glyphs);
        lines.push(Line::styled(format!("and {more} more"), theme.dim));
    }
    lines
}
