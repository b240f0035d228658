//! Carrying out actions: what each does to the world, and what the journal says of it.

use std::slice;

use super::action::{Action, Direction, HealRef, LinkRef};
use super::faults::{Aspect, Change, Changed, Pair, Undo, describe};
use super::journal::Event;
use super::nodes::Node;
use super::parse::did_you_mean;
use super::run::Lab;
use super::text::Command;
use super::view::{NodeKind, NodeStatus};
use crate::machine::Millis;
use crate::world::{LinkPolicy, World};

/// Faults that `undo` remembers.
const UNDO_MAX: usize = 100;

impl<W: World> Lab<W> {
    /// Carries out an action. `by` is who wants it: "key", "palette", "step", "stdin". Whether it
    /// could be done is in the journal.
    pub fn act(&mut self, action: &Action, by: &'static str) {
        drop(self.try_to_act(action, by));
    }

    /// Carries out an action, or tells the journal why not. What a script asks for must be done.
    pub(super) fn try_to_act(&mut self, action: &Action, by: &'static str) -> Result<(), String> {
        self.attempt(action, by).inspect_err(|reason| {
            let text = action.to_string();
            if matches!(by, "step" | "stdin") {
                self.count_as_failed(&text, reason);
            }
            let node = subject(action).filter(|name| self.find(name).is_ok()).map(str::to_owned);
            self.note(node, Event::Refused { action: text, reason: reason.clone() });
        })
    }

    fn attempt(&mut self, action: &Action, by: &'static str) -> Result<(), String> {
        match action {
            Action::Kill { node }
            | Action::PowerLoss { node }
            | Action::Shutdown { node }
            | Action::Restart { node }
            | Action::Pause { node, .. }
            | Action::Resume { node } => {
                let node = self.find(node)?;
                self.can_live_through(action, node)?;
                self.did(action, by);
                self.life(action, node);
            }
            Action::Cut { .. }
            | Action::Isolate { .. }
            | Action::Delay { .. }
            | Action::Throttle { .. }
            | Action::Heal { .. } => self.link_order(action, by)?,
            Action::Reset { link } => {
                let (a, b) = (self.find(&link.a)?, self.find(&link.b)?);
                self.did(action, by);
                self.world.reset_link(self.nodes[a].id, self.nodes[b].id);
            }
            Action::Promote { node } => {
                self.is_server(node)?;
                let words = ["REPLICAOF", "NO", "ONE"].map(str::to_owned).to_vec();
                self.ask(action, by, node, words)?;
                self.warn_of_sentinels(node);
            }
            Action::ReplicaOf { node, primary } => {
                self.is_server(node)?;
                self.is_server(primary)?;
                let port = self.nodes[self.find(primary)?].port.to_string();
                let words = ["REPLICAOF", "127.0.0.1", &port].map(str::to_owned).to_vec();
                self.ask(action, by, node, words)?;
            }
            Action::Redis { node, words } => self.ask(action, by, node, words.clone())?,
            Action::Stream { .. } | Action::Diff { .. } | Action::Keys { .. } => {
                self.look_order(action)?;
                self.did(action, by);
            }
            Action::Failover { .. }
            | Action::CkQuorum { .. }
            | Action::SentinelReset { .. }
            | Action::SplitVote { .. } => self.sentinel_order(action, by)?,
            Action::Write { per_second, node } => {
                let to = node.as_ref().map(|name| self.destination(name)).transpose()?;
                self.did(action, by);
                if to.as_ref().is_some_and(|to| !self.is_of_the_same_data(to)) {
                    self.workload.owe_nothing();
                }
                let now = self.now_ms();
                self.workload.set(&mut self.world, *per_second, to, now);
            }
            Action::Expect { claim, within_ms } => {
                if claim.subject != "lab" && self.monitor(&claim.subject).is_none() {
                    self.find(&claim.subject)?;
                }
                self.did(action, by);
                self.expect(claim.clone(), *within_ms, None);
            }
            Action::Wait { .. } => return Err("only a script can wait".to_owned()),
            Action::Launch { .. } | Action::Export { .. } => {
                return Err("only the screen does this".to_owned());
            }
            Action::Script(order) => {
                self.pace_steps(*order)?;
                self.did(action, by);
            }
            Action::Undo => self.undo_last(by)?,
            Action::Quit => {
                self.did(action, by);
                self.has_quit = true;
            }
        }
        Ok(())
    }

