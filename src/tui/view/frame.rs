//! The border and title of a panel.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};

use crate::tui::app::{Panel, Ui};

/// Draws a panel's border with its title and gives the room inside.
pub fn panel(frame: &mut Frame<'_>, area: Rect, title: Line<'_>, panel: Panel, ui: &Ui) -> Rect {
    let theme = ui.theme();
    let focused = ui.focus == panel;
    let style = if focused { theme.focus } else { theme.dim };
    let mut spans = vec![Span::raw(" ")];
    spans.extend(title.spans);
    spans.push(Span::raw(" "));
    let block = Block::new()
        .borders(Borders::ALL)
        .border_set(ui.glyphs().panel)
        .border_style(style)
        .title(Line::from(spans));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// The same for something that lies over the panels.
pub fn overlay(frame: &mut Frame<'_>, area: Rect, title: &str, ui: &Ui) -> Rect {
    frame.render_widget(Clear, area);
    let theme = ui.theme();
    let block = Block::new()
        .borders(Borders::ALL)
        .border_set(ui.glyphs().selected)
        .border_style(theme.focus)
        .title(Span::styled(format!(" {title} "), theme.title));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// The title of a panel at the bottom: the panels that share the place, the shown one bold.
pub fn tabs(shown: Panel, steps: bool, ui: &Ui) -> Line<'static> {
    let theme = ui.theme();
    let mut panels = vec![(Panel::Timeline, "timeline")];
    if steps {
        panels.push((Panel::Steps, "steps"));
    }
    panels.extend([(Panel::Logs, "logs"), (Panel::Console, "console")]);
    let mut spans = Vec::new();
    for (i, (panel, name)) in panels.into_iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(format!(" {} ", ui.glyphs().dot), theme.dim));
        }
        let style = if panel == shown { theme.title } else { theme.dim };
        spans.push(Span::styled(name, style));
    }
    Line::from(spans)
}

/// A rectangle of at most this size in the middle of another.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}
