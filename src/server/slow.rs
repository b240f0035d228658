//! The slow log: the latest commands that took long.

use std::collections::VecDeque;

use crate::keyspace::Blob;

/// Words of a command that are kept, and bytes of each.
const WORDS_MAX: usize = 32;
const WORD_BYTES_MAX: usize = 128;

/// A command that took long.
#[derive(Debug, Clone)]
pub struct SlowEntry {
    /// Counts up over the life of the node.
    pub id: u64,
    /// Seconds since the epoch.
    pub at_s: i64,
    /// How long it took.
    pub micros: u64,
    /// Its words, shortened.
    pub words: Vec<Blob>,
    /// Where it came from.
    pub peer: String,
    /// The name of the client.
    pub name: String,
}

/// The entries, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// Newest first.
    pub entries: VecDeque<SlowEntry>,
    next_id: u64,
}

impl SlowLog {
    /// Adds an entry, which gets its id here.
    pub fn add(&mut self, mut entry: SlowEntry, entries_max: usize) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.trim(entries_max);
    }

    /// Forgets the oldest beyond so many.
    pub fn trim(&mut self, entries_max: usize) {
        self.entries.truncate(entries_max);
    }
}

/// A command's words as the slow log keeps them: few and short.
pub fn shortened(words: &[&[u8]]) -> Vec<Blob> {
    let kept = if words.len() > WORDS_MAX { WORDS_MAX - 1 } else { words.len() };
    let mut short: Vec<Blob> = words[..kept].iter().map(|word| shortened_word(word)).collect();
    if kept < words.len() {
        let more = words.len() - kept;
        short.push(Blob::from(format!("... ({more} more arguments)").as_bytes()));
    }
    short
}

fn shortened_word(word: &[u8]) -> Blob {
    if word.len() <= WORD_BYTES_MAX {
        return Blob::from(word);
    }
    let more = format!("... ({} more bytes)", word.len() - WORD_BYTES_MAX);
    Blob::from([&word[..WORD_BYTES_MAX], more.as_bytes()].concat().as_slice())
}