    pub(super) fn did(&mut self, action: &Action, by: &'static str) {
        let node = subject(action).map(str::to_owned);
        self.note(node, Event::Did { action: action.clone(), by });
    }

    /// The place of a node, or who there is.
    pub(super) fn find(&self, name: &str) -> Result<usize, String> {
        let names = || self.nodes.iter().map(|node| node.name.as_str());
        names().position(|known| known == name).ok_or_else(|| {
            let help = did_you_mean(name, names()).map_or_else(
                || format!("nodes are {}", names().collect::<Vec<_>>().join(", ")),
                |known| format!("did you mean `{known}`?"),
            );
            format!("there is no node `{name}`; {help}")
        })
    }

    fn is_server(&self, name: &str) -> Result<(), String> {
        match self.nodes[self.find(name)?].kind {
            NodeKind::Server => Ok(()),
            NodeKind::Sentinel => Err(format!("{name} is a Sentinel and holds no data")),
        }
    }

    fn can_live_through(&self, action: &Action, node: usize) -> Result<(), String> {
        let name = &self.nodes[node].name;
        match (action, &self.nodes[node].status) {
            (Action::Restart { .. }, _) => Ok(()),
            (_, NodeStatus::Dead(..)) => Err(format!("{name} is dead; `restart {name}` starts it")),
            (Action::Pause { .. }, NodeStatus::Paused(_)) => {
                Err(format!("{name} is paused already; `resume {name}` lets it run"))
            }
            (Action::Resume { .. }, NodeStatus::Running) => Err(format!("{name} is not paused")),
            (Action::Shutdown { .. }, NodeStatus::Paused(_)) => {
                Err(format!("{name} is paused and hears nothing; `resume {name}` first"))
            }
            _ => Ok(()),
        }
    }

    fn life(&mut self, action: &Action, node: usize) {
        let id = self.nodes[node].id;
        match action {
            Action::Kill { .. } => {
                self.kill(node, false);
                self.remember(Undo::Start(node));
            }
            Action::PowerLoss { .. } => {
                self.kill(node, true);
                self.remember(Undo::Start(node));
            }
            Action::Shutdown { .. } => {
                self.world.stop(id);
                self.nodes[node].is_asked_to_end = true;
            }
            Action::Restart { .. } => {
                if !matches!(self.nodes[node].status, NodeStatus::Dead(..)) {
                    self.kill(node, false);
                }
                self.start_or_refuse(node);
            }
            Action::Pause { for_ms, .. } => {
                let now = self.now_ms();
                self.world.pause(id);
                self.nodes[node].status = NodeStatus::Paused(now);
                self.nodes[node].last_fault = Some((now, "paused".to_owned()));
                self.nodes[node].wakes_at = for_ms.map(|ms| now.saturating_add(ms));
                self.note_of(node, Event::Paused);
                self.remember(Undo::Resume(node));
            }
            _ => self.resume(node),
        }
    }

    pub(super) fn kill(&mut self, node: usize, power_loss: bool) {
        let id = self.nodes[node].id;
        let cause = if power_loss { "power loss" } else { "killed" };
        self.refresh();
        if power_loss {
            self.world.power_loss(id);
        } else {
            self.world.kill(id);
        }
        self.note_of(node, Event::Killed { power_loss });
        self.died(node, cause);
    }

    pub(super) fn resume(&mut self, node: usize) {
        self.world.resume(self.nodes[node].id);
        self.nodes[node].status = NodeStatus::Running;
        self.nodes[node].wakes_at = None;
        self.note_of(node, Event::Resumed);
    }

