//! The line for a typed action or a filter, in the footer's place, and what could be typed next.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tui_input::Input;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::frame;
use crate::lab::{LabView, complete};
use crate::tui::app::{Prompt, Ui};
use crate::tui::units::wrap;

/// Most offers that are shown.
const OFFERS_MAX: usize = 8;

/// Draws the palette: its line, and over it what is wrong or what could come next.
pub fn palette(frame: &mut Frame<'_>, area: Rect, prompt: &Prompt, view: &LabView, ui: &Ui) {
    line(frame, area, ":", prompt, "Tab completes   Enter does it   Esc cancels", ui);
    let width = area.width.min(72);
    let (title, lines) = if let Some(error) = &prompt.error {
        let style = ui.theme().bad;
        let lines = wrap(error, usize::from(width) - 4).into_iter();
        ("not understood", lines.map(|text| Line::styled(text, style)).collect::<Vec<_>>())
    } else {
        ("next", offers(prompt, view, ui))
    };
    if lines.is_empty() {
        return;
    }
    let height = lines.len() as u16 + 2;
    let over = Rect { x: area.x, y: area.y.saturating_sub(height), width, height };
    let inner = frame::overlay(frame, over, title, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Draws the line of the filter.
pub fn filter(frame: &mut Frame<'_>, area: Rect, prompt: &Prompt, ui: &Ui) {
    line(frame, area, "/", prompt, "Enter keeps the filter   Esc clears it", ui);
}

/// Draws the line of the glob that chooses keys.
pub fn pattern(frame: &mut Frame<'_>, area: Rect, prompt: &Prompt, ui: &Ui) {
    line(frame, area, "/", prompt, "a glob: user:*   Enter looks   Esc cancels", ui);
}

fn offers(prompt: &Prompt, view: &LabView, ui: &Ui) -> Vec<Line<'static>> {
    let all = complete(prompt.input.value(), view);
    let more = all.len().saturating_sub(OFFERS_MAX);
    let mut lines: Vec<Line<'_>> = all.into_iter().take(OFFERS_MAX).map(Line::from).collect();
    if more > 0 {
        lines.push(Line::styled(format!("and {more} more"), ui.theme().dim));
    }
    lines
}

/// The part of an input that fits a room of so many columns, and the cursor's column in it.
pub fn around_cursor(input: &Input, room: usize) -> (String, u16) {
    let first = input.visual_scroll(room);
    let mut end = 0;
    let is_inside = |c: &char| {
        let begin = end;
        end += c.width().unwrap_or(0);
        begin >= first && end <= first + room
    };
    let text = input.value().chars().filter(is_inside).collect();
    (text, input.visual_cursor().saturating_sub(first) as u16)
}

fn line(frame: &mut Frame<'_>, area: Rect, sign: &str, prompt: &Prompt, hint: &str, ui: &Ui) {
    let theme = ui.theme();
    let width = usize::from(area.width);
    let hint = if prompt.input.value().width() + hint.width() + 6 < width { hint } else { "" };
    let room = width.saturating_sub(hint.width() + 4);
    let (text, cursor) = around_cursor(&prompt.input, room);
    let gap = width.saturating_sub(text.width() + hint.width() + 3);
    frame.set_cursor_position(Position { x: area.x + 2 + cursor, y: area.y });
    let spans = vec![
        Span::styled(format!(" {sign}"), theme.key),
        Span::styled(text, theme.title),
        Span::raw(" ".repeat(gap)),
        Span::styled(hint.to_owned(), theme.dim),
    ];
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
