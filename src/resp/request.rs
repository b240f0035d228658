//! Reading requests: arrays of bulk strings, or one line of words ("inline").

use std::ops::Range;

use smallvec::SmallVec;

use crate::base::number;
use crate::base::text::until_nul;

/// What a request may ask for. Names follow the redis.conf directives.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `proto-max-bulk-len`: bytes of one word.
    pub bulk_bytes_max: u64,
    /// Words of one request.
    pub words_max: i64,
    /// Whether the client still has to authenticate: then it gets ten words of 16 KiB.
    pub unauthenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bulk_bytes_max: 512 << 20, words_max: i64::from(i32::MAX), unauthenticated: false }
    }
}

/// Bytes of an inline request or of a header line.
const LINE_BYTES_MAX: usize = 64 << 10;
const UNAUTHENTICATED_WORDS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16_384;

/// The client does not speak the protocol; it gets this text and is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// An inline request ends inside quotes.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A line without end.
    #[error("too big inline request")]
    InlineTooBig,
    /// A header line without end.
    #[error("too big mbulk count string")]
    CountTooBig,
    /// Not a number of words, or too many.
    #[error("invalid multibulk length")]
    InvalidCount,
    /// Too many words before AUTH.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// A word's header line without end.
    #[error("too big bulk count string")]
    BulkTooBig,
    /// Not a bulk string.
    #[error("expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// Not a length, or too long.
    #[error("invalid bulk length")]
    InvalidBulk,
    /// Too long a word before AUTH.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulk,
}

/// The request being read from one connection: how far it was understood, not its bytes.
#[derive(Debug, Default)]
pub struct Request {
    words: SmallVec<[Range<usize>; 8]>,
    /// Bytes understood so far.
    position: usize,
    /// Words still missing of an array; `None` before its header.
    missing: Option<i64>,
    /// The length of the word being read, once its header is.
    word_len: Option<usize>,
    /// The words of an inline request, without their quotes.
    unquoted: Option<Vec<u8>>,
}

impl Request {
    /// Reads on. `input` starts with the first byte of the request, and holds at least what it held
    /// at the last call. Returns how many bytes the request took once it is complete; its words
    /// are then [`Request::words`], until the next call. No words means nothing was asked for.
    pub fn read(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        if self.position == 0 {
            self.words.clear();
            self.unquoted = None;
        }
        let done = match (self.missing, input.first()) {
            (_, None) => false,
            (None, Some(b'*')) => {
                self.read_count(input, limits)? && self.read_words(input, limits)?
            }
            (Some(_), _) => self.read_words(input, limits)?,
            (None, _) => self.read_inline(input)?,
        };
        if !done {
            return Ok(None);
        }
        self.missing = None;
        Ok(Some(std::mem::take(&mut self.position)))
    }

