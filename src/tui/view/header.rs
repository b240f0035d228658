//! The line at the top: what runs, since when, and what the workload came to.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::lab::LabView;
use crate::lab::view::{StepStatus, WorkloadView};
use crate::tui::app::Ui;
use crate::tui::units::{clock, count, fit};

/// From this width on there is room for words beside the numbers.
const ROOMY: u16 = 100;

/// Draws the header.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let roomy = area.width >= ROOMY;
    let mut right = workload(&view.workload, roomy, ui);
    right.extend([Span::raw("   "), Span::styled("?", theme.key), Span::raw(":help ")]);

    let mut left = vec![Span::styled(" replab ", theme.badge), Span::raw(" ")];
    let mut state = Vec::new();
    for (on, text) in [(ui.frozen, "FROZEN"), (ui.read_only, "READ-ONLY")] {
        if on {
            state.extend([Span::styled(format!(" {text} "), theme.badge), Span::raw(" ")]);
        }
    }
    let (text, style) = run_state(view, roomy, ui);
    state.extend([Span::styled(text, style), Span::raw(" ")]);
    state.push(Span::styled(clock(view.now_ms), theme.title));

    let columns = usize::from(area.width);
    let room = columns.saturating_sub(width(&left) + width(&state) + width(&right) + 4);
    if room >= 5 {
        left.push(Span::styled(fit(&view.title, room, glyphs), theme.title));
        left.push(Span::raw("  "));
    }
    left.extend(state);
    while width(&left) + width(&right) + 1 > columns && !right.is_empty() {
        right.remove(0);
    }
    left.push(Span::raw(" ".repeat(columns.saturating_sub(width(&left) + width(&right)))));
    left.extend(right);
    frame.render_widget(Paragraph::new(Line::from(left)), area);
}

fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.content.width()).sum()
}

fn run_state(view: &LabView, roomy: bool, ui: &Ui) -> (String, Style) {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let failed = view.steps.iter().filter(|s| s.status == StepStatus::Failed).count();
    let done = view
        .steps
        .iter()
        .filter(|s| matches!(s.status, StepStatus::Passed | StepStatus::Failed))
        .count();
    match (view.steps.len(), failed) {
        (0, _) if roomy => (format!("{} live ", glyphs.running), theme.good),
        (0, _) => (glyphs.running.to_owned(), theme.good),
        (n, _) if view.is_held && done < n => {
            (format!("{} held, {done}/{n}", glyphs.paused), theme.warn)
        }
        (n, 0) if done == n => (format!("{} {n} steps passed", glyphs.passed), theme.good),
        (n, 0) => (format!("{} step {}/{n}", glyphs.running, done + 1), theme.good),
        (n, f) if roomy => (format!("{} {f} of {n} steps failed ", glyphs.dead), theme.bad),
        (n, f) => (format!("{} {f}/{n} FAILED", glyphs.dead), theme.bad),
    }
}

fn workload(work: &WorkloadView, roomy: bool, ui: &Ui) -> Vec<Span<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let target = work.target.as_deref().unwrap_or(glyphs.none);
    let mut spans = vec![Span::raw(if roomy { "writes " } else { "" })];
    let rate = match work.per_second {
        0 => "off".to_owned(),
        n => format!("{n}/s"),
    };
    spans.push(Span::styled(rate, theme.title));
    if roomy && work.per_second > 0 {
        spans.push(Span::raw(format!(" {} {target}", glyphs.arrow)));
    }
    spans.push(Span::raw("  acked "));
    spans.push(Span::styled(count(work.acked, glyphs), theme.title));
    if work.refused + work.unanswered > 0 && roomy {
        let text = format!("  failed {}", count(work.refused + work.unanswered, glyphs));
        spans.push(Span::styled(text, theme.warn));
    }
    let style = if work.lost > 0 { theme.bad } else { theme.title };
    spans.push(Span::raw("  lost "));
    spans.push(Span::styled(count(work.lost, glyphs), style));
    spans
}
