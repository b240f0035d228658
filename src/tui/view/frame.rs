//! The border and title of a panel.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};

use crate::lab::LabView;
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

/// Draws the border of a box.
pub fn outline(buffer: &mut Buffer, area: Rect, set: border::Set<'_>, style: Style) {
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    for x in area.left() + 1..right {
        buffer.set_string(x, area.y, set.horizontal_top, style);
        buffer.set_string(x, bottom, set.horizontal_bottom, style);
    }
    for y in area.top() + 1..bottom {
        buffer.set_string(area.x, y, set.vertical_left, style);
        buffer.set_string(right, y, set.vertical_right, style);
    }
    for (x, y, corner) in [
        (area.x, area.y, set.top_left),
        (right, area.y, set.top_right),
        (area.x, bottom, set.bottom_left),
        (right, bottom, set.bottom_right),
    ] {
        buffer.set_string(x, y, corner, style);
    }
}

/// The title of a panel at the bottom: the panels that share the place, the shown one bold.
pub fn tabs(shown: Panel, view: &LabView, ui: &Ui) -> Line<'static> {
    let theme = ui.theme();
    let mut spans = Vec::new();
    for (i, panel) in super::tabs(view, ui).into_iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(format!(" {} ", ui.glyphs().dot), theme.dim));
        }
        let style = if panel == shown { theme.title } else { theme.dim };
        spans.push(Span::styled(panel.word(), style));
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
