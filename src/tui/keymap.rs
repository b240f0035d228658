//! The one table of keys. Dispatch, footer, help overlay and the README's key table come from it.

use std::fmt::Write;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::{Panel, Ui};
use super::beliefs;
use crate::lab::LabView;
use crate::lab::view::{FailoverState, NodeKind, NodeStatus, StepStatus};
use crate::machine::Role;

/// When a binding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing lies over the panels.
    Screen,
    /// The help overlay.
    Help,
    /// The card of the first start.
    Card,
    /// The table of failovers.
    Failovers,
    /// The keys of a node.
    Keys,
    /// How two nodes differ.
    Diff,
    /// What can be launched; keys without a binding choose among it.
    Labs,
    /// A question.
    Ask,
    /// A line is being typed; keys without a binding go into it.
    Prompt,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by its row in the table")]
pub enum Command {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    NextPanel,
    PreviousPanel,
    Node(u8),
    Detail,
    Back,
    Kill,
    Restart,
    Pause,
    PowerLoss,
    Cut,
    Isolate,
    HealAll,
    Delay,
    Promote,
    Follow,
    Failover,
    CkQuorum,
    SentinelReset,
    SplitVote,
    Failovers,
    Sentinels,
    Instead,
    Rate,
    NextStep,
    HoldSteps,
    Undo,
    Labs,
    Export,
    Freeze,
    Palette,
    Console,
    Logs,
    Keys,
    Diff,
    Sort,
    Again,
    Filter,
    Expand,
    Copy,
    Theme,
    Mouse,
    Help,
    Close,
    Submit,
    Complete,
    Older,
    Newer,
    Quit,
    QuitKeep,
}

/// Whether a command works now.
type When = fn(&LabView, &Ui) -> bool;

/// One row of the table.
pub struct Binding {
    /// When it counts.
    pub mode: Mode,
    /// Any of these.
    pub keys: &'static [KeyCode],
    /// Whether Ctrl must be held.
    pub ctrl: bool,
    /// What it does.
    pub command: Command,
    /// A word or two for the footer.
    pub name: &'static str,
    /// A line for the help.
    pub doc: &'static str,
    /// Place in the footer, the lowest first; `None` is not shown there.
    pub footer: Option<u8>,
    /// Whether it breaks something: drawn as danger, locked by read-only.
    pub fault: bool,
    /// Whether it works now.
    pub when: When,
}

impl Binding {
    /// The keys as people write them: `K`, `↑ k`, `Ctrl-C`.
    pub fn label(&self, ascii: bool) -> String {
        if self.command == Command::Node(1) {
            return "1-9".to_owned();
        }
        let names: Vec<String> = self.keys.iter().map(|key| key_name(*key, ascii)).collect();
        let prefix = if self.ctrl { "Ctrl-" } else { "" };
        format!("{prefix}{}", names.join(" "))
    }

    /// Whether it works now.
    pub fn works(&self, view: &LabView, ui: &Ui) -> bool {
        !(self.fault && ui.read_only) && (self.when)(view, ui)
    }
}

fn key_name(key: KeyCode, ascii: bool) -> String {
    let (unicode, plain) = match key {
        Char(' ') => ("space", "space"),
        Char(c) => return c.to_string(),
        Up => ("↑", "Up"),
        Down => ("↓", "Down"),
        Left => ("←", "Left"),
        Right => ("→", "Right"),
        Enter => ("Enter", "Enter"),
        Esc => ("Esc", "Esc"),
        Tab => ("Tab", "Tab"),
        BackTab => ("Shift-Tab", "Shift-Tab"),
        PageUp => ("PgUp", "PgUp"),
        PageDown => ("PgDn", "PgDn"),
        Home => ("Home", "Home"),
        End => ("End", "End"),
        other => return format!("{other:?}"),
    };
    if ascii { plain.to_owned() } else { unicode.to_owned() }
}

/// The binding of a key press, whether it works now or not.
pub fn find(mode: Mode, key: KeyEvent) -> Option<&'static Binding> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    all().find(|row| row.mode == mode && row.ctrl == ctrl && row.keys.contains(&key.code))
}

/// The bindings that the footer shows now, the most important first.
pub fn footer(view: &LabView, ui: &Ui) -> Vec<&'static Binding> {
    let mut rows: Vec<_> = all()
        .filter(|row| row.mode == ui.mode() && row.footer.is_some() && row.works(view, ui))
        .collect();
    rows.sort_by_key(|row| row.footer);
    rows
}