    /// The words of the request that was just completed from `input`.
    pub fn words<'a>(&'a self, input: &'a [u8]) -> SmallVec<[&'a [u8]; 8]> {
        let source = self.unquoted.as_deref().unwrap_or(input);
        self.words.iter().map(|range| &source[range.clone()]).collect()
    }

    /// Forgets the words of a completed request, so that the allocation serves the next one.
    pub fn recycle(&mut self) {
        self.words.clear();
        self.unquoted = None;
    }

    /// Whether the request was a line of words, not an array.
    pub fn was_inline(&self) -> bool {
        self.unquoted.is_some()
    }

    fn read_count(&mut self, input: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let Some((line, end)) = line_at(input, 0) else {
            return incomplete(input.len(), ProtocolError::CountTooBig);
        };
        let count = number::parse_i64(&line[1..]).ok_or(ProtocolError::InvalidCount)?;
        if count > limits.words_max {
            return Err(ProtocolError::InvalidCount);
        }
        if limits.unauthenticated && count > UNAUTHENTICATED_WORDS_MAX {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        self.position = end;
        self.missing = Some(count.max(0));
        Ok(true)
    }

    fn read_words(&mut self, input: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let mut missing = self.missing.unwrap_or(0);
        while missing > 0 {
            let len = match self.word_len {
                Some(len) => len,
                None => match self.read_word_len(input, limits)? {
                    Some(len) => len,
                    None => break,
                },
            };
            if input.len() - self.position < len + 2 {
                self.word_len = Some(len);
                break;
            }
            self.words.push(self.position..self.position + len);
            self.position += len + 2;
            self.word_len = None;
            missing -= 1;
        }
        self.missing = Some(missing);
        Ok(missing == 0)
    }

    fn read_word_len(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        let Some((line, end)) = line_at(input, self.position) else {
            incomplete(input.len() - self.position, ProtocolError::BulkTooBig)?;
            return Ok(None);
        };
        match line.first() {
            Some(b'$') => {}
            other => return Err(ProtocolError::ExpectedBulk(other.copied().unwrap_or(b'\r'))),
        }
        let len = number::parse_i64(&line[1..])
            .and_then(|len| u64::try_from(len).ok())
            .filter(|len| *len <= limits.bulk_bytes_max)
            .ok_or(ProtocolError::InvalidBulk)?;
        if limits.unauthenticated && len > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        self.position = end;
        Ok(Some(len as usize))
    }

    fn read_inline(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        // Redis looks for the end of a line in a C string: a NUL before it hides it.
        let Some(newline) = memchr::memchr2(b'\n', 0, input).filter(|at| input[*at] != 0) else {
            return incomplete(input.len(), ProtocolError::InlineTooBig);
        };
        let line = input[..newline].strip_suffix(b"\r").unwrap_or(&input[..newline]);
        let mut text = Vec::new();
        let mut rest = line;
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                break;
            }
            let start = text.len();
            rest = unquote(rest, &mut text).ok_or(ProtocolError::UnbalancedQuotes)?;
            self.words.push(start..text.len());
        }
        self.unquoted = Some(text);
        self.position = newline + 1;
        Ok(true)
    }
}

/// Splits a line into words as an inline request is split (quotes, `\n`, `\xff`); `None` if quotes
/// are unbalanced. Configuration files are read by the same rule. A NUL ends the line.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = until_nul(line);
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = unquote(rest, &mut word)?.trim_ascii_start();
        words.push(word);
    }
    Some(words)
}

/// Appends the first word of `input`, unquoted, and returns what follows it.
fn unquote<'a>(input: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = input;
    loop {
        match *rest {
            [] => return Some(rest),
            [b'"', ref inside @ ..] => return closed(double_quoted(inside, word)?),
            [b'\'', ref inside @ ..] => return closed(single_quoted(inside, word)?),
            [byte, ref after @ ..] => {
                if byte.is_ascii_whitespace() {
                    return Some(rest);
                }
                word.push(byte);
                rest = after;
            }
        }
    }
}

/// A closing quote must be followed by a space or by nothing.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'"', ref after @ ..] => return Some(after),
            [b'\\', b'x', high, low, ref after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex_digit(high) << 4 | hex_digit(low));
                after
            }
            [b'\\', escaped, ref after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                after
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'\'', ref after @ ..] => return Some(after),
            [b'\\', b'\'', ref after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        };
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// The line that starts at `from`, without its end, and where the next one starts.
fn line_at(input: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = &input[from..];
    let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = memchr::memchr(b'\r', window)?;
    // Redis does not look at the byte after the carriage return, but it waits for it.
    (rest.len() > end + 1).then(|| (&rest[..end], from + end + 2))
}

/// Waits for more, unless the line is already too long.
fn incomplete(pending: usize, too_big: ProtocolError) -> Result<bool, ProtocolError> {
    if pending > LINE_BYTES_MAX { Err(too_big) } else { Ok(false) }
}

#[cfg(test)]
mod tests {
    use super::{Limits, ProtocolError, Request, split_words};

