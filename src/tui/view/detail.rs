//! All about the selected node.

use std::fmt::Write;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::{frame, node, outsider, sentinel};
use crate::lab::view::{NodeKind, NodeRow};
use crate::lab::{LabView, outside};
use crate::machine::{LastSync, LinkState, ReplicaState, ReplicaView, ServerView, SyncKind};
use crate::tui::app::{Panel, Ui};
use crate::tui::beliefs;
use crate::tui::theme::Glyphs;
use crate::tui::units::{age, bytes, count, fit, short_id};

/// Rows that the whole of it takes.
pub const ROWS: u16 = 15;

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    if let Some(outsider) = ui.outsider(view) {
        let title = outsider::title(outsider, ui);
        let (inner, sheet) = sheet(frame, area, title, ui);
        let mut lines = outsider::lines(&sheet, outsider, view);
        lines.extend(sheet.connect(view));
        frame.render_widget(Paragraph::new(lines), inner);
        return;
    }
    let Some(row) = ui.node(view) else {
        let title = Line::styled("no node", ui.theme().dim);
        frame::panel(frame, area, title, Panel::Detail, ui);
        return;
    };
    let (inner, sheet) = sheet(frame, area, title(row, view, ui), ui);
    frame.render_widget(Paragraph::new(sheet.lines(row, view)), inner);
}

/// The panel's border with its title, and the sheet inside.
fn sheet<'a>(frame: &mut Frame<'_>, area: Rect, title: Line<'_>, ui: &'a Ui) -> (Rect, Sheet<'a>) {
    let inner = frame::panel(frame, area, title, Panel::Detail, ui);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    (inner, Sheet { width: usize::from(inner.width), ui })
}

fn title(row: &NodeRow, view: &LabView, ui: &Ui) -> Line<'static> {
    let (word, style) = node::word(row, ui);
    let mut spans = vec![
        Span::styled(row.name.clone(), ui.theme().title),
        Span::raw(" "),
        Span::styled(word, style),
    ];
    if let Some(primary) = node::primary(view, row) {
        let of = format!(" of {primary}");
        spans.push(Span::styled(of, ui.theme().dim));
    } else if row.kind == NodeKind::Sentinel {
        spans.push(Span::styled("  Sentinel", ui.theme().dim));
    }
    Line::from(spans)
}

/// Lines of a label and what stands behind it.
pub struct Sheet<'a> {
    width: usize,
    /// The model.
    pub ui: &'a Ui,
}

