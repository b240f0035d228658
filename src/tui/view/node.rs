//! What the screen says about one node and the link above it, in words, wherever it is drawn.

use std::fmt::Write;

use ratatui::style::Style;

use crate::lab::LabView;
use crate::lab::view::{LinkFault, NodeKind, NodeRow, NodeStatus};
use crate::machine::{BacklogView, Endpoint, LinkState, Millis, Role, ServerView};
use crate::tui::app::Ui;
use crate::tui::beliefs;
use crate::tui::units::{age, bytes};

/// A short text and how it looks.
pub type Said = (String, Style);

/// The node's own picture.
pub fn server(row: &NodeRow) -> Option<&ServerView> {
    row.view.as_ref().and_then(|view| view.server())
}

/// PRIMARY, REPLICA, PAUSED, DEAD: the word on the box.
pub fn word(row: &NodeRow, ui: &Ui) -> Said {
    let theme = ui.theme();
    match (&row.status, server(row).map(|server| server.role)) {
        (NodeStatus::Running, _) if row.kind == NodeKind::Sentinel => sentinel_word(row, ui),
        (NodeStatus::Dead(..), _) => (format!("{} DEAD", ui.glyphs().dead), theme.bad),
        (NodeStatus::Paused(_), _) => (format!("{} PAUSED", ui.glyphs().paused), theme.warn),
        (_, Some(Role::Primary)) => ("PRIMARY".to_owned(), theme.primary),
        (_, Some(Role::Replica)) => ("REPLICA".to_owned(), theme.replica),
        (_, None) => ("starting".to_owned(), theme.dim),
    }
}

/// The word on a Sentinel's box while it runs.
fn sentinel_word(row: &NodeRow, ui: &Ui) -> Said {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    match beliefs::sentinel(row) {
        None => ("starting".to_owned(), theme.dim),
        Some(own) if own.monitors.iter().any(beliefs::is_leading) => {
            (format!("{} LEADER", glyphs.leader), theme.primary)
        }
        Some(_) => (format!("{} up", glyphs.up), theme.good),
    }
}

/// How long and why a node does not run; `None` if it does.
pub fn trouble(view: &LabView, row: &NodeRow, ui: &Ui) -> Option<Said> {
    let theme = ui.theme();
    match &row.status {
        NodeStatus::Running => None,
        NodeStatus::Paused(since) => {
            Some((format!("frozen for {}", age(view.now_ms.saturating_sub(*since))), theme.warn))
        }
        NodeStatus::Dead(since, cause) => {
            let how_long = age(view.now_ms.saturating_sub(*since));
            Some((format!("{cause} {how_long} ago"), theme.bad))
        }
    }
}

/// Whom a replica follows: a node's name, or an address outside the lab.
pub fn primary(view: &LabView, row: &NodeRow) -> Option<String> {
    let outside = || {
        let link = server(row)?.primary.as_ref()?;
        Some(Endpoint::new(link.host.as_str(), link.port).to_string())
    };
    row.follows.map(|at| view.nodes[at].name.clone()).or_else(outside)
}

/// Bytes behind the head of its chain; `None` for a node that follows nobody, or is dead.
pub fn behind(row: &NodeRow) -> Option<u64> {
    row.follows?;
    match row.status {
        NodeStatus::Dead(..) => None,
        _ => row.behind_history.last().copied(),
    }
}

/// Milliseconds since the node above heard an acknowledgement.
pub fn ack_age(view: &LabView, row: &NodeRow) -> Option<Millis> {
    let primary = server(&view.nodes[row.follows?])?;
    let seen = primary.replicas.iter().find(|replica| replica.port == row.port)?;
    Some(seen.ack_age_ms)
}

/// How full a backlog is, 0 to 100.
pub fn percent(backlog: BacklogView) -> u64 {
    (backlog.len * 100 / backlog.size.max(1)).min(100)
}

/// A bar of `width` columns.
pub fn bar(percent: u64, width: usize, ui: &Ui) -> String {
    let [full, empty] = ui.glyphs().bar;
    let filled = (percent as usize * width).div_ceil(100).min(width);
    full.repeat(filled) + &empty.repeat(width - filled)
}

/// The state of the link to the node above, from the node's own view.
pub fn link(row: &NodeRow, ui: &Ui) -> Said {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let link = server(row).and_then(|server| server.primary.as_ref());
    let Some(link) = link.filter(|_| !matches!(row.status, NodeStatus::Dead(..))) else {
        return (format!("{} down", glyphs.down), theme.dim);
    };
    match (link.state, link.transfer, link.down_ms) {
        (LinkState::Connected, ..) => (format!("{} up", glyphs.up), theme.good),
        (LinkState::Sync, Some((read, Some(total))), _) => {
            let percent = read.saturating_mul(100) / total.max(1);
            (format!("{} full sync {percent}%", glyphs.partly), theme.warn)
        }
        (LinkState::Sync, Some((read, None)), _) => {
            (format!("{} full sync {}", glyphs.partly, bytes(read)), theme.warn)
        }
        (LinkState::Sync, None, _) => (format!("{} full sync", glyphs.partly), theme.warn),
        (_, _, Some(down)) => (format!("{} down {}", glyphs.down, age(down)), theme.bad),
        (state, ..) => (format!("{} {}", glyphs.partly, state.word()), theme.warn),
    }
}

/// The faults between two nodes, in one line; `None` when both directions are clear.
pub fn faults(view: &LabView, a: usize, b: usize, ui: &Ui) -> Option<Said> {
    let between: Vec<&LinkFault> = view
        .faults
        .iter()
        .filter(|f| (f.from, f.to) == (a, b) || (f.from, f.to) == (b, a))
        .collect();
    let cut: Vec<&&LinkFault> = between.iter().filter(|f| f.policy.cut).collect();
    if let Some(first) = cut.first() {
        return Some(cut_text(view, first, cut.len() == 1, held(&cut), ui));
    }
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let worst = between.iter().max_by_key(|f| (f.policy.delay_ms, f.policy.bytes_per_s))?;
    let mut parts = Vec::new();
    if worst.policy.delay_ms > 0 {
        parts.push(format!("delay {} ms", worst.policy.delay_ms));
    }
    if worst.policy.bytes_per_s > 0 {
        parts.push(format!("{}/s", bytes(worst.policy.bytes_per_s)));
    }
    Some((format!("{} {}", glyphs.slow, parts.join(", ")), theme.warn))
}

fn held(cut: &[&&LinkFault]) -> u64 {
    cut.iter().map(|fault| fault.held_bytes).sum()
}

fn cut_text(view: &LabView, fault: &LinkFault, one_way: bool, held: u64, ui: &Ui) -> Said {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let how_long = age(view.now_ms.saturating_sub(fault.since_ms));
    let kind = if one_way { "one-way cut" } else { "cut" };
    let mut text = format!("{} {kind} {how_long}", glyphs.cut);
    if held > 0 {
        let _ = write!(text, ", holds {}", bytes(held));
    }
    (text, theme.bad)
}
