//! A line cut into words, as redis-cli cuts its own, each with its place in the line.

use std::ops::Range;

use super::parse::ParseError;

/// One word, without its quotes.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub text: String,
    pub span: Range<usize>,
}

/// The words of a line that are not read yet.
pub(super) struct Words {
    rest: std::iter::Peekable<std::vec::IntoIter<Word>>,
    end: usize,
    /// How the action at hand is written.
    pub usage: &'static str,
}

/// Cuts a line into words. A word in double quotes knows the escapes `\" \\ \n \r \t \xHH`, one in
/// single quotes `\'`.
pub(super) fn split(line: &str) -> Result<Words, ParseError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(skipped) = line[at..].find(|c: char| !c.is_whitespace()) {
        at += skipped;
        let rest = &line[at..];
        let (text, len) = if let quote @ ('"' | '\'') = char::from(rest.as_bytes()[0]) {
            quoted(line, at, quote)?
        } else {
            let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest[..len].to_owned(), len)
        };
        words.push(Word { text, span: at..at + len });
        at += len;
    }
    Ok(Words { rest: words.into_iter().peekable(), end: line.len(), usage: "" })
}

/// The word that begins with a quote at `start`, and its length in the line.
fn quoted(line: &str, start: usize, quote: char) -> Result<(String, usize), ParseError> {
    let mut text = String::new();
    let mut chars = line[start + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        let at = start + 1 + offset;
        if c == quote {
            let after = at + 1;
            if line[after..].starts_with(|c: char| !c.is_whitespace()) {
                return Err(ParseError::new(at..after, "a closing quote ends its word")
                    .help("put a space after it"));
            }
            return Ok((text, after - start));
        }
        let is_escape = c == '\\' && (quote == '"' || line[at + 1..].starts_with(quote));
        if !is_escape {
            text.push(c);
            continue;
        }
        text.push(match chars.next().map(|(_, c)| c) {
            Some(c) if c == quote => c,
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('x') => {
                let code =
                    line.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                chars.next();
                chars.next();
                code.filter(u8::is_ascii).map(char::from).ok_or_else(|| {
                    ParseError::new(at..at + 2, "an escape that is not known")
                        .help("\\x wants two hex digits below 80")
                })?
            }
            _ => {
                return Err(ParseError::new(at..at + 1, "an escape that is not known")
                    .help("escapes are \\\" \\\\ \\n \\r \\t \\xHH"));
            }
        });
    }
    Err(ParseError::new(start..line.len(), "a quote is not closed").help("end the word with it"))
}

impl Words {
    /// The next word, or an error that says what is missing.
    pub fn next(&mut self, what: &str, help: &str) -> Result<Word, ParseError> {
        self.rest.next().ok_or_else(|| {
            ParseError::new(self.end..self.end, format!("{what} is missing")).help(help)
        })
    }

    /// The next word, if there is one.
    pub fn take(&mut self) -> Option<Word> {
        self.rest.next()
    }

    /// The next word, if it is of this kind.
    pub fn take_if(&mut self, is: impl FnOnce(&str) -> bool) -> Option<Word> {
        self.rest.next_if(|word| is(&word.text))
    }

    /// The next word, left in place.
    pub fn peek(&mut self) -> Option<&str> {
        self.rest.peek().map(|word| word.text.as_str())
    }

    /// Complains about anything that is left.
    pub fn end(mut self) -> Result<(), ParseError> {
        match self.rest.next() {
            None => Ok(()),
            Some(word) => {
                Err(ParseError::new(word.span, format!("`{}` is too much here", word.text))
                    .help(self.usage))
            }
        }
    }
}
