//! The selected node's own log.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tui_logger::{TuiLoggerLevelOutput, TuiLoggerWidget};

use super::frame;
use crate::lab::LabView;
use crate::tui::app::{Panel, Ui};

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let theme = ui.theme();
    let mut title = frame::tabs(Panel::Logs, view, ui);
    if let Some(node) = ui.node(view) {
        title.push_span(Span::styled(format!("  of {}", node.name), theme.dim));
    }
    let inner = frame::panel(frame, area, title, Panel::Logs, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(log) = &ui.logs else {
        frame.render_widget(Paragraph::new(Line::styled("No node is selected.", theme.dim)), inner);
        return;
    };
    let widget = TuiLoggerWidget::default()
        .state(&log.state)
        .output_target(false)
        .output_file(false)
        .output_line(false)
        .output_separator(' ')
        .output_timestamp(Some("%H:%M:%S%.3f".to_owned()))
        .output_level(Some(TuiLoggerLevelOutput::Abbreviated))
        .style_debug(theme.dim)
        .style_warn(theme.warn)
        .style_error(theme.bad);
    frame.render_widget(widget, inner);
}
