//! What the system knows of a process.

use std::error::Error;

/// Seconds of processor time that a process used so far, all its threads together.
pub fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn Error>> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the fields after it are numbered from 3.
    let (_, fields) = stat.rsplit_once(')').ok_or("a stat line without a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}
