//! Steps and expectations: what a topology file wants done and found true, one after another, and
//! what a person or a script expects besides.

use super::action::{Action, Claim, ScriptOrder};
use super::claim::holds;
use super::journal::Event;
use super::look::Look;
use super::pace::Pace;
use super::run::Lab;
use super::topology::StepSpec;
use super::view::{StepStatus, StepView};
use crate::machine::Millis;
use crate::world::World;

/// Milliseconds between two looks at an expectation that is not met yet.
pub(super) const LOOK_MS: Millis = 10;

/// Milliseconds between two audits while an expectation about losses is not met yet.
const AUDIT_AGAIN_MS: Millis = 250;

/// Milliseconds that a script waits for the answer to what it asked a node.
const ANSWER_WITHIN_MS: Millis = 5_000;

/// An answer that a script waits for: what it looks at next shall be of after it.
struct Awaited {
    node: usize,
    until: Millis,
    /// The answer is there, and a picture of the node that is newer was asked for.
    is_answered: bool,
}

/// Something that shall become true.
struct Expectation {
    claim: Claim,
    since: Millis,
    until: Millis,
    /// The step it belongs to.
    step: Option<usize>,
    /// When the last audit for it was ordered, for a claim about losses.
    audited_at: Option<Millis>,
}

/// The steps of a topology, and all expectations that are open.
pub(super) struct Steps {
    specs: Vec<StepSpec>,
    statuses: Vec<StepStatus>,
    next: usize,
    pace: Pace,
    /// Script time before which no step is done: a step waits.
    not_before: Millis,
    open: Vec<Expectation>,
    awaited: Option<Awaited>,
    met: usize,
    failed: Vec<String>,
}

impl Steps {
    pub fn new(specs: Vec<StepSpec>) -> Self {
        let statuses = vec![StepStatus::Waiting; specs.len()];
        Self {
            specs,
            statuses,
            next: 0,
            pace: Pace::new(),
            not_before: 0,
            open: Vec::new(),
            awaited: None,
            met: 0,
            failed: Vec::new(),
        }
    }

    pub fn view(&self) -> Vec<StepView> {
        let pairs = self.specs.iter().zip(&self.statuses);
        pairs.map(|(step, status)| StepView { text: step.text.clone(), status: *status }).collect()
    }

    /// Whether somebody holds the script.
    pub fn is_held(&self) -> bool {
        self.pace.is_held()
    }

    /// The step at hand, unless it waits for the one before, for its time, or for somebody.
    fn due(&self, now: Millis) -> Option<usize> {
        let blocked = self.open.iter().any(|open| open.step.is_some());
        let has_come = self.pace.when(self.due_time()?).is_some_and(|at| at <= now);
        (!blocked && (has_come || self.pace.may_step())).then_some(self.next)
    }

    /// When the step at hand may be done, in script time.
    fn due_time(&self) -> Option<Millis> {
        let step = self.specs.get(self.next)?;
        Some(step.at_ms.unwrap_or(0).max(self.not_before))
    }
}

impl<W: World> Lab<W> {
    /// Whether all steps are done and nothing is expected any more.
    pub fn steps_are_done(&self) -> bool {
        self.steps.next == self.steps.specs.len()
            && self.steps.open.is_empty()
            && !self.is_awaiting()
    }

    /// Whether something besides the steps is expected and not settled yet, or what was asked is
    /// not answered.
    pub fn is_expecting(&self) -> bool {
        self.steps.open.iter().any(|open| open.step.is_none()) || self.is_awaiting()
    }

    /// A script goes on when the node has answered, and the lab has a picture of it of after that.
    pub(super) fn await_answer(&mut self, node: usize) {
        let until = self.now_ms().saturating_add(ANSWER_WITHIN_MS);
        self.steps.awaited = Some(Awaited { node, until, is_answered: false });
    }

    fn is_awaiting(&self) -> bool {
        self.steps.awaited.is_some() || self.looks.iter().any(Look::is_order)
    }

    fn settle_awaited(&mut self) {
        let now = self.now_ms();
        let is_seen = !self.looks.iter().any(Look::is_order);
        let Some(awaited) = &mut self.steps.awaited else { return };
        let node = awaited.node;
        if now >= awaited.until || (awaited.is_answered && is_seen) {
            self.steps.awaited = None;
        } else if !awaited.is_answered && !self.consoles[node].is_waiting() {
            awaited.is_answered = true;
            self.see(node);
        }
    }

