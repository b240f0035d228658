//! What a primary answers to PSYNC: go on where the replica stopped, or start over.

use bytes::Bytes;

use super::History;
use crate::machine::{FullSyncReason, LogLevel};

/// What a replica asked for: `PSYNC <replid> <offset>`.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The history it knows, `?` for none.
    pub replid: &'a [u8],
    /// The next byte it wants; -1 for none.
    pub offset: i64,
}

impl Request<'_> {
    /// SYNC asks for the whole dataset.
    pub const SYNC: Request<'static> = Request { replid: b"?", offset: -1 };

    /// Whether a refusal counts in `sync_partial_err`.
    pub fn knows_a_history(self) -> bool {
        self.replid != b"?"
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The replica is online at once and gets the bytes it missed.
    Partial {
        /// First byte to send.
        from: u64,
        /// Bytes that are there to be sent now.
        bytes: u64,
        /// Whether the replica knew the history by its previous name.
        by_previous_id: bool,
    },
    /// The replica needs a snapshot.
    Full(FullSyncReason),
}

impl Decision {
    /// Decides by two questions: is it our history, and do we still hold the bytes?
    pub fn of(history: &History, request: Request<'_>) -> Self {
        let by_previous_id = match recognise(history, request) {
            Ok(by_previous_id) => by_previous_id,
            Err(reason) => return Self::Full(reason),
        };
        let Some(held) = history.stream.backlog() else {
            return Self::Full(FullSyncReason::NoBacklog);
        };
        // The next byte to be produced may be asked for: it yields nothing yet.
        let next = held.first + held.len;
        match u64::try_from(request.offset) {
            Ok(asked) if asked > next => Self::Full(FullSyncReason::AfterBacklog { asked, next }),
            Ok(from) if from >= held.first => {
                Self::Partial { from, bytes: next - from, by_previous_id }
            }
            asked => Self::Full(FullSyncReason::BeforeBacklog {
                asked: asked.unwrap_or(0),
                first: held.first,
            }),
        }
    }

    /// The line that Redis logs about it, `replica` being `host:port`.
    pub fn log(&self, request: Request<'_>, replica: &str) -> (LogLevel, String) {
        let asked = String::from_utf8_lossy(request.replid);
        match self {
            Self::Partial { from, bytes, .. } => (
                LogLevel::Notice,
                format!(
                    "Partial resynchronization request from {replica} accepted. Sending {bytes} \
                     bytes of backlog starting from offset {from}."
                ),
            ),
            Self::Full(FullSyncReason::NoHistory) => {
                (LogLevel::Notice, format!("Full resync requested by replica {replica}"))
            }
            Self::Full(FullSyncReason::OtherHistory { ours, previous, .. }) => (
                LogLevel::Notice,
                format!(
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica \
                     asked for '{asked}', my replication IDs are '{ours}' and '{}')",
                    previous.as_deref().unwrap_or(NO_REPLID)
                ),
            ),
            Self::Full(FullSyncReason::AheadOfShared { asked, shared_until }) => (
                LogLevel::Notice,
                format!(
                    "Partial resynchronization not accepted: Requested offset for second ID was \
                     {asked}, but I can reply up to {shared_until}"
                ),
            ),
            Self::Full(FullSyncReason::AfterBacklog { .. }) => (
                LogLevel::Warning,
                format!(
                    "Warning: replica {replica} tried to PSYNC with an offset that is greater \
                     than the master replication offset."
                ),
            ),
            Self::Full(FullSyncReason::NoBacklog | FullSyncReason::BeforeBacklog { .. }) => (
                LogLevel::Notice,
                format!(
                    "Unable to partial resync with replica {replica} for lack of backlog (Replica \
                     request was: {}).",
                    request.offset
                ),
            ),
        }
    }
}

/// How INFO writes an unset `master_replid2`.
pub const NO_REPLID: &str = "0000000000000000000000000000000000000000";

/// `+CONTINUE`, with the name of the history for a replica that understands a change of it.
pub fn continue_line(history: &History, psync2: bool) -> Bytes {
    if psync2 {
        format!("+CONTINUE {}\r\n", history.replid()).into()
    } else {
        Bytes::from_static(b"+CONTINUE\r\n")
    }
}

