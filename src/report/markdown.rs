//! An account of an experiment, to be kept or sent: what was tried, what came of it, and the
//! timeline.

use std::fmt::{Display, Write};

use super::text::Seconds;
use crate::lab::text::Duration;
use crate::lab::told::tell;
use crate::lab::view::StepStatus;
use crate::lab::{Action, Entry, Event, FailoverSummary, LabView, Summary};

/// What happened until now, as Markdown. The view has the whole journal; `topology` is what replab
/// launched the lab by.
pub fn markdown(topology: &str, view: &LabView, summary: &Summary) -> String {
    let title = if view.title.is_empty() { "A lab" } else { &view.title };
    let mut text = format!("# {title}\n\n");
    if !view.about.is_empty() {
        let _ = writeln!(text, "{}\n", view.about);
    }
    let after = Seconds(view.now_ms);
    let _ = writeln!(text, "`replab {topology}`, after {after} of the lab's time.\n");
    text.push_str(&outcome(summary));
    if !view.steps.is_empty() {
        text.push_str(&script(view));
    }
    summary.failovers.iter().for_each(|one| text.push_str(&failover(one)));
    text.push_str(&by_hand(view));
    text.push_str(&nodes(view, summary));
    text.push_str(&timeline(view));
    text
}

/// The numbers, and what was expected in vain.
fn outcome(summary: &Summary) -> String {
    let Summary { acked, refused, unanswered, lost, full_syncs, partial_syncs, met, .. } = summary;
    let mut text = format!(
        "## What came of it\n\n\
         - Writes: {acked} acknowledged, {refused} refused, {unanswered} without answer, {lost} lost\n\
         - Resyncs: {full_syncs} full, {partial_syncs} partial\n\
         - Expectations: {met} met, {} failed\n",
        summary.failed.len()
    );
    for claim in &summary.failed {
        let _ = writeln!(text, "  - failed: {}", inline(claim));
    }
    for example in &summary.lost_examples {
        let _ = writeln!(text, "  - lost: {}", inline(example));
    }
    text + "\n"
}

fn script(view: &LabView) -> String {
    let mut text = "## Script\n\n".to_owned();
    for step in &view.steps {
        let (mark, word) = match step.status {
            StepStatus::Passed => ("x", ""),
            StepStatus::Failed => (" ", " — FAILED"),
            StepStatus::Running => (" ", " — not at its end"),
            StepStatus::Waiting => (" ", ""),
        };
        let _ = writeln!(text, "- [{mark}] {}{word}", inline(&step.text));
    }
    text + "\n"
}

/// What was done with keys and in the palette, as steps that do the same again.
fn by_hand(view: &LabView) -> String {
    let ready = view.journal.iter().find(|entry| entry.event == Event::Ready);
    let ready_ms = ready.map_or(0, |entry| entry.t_ms);
    let mut steps = String::new();
    for entry in &view.journal {
        let Event::Did { action, by: "key" | "palette" } = &entry.event else { continue };
        let step = match action {
            Action::Script(_) => continue,
            Action::Expect { claim, within_ms } => {
                let within = Duration(*within_ms);
                format!("expect = {}\nwithin = \"{within}\"", toml_text(claim))
            }
            action => format!("do = {}", toml_text(action)),
        };
        let at = Duration(entry.t_ms.saturating_sub(ready_ms));
        let _ = writeln!(steps, "\n[[steps]]\nat = \"{at}\"\n{step}");
    }
    if steps.is_empty() {
        return steps;
    }
    format!(
        "## By hand\n\nThe same again, at the end of the topology's file:\n\n```toml{steps}```\n\n"
    )
}

fn toml_text(text: &impl Display) -> toml::Value {
    toml::Value::String(text.to_string())
}

fn failover(failover: &FailoverSummary) -> String {
    let mut text = format!(
        "## {}\n\n| phase | took ms | least ms |\n|---|--:|--:|\n",
        inline(&failover.headline())
    );
    for (phase, took, least) in failover.times() {
        let took = took.map_or("-".to_owned(), |ms| ms.to_string());
        let _ = writeln!(text, "| {phase} | {took} | {least} |");
    }
    if let Some(losses) = failover.losses() {
        let _ = writeln!(text, "\n{}", inline(&losses));
    }
    text + "\n"
}

