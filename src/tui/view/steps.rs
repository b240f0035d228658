//! The script: its steps and how each went.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::frame;
use crate::lab::LabView;
use crate::lab::view::{StepStatus, StepView};
use crate::tui::app::{Panel, Ui};
use crate::tui::units::wrap;

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let title = if super::has_side(view, ui.area) {
        Line::styled("steps", ui.theme().title)
    } else {
        frame::tabs(Panel::Steps, view, ui)
    };
    let inner = frame::panel(frame, area, title, Panel::Steps, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let mut lines = Vec::new();
    let mut now = 0;
    for step in &view.steps {
        lines.extend(row(step, usize::from(inner.width), ui));
        if step.status != StepStatus::Waiting {
            now = lines.len();
        }
    }
    // The step that runs stays in view, with one after it.
    let rows = usize::from(inner.height);
    let first = (now + 1).saturating_sub(rows).min(lines.len().saturating_sub(rows));
    frame.render_widget(Paragraph::new(lines.split_off(first)), inner);
}

fn row(step: &StepView, width: usize, ui: &Ui) -> Vec<Line<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let (mark, style) = match step.status {
        StepStatus::Waiting => (glyphs.dot, theme.dim),
        StepStatus::Running => (glyphs.running, theme.title),
        StepStatus::Passed => (glyphs.passed, theme.good),
        StepStatus::Failed => (glyphs.dead, theme.bad),
    };
    let text_style = if step.status == StepStatus::Passed { Style::new() } else { style };
    let pieces = wrap(&step.text, width.saturating_sub(2));
    let marked = pieces.into_iter().enumerate().map(|(i, piece)| {
        let mark = if i == 0 { mark } else { " " };
        Line::from(vec![Span::styled(format!("{mark} "), style), Span::styled(piece, text_style)])
    });
    marked.collect()
}
