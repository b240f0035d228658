//! How figures are put.

use super::Order;
use super::kit::Kind;

/// Says once under which conditions all figures were taken.
pub fn conditions(order: &Order) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    println!(
        "replab {} beside the redis-sentinel on PATH; {cores} cores, load {load} at the start; \
         down-after {} ms",
        env!("CARGO_PKG_VERSION"),
        order.down_after.as_millis()
    );
}

/// Begins a table of times.
pub fn title(title: &str) {
    println!("\n{title:<48}{:>6}{:>8}{:>8}{:>8}", "n", "p50", "p99", "max");
}

/// Times of one kind, ms, and what they should be.
pub struct Row {
    label: String,
    sample: Vec<f64>,
    verdict: String,
}

impl Row {
    /// A sample.
    pub fn new(kind: Kind, name: &str, mut sample: Vec<f64>) -> Self {
        sample.sort_by(f64::total_cmp);
        Self { label: format!("  {:<7}{name}", word(kind)), sample, verdict: String::new() }
    }

    /// A percentile that shall not be more than so many ms.
    pub fn at_most(mut self, percentile: f64, ms: f64) -> Self {
        let holds = if self.percentile(percentile) <= ms { "" } else { "NOT " };
        self.verdict.push_str(&format!("  {holds}p{percentile} <= {ms}"));
        self
    }

    /// Prints it.
    pub fn print(&self) {
        let [p50, p99, max] = [50.0, 99.0, 100.0].map(|p| self.percentile(p));
        let (label, count) = (&self.label, self.sample.len());
        println!("{label:<48}{count:>6}{p50:>8.0}{p99:>8.0}{max:>8.0}{}", self.verdict);
    }

    /// The smallest time that so many percent of the sample do not exceed.
    fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.sample.len() as f64).ceil() as usize;
        self.sample.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// How a kind is called.
pub fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "ours",
        Kind::Real => "redis",
    }
}
