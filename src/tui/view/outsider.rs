//! What the screen says of a server outside the lab, which is what the lab's own nodes know of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::detail::Sheet;
use super::node::{self, Said};
use super::table::Cells;
use super::{frame, map};
use crate::lab::outside::{Outsider, connected_to};
use crate::lab::{LabView, picture};
use crate::machine::{Endpoint, Role};
use crate::tui::app::Ui;
use crate::tui::beliefs;
use crate::tui::units::{age, bytes, count, fit, fit_words};

/// The server at a place of the tree behind the nodes.
fn at(view: &LabView, place: usize) -> Option<&Outsider> {
    view.outside.get(place.checked_sub(view.nodes.len())?)
}

/// How its border and its word look.
pub fn style(ui: &Ui) -> Style {
    ui.theme().title
}

/// Its host, for a table that has a column for ports.
pub fn host(view: &LabView, place: usize) -> &str {
    at(view, place).map_or("", |outsider| &outsider.address.host)
}

/// The link to the node that feeds it, as that node sees it.
pub fn link(view: &LabView, place: usize, ui: &Ui) -> Said {
    at(view, place)
        .map_or_else(|| (String::new(), ui.theme().dim), |found| link_of(found, view, ui))
}

fn link_of(outsider: &Outsider, view: &LabView, ui: &Ui) -> Said {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    match (&outsider.fed, outsider.link()) {
        (Some(fed), Some(word)) => match fed.lost_ms {
            Some(since) => {
                let how_long = age(view.now_ms.saturating_sub(since));
                (format!("{} lost {how_long} ago", glyphs.down), theme.bad)
            }
            None if fed.seen.is_online() => (format!("{} up", glyphs.up), theme.good),
            None => (format!("{} {word}", glyphs.partly), theme.warn),
        },
        _ => (String::new(), theme.dim),
    }
}

/// Bytes that it has not acknowledged, of those that the node that feeds it has.
fn behind(outsider: &Outsider, view: &LabView) -> Option<u64> {
    let fed = outsider.fed.as_ref().filter(|fed| fed.lost_ms.is_none() && fed.seen.is_online())?;
    Some(node::server(&view.nodes[fed.by])?.offset.saturating_sub(fed.seen.acked))
}

/// Draws its box on the map.
pub fn draw_box(buffer: &mut Buffer, area: Rect, view: &LabView, place: usize, ui: &Ui) {
    let Some(outsider) = at(view, place) else { return };
    let selected = place == ui.selected;
    let glyphs = ui.glyphs();
    let set = if selected { glyphs.selected } else { glyphs.outside };
    frame::outline(buffer, area, set, if selected { style(ui) } else { ui.theme().dim });
    let (name, word) = heading(outsider, usize::from(area.width) - 2, ui);
    let name_style = if selected { style(ui).add_modifier(Modifier::REVERSED) } else { style(ui) };
    buffer.set_string(area.x + 1, area.y, &name, name_style);
    buffer.set_string(area.right() - 1 - word.width() as u16, area.y, &word, style(ui));
    let room = usize::from(area.width) - 4;
    for (i, line) in box_lines(outsider, view, room, area.height - 2, ui).iter().enumerate() {
        buffer.set_line(area.x + 2, area.y + 1 + i as u16, line, room as u16);
    }
}

/// Its address and that it is outside, in as many letters as there is room for.
fn heading(outsider: &Outsider, room: usize, ui: &Ui) -> (String, String) {
    let word = " OUTSIDE ";
    let Endpoint { host, port } = &outsider.address;
    let short = if picture::is_local(host) { format!(" :{port} ") } else { format!(" {host} ") };
    let tries = [(format!(" {} ", outsider.name()), word), (short.clone(), word), (short, " out ")];
    let fits = |(name, word): &(String, &str)| name.width() + word.width() <= room;
    let (name, word) = tries.into_iter().find(fits).unwrap_or_else(|| {
        (format!(" {} ", fit(host, room.saturating_sub(7), ui.glyphs())), " out ")
    });
    (name, word.to_owned())
}

/// What stands in its box, the most important first.
fn box_lines<'a>(
    outsider: &Outsider,
    view: &LabView,
    room: usize,
    most: u16,
    ui: &Ui,
) -> Vec<Line<'a>> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let dim = |text: String| Line::styled(fit(&text, room, glyphs), theme.dim);
    let mut lines = Vec::new();
    if let Some(fed) = &outsider.fed {
        let acked = Line::from(vec![
            Span::styled("acked ", theme.dim),
            Span::styled(count(fed.seen.acked, glyphs), theme.title),
        ]);
        lines.extend((most > 1).then_some(acked));
        lines.push(if let Some(behind) = behind(outsider, view) {
            let ack = format!("ACK {}", age(fed.seen.ack_age_ms));
            map::behind_line(behind, (ack, theme.dim), room, ui)
        } else {
            let (text, style) = link_of(outsider, view, ui);
            Line::styled(fit_words(&text, room, glyphs), style)
        });
    }
    lines.extend(feeds(outsider, view).map(dim));
    lines.extend(standing(outsider, view).map(|text| dim(text.to_owned())));
    lines.truncate(usize::from(most));
    lines
}

