//! The topology map: a layered tree of boxes. Where it does not fit, the table takes its place.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::tree::{self, Place};
use super::watchers::{self, Band};
use super::{frame, node, outsider, table};
use crate::lab::LabView;
use crate::lab::view::{NodeRow, NodeStatus};
use crate::machine::{LinkState, ServerView};
use crate::tui::app::{Panel, Ui};
use crate::tui::beliefs;
use crate::tui::units::{age, bytes, count, fit, fit_words};

/// Columns between two boxes.
const GAP: u16 = 2;
/// Widths of a box, the best first.
const WIDTHS: [u16; 5] = [34, 30, 26, 22, 18];
/// Lines in a box and rows between two layers, the best first.
const HEIGHTS: [(u16, u16); 5] = [(4, 3), (3, 3), (3, 2), (2, 2), (1, 2)];

/// How the boxes are drawn so that all fit.
#[derive(Debug, Clone, Copy)]
struct Scale {
    width: u16,
    lines: u16,
    gap: u16,
    slots: u16,
    layers: u16,
}

impl Scale {
    fn fitting(places: &[Place], inner: Rect) -> Option<Self> {
        let slots = places.iter().map(|p| p.left + p.span).max()? as u16;
        let layers = places.iter().map(|p| p.layer + 1).max()? as u16;
        let columns = |width: u16| slots * (width + GAP) - GAP;
        let rows = |lines: u16, gap: u16| layers * (lines + 2 + gap) - gap;
        let width = *WIDTHS.iter().find(|width| columns(**width) <= inner.width)?;
        let (lines, gap) = *HEIGHTS.iter().find(|(l, g)| rows(*l, *g) <= inner.height)?;
        Some(Self { width, lines, gap, slots, layers })
    }

    fn rows(self) -> u16 {
        self.layers * (self.lines + 2 + self.gap) - self.gap
    }

    /// Where a node's box stands.
    fn area(self, place: &Place, inner: Rect) -> Rect {
        let columns = self.slots * (self.width + GAP) - GAP;
        let spare = inner.width - columns;
        // Some of the spare room goes between the boxes, the rest around the whole.
        let extra = if self.slots > 1 { (spare / (self.slots + 1)).min(8) } else { 0 };
        let margin = (spare - extra * (self.slots - 1)) / 2;
        let pitch = self.width + GAP + extra;
        let span = place.span as u16 * pitch - GAP - extra;
        let above = (inner.height - self.rows()) / 2;
        Rect {
            x: inner.x + margin + place.left as u16 * pitch + (span - self.width) / 2,
            y: inner.y + above + place.layer as u16 * (self.lines + 2 + self.gap),
            width: self.width,
            height: self.lines + 2,
        }
    }
}

/// What stands where in the panel.
struct Plan {
    /// Every data node's place in the tree.
    places: Vec<Place>,
    /// The room of the tree, or of the table.
    tree: Rect,
    /// How the tree is drawn; `None` where it does not fit and the table takes its place.
    scale: Option<Scale>,
    /// The row of Sentinels and its room.
    watchers: Option<(Band, Rect)>,
}

impl Plan {
    fn of(view: &LabView, inner: Rect) -> Self {
        let places = tree::places(view);
        for band in watchers::bands(view, inner.width) {
            let tree = Rect { height: inner.height.saturating_sub(band.rows()), ..inner };
            let scale = Scale::fitting(&places, tree);
            if scale.is_some_and(|scale| scale.lines >= band.lines) || band.lines == 0 {
                let below = Rect { y: tree.bottom(), height: band.rows(), ..inner };
                let watchers = Some((band, below.intersection(inner)));
                return Self { places, tree, scale, watchers };
            }
        }
        let scale = Scale::fitting(&places, inner);
        Self { places, tree: inner, scale, watchers: None }
    }

    /// Rows that it would like.
    fn rows(&self) -> u16 {
        let tree = self.scale.map_or(self.places.len() as u16 + 1, Scale::rows);
        tree + self.watchers.map_or(0, |(band, _)| band.rows() + 1)
    }
}

