//! Replies as the lab's own clients read them, and as redis-cli prints them.

use std::fmt::Write as _;

use crate::base::text::quoted;

/// Arrays within arrays that a reply may have.
const REPLY_DEPTH_MAX: usize = 32;

/// A reply of a server, RESP2 or RESP3.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    /// Text for people.
    Verbatim(String),
    Nil,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Double(String),
    Bool(bool),
}

impl Reply {
    /// Reads one reply from the front of `data`, with the number of bytes it takes. `None` if more
    /// must come first, an error if this is no reply.
    pub fn decode(data: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut cursor = Cursor { data, at: 0 };
        match cursor.reply(0) {
            Ok(reply) => Ok(Some((reply, cursor.at))),
            Err(Stop::Incomplete) => Ok(None),
            Err(Stop::Broken(reason)) => Err(reason),
        }
    }

    /// The text of an error reply.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The bare answer on one line: what claims compare.
    pub fn line(&self) -> String {
        let list = |items: &[Self]| items.iter().map(Self::line).collect::<Vec<_>>().join(" ");
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Verbatim(text) | Self::Double(text) => {
                text.clone()
            }
            Self::Integer(number) => number.to_string(),
            Self::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Nil => "(nil)".to_owned(),
            Self::Array(items) | Self::Set(items) => list(items),
            Self::Map(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{} {}", key.line(), value.line()));
                pairs.collect::<Vec<_>>().join(" ")
            }
            Self::Bool(is_so) => is_so.to_string(),
        }
    }

    /// As redis-cli prints it after this command: some answers are text for people.
    pub fn print(&self, words: &[String]) -> String {
        match self {
            Self::Bulk(text) if is_for_people(words) => {
                String::from_utf8_lossy(text).replace("\r\n", "\n").trim_end().to_owned()
            }
            _ => {
                let mut out = String::new();
                self.print_into(&mut out, "");
                out
            }
        }
    }

    fn print_into(&self, out: &mut String, prefix: &str) {
        match self {
            Self::Simple(text) | Self::Verbatim(text) => out.push_str(text),
            Self::Error(text) => out.extend(["(error) ", text]),
            Self::Integer(number) => {
                let _ = write!(out, "(integer) {number}");
            }
            Self::Bulk(text) => out.push_str(&quoted(text)),
            Self::Nil => out.push_str("(nil)"),
            Self::Double(text) => out.extend(["(double) ", text]),
            Self::Bool(true) => out.push_str("(true)"),
            Self::Bool(false) => out.push_str("(false)"),
            Self::Array(items) if items.is_empty() => out.push_str("(empty array)"),
            Self::Set(items) if items.is_empty() => out.push_str("(empty set)"),
            Self::Map(pairs) if pairs.is_empty() => out.push_str("(empty hash)"),
            Self::Array(items) => list(items.iter().map(|item| (None, item)), ')', out, prefix),
            Self::Set(items) => list(items.iter().map(|item| (None, item)), '~', out, prefix),
            Self::Map(pairs) => {
                list(pairs.iter().map(|(key, value)| (Some(key), value)), '#', out, prefix);
            }
        }
    }
}

/// Numbered lines; what nests is indented by the width of the number.
fn list<'a>(
    items: impl ExactSizeIterator<Item = (Option<&'a Reply>, &'a Reply)>,
    mark: char,
    out: &mut String,
    prefix: &str,
) {
    let width = items.len().to_string().len();
    let deeper = format!("{prefix}{}", " ".repeat(width + 2));
    for (i, (key, value)) in items.enumerate() {
        if i > 0 {
            out.push('\n');
            out.push_str(prefix);
        }
        let _ = write!(out, "{:>width$}{mark} ", i + 1);
        if let Some(key) = key {
            key.print_into(out, &deeper);
            out.push_str(" => ");
        }
        value.print_into(out, &deeper);
    }
}

/// Commands whose answer redis-cli prints raw.
fn is_for_people(words: &[String]) -> bool {
    let word = |i: usize| words.get(i).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let (command, sub) = (word(0), word(1));
    match command.as_str() {
        "info" | "lolwut" => true,
        "client" => matches!(sub.as_str(), "list" | "info"),
        "cluster" => matches!(sub.as_str(), "nodes" | "info"),
        "latency" => matches!(sub.as_str(), "graph" | "doctor"),
        "memory" => matches!(sub.as_str(), "doctor" | "malloc-stats"),
        "debug" => matches!(sub.as_str(), "htstats" | "htstats-key"),
        _ => false,
    }
}

struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

enum Stop {
    Incomplete,
    Broken(String),
}

