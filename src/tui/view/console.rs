//! Commands to the selected node, and what it answered, as redis-cli shows them.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::{frame, prompt};
use crate::lab::{Event, LabView};
use crate::tui::app::{Layer, Panel, Ui};
use crate::tui::units::wrap;

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let title = frame::tabs(Panel::Console, view, ui);
    let inner = frame::panel(frame, area, title, Panel::Console, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(node) = ui.node(view) else { return };
    let sign = format!("{}:{}> ", node.name, node.port);
    let rows = usize::from(inner.height.saturating_sub(1));
    let mut lines = replies(view, &node.name, &sign, usize::from(inner.width), ui);
    if lines.is_empty() {
        let hint = "One connection is kept for the console, so MULTI, WAIT and SELECT work as they should.";
        let hints = wrap(hint, usize::from(inner.width));
        lines.extend(hints.into_iter().map(|line| Line::styled(line, ui.theme().dim)));
    }
    let end = lines.len().saturating_sub(ui.scroll).max(rows.min(lines.len()));
    let mut shown: Vec<Line<'_>> = lines[end.saturating_sub(rows)..end].to_vec();
    let at = shown.len() as u16;
    if let Some(Layer::Console(typed)) = ui.layers.last() {
        let room = usize::from(inner.width).saturating_sub(sign.width() + 1);
        let (text, cursor) = prompt::around_cursor(&typed.input, room);
        let x = inner.x + sign.width() as u16 + cursor;
        frame.set_cursor_position(Position { x, y: inner.y + at });
        shown.push(Line::from(vec![Span::styled(sign, ui.theme().key), Span::raw(text)]));
    }
    frame.render_widget(Paragraph::new(shown), inner);
}

fn replies(view: &LabView, node: &str, prompt: &str, width: usize, ui: &Ui) -> Vec<Line<'static>> {
    let theme = ui.theme();
    let mut lines = Vec::new();
    for entry in view.journal.iter().filter(|entry| entry.node.as_deref() == Some(node)) {
        if let Event::Streamed { streamed, .. } = &entry.event {
            let arrow = ui.glyphs().arrow;
            lines.extend(
                streamed
                    .iter()
                    .map(|command| Line::styled(format!("{arrow} {command}"), theme.replica)),
            );
        }
        let Event::Reply { command, reply, is_error } = &entry.event else { continue };
        lines.push(Line::from(vec![
            Span::styled(prompt.to_owned(), theme.dim),
            Span::styled(command.clone(), theme.title),
        ]));
        let style = if *is_error { theme.bad } else { Style::new() };
        lines.extend(wrap(reply, width).into_iter().map(|line| Line::styled(line, style)));
    }
    lines
}