    /// Sends a command on the kept connection to a node.
    fn ask(
        &mut self,
        action: &Action,
        by: &'static str,
        node: &str,
        words: Vec<String>,
    ) -> Result<(), String> {
        let node = self.find(node)?;
        let Node { name, status, .. } = &self.nodes[node];
        if matches!(status, NodeStatus::Dead(..)) {
            return Err(format!("{name} is dead; `restart {name}` starts it"));
        }
        self.did(action, by);
        self.taps[node].on_asked(Command(&words).to_string());
        self.consoles[node].ask(&mut self.world, &self.nodes[node], words);
        if matches!(by, "step" | "stdin") {
            self.await_answer(node);
        }
        Ok(())
    }

    fn link_order(&mut self, action: &Action, by: &'static str) -> Result<(), String> {
        let (pairs, undo) = self.pairs_of(action)?;
        self.did(action, by);
        let now = self.now_ms();
        let wanted = wanted(action);
        let all_clear = pairs.iter().all(|pair| self.faults.policy(*pair).is_clear());
        let (mut changes, mut remembered) = (Vec::new(), Vec::new());
        for pair in pairs {
            let before = self.faults.of(pair);
            changes.extend(match wanted {
                Some((aspect, policy, for_ms)) => {
                    let ends_at = for_ms.map(|ms| now.saturating_add(ms));
                    self.faults.set(pair, aspect, policy, now, ends_at)
                }
                None => self.faults.replace(pair, LinkPolicy::default(), now),
            });
            let after = self.faults.policy(pair);
            if before.policy != after {
                remembered.push(Changed { pair, before, after });
            }
        }
        if let Some((aspect, ..)) = wanted
            && !remembered.is_empty()
        {
            let text = if all_clear { undo } else { format!("take back `{action}`") };
            self.remember(Undo::Links { aspect, changes: remembered, text });
        }
        self.apply(changes);
        Ok(())
    }

    /// The directed links that an action is about, and what would heal them.
    fn pairs_of(&self, action: &Action) -> Result<(Vec<Pair>, String), String> {
        match action {
            Action::Isolate { nodes, .. } => Ok((
                self.pairs_around(nodes)?,
                match nodes.as_slice() {
                    [node] => format!("heal {node}"),
                    _ => format!("take back `{action}`"),
                },
            )),
            Action::Heal { what: HealRef::Node(node) } => {
                Ok((self.pairs_around(slice::from_ref(node))?, format!("heal {node}")))
            }
            Action::Cut { link, .. }
            | Action::Delay { link, .. }
            | Action::Throttle { link, .. }
            | Action::Heal { what: HealRef::Link(link) } => {
                Ok((self.pairs(link)?, format!("heal {link}")))
            }
            _ => Ok((self.faults.iter().map(|(pair, _)| pair).collect(), "heal".to_owned())),
        }
    }

    /// Every link between these nodes and the others.
    fn pairs_around(&self, nodes: &[String]) -> Result<Vec<Pair>, String> {
        let inside = nodes.iter().map(|node| self.find(node)).collect::<Result<Vec<_>, _>>()?;
        let outside = (0..self.nodes.len()).filter(|node| !inside.contains(node));
        let across = outside.flat_map(|other| inside.iter().map(move |node| (*node, other)));
        Ok(across.flat_map(|(a, b)| [(a, b), (b, a)]).collect())
    }

    fn pairs(&self, link: &LinkRef) -> Result<Vec<Pair>, String> {
        let (a, b) = (self.find(&link.a)?, self.find(&link.b)?);
        if a == b {
            return Err("a link has two different ends".to_owned());
        }
        Ok(match link.direction {
            Direction::AToB => vec![(a, b)],
            Direction::Both => vec![(a, b), (b, a)],
        })
    }

