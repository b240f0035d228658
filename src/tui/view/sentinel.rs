//! All about the selected Sentinel: what it knows, whom it would promote and why not the others,
//! and where its failover stands.

use std::fmt::Write;

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::detail::Sheet;
use crate::lab::LabView;
use crate::machine::{MonitorView, PeerBelief, ReplicaBelief, SentinelView};
use crate::tui::beliefs::{self, Belief};
use crate::tui::units::{age, bytes, count, short_id};

/// The lines of a Sentinel's sheet, without its state and address.
pub fn lines(
    sheet: &Sheet<'_>,
    at: usize,
    own: &SentinelView,
    view: &LabView,
) -> Vec<Line<'static>> {
    let (theme, glyphs) = (sheet.ui.theme(), sheet.ui.glyphs());
    let id = format!("{}   epoch {}", short_id(&own.id, glyphs), own.current_epoch);
    let mut lines = vec![sheet.line("id", id, Style::new())];
    if let Some(ms) = own.tilt_ms {
        let text = format!("{}: it looks, does nothing", age(ms));
        lines.push(sheet.line("TILT", text, theme.bad));
    }
    for belief in beliefs::of(view, at) {
        lines.extend(primary(sheet, &belief, view));
        lines.extend(peers(sheet, belief.monitor, view));
        lines.extend(replicas(sheet, belief.monitor, view));
        lines.extend(failover(sheet, &belief, view));
    }
    lines
}

/// What it thinks of the primary, by which settings, and for whom it voted.
fn primary(sheet: &Sheet<'_>, belief: &Belief<'_>, view: &LabView) -> Vec<Line<'static>> {
    let (theme, glyphs) = (sheet.ui.theme(), sheet.ui.glyphs());
    let monitor = belief.monitor;
    let (state, style) = beliefs::down_state(monitor, sheet.ui);
    let text = format!("{} {state}", beliefs::name_of(view, &monitor.addr));
    let settings = format!(
        "{} ms, quorum {}, config e{}",
        monitor.down_after_ms, monitor.quorum, monitor.config_epoch
    );
    let vote = match &monitor.vote {
        None => "not yet".to_owned(),
        Some((id, epoch)) => format!("{} in epoch {epoch}", candidate(view, id)),
    };
    let needed = format!("{vote}, {} needed", monitor.votes_needed);
    let error = beliefs::error_of(view, belief)
        .map(|error| sheet.line("", format!("{} {error}", glyphs.differs), theme.bad));
    let mut lines = vec![sheet.line(&monitor.name, text, style)];
    lines.extend(error);
    lines.push(sheet.line("down after", settings, Style::new()));
    lines.push(sheet.line("voted", needed, Style::new()));
    lines
}

/// The name of the Sentinel with this id.
fn candidate(view: &LabView, id: &str) -> String {
    beliefs::by_id(view, id)
        .map_or_else(|| id.chars().take(6).collect(), |at| view.nodes[at].name.clone())
}

fn peers(sheet: &Sheet<'_>, monitor: &MonitorView, view: &LabView) -> Vec<Line<'static>> {
    let said = |peer: &PeerBelief| {
        let mut text = beliefs::name_of(view, &peer.addr);
        match peer.sdown_ms {
            Some(ms) => {
                let _ = write!(text, " sdown {}", age(ms));
                return (text, sheet.ui.theme().warn);
            }
            None => text.push_str(if peer.says_down { " says down" } else { " says ok" }),
        }
        match (&peer.vote, peer.hello_age_ms) {
            (Some((id, epoch)), _) => {
                let _ = write!(text, ", vote {} e{epoch}", candidate(view, id));
            }
            (None, Some(ms)) => {
                let _ = write!(text, ", hello {} ago", age(ms));
            }
            (None, None) => {}
        }
        (text, Style::new())
    };
    labelled(sheet, "peers", monitor.peers.iter().map(said))
}

fn replicas(sheet: &Sheet<'_>, monitor: &MonitorView, view: &LabView) -> Vec<Line<'static>> {
    let (theme, glyphs) = (sheet.ui.theme(), sheet.ui.glyphs());
    let chosen = monitor.failover.chosen.as_ref();
    let best = monitor.replicas.iter().find(|replica| Some(&replica.addr) == chosen);
    let said = |replica: &ReplicaBelief| {
        let name = beliefs::name_of(view, &replica.addr);
        let mark = if Some(&replica.addr) == chosen { glyphs.leader } else { " " };
        if let Some(why) = why_not(replica, best) {
            return (format!("{mark} {name}: {why}"), theme.warn);
        }
        let offset = count(replica.offset, glyphs);
        (format!("{mark} {name} prio {}, {offset}", replica.priority), Style::new())
    };
    labelled(sheet, "replicas", monitor.replicas.iter().map(said))
}

/// Why a replica is not, or was not, promoted; `None` if it could be.
fn why_not(replica: &ReplicaBelief, chosen: Option<&ReplicaBelief>) -> Option<String> {
    if replica.excluded.is_some() {
        return replica.excluded.clone();
    }
    let best = chosen.filter(|best| best.addr != replica.addr)?;
    Some(if replica.priority != best.priority {
        format!("priority {}, the chosen has {}", replica.priority, best.priority)
    } else if replica.offset < best.offset {
        format!("{} less data than the chosen", bytes(best.offset - replica.offset))
    } else {
        "as good; the smaller run id was chosen".to_owned()
    })
}

/// The states of its failover, the present one lit, with the time spent in each.
fn failover(sheet: &Sheet<'_>, belief: &Belief<'_>, view: &LabView) -> Vec<Line<'static>> {
    let (theme, glyphs) = (sheet.ui.theme(), sheet.ui.glyphs());
    let now = belief.monitor.failover.state;
    let times = beliefs::times_in_states(view, belief);
    let at = beliefs::STATES.iter().position(|state| *state == now);
    if at.is_none() && times.iter().all(Option::is_none) {
        return vec![sheet.line("failover", "none", theme.dim)];
    }
    let state = |i: usize| {
        let name = beliefs::STATES[i];
        let took = times[i].map(|ms| format!("{:>7}", format!("{ms} ms")));
        let took = took.unwrap_or_default();
        match at {
            Some(at) if i == at => {
                let style = theme.title.add_modifier(Modifier::REVERSED);
                (format!("{} {name:<18} {took} ", glyphs.running), style)
            }
            Some(at) if i > at => (format!("{} {name}", glyphs.dot), theme.dim),
            _ if times[i].is_some() => (format!("{} {name:<18} {took}", glyphs.passed), theme.good),
            _ => (format!("{} {name}", glyphs.dot), theme.dim),
        }
    };
    let label = if at.is_some() { "failover" } else { "last one" };
    labelled(sheet, label, (0..beliefs::STATES.len()).map(state))
}

/// Lines of which only the first has the label.
fn labelled(
    sheet: &Sheet<'_>,
    label: &str,
    texts: impl Iterator<Item = (String, Style)>,
) -> Vec<Line<'static>> {
    let mut label = label;
    let line = |(text, style): (String, Style)| sheet.line(std::mem::take(&mut label), text, style);
    texts.map(line).collect()
}