/// The key table of the README, in Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| key | what it does |\n|---|---|\n");
    for row in all().filter(|row| row.mode == Mode::Screen && !row.doc.is_empty()) {
        let label = row.label(false).replace(' ', "` `");
        let _ = writeln!(text, "| `{label}` | {} |", row.doc);
    }
    text
}

/// The name that the footer shows for a binding: some depend on what is selected.
pub fn name(binding: &Binding, view: &LabView, ui: &Ui) -> &'static str {
    match binding.command {
        Command::Pause if paused(view, ui) => "resume",
        Command::Cut if link(view, ui).is_some_and(|(a, b)| is_cut(view, a, b)) => "heal",
        Command::Freeze if ui.frozen => "unfreeze",
        Command::Failovers if is_failover_new(view, ui) => "NEW: where time went",
        _ => binding.name,
    }
}

fn always(_: &LabView, _: &Ui) -> bool {
    true
}

fn selected(view: &LabView, ui: &Ui) -> bool {
    ui.node(view).is_some()
}

/// Whether anything is selected, be it outside the lab.
fn anybody(view: &LabView, _: &Ui) -> bool {
    !view.nodes.is_empty()
}

fn reachable(view: &LabView, ui: &Ui) -> bool {
    ui.redis_cli(view).is_some()
}

fn alive(view: &LabView, ui: &Ui) -> bool {
    ui.node(view).is_some_and(|node| !matches!(node.status, NodeStatus::Dead(..)))
}

/// Whether the selected node is frozen.
pub fn paused(view: &LabView, ui: &Ui) -> bool {
    ui.node(view).is_some_and(|node| matches!(node.status, NodeStatus::Paused(_)))
}

fn replica(view: &LabView, ui: &Ui) -> bool {
    let role = |node: &crate::lab::view::NodeRow| {
        node.view.as_ref().and_then(|view| view.server().map(|server| server.role))
    };
    alive(view, ui) && ui.node(view).and_then(role) == Some(Role::Replica)
}

fn holds_data(view: &LabView, ui: &Ui) -> bool {
    alive(view, ui) && ui.node(view).is_some_and(|node| node.kind == NodeKind::Server)
}

fn several(view: &LabView, ui: &Ui) -> bool {
    selected(view, ui) && view.nodes.len() > 1
}

fn movable(view: &LabView, ui: &Ui) -> bool {
    several(view, ui) && ui.node(view).is_some_and(|node| node.kind == NodeKind::Server)
}

fn faulty(view: &LabView, _: &Ui) -> bool {
    !view.faults.is_empty()
}

fn scripted(view: &LabView, _: &Ui) -> bool {
    view.steps.iter().any(|step| step.status == StepStatus::Waiting)
}

fn undoable(view: &LabView, _: &Ui) -> bool {
    view.undo.is_some()
}

fn watched(view: &LabView, _: &Ui) -> bool {
    beliefs::sentinels(view).next().is_some()
}

fn failed_over(view: &LabView, _: &Ui) -> bool {
    !view.failovers.is_empty()
}

/// Whether a failover came to its end that the person has not looked at.
fn is_failover_new(view: &LabView, ui: &Ui) -> bool {
    view.failovers.len() > ui.failovers_seen
        && view.failovers.last().is_some_and(|last| last.state != FailoverState::Running)
}

fn several_failovers(view: &LabView, _: &Ui) -> bool {
    view.failovers.len() > 1
}

fn deep(_: &LabView, ui: &Ui) -> bool {
    ui.expanded || ui.focus != Panel::Topology || !ui.filter.is_empty()
}

/// The one link that a key about links means for the selected node: to whom it follows, or to its
/// only replica. As indices, the primary first.
pub fn link(view: &LabView, ui: &Ui) -> Option<(usize, usize)> {
    let node = ui.node(view)?;
    if let Some(primary) = node.follows {
        return Some((primary, ui.selected));
    }
    let mut replicas =
        (0..view.nodes.len()).filter(|&i| view.nodes[i].follows == Some(ui.selected));
    match (replicas.next(), replicas.next()) {
        (Some(only), None) => Some((ui.selected, only)),
        _ => None,
    }
}

/// Whether a link is cut in either direction.
pub fn is_cut(view: &LabView, a: usize, b: usize) -> bool {
    view.faults
        .iter()
        .any(|f| f.policy.cut && ((f.from, f.to) == (a, b) || (f.from, f.to) == (b, a)))
}

