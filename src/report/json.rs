//! The run as one JSON object a line.

use std::io::{Result, Write};

use serde::Serialize;

use super::dto::{Address, End, Ready, Row};
use crate::lab::view::NodeKind;
use crate::lab::{Entry, Event, Summary};

/// Writes a run for programs to read.
pub struct Json<O> {
    out: O,
    nodes: Vec<(String, NodeKind, u16)>,
    /// Rows from before the lab was ready, since `ready` is the first line.
    held: Option<Vec<Entry>>,
}

impl<O: Write> Json<O> {
    /// Writes to `out`; `nodes` are names, kinds and ports.
    pub fn new(out: O, nodes: Vec<(String, NodeKind, u16)>) -> Self {
        Self { out, nodes, held: Some(Vec::new()) }
    }

    /// Writes one row.
    pub fn entry(&mut self, entry: &Entry) -> Result<()> {
        if entry.event == Event::Ready {
            let nodes = self.nodes.iter().map(|(name, kind, port)| Address::of(name, *kind, *port));
            let nodes = nodes.collect();
            let ready = Ready { t_ms: entry.t_ms, node: None, fact: "ready", nodes };
            line(&mut self.out, &ready)?;
            return self.release();
        }
        match &mut self.held {
            Some(held) => held.push(entry.clone()),
            None => line(&mut self.out, &Row::from(entry))?,
        }
        Ok(())
    }

    /// Writes the last line.
    pub fn summary(&mut self, summary: &Summary) -> Result<()> {
        self.release()?;
        line(&mut self.out, &End::from(summary))
    }

    fn release(&mut self) -> Result<()> {
        let held = self.held.take().unwrap_or_default();
        held.iter().try_for_each(|entry| line(&mut self.out, &Row::from(entry)))
    }
}

/// A reader at the other end of a pipe sees each line at once.
fn line(out: &mut impl Write, object: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fake::lab;
    use crate::lab::parse;
    use crate::lab::view::NodeRow;
    use crate::script::{Line, run};

    #[test]
    fn every_line_is_an_object_ready_is_the_first_and_summary_the_last() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        lab.act(&parse::action("redis alpha PING").unwrap(), "stdin");
        let nodes = lab.nodes().map(|(name, kind, port)| (name.to_owned(), kind, port)).collect();
        let mut json = Json::new(Vec::new(), nodes);
        let tell = &mut |entry: &Entry, _: &[NodeRow]| json.entry(entry).unwrap();
        let outcome = run(&mut lab, Some(100), &mut || Line::End, &|| false, tell);
        json.summary(&outcome.summary).unwrap();
        let text = String::from_utf8(json.out).unwrap();
        let rows: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["fact"], "ready");
        let alpha = r#"{"name":"alpha","kind":"server","host":"127.0.0.1","port":7000}"#;
        assert_eq!(rows[0]["nodes"][0].to_string(), alpha);
        assert!(
            text.contains(r#"{"t_ms":0,"node":"bravo","fact":"started","port":7001}"#),
            "{text}"
        );
        let last = rows.last().unwrap();
        assert_eq!((&last["fact"], &last["lost"]), (&"summary".into(), &0.into()));
        assert_eq!(last["nodes"][1]["role"], "replica");
    }

    #[test]
    fn the_summary_names_who_is_outside_the_lab() {
        let mut lab = lab(&[("alpha", Some("127.0.0.1:9999")), ("bravo", Some("alpha"))]);
        let outcome = run(&mut lab, Some(100), &mut || Line::End, &|| false, &mut |_, _| ());
        let mut json = Json::new(Vec::new(), Vec::new());
        json.summary(&outcome.summary).unwrap();
        let last: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
        let outside = r#"[{"host":"127.0.0.1","port":9999,"follows":null,"link":null,"acked":null,"feeds":["alpha"]}]"#;
        assert_eq!(last["outside"].to_string(), outside);
        assert_eq!(last["outside_sentinels"].to_string(), "[]");
    }
}