    /// Expectations met.
    pub fn met(&self) -> usize {
        self.steps.met
    }

    /// What a script asked for could not be done.
    pub(super) fn count_as_failed(&mut self, what: &str, reason: &str) {
        self.steps.failed.push(format!("{what} ({reason})"));
    }

    /// Expectations not met in time and what could not be done, as text.
    pub fn failed(&self) -> &[String] {
        &self.steps.failed
    }

    /// The lab is ready: the script's clock runs, unless somebody holds it.
    pub(super) fn begin_steps(&mut self, now: Millis) {
        self.steps.pace.begin(now);
    }

    /// Whether somebody holds the script.
    pub fn is_held(&self) -> bool {
        self.steps.is_held()
    }

    /// Holds the script, lets one step of it be done, or lets it run on.
    pub(super) fn pace_steps(&mut self, order: ScriptOrder) -> Result<(), String> {
        let now = self.now_ms();
        if self.steps.next == self.steps.specs.len() {
            return Err("there is no step left to be done".to_owned());
        }
        match order {
            ScriptOrder::Hold if self.is_held() => return Err("it is held already".to_owned()),
            ScriptOrder::Hold => self.steps.pace.hold(now),
            ScriptOrder::Next => self.steps.pace.step(now),
            ScriptOrder::Go if !self.is_held() => return Err("nobody holds it".to_owned()),
            ScriptOrder::Go => self.steps.pace.go(now),
        }
        Ok(())
    }

    pub(super) fn expect(&mut self, claim: Claim, within_ms: Millis, step: Option<usize>) {
        let since = self.now_ms();
        let until = since.saturating_add(within_ms);
        let open = Expectation { claim, since, until, step, audited_at: None };
        self.steps.open.push(open);
    }

    /// Does the steps whose time has come, and looks at what is expected.
    pub(super) fn advance(&mut self) {
        if self.ready_at.is_none() {
            return;
        }
        loop {
            self.settle_awaited();
            if self.is_awaiting() {
                return;
            }
            self.look();
            let Some(at) = self.steps.due(self.now_ms()) else { return };
            self.steps.pace.stepped(self.steps.due_time().unwrap_or_default());
            self.steps.next += 1;
            self.take(at);
        }
    }

    fn take(&mut self, at: usize) {
        let StepSpec { say, order, expect, .. } = self.steps.specs[at].clone();
        self.steps.statuses[at] = StepStatus::Running;
        if let Some(text) = say {
            self.note(None, Event::Said(text));
        }
        let done = match order {
            Some(Action::Wait { ms }) => {
                self.steps.not_before = self.steps.pace.time(self.now_ms()).saturating_add(ms);
                Ok(())
            }
            Some(action) => self.try_to_act(&action, "step"),
            None => Ok(()),
        };
        match (done, expect) {
            (Err(_), _) => self.steps.statuses[at] = StepStatus::Failed,
            (Ok(()), Some((claim, within_ms))) => self.expect(claim, within_ms, Some(at)),
            (Ok(()), None) => self.steps.statuses[at] = StepStatus::Passed,
        }
    }

    /// Settles the expectations that are met or too late.
    fn look(&mut self) {
        if self.steps.open.is_empty() {
            return;
        }
        let now = self.now_ms();
        let view = self.picture(0);
        for mut open in std::mem::take(&mut self.steps.open) {
            let asks_losses = open.claim.subject == "lab"
                && open.claim.conditions.iter().any(|condition| condition.field == "lost");
            if asks_losses && !self.audit_is_fresh(&mut open, now) {
                if now < open.until {
                    self.steps.open.push(open);
                } else {
                    let why = self.audited().error.as_deref().unwrap_or("the audit takes too long");
                    let instead = format!("losses are not known: {why}");
                    self.settle(&open, Some(instead));
                }
                continue;
            }
            match holds(&open.claim, &view) {
                Ok(()) => self.settle(&open, None),
                Err(instead) if now >= open.until => self.settle(&open, Some(instead)),
                Err(_) => self.steps.open.push(open),
            }
        }
    }

    /// Whether the ledger was audited for this expectation just now; orders it if not.
    fn audit_is_fresh(&mut self, open: &mut Expectation, now: Millis) -> bool {
        if self.is_auditing() {
            return false;
        }
        let done = open.audited_at.is_some_and(|at| self.audited_at.is_some_and(|end| end >= at));
        if open.audited_at.is_none_or(|at| now >= at + AUDIT_AGAIN_MS) {
            open.audited_at = Some(now);
            self.audit();
        }
        done && self.audited().error.is_none()
    }

