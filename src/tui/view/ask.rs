//! A question before something that will not last.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::frame;
use crate::tui::app::{Question, Ui};
use crate::tui::keymap::{self, Mode};
use crate::tui::units::wrap;

/// Columns of the overlay.
const WIDTH: u16 = 68;

/// Draws the question and the keys that answer it.
pub fn render(frame: &mut Frame<'_>, area: Rect, question: &Question, ui: &Ui) {
    let theme = ui.theme();
    let width = WIDTH.min(area.width);
    let mut lines: Vec<Line<'_>> = wrap(&question.text, usize::from(width).saturating_sub(4))
        .into_iter()
        .map(Line::from)
        .collect();
    lines.push(Line::default());
    for row in keymap::all().filter(|row| row.mode == Mode::Ask && !row.doc.is_empty()) {
        let style = if row.fault { theme.danger } else { theme.key };
        lines.push(Line::from(vec![
            Span::styled(format!("  {:<8}", row.label(ui.ascii)), style),
            Span::raw(row.doc),
        ]));
    }
    let place = frame::centred(area, width, lines.len() as u16 + 2);
    let inner = frame::overlay(frame, place, &question.title, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Paragraph::new(lines), inner);
}
