//! One run of a lab.

use crate::lab::view::NodeRow;
use crate::lab::{Action, Entry, Lab, Summary, parse};
use crate::machine::Millis;
use crate::world::World;

/// A lab that is not ready after this is given up, in milliseconds.
const READY_WITHIN_MS: Millis = 30_000;

/// Milliseconds between two looks at the input.
const LOOK_MS: Millis = 50;

/// Milliseconds that the last writes are waited for.
const LAST_WRITES_MS: Millis = 1_000;

/// The next line of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// None is there yet.
    NotYet,
    /// There will be no more.
    End,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The numbers.
    pub summary: Summary,
    /// Why the lab never got ready, if so.
    pub problem: Option<String>,
}

impl Outcome {
    /// Whether every expectation held, and everything that was asked for was done.
    pub fn is_success(&self) -> bool {
        self.problem.is_none() && self.summary.failed.is_empty()
    }
}

/// Runs a lab for `for_ms` after it is ready; without, until its steps and the input are through.
/// Each row of the journal is told as soon as it is there, with the nodes as they are then. Once
/// `is_stopped`, it ends as by `quit`.
pub fn run<W: World>(
    lab: &mut Lab<W>,
    for_ms: Option<Millis>,
    input: &mut dyn FnMut() -> Line,
    is_stopped: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&Entry, &[NodeRow]),
) -> Outcome {
    let mut run =
        Run { lab, input, is_stopped, tell, told: 0, waits_until: 0, input_is_open: true };
    let problem = run.until_over(for_ms);
    run.finish();
    Outcome { summary: run.lab.summary(), problem }
}

struct Run<'a, W: World> {
    lab: &'a mut Lab<W>,
    input: &'a mut dyn FnMut() -> Line,
    is_stopped: &'a dyn Fn() -> bool,
    tell: &'a mut dyn FnMut(&Entry, &[NodeRow]),
    told: u64,
    waits_until: Millis,
    input_is_open: bool,
}

