//! The commands of a piece of a replication stream.

use std::collections::HashMap;

use crate::base::text::quoted;
use crate::command::find_keys::find_keys;
use crate::resp::{Limits, Request};
use crate::server::table;

/// Bytes of a word that are shown.
const WORD_BYTES_MAX: usize = 40;

/// A command of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Streamed {
    pub words: Vec<Vec<u8>>,
    /// Bytes from the beginning of the piece to its end.
    pub end: usize,
}

/// Reads the commands of a piece that begins where a command does.
pub(super) fn read(mut bytes: &[u8]) -> Vec<Streamed> {
    let mut commands = Vec::new();
    let mut end = 0;
    let mut request = Request::default();
    while let Ok(Some(len)) = request.read(bytes, &Limits::default()) {
        end += len;
        let words: Vec<_> = request.words(bytes).iter().map(|word| word.to_vec()).collect();
        if !words.is_empty() {
            commands.push(Streamed { words, end });
        }
        bytes = &bytes[len..];
    }
    commands
}

impl Streamed {
    /// As a person would type it, long words shortened.
    pub fn text(&self) -> String {
        let words = self.words.iter().map(|word| self::word(word));
        words.collect::<Vec<_>>().join(" ")
    }

    fn is(&self, name: &str) -> bool {
        self.words.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn keys(&self) -> Vec<&[u8]> {
        let words: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
        let found = table::look_up(&words).ok().and_then(|row| find_keys(&row.name, &words));
        found.unwrap_or_default().iter().filter_map(|key| words.get(key.index).copied()).collect()
    }
}

fn word(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(WORD_BYTES_MAX)];
    let is_plain = !shown.is_empty()
        && shown.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\''));
    let text = if is_plain { String::from_utf8_lossy(shown).into_owned() } else { quoted(shown) };
    if shown.len() < bytes.len() { format!("{text}…") } else { text }
}

/// What a piece of a stream does to which key.
#[derive(Debug, Default)]
pub(super) struct Pending {
    commands: Vec<Streamed>,
    /// The last command for a key, and how many there are. A database is not known before the
    /// first SELECT of the piece.
    by_key: HashMap<(Option<usize>, Vec<u8>), (usize, u64)>,
    /// The last command that may change any key.
    of_all: Option<usize>,
}

impl Pending {
    pub fn of(piece: &[u8]) -> Self {
        let commands = read(piece);
        let mut by_key: HashMap<_, (usize, u64)> = HashMap::new();
        let (mut db, mut of_all) = (None, None);
        for (at, command) in commands.iter().enumerate() {
            if command.is("SELECT") {
                let index = command.words.get(1).and_then(|word| std::str::from_utf8(word).ok());
                db = index.and_then(|text| text.parse().ok());
            } else if ["FLUSHALL", "FLUSHDB", "SWAPDB"].iter().any(|name| command.is(name)) {
                of_all = Some(at);
            }
            // What moves a key to another database is looked for in all of them.
            let db = db.filter(|_| !command.is("MOVE") && !command.is("COPY"));
            for key in command.keys() {
                let (last, count) = by_key.entry((db, key.to_vec())).or_default();
                (*last, *count) = (at, *count + 1);
            }
        }
        Self { commands, by_key, of_all }
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// The last command that touches a key, and how many do.
    pub fn of_key(&self, db: usize, key: &[u8]) -> Option<(&Streamed, u64)> {
        let found = [Some(db), None]
            .into_iter()
            .filter_map(|db| self.by_key.get(&(db, key.to_vec())).copied());
        let found = found.chain(self.of_all.map(|at| (at, 1)));
        let (last, count) = found.reduce(|a, b| (a.0.max(b.0), a.1 + b.1))?;
        Some((self.commands.get(last)?, count))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pending, read};
    use crate::lab::client::command;

    fn stream(lines: &[&str]) -> Vec<u8> {
        lines
            .iter()
            .flat_map(|line| command(line.split(' ').collect::<Vec<_>>()).to_vec())
            .collect()
    }

    #[test]
    fn commands_are_read_one_after_the_other_and_a_half_one_is_left_out() {
        let whole = stream(&["SELECT 0", "SET k v"]);
        let texts =
            |bytes: &[u8]| read(bytes).iter().map(super::Streamed::text).collect::<Vec<_>>();
        assert_eq!(texts(&whole), ["SELECT 0", "SET k v"]);
        assert_eq!(read(&whole)[1].end, whole.len());
        assert_eq!(texts(&whole[..whole.len() - 1]), ["SELECT 0"]);
        let odd = command(["SET", "a b", &"x".repeat(50)]);
        assert_eq!(texts(&odd), [format!("SET \"a b\" {}…", "x".repeat(40))]);
    }

    #[test]
    fn a_key_is_touched_by_the_commands_that_name_it_in_its_database() {
        let bytes = stream(&["INCR n", "SELECT 3", "SET n 1", "DEL m n", "RENAME x y", "PING"]);
        let pending = Pending::of(&bytes);
        let last = |db, key: &str| pending.of_key(db, key.as_bytes()).map(|(c, n)| (c.text(), n));
        assert_eq!(last(3, "n"), Some(("DEL m n".to_owned(), 3)), "INCR may have been in db 3");
        assert_eq!(last(0, "n"), Some(("INCR n".to_owned(), 1)));
        assert_eq!(last(3, "y"), Some(("RENAME x y".to_owned(), 1)));
        assert_eq!((last(0, "m"), last(3, "z")), (None, None));
        let all = Pending::of(&stream(&["FLUSHALL"]));
        assert_eq!(all.of_key(9, b"any").map(|(c, _)| c.text()).as_deref(), Some("FLUSHALL"));
    }
}
