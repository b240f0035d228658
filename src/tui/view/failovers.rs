//! Where the time of a failover went, beside the least that it can take, and what it cost.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::frame;
use crate::lab::LabView;
use crate::lab::view::{FailoverReport, FailoverState, Phase, PhaseTime};
use crate::machine::Millis;
use crate::tui::app::Ui;
use crate::tui::units::{count, fit, moment, wrap};

/// Columns of the overlay at most.
const WIDTH: u16 = 100;
/// Columns before the bars.
const NUMBERS: usize = 31;

/// Draws the overlay: the newest failover, or one so many before it.
pub fn render(frame: &mut Frame<'_>, area: Rect, back: usize, view: &LabView, ui: &Ui) {
    let count = view.failovers.len();
    let width = WIDTH.min(area.width);
    let room = usize::from(width).saturating_sub(4);
    let (title, lines) = match view.failovers.iter().rev().nth(back) {
        Some(report) => {
            let title = format!("where the time went: failover {} of {count}", count - back);
            (title, lines(report, view, room, ui))
        }
        None => ("where the time went".to_owned(), none(view, room, ui)),
    };
    let place = frame::centred(area, width, lines.len() as u16 + 2);
    let inner = frame::overlay(frame, place, &title, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Paragraph::new(lines), inner);
}

fn none(view: &LabView, room: usize, ui: &Ui) -> Vec<Line<'static>> {
    let text = if view.monitors.is_empty() {
        "No Sentinels watch here, so nobody fails over."
    } else {
        "No failover yet. Kill the primary (K), or ask for one (F)."
    };
    wrap(text, room).into_iter().map(|line| Line::styled(line, ui.theme().dim)).collect()
}

fn lines(report: &FailoverReport, view: &LabView, room: usize, ui: &Ui) -> Vec<Line<'static>> {
    let theme = ui.theme();
    let heading = format!("{:<9}{:>9}{:>10}", "phase", "took", "at least");
    let mut lines = summary(report, view, room, ui);
    lines.push(Line::default());
    lines.push(Line::styled(heading, theme.dim));
    lines.extend(table(report, view, room, ui));
    lines.push(total(report, view, ui));
    lines.push(Line::default());
    lines.extend(losses(report, view, room, ui));
    lines
}

/// Who was replaced by whom, on whose word, since when and why, and how it stands.
fn summary(report: &FailoverReport, view: &LabView, room: usize, ui: &Ui) -> Vec<Line<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let name = |at: Option<usize>| {
        at.and_then(|at| view.nodes.get(at)).map_or("?".to_owned(), |row| row.name.clone())
    };
    let (state, style) = match &report.state {
        FailoverState::Running => (format!("{} going on", glyphs.running), theme.warn),
        FailoverState::Complete => (format!("{} complete", glyphs.passed), theme.good),
        FailoverState::Aborted(event) => (format!("{} given up: {event}", glyphs.dead), theme.bad),
    };
    let from_to = format!("{} {} {}", name(report.from), glyphs.arrow, name(report.to));
    let mut about =
        format!("{} at {}: {}", name(report.from), moment(report.began_ms), report.cause);
    if let (Some(leader), Some(epoch)) = (report.leader, report.epoch) {
        about += &format!("; {} led in epoch {epoch}", name(Some(leader)));
    }
    vec![
        Line::from(vec![
            Span::styled(from_to, theme.title),
            Span::styled(format!("   {}   ", report.monitor), theme.dim),
            Span::styled(state, style),
        ]),
        Line::styled(fit(&about, room, glyphs), theme.dim),
    ]
}

/// A row for each phase, its bar beginning where the one before ended. What could not have been
/// faster is drawn full, the rest light.
fn table(report: &FailoverReport, view: &LabView, room: usize, ui: &Ui) -> Vec<Line<'static>> {
    let whole = elapsed(report, view).max(1);
    let columns = room.saturating_sub(NUMBERS);
    let scale = |ms: Millis| (ms as usize * columns).div_ceil(whole as usize).min(columns);
    let mut before = 0;
    let running = running_phase(report);
    report
        .phases
        .iter()
        .map(|time| {
            let is_running = running == Some(time.phase);
            let took = match time.took_ms {
                Some(ms) => ms,
                None if is_running => whole.saturating_sub(before),
                None => 0,
            };
            let start = scale(before).min(columns.saturating_sub(1));
            // Whatever took any time can be seen.
            let end = if took > 0 { scale(before + took).max(start + 1) } else { start };
            before += took;
            let full = scale(time.least_ms.min(took)).min(end - start);
            row(time, is_running.then_some(took), [start, full, end - start - full], ui)
        })
        .collect()
}