macro_rules! keys {
    ($mode:ident: $([$($key:expr),+] $(^ $ctrl:ident)? $command:expr, $name:literal, $doc:literal,
        $footer:expr, $fault:literal, $when:expr;)+) => {
        &[$(Binding {
            mode: Mode::$mode,
            keys: &[$($key),+],
            ctrl: keys!(@ctrl $($ctrl)?),
            command: $command,
            name: $name,
            doc: $doc,
            footer: $footer,
            fault: $fault,
            when: $when,
        }),+]
    };
    (@ctrl) => { false };
    (@ctrl ctrl) => { true };
}

use Command as C;
use KeyCode::{BackTab, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

/// Every binding, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static Binding> {
    [SCREEN, HELP, CARD, FAILOVERS, KEYS, DIFF, LABS, ASK, PROMPT].into_iter().flatten()
}

const SCREEN: &[Binding] = keys! { Screen:
    [Up, Char('k')] C::Up, "up", "select the node above; scroll", None, false, always;
    [Down, Char('j')] C::Down, "down", "select the node below; scroll", None, false, always;
    [Left, Char('h')] C::Left, "left", "select the node to the left", None, false, always;
    [Right, Char('l')] C::Right, "right", "select the node to the right", None, false, always;
    [PageUp] C::PageUp, "page up", "scroll a page back", None, false, always;
    [PageDown] C::PageDown, "page down", "scroll a page on", None, false, always;
    [Home, Char('g')] C::First, "first", "first node, or the oldest row", None, false, always;
    [End, Char('G')] C::Last, "last", "last node, or the newest row: follow", None, false, always;
    [Tab] C::NextPanel, "panel", "next panel", Some(70), false, always;
    [BackTab] C::PreviousPanel, "previous", "previous panel", None, false, always;
    [Char('1')] C::Node(1), "node", "select the 1st node, and so on to 9", None, false, anybody;
    [Char('2')] C::Node(2), "node", "", None, false, anybody;
    [Char('3')] C::Node(3), "node", "", None, false, anybody;
    [Char('4')] C::Node(4), "node", "", None, false, anybody;
    [Char('5')] C::Node(5), "node", "", None, false, anybody;
    [Char('6')] C::Node(6), "node", "", None, false, anybody;
    [Char('7')] C::Node(7), "node", "", None, false, anybody;
    [Char('8')] C::Node(8), "node", "", None, false, anybody;
    [Char('9')] C::Node(9), "node", "", None, false, anybody;
    [Enter] C::Detail, "detail", "all about the selected node", Some(20), false, anybody;
    [Esc] C::Back, "back", "back to the map; clear the filter", Some(5), false, deep;
    [Char('K')] C::Kill, "kill", "kill the node: SIGKILL", Some(10), true, alive;
    [Char('r')] C::Restart, "restart", "start the node again", Some(11), true, selected;
    [Char('z')] C::Pause, "pause", "freeze the node (SIGSTOP), or let it run on", Some(12), true, alive;
    [Char('P')] C::PowerLoss, "power loss", "kill the node; what was not fsynced is gone", None, true, alive;
    [Char('x')] C::Cut, "cut", "cut the node's link to its primary, or heal it", Some(13), true, several;
    [Char('X')] C::Isolate, "isolate", "cut every link of the node", Some(30), true, several;
    [Char('H')] C::HealAll, "heal all", "take every fault off every link", Some(17), true, faulty;
    [Char('d')] C::Delay, "delay", "delay the link (asks how much)", Some(31), true, several;
    [Char('s')] C::Promote, "SLAVEOF NO ONE", "make the replica a primary: its history parts from here on", Some(14), true, replica;
    [Char('f')] C::Follow, "follow", "make the node follow another (asks whom)", Some(32), true, movable;
    [Char('F')] C::Failover, "failover", "let the Sentinels replace the primary: SENTINEL FAILOVER", Some(15), true, watched;
    [Char('V')] C::SplitVote, "split vote", "kill the primary and provoke an election that nobody wins", Some(40), true, watched;
    [Char('C')] C::CkQuorum, "ckquorum", "ask the Sentinels whether they could fail over", Some(41), false, watched;
    [Char('R')] C::SentinelReset, "reset", "let the Sentinels forget what they know, and look anew", Some(42), true, watched;
    [Char('b')] C::Sentinels, "beliefs", "what the Sentinels believe, beside the truth", Some(22), false, watched;
    [Char('t')] C::Failovers, "failovers", "where the time of a failover went, and what it cost", Some(3), false, failed_over;
    [Char('w')] C::Rate, "write rate", "set the workload's writes per second", Some(33), true, anybody;
    [Char('n')] C::NextStep, "next step", "do the script's next step, and hold it there", Some(6), true, scripted;
    [Char('N')] C::HoldSteps, "hold script", "hold the script, or let it run on", None, true, scripted;
    [Char('u')] C::Undo, "undo", "take back the last fault", Some(16), true, undoable;
    [Char('o')] C::Labs, "labs", "launch the lab anew, or another one", Some(25), true, always;
    [Char('E')] C::Export, "export", "write what happened to a file", Some(62), false, always;
    [Char(' ')] C::Freeze, "freeze view", "the screen stands still, the nodes do not", Some(80), false, always;
    [Char(':')] C::Palette, "action", "type an action, with completion", Some(18), false, always;
    [Char('c'), Char('>')] C::Console, "console", "type Redis commands to the node", Some(19), false, alive;
    [Char('L')] C::Logs, "logs", "the node's own log", Some(21), false, selected;
    [Char('i')] C::Keys, "keys", "look inside the node: its keys and values", Some(23), false, holds_data;
    [Char('D')] C::Diff, "diff", "compare its data with that of the node it follows, and say why keys differ", Some(24), false, holds_data;
    [Char('/')] C::Filter, "filter", "show only timeline rows with a text", Some(81), false, always;
    [Char('e')] C::Expand, "expand", "give the focused panel all the room", Some(71), false, always;
    [Char('y')] C::Copy, "copy", "copy `redis-cli -p PORT` to the clipboard", Some(61), false, reachable;
    [Char('T')] C::Theme, "theme", "next theme: dark, light, colour-blind, monochrome", None, false, always;
    [Char('%')] C::Mouse, "mouse", "give the mouse to the terminal, or take it back", None, false, always;
    [Char('?')] C::Help, "help", "keys and words", Some(1), false, always;
    [Char('q')] C::Quit, "quit", "end the lab", Some(2), false, always;
    [Char('Q')] C::QuitKeep, "quit, keep", "end the lab and leave the last frame in the scrollback", None, false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab, from anywhere", None, false, always;
};