impl<W: World> Run<'_, W> {
    fn until_over(&mut self, for_ms: Option<Millis>) -> Option<String> {
        loop {
            self.turn(LOOK_MS);
            if (self.is_stopped)() {
                self.lab.act(&Action::Quit, "signal");
            }
            if self.lab.has_quit() {
                return None;
            }
            let now = self.lab.now_ms();
            let Some(ready_at) = self.lab.ready_at_ms() else {
                if now >= READY_WITHIN_MS {
                    return Some(format!("not ready after {READY_WITHIN_MS} ms"));
                }
                continue;
            };
            self.take_input();
            let is_over = match for_ms {
                Some(time) => now >= ready_at.saturating_add(time),
                None => self.is_through(),
            };
            if is_over {
                return None;
            }
        }
    }

    /// Whether steps and input are done, or nobody is left who could let the steps go on, and nothing
    /// is waited for.
    fn is_through(&self) -> bool {
        (self.lab.steps_are_done() || self.lab.is_held())
            && !self.lab.is_expecting()
            && !self.input_is_open
            && self.lab.now_ms() >= self.waits_until
    }

    fn turn(&mut self, ms: Millis) {
        self.lab.turn(self.lab.now_ms() + ms);
        self.tell_news();
    }

    fn tell_news(&mut self) {
        let news = self.lab.journal().after(self.told);
        let Some(last) = news.last() else { return };
        self.told = last.seq;
        let nodes = self.lab.rows();
        news.iter().for_each(|entry| (self.tell)(entry, &nodes));
    }

    /// Carries out the lines that are there, up to one that holds back the rest.
    fn take_input(&mut self) {
        while self.input_is_open
            && !self.lab.has_quit()
            && !self.lab.is_expecting()
            && self.lab.now_ms() >= self.waits_until
        {
            match (self.input)() {
                Line::Text(text) => self.obey(text.trim()),
                Line::NotYet => return,
                Line::End => self.input_is_open = false,
            }
            self.tell_news();
        }
    }

    fn obey(&mut self, text: &str) {
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        match parse::action(text) {
            Ok(Action::Wait { ms }) => {
                self.waits_until = self.lab.now_ms().saturating_add(ms);
            }
            Ok(action) => self.lab.act(&action, "stdin"),
            Err(error) => self.lab.fail(text, &error.to_string()),
        }
    }

    /// Ends the workload and looks for its writes.
    fn finish(&mut self) {
        self.lab.fail_the_rest("the run was over before");
        self.lab.stop_writing();
        let until = self.lab.now_ms() + LAST_WRITES_MS;
        while !self.lab.writes_are_settled() && self.lab.now_ms() < until {
            self.turn(LOOK_MS);
        }
        self.lab.audit();
        while self.lab.is_auditing() {
            self.turn(LOOK_MS);
        }
        self.tell_news();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fake::{lab, lab_of, topology};
    use crate::lab::topology::{StepSpec, WorkloadSpec};

    /// Runs with these lines of input; the timeline without what a node did by itself.
    fn told(lines: &[&str], for_ms: Option<Millis>) -> (Vec<String>, Outcome) {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        let mut lines = lines.iter().map(|line| Line::Text((*line).to_owned()));
        let mut rows = Vec::new();
        let outcome = run(
            &mut lab,
            for_ms,
            &mut || lines.next().unwrap_or(Line::End),
            &|| false,
            &mut |entry, _| {
                rows.push(format!("{} {}", entry.t_ms, entry.event.text()));
            },
        );
        (rows, outcome)
    }

    #[test]
    fn expect_and_wait_hold_back_the_lines_that_follow_them() {
        let (rows, outcome) = told(
            &[
                "# a comment",
                "",
                "cut alpha bravo for 1s",
                "expect bravo link=up within 3s",
                "wait 2s",
                "kill bravo",
            ],
            None,
        );
        let at = |text: &str| -> Millis {
            let row = rows.iter().find(|row| row.contains(text));
            let row = row.unwrap_or_else(|| panic!("{text} in {rows:#?}"));
            row.split(' ').next().unwrap().parse().unwrap()
        };
        assert!(at("as expected") >= at("cut alpha bravo") + 1_000);
        assert!(at("kill bravo") >= at("as expected") + 2_000);
        assert!(outcome.is_success());
        assert_eq!(outcome.summary.met, 1);
    }

    #[test]
    fn a_line_that_is_no_action_is_refused_and_the_run_goes_on() {
        let (rows, outcome) = told(&["kil bravo", "kill bravo"], None);
        assert!(rows.iter().any(|row| row.ends_with("did you mean `kill`?")), "{rows:#?}");
        assert_eq!(outcome.summary.nodes[1].status, "dead");
    }

    #[test]
    fn an_expectation_that_fails_fails_the_run() {
        let (_, outcome) = told(&["expect bravo role=primary within 200ms"], None);
        assert!(!outcome.is_success());
        assert_eq!(outcome.summary.failed, ["bravo role=primary (role is replica)"]);
    }

    #[test]
    fn quit_and_the_time_end_a_run() {
        let (_, outcome) = told(&["quit"], Some(60_000));
        assert!(outcome.summary.t_ms < 1_000);
        let (_, outcome) = told(&[], Some(3_000));
        assert!((3_000..3_200).contains(&outcome.summary.t_ms));
        let (_, outcome) = told(&[], None);
        assert!(outcome.summary.t_ms < 1_000);
    }

    #[test]
    fn a_stop_ends_a_run_that_waits_for_something() {
        let mut lab = lab(&[("alpha", None)]);
        let mut lines = ["expect alpha keys=1 within 60s"].into_iter();
        let mut input = || lines.next().map_or(Line::NotYet, |line| Line::Text(line.to_owned()));
        let looks = std::cell::Cell::new(0);
        let is_stopped = || looks.replace(looks.get() + 1) >= 20;
        let outcome = run(&mut lab, None, &mut input, &is_stopped, &mut |_, _| {});
        assert!(outcome.summary.t_ms < 60_000);
        assert_eq!(outcome.summary.failed.len(), 1, "{outcome:?}");
    }

    #[test]
    fn a_run_ends_with_its_steps_and_an_audit_of_every_write() {
        let mut topology = topology(&[("alpha", None)]);
        topology.workload =
            Some(WorkloadSpec { writes_per_second: 100, keys: 10, ..WorkloadSpec::default() });
        let order = parse::action("restart alpha").ok();
        let text = "restart alpha".to_owned();
        topology.steps =
            vec![StepSpec { at_ms: Some(1_000), say: None, order, expect: None, line: 1, text }];
        let mut lab = lab_of(&topology);
        let outcome = run(&mut lab, None, &mut || Line::End, &|| false, &mut |_, _| {});
        assert!(outcome.is_success());
        assert!(outcome.summary.acked > 90 && outcome.summary.lost > 0, "{outcome:?}");
        assert!(outcome.summary.lost_examples[0].starts_with("w:"));
    }
}