    /// A link's policy as the topology has it. Names that do not exist were errors in the file.
    pub(super) fn set_from_the_start(&mut self, link: &LinkRef, policy: LinkPolicy) {
        for pair in self.pairs(link).unwrap_or_default() {
            let change = self.faults.replace(pair, policy, 0);
            self.apply(change);
        }
    }

    /// Brings changed policies into the world and the journal.
    pub(super) fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for ((from, to), policy) in changes {
            let (from, to) = (&self.nodes[from], &self.nodes[to]);
            self.world.set_link(from.id, to.id, policy);
            let (from, to) = (from.name.clone(), to.name.clone());
            self.note(None, Event::LinkChanged { from, to, state: describe(&policy) });
        }
    }

    pub(super) fn remember(&mut self, undo: Undo) {
        if self.undo.len() == UNDO_MAX {
            self.undo.remove(0);
        }
        self.undo.push(undo);
    }

    /// What `undo` would do, as text. What has ended by itself meanwhile is passed over.
    pub(super) fn undo_text(&self) -> Option<String> {
        let undo = self.undo.iter().rev().find(|undo| self.still_stands(undo))?;
        Some(match undo {
            Undo::Start(node) => format!("restart {}", self.nodes[*node].name),
            Undo::Resume(node) => format!("resume {}", self.nodes[*node].name),
            Undo::Links { text, .. } => text.clone(),
        })
    }

    fn still_stands(&self, undo: &Undo) -> bool {
        match undo {
            Undo::Start(node) => matches!(self.nodes[*node].status, NodeStatus::Dead(..)),
            Undo::Resume(node) => matches!(self.nodes[*node].status, NodeStatus::Paused(_)),
            Undo::Links { aspect, changes, .. } => {
                changes.iter().any(|changed| self.faults.is_still(*aspect, changed))
            }
        }
    }

    fn undo_last(&mut self, by: &'static str) -> Result<(), String> {
        while self.undo.last().is_some_and(|undo| !self.still_stands(undo)) {
            self.undo.pop();
        }
        let undo = self.undo.pop().ok_or("there is no fault to take back")?;
        self.did(&Action::Undo, by);
        match undo {
            Undo::Start(node) => self.start_or_refuse(node),
            Undo::Resume(node) => self.resume(node),
            Undo::Links { aspect, changes, .. } => {
                let now = self.now_ms();
                let back = |changed| self.faults.restore(aspect, changed, now);
                let changes: Vec<_> = changes.into_iter().filter_map(back).collect();
                self.apply(changes);
            }
        }
        Ok(())
    }
}

/// What a link action sets, and for how long. Healing sets nothing.
fn wanted(action: &Action) -> Option<(Aspect, LinkPolicy, Option<Millis>)> {
    let clear = LinkPolicy::default();
    match *action {
        Action::Cut { for_ms, .. } | Action::Isolate { for_ms, .. } => {
            Some((Aspect::Cut, LinkPolicy { cut: true, ..clear }, for_ms))
        }
        Action::Delay { delay_ms, jitter_ms, for_ms, .. } => {
            Some((Aspect::Delay, LinkPolicy { delay_ms, jitter_ms, ..clear }, for_ms))
        }
        Action::Throttle { bytes_per_s, for_ms, .. } => {
            Some((Aspect::Throttle, LinkPolicy { bytes_per_s, ..clear }, for_ms))
        }
        _ => None,
    }
}