fn nodes(view: &LabView, summary: &Summary) -> String {
    let mut text = "## Nodes\n\n| node | port | status | role | offset | keys |\n\
                    |---|--:|---|---|--:|--:|\n"
        .to_owned();
    for (row, node) in view.nodes.iter().zip(&summary.nodes) {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            node.name,
            row.port,
            node.status,
            node.role.unwrap_or(row.kind.word()),
            number(node.offset),
            number(node.keys)
        );
    }
    text.push('\n');
    for outsider in &summary.outside {
        let _ = writeln!(text, "- outside: {}, {}", outsider.address, outsider.standing());
    }
    for sentinel in &summary.outside_sentinels {
        let _ = writeln!(text, "- outside: Sentinel {sentinel}");
    }
    if summary.outside.is_empty() && summary.outside_sentinels.is_empty() {
        return text;
    }
    text + "\n"
}

fn timeline(view: &LabView) -> String {
    let mut text = "## Timeline\n\n".to_owned();
    let gone = view.journal.first().map_or(0, |first| first.seq - 1);
    if gone > 0 {
        let _ = writeln!(text, "The first {gone} rows are no longer held.\n");
    }
    text.push_str("| time | node | what | meaning |\n|--:|---|---|---|\n");
    view.journal.iter().for_each(|entry| text.push_str(&row(entry, view)));
    text
}

fn row(entry: &Entry, view: &LabView) -> String {
    let told = tell(entry, &view.nodes);
    let fact = inline(&told.fact);
    let fact = if told.prominent { format!("**{fact}**") } else { fact };
    let (time, node) = (Seconds(entry.t_ms), entry.node.as_deref().unwrap_or("lab"));
    format!("| {time} | {node} | {fact} | {} |\n", inline(&told.meaning))
}

/// A text on one line, in which nothing means anything to Markdown.
fn inline(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push_str(" / "),
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '#' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{inline, markdown};
    use crate::lab::fake::lab;
    use crate::lab::parse;
    use crate::lab::topology::Topology;

    #[test]
    fn an_account_has_what_was_done_and_what_came_of_it() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        for action in ["redis alpha SET k a|b", "expect bravo keys=1", "kill bravo"] {
            lab.act(&parse::action(action).unwrap(), "palette");
            lab.turn(lab.now_ms() + 50);
        }
        let (summary, view) = (lab.summary(), lab.view());
        insta::assert_snapshot!(markdown("pair", &view, &summary));
    }

    #[test]
    fn what_was_done_by_hand_reads_as_steps_of_a_topology() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        let done = [
            r#"redis alpha SET k "a \"b\"\x00""#,
            "cut alpha->bravo",
            "expect bravo link=down within 3s",
            "undo",
        ];
        for action in done {
            let then = lab.now_ms() + 1_500;
            while lab.now_ms() < then {
                lab.turn(then);
            }
            lab.act(&parse::action(action).unwrap(), "key");
        }
        lab.act(&parse::action("kill bravo").unwrap(), "step");
        let account = markdown("pair", &lab.view(), &lab.summary());
        let steps = account.split("```").nth(1).unwrap().trim_start_matches("toml");
        let file = format!("[servers.alpha]\n[servers.bravo]\nreplicaof = \"alpha\"\n{steps}");
        let read = Topology::parse("again.toml", &file).unwrap();
        let again: Vec<&str> = read.steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(again, done);
        let [first, second] = [0, 1].map(|step: usize| read.steps[step].at_ms.unwrap());
        assert_eq!(second - first, 1_500);
    }

    #[test]
    fn what_people_write_into_a_node_cannot_break_a_table() {
        assert_eq!(inline("a|b\n*c*\u{1b}[0m"), "a\\|b / \\*c\\* \\[0m");
    }
}