/// Rows that the panel would like, given its width and the most it can have.
pub fn rows_wanted(view: &LabView, width: u16, rows_max: u16) -> u16 {
    let inner = Rect::new(0, 0, width.saturating_sub(2), rows_max.saturating_sub(2));
    (Plan::of(view, inner).rows() + 2).min(rows_max)
}

/// Whether the map fits a panel of this size, so that no table is needed.
pub fn fits(view: &LabView, width: u16, height: u16) -> bool {
    let inner = Rect::new(0, 0, width.saturating_sub(2), height.saturating_sub(2));
    Plan::of(view, inner).scale.is_some()
}

/// Draws the panel.
pub fn render(frame: &mut Frame<'_>, area: Rect, view: &LabView, ui: &Ui) {
    let mut title = Line::from(Span::styled("topology", ui.theme().title));
    let room = usize::from(area.width).saturating_sub(15);
    if view.about.width() <= room && !view.about.is_empty() {
        title.push_span(Span::styled(format!("  {}", view.about), ui.theme().dim));
    }
    let inner = frame::panel(frame, area, title, Panel::Topology, ui);
    let Plan { places, tree, scale, watchers } = Plan::of(view, inner);
    if let Some((band, area)) = watchers {
        watchers::draw(frame.buffer_mut(), area, band, view, ui);
    }
    let Some(scale) = scale else {
        return table::render(frame, tree, &places, view, ui);
    };
    let buffer = frame.buffer_mut();
    for place in &places {
        draw_box(buffer, scale.area(place, tree), view, place.node, ui);
    }
    for place in &places {
        draw_edges(buffer, tree, scale, &places, place, view, ui);
    }
}

/// The node whose box or row is at a place on the screen.
pub fn hit(area: Rect, view: &LabView, ui: &Ui, at: Position) -> Option<usize> {
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    };
    let Plan { places, tree, scale, watchers } = Plan::of(view, inner);
    let watcher = || watchers.and_then(|(band, area)| watchers::hit(area, band, view, at));
    let node = match scale {
        Some(scale) => {
            places.iter().find(|p| scale.area(p, tree).contains(at)).map(|place| place.node)
        }
        None => table::hit(tree, &places, view, ui, at),
    };
    node.or_else(watcher)
}

fn draw_box(buffer: &mut Buffer, area: Rect, view: &LabView, index: usize, ui: &Ui) {
    let Some(row) = view.nodes.get(index) else {
        return outsider::draw_box(buffer, area, view, index, ui);
    };
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let selected = index == ui.selected;
    let (word, word_style) = node::word(row, ui);
    let running = row.status == NodeStatus::Running;
    let set = match (selected, running) {
        (true, _) => glyphs.selected,
        (false, true) => glyphs.node,
        (false, false) => glyphs.broken,
    };
    let border = if selected { word_style } else { word_style.remove_modifier(Modifier::BOLD) };
    frame::outline(buffer, area, set, border);
    let room = usize::from(area.width) - 4;
    let (name, word) = heading(row, &word, room + 2, ui);
    let name_style =
        if selected { theme.title.add_modifier(Modifier::REVERSED) } else { theme.title };
    buffer.set_string(area.x + 1, area.y, &name, name_style);
    buffer.set_string(area.right() - 1 - word.width() as u16, area.y, &word, word_style);
    for (i, line) in lines(view, row, room, area.height - 2, ui).into_iter().enumerate() {
        buffer.set_line(area.x + 2, area.y + 1 + i as u16, &line, room as u16);
    }
    if let Some((text, style)) = doubts(view, index, usize::from(area.width / 2) - 1, ui) {
        buffer.set_string(area.x + 1, area.bottom() - 1, text, style);
    }
}

