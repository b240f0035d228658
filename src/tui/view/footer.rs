//! The line at the bottom: the keys that work now, each of which can be clicked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::lab::LabView;
use crate::tui::app::Ui;
use crate::tui::keymap::{self, Binding};
use crate::tui::units::fit;

/// Draws the footer: a notice if there is one, else the keys.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let theme = ui.theme();
    if let Some(notice) = &ui.notice {
        let text = fit(notice, usize::from(area.width).saturating_sub(2), ui.glyphs());
        frame.render_widget(Paragraph::new(Line::styled(format!(" {text}"), theme.warn)), area);
        return;
    }
    for (place, binding) in chips(area, view, ui) {
        let key = if binding.fault { theme.danger } else { theme.key };
        let line = Line::from(vec![
            Span::styled(keys(binding, ui), key),
            Span::raw(format!(" {}", keymap::name(binding, view, ui))),
        ]);
        frame.render_widget(Paragraph::new(line), place);
    }
}

/// Where each key stands: as many as fit, in the order of their importance.
pub fn chips(area: Rect, view: &LabView, ui: &Ui) -> Vec<(Rect, &'static Binding)> {
    let mut chips = Vec::new();
    let mut x = area.x + 1;
    for binding in keymap::footer(view, ui) {
        let width = keys(binding, ui).width() + 1 + keymap::name(binding, view, ui).width();
        let width = width as u16;
        if x + width > area.right() {
            continue;
        }
        chips.push((Rect { x, y: area.y, width, height: 1 }, binding));
        x += width + 2;
    }
    chips
}

/// The first of a binding's keys.
fn keys(binding: &Binding, ui: &Ui) -> String {
    let label = binding.label(ui.ascii);
    label.split(' ').next().unwrap_or_default().to_owned()
}