/// Whether the request is about our history: `Ok(true)` if it uses the previous name.
fn recognise(history: &History, request: Request<'_>) -> Result<bool, FullSyncReason> {
    if history.replid().matches(request.replid) {
        return Ok(false);
    }
    if !request.knows_a_history() {
        return Err(FullSyncReason::NoHistory);
    }
    match history.previous() {
        Some(previous) if previous.replid.matches(request.replid) => {
            match u64::try_from(request.offset) {
                Ok(asked) if asked > previous.second_offset => Err(FullSyncReason::AheadOfShared {
                    asked,
                    shared_until: previous.second_offset,
                }),
                _ => Ok(true),
            }
        }
        previous => Err(FullSyncReason::OtherHistory {
            asked: String::from_utf8_lossy(request.replid).into_owned(),
            ours: history.replid().to_string(),
            previous: previous.map(|previous| previous.replid.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Dice;
    use crate::repl::Stream;

    /// Offset 50, backlog 1..=50.
    fn history() -> (History, Dice) {
        let mut dice = Dice::new(1);
        let mut history = History::new(&mut dice, Stream::new(1 << 20));
        history.stream.open_backlog();
        history.stream.append(&[b'x'; 50]);
        (history, dice)
    }

    fn ask(history: &History, replid: &str, offset: i64) -> Decision {
        Decision::of(history, Request { replid: replid.as_bytes(), offset })
    }

    fn partial(from: u64, bytes: u64) -> Decision {
        Decision::Partial { from, bytes, by_previous_id: false }
    }

    #[test]
    fn the_bounds_of_the_backlog() {
        let (history, _) = history();
        let id = history.replid().to_string();
        assert_eq!(ask(&history, &id, 51), partial(51, 0), "exactly the next byte");
        assert_eq!(ask(&history, &id, 50), partial(50, 1));
        assert_eq!(ask(&history, &id, 1), partial(1, 50), "the first byte held");
        assert_eq!(
            ask(&history, &id, 52),
            Decision::Full(FullSyncReason::AfterBacklog { asked: 52, next: 51 })
        );
        for before in [0, -1, i64::MIN] {
            assert_eq!(
                ask(&history, &id, before),
                Decision::Full(FullSyncReason::BeforeBacklog { asked: 0, first: 1 })
            );
        }
        assert_eq!(ask(&history, &id.to_uppercase(), 51), partial(51, 0), "case does not matter");
    }

    #[test]
    fn an_unknown_history_is_refused() {
        let (history, _) = history();
        let ours = history.replid().to_string();
        let asked = "f".repeat(40);
        assert_eq!(
            ask(&history, &asked, 51),
            Decision::Full(FullSyncReason::OtherHistory { asked, ours, previous: None })
        );
        assert_eq!(ask(&history, "?", -1), Decision::Full(FullSyncReason::NoHistory));
        assert_eq!(Decision::of(&history, Request::SYNC), ask(&history, "?", -1));
    }

    #[test]
    fn the_unset_previous_name_is_not_a_name() {
        let (history, _) = history();
        assert!(matches!(
            ask(&history, NO_REPLID, 51),
            Decision::Full(FullSyncReason::OtherHistory { .. })
        ));
    }

    #[test]
    fn the_previous_name_counts_up_to_the_second_offset() {
        let (mut history, mut dice) = history();
        let old = history.replid().to_string();
        history.shift(&mut dice);
        history.stream.append(b"0123456789");
        let by_previous = |from, bytes| Decision::Partial { from, bytes, by_previous_id: true };
        assert_eq!(ask(&history, &old, 51), by_previous(51, 10));
        assert_eq!(ask(&history, &old, 1), by_previous(1, 60));
        assert_eq!(
            ask(&history, &old, 52),
            Decision::Full(FullSyncReason::AheadOfShared { asked: 52, shared_until: 51 })
        );
        assert_eq!(ask(&history, &history.replid().to_string(), 61), partial(61, 0));
    }

    #[test]
    fn without_a_backlog_nothing_continues() {
        let (mut history, _) = history();
        history.stream.free_backlog();
        assert_eq!(
            ask(&history, history.replid().as_str(), 51),
            Decision::Full(FullSyncReason::NoBacklog)
        );
    }

    #[test]
    fn a_trimmed_backlog_starts_later() {
        let (mut history, _) = history();
        history.stream.resize(0);
        history.stream.append(&vec![b'y'; 100_000]);
        history.stream.trim(None);
        let first = history.stream.backlog().unwrap().first;
        assert!(first > 1);
        let id = history.replid().to_string();
        assert_eq!(
            ask(&history, &id, first as i64 - 1),
            Decision::Full(FullSyncReason::BeforeBacklog { asked: first - 1, first })
        );
        assert_eq!(ask(&history, &id, first as i64), partial(first, 100_050 - first + 1));
    }

    #[test]
    fn the_continue_line_names_the_history_if_it_may() {
        let (history, _) = history();
        assert_eq!(continue_line(&history, false), "+CONTINUE\r\n");
        assert_eq!(continue_line(&history, true), format!("+CONTINUE {}\r\n", history.replid()));
    }

    #[test]
    fn the_log_speaks_redis() {
        let (history, _) = history();
        let replid = history.replid();
        let request = Request { replid: replid.as_str().as_bytes(), offset: 41 };
        assert_eq!(
            Decision::of(&history, request).log(request, "127.0.0.1:7001").1,
            "Partial resynchronization request from 127.0.0.1:7001 accepted. Sending 10 bytes of \
             backlog starting from offset 41."
        );
    }
}
