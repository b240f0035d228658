//! How a replica understands the reply to its PSYNC.

use super::ReplId;
use crate::base::number::parse_i64;

/// What the primary decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An empty line while the primary prepares.
    Keepalive,
    /// The whole dataset comes. Without a name and an offset it cannot be continued later.
    Full(Option<(ReplId, u64)>),
    /// The stream goes on, under this name if one is given.
    Continue(Option<ReplId>),
    /// Not now.
    Later,
    /// The primary refuses PSYNC, or does not know it.
    Refused,
    /// Not a reply to PSYNC at all.
    Foreign,
}

impl Verdict {
    pub(super) fn of(line: &[u8]) -> Self {
        if line.is_empty() {
            Self::Keepalive
        } else if let Some(rest) = line.strip_prefix(b"+FULLRESYNC") {
            Self::Full(history(rest))
        } else if let Some(rest) = line.strip_prefix(b"+CONTINUE") {
            Self::Continue(rest.strip_prefix(b" ").and_then(ReplId::parse))
        } else if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
            Self::Later
        } else if line.starts_with(b"-ERR") {
            Self::Refused
        } else {
            Self::Foreign
        }
    }
}

/// ` <id> <offset>`
fn history(words: &[u8]) -> Option<(ReplId, u64)> {
    let mut words = words.strip_prefix(b" ")?.splitn(2, |byte| *byte == b' ');
    let replid = ReplId::parse(words.next()?)?;
    let offset = u64::try_from(parse_i64(words.next()?)?).ok()?;
    Some((replid, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_table() {
        let id = "a1".repeat(20);
        let replid = ReplId::parse(id.as_bytes()).unwrap();
        for (line, verdict) in [
            (String::new(), Verdict::Keepalive),
            (format!("+FULLRESYNC {id} 50"), Verdict::Full(Some((replid, 50)))),
            (format!("+FULLRESYNC {id} 0"), Verdict::Full(Some((replid, 0)))),
            (format!("+FULLRESYNC {id}a 50"), Verdict::Full(None)),
            ("+FULLRESYNC abc 50".to_owned(), Verdict::Full(None)),
            (format!("+FULLRESYNC {id}"), Verdict::Full(None)),
            (format!("+FULLRESYNC {id} x"), Verdict::Full(None)),
            (format!("+FULLRESYNC {id} -1"), Verdict::Full(None)),
            ("+FULLRESYNC".to_owned(), Verdict::Full(None)),
            ("+CONTINUE".to_owned(), Verdict::Continue(None)),
            (format!("+CONTINUE {id}"), Verdict::Continue(Some(replid))),
            ("+CONTINUE short".to_owned(), Verdict::Continue(None)),
            ("-NOMASTERLINK Can't SYNC while failing over".to_owned(), Verdict::Later),
            ("-LOADING Redis is loading the dataset in memory".to_owned(), Verdict::Later),
            ("-ERR unknown command 'PSYNC'".to_owned(), Verdict::Refused),
            ("-NOPERM no".to_owned(), Verdict::Foreign),
            ("+DUALCHANNELSYNC".to_owned(), Verdict::Foreign),
            ("+OK".to_owned(), Verdict::Foreign),
            ("$10".to_owned(), Verdict::Foreign),
        ] {
            assert_eq!(Verdict::of(line.as_bytes()), verdict, "{line}");
        }
    }
}
