//! The row of Sentinels below the topology map, and the votes of an election as lines from those who
//! voted to whom they voted for.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::node::Said;
use super::{frame, node, thoughts};
use crate::lab::view::{NodeRow, NodeStatus};
use crate::lab::{LabView, outside};
use crate::tui::app::Ui;
use crate::tui::beliefs::{self, Election};
use crate::tui::units::fit;

/// Columns of a box at most and at least, and between two of them.
const WIDTH_MAX: u16 = 30;
const WIDTH_MIN: u16 = 12;
const GAP: u16 = 2;

/// How the row is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Lines in a box; 0 draws no boxes but one line of text for each Sentinel, side by side.
    pub lines: u16,
    /// Rows below the boxes for the lines of votes.
    lanes: u16,
}

/// The best first.
const BANDS: [Band; 4] = [
    Band { lines: 3, lanes: 1 },
    Band { lines: 2, lanes: 1 },
    Band { lines: 1, lanes: 1 },
    Band { lines: 0, lanes: 0 },
];

impl Band {
    /// Rows that it takes, its heading among them.
    pub fn rows(self) -> u16 {
        match self.lines {
            0 => 2,
            lines => 1 + lines + 2 + self.lanes,
        }
    }
}

/// The ways to draw the row in so many columns, the best first; none where there are no Sentinels.
pub fn bands(view: &LabView, width: u16) -> impl Iterator<Item = Band> {
    let count = beliefs::sentinels(view).count() as u16;
    let narrow = count * (WIDTH_MIN + GAP) > width + GAP;
    BANDS.into_iter().filter(move |band| count > 0 && (band.lines == 0 || !narrow))
}

/// Where each Sentinel's box stands.
fn places(view: &LabView, area: Rect, band: Band) -> Vec<(usize, Rect)> {
    let count = beliefs::sentinels(view).count() as u16;
    let width = ((area.width + GAP) / count.max(1)).saturating_sub(GAP).clamp(1, WIDTH_MAX);
    let spare = area.width.saturating_sub(count * (width + GAP) - GAP);
    let height = if band.lines == 0 { 1 } else { band.lines + 2 };
    let place = |(i, at)| {
        let x = area.x + spare / 2 + i as u16 * (width + GAP);
        (at, Rect { x, y: area.y + 1, width, height }.intersection(area))
    };
    beliefs::sentinels(view).enumerate().map(place).collect()
}

/// The Sentinel whose box is at a place on the screen.
pub fn hit(area: Rect, band: Band, view: &LabView, at: Position) -> Option<usize> {
    places(view, area, band).into_iter().find(|(_, area)| area.contains(at)).map(|(node, _)| node)
}

/// Draws the row.
pub fn draw(buffer: &mut Buffer, area: Rect, band: Band, view: &LabView, ui: &Ui) {
    if area.height < band.rows() {
        return;
    }
    draw_heading(buffer, area, view, ui);
    let places = places(view, area, band);
    for (at, place) in &places {
        match band.lines {
            0 => draw_text(buffer, *place, *at, view, ui),
            _ => draw_box(buffer, *place, *at, view, ui),
        }
    }
    if band.lanes > 0
        && let Some(election) = news(view)
    {
        draw_votes(buffer, &places, &election, ui);
    }
}

/// The election that is news.
pub fn news(view: &LabView) -> Option<Election> {
    let elections = monitors(view).into_iter().filter_map(|name| beliefs::election(view, name));
    elections.max_by_key(|election| election.epoch)
}

/// The names of the watched primaries.
fn monitors(view: &LabView) -> Vec<&str> {
    let mut names: Vec<&str> = view.monitors.iter().map(|row| row.name.as_str()).collect();
    for belief in beliefs::all(view) {
        if !names.contains(&belief.monitor.name.as_str()) {
            names.push(&belief.monitor.name);
        }
    }
    names
}

/// A line across: who is watched, and how the election or the failover stands.
fn draw_heading(buffer: &mut Buffer, area: Rect, view: &LabView, ui: &Ui) {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    for x in area.left()..area.right() {
        buffer.set_string(x, area.y, glyphs.line[1], theme.dim);
    }
    let room = usize::from(area.width).saturating_sub(4);
    let watched: Vec<String> = monitors(view)
        .into_iter()
        .filter_map(|name| {
            let belief = beliefs::of_monitor(view, name).next()?;
            let of = beliefs::of_monitor(view, name).count();
            let outside = match outside::heard_of(&view.nodes, name).len() {
                0 => String::new(),
                n => format!(" + {n} outside"),
            };
            Some(format!("{name} quorum {}/{of}{outside}", belief.monitor.quorum))
        })
        .collect();
    let mut left = format!(" sentinels: {} ", watched.join(", "));
    let right = standing(view, ui).map(|(text, style)| (format!(" {text} "), style));
    let taken = right.as_ref().map_or(0, |(text, _)| text.width());
    if left.width() + taken > room {
        " sentinels ".clone_into(&mut left);
    }
    buffer.set_string(area.x + 1, area.y, &left, theme.title);
    if let Some((text, style)) = right {
        let text = fit(&text, room.saturating_sub(left.width()), glyphs);
        buffer.set_string(area.right() - 1 - text.width() as u16, area.y, text, style);
    }
}

