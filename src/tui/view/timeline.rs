//! What happened: time, node, the fact in the field's words, and one plain sentence beside it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::frame;
use crate::lab::told::{Told, tell};
use crate::lab::{Entry, Event, LabView};
use crate::machine::Severity;
use crate::tui::app::{Panel, Ui};
use crate::tui::units::{fit, moment, wrap};

/// Columns of the time and of the node's name.
const TIME: usize = 8;
const NODE: usize = 9;

/// Commands that actions send to the Sentinels.
const ANSWERED_HERE: [&str; 3] = ["SENTINEL CKQUORUM", "SENTINEL FAILOVER", "SENTINEL RESET"];

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let theme = ui.theme();
    let mut title = frame::tabs(Panel::Timeline, view, ui);
    if !ui.filter.is_empty() {
        title.push_span(Span::styled(format!("  /{}", ui.filter), theme.warn));
    }
    if ui.scroll > 0 {
        title.push_span(Span::styled(format!("  {} newer below", ui.scroll), theme.warn));
    }
    let inner = frame::panel(frame, area, title, Panel::Timeline, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let rows = usize::from(inner.height);
    let columns = Columns::of(inner.width);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for entry in self::rows(view, ui).skip(ui.scroll) {
        let mut row = columns.row(entry, view, ui);
        if lines.len() + row.len() > rows && !lines.is_empty() {
            break;
        }
        row.truncate(rows);
        lines.extend(row.into_iter().rev());
    }
    lines.reverse();
    if lines.is_empty() {
        lines.push(Line::styled(nothing(ui), theme.dim));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// What the filter lets pass, the newest first.
pub fn rows<'a>(view: &'a LabView, ui: &'a Ui) -> impl Iterator<Item = &'a Entry> {
    view.journal.iter().rev().map(AsRef::as_ref).filter(|entry| passes(entry, view, &ui.filter))
}

fn nothing(ui: &Ui) -> &'static str {
    if ui.filter.is_empty() { "Nothing happened yet." } else { "No row has this text." }
}

/// Whether a row has the filter's text in it. Replies belong to the console, unless asked for, or to
/// what a key asked the Sentinels.
fn passes(entry: &Entry, view: &LabView, filter: &str) -> bool {
    if filter.is_empty() {
        return match &entry.event {
            Event::Reply { command, .. } => ANSWERED_HERE.iter().any(|c| command.starts_with(c)),
            _ => true,
        };
    }
    let told = tell(entry, &view.nodes);
    let node = entry.node.as_deref().unwrap_or("lab");
    let filter = filter.to_lowercase();
    [node, &told.fact, &told.meaning].iter().any(|text| text.to_lowercase().contains(&filter))
}

/// Widths of the columns of fact and meaning.
struct Columns {
    fact: usize,
    meaning: usize,
}

impl Columns {
    fn of(width: u16) -> Self {
        let room = usize::from(width).saturating_sub(TIME + NODE + 2);
        let fact = (room * 9 / 20).min(72);
        Self { fact, meaning: room - fact - 2 }
    }

    fn row(&self, entry: &Entry, view: &LabView, ui: &Ui) -> Vec<Line<'static>> {
        let theme = ui.theme();
        let mut told = tell(entry, &view.nodes);
        told.fact = told.fact.replace('\n', " ");
        let style = style(&told, ui);
        let (facts, meanings) = if told.meaning.is_empty() {
            (wrap(&told.fact, self.fact + self.meaning + 2), Vec::new())
        } else {
            (wrap(&told.fact, self.fact), wrap(&told.meaning, self.meaning))
        };
        let node = entry.node.as_deref().unwrap_or("lab");
        let mut lines = Vec::new();
        for i in 0..facts.len().max(meanings.len()) {
            let fact = facts.get(i).cloned().unwrap_or_default();
            let (time, name, mark) = if i == 0 {
                (moment(entry.t_ms), fit(node, NODE - 1, ui.glyphs()), glyph(&told, entry, ui))
            } else {
                (String::new(), String::new(), " ")
            };
            let mut spans = vec![
                Span::styled(format!("{time:<TIME$}"), theme.dim),
                Span::styled(pad(name, NODE), theme.title),
                Span::styled(format!("{mark} "), style),
            ];
            match meanings.get(i) {
                Some(meaning) => spans.extend([
                    Span::styled(pad(fact, self.fact + 2), style),
                    Span::styled(meaning.clone(), meaning_style(&told, ui)),
                ]),
                None => spans.push(Span::styled(fact, style)),
            }
            lines.push(Line::from(spans));
        }
        lines
    }
}

fn pad(text: String, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

fn style(told: &Told, ui: &Ui) -> Style {
    let theme = ui.theme();
    let style = match told.severity {
        Severity::Quiet => theme.dim,
        Severity::Info => Style::new(),
        Severity::Good => theme.good,
        Severity::Warn => theme.warn,
        Severity::Bad => theme.bad,
    };
    if told.prominent { style.add_modifier(Modifier::BOLD | Modifier::REVERSED) } else { style }
}

fn meaning_style(told: &Told, ui: &Ui) -> Style {
    if told.prominent { ui.theme().title } else { ui.theme().dim }
}

fn glyph(told: &Told, entry: &Entry, ui: &Ui) -> &'static str {
    let glyphs = ui.glyphs();
    match (&entry.event, told.severity) {
        (Event::Said(_), _) => glyphs.said,
        (Event::Did { .. }, _) => glyphs.running,
        (_, Severity::Quiet | Severity::Info) => glyphs.dot,
        (_, Severity::Good) => glyphs.passed,
        (_, Severity::Warn) => "!",
        (_, Severity::Bad) => glyphs.dead,
    }
}
