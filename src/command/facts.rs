//! What 7.0 says of each command beyond its row: for COMMAND, and for finding keys.
//!
//! The text beside this file has a paragraph for every command of 7.0, whether there is a row for
//! it or not, and for the few later ones that there is a row for: its name, and indented below it
//! one fact a line.
//!
//! | line | what |
//! |---|---|
//! | `flags` | the flags of COMMAND INFO |
//! | `acl` | the categories of ACL |
//! | `tips` | the tips of COMMAND INFO |
//! | `keys` BEGIN FIND FLAGS | a key specification; `notes` below it belong to it |
//! | `complexity`, `doc`, `deprecated`, `replaced`, `history` | fields of COMMAND DOCS |
//! | `arg` NAME TYPE ... | an argument; those it consists of are below it, indented further |

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What is known of a command.
#[derive(Debug, Default)]
pub struct Facts {
    /// The words of its flags.
    pub flags: Vec<&'static str>,
    /// Categories of ACL, without `@`.
    pub categories: Vec<&'static str>,
    /// Tips for clients and proxies.
    pub tips: Vec<&'static str>,
    /// Where its keys are, and what happens to them.
    pub keys: Vec<KeySpec>,
    /// How long it takes.
    pub complexity: Option<&'static str>,
    /// `deprecated`, `syscmd`
    pub doc_flags: Vec<&'static str>,
    /// Since when it should not be used...
    pub deprecated_since: Option<&'static str>,
    /// ...and what instead.
    pub replaced_by: Option<&'static str>,
    /// Versions, and what changed.
    pub history: Vec<(&'static str, &'static str)>,
    /// What it takes.
    pub arguments: Vec<Argument>,
}

/// Where some keys of a command are.
#[derive(Debug)]
pub struct KeySpec {
    /// The first of them.
    pub begin: Begin,
    /// From there on.
    pub find: Find,
    /// What happens to them: `RW access update`.
    pub flags: Vec<&'static str>,
    /// Words for people.
    pub notes: Option<&'static str>,
}

/// Where the keys of a specification begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At a word.
    Index(i64),
    /// After a keyword, which is looked for from a word on; from the end if that is negative.
    Keyword(&'static str, i64),
    /// Only the command knows.
    Unknown,
}

/// How the keys are found from the beginning on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// To the `last` word (from the beginning, or, negative, from the end), every `step`th; a
    /// `limit` of 2 leaves the second half out.
    Range {
        /// The last word.
        last: i64,
        /// Distance between two keys.
        step: i64,
        /// Which part of the rest holds keys; 0 for all.
        limit: i64,
    },
    /// A word says how many there are.
    Count {
        /// Where that word is.
        count: i64,
        /// Where the first key is.
        first: i64,
        /// Distance between two keys.
        step: i64,
    },
    /// Only the command knows.
    Unknown,
}

/// An argument, as COMMAND DOCS describes it.
#[derive(Debug, Default)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type: `key`, `integer`, `oneof`...
    pub kind: &'static str,
    /// For a key: which specification finds it.
    pub key: Option<i64>,
    /// The word before it, or which it is.
    pub token: Option<&'static str>,
    /// The version that brought it.
    pub since: Option<&'static str>,
    /// Since when it should not be used.
    pub deprecated_since: Option<&'static str>,
    /// `optional`, `multiple`, `multiple_token`
    pub flags: Vec<&'static str>,
    /// What it consists of.
    pub arguments: Vec<Argument>,
}

static FACTS: LazyLock<BTreeMap<&'static str, Facts>> =
    LazyLock::new(|| paragraphs(include_str!("facts.txt")).0);

/// What is known of a command or subcommand (`config|get`), by its lower-case name.
pub fn of(name: &str) -> Option<&'static Facts> {
    FACTS.get(name)
}