/// What the Sentinels say of a node, for its lower border, left of where its links leave it.
fn doubts(view: &LabView, index: usize, room: usize, ui: &Ui) -> Option<node::Said> {
    let theme = ui.theme();
    let Some(said) = beliefs::opinions(view, index) else {
        if beliefs::was_odown(view, index) {
            let was = [" was ODOWN ", "was OD"].into_iter().find(|text| text.width() <= room);
            return was.map(|text| (text.into(), theme.dim));
        }
        return outsider::watchers(view, index, room, ui);
    };
    let (word, short, style) = if said.odown {
        ("ODOWN", "OD", theme.bad.add_modifier(Modifier::REVERSED))
    } else {
        ("sdown", "sd", theme.warn)
    };
    let counts = format!("{}/{}", said.sdown, said.of);
    let tries =
        [format!(" {word} {counts} "), format!("{word} {counts}"), format!("{short} {counts}")];
    tries.into_iter().find(|text| text.width() <= room).map(|text| (text, style))
}

/// Name and state for the upper border of a box, in as many letters as there is room for.
fn heading(row: &NodeRow, word: &str, room: usize, ui: &Ui) -> (String, String) {
    let short = match row.status {
        NodeStatus::Running => word.get(..4).unwrap_or(word).to_lowercase(),
        // The glyph; the line below says it in words.
        _ => word.chars().take(1).collect(),
    };
    let name = &row.name;
    let tries = [
        (format!(" {name} :{} ", row.port), format!(" {word} ")),
        (format!(" {name} "), format!(" {word} ")),
        (format!(" {name} "), format!(" {short} ")),
    ];
    let fitting = tries.into_iter().find(|(name, word)| name.width() + word.width() <= room);
    fitting.unwrap_or_else(|| {
        let left = room.saturating_sub(short.width() + 4);
        (format!(" {} ", fit(name, left, ui.glyphs())), format!(" {short} "))
    })
}

/// What stands in a box, from the top.
fn lines<'a>(view: &LabView, row: &NodeRow, room: usize, most: u16, ui: &Ui) -> Vec<Line<'a>> {
    let Some(server) = node::server(row) else {
        return vec![Line::styled("no word of it yet", ui.theme().dim)];
    };
    let trouble = node::trouble(view, row, ui)
        .map(|(text, style)| Line::styled(fit_words(&text, room, ui.glyphs()), style));
    let second = second_line(view, row, server, room, ui);
    let offset = offset_line(server, room, ui);
    let fill = progress_line(server, room, ui);
    let keys = keys_line(row.port, server, room, ui);
    let replica = server.primary.is_some();
    if most == 1 {
        return vec![trouble.or(second.filter(|_| replica)).unwrap_or(offset)];
    }
    let second = second.filter(|_| most > 3 || replica);
    let offset = (most > 3 || trouble.is_none() || second.is_none()).then_some(offset);
    let all = [trouble, offset, second, fill, Some(keys)];
    all.into_iter().flatten().take(usize::from(most)).collect()
}

/// How far a replica is behind, and what is to be said of its link in as few letters.
fn second_line<'a>(
    view: &LabView,
    row: &NodeRow,
    server: &ServerView,
    room: usize,
    ui: &Ui,
) -> Option<Line<'a>> {
    let theme = ui.theme();
    let Some(link) = &server.primary else { return Some(feeding_line(server, room, ui)) };
    if row.follows.is_none() {
        let text = format!("of {}:{}", link.host, link.port);
        return Some(Line::styled(fit(&text, room, ui.glyphs()), theme.dim));
    }
    let behind = node::behind(row)?;
    let (beside, style) = match (link.state, node::ack_age(view, row)) {
        (LinkState::Connected, Some(ms)) => (format!("ACK {}", age(ms)), theme.dim),
        (LinkState::Connected, None) => (String::new(), theme.dim),
        _ => node::link(row, ui),
    };
    Some(behind_line(behind, (beside, style), room, ui))
}

