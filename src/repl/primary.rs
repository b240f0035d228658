//! One attached replica, as its primary sees it.

use bytes::Bytes;

use super::{Announced, History, Stream};
use crate::machine::{Millis, ReplicaState, ReplicaView};

/// A connection that became a replica.
#[derive(Debug)]
pub struct Replica {
    /// What it said of itself.
    pub announced: Announced,
    /// Where its connection comes from, shown unless it announced something else.
    pub peer_ip: String,
    /// How far the attachment is.
    pub stage: Stage,
    /// The next byte of the stream to give to the connection.
    pub cursor: u64,
    used_sync: bool,
    acked: u64,
    heard_at: Millis,
    over_soft_limit_since: Option<Millis>,
}

/// How far the attachment of a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No snapshot for it was begun; it was promised nothing.
    WaitSnapshot {
        /// Since when.
        since: Millis,
    },
    /// Its snapshot is being made on disk. The stream from `cursor` on is kept for it.
    Saving,
    /// Its snapshot is being made onto its connection.
    Transferring {
        /// Since when its connection takes no more bytes.
        stuck_since: Option<Millis>,
        /// Bytes that waited in it at the last look.
        unsent_bytes: usize,
    },
    /// The snapshot file is being sent.
    SendFile,
    /// It gets the stream.
    Online {
        /// False between a marked snapshot and the first ACK.
        streaming: bool,
    },
}

/// What follows a snapshot that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterSnapshot {
    /// The stream.
    Stream,
    /// The first ACK, then the stream.
    AwaitAck,
    /// Nothing: it wanted only the snapshot. Close the connection.
    Close,
}

/// `client-output-buffer-limit replica`; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which the connection is closed at once.
    pub hard_bytes: u64,
    /// Bytes at which it is closed if they are reached without a break for longer than
    /// `soft_ms`.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_ms: Millis,
}

impl Replica {
    /// A replica that continues at byte `from`.
    pub fn continued(announced: Announced, peer_ip: String, from: u64, now: Millis) -> Self {
        let stage = Stage::Online { streaming: true };
        Self { stage, cursor: from, ..Self::waiting(announced, peer_ip, false, now) }
    }

    /// A replica that needs a snapshot. `used_sync`: it came by SYNC, so it is told no offset and
    /// sends no ACKs.
    pub fn waiting(announced: Announced, peer_ip: String, used_sync: bool, now: Millis) -> Self {
        Self {
            announced,
            peer_ip,
            stage: Stage::WaitSnapshot { since: now },
            cursor: 0,
            used_sync,
            acked: 0,
            heard_at: now,
            over_soft_limit_since: None,
        }
    }

    /// A snapshot for this replica begins at this instant, on disk ([`Stage::Saving`]) or onto
    /// the connection. Answers the line to send; the stream's next keyed command must be preceded
    /// by SELECT.
    pub fn begin_snapshot(&mut self, history: &History, stage: Stage) -> Option<Bytes> {
        self.stage = stage;
        self.cursor = history.offset() + 1;
        self.full_resync_line(history)
    }

    /// Joins the snapshot that is being saved for `other`, from where that one's stream begins.
    pub fn join_snapshot(&mut self, history: &History, other: &Self) -> Option<Bytes> {
        self.stage = other.stage;
        self.cursor = other.cursor;
        self.full_resync_line(history)
    }

    fn full_resync_line(&self, history: &History) -> Option<Bytes> {
        let offset = self.cursor - 1;
        (!self.used_sync).then(|| format!("+FULLRESYNC {} {offset}\r\n", history.replid()).into())
    }

    /// The last byte of the snapshot was given to the connection.
    pub fn snapshot_sent(&mut self, now: Millis) -> AfterSnapshot {
        let marked = matches!(self.stage, Stage::Transferring { .. });
        self.stage = Stage::Online { streaming: !marked };
        self.heard_at = now;
        if self.announced.rdb_only {
            AfterSnapshot::Close
        } else if marked {
            AfterSnapshot::AwaitAck
        } else {
            AfterSnapshot::Stream
        }
    }

