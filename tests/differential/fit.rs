//! Which commands two servers can be compared by.

use super::speaker::Line;

/// False where chance or the moment of the clock decides: another answer is no mistake then.
pub fn is_comparable(line: &Line) -> bool {
    let words: Vec<String> =
        line.iter().map(|word| String::from_utf8_lossy(word).to_uppercase()).collect();
    match words[0].as_str() {
        // Whoever takes all of a set takes the same.
        "SPOP" => words.len() == 3 && number(&words[2]).is_some_and(|count| count >= 100.0),
        "EXPIRE" | "SETEX" | "GETEX" | "SET" | "EXPIREAT" => !ends_soon(&words, 500.0),
        "PEXPIRE" | "PSETEX" | "PEXPIREAT" | "RESTORE" | "RESTORE-ASKING" => {
            !ends_soon(&words, 500_000.0)
        }
        "BLPOP" | "BRPOP" | "BRPOPLPUSH" | "BLMOVE" | "BZPOPMIN" | "BZPOPMAX" => {
            !waits(words.last(), 0.01)
        }
        "BLMPOP" | "BZMPOP" => !waits(words.get(1), 0.01),
        "XREAD" | "XREADGROUP" => {
            !words.windows(2).any(|pair| pair[0] == "BLOCK" && waits(pair.get(1), 10.0))
        }
        // One that fails grows its key all the same, and real replicas are not told.
        "BITFIELD" => !words.iter().any(|word| word == "FAIL"),
        // Equal weights leave the order to the steps of a quicksort.
        "SORT" => !["BY", "ALPHA", "STORE"].iter().all(|o| words.iter().any(|w| w == o)),
        // An ID of the clock.
        "XADD" => !words.iter().any(|word| word == "*"),
        "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "MONITOR" | "PSYNC" | "SYNC" => false,
        _ => true,
    }
}

/// Whether a key would expire while the comparison runs. A value that looks like such a time is a
/// small loss.
fn ends_soon(words: &[String], enough: f64) -> bool {
    let from = if words[0] == "SET" { 3 } else { 2 };
    words.iter().skip(from).filter_map(|w| number(w)).any(|n| n > 0.0 && n < enough)
}

fn waits(timeout: Option<&String>, short: f64) -> bool {
    timeout.and_then(|word| number(word)).is_some_and(|timeout| timeout == 0.0 || timeout > short)
}

fn number(word: &str) -> Option<f64> {
    word.trim().parse().ok()
}
