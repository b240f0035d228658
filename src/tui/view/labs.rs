//! What can be launched, and what is wrong with what could not be.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::inside::{row, window};
use super::{frame, prompt};
use crate::tui::app::Ui;
use crate::tui::labs::{Labs, Offer};
use crate::tui::units::{fit, wrap};

/// Columns at most.
const WIDTH_MAX: u16 = 110;
/// Rows of what is said of the chosen one.
const ABOUT: u16 = 4;

/// Draws the overlay.
pub fn render(frame: &mut Frame<'_>, area: Rect, labs: &Labs, ui: &Ui) {
    let place = frame::centred(area, WIDTH_MAX, area.height);
    let title = if labs.wrong.is_some() { "not launched" } else { "launch a lab" };
    let inner = frame::overlay(frame, place, title, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    match &labs.wrong {
        Some(wrong) => draw_wrong(frame, inner, wrong, ui),
        None => draw_list(frame, inner, labs, ui),
    }
}

fn draw_wrong(frame: &mut Frame<'_>, area: Rect, wrong: &str, ui: &Ui) {
    let width = usize::from(area.width);
    let mut lines: Vec<Line<'_>> =
        wrong.lines().map(|text| Line::raw(fit(text, width, ui.glyphs()))).collect();
    lines.truncate(usize::from(area.height.saturating_sub(2)));
    lines.push(Line::default());
    let back = "The lab that ran goes on. Any key shows the list again.";
    lines.push(Line::styled(fit(back, width, ui.glyphs()), ui.theme().dim));
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, labs: &Labs, ui: &Ui) {
    let theme = ui.theme();
    let [typed, list, about] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(ABOUT.min(area.height / 4)),
    ])
    .areas(area);
    draw_typed(frame, typed, labs, ui);
    let shown = labs.shown();
    let names = shown.iter().map(|offer| offer.name.width()).max().unwrap_or(0);
    let names = names.min(usize::from(area.width) / 2);
    let lines = window(labs.at, shown.len(), usize::from(list.height));
    let mut lines: Vec<Line<'_>> = lines
        .map(|at| line(shown[at], names, at == labs.at, usize::from(list.width), labs, ui))
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled("None has these words in it.", theme.dim));
    }
    frame.render_widget(Paragraph::new(lines), list);
    let Some(chosen) = labs.chosen() else { return };
    let text = wrap(&chosen.about, usize::from(about.width)).into_iter();
    let mut lines = vec![Line::default()];
    lines.extend(text.map(|text| Line::styled(text, theme.dim)));
    frame.render_widget(Paragraph::new(lines), about);
}

/// The typed words, and where the cursor is.
fn draw_typed(frame: &mut Frame<'_>, area: Rect, labs: &Labs, ui: &Ui) {
    let theme = ui.theme();
    let (text, cursor) =
        prompt::around_cursor(&labs.typed, usize::from(area.width.saturating_sub(2)));
    frame.set_cursor_position(Position { x: area.x + 1 + cursor, y: area.y });
    let hint = if text.is_empty() { " type to filter" } else { "" };
    let line = Line::from(vec![
        Span::styled("/", theme.key),
        Span::styled(text, theme.title),
        Span::styled(hint, theme.dim),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

/// What runs has a sign.
fn line(
    offer: &Offer,
    names: usize,
    is_chosen: bool,
    width: usize,
    labs: &Labs,
    ui: &Ui,
) -> Line<'static> {
    let runs = offer.name == labs.running;
    let sign = if runs { ui.glyphs().running } else { " " };
    let title =
        if runs { format!("{} (runs; Enter: anew)", offer.title) } else { offer.title.clone() };
    let cells = vec![
        (sign.to_owned(), ui.theme().good, 1),
        (offer.name.clone(), ui.theme().title, names),
        (title, Style::new(), width.saturating_sub(names + 3)),
    ];
    row(cells, is_chosen, ui)
}
