//! Latency events: when something took at least `latency-monitor-threshold` milliseconds.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of an event.
const SAMPLES_MAX: usize = 160;
/// Columns of a graph's head.
const GRAPH_COLUMNS: usize = 80;
/// Rows of a graph, and the characters of each from low to high.
const GRAPH_ROWS: u64 = 4;
const GRAPH_STEPS: [char; 3] = ['_', 'o', '#'];

/// Events by their names.
#[derive(Debug, Default)]
pub struct Latency {
    events: BTreeMap<&'static str, Event>,
}

/// What is known of an event.
#[derive(Debug, Default)]
pub struct Event {
    /// Seconds since the epoch, and how long it took then (ms), oldest first: the worst of each
    /// second.
    pub samples: VecDeque<(i64, u64)>,
    /// The worst since the last reset (ms).
    pub worst_ms: u64,
}

impl Latency {
    /// An event took so long.
    pub fn add(&mut self, name: &'static str, at_s: i64, ms: u64) {
        let event = self.events.entry(name).or_default();
        event.worst_ms = event.worst_ms.max(ms);
        match event.samples.back_mut() {
            Some((second, worst)) if *second == at_s => *worst = ms.max(*worst),
            _ => event.samples.push_back((at_s, ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    /// All events that happened.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// An event that happened.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, &Event)> {
        self.events().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Forgets the events of which `pick` holds, and returns how many.
    pub fn reset(&mut self, pick: impl Fn(&str) -> bool) -> usize {
        let before = self.events.len();
        self.events.retain(|name, _| !pick(name));
        before - self.events.len()
    }
}

impl Event {
    /// LATENCY GRAPH: a column for each sample, with how long ago it was below, downwards.
    pub fn graph(&self, name: &str, now_s: i64) -> String {
        let of = |pick: fn(u64, u64) -> u64| self.samples.iter().map(|s| s.1).reduce(pick);
        let (high, low) = (of(u64::max).unwrap_or(0), of(u64::min).unwrap_or(0));
        let worst = self.worst_ms;
        let mut text = format!(
            "{name} - high {high} ms, low {low} ms (all time high {worst} ms)\n{}\n",
            "-".repeat(GRAPH_COLUMNS)
        );
        let range = (high - low).max(1);
        let steps = GRAPH_STEPS.len() as u64 * GRAPH_ROWS;
        let height = |ms: u64| ((ms - low) * steps / range).min(steps - 1);
        for row in (0..GRAPH_ROWS).rev() {
            let floor = row * GRAPH_STEPS.len() as u64;
            text.extend(self.samples.iter().map(|(_, ms)| match height(*ms).checked_sub(floor) {
                Some(above) => GRAPH_STEPS.get(above as usize).copied().unwrap_or('|'),
                None => ' ',
            }));
            text.push('\n');
        }
        let ages: Vec<String> = self.samples.iter().map(|(at, _)| age(now_s - at)).collect();
        text.push_str(&format!("{}\n", " ".repeat(ages.len())));
        let longest = ages.iter().map(String::len).max().unwrap_or(0);
        for place in 0..longest {
            text.extend(ages.iter().map(|age| age.chars().nth(place).unwrap_or(' ')));
            text.push('\n');
        }
        text
    }

    /// The line of LATENCY DOCTOR.
    pub fn summary(&self, name: &str, now_s: i64) -> String {
        let count = self.samples.len().max(1) as u64;
        let average = self.samples.iter().map(|s| s.1).sum::<u64>() / count;
        let deviation = self.samples.iter().map(|s| s.1.abs_diff(average)).sum::<u64>() / count;
        let since = self.samples.front().map_or(0, |(at, _)| now_s - at).max(1);
        format!(
            "{name}: {count} latency spikes (average {average}ms, mean deviation {deviation}ms, \
             period {:.2} sec). Worst all time event {}ms.",
            since as f64 / count as f64,
            self.worst_ms
        )
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    fn three() -> Latency {
        let mut latency = Latency::default();
        for (at, ms) in [(97, 60), (98, 103), (100, 50), (100, 80), (100, 70)] {
            latency.add("command", at, ms);
        }
        latency
    }

    #[test]
    fn a_second_keeps_its_worst() {
        let latency = three();
        let (_, event) = latency.event(b"Command").unwrap();
        assert_eq!(event.samples, [(97, 60), (98, 103), (100, 80)]);
        assert_eq!(event.worst_ms, 103);
    }

    #[test]
    fn a_graph_is_drawn_as_the_real_server_draws_it() {
        let latency = three();
        let graph = latency.event(b"command").unwrap().1.graph("command", 100);
        let (head, columns) = graph.split_once("-\n").unwrap();
        assert!(
            head.starts_with("command - high 103 ms, low 60 ms (all time high 103 ms)\n---"),
            "{head}"
        );
        assert_eq!(columns, " # \n | \n |#\n_||\n   \n320\nsss\n");
    }

    #[test]
    fn a_summary_is_the_real_servers() {
        let latency = three();
        assert_eq!(
            latency.event(b"command").unwrap().1.summary("command", 100),
            "command: 3 latency spikes (average 81ms, mean deviation 14ms, period 1.00 sec). Worst \
             all time event 103ms."
        );
    }

    #[test]
    fn what_is_reset_is_gone() {
        let mut latency = three();
        assert_eq!(latency.reset(|name| name == "fast-command"), 0);
        assert_eq!(latency.reset(|_| true), 1);
        assert_eq!(latency.events().count(), 0);
    }
}
