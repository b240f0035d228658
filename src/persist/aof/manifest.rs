//! The list of an AOF's files: `file NAME seq N type b|h|i`, one a line.

use crate::base::number;
use crate::base::text::quoted;
use crate::resp::request::split_words;

/// A line is at most this long.
const LINE_BYTES_MAX: usize = 1024;

/// The files of an AOF.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// What is read first.
    pub base: Option<Part>,
    /// What was replaced and is to be deleted.
    pub history: Vec<Part>,
    /// What is read after the base, in this order. The last one is written to.
    pub increments: Vec<Part>,
    /// The highest sequence numbers given out.
    base_seq: i64,
    increment_seq: i64,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name within the directory (directive `appenddirname`).
    pub name: String,
    /// Counts up from 1, for bases and increments each.
    pub seq: i64,
}

/// A manifest that cannot be followed, in Redis's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ManifestError {
    /// Number and text of the line, if it is one.
    pub line: Option<(usize, String)>,
    /// What is wrong.
    pub reason: &'static str,
}

/// A line's file and its type.
type Row = (Part, u8);

impl Manifest {
    /// Reads a manifest.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        if text.is_empty() {
            return Err(ManifestError { line: None, reason: "Found an empty AOF manifest" });
        }
        let mut manifest = Self::default();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if line.starts_with(b"#") {
                continue;
            }
            manifest.take_line(line).map_err(|reason| {
                let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
                ManifestError { line: Some((index + 1, text)), reason }
            })?;
        }
        Ok(manifest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.len() > LINE_BYTES_MAX || !line.ends_with(b"\n") {
            return Err("The AOF manifest file contains too long line");
        }
        let (part, kind) = read_row(line)?;
        match kind {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => {
                self.base_seq = part.seq;
                self.base = Some(part);
            }
            b'h' => self.history.push(part),
            b'i' if self.increments.last().is_some_and(|last| part.seq <= last.seq) => {
                return Err("Found a non-monotonic sequence number");
            }
            b'i' => {
                self.increment_seq = part.seq;
                self.increments.push(part);
            }
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    /// The text of the manifest.
    pub fn format(&self) -> Vec<u8> {
        let rows = self
            .base
            .iter()
            .map(|part| (part, 'b'))
            .chain(self.history.iter().map(|part| (part, 'h')))
            .chain(self.increments.iter().map(|part| (part, 'i')));
        rows.map(|(part, kind)| format!("file {} seq {} type {kind}\n", word(&part.name), part.seq))
            .collect::<String>()
            .into_bytes()
    }

    /// Whether nothing is to be read.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files in the order in which they are read.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// Makes room for a new base, whose name is returned; the old one becomes history. `extension`
    /// is `rdb` or `aof`.
    pub fn add_base(&mut self, filename: &str, extension: &str) -> String {
        self.base_seq += 1;
        let name = format!("{filename}.{}.base.{extension}", self.base_seq);
        let base = Part { name: name.clone(), seq: self.base_seq };
        self.history.extend(self.base.replace(base));
        name
    }

    /// Adds an increment, whose name is returned.
    pub fn add_increment(&mut self, filename: &str) -> String {
        self.increment_seq += 1;
        let name = format!("{filename}.{}.incr.aof", self.increment_seq);
        self.increments.push(Part { name: name.clone(), seq: self.increment_seq });
        name
    }

    /// A file of the time before there were manifests becomes the base.
    pub fn adopt(filename: &str) -> Self {
        let base = Part { name: filename.to_owned(), seq: 1 };
        Self { base: Some(base), base_seq: 1, ..Self::default() }
    }

    /// A new base replaces the increments, all but the last `keep`.
    pub fn retire_increments(&mut self, keep: usize) {
        let retired = self.increments.len().saturating_sub(keep);
        self.history.extend(self.increments.drain(..retired));
    }
}

fn read_row(line: &[u8]) -> Result<Row, &'static str> {
    const INVALID: &str = "Invalid AOF manifest file format";
    let words = split_words(line.trim_ascii()).ok_or(INVALID)?;
    // More pairs than the three known ones are from the future, and allowed.
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err(INVALID);
    }
    let (mut name, mut seq, mut kind) = (String::new(), 0, None);
    for pair in words.chunks_exact(2) {
        let value = &pair[1];
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if value.iter().any(|byte| b"/\\".contains(byte)) => {
                return Err("File can't be a path, just a filename");
            }
            b"file" => name = String::from_utf8_lossy(value).into_owned(),
            b"seq" => seq = number::parse_i64(value).unwrap_or(0),
            b"type" => kind = value.first().copied(),
            _ => {}
        }
    }
    match kind {
        Some(kind) if !name.is_empty() && seq != 0 => Ok((Part { name, seq }, kind)),
        _ => Err(INVALID),
    }
}

/// A name, quoted if it could be taken for several words.
fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\');
    if name.chars().all(is_plain) && !name.is_empty() {
        return name.to_owned();
    }
    quoted(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> &'static str {
        Manifest::parse(text.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn what_a_real_server_wrote_is_read_and_written_the_same() {
        let text = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let names: Vec<_> = manifest.parts().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof"]);
        assert_eq!(manifest.format(), text.as_bytes());
    }

    #[test]
    fn comments_quotes_and_pairs_from_the_future_are_understood() {
        let text = "# by hand\nfile \"a b\\xc3\\xa9\" seq 7 type b color \"red\"\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.base.as_ref().unwrap().name, "a bé");
        assert_eq!(manifest.format(), b"file \"a b\\xc3\\xa9\" seq 7 type b\n");
    }

    #[test]
    fn a_rewrite_counts_up_and_leaves_the_old_files_as_history() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.add_base("a", "rdb"), "a.1.base.rdb");
        assert_eq!(manifest.add_increment("a"), "a.1.incr.aof");
        assert_eq!(manifest.add_increment("a"), "a.2.incr.aof");
        assert_eq!(manifest.add_base("a", "aof"), "a.2.base.aof");
        manifest.retire_increments(1);
        assert_eq!(
            String::from_utf8(manifest.format()).unwrap(),
            "file a.2.base.aof seq 2 type b\nfile a.1.base.rdb seq 1 type h\n\
             file a.1.incr.aof seq 1 type h\nfile a.2.incr.aof seq 2 type i\n"
        );
    }

    #[test]
    fn a_faulty_manifest_is_refused_in_the_words_of_redis() {
        assert_eq!(reason(""), "Found an empty AOF manifest");
        for line in ["garbage\n", "\n", "file a seq 1\n", "file a seq x type b\n"] {
            assert_eq!(reason(line), "Invalid AOF manifest file format", "{line}");
        }
        let long = format!("file {} seq 1 type b\n", "a".repeat(LINE_BYTES_MAX));
        assert_eq!(reason(&long), "The AOF manifest file contains too long line");
        assert_eq!(reason("file a/b seq 1 type b\n"), "File can't be a path, just a filename");
        assert_eq!(reason("file a seq 1 type x\n"), "Unknown AOF file type");
        let base = "file a seq 1 type b\n";
        assert_eq!(reason(&base.repeat(2)), "Found duplicate base file information");
        let falling = "file a seq 2 type i\nfile b seq 1 type i\n";
        assert_eq!(reason(falling), "Found a non-monotonic sequence number");
        let error = Manifest::parse(b"# one\ngarbage \n").unwrap_err();
        assert_eq!(error.line, Some((2, "garbage".to_owned())));
    }
}
