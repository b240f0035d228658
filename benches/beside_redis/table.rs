//! How figures are put.

/// Says once under which conditions all figures were taken.
pub fn conditions(rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    println!(
        "replab {} beside the redis-server on PATH; {cores} cores, load {load} at the start; \
         medians of {rounds} alternating rounds",
        env!("CARGO_PKG_VERSION")
    );
}

/// Begins a table.
pub fn title(title: &str) {
    println!("\n{title:<46}{:>12}{:>12}{:>8}", "ours", "redis", "ratio");
}

/// One figure of both.
pub struct Row {
    label: String,
    ours: f64,
    real: f64,
    verdict: String,
}

impl Row {
    /// The medians of two samples.
    pub fn new(name: &str, unit: &str, ours: Vec<f64>, real: Vec<f64>) -> Self {
        let label = format!("  {name:<14}{unit}");
        Self { label, ours: median(ours), real: median(real), verdict: String::new() }
    }

    /// A rate: the ratio shall be this or more.
    pub fn at_least(self, wanted: f64) -> Self {
        let holds = self.ratio() >= wanted;
        self.judged(holds, &format!(">= {wanted:.1}"))
    }

    /// A cost: the ratio shall be this or less.
    pub fn at_most(self, wanted: f64) -> Self {
        let holds = self.ratio() <= wanted;
        self.judged(holds, &format!("<= {wanted:.1}"))
    }

    fn judged(mut self, holds: bool, wanted: &str) -> Self {
        self.verdict = if holds { format!("  {wanted}") } else { format!("  NOT {wanted}") };
        self
    }

    fn ratio(&self) -> f64 {
        self.ours / self.real
    }

    /// Prints it.
    pub fn print(&self) {
        let digits = if self.ours.max(self.real) >= 1000.0 { 0 } else { 2 };
        println!(
            "{:<46}{:>12.digits$}{:>12.digits$}{:>8.2}{}",
            self.label,
            self.ours,
            self.real,
            self.ratio(),
            self.verdict
        );
    }
}

fn median(mut sample: Vec<f64>) -> f64 {
    sample.sort_by(f64::total_cmp);
    sample.get(sample.len() / 2).copied().unwrap_or(f64::NAN)
}