    /// `REPLCONF ACK`. Answers whether this ACK opens the stream.
    pub fn on_ack(&mut self, offset: u64, now: Millis) -> bool {
        self.heard_at = now;
        self.acked = self.acked.max(offset);
        let opens = self.stage == Stage::Online { streaming: false };
        if opens {
            self.stage = Stage::Online { streaming: true };
        }
        opens
    }

    /// A bare newline: it lives, but has nothing to acknowledge yet.
    pub fn on_newline(&mut self, now: Millis) {
        self.heard_at = now;
    }

    /// Whether the stream may be given to its connection.
    pub fn is_streaming(&self) -> bool {
        self.stage == Stage::Online { streaming: true }
    }

    /// Whether it counts as a replica for ROLE, WAIT and `min-replicas-to-write`.
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online { .. })
    }

    /// The lowest byte of the stream that must be kept for it.
    pub fn needs(&self) -> Option<u64> {
        let waits = matches!(self.stage, Stage::WaitSnapshot { .. });
        (!waits && !self.announced.rdb_only).then_some(self.cursor)
    }

    /// Bytes of the stream that its connection was not given yet.
    pub fn behind(&self, stream: &Stream) -> u64 {
        self.needs().map_or(0, |next| (stream.offset() + 1).saturating_sub(next))
    }

    /// The last byte it acknowledged.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Whether it has applied the stream up to `offset`: what WAIT counts.
    pub fn has_applied(&self, offset: u64) -> bool {
        self.is_online() && !self.used_sync && self.acked >= offset
    }

    /// Whole seconds since it was heard: `lag=` in INFO, 0 unless it is online.
    pub fn lag_s(&self, now: Millis) -> u64 {
        if self.is_online() { now.saturating_sub(self.heard_at) / 1000 } else { 0 }
    }

    /// Whether it counts for `min-replicas-to-write`, given `min-replicas-max-lag`.
    pub fn is_good(&self, now: Millis, max_lag_s: u64) -> bool {
        self.is_online() && self.lag_s(now) <= max_lag_s
    }

    /// Whether `repl-timeout` has passed, and Redis's line about it.
    pub fn timed_out(&self, now: Millis, timeout_ms: Millis) -> Option<String> {
        let late = |since: Millis| now.saturating_sub(since) > timeout_ms;
        let phase = match self.stage {
            Stage::Online { .. } if !self.used_sync && late(self.heard_at) => "streaming sync",
            Stage::Transferring { stuck_since: Some(since), .. } if late(since) => "full sync",
            _ => return None,
        };
        Some(format!("Disconnecting timedout replica ({phase}): {}", self.name()))
    }

    /// Whether `pending_bytes` (what it is [behind](Replica::behind) and what waits in its
    /// connection) are more than it may keep the primary waiting for.
    pub fn is_over_limit(
        &mut self,
        pending_bytes: u64,
        limit: OutputLimit,
        backlog_size: u64,
        now: Millis,
    ) -> bool {
        let reached = |bytes: u64| bytes > 0 && pending_bytes >= bytes;
        // As much as the backlog keeps anyway is never too much.
        let hard = if limit.hard_bytes == 0 { 0 } else { limit.hard_bytes.max(backlog_size) };
        if !reached(limit.soft_bytes) {
            self.over_soft_limit_since = None;
            return reached(hard);
        }
        let since = *self.over_soft_limit_since.get_or_insert(now);
        reached(hard) || now.saturating_sub(since) > limit.soft_ms
    }

    /// `ip:port`, as Redis's log names a replica.
    pub fn name(&self) -> String {
        match self.announced.port {
            0 => format!("{}:<unknown-replica-port>", self.ip()),
            port => format!("{}:{port}", self.ip()),
        }
    }

    /// `state=` in INFO.
    pub fn state(&self) -> ReplicaState {
        match self.stage {
            Stage::WaitSnapshot { .. } | Stage::Saving | Stage::Transferring { .. } => {
                ReplicaState::WaitSnapshot
            }
            Stage::SendFile => ReplicaState::SendSnapshot,
            Stage::Online { .. } => ReplicaState::Online,
        }
    }

    /// Whether it waits and may be told so by newlines: none may stand inside a snapshot.
    pub fn is_kept_alive_by_newlines(&self) -> bool {
        matches!(self.stage, Stage::WaitSnapshot { .. } | Stage::Saving)
    }

    /// A picture of it. `queued_bytes` wait in its connection.
    pub fn view(&self, stream: &Stream, queued_bytes: u64, now: Millis) -> ReplicaView {
        ReplicaView {
            ip: self.ip().to_owned(),
            port: self.announced.port,
            state: self.state(),
            acked: self.acked,
            ack_age_ms: if self.is_online() { now.saturating_sub(self.heard_at) } else { 0 },
            unsent_bytes: self.behind(stream) + queued_bytes,
        }
    }

    /// The address it announced, else the one its connection comes from.
    pub fn ip(&self) -> &str {
        self.announced.ip.as_deref().unwrap_or(&self.peer_ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Dice;

    const TRANSFER: Stage = Stage::Transferring { stuck_since: None, unsent_bytes: 0 };

    fn history() -> History {
        let mut history = History::new(&mut Dice::new(1), Stream::new(1 << 20));
        history.stream.open_backlog();
        history.stream.append(&[b'x'; 50]);
        history
    }

    fn waiting(announced: Announced) -> Replica {
        Replica::waiting(announced, "10.0.0.1".to_owned(), false, 0)
    }

    fn online() -> Replica {
        let announced = Announced { port: 7001, ..Announced::default() };
        Replica::continued(announced, "10.0.0.1".to_owned(), 51, 0)
    }

    #[test]
    fn nothing_is_promised_or_kept_before_the_snapshot_begins() {
        let (mut history, mut replica) = (history(), waiting(Announced::default()));
        assert_eq!((replica.needs(), replica.behind(&history.stream)), (None, 0));
        let line = replica.begin_snapshot(&history, TRANSFER).unwrap();
        assert_eq!(line, format!("+FULLRESYNC {} 50\r\n", history.replid()));
        history.stream.append(b"0123456789");
        assert_eq!((replica.needs(), replica.behind(&history.stream)), (Some(51), 10));
    }

    #[test]
    fn a_marked_snapshot_holds_the_stream_back_until_the_first_ack() {
        let mut replica = waiting(Announced::default());
        replica.begin_snapshot(&history(), TRANSFER);
        assert_eq!(replica.snapshot_sent(9), AfterSnapshot::AwaitAck);
        assert!(replica.is_online() && !replica.is_streaming());
        assert!(replica.on_ack(50, 10), "this one opens the stream");
        assert!(replica.is_streaming());
        assert!(!replica.on_ack(60, 11));
    }

    #[test]
    fn a_snapshot_from_disk_is_followed_by_the_stream() {
        let mut replica = waiting(Announced::default());
        replica.begin_snapshot(&history(), Stage::Saving);
        replica.stage = Stage::SendFile;
        assert_eq!(replica.snapshot_sent(9), AfterSnapshot::Stream);
        assert!(replica.is_streaming());
    }

    #[test]
    fn a_newcomer_shares_the_offset_of_a_snapshot_being_saved() {
        let mut history = history();
        let (mut first, mut second) =
            (waiting(Announced::default()), waiting(Announced::default()));
        first.begin_snapshot(&history, Stage::Saving);
        history.stream.append(b"0123456789");
        let line = second.join_snapshot(&history, &first).unwrap();
        assert_eq!(line, format!("+FULLRESYNC {} 50\r\n", history.replid()));
        assert_eq!((second.stage, second.cursor), (Stage::Saving, 51));
    }

    #[test]
    fn one_that_wants_only_the_snapshot_keeps_no_stream_and_is_closed() {
        let mut replica = waiting(Announced { rdb_only: true, ..Announced::default() });
        replica.begin_snapshot(&history(), TRANSFER);
        assert_eq!(replica.needs(), None);
        assert_eq!(replica.snapshot_sent(9), AfterSnapshot::Close);
    }

    #[test]
    fn one_that_came_by_sync_is_told_no_offset_and_never_times_out() {
        let mut replica = Replica::waiting(Announced::default(), "10.0.0.1".to_owned(), true, 0);
        assert_eq!(replica.begin_snapshot(&history(), Stage::Saving), None);
        replica.snapshot_sent(0);
        assert_eq!(replica.timed_out(1_000_000, 60_000), None);
        assert!(!replica.has_applied(0));
    }

    #[test]
    fn acks_only_move_forward_but_always_prove_life() {
        let mut replica = online();
        replica.on_ack(100, 1000);
        replica.on_ack(80, 5000);
        assert_eq!(replica.acked(), 100);
        assert!(replica.has_applied(100) && !replica.has_applied(101));
        assert_eq!(replica.lag_s(6999), 1);
        replica.on_newline(6999);
        assert_eq!(replica.lag_s(6999), 0);
    }

    #[test]
    fn a_good_replica_is_online_and_was_heard_within_whole_seconds() {
        let replica = online();
        assert!(replica.is_good(10_999, 10));
        assert!(!replica.is_good(11_000, 10));
        assert!(!waiting(Announced::default()).is_good(0, 10));
    }

    #[test]
    fn silence_and_a_stuck_transfer_end_in_a_timeout() {
        let mut replica = online();
        assert_eq!(replica.timed_out(60_000, 60_000), None);
        assert_eq!(
            replica.timed_out(60_001, 60_000).unwrap(),
            "Disconnecting timedout replica (streaming sync): 10.0.0.1:7001"
        );
        replica.stage = TRANSFER;
        assert_eq!(replica.timed_out(60_001, 60_000), None, "only while its connection is stuck");
        replica.stage = Stage::Transferring { stuck_since: Some(1), unsent_bytes: 1 };
        assert!(replica.timed_out(60_002, 60_000).unwrap().contains("(full sync)"));
        assert_eq!(waiting(Announced::default()).timed_out(1_000_000, 60_000), None);
    }

    #[test]
    fn the_hard_limit_is_at_least_the_backlog() {
        let limit = OutputLimit { hard_bytes: 100, soft_bytes: 0, soft_ms: 0 };
        let mut replica = online();
        assert!(!replica.is_over_limit(999, limit, 1000, 0));
        assert!(replica.is_over_limit(1000, limit, 1000, 0));
        assert!(replica.is_over_limit(100, limit, 10, 0));
        let none = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_ms: 0 };
        assert!(!replica.is_over_limit(u64::MAX, none, 1000, 0));
    }

    #[test]
    fn the_soft_limit_must_be_reached_without_a_break() {
        let limit = OutputLimit { hard_bytes: 1000, soft_bytes: 100, soft_ms: 60_000 };
        let mut replica = online();
        assert!(!replica.is_over_limit(100, limit, 0, 0));
        assert!(!replica.is_over_limit(500, limit, 0, 60_000));
        assert!(!replica.is_over_limit(99, limit, 0, 60_001), "a break");
        assert!(!replica.is_over_limit(100, limit, 0, 60_002));
        assert!(!replica.is_over_limit(100, limit, 0, 120_002));
        assert!(replica.is_over_limit(100, limit, 0, 120_003));
    }

    #[test]
    fn the_view_says_what_info_says() {
        let history = history();
        let mut replica =
            waiting(Announced { ip: Some("1.2.3.4".to_owned()), ..Announced::default() });
        assert_eq!(replica.name(), "1.2.3.4:<unknown-replica-port>");
        let state = |replica: &Replica| replica.view(&history.stream, 7, 2500).state;
        assert_eq!(state(&replica), ReplicaState::WaitSnapshot);
        for (stage, shown) in [
            (Stage::Saving, ReplicaState::WaitSnapshot),
            (TRANSFER, ReplicaState::WaitSnapshot),
            (Stage::SendFile, ReplicaState::SendSnapshot),
            (Stage::Online { streaming: false }, ReplicaState::Online),
        ] {
            replica.stage = stage;
            assert_eq!(state(&replica), shown);
        }
        let view = online().view(&history.stream, 7, 2500);
        assert_eq!((view.ip.as_str(), view.port, view.ack_age_ms), ("10.0.0.1", 7001, 2500));
        assert_eq!(view.unsent_bytes, 7);
    }
}
