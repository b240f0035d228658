//! When two replies say the same.

use replab::resp::Answer;

use super::speaker::Line;

/// Times that two servers put down for the same command differ by less (ms).
const APART_MS: i64 = 20_000;

/// Whether both say the same in answer to this command; `queued` are a transaction's commands.
pub fn are_same(line: &Line, queued: &[Line], ours: &Answer, real: &Answer) -> bool {
    let name = word(line, 0);
    if let ("EXEC", Answer::Array(ours), Answer::Array(real)) = (name.as_str(), ours, real) {
        return ours.len() == real.len()
            && ours.len() == queued.len()
            && queued.iter().zip(ours.iter().zip(real)).all(|(l, (o, r))| are_same(l, &[], o, r));
    }
    match (name.as_str(), word(line, 1).as_str()) {
        ("SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER", _) => same_size(ours, real),
        // The order of a walk is each server's own; only a walk in one step is comparable.
        ("SCAN" | "SSCAN" | "HSCAN" | "ZSCAN", _) if !is_in_one_step(line) => same_kind(ours, real),
        // Ours counts no references, and does not wrap a time after 194 days.
        ("OBJECT", "REFCOUNT" | "IDLETIME") => same_kind(ours, real),
        ("SORT" | "SORT_RO", _) if has_ties(line, ours) || has_ties(line, real) => {
            if has(line, "LIMIT") { same_size(ours, real) } else { sorted(ours) == sorted(real) }
        }
        // What is compressed may be so in several ways.
        ("DUMP", _) => same_kind(ours, real),
        ("TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME", _) => near(ours, real),
        ("XPENDING" | "XINFO", _) => same_but_for_ages(ours, real),
        (
            "GEORADIUS"
            | "GEORADIUSBYMEMBER"
            | "GEORADIUS_RO"
            | "GEORADIUSBYMEMBER_RO"
            | "GEOSEARCH"
            | "GEOSEARCHSTORE",
            _,
        ) if has(line, "ANY") => same_size(ours, real),
        (
            "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "SPOP" | "KEYS" | "HGETALL" | "HKEYS"
            | "HVALS" | "SCAN" | "SSCAN" | "HSCAN" | "ZSCAN",
            _,
        ) => sorted(ours) == sorted(real),
        _ => equal(ours, real),
    }
}

/// Whether the reply is the same on both servers to the byte.
pub fn is_ordered(line: &Line) -> bool {
    const UNORDERED: &[&str] = &[
        "SRANDMEMBER",
        "HRANDFIELD",
        "ZRANDMEMBER",
        "SCAN",
        "SSCAN",
        "HSCAN",
        "ZSCAN",
        "OBJECT",
        "SORT",
        "SORT_RO",
        "DUMP",
        "TTL",
        "PTTL",
        "EXPIRETIME",
        "PEXPIRETIME",
        "XPENDING",
        "XINFO",
        "SMEMBERS",
        "SINTER",
        "SUNION",
        "SDIFF",
        "SPOP",
        "KEYS",
        "HGETALL",
        "HKEYS",
        "HVALS",
    ];
    !UNORDERED.contains(&word(line, 0).as_str()) && !has(line, "ANY")
}

fn has(line: &Line, option: &str) -> bool {
    (0..line.len()).any(|at| word(line, at) == option)
}

/// Whether a sorted reply may have several orders: by the pattern of no key, which leaves a set as
/// it is, or with texts that are equal up to a NUL.
fn has_ties(line: &Line, reply: &Answer) -> bool {
    let by = (1..line.len()).find(|at| word(line, at - 1) == "BY").map(|at| &line[at]);
    let has_nul = |text: &Answer| matches!(text, Answer::Bulk(text) if text.contains(&0));
    let Answer::Array(texts) = reply else { return false };
    by.is_some_and(|by| !by.contains(&b'*'))
        || has(line, "ALPHA") && (by.is_some() || texts.iter().any(has_nul))
}

