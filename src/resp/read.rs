//! Reading replies: the lab is a client of its own nodes.

use std::fmt;

use crate::base::number;

/// A reply, in either protocol version.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `+text`
    Simple(String),
    /// `-CODE text`
    Error(String),
    /// `:n`
    Int(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// No value, of whichever kind.
    Null,
    /// An array, a set or a push.
    Array(Vec<Answer>),
    /// Pairs.
    Map(Vec<(Answer, Answer)>),
    /// A floating point or big number, as its text.
    Number(String),
    /// True or false.
    Bool(bool),
}

/// The peer does not speak the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed reply: {0}")]
pub struct Malformed(String);

/// Nesting beyond this is refused, not followed.
const DEPTH_MAX: usize = 32;

/// Reads one whole reply and says how many bytes it took; `None` if it is not complete yet.
pub fn read_answer(input: &[u8]) -> Result<Option<(Answer, usize)>, Malformed> {
    let mut reader = Reader { input, position: 0 };
    Ok(reader.answer(DEPTH_MAX)?.map(|answer| (answer, reader.position)))
}

struct Reader<'a> {
    input: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn answer(&mut self, depth: usize) -> Result<Option<Answer>, Malformed> {
        if depth == 0 {
            return Err(Malformed("too deeply nested".to_owned()));
        }
        let Some(line) = self.line() else { return Ok(None) };
        let Some((&kind, text)) = line.split_first() else {
            return Err(Malformed("an empty line".to_owned()));
        };
        let words = || String::from_utf8_lossy(text).into_owned();
        let answer = match kind {
            b'+' => Answer::Simple(words()),
            b'-' => Answer::Error(words()),
            b':' => Answer::Int(number_of(text)?),
            b',' | b'(' => Answer::Number(words()),
            b'#' => Answer::Bool(text == b"t"),
            b'_' => Answer::Null,
            b'$' | b'=' | b'!' => return self.bulk(kind, number_of(text)?),
            b'*' | b'~' | b'>' => return self.array(number_of(text)?, depth),
            b'%' => return self.map(number_of(text)?, depth),
            other => {
                return Err(Malformed(format!("unexpected '{}'", other.escape_ascii())));
            }
        };
        Ok(Some(answer))
    }

    fn bulk(&mut self, kind: u8, len: i64) -> Result<Option<Answer>, Malformed> {
        let Ok(len) = usize::try_from(len) else { return Ok(Some(Answer::Null)) };
        let rest = &self.input[self.position..];
        if rest.len() < len.saturating_add(2) {
            return Ok(None);
        }
        let bytes = &rest[..len];
        self.position += len + 2;
        Ok(Some(match kind {
            b'!' => Answer::Error(String::from_utf8_lossy(bytes).into_owned()),
            b'=' => Answer::Bulk(bytes.get(4..).unwrap_or_default().to_vec()),
            _ => Answer::Bulk(bytes.to_vec()),
        }))
    }

    fn array(&mut self, len: i64, depth: usize) -> Result<Option<Answer>, Malformed> {
        if len < 0 {
            return Ok(Some(Answer::Null));
        }
        let mut elements = Vec::new();
        for _ in 0..len {
            let Some(element) = self.answer(depth - 1)? else { return Ok(None) };
            elements.push(element);
        }
        Ok(Some(Answer::Array(elements)))
    }

    fn map(&mut self, len: i64, depth: usize) -> Result<Option<Answer>, Malformed> {
        let mut pairs = Vec::new();
        for _ in 0..len {
            let Some(key) = self.answer(depth - 1)? else { return Ok(None) };
            let Some(value) = self.answer(depth - 1)? else { return Ok(None) };
            pairs.push((key, value));
        }
        Ok(Some(Answer::Map(pairs)))
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.input[self.position..];
        let end = memchr::memmem::find(rest, b"\r\n")?;
        self.position += end + 2;
        Some(&rest[..end])
    }
}

fn number_of(text: &[u8]) -> Result<i64, Malformed> {
    number::parse_i64(text)
        .ok_or_else(|| Malformed(format!("not a number: '{}'", text.escape_ascii())))
}

impl Answer {
    /// The error text, if it is an error.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        match self {
            Self::Simple(text) | Self::Number(text) => f.write_str(text),
            Self::Error(text) => write!(f, "(error) {text}"),
            Self::Int(n) => write!(f, "(integer) {n}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Null => f.write_str("(nil)"),
            Self::Bool(yes) => write!(f, "({yes})"),
            Self::Array(elements) if elements.is_empty() => f.write_str("(empty array)"),
            Self::Map(pairs) if pairs.is_empty() => f.write_str("(empty hash)"),
            Self::Array(elements) => write_rows(f, indent, elements.len(), |f, i, inner| {
                write!(f, ") ")?;
                elements[i].write(f, inner)
            }),
            Self::Map(pairs) => write_rows(f, indent, pairs.len(), |f, i, inner| {
                write!(f, "# ")?;
                pairs[i].0.write(f, inner)?;
                write!(f, " => ")?;
                pairs[i].1.write(f, inner)
            }),
        }
    }
}

/// Numbered rows, the first one where the cursor is.
fn write_rows(
    f: &mut fmt::Formatter<'_>,
    indent: usize,
    count: usize,
    row: impl Fn(&mut fmt::Formatter<'_>, usize, usize) -> fmt::Result,
) -> fmt::Result {
    let width = count.to_string().len();
    for i in 0..count {
        if i > 0 {
            write!(f, "\n{:indent$}", "")?;
        }
        write!(f, "{:>width$}", i + 1)?;
        row(f, i, indent + width + 2)?;
    }
    Ok(())
}

/// As redis-cli prints it.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read_answer};

    #[test]
    fn waits_until_a_reply_is_complete() {
        let reply = b"*3\r\n:1\r\n$2\r\nhi\r\n%1\r\n+a\r\n_\r\n";
        for end in 0..reply.len() {
            assert_eq!(read_answer(&reply[..end]), Ok(None), "{end}");
        }
        let (answer, taken) = read_answer(reply).expect("well-formed").expect("complete");
        assert_eq!(taken, reply.len());
        assert_eq!(answer.to_string(), "1) (integer) 1\n2) \"hi\"\n3) 1# a => (nil)");
    }

    #[test]
    fn nested_arrays_are_indented_as_redis_cli_does() {
        let inner = Answer::Array(vec![Answer::Int(1), Answer::Null]);
        let answer = Answer::Array(vec![inner, Answer::Array(vec![])]);
        assert_eq!(answer.to_string(), "1) 1) (integer) 1\n   2) (nil)\n2) (empty array)");
    }

    #[test]
    fn garbage_and_endless_nesting_are_refused() {
        assert!(read_answer(b"hello\r\n").is_err());
        assert!(read_answer(b":x\r\n").is_err());
        assert!(read_answer(&b"*1\r\n".repeat(100)).is_err());
    }
}
