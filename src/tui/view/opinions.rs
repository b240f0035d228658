//! What the Sentinels believe, beside the lab's truth; where a belief differs, it is marked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::{frame, node};
use crate::lab::LabView;
use crate::lab::view::NodeStatus;
use crate::tui::app::{Panel, Ui};
use crate::tui::beliefs::{self, Belief};
use crate::tui::units::{age, fit};

/// Columns: heading, width (0 takes what is left), and the panel width from which it is shown.
/// From this width on, what differs and the vote have columns of their own.
const WIDE: u16 = 60;

const COLUMNS: [(&str, usize, u16); 6] = [
    ("", 7, 0),
    ("primary", 8, 0),
    ("state", 0, 0),
    ("", 22, WIDE),
    ("voted", 8, WIDE),
    ("config", 7, WIDE),
];

/// Rows that all of it takes, the border among them.
pub fn rows(view: &LabView) -> u16 {
    match beliefs::sentinels(view).count() {
        0 => 0,
        _ => (monitors(view).len() + lines_of_sentinels(view)) as u16 + 2,
    }
}

/// A line for each belief, and for each Sentinel that has none.
fn lines_of_sentinels(view: &LabView) -> usize {
    beliefs::sentinels(view).map(|at| beliefs::of(view, at).count().max(1)).sum()
}

fn monitors(view: &LabView) -> Vec<&str> {
    view.monitors.iter().map(|monitor| monitor.name.as_str()).collect()
}

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let theme = ui.theme();
    let title = if super::tabs(view, ui).contains(&Panel::Sentinels) {
        frame::tabs(Panel::Sentinels, view, ui)
    } else {
        Line::styled("what the Sentinels believe", theme.title)
    };
    let inner = frame::panel(frame, area, title, Panel::Sentinels, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let width = usize::from(inner.width);
    let mut lines: Vec<Line<'_>> =
        monitors(view).into_iter().map(|name| truth(view, name, width, ui)).collect();
    if usize::from(inner.height) > lines.len() + lines_of_sentinels(view) {
        lines.push(heading(inner.width, ui));
    }
    for at in beliefs::sentinels(view) {
        let before = lines.len();
        lines.extend(beliefs::of(view, at).map(|belief| row(view, &belief, inner.width, ui)));
        if lines.len() == before {
            let text = format!("  {} has not said anything yet", view.nodes[at].name);
            lines.push(Line::styled(text, theme.dim));
        }
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Who is primary in truth: by the nodes' own account and by what the lab did to them.
fn truth(view: &LabView, monitor: &str, width: usize, ui: &Ui) -> Line<'static> {
    let theme = ui.theme();
    let name = |at: &usize| view.nodes[*at].name.as_str();
    let (text, style) = match &beliefs::true_primaries(view, monitor)[..] {
        [only] => (format!("{} is primary", name(only)), theme.title),
        [] if let Some(outsider) = beliefs::primary_outside(view, monitor) => {
            (format!("{}, outside the lab", outsider.name()), theme.title)
        }
        [] => {
            let gone = beliefs::of_monitor(view, monitor)
                .find_map(|belief| beliefs::node_at(view, &belief.monitor.addr))
                .map(|at| &view.nodes[at]);
            let why = gone.map_or(String::new(), |row| {
                let (word, _) = node::word(row, ui);
                format!(": {} {word}", row.name)
            });
            (format!("nobody is primary{why}"), theme.bad)
        }
        several => {
            let names: Vec<&str> = several.iter().map(name).collect();
            (format!("{} primaries: {}", several.len(), names.join(", ")), theme.bad)
        }
    };
    let of = if view.monitors.len() > 1 { format!("{monitor}: ") } else { String::new() };
    let text = fit(&format!("{of}{text}"), width.saturating_sub(8), ui.glyphs());
    Line::from(vec![
        Span::styled(format!("{:<7} ", "truth"), theme.title.add_modifier(Modifier::UNDERLINED)),
        Span::styled(text, style),
    ])
}

fn columns(width: u16) -> Vec<(usize, &'static str, usize)> {
    let shown = COLUMNS.iter().enumerate().filter(|(_, (.., from))| width >= *from);
    let shown: Vec<_> = shown.map(|(i, (name, width, _))| (i, *name, *width)).collect();
    let taken: usize = shown.iter().map(|(_, _, width)| width + 1).sum();
    let left = usize::from(width).saturating_sub(taken).min(if width < WIDE { 30 } else { 14 });
    shown.into_iter().map(|(i, n, width)| (i, n, if width == 0 { left } else { width })).collect()
}

fn heading(width: u16, ui: &Ui) -> Line<'static> {
    let cells = columns(width).into_iter().map(|(_, name, width)| format!("{name:<width$} "));
    Line::styled(cells.collect::<String>().trim_end().to_owned(), ui.theme().dim)
}