fn is_in_one_step(line: &Line) -> bool {
    let cursor = if word(line, 0) == "SCAN" { 1 } else { 2 };
    let count = (0..line.len()).find(|at| word(line, *at) == "COUNT").map(|at| word(line, at + 1));
    word(line, cursor) == "0"
        && count.and_then(|count| count.parse().ok()).is_some_and(|count: u64| count >= 100)
}

/// A word of a command in capitals.
pub fn word(line: &Line, at: usize) -> String {
    line.get(at).map(|w| String::from_utf8_lossy(w).to_uppercase()).unwrap_or_default()
}

/// Equal, up to moments of the clock.
fn equal(ours: &Answer, real: &Answer) -> bool {
    match (ours, real) {
        (Answer::Int(a), Answer::Int(b)) => a == b || are_moments(*a, *b),
        (Answer::Array(a), Answer::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Answer::Map(a), Answer::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((ak, av), (bk, bv))| equal(ak, bk) && equal(av, bv))
        }
        _ => ours == real,
    }
}

fn are_moments(a: i64, b: i64) -> bool {
    a > 1_000_000_000_000 && b > 1_000_000_000_000 && a.abs_diff(b) < APART_MS as u64
}

/// Equal words of the stream, up to moments of the clock.
pub fn are_same_effects(ours: &[Line], real: &[Line]) -> bool {
    let moment = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<i64>().ok();
    let same_word = |a: &Vec<u8>, b: &Vec<u8>| {
        a == b || moment(a).zip(moment(b)).is_some_and(|(a, b)| are_moments(a, b))
    };
    let same_line =
        |a: &Line, b: &Line| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_word(a, b));
    ours.len() == real.len() && ours.iter().zip(real).all(|(a, b)| same_line(a, b))
}

/// A tree of unordered lists.
fn sorted(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    match &mut answer {
        Answer::Array(elements) => {
            elements.iter_mut().for_each(|element| *element = sorted(element));
            elements.sort_by_key(|element| format!("{element:?}"));
        }
        Answer::Map(pairs) => pairs.sort_by_key(|pair| format!("{pair:?}")),
        _ => {}
    }
    answer
}

fn same_kind(ours: &Answer, real: &Answer) -> bool {
    match ours {
        Answer::Error(_) => ours == real,
        _ => std::mem::discriminant(ours) == std::mem::discriminant(real),
    }
}

fn same_size(ours: &Answer, real: &Answer) -> bool {
    match (ours, real) {
        (Answer::Array(a), Answer::Array(b)) => a.len() == b.len(),
        _ => same_kind(ours, real),
    }
}

fn near(ours: &Answer, real: &Answer) -> bool {
    match (ours, real) {
        (Answer::Int(a), Answer::Int(b)) => {
            a == b || (*a > 0 && *b > 0 && a.abs_diff(*b) < APART_MS as u64)
        }
        _ => ours == real,
    }
}

/// Equal, up to how long ago something was: the number after the word `idle`, or the third of a
/// pending entry.
fn same_but_for_ages(ours: &Answer, real: &Answer) -> bool {
    match (ours, real) {
        (Answer::Array(a), Answer::Array(b)) => {
            let is_pending = matches!(
                &a[..],
                [Answer::Bulk(_), Answer::Bulk(_), Answer::Int(_), Answer::Int(_)]
            );
            let is_age = |i: usize| {
                (is_pending && i == 2)
                    || (i > 0 && matches!(&a[i - 1], Answer::Bulk(word) if word == b"idle"))
            };
            a.len() == b.len()
                && (0..a.len()).all(|i| {
                    if is_age(i) {
                        same_kind(&a[i], &b[i])
                    } else {
                        same_but_for_ages(&a[i], &b[i])
                    }
                })
        }
        (Answer::Map(a), Answer::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((ak, av), (bk, bv))| {
                    let is_age = matches!(ak, Answer::Bulk(word) if word == b"idle");
                    ak == bk && if is_age { same_kind(av, bv) } else { same_but_for_ages(av, bv) }
                })
        }
        _ => equal(ours, real),
    }
}
