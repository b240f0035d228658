//! The timeline as text: time, node, fact, explanation.

use std::io::{Result, Write};

use crate::lab::told::tell;
use crate::lab::view::NodeRow;
use crate::lab::{Entry, FailoverSummary, Summary};
use crate::machine::{Millis, Severity};

/// Writes a run for people to read.
pub struct Text<O> {
    out: O,
    colours: bool,
    /// Width of the longest name.
    names: usize,
}

impl<O: Write> Text<O> {
    /// Writes to `out`, in colours if asked. `names` are the nodes of the lab.
    pub fn new<'a>(out: O, colours: bool, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::len).max().unwrap_or(0).max(3);
        Self { out, colours, names }
    }

    /// Writes one row. `nodes` are those of the lab now.
    pub fn entry(&mut self, entry: &Entry, nodes: &[NodeRow]) -> Result<()> {
        let (time, told) = (Seconds(entry.t_ms), tell(entry, nodes));
        let node = entry.node.as_deref().unwrap_or("lab");
        let names = self.names;
        let indented = told.fact.replace('\n', &format!("\n{:indent$}", "", indent = names + 13));
        let text = self.coloured(&indented, colour(told.severity));
        write!(self.out, "{time:>9}  {node:<names$}  {text}")?;
        if !told.meaning.is_empty() {
            let sentence = self.coloured(&format!(" — {}", told.meaning), "2");
            write!(self.out, "{sentence}")?;
        }
        writeln!(self.out)
    }

    /// Writes the end.
    pub fn summary(&mut self, summary: &Summary) -> Result<()> {
        let Summary { acked, refused, unanswered, lost, full_syncs, partial_syncs, .. } = summary;
        writeln!(self.out)?;
        writeln!(
            self.out,
            "writes   {acked} acknowledged, {refused} refused, {unanswered} without answer, {lost} lost"
        )?;
        for example in &summary.lost_examples {
            writeln!(self.out, "         {example}")?;
        }
        if let Some(error) = &summary.audit_error {
            writeln!(self.out, "         not all could be looked for: {error}")?;
        }
        summary.failovers.iter().try_for_each(|failover| self.failover(failover))?;
        writeln!(self.out, "resyncs  {full_syncs} full, {partial_syncs} partial")?;
        for node in &summary.nodes {
            let role = node.role.unwrap_or("-");
            let offset = node.offset.map_or("-".to_owned(), |offset| offset.to_string());
            let names = self.names;
            writeln!(
                self.out,
                "node     {:<names$}  {:<7}  {role:<7}  offset {offset}",
                node.name, node.status
            )?;
        }
        for outsider in &summary.outside {
            writeln!(self.out, "outside  {}: {}", outsider.address, outsider.standing())?;
        }
        for sentinel in &summary.outside_sentinels {
            writeln!(self.out, "outside  Sentinel {sentinel}")?;
        }
        let (met, failed) = (summary.met, summary.failed.len());
        let verdict = format!("expected {met} met, {failed} failed");
        let verdict = self.coloured(&verdict, if failed == 0 { "32" } else { "31" });
        writeln!(self.out, "{verdict}")?;
        summary.failed.iter().try_for_each(|claim| writeln!(self.out, "         {claim}"))?;
        self.out.flush()
    }

    /// Who was replaced by whom, and a row for each phase beside the least it could have taken.
    fn failover(&mut self, failover: &FailoverSummary) -> Result<()> {
        writeln!(self.out, "{}", failover.headline())?;
        writeln!(self.out, "         {:<8}  {:>8}  {:>8}", "", "took ms", "least ms")?;
        for (phase, took, least) in failover.times() {
            let took = took.map_or("-".to_owned(), |ms| ms.to_string());
            writeln!(self.out, "         {phase:<8}  {took:>8}  {least:>8}")?;
        }
        failover.losses().map_or(Ok(()), |losses| writeln!(self.out, "         {losses}"))
    }

    fn coloured(&self, text: &str, code: &str) -> String {
        if self.colours && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Quiet => "2",
        Severity::Info => "",
        Severity::Good => "32",
        Severity::Warn => "33",
        Severity::Bad => "31",
    }
}

/// A moment of the lab: `12.345s`.
pub(super) struct Seconds(pub Millis);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}.{:03}s", self.0 / 1_000, self.0 % 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Event;

    fn written(colours: bool, node: Option<&str>, event: Event) -> String {
        let mut text = Text::new(Vec::new(), colours, ["alpha", "bravo"]);
        let node = node.map(str::to_owned);
        text.entry(&Entry { seq: 1, t_ms: 12_345, node, event }, &[]).unwrap();
        String::from_utf8(text.out).unwrap()
    }

    #[test]
    fn a_row_has_time_node_fact_and_explanation() {
        assert_eq!(
            written(false, Some("alpha"), Event::Paused),
            "  12.345s  alpha  paused — Its sockets stay open and nothing is answered; \
             peers must time out.\n"
        );
        let said = written(false, None, Event::Said("Look at bravo.".to_owned()));
        assert_eq!(said, "  12.345s  lab    Look at bravo.\n");
    }

    #[test]
    fn colours_are_there_only_if_asked() {
        assert!(!written(false, None, Event::Ready).contains('\x1b'));
        assert!(written(true, None, Event::Ready).contains("\x1b[32mready\x1b[0m"));
    }

    #[test]
    fn the_lines_of_a_long_reply_stand_below_each_other() {
        let (command, reply) = ("ROLE".to_owned(), "1) a\n2) b".to_owned());
        let row = written(false, Some("alpha"), Event::Reply { command, reply, is_error: false });
        let column = row.find("ROLE").unwrap();
        for line in row.lines().skip(1) {
            assert_eq!(line.find(|c| c != ' '), Some(column), "{row}");
        }
    }
}