const HELP: &[Binding] = keys! { Help:
    [Up, Char('k')] C::Up, "up", "scroll", Some(20), false, always;
    [Down, Char('j')] C::Down, "down", "scroll", Some(21), false, always;
    [PageUp, Char('h'), Left] C::PageUp, "page up", "scroll", None, false, always;
    [PageDown, Char('l'), Right, Char(' ')] C::PageDown, "page down", "scroll", None, false, always;
    [Home, Char('g')] C::First, "start", "scroll", None, false, always;
    [End, Char('G')] C::Last, "end", "scroll", None, false, always;
    [Esc, Enter, Char('?'), Char('q')] C::Close, "close", "back to the lab", Some(1), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const CARD: &[Binding] = keys! { Card:
    [Enter, Esc, Char(' '), Char('q')] C::Close, "begin", "to the lab", Some(1), false, always;
    [Char('?')] C::Help, "help", "keys and words", Some(2), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const FAILOVERS: &[Binding] = keys! { Failovers:
    [Left, Char('h'), Up, Char('k')] C::Left, "older", "the failover before", Some(2), false, several_failovers;
    [Right, Char('l'), Down, Char('j')] C::Right, "newer", "the failover after", Some(3), false, several_failovers;
    [Esc, Enter, Char('t'), Char('q')] C::Close, "close", "back to the lab", Some(1), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const KEYS: &[Binding] = keys! { Keys:
    [Up, Char('k')] C::Up, "up", "the key above", None, false, always;
    [Down, Char('j')] C::Down, "down", "the key below", None, false, always;
    [PageUp] C::PageUp, "page up", "a page back", None, false, always;
    [PageDown] C::PageDown, "page down", "a page on", None, false, always;
    [Home, Char('g')] C::First, "first", "the first key", None, false, always;
    [End, Char('G')] C::Last, "last", "the last key", None, false, always;
    [Enter] C::Detail, "value", "show or hide the value", Some(2), false, always;
    [Char('/')] C::Filter, "filter", "choose keys by a glob", Some(3), false, always;
    [Char('s')] C::Sort, "sort", "by name, size, TTL or type", Some(4), false, always;
    [Char('r')] C::Again, "again", "take a new snapshot", Some(5), false, always;
    [Left, Char('h')] C::Left, "node before", "the keys of the node before", None, false, always;
    [Right, Char('l')] C::Right, "next node", "the keys of the next node", Some(6), false, always;
    [Char('D')] C::Diff, "diff", "compare with the node it follows", Some(7), false, always;
    [Esc, Char('i'), Char('q')] C::Close, "close", "back to the lab", Some(1), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const DIFF: &[Binding] = keys! { Diff:
    [Up, Char('k')] C::Up, "up", "the row above", None, false, always;
    [Down, Char('j')] C::Down, "down", "the row below", None, false, always;
    [PageUp] C::PageUp, "page up", "a page back", None, false, always;
    [PageDown] C::PageDown, "page down", "a page on", None, false, always;
    [Home, Char('g')] C::First, "first", "the first row", None, false, always;
    [End, Char('G')] C::Last, "last", "the last row", None, false, always;
    [Enter] C::Detail, "in full", "show the row in full, or hide it", Some(2), false, always;
    [Left, Char('h')] C::Left, "node before", "compare with the node before", None, false, always;
    [Right, Char('l')] C::Right, "next node", "compare with the next node", Some(3), false, always;
    [Char('i')] C::Keys, "keys", "the keys of the second node", Some(4), false, always;
    [Char(' ')] C::Freeze, "freeze", "the screen stands still, the nodes do not", Some(5), false, always;
    [Esc, Char('D'), Char('q')] C::Close, "close", "back to the lab", Some(1), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const LABS: &[Binding] = keys! { Labs:
    [Enter] C::Submit, "launch", "end the lab and launch this one", Some(1), true, always;
    [Up] C::Up, "up", "the one above", Some(2), false, always;
    [Down] C::Down, "down", "the one below", Some(3), false, always;
    [PageUp] C::PageUp, "page up", "a page back", None, false, always;
    [PageDown] C::PageDown, "page down", "a page on", None, false, always;
    [Esc] C::Close, "cancel", "leave the lab as it is", Some(4), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

const ASK: &[Binding] = keys! { Ask:
    [Char('f'), Enter] C::Instead, "failover instead", "failover instead: every node and Sentinel is told", Some(1), true, always;
    [Char('p')] C::Submit, "promote", "promote it all the same, and watch what becomes of it", Some(2), true, always;
    [Esc, Char('n'), Char('q')] C::Close, "cancel", "leave everything as it is", Some(3), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "", None, false, always;
};

const PROMPT: &[Binding] = keys! { Prompt:
    [Enter] C::Submit, "do it", "carry it out", Some(1), false, always;
    [Tab] C::Complete, "complete", "complete the word", Some(2), false, always;
    [Up] C::Older, "older", "an earlier line", Some(3), false, always;
    [Down] C::Newer, "newer", "a later line", None, false, always;
    [PageUp] C::PageUp, "page up", "scroll back", None, false, always;
    [PageDown] C::PageDown, "page down", "scroll on", None, false, always;
    [Esc] C::Close, "cancel", "back to the lab", Some(4), false, always;
    [Char('c')] ^ctrl C::Quit, "quit", "end the lab", None, false, always;
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Command, Mode, all, markdown};

    #[test]
    fn no_mode_binds_a_key_twice() {
        let mut seen = HashSet::new();
        for row in all() {
            for key in row.keys {
                assert!(seen.insert((row.mode, *key, row.ctrl)), "{key:?} in {:?}", row.mode);
            }
        }
    }

    #[test]
    fn every_mode_can_be_left_and_ctrl_c_always_quits() {
        let modes = [
            Mode::Screen,
            Mode::Help,
            Mode::Card,
            Mode::Failovers,
            Mode::Keys,
            Mode::Diff,
            Mode::Labs,
            Mode::Ask,
            Mode::Prompt,
        ];
        for mode in modes {
            let has = |command| all().any(|row| row.mode == mode && row.command == command);
            assert!(has(Command::Quit));
            assert!(mode == Mode::Screen || has(Command::Close));
        }
    }

    #[test]
    fn no_two_keys_share_a_place_in_the_footer() {
        let mut seen = HashSet::new();
        for row in all().filter(|row| row.footer.is_some()) {
            assert!(seen.insert((row.mode, row.footer)), "{}", row.name);
        }
    }

    #[test]
    fn the_readme_table_has_a_row_for_every_documented_key() {
        let rows = all().filter(|r| r.mode == Mode::Screen && !r.doc.is_empty()).count();
        assert_eq!(markdown().lines().count(), rows + 2);
        assert!(markdown().contains("| `K` | kill the node: SIGKILL |"));
    }
}