/// What a primary says of its replicas.
fn feeding_line<'a>(server: &ServerView, room: usize, ui: &Ui) -> Line<'a> {
    let theme = ui.theme();
    let replicas = match server.replicas.len() {
        0 => "feeds nobody".to_owned(),
        1 => "feeds 1 replica".to_owned(),
        n if room < 17 => format!("feeds {n}"),
        n => format!("feeds {n} replicas"),
    };
    match server.good_replicas {
        Some((good, needed)) if good < needed => {
            Line::styled(format!("{good} good, {needed} needed"), theme.bad)
        }
        _ => Line::styled(replicas, theme.dim),
    }
}

/// How much data it has; in a narrow box, whose border has no room for the port, the port too.
fn keys_line<'a>(port: u16, server: &ServerView, room: usize, ui: &Ui) -> Line<'a> {
    if room < 18 {
        return Line::styled(format!("port {port}"), ui.theme().dim);
    }
    let keys = count(server.keys, ui.glyphs());
    let memory = if room < 22 { format!(":{port}") } else { bytes(server.memory_bytes) };
    let gap = room.saturating_sub(5 + keys.width() + memory.width());
    let memory = if gap == 0 { String::new() } else { " ".repeat(gap) + &memory };
    Line::from(vec![
        Span::styled("keys ", ui.theme().dim),
        Span::raw(fit(&keys, room.saturating_sub(5), ui.glyphs())),
        Span::styled(memory, ui.theme().dim),
    ])
}

fn offset_line<'a>(server: &ServerView, room: usize, ui: &Ui) -> Line<'a> {
    let number = count(server.offset, ui.glyphs());
    let label = if number.width() + 7 <= room { "offset " } else { "" };
    Line::from(vec![
        Span::styled(label, ui.theme().dim),
        Span::styled(fit(&number, room, ui.glyphs()), ui.theme().title),
    ])
}

/// How far a replica is behind, and what is to be said beside it.
pub fn behind_line<'a>(behind: u64, beside: node::Said, room: usize, ui: &Ui) -> Line<'a> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let (text, style) = match behind {
        0 => ("in step".to_owned(), theme.good),
        n => (format!("{}{}", glyphs.minus, bytes(n)), behind_style(n, ui)),
    };
    let (mut beside, beside_style) = beside;
    if text.width() + beside.width() >= room {
        let without_word = beside.trim_start_matches("ACK ");
        beside = fit_words(without_word, room.saturating_sub(text.width() + 1), ui.glyphs());
    }
    let gap = room.saturating_sub(text.width() + beside.width()).max(1);
    Line::from(vec![
        Span::styled(text, style),
        Span::raw(" ".repeat(gap)),
        Span::styled(beside, beside_style),
    ])
}

fn behind_style(behind: u64, ui: &Ui) -> Style {
    if behind >= 64 * 1024 { ui.theme().bad } else { ui.theme().warn }
}

/// A bar: of a full sync that arrives, else of the backlog.
fn progress_line<'a>(server: &ServerView, room: usize, ui: &Ui) -> Option<Line<'a>> {
    let link = server.primary.as_ref();
    let arriving = link.filter(|link| link.state == LinkState::Sync).and_then(|l| l.transfer);
    let (label, percent) = match (arriving, server.backlog) {
        (Some((read, Some(total))), _) => ("sync    ", read.saturating_mul(100) / total.max(1)),
        (_, Some(backlog)) => ("backlog ", node::percent(backlog)),
        (_, None) => return None,
    };
    let label = if room < 18 { "" } else { label };
    let width = room.saturating_sub(label.len() + 5);
    Some(Line::from(vec![
        Span::styled(label, ui.theme().dim),
        Span::raw(node::bar(percent, width, ui)),
        Span::styled(format!("{percent:>4}%"), ui.theme().title),
    ]))
}