impl Cursor<'_> {
    fn line(&mut self) -> Result<String, Stop> {
        let rest = &self.data[self.at..];
        let end = memchr::memmem::find(rest, b"\r\n").ok_or(Stop::Incomplete)?;
        self.at += end + 2;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn reply(&mut self, depth: usize) -> Result<Reply, Stop> {
        if depth > REPLY_DEPTH_MAX {
            return Err(Stop::Broken("a reply nests too deeply".to_owned()));
        }
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match kind {
            "+" => Ok(Reply::Simple(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => rest.parse().map(Reply::Integer).map_err(|_| broken(&line)),
            "$" | "=" | "!" => self.bulk(kind, &line, rest),
            "*" | ">" | "~" | "%" => match length(rest, &line)? {
                None => Ok(Reply::Nil),
                Some(count) => self.items(kind, count, depth),
            },
            "_" => Ok(Reply::Nil),
            "," => Ok(Reply::Double(rest.to_owned())),
            "(" => Ok(Reply::Simple(rest.to_owned())),
            "#" => Ok(Reply::Bool(rest == "t")),
            _ => Err(broken(&line)),
        }
    }

    fn bulk(&mut self, kind: &str, line: &str, rest: &str) -> Result<Reply, Stop> {
        let Some(len) = length(rest, line)? else { return Ok(Reply::Nil) };
        let text = self.data[self.at..].get(..len).ok_or(Stop::Incomplete)?;
        if self.data.len() < self.at + len + 2 {
            return Err(Stop::Incomplete);
        }
        self.at += len + 2;
        Ok(match kind {
            "=" => Reply::Verbatim(String::from_utf8_lossy(&text[4.min(len)..]).into_owned()),
            "!" => Reply::Error(String::from_utf8_lossy(text).into_owned()),
            _ => Reply::Bulk(text.to_vec()),
        })
    }

    fn items(&mut self, kind: &str, count: usize, depth: usize) -> Result<Reply, Stop> {
        if kind == "%" {
            let mut pairs = Vec::new();
            for _ in 0..count {
                pairs.push((self.reply(depth + 1)?, self.reply(depth + 1)?));
            }
            return Ok(Reply::Map(pairs));
        }
        let items = (0..count).map(|_| self.reply(depth + 1)).collect::<Result<_, _>>()?;
        Ok(if kind == "~" { Reply::Set(items) } else { Reply::Array(items) })
    }
}

fn broken(line: &str) -> Stop {
    Stop::Broken(format!("not a reply: {line:.40}"))
}

fn length(text: &str, line: &str) -> Result<Option<usize>, Stop> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(length) => usize::try_from(length).map(Some).map_err(|_| broken(line)),
        Err(_) => Err(broken(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::Reply;

    fn printed(wire: &str, command: &str) -> String {
        let (reply, len) = Reply::decode(wire.as_bytes()).unwrap().unwrap();
        assert_eq!(len, wire.len());
        reply.print(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn replies_look_as_redis_cli_prints_them() {
        assert_eq!(printed("+OK\r\n", "SET"), "OK");
        assert_eq!(printed("-ERR no\r\n", "SET"), "(error) ERR no");
        assert_eq!(printed(":3\r\n", "INCR"), "(integer) 3");
        assert_eq!(printed("$-1\r\n", "GET"), "(nil)");
        assert_eq!(printed("$4\r\na\"\r\u{1}\r\n", "GET"), r#""a\"\r\x01""#);
        assert_eq!(printed("*0\r\n", "KEYS"), "(empty array)");
        let role = "*3\r\n$6\r\nmaster\r\n:0\r\n*2\r\n*1\r\n:1\r\n:2\r\n";
        assert_eq!(
            printed(role, "ROLE"),
            "1) \"master\"\n2) (integer) 0\n3) 1) 1) (integer) 1\n   2) (integer) 2"
        );
        assert_eq!(printed("=5\r\ntxt:a\r\n", "X"), "a");
        assert_eq!(printed("%1\r\n+a\r\n:1\r\n", "HELLO"), "1# a => (integer) 1");
        assert_eq!(printed("$9\r\n# A\r\nb:1\r\r\n", "INFO"), "# A\nb:1");
    }

    #[test]
    fn half_a_reply_waits_for_the_rest() {
        let whole = b"*2\r\n$3\r\nabc\r\n:1\r\n";
        for end in 0..whole.len() {
            assert_eq!(Reply::decode(&whole[..end]), Ok(None), "{end}");
        }
        assert!(Reply::decode(b"HTTP/1.1 200\r\n").is_err());
    }
}