    fn settle(&mut self, open: &Expectation, instead: Option<String>) {
        let claim = open.claim.to_string();
        let passed = instead.is_none();
        let event = match instead {
            None => {
                self.steps.met += 1;
                Event::Met { claim, after_ms: self.now_ms() - open.since }
            }
            Some(instead) => {
                self.steps.failed.push(format!("{claim} ({instead})"));
                Event::Failed { claim, instead }
            }
        };
        if let Some(step) = open.step {
            self.steps.statuses[step] =
                if passed { StepStatus::Passed } else { StepStatus::Failed };
        }
        let node = (open.claim.subject != "lab").then(|| open.claim.subject.clone());
        self.note(node, event);
    }

    /// Fails whatever is still expected and every step that was not reached: the lab is over.
    pub fn fail_the_rest(&mut self, why: &str) {
        for open in std::mem::take(&mut self.steps.open) {
            self.settle(&open, Some(why.to_owned()));
        }
        while let Some(step) = self.steps.specs.get(self.steps.next).cloned() {
            if let Some((claim, _)) = step.expect {
                let at = Some(self.steps.next);
                let since = self.now_ms();
                let open = Expectation { claim, since, until: since, step: at, audited_at: None };
                self.settle(&open, Some(why.to_owned()));
            }
            self.steps.next += 1;
        }
    }

    /// When the next look is due.
    pub(super) fn next_look(&self) -> Option<Millis> {
        if !self.steps.open.is_empty() || self.ready_at.is_none() || self.is_awaiting() {
            return Some(self.now_ms() + LOOK_MS);
        }
        if self.steps.pace.may_step() && self.steps.due_time().is_some() {
            return Some(self.now_ms());
        }
        self.steps.due_time().and_then(|time| self.steps.pace.when(time))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeWorld, lab_of, live, topology};
    use super::super::topology::WorkloadSpec;
    use super::*;
    use crate::lab::parse;

    fn step(at_ms: Option<Millis>, text: &str) -> StepSpec {
        let (order, expect) = match parse::action(text).unwrap() {
            Action::Expect { claim, within_ms } => (None, Some((claim, within_ms))),
            action => (Some(action), None),
        };
        StepSpec { at_ms, say: None, order, expect, line: 1, text: text.to_owned() }
    }

    fn lab(steps: Vec<StepSpec>) -> Lab<FakeWorld> {
        let mut topology = topology(&[("alpha", None), ("bravo", Some("alpha"))]);
        topology.workload =
            Some(WorkloadSpec { writes_per_second: 100, keys: 10, ..WorkloadSpec::default() });
        topology.steps = steps;
        lab_of(&topology)
    }

    fn statuses(lab: &mut Lab<FakeWorld>) -> Vec<StepStatus> {
        lab.view().steps.iter().map(|step| step.status).collect()
    }

    #[test]
    fn a_held_script_does_a_step_when_it_is_told_to() {
        let mut lab = lab(vec![
            step(Some(1_000), "pause bravo"),
            step(Some(3_000), "kill alpha"),
            step(Some(4_000), "kill bravo"),
        ]);
        let act = |lab: &mut Lab<FakeWorld>, text| lab.act(&parse::action(text).unwrap(), "key");
        let done = |lab: &mut Lab<FakeWorld>| {
            lab.view().steps.iter().filter(|step| step.status == StepStatus::Passed).count()
        };
        act(&mut lab, "hold");
        live(&mut lab, 10_000);
        assert_eq!((done(&mut lab), lab.view().is_held), (0, true));
        act(&mut lab, "next");
        live(&mut lab, 10);
        assert_eq!(done(&mut lab), 1);
        act(&mut lab, "next");
        live(&mut lab, 10_000);
        assert_eq!(done(&mut lab), 2, "it was done before its time");
        act(&mut lab, "go");
        live(&mut lab, 900);
        assert_eq!(done(&mut lab), 2, "the time between two steps stays what it was");
        live(&mut lab, 200);
        assert_eq!((done(&mut lab), lab.steps_are_done()), (3, true));
        act(&mut lab, "next");
        assert!(lab.journal().newest(1)[0].event.text().contains("no step left"));
    }

