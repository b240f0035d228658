//! Which words of a command are keys, and what it does to them.

use super::facts::{self, Begin, Facts, Find};
use crate::base::number;

/// A key among a command's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// Which word it is.
    pub index: usize,
    /// What happens to it: `RW access update`.
    pub flags: &'static [&'static str],
}

/// What stands for a key without being one: the channel of SPUBLISH.
const NOT_A_KEY: &str = "not_key";

const READ: &[&str] = &["RO", "access"];
const OVERWRITTEN: &[&str] = &["OW", "update"];
const CHANGED: &[&str] = &["RW", "access", "update"];

/// Whether a command has keys at all.
pub fn has_keys(facts: &Facts) -> bool {
    facts.keys.iter().any(|spec| !spec.flags.contains(&NOT_A_KEY))
}

/// The keys of a command (by its lower-case name, subcommands as `memory|usage`); `None` if its
/// words do not make sense.
pub fn find_keys(name: &str, words: &[&[u8]]) -> Option<Vec<FoundKey>> {
    let facts = facts::of(name)?;
    match name {
        "set" => Some(vec![FoundKey { index: 1, flags: flags_of_set(words) }]),
        "bitfield" => Some(vec![FoundKey { index: 1, flags: flags_of_bitfield(words) }]),
        "sort" => Some(keys_of_sort(words)),
        _ => by_specs(facts, words),
    }
}

fn by_specs(facts: &'static Facts, words: &[&[u8]]) -> Option<Vec<FoundKey>> {
    let mut keys = Vec::new();
    let len = words.len() as i64;
    for spec in facts.keys.iter().filter(|spec| !spec.flags.contains(&NOT_A_KEY)) {
        let Some(begin) = begin(spec.begin, words) else { continue };
        let (first, last, step) = match spec.find {
            Find::Range { last, step, .. } if last >= 0 => (begin, begin + last, step),
            Find::Range { last, step, limit: 0 } => (begin, len + last, step),
            Find::Range { last, step, limit } => {
                (begin, begin + (len - begin) / limit + last, step)
            }
            Find::Count { count, first, step } => {
                let count = number::parse_i64(word(words, begin + count)?)?;
                let first = begin + first;
                let last = count.checked_sub(1)?.checked_mul(step)?.checked_add(first)?;
                (first, last, step)
            }
            Find::Unknown => continue,
        };
        if last < first || last >= len {
            return None;
        }
        let places = (first..=last).step_by(usize::try_from(step).ok()?.max(1));
        keys.extend(places.map(|at| FoundKey { index: at as usize, flags: &spec.flags }));
    }
    Some(keys)
}

fn begin(begin: Begin, words: &[&[u8]]) -> Option<i64> {
    let len = words.len() as i64;
    match begin {
        Begin::Index(index) => Some(index),
        Begin::Keyword(keyword, from) => {
            let is_it = |at: &i64| {
                word(words, *at).is_some_and(|w| w.eq_ignore_ascii_case(keyword.as_bytes()))
            };
            let found = if from > 0 {
                (from..len - 1).find(is_it)
            } else {
                (2..=len + from).rev().find(is_it)
            };
            found.map(|at| at + 1)
        }
        Begin::Unknown => None,
    }
}

fn word<'a>(words: &[&'a [u8]], at: i64) -> Option<&'a [u8]> {
    words.get(usize::try_from(at).ok()?).copied()
}

/// With GET it reads what it overwrites.
fn flags_of_set(words: &[&[u8]]) -> &'static [&'static str] {
    let gets = words.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"GET"));
    if gets { CHANGED } else { OVERWRITTEN }
}

/// With nothing but GET it reads.
fn flags_of_bitfield(words: &[&[u8]]) -> &'static [&'static str] {
    let mut rest = words.get(2..).unwrap_or_default();
    while let [option, after @ ..] = rest {
        let skipped = match option.to_ascii_lowercase().as_slice() {
            b"get" => 2,
            b"overflow" => 1,
            _ => return CHANGED,
        };
        let Some(next) = after.get(skipped..) else { return CHANGED };
        rest = next;
    }
    READ
}

/// The last STORE counts.
fn keys_of_sort(words: &[&[u8]]) -> Vec<FoundKey> {
    let mut store = None;
    let mut at = 2;
    while at < words.len() {
        at += match words[at].to_ascii_lowercase().as_slice() {
            b"limit" => 3,
            b"get" | b"by" => 2,
            b"store" if at + 1 < words.len() => {
                store = Some(at + 1);
                2
            }
            _ => 1,
        };
    }
    let sorted = FoundKey { index: 1, flags: READ };
    let stored = store.map(|index| FoundKey { index, flags: OVERWRITTEN });
    std::iter::once(sorted).chain(stored).collect()
}

#[cfg(test)]
mod tests {
    use super::find_keys;

    fn keys(line: &str) -> Option<String> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let name = line.split(' ').next()?.to_ascii_lowercase();
        let shown = |key: &super::FoundKey| {
            format!("{}:{}", String::from_utf8_lossy(words[key.index]), key.flags.join("+"))
        };
        Some(find_keys(&name, &words)?.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn keys_are_found_wherever_they_are() {
        for (line, expected) in [
            ("GET a", "a:RO+access"),
            ("MSET a 1 b 2", "a:OW+update b:OW+update"),
            ("BLPOP a b 0", "a:RW+access+delete b:RW+access+delete"),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d:OW+update a:RO+access b:RO+access"),
            ("EVAL script 1 a b", "a:RW+access+update"),
            ("XREAD COUNT 2 STREAMS a b 0 0", "a:RO+access b:RO+access"),
            ("GEORADIUS a 1 2 3 km STORE d", "a:RO+access d:OW+update"),
            ("SET a b GET", "a:RW+access+update"),
            ("SET a b", "a:OW+update"),
            ("BITFIELD a OVERFLOW WRAP GET u8 0", "a:RO+access"),
            ("BITFIELD a GET u8 0 SET u8 0 1", "a:RW+access+update"),
            ("SORT a BY w_* GET STORE STORE d STORE e", "a:RO+access e:OW+update"),
        ] {
            assert_eq!(keys(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn words_that_make_no_sense_have_no_keys() {
        for line in ["ZUNION 0 a", "ZUNION x a", "ZUNION 3 a b", "XREAD COUNT 2", "LMPOP 9999 a"] {
            assert!(keys(line).is_none_or(|keys| keys.is_empty()), "{line}");
        }
    }
}