impl Sheet<'_> {
    fn lines(&self, row: &NodeRow, view: &LabView) -> Vec<Line<'static>> {
        let theme = self.ui.theme();
        let mut lines = Vec::new();
        let (status, style) = node::trouble(view, row, self.ui)
            .unwrap_or_else(|| (format!("{} runs", self.ui.glyphs().up), theme.good));
        lines.push(self.line("state", status, style));
        if let Some(server) = node::server(row) {
            lines.extend(self.replication(row, server, view));
            lines.extend(self.dataset(server));
        } else if let Some(own) = beliefs::sentinel(row) {
            lines.extend(sentinel::lines(self, self.ui.selected, own, view));
        } else {
            lines.push(Line::styled("It has not said anything yet.", theme.dim));
        }
        lines.extend(self.connect(view));
        lines
    }

    fn replication(
        &self,
        row: &NodeRow,
        server: &ServerView,
        view: &LabView,
    ) -> Vec<Line<'static>> {
        let (theme, glyphs) = (self.ui.theme(), self.ui.glyphs());
        let mut lines = Vec::new();
        if let Some(link) = &server.primary {
            let (mut text, style) = node::link(row, self.ui);
            if let (LinkState::Connected, Some(io)) = (link.state, link.io_age_ms) {
                let _ = write!(text, ", last byte {} ago", age(io));
            }
            lines.push(self.line("link", text, style));
            if let Some((text, style)) =
                row.follows.and_then(|above| node::faults(view, above, self.ui.selected, self.ui))
            {
                lines.push(self.line("fault", text, style));
            }
        }
        let sync = server.last_sync.as_ref().map_or(glyphs.none.to_owned(), last_sync);
        lines.push(self.line("last sync", sync, Style::new()));
        let second = server.replid2.as_ref().map_or(glyphs.none.to_owned(), |id| {
            format!(
                "{} before {}",
                short_id(id, glyphs),
                count(server.second_offset.max(0) as u64, glyphs)
            )
        });
        lines.push(self.line("replid", short_id(&server.replid, glyphs), Style::new()));
        lines.push(self.line("replid2", second, Style::new()));
        lines.push(self.line("offset", count(server.offset, glyphs), theme.title));
        if server.primary.is_some() {
            let behind = node::behind(row).map_or(glyphs.none.to_owned(), bytes);
            let ack = node::ack_age(view, row)
                .map_or(glyphs.none.to_owned(), |ms| format!("{} ago", age(ms)));
            lines.push(self.line("behind", format!("{behind}   last ACK {ack}"), theme.title));
            lines.push(self.spark(&row.behind_history));
        }
        for (i, fed) in server.replicas.iter().enumerate() {
            let label = if i == 0 { "feeds" } else { "" };
            lines.push(self.line(label, feeds(fed, server.offset, view, glyphs), Style::new()));
        }
        let watchers = outside::connected_to(&view.nodes, self.ui.selected);
        for (i, watcher) in watchers.iter().enumerate() {
            let label = if i == 0 { "watched by" } else { "" };
            let text = format!("Sentinel {}, outside", watcher.name());
            lines.push(self.line(label, text, Style::new()));
        }
        if let Some(backlog) = server.backlog {
            let percent = node::percent(backlog);
            let text = format!(
                "{} {percent}% of {}",
                node::bar(percent, self.width.saturating_sub(30).min(16), self.ui),
                bytes(backlog.size)
            );
            lines.push(self.line("backlog", text, Style::new()));
        }
        if let Some((good, needed)) = server.good_replicas {
            let style = if good < needed { theme.bad } else { theme.good };
            let text = format!("{good} good, {needed} needed to write");
            lines.push(self.line("replicas", text, style));
        }
        lines
    }

    fn dataset(&self, server: &ServerView) -> Vec<Line<'static>> {
        let glyphs = self.ui.glyphs();
        let mut keys = count(server.keys, glyphs);
        if server.expires > 0 {
            let _ = write!(keys, ", {} expire", count(server.expires, glyphs));
        }
        let memory = format!("{}   clients {}", bytes(server.memory_bytes), server.clients);
        let syncs = format!(
            "full {}, partial {}, refused {}",
            server.sync_full, server.sync_partial_ok, server.sync_partial_err
        );
        vec![
            self.line("keys", keys, Style::new()),
            self.line("memory", memory, Style::new()),
            self.line("served", syncs, Style::new()),
        ]
    }

    fn connect(&self, view: &LabView) -> Option<Line<'static>> {
        let theme = self.ui.theme();
        let command = self.ui.redis_cli(view)?;
        let hint = "copy";
        let gap = self.width.saturating_sub(command.width() + hint.width() + 2).max(1);
        Some(Line::from(vec![
            Span::styled(command, theme.title),
            Span::raw(" ".repeat(gap)),
            Span::styled("y", theme.key),
            Span::raw(format!(" {hint}")),
        ]))
    }

    fn spark(&self, history: &[u64]) -> Line<'static> {
        let room = self.width.saturating_sub(LABEL);
        let shown = &history[history.len().saturating_sub(room)..];
        let top = shown.iter().copied().max().unwrap_or(0).max(1);
        let heights = &self.ui.glyphs().spark;
        let text: String = shown.iter().map(|n| heights[(n * 7).div_ceil(top) as usize]).collect();
        self.line("last min", text, self.ui.theme().warn)
    }

    /// A label and a text, which is cut where the panel ends.
    pub fn line(&self, label: &str, text: impl AsRef<str>, style: Style) -> Line<'static> {
        let text = fit(text.as_ref(), self.width.saturating_sub(LABEL), self.ui.glyphs());
        Line::from(vec![
            Span::styled(format!("{label:<LABEL$}"), self.ui.theme().dim),
            Span::styled(text, style),
        ])
    }
}

/// Columns of the labels.
const LABEL: usize = 11;

fn last_sync(sync: &LastSync) -> String {
    let kind = match sync.kind {
        SyncKind::Full => "full",
        SyncKind::Partial => "partial",
    };
    format!("{kind}, {} ago", age(sync.age_ms))
}

/// A replica as its primary sees it.
fn feeds(fed: &ReplicaView, offset: u64, view: &LabView, glyphs: &Glyphs) -> String {
    let named = view.nodes.iter().find(|row| row.port == fed.port);
    let name = named.map_or_else(|| outside::name(&fed.ip, fed.port), |row| row.name.clone());
    match fed.state {
        ReplicaState::Online => {
            let behind = match offset.saturating_sub(fed.acked) {
                0 => "in step".to_owned(),
                n => format!("{}{}", glyphs.minus, bytes(n)),
            };
            format!("{name} by its ACK {} ago: {behind}", age(fed.ack_age_ms))
        }
        state => format!("{name} {}", state.word()),
    }
}