/// Draws the lines from a node down to those that follow it, and what is to be said of each link.
fn draw_edges(
    buffer: &mut Buffer,
    inner: Rect,
    scale: Scale,
    places: &[Place],
    parent: &Place,
    view: &LabView,
    ui: &Ui,
) {
    let children: Vec<&Place> = places
        .iter()
        .filter(|p| p.layer == parent.layer + 1 && tree::above(view, p.node) == Some(parent.node))
        .collect();
    if children.is_empty() {
        return;
    }
    let glyphs = ui.glyphs();
    let centre = |area: Rect| area.x + area.width / 2;
    let above = scale.area(parent, inner);
    let from = centre(above);
    let bus = above.bottom();
    let ends: Vec<u16> = children.iter().map(|child| centre(scale.area(child, inner))).collect();
    let (first, last) = (ends[0].min(from), ends[ends.len() - 1].max(from));
    for x in first..=last {
        let arms = usize::from(x == from)
            + 2 * usize::from(x < last)
            + 4 * usize::from(ends.contains(&x))
            + 8 * usize::from(x > first);
        buffer.set_string(x, bus, glyphs.joint[arms], ui.theme().dim);
    }
    let border = match view.nodes.get(parent.node) {
        Some(row) => node::word(row, ui).1,
        None => outsider::style(ui),
    };
    let (port, border) = if parent.node == ui.selected {
        (glyphs.ports[1], border)
    } else {
        (glyphs.ports[0], border.remove_modifier(Modifier::BOLD))
    };
    buffer.set_string(from, bus - 1, port, border);
    for (i, (child, x)) in children.iter().zip(&ends).enumerate() {
        let next = ends.get(i + 1).copied().unwrap_or(inner.right());
        let below = Rect { x: *x, y: bus + 1, width: next - x, height: scale.gap - 1 };
        draw_link(buffer, below, parent.node, child.node, view, ui);
    }
}

/// Draws the last stretch down to a box, with its state to the right of it.
fn draw_link(buffer: &mut Buffer, area: Rect, above: usize, below: usize, view: &LabView, ui: &Ui) {
    let glyphs = ui.glyphs();
    let fault = node::faults(view, above, below, ui);
    let (link, link_style) = match view.nodes.get(below) {
        Some(row) => node::link(row, ui),
        None => outsider::link(view, below, ui),
    };
    let style = fault.as_ref().map_or(link_style, |(_, style)| *style);
    let broken = fault.as_ref().is_some_and(|(text, _)| text.starts_with(glyphs.cut));
    for y in area.top()..area.bottom() {
        buffer.set_string(area.x, y, glyphs.line[0], style.remove_modifier(Modifier::BOLD));
    }
    if broken {
        buffer.set_string(area.x, area.y, glyphs.cut, style);
    }
    let room = usize::from(area.width).saturating_sub(3);
    // The cross already stands on the line.
    let fault = fault
        .map(|(text, style)| (text.trim_start_matches(glyphs.cut).trim_start().to_owned(), style));
    let texts = link_texts(fault, (link, link_style), broken, room, area.height, ui);
    for (i, (text, style)) in texts.iter().take(usize::from(area.height)).enumerate() {
        buffer.set_string(area.x + 2, area.y + i as u16, fit_words(text, room, glyphs), *style);
    }
}

/// What is said of a link, a line each, the most important first: the fault and the link's own
/// state where there is room for both, on one line if need be.
fn link_texts(
    fault: Option<node::Said>,
    link: node::Said,
    broken: bool,
    room: usize,
    rows: u16,
    ui: &Ui,
) -> Vec<node::Said> {
    let Some((text, style)) = fault else { return vec![link] };
    if let (true, Some((head, tail))) = (text.width() > room, text.split_once(", ")) {
        return match rows {
            1 if broken || link.0.starts_with(ui.glyphs().up) => vec![(head.to_owned(), style)],
            1 => vec![link],
            _ => vec![(head.to_owned(), style), (tail.to_owned(), style)],
        };
    }
    let both = format!("{text}  {}", link.0);
    if rows > 1 {
        vec![(text, style), link]
    } else if both.width() <= room {
        vec![(both, style)]
    } else if broken || link.0.starts_with(ui.glyphs().up) {
        vec![(text, style)]
    } else {
        vec![link]
    }
}