/// `columns` are those before the bar, of its full part and of its light part.
fn row(time: &PhaseTime, so_far: Option<Millis>, columns: [usize; 3], ui: &Ui) -> Line<'static> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let took = match (time.took_ms, so_far) {
        (Some(ms), _) => (format!("{ms} ms"), theme.title),
        (None, Some(ms)) => (format!("{} {ms} ms", glyphs.running), theme.warn),
        (None, None) => (glyphs.none.to_owned(), theme.dim),
    };
    let least = format!("{} ms", time.least_ms);
    let [full, light] = glyphs.bar;
    Line::from(vec![
        Span::raw(format!("{:<9}", time.phase.word())),
        Span::styled(format!("{:>9}", took.0), took.1),
        Span::styled(format!("{least:>10}   "), theme.dim),
        Span::raw(" ".repeat(columns[0])),
        Span::styled(full.repeat(columns[1]), theme.good),
        Span::styled(light.repeat(columns[2]), theme.warn),
    ])
}

fn total(report: &FailoverReport, view: &LabView, ui: &Ui) -> Line<'static> {
    let theme = ui.theme();
    let took = format!("{} ms", elapsed(report, view));
    let least = format!("{} ms", report.least_ms());
    Line::from(vec![
        Span::styled(format!("{:<9}{took:>9}", "all"), theme.title),
        Span::styled(format!("{least:>10}"), theme.title),
        Span::styled(format!("   {}", slowness(report)), theme.dim),
    ])
}

/// How much longer than need be it took, and what most of that went into.
fn slowness(report: &FailoverReport) -> String {
    let over = |time: &PhaseTime| time.took_ms.unwrap_or(0).saturating_sub(time.least_ms);
    let all: Millis = report.phases.iter().map(over).sum();
    match report.phases.iter().max_by_key(|time| over(time)) {
        Some(time) if all > 0 => {
            format!("{all} ms more than need be, most in {}", time.phase.word())
        }
        _ => "as fast as it can be".to_owned(),
    }
}

/// The phase that a failover is in; none once it is over.
fn running_phase(report: &FailoverReport) -> Option<Phase> {
    let open = report.phases.iter().find(|time| time.took_ms.is_none());
    open.filter(|_| report.state == FailoverState::Running).map(|time| time.phase)
}

/// Milliseconds from its beginning to its end, or until now.
fn elapsed(report: &FailoverReport, view: &LabView) -> Millis {
    match report.state {
        FailoverState::Running => view.now_ms.saturating_sub(report.began_ms),
        _ => report.phases.iter().filter_map(|time| time.took_ms).sum(),
    }
}

fn losses(report: &FailoverReport, view: &LabView, room: usize, ui: &Ui) -> Vec<Line<'static>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let name = |at: Option<usize>| at.map_or("the old primary", |at| view.nodes[at].name.as_str());
    let (text, style): (String, Style) = match report.lost {
        None => ("Acknowledged writes are not looked for yet.".to_owned(), theme.dim),
        Some(0) => (format!("{} No acknowledged write was lost.", glyphs.passed), theme.good),
        Some(n) => {
            let writes = if n == 1 { "write was" } else { "writes were" };
            let text = format!(
                "{} {} acknowledged {writes} lost: {} said OK, and {} never got them.",
                glyphs.dead,
                count(n, glyphs),
                name(report.from),
                report.to.map_or("the new one", |at| view.nodes[at].name.as_str()),
            );
            (text, theme.bad)
        }
    };
    let mut lines: Vec<Line<'_>> =
        wrap(&text, room).into_iter().map(|line| Line::styled(line, style)).collect();
    if !report.lost_keys.is_empty() {
        let keys = format!("for example {}", report.lost_keys.join(", "));
        lines.push(Line::styled(fit(&keys, room, glyphs), theme.dim));
    }
    lines
}
