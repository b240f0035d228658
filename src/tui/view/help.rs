//! The help overlay: every key from the table, and the words that confuse people.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::frame;
use crate::tui::app::Ui;
use crate::tui::keymap::{self, Mode};
use crate::tui::units::wrap;

/// Columns of the overlay where keys and words stand side by side, and where they do not.
const WIDTHS: [u16; 2] = [116, 80];
/// Columns of the keys and what they do, where the words stand beside them.
const BESIDE: u16 = 60;
/// Columns of the keys.
const KEYS: usize = 12;

/// Words and what they mean here.
const WORDS: &[(&str, &str)] = &[
    ("primary", "takes the writes. Redis's own output calls it master."),
    ("replica", "copies a primary. Redis's own output calls it slave."),
    ("offset", "how many bytes of the replication stream a node has made or applied."),
    ("behind", "bytes of the stream that a replica has not applied yet."),
    ("ACK", "how long ago a replica last told its offset: `lag` in INFO, in seconds, not bytes."),
    ("backlog", "the newest part of the stream, kept for replicas that come back."),
    ("replid", "the name of a history. Same name and an offset in the backlog: partial sync."),
    ("replid2", "the name the history had before a promotion; it counts up to an offset."),
    ("full sync", "the whole dataset is sent, because the missing bytes are not at hand."),
    ("cut", "no byte and no end of connection crosses the link, until it heals."),
    ("paused", "SIGSTOP: connections stay open and nothing answers. Dead: SIGKILL."),
    ("sdown", "subjectively down: one Sentinel has had no answer for down-after-milliseconds."),
    ("odown", "objectively down: as many Sentinels as the quorum says so. A failover may start."),
    ("epoch", "the number of an election; each Sentinel has one vote in each."),
    ("config", "the epoch of the failover that a Sentinel's address comes from; the highest wins."),
    ("TILT", "a Sentinel whose clock jumped, or that was held up, only looks for 30 seconds."),
    ("lost", "writes that were acknowledged and are not on the present primary."),
];

/// Draws the overlay.
pub fn render(frame: &mut Frame<'_>, area: Rect, scroll: u16, ui: &Ui) {
    let beside = area.width >= WIDTHS[0];
    let place = frame::centred(area, WIDTHS[usize::from(!beside)], area.height);
    let inner = frame::overlay(frame, place, "help", ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    if beside {
        let [left, right] =
            Layout::horizontal([Constraint::Length(BESIDE), Constraint::Min(0)]).areas(inner);
        let keys = keys(usize::from(left.width).saturating_sub(1), ui);
        frame.render_widget(Paragraph::new(keys).scroll((scroll, 0)), left);
        let words = words(usize::from(right.width), ui);
        frame.render_widget(Paragraph::new(words).scroll((scroll, 0)), right);
    } else {
        let mut lines = keys(usize::from(inner.width), ui);
        lines.push(Line::default());
        lines.extend(words(usize::from(inner.width), ui));
        frame.render_widget(Paragraph::new(lines).scroll((scroll, 0)), inner);
    }
}

/// How far it can be scrolled on a terminal of this size.
pub fn scroll_max(ui: &Ui) -> u16 {
    let beside = ui.area.width >= WIDTHS[0];
    let inner = WIDTHS[usize::from(!beside)].min(ui.area.width).saturating_sub(4);
    let rows = if beside {
        let keys = keys(usize::from(BESIDE) - 1, ui).len();
        keys.max(words(usize::from(inner - BESIDE), ui).len())
    } else {
        keys(usize::from(inner), ui).len() + 1 + words(usize::from(inner), ui).len()
    };
    (rows as u16).saturating_sub(ui.area.height.saturating_sub(4))
}

fn keys(width: usize, ui: &Ui) -> Vec<Line<'static>> {
    let theme = ui.theme();
    let mut lines = vec![Line::styled("keys", theme.title)];
    for row in keymap::all().filter(|row| row.mode == Mode::Screen && !row.doc.is_empty()) {
        let style = if row.fault { theme.danger } else { theme.key };
        lines.extend(entry(&row.label(ui.ascii), row.doc, style, width));
    }
    lines
}

/// A key or a word, and beside it what it means, on as many lines as that takes.
fn entry(label: &str, meaning: &str, style: Style, width: usize) -> Vec<Line<'static>> {
    let pieces = wrap(meaning, width.saturating_sub(KEYS + 2)).into_iter().enumerate();
    let line = |(i, piece)| {
        let label = if i == 0 { label } else { "" };
        Line::from(vec![Span::styled(format!("  {label:<KEYS$}"), style), Span::raw(piece)])
    };
    pieces.map(line).collect()
}

fn words(width: usize, ui: &Ui) -> Vec<Line<'static>> {
    let title = ui.theme().title;
    let mut lines = vec![Line::styled("words", title)];
    for (word, meaning) in WORDS {
        lines.extend(entry(word, meaning, title, width));
    }
    lines
}
