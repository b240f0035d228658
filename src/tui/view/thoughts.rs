//! What the box of a Sentinel says, in as many words as there is room for.

use super::node::{self, Said};
use super::watchers;
use crate::lab::LabView;
use crate::lab::view::LinkFault;
use crate::tui::app::Ui;
use crate::tui::beliefs::{self, Belief, Election};
use crate::tui::units::{age, fit, fit_words};
use unicode_width::UnicodeWidthStr;

/// What is to be said of a Sentinel, in so many lines, the most important first. Where there is
/// but one, a vote goes before what the primary's own box tells as well.
pub fn lines(at: usize, view: &LabView, room: usize, most: u16, ui: &Ui) -> Vec<Said> {
    let row = &view.nodes[at];
    if let Some((text, style)) = node::trouble(view, row, ui) {
        return vec![(fit_words(&text, room, ui.glyphs()), style)];
    }
    let Some(own) = beliefs::sentinel(row) else {
        return vec![(fit("no word of it yet", room, ui.glyphs()), ui.theme().dim)];
    };
    let mut lines = Vec::new();
    lines.extend(own.tilt_ms.map(|ms| (format!("TILT {}", age(ms)), ui.theme().bad)));
    let ballot = watchers::news(view).and_then(|election| ballot(at, view, &election, room, ui));
    if ballot.is_none() || most > 1 {
        lines.extend(thoughts(at, view, room, ui));
    }
    lines.extend(ballot);
    lines.extend(faults(at, view, room, ui));
    lines.extend(knows(at, view, room, ui));
    lines.truncate(usize::from(most));
    lines
}

/// The longest of some texts that fits.
fn longest(texts: &[String], room: usize, ui: &Ui) -> String {
    let fitting = texts.iter().find(|text| text.width() <= room);
    fitting.cloned().unwrap_or_else(|| fit(texts.last().map_or("", |text| text), room, ui.glyphs()))
}

/// What it thinks of each primary, the worst first; on one line if all are well.
fn thoughts(at: usize, view: &LabView, room: usize, ui: &Ui) -> Vec<Said> {
    let mut all: Vec<Belief<'_>> = beliefs::of(view, at).collect();
    let calm = |belief: &Belief<'_>| {
        belief.monitor.sdown_ms.is_none() && beliefs::error_of(view, belief).is_none()
    };
    all.sort_by_key(&calm);
    let names: Vec<String> =
        all.iter().map(|belief| beliefs::name_of(view, &belief.monitor.addr)).collect();
    let together = format!("{} ok", names.join(", "));
    if all.len() > 1 && all.iter().all(calm) && together.width() <= room {
        return vec![(together, ui.theme().good)];
    }
    all.iter().zip(names).map(|(belief, name)| thought(view, belief, &name, room, ui)).collect()
}

/// `alpha ok`, `alpha sdown 1.2 s`; marked if it is wrong.
fn thought(view: &LabView, belief: &Belief<'_>, name: &str, room: usize, ui: &Ui) -> Said {
    let (state, style) = beliefs::down_state(belief.monitor, ui);
    let (mark, style) = match beliefs::error_of(view, belief) {
        Some(_) => (format!(" {}", ui.glyphs().differs), ui.theme().warn),
        None => (String::new(), style),
    };
    let word = state.split(' ').next().unwrap_or_default();
    let texts =
        [format!("{name} {state}{mark}"), format!("{name} {word}{mark}"), format!("{word}{mark}")];
    (longest(&texts, room, ui), style)
}

/// What it did in an election: the votes it has, or whom it voted for.
fn ballot(at: usize, view: &LabView, election: &Election, room: usize, ui: &Ui) -> Option<Said> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let (votes, needed, epoch) = (election.votes(at), election.needed, election.epoch);
    if votes > 0 {
        let [full, empty] = glyphs.bar;
        let missing = needed.saturating_sub(votes);
        let bar = full.repeat(votes as usize) + &empty.repeat(missing as usize);
        if missing == 0 {
            let texts = [format!("{bar} {votes} votes"), format!("{votes} votes")];
            return Some((longest(&texts, room, ui), theme.good));
        }
        let texts = [format!("{bar} {votes} of {needed} votes"), format!("{bar} {votes}/{needed}")];
        return Some((longest(&texts, room, ui), theme.warn));
    }
    let (_, candidate) = election.ballots.iter().find(|(voter, _)| *voter == at)?;
    let name = &view.nodes[*candidate].name;
    let texts = [
        format!("voted {name}, epoch {epoch}"),
        format!("voted {name} e{epoch}"),
        format!("voted {name}"),
        format!("{} {name}", glyphs.vote),
    ];
    Some((longest(&texts, room, ui), theme.title))
}

/// Whom it hears, for quiet times.
fn knows(at: usize, view: &LabView, room: usize, ui: &Ui) -> Option<Said> {
    let monitor = beliefs::of(view, at).next()?.monitor;
    let peers = monitor.peers.iter().filter(|peer| peer.sdown_ms.is_none()).count();
    let replicas = monitor.replicas.iter().filter(|replica| replica.sdown_ms.is_none()).count();
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let peers = format!("{peers} peer{}", plural(peers));
    let texts = [format!("{peers}, {replicas} replica{}", plural(replicas)), peers];
    Some((longest(&texts, room, ui), ui.theme().dim))
}

/// From whom it is cut off, or else whose answers come late.
fn faults(at: usize, view: &LabView, room: usize, ui: &Ui) -> Option<Said> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let peers = |is_cut: bool| -> Vec<usize> {
        let other_end = |fault: &LinkFault| match (fault.from == at, fault.to == at) {
            (true, _) => Some(fault.to),
            (_, true) => Some(fault.from),
            _ => None,
        };
        let faults = view.faults.iter().filter(|fault| fault.policy.cut == is_cut);
        let mut peers: Vec<usize> = faults.filter_map(other_end).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    };
    let (cut, slow) = (peers(true), peers(false));
    let (sign, word, style, peers) = match (cut.is_empty(), slow.is_empty()) {
        (true, true) => return None,
        (true, false) => (glyphs.slow, "slow", theme.warn, slow),
        (false, _) => (glyphs.cut, "cut", theme.bad, cut),
    };
    let names: Vec<&str> = peers.iter().map(|peer| view.nodes[*peer].name.as_str()).collect();
    let named = format!("{sign} {word}: {}", names.join(", "));
    let counted = format!("{sign} {word}: {} of {}", peers.len(), view.nodes.len() - 1);
    if peers.len() + 1 == view.nodes.len() {
        return Some((longest(&[format!("{sign} {word}: everybody"), counted], room, ui), style));
    }
    Some((longest(&[named, counted, format!("{sign} {word}")], room, ui), style))
}