/// All paragraphs of a text, and the lines that say nothing.
fn paragraphs(text: &'static str) -> (BTreeMap<&'static str, Facts>, Vec<&'static str>) {
    let (mut all, mut lost) = (BTreeMap::new(), Vec::new());
    let (mut name, mut facts) = ("", Facts::default());
    for line in text.lines() {
        let fact = line.trim_start_matches(' ');
        match line.len() - fact.len() {
            0 => drop(all.insert(std::mem::replace(&mut name, line), std::mem::take(&mut facts))),
            depth if facts.note(depth, fact).is_none() => lost.push(line),
            _ => {}
        }
    }
    all.insert(name, facts);
    all.remove("");
    (all, lost)
}

impl Facts {
    /// Takes a line's fact over, unless it is none.
    fn note(&mut self, depth: usize, fact: &'static str) -> Option<()> {
        let (what, rest) = fact.split_once(' ')?;
        let words = || rest.split(' ').collect();
        match what {
            "flags" => self.flags = words(),
            "acl" => self.categories = words(),
            "tips" => self.tips = words(),
            "keys" => self.keys.push(KeySpec::of(rest)?),
            "notes" => self.keys.last_mut()?.notes = Some(rest),
            "complexity" => self.complexity = Some(rest),
            "doc" => self.doc_flags.push(rest),
            "deprecated" => self.deprecated_since = Some(rest),
            "replaced" => self.replaced_by = Some(rest),
            "history" => self.history.push(rest.split_once(' ')?),
            "arg" => {
                let mut list = &mut self.arguments;
                for _ in 1..depth {
                    list = &mut list.last_mut()?.arguments;
                }
                list.push(Argument::of(rest)?);
            }
            _ => return None,
        }
        Some(())
    }
}

impl KeySpec {
    fn of(text: &'static str) -> Option<Self> {
        let mut words = text.split(' ');
        let begin = match words.next()? {
            "?" => Begin::Unknown,
            word => match word.split_once('@') {
                Some((keyword, from)) => Begin::Keyword(keyword, from.parse().ok()?),
                None => Begin::Index(word.parse().ok()?),
            },
        };
        let number = |words: &mut std::str::Split<'_, char>| words.next()?.parse().ok();
        let find = match words.next()? {
            "range" => Find::Range {
                last: number(&mut words)?,
                step: number(&mut words)?,
                limit: number(&mut words)?,
            },
            "keynum" => Find::Count {
                count: number(&mut words)?,
                first: number(&mut words)?,
                step: number(&mut words)?,
            },
            "?" => Find::Unknown,
            _ => return None,
        };
        Some(Self { begin, find, flags: words.collect(), notes: None })
    }
}

impl Argument {
    fn of(text: &'static str) -> Option<Self> {
        let mut words = text.split(' ');
        let (name, kind) = (words.next()?, words.next()?);
        let mut argument = Self { name, kind, ..Self::default() };
        for word in words {
            match word.split_once('=') {
                Some(("key", index)) => argument.key = Some(index.parse().ok()?),
                Some(("token", token)) => argument.token = Some(token),
                Some(("since", version)) => argument.since = Some(version),
                Some(("deprecated", version)) => argument.deprecated_since = Some(version),
                Some(_) => return None,
                None => argument.flags.push(word),
            }
        }
        Some(argument)
    }
}

#[cfg(test)]
mod tests {
    use super::{FACTS, paragraphs};

    #[test]
    fn every_line_is_understood() {
        let (all, lost) = paragraphs(include_str!("facts.txt"));
        assert_eq!(lost, Vec::<&str>::new());
        assert!(all.len() > 300);
    }

    #[test]
    fn arguments_consist_of_arguments() {
        let condition = &FACTS["set"].arguments[2];
        assert_eq!((condition.name, condition.kind), ("condition", "oneof"));
        let tokens: Vec<_> = condition.arguments.iter().filter_map(|a| a.token).collect();
        assert_eq!(tokens, ["NX", "XX"]);
    }
}