    #[test]
    fn a_step_that_cannot_be_done_has_failed() {
        let mut lab = lab(vec![step(None, "resume alpha"), step(None, "kill bravo")]);
        live(&mut lab, 200);
        assert_eq!(lab.failed(), ["resume alpha (alpha is not paused)"]);
        let statuses: Vec<_> = lab.view().steps.iter().map(|step| step.status).collect();
        assert_eq!(statuses, [StepStatus::Failed, StepStatus::Passed]);
    }

    #[test]
    fn nothing_is_true_of_a_dead_node_but_that_it_is_dead() {
        let mut lab = lab(vec![]);
        live(&mut lab, 200);
        for text in ["kill alpha", "expect alpha role=primary within 10ms"] {
            lab.act(&parse::action(text).unwrap(), "key");
        }
        lab.act(&parse::action("expect alpha status=dead").unwrap(), "key");
        live(&mut lab, 200);
        assert_eq!(lab.failed(), ["alpha role=primary (role is none)"]);
        let view = lab.view();
        assert!(view.nodes[0].view.as_ref().unwrap().server().unwrap().replicas.is_empty());
    }

    #[test]
    fn steps_wait_for_their_time_and_for_the_expectation_before_them() {
        use StepStatus::{Passed, Running, Waiting};
        let mut lab = lab(vec![
            step(Some(1_000), "cut alpha bravo for 1s"),
            step(None, "expect bravo link=down within 1s"),
            step(None, "expect bravo link=up offset=alpha within 3s"),
            step(None, "wait 500ms"),
            step(None, "kill bravo"),
        ]);
        live(&mut lab, 990);
        assert_eq!(statuses(&mut lab), [Waiting; 5]);
        live(&mut lab, 100);
        assert_eq!(statuses(&mut lab), [Passed, Passed, Running, Waiting, Waiting]);
        live(&mut lab, 1_100);
        assert_eq!(statuses(&mut lab), [Passed, Passed, Passed, Passed, Waiting]);
        assert!(!lab.steps_are_done());
        live(&mut lab, 500);
        assert_eq!(statuses(&mut lab), [Passed; 5]);
        assert!(lab.steps_are_done());
        assert_eq!((lab.met(), lab.failed().len()), (2, 0));
    }

    #[test]
    fn a_failed_expectation_says_what_was_true_instead_and_the_steps_go_on() {
        let mut lab = lab(vec![
            step(None, "expect alpha role=replica keys<1000 within 300ms"),
            step(None, "kill bravo"),
        ]);
        live(&mut lab, 250);
        assert_eq!(statuses(&mut lab), [StepStatus::Running, StepStatus::Waiting]);
        live(&mut lab, 200);
        assert_eq!(statuses(&mut lab), [StepStatus::Failed, StepStatus::Passed]);
        assert_eq!(lab.failed(), ["alpha role=replica keys<1000 (role is primary)"]);
        let rows = lab.journal().newest(100);
        let failed = rows.iter().find(|row| matches!(row.event, Event::Failed { .. })).unwrap();
        assert_eq!(failed.node.as_deref(), Some("alpha"));
    }

    #[test]
    fn an_expectation_about_losses_has_the_ledger_audited() {
        let mut lab = lab(vec![
            step(Some(500), "expect lab lost=0 acked>10 within 2s"),
            step(None, "restart alpha"),
            step(None, "expect lab lost>0 within 2s"),
        ]);
        live(&mut lab, 700);
        assert_eq!(statuses(&mut lab)[0], StepStatus::Passed);
        live(&mut lab, 50);
        assert_eq!((lab.met(), lab.view().workload.lost > 0), (2, true));
    }

    #[test]
    fn losses_that_nobody_can_look_for_are_not_none() {
        let mut lab =
            lab(vec![step(Some(500), "kill alpha"), step(None, "expect lab lost=0 within 1s")]);
        live(&mut lab, 2_000);
        assert_eq!(lab.failed(), ["lab lost=0 (losses are not known: no primary runs)"]);
    }

    #[test]
    fn steps_that_were_not_reached_have_failed() {
        let mut lab =
            lab(vec![step(Some(10_000), "kill bravo"), step(None, "expect bravo status=dead")]);
        live(&mut lab, 100);
        lab.fail_the_rest("the run was over before");
        assert_eq!(lab.failed(), ["bravo status=dead (the run was over before)"]);
    }
}