fn row(view: &LabView, belief: &Belief<'_>, width: u16, ui: &Ui) -> Line<'static> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let monitor = belief.monitor;
    let error = beliefs::error_of(view, belief);
    let vote = monitor.vote.as_ref().map(|(id, epoch)| {
        let of = beliefs::by_id(view, id).map_or("?", |at| &view.nodes[at].name);
        format!("{of} e{epoch}")
    });
    let mark = if error.is_some() { glyphs.differs } else { " " };
    let state = match belief.own.tilt_ms {
        Some(ms) => (format!("TILT {}", age(ms)), theme.bad),
        None => beliefs::down_state(monitor, ui),
    };
    let beside = match (error, &belief.row.status) {
        (_, NodeStatus::Dead(..)) => (format!("{} dead", glyphs.dead), theme.dim),
        (_, NodeStatus::Paused(_)) => (format!("{} frozen", glyphs.paused), theme.warn),
        (Some(error), _) => (error, theme.bad),
        _ => failover(belief, ui),
    };
    let state =
        if width < WIDE { narrow(belief, state, &beside, vote.as_deref(), ui) } else { state };
    let cells: [node::Said; 6] = [
        (format!("{mark} {}", belief.row.name), theme.title),
        (beliefs::name_of(view, &monitor.addr), theme.title),
        state,
        beside,
        (vote.unwrap_or_else(|| glyphs.none.to_owned()), Style::new()),
        (format!("e{}", monitor.config_epoch), Style::new()),
    ];
    let mut spans = Vec::new();
    for (column, _, wide) in columns(width) {
        let (text, style) = &cells[column];
        let text = fit(text, wide, glyphs);
        let pad = " ".repeat(wide - text.width() + 1);
        spans.extend([Span::styled(text, *style), Span::raw(pad)]);
    }
    let selected = belief.sentinel == ui.selected;
    let style = if selected { Modifier::REVERSED } else { Modifier::empty() };
    Line::from(spans).style(style)
}

/// Where its failover stands, if one is going on.
fn failover(belief: &Belief<'_>, ui: &Ui) -> node::Said {
    match belief.monitor.failover.state {
        "" | "none" => (String::new(), ui.theme().dim),
        state if belief.leads() => (format!("{} {state}", ui.glyphs().leader), ui.theme().good),
        state => (state.to_owned(), ui.theme().warn),
    }
}

/// State, and what is to be said beside it, in one column.
fn narrow(
    belief: &Belief<'_>,
    (state, style): node::Said,
    beside: &node::Said,
    vote: Option<&str>,
    ui: &Ui,
) -> node::Said {
    let glyphs = ui.glyphs();
    if belief.leads() {
        return (format!("{state:<11} {} leads", glyphs.leader), style);
    }
    if beside.0.is_empty() {
        let vote = vote.map_or(String::new(), |vote| format!("vote {vote}"));
        return (format!("{state:<11} {vote}"), style);
    }
    // Without the time there is room for what is wrong.
    let state = state.split(' ').next().unwrap_or_default();
    (format!("{state}: {}", beside.0), beside.1)
}