    /// Feeds `input` in pieces of `step` bytes and returns every request's words.
    fn read_all(input: &[u8], step: usize) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let (mut request, mut requests) = (Request::default(), Vec::new());
        let (mut start, mut end) = (0, 0);
        while end < input.len() {
            end = (end + step).min(input.len());
            while let Some(taken) = request.read(&input[start..end], &Limits::default())? {
                let words = request.words(&input[start..end]);
                requests.push(words.iter().map(|w| w.to_vec()).collect());
                start += taken;
            }
        }
        Ok(requests)
    }

    fn words(requests: &[&[&str]]) -> Vec<Vec<Vec<u8>>> {
        requests.iter().map(|words| words.iter().map(|w| w.as_bytes().to_vec()).collect()).collect()
    }

    #[test]
    fn any_split_gives_the_same_requests() {
        let input =
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*0\r\n\r\n*1\r\n$0\r\n\r\nset a \"b c\"\n";
        let expected = words(&[&["GET", "k"], &["PING"], &[], &[], &[""], &["set", "a", "b c"]]);
        for step in 1..=input.len() {
            assert_eq!(read_all(input, step).as_ref(), Ok(&expected), "step {step}");
        }
    }

    #[test]
    fn inline_words_are_unquoted_as_in_a_shell() {
        let input = b"  SET 'it\\'s' \"a\\x41\\n\\\"\" plain\"quoted\"\r\n";
        assert_eq!(read_all(input, 3), Ok(words(&[&["SET", "it's", "aA\n\"", "plainquoted"]])));
        assert_eq!(read_all(b"SET \"a\r\n", 9), Err(ProtocolError::UnbalancedQuotes));
        assert_eq!(read_all(b"SET \"a\"b\r\n", 9), Err(ProtocolError::UnbalancedQuotes));
    }

    #[test]
    fn errors_are_in_redis_words() {
        for (input, text) in [
            ("*x\r\n", "invalid multibulk length"),
            ("*2147483648\r\n", "invalid multibulk length"),
            ("*1\r\n:1\r\n", "expected '$', got ':'"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
            ("*1\r\n$536870913\r\n", "invalid bulk length"),
            ("*1\r\n$1x\r\n", "invalid bulk length"),
        ] {
            let error = read_all(input.as_bytes(), 1).expect_err(input);
            assert_eq!(error.to_string(), text, "{input:?}");
        }
    }

    #[test]
    fn lines_without_end_are_refused() {
        let long = vec![b'x'; 70_000];
        assert_eq!(read_all(&long, 1000), Err(ProtocolError::InlineTooBig));
        let count = [b"*".as_slice(), &vec![b'1'; 70_000]].concat();
        assert_eq!(read_all(&count, 1000), Err(ProtocolError::CountTooBig));
        let bulk = [b"*1\r\n$".as_slice(), &vec![b'1'; 70_000]].concat();
        assert_eq!(read_all(&bulk, 1000), Err(ProtocolError::BulkTooBig));
    }

    #[test]
    fn a_nul_hides_the_end_of_an_inline_request_and_ends_a_line_of_a_file() {
        assert_eq!(read_all(b"PING \0\r\nPING\r\n", 99), Ok(words(&[])));
        let long = [b"a\0\n".as_slice(), &vec![b'x'; 70_000]].concat();
        assert_eq!(read_all(&long, 1000), Err(ProtocolError::InlineTooBig));
        assert_eq!(split_words(b"port \0 1"), Some(vec![b"port".to_vec()]));
        assert_eq!(split_words(b"\0"), Some(vec![]));
    }

    #[test]
    fn a_stranger_gets_little() {
        let limits = Limits { unauthenticated: true, ..Limits::default() };
        let read = |input: &[u8]| Request::default().read(input, &limits);
        assert_eq!(read(b"*11\r\n"), Err(ProtocolError::UnauthenticatedCount));
        assert_eq!(read(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedBulk));
        assert_eq!(read(b"*1\r\n$4\r\nPING\r\n"), Ok(Some(14)));
    }
}