/// The node that an action is about.
fn subject(action: &Action) -> Option<&str> {
    match action {
        Action::Kill { node }
        | Action::Restart { node }
        | Action::Pause { node, .. }
        | Action::Resume { node }
        | Action::PowerLoss { node }
        | Action::Shutdown { node }
        | Action::Promote { node }
        | Action::ReplicaOf { node, .. }
        | Action::Redis { node, .. }
        | Action::Stream { node }
        | Action::Keys { node, .. }
        | Action::Heal { what: HealRef::Node(node) } => Some(node),
        Action::Isolate { nodes, .. } => nodes.first().map(String::as_str),
        Action::Expect { claim, .. } => {
            Some(&claim.subject).filter(|s| *s != "lab").map(String::as_str)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeWorld, lab, live};
    use super::*;
    use crate::lab::{Event, parse};

    fn act(lab: &mut Lab<FakeWorld>, text: &str) {
        lab.act(&parse::action(text).unwrap(), "key");
    }

    /// The rows after the lab became ready, without "did".
    fn rows(lab: &Lab<FakeWorld>) -> Vec<String> {
        let rows = lab.journal().newest(1_000);
        let after = rows.iter().skip_while(|row| row.event != Event::Ready).skip(1);
        let told = after.filter(|row| !matches!(row.event, Event::Did { .. }));
        told.map(|row| row.event.text()).collect()
    }

    fn ready() -> Lab<FakeWorld> {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha")), ("charlie", Some("alpha"))]);
        live(&mut lab, 50);
        lab
    }

    #[test]
    fn a_cut_heals_by_itself_when_its_time_is_over() {
        let mut lab = ready();
        act(&mut lab, "cut alpha bravo for 2s");
        live(&mut lab, 1_900);
        let faults = lab.view().faults;
        assert_eq!(faults.len(), 2);
        assert_eq!((faults[0].since_ms, faults[0].heals_at_ms), (50, Some(2_050)));
        live(&mut lab, 200);
        assert_eq!(lab.view().faults, []);
        let cut_and_clear = [
            "link alpha->bravo: cut",
            "link bravo->alpha: cut",
            "link alpha->bravo: clear",
            "link bravo->alpha: clear",
        ];
        assert_eq!(rows(&lab), cut_and_clear);
    }

    #[test]
    fn isolating_cuts_every_link_of_a_node_and_no_other() {
        let mut lab = ready();
        act(&mut lab, "isolate alpha");
        let pairs: Vec<_> = lab.view().faults.iter().map(|fault| (fault.from, fault.to)).collect();
        assert_eq!(pairs, [(0, 1), (0, 2), (1, 0), (2, 0)]);
        act(&mut lab, "heal bravo");
        assert_eq!(lab.view().faults.len(), 2);
        act(&mut lab, "heal");
        assert_eq!(lab.view().faults.len(), 0);
    }

    #[test]
    fn nodes_isolated_together_still_reach_each_other() {
        let mut lab = ready();
        act(&mut lab, "isolate alpha bravo");
        let pairs: Vec<_> = lab.view().faults.iter().map(|fault| (fault.from, fault.to)).collect();
        assert_eq!(pairs, [(0, 2), (1, 2), (2, 0), (2, 1)]);
        assert_eq!(lab.view().undo.as_deref(), Some("take back `isolate alpha bravo`"));
        act(&mut lab, "undo");
        assert_eq!(lab.view().faults.len(), 0);
    }

    #[test]
    fn undo_takes_faults_back_last_first_and_passes_over_what_has_ended() {
        let mut lab = ready();
        act(&mut lab, "delay alpha->bravo 20ms");
        act(&mut lab, "kill charlie");
        act(&mut lab, "cut alpha bravo");
        act(&mut lab, "pause bravo for 1s");
        live(&mut lab, 1_500);
        assert_eq!(lab.view().undo.as_deref(), Some("take back `cut alpha bravo`"));
        act(&mut lab, "undo");
        assert_eq!(describe(&lab.faults.policy((0, 1))), "delay 20ms");
        assert_eq!(lab.view().undo.as_deref(), Some("restart charlie"));
        act(&mut lab, "undo");
        assert_eq!(lab.view().undo.as_deref(), Some("heal alpha->bravo"));
        act(&mut lab, "undo");
        assert_eq!((lab.view().undo, lab.view().faults.len()), (None, 0));
        act(&mut lab, "undo");
        assert_eq!(rows(&lab).last().unwrap(), "refused: undo: there is no fault to take back");
    }

    #[test]
    fn a_node_that_was_asked_to_end_is_started_again_by_undo_once_it_has() {
        let mut lab = ready();
        act(&mut lab, "shutdown alpha");
        assert_eq!(lab.view().undo, None);
        live(&mut lab, 100);
        assert_eq!(lab.view().undo.as_deref(), Some("restart alpha"));
    }

    #[test]
    fn undo_gives_back_what_heals_by_itself_and_leaves_other_aspects_alone() {
        let mut lab = ready();
        act(&mut lab, "delay alpha->bravo 50ms for 10s");
        act(&mut lab, "cut alpha->bravo");
        act(&mut lab, "undo");
        assert_eq!(describe(&lab.faults.policy((0, 1))), "delay 50ms");
        live(&mut lab, 10_100);
        assert_eq!(describe(&lab.faults.policy((0, 1))), "clear");
        act(&mut lab, "cut alpha->bravo for 5s");
        act(&mut lab, "delay alpha->bravo 50ms");
        live(&mut lab, 5_100);
        assert_eq!(lab.view().undo.as_deref(), Some("take back `delay alpha->bravo 50ms`"));
        act(&mut lab, "undo");
        assert_eq!(lab.view().faults, []);
    }

    #[test]
    fn commands_are_answered_in_order_on_one_connection() {
        let mut lab = ready();
        for text in ["redis alpha SET k 'a b'", "redis alpha GET k", "redis alpha FOO"] {
            act(&mut lab, text);
        }
        live(&mut lab, 20);
        let answers =
            ["SET k \"a b\": OK", "GET k: \"a b\"", "FOO: (error) ERR unknown command 'FOO'"];
        assert_eq!(rows(&lab), answers);
    }

    #[test]
    fn a_paused_node_answers_when_it_runs_again_and_a_killed_one_never() {
        let mut lab = ready();
        act(&mut lab, "pause alpha");
        act(&mut lab, "redis alpha GET k");
        live(&mut lab, 100);
        assert_eq!(rows(&lab), ["paused"]);
        act(&mut lab, "resume alpha");
        act(&mut lab, "redis alpha GET k");
        act(&mut lab, "pause alpha");
        live(&mut lab, 100);
        act(&mut lab, "redis alpha GET k");
        act(&mut lab, "kill alpha");
        live(&mut lab, 100);
        act(&mut lab, "redis alpha GET k");
        let told = rows(&lab);
        assert_eq!(told.iter().filter(|row| *row == "GET k: (nil)").count(), 2);
        assert_eq!(told[told.len() - 2], "GET k: Error: Connection reset by peer");
        assert!(told[told.len() - 1].ends_with("alpha is dead; `restart alpha` starts it"));
    }

    #[test]
    fn promotion_and_attachment_go_over_the_wire() {
        let mut lab = ready();
        act(&mut lab, "promote bravo");
        act(&mut lab, "replicaof charlie bravo");
        live(&mut lab, 20);
        let port = lab.nodes[1].port;
        let answers =
            ["REPLICAOF NO ONE: OK".to_owned(), format!("REPLICAOF 127.0.0.1 {port}: OK")];
        assert_eq!(rows(&lab), answers);
        let follows: Vec<_> = lab.view().nodes.iter().map(|node| node.follows).collect();
        assert_eq!(follows, [None, None, Some(1)]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_a_hint() {
        let mut lab = ready();
        for text in ["kill alfa", "resume bravo", "cut bravo bravo", "wait 1s"] {
            act(&mut lab, text);
        }
        assert_eq!(
            rows(&lab),
            [
                "refused: kill alfa: there is no node `alfa`; did you mean `alpha`?",
                "refused: resume bravo: bravo is not paused",
                "refused: cut bravo bravo: a link has two different ends",
                "refused: wait 1s: only a script can wait",
            ]
        );
        act(&mut lab, "kill zulu");
        assert!(rows(&lab).last().unwrap().ends_with("nodes are alpha, bravo, charlie"));
    }
}