/// Who leads, or how the votes stand.
fn standing(view: &LabView, ui: &Ui) -> Option<Said> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let name = |at: usize| view.nodes[at].name.as_str();
    let Some(election) = news(view) else {
        let leading = monitors(view).into_iter().find_map(|m| beliefs::leader(view, m))?;
        return Some((
            format!("{} {} leads the failover", glyphs.leader, name(leading)),
            theme.good,
        ));
    };
    let Election { epoch, needed, .. } = election;
    if let Some(leader) = election.leader {
        let votes = election.votes(leader);
        let text = format!(
            "epoch {epoch}: {} {} elected, {votes} votes, {needed} needed",
            glyphs.leader,
            name(leader)
        );
        return Some((text, theme.good));
    }
    let candidates = election.candidates();
    let counts: Vec<String> =
        candidates.iter().map(|at| format!("{} {}", name(*at), election.votes(*at))).collect();
    Some((format!("epoch {epoch}: votes {}, {needed} needed", counts.join(", ")), theme.warn))
}

/// The word on a Sentinel's box.
fn word(at: usize, view: &LabView, ui: &Ui) -> Said {
    let leads = || monitors(view).into_iter().any(|m| beliefs::leader(view, m) == Some(at));
    if view.nodes[at].status == NodeStatus::Running && leads() {
        return (format!("{} LEADER", ui.glyphs().leader), ui.theme().primary);
    }
    node::word(&view.nodes[at], ui)
}

fn draw_text(buffer: &mut Buffer, area: Rect, at: usize, view: &LabView, ui: &Ui) {
    let row = &view.nodes[at];
    let (word, style) = word(at, view, ui);
    let room = usize::from(area.width).saturating_sub(row.name.width() + word.width() + 2);
    let lines = thoughts::lines(at, view, room, 1, ui);
    let mut spans = vec![
        Span::styled(format!("{} ", row.name), name_style(at, ui)),
        Span::styled(format!("{word} "), style),
    ];
    spans.extend(lines.into_iter().next().map(|(text, style)| Span::styled(text, style)));
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

fn name_style(at: usize, ui: &Ui) -> ratatui::style::Style {
    let title = ui.theme().title;
    if at == ui.selected { title.add_modifier(Modifier::REVERSED) } else { title }
}

fn draw_box(buffer: &mut Buffer, area: Rect, at: usize, view: &LabView, ui: &Ui) {
    let glyphs = ui.glyphs();
    let row = &view.nodes[at];
    let (word, style) = word(at, view, ui);
    let set = match (at == ui.selected, row.status == NodeStatus::Running) {
        (true, _) => glyphs.selected,
        (false, true) => glyphs.node,
        (false, false) => glyphs.broken,
    };
    let border = if at == ui.selected { style } else { style.remove_modifier(Modifier::BOLD) };
    frame::outline(buffer, area, set, border);
    let (name, word) = heading(row, &word, usize::from(area.width) - 2, ui);
    buffer.set_string(area.x + 1, area.y, &name, name_style(at, ui));
    buffer.set_string(area.right() - 1 - word.width() as u16, area.y, &word, style);
    let room = usize::from(area.width) - 4;
    for (i, (text, style)) in
        thoughts::lines(at, view, room, area.height - 2, ui).iter().enumerate()
    {
        buffer.set_string(area.x + 2, area.y + 1 + i as u16, fit(text, room, glyphs), *style);
    }
}

/// Name and state for the upper border, in as many letters as there is room for.
fn heading(row: &NodeRow, word: &str, room: usize, ui: &Ui) -> (String, String) {
    let sign: String = word.chars().take(1).collect();
    let tries = [
        (format!(" {} :{} ", row.name, row.port), format!(" {word} ")),
        (format!(" {} ", row.name), format!(" {word} ")),
    ];
    let fitting = tries.into_iter().find(|(name, word)| name.width() + word.width() <= room);
    fitting.unwrap_or_else(|| {
        let left = room.saturating_sub(5);
        (format!(" {} ", fit(&row.name, left, ui.glyphs())), format!(" {sign} "))
    })
}

/// Draws the votes as lines from below each voter to below its candidate. Votes for oneself are
/// told in the box; candidates whose lines would cross those of another with more votes go without.
fn draw_votes(buffer: &mut Buffer, places: &[(usize, Rect)], election: &Election, ui: &Ui) {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let centre = |node: usize| {
        let (_, area) = places.iter().find(|(at, _)| *at == node)?;
        Some((area.x + area.width / 2, area.bottom()))
    };
    let mut drawn: Vec<(u16, u16)> = Vec::new();
    for candidate in election.candidates() {
        let voters = election.ballots.iter().filter(|(from, to)| *to == candidate && from != to);
        let ends: Vec<u16> = voters.filter_map(|(from, _)| Some(centre(*from)?.0)).collect();
        let Some((to, lane)) = centre(candidate).filter(|_| !ends.is_empty()) else { continue };
        let first = ends.iter().copied().fold(to, u16::min);
        let last = ends.iter().copied().fold(to, u16::max);
        if drawn.iter().any(|(from, to)| first <= *to && *from <= last) {
            continue;
        }
        drawn.push((first, last));
        let elected = election.leader == Some(candidate);
        let style = if elected { theme.good } else { theme.warn };
        for x in first..=last {
            let arms = usize::from(x == to || ends.contains(&x))
                + 2 * usize::from(x < last)
                + 8 * usize::from(x > first);
            buffer.set_string(x, lane, glyphs.joint[arms], style);
        }
        for x in ends {
            buffer.set_string(x, lane - 1, glyphs.ports[0], style);
        }
        buffer.set_string(to, lane - 1, glyphs.vote, style);
    }
}