/// The nodes of the lab that follow it.
fn feeds(outsider: &Outsider, view: &LabView) -> Option<String> {
    let names: Vec<&str> = outsider.feeds.iter().map(|at| view.nodes[*at].name.as_str()).collect();
    (!names.is_empty()).then(|| format!("feeds {}", names.join(", ")))
}

/// What the lab's Sentinels have in mind for it.
fn standing(outsider: &Outsider, view: &LabView) -> Option<&'static str> {
    let live = || beliefs::all(view).filter(beliefs::Belief::is_live).map(|belief| belief.monitor);
    if live().any(|monitor| monitor.addr == outsider.address) {
        return Some("Sentinels' primary");
    }
    let known = live().flat_map(|monitor| &monitor.replicas);
    let known = known.into_iter().find(|replica| replica.addr == outsider.address)?;
    let may_be = known.excluded.is_none() && known.claims == Role::Replica;
    may_be.then_some("Sentinels may promote it")
}

/// Its row of the table, behind the branches that lead to it.
pub fn cells(branch: String, view: &LabView, place: usize, ui: &Ui) -> Cells {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let none = || glyphs.none.to_owned();
    let outsider = at(view, place);
    let fed = outsider.and_then(|outsider| outsider.fed.as_ref());
    let behind = outsider.and_then(|outsider| behind(outsider, view));
    let port = outsider.map(|outsider| outsider.address.port).filter(|port| *port != 0);
    let is_behind = behind.is_some_and(|behind| behind > 0);
    [
        (branch, theme.title),
        (port.map_or_else(none, |port| port.to_string()), theme.dim),
        ("OUTSIDE".to_owned(), style(ui)),
        link(view, place, ui),
        (behind.map_or_else(none, bytes), if is_behind { theme.warn } else { theme.dim }),
        (behind.and(fed).map_or_else(none, |fed| age(fed.seen.ack_age_ms)), theme.dim),
        (fed.map_or_else(none, |fed| count(fed.seen.acked, glyphs)), theme.title),
        (none(), theme.dim),
    ]
}

/// The title of its sheet.
pub fn title(outsider: &Outsider, ui: &Ui) -> Line<'static> {
    Line::from(vec![
        Span::styled(outsider.name(), ui.theme().title),
        Span::raw(" "),
        Span::styled("OUTSIDE", style(ui)),
        Span::styled(" the lab", ui.theme().dim),
    ])
}

/// All that is known of it.
pub fn lines(sheet: &Sheet<'_>, outsider: &Outsider, view: &LabView) -> Vec<Line<'static>> {
    let (theme, glyphs) = (sheet.ui.theme(), sheet.ui.glyphs());
    let mut lines = Vec::new();
    if let Some(fed) = &outsider.fed {
        let (text, style) = link_of(outsider, view, sheet.ui);
        lines.push(sheet.line("follows", &view.nodes[fed.by].name, theme.title));
        lines.push(sheet.line("link", text, style));
        lines.push(sheet.line("acked", count(fed.seen.acked, glyphs), theme.title));
        if let Some(behind) = behind(outsider, view) {
            let text = format!("{}   last ACK {} ago", bytes(behind), age(fed.seen.ack_age_ms));
            lines.push(sheet.line("behind", text, theme.title));
            lines.push(sheet.line("unsent", bytes(fed.seen.unsent_bytes), Style::new()));
        }
    }
    for (i, at) in outsider.feeds.iter().enumerate() {
        let row = &view.nodes[*at];
        let (link, _) = node::link(row, sheet.ui);
        let label = if i == 0 { "feeds" } else { "" };
        lines.push(sheet.line(label, format!("{} {link}", row.name), Style::new()));
    }
    lines.extend(standing(outsider, view).map(|text| sheet.line("is", text, theme.dim)));
    lines.push(Line::styled("Known by the lab's own nodes alone.", theme.dim));
    lines
}

/// How many Sentinels outside the lab watch a primary, for its lower border; where the lab has
/// Sentinels of its own, their row tells it.
pub fn watchers(view: &LabView, node: usize, room: usize, ui: &Ui) -> Option<Said> {
    let is_primary = node::server(&view.nodes[node])?.role == Role::Primary;
    let n = connected_to(&view.nodes, node).len();
    if n == 0 || !is_primary || beliefs::sentinels(view).next().is_some() {
        return None;
    }
    let plural = if n == 1 { "" } else { "s" };
    let tries = [format!(" {n} Sentinel{plural} "), format!("{n} Sent.")];
    let text = tries.into_iter().find(|text| text.width() <= room)?;
    Some((text, ui.theme().title))
}
