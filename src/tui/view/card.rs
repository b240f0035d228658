//! The card of the very first start: what you see, and three keys to try.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::frame;
use crate::tui::app::Ui;

/// Draws the card.
pub fn render(frame: &mut Frame<'_>, area: Rect, ui: &Ui) {
    let theme = ui.theme();
    let key = |key: &'static str, text: &'static str, danger: bool| {
        let style = if danger { theme.danger } else { theme.key };
        Line::from(vec![Span::styled(format!("  {key}  "), style), Span::raw(text)])
    };
    let lines = vec![
        Line::default(),
        Line::from("Servers that speak Redis run here, on real ports: the primary on top"),
        Line::from("takes writes, the replicas below copy it. The numbers are live."),
        Line::default(),
        Line::styled("Three keys to try:", theme.title),
        key("x", "cut the selected replica's link; x again heals it", true),
        key("K", "kill the selected node; r starts it again", true),
        key("s", "make the selected replica a primary: SLAVEOF NO ONE", true),
        Line::default(),
        Line::from("Arrows select a node. Below, the timeline says what happened and why."),
        key("?", "all keys and words; o launches other labs", false),
        Line::default(),
        Line::styled("Enter begins. This card does not come back.", theme.dim),
    ];
    let place = frame::centred(area, 76, lines.len() as u16 + 2);
    let inner = frame::overlay(frame, place, "welcome to replab", ui);
    let inner = Rect { x: inner.x + 2, width: inner.width.saturating_sub(3), ..inner };
    frame.render_widget(Paragraph::new(lines), inner);
}
