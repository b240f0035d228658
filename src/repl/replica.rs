//! A replica's link to its primary, from the call to the stream: one attempt, one [`Handshake`].

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::ReplId;
use super::introduction::{Introduction, Sent, ack};
use super::line::LineReader;
use super::payload::{Header, Payload};
use super::verdict::Verdict;
use crate::machine::{Endpoint, LinkState, LogLevel, Millis};

/// While a snapshot loads the primary hears a newline this often.
const NEWLINE_MS: Millis = 1000;

/// What is to be done, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A line for the node's log.
    Log(LogLevel, String),
    /// Bytes for the primary.
    Send(Bytes),
    /// A snapshot will come. It stands for this history and offset; without them the link gets no
    /// ACKs and cannot be resumed.
    FullResync(Option<(ReplId, u64)>),
    /// The snapshot begins; its length if it is known.
    PayloadStart(Option<u64>),
    /// Bytes of the snapshot.
    Payload(Bytes),
    /// The snapshot is complete: load it, then call [`Handshake::on_loaded`].
    PayloadEnd,
    /// The stream goes on after the last byte applied. The history has this new name, if one is
    /// given.
    Continue(Option<ReplId>),
    /// Bytes of the stream.
    Stream(Bytes),
    /// The attempt is over: close the connection.
    Fail(Failure),
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, in words.
    pub reason: String,
    /// When the next one may begin.
    pub retry: Retry,
    /// Whether the position in the history is still good, so that the next attempt may resume.
    pub resumable: bool,
}

/// When to call the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Now: each moment risks that the backlog forgets what is missed.
    AtOnce,
    /// At the next tick of the replication cron.
    NextTick,
}

/// One attempt. Every method leaves in `out` what is to be done.
#[derive(Debug)]
pub struct Handshake {
    introduction: Introduction,
    /// `repl-timeout` in milliseconds; may be changed at any time.
    pub timeout_ms: Millis,
    state: State,
    line: LineReader,
    io_at: Millis,
}

#[derive(Debug)]
enum State {
    Connecting,
    WaitPong,
    /// The burst is sent; one line is awaited for each of its commands.
    WaitReplies(VecDeque<Sent>),
    WaitVerdict,
    WaitHeader(Synced),
    Transfer(Synced, Payload),
    Loading {
        synced: Synced,
        ack_at_once: bool,
        /// Stream bytes that came right behind the snapshot.
        held: BytesMut,
        newline_at: Millis,
        /// Why the link ended meanwhile, if it did. The snapshot is complete, so loading goes on.
        closed: Option<String>,
    },
    Streaming {
        resumable: bool,
    },
    Over,
}

/// What the snapshot stands for.
type Synced = Option<(ReplId, u64)>;

impl Handshake {
    /// Begins an attempt: the caller dials. `after` tells how the previous one ended, or
    /// `NextTick` for the first.
    pub fn start(
        introduction: Introduction,
        after: Retry,
        timeout_ms: Millis,
        now: Millis,
        out: &mut Vec<Step>,
    ) -> Self {
        if after == Retry::NextTick {
            notice(out, format!("Connecting to MASTER {}", address(&introduction.primary)));
        }
        notice(out, "MASTER <-> REPLICA sync started");
        Self {
            introduction,
            timeout_ms,
            state: State::Connecting,
            line: LineReader::default(),
            io_at: now,
        }
    }

    /// The connection is up.
    pub fn on_connected(&mut self, now: Millis, out: &mut Vec<Step>) {
        notice(out, "Non blocking connect for SYNC fired the event.");
        self.io_at = now;
        self.state = State::WaitPong;
        out.push(Step::Send(Introduction::ping()));
    }

    /// Bytes from the primary.
    pub fn on_bytes(&mut self, now: Millis, mut data: &[u8], out: &mut Vec<Step>) {
        while !data.is_empty() {
            match &mut self.state {
                State::Connecting | State::Over => return,
                State::WaitPong
                | State::WaitReplies(_)
                | State::WaitVerdict
                | State::WaitHeader(_) => match self.line.read(&mut data, now) {
                    Ok(None) => return,
                    Ok(Some(line)) => {
                        self.io_at = now;
                        self.on_line(now, &line, out);
                    }
                    Err(_) => return self.on_read_error("line too long", out),
                },
                State::Transfer(synced, payload) => {
                    self.io_at = now;
                    let (bytes, complete) = payload.take(&mut data);
                    if !bytes.is_empty() {
                        out.push(Step::Payload(bytes));
                    }
                    if complete {
                        let (synced, marked) = (*synced, payload.total().is_none());
                        self.begin_loading(now, synced, marked, out);
                    }
                }
                State::Loading { held, .. } => return held.extend_from_slice(data),
                State::Streaming { .. } => {
                    self.io_at = now;
                    return out.push(Step::Stream(Bytes::copy_from_slice(data)));
                }
            }
        }
    }

    /// The snapshot is being loaded: a primary that is not read from meanwhile is not silent.
    pub fn on_load_progress(&mut self, now: Millis) {
        self.io_at = now;
    }

    /// Stream bytes that came while the snapshot loads.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Loading { held, .. } => held.len(),
            _ => 0,
        }
    }

    /// The snapshot is loaded: the stream begins, or is resumed if the link ended meanwhile.
    pub fn on_loaded(&mut self, now: Millis, out: &mut Vec<Step>) {
        let State::Loading { synced, ack_at_once, held, closed, .. } = &mut self.state else {
            return;
        };
        let (synced, ack_at_once, closed) = (*synced, *ack_at_once, closed.take());
        let held = std::mem::take(held).freeze();
        notice(out, "MASTER <-> REPLICA sync: Finished with success");
        // After a marked snapshot the primary sends nothing before the first ACK, so that the
        // stream cannot stick to the mark. After a plain SYNC it is the only ACK.
        if ack_at_once && closed.is_none() {
            out.push(Step::Send(ack(synced.map_or(0, |(_, offset)| offset))));
        }
        self.io_at = now;
        self.state = State::Streaming { resumable: synced.is_some() };
        if !held.is_empty() {
            out.push(Step::Stream(held));
        }
        if let Some(reason) = closed {
            self.on_closed(&reason, out);
        }
    }

    /// The snapshot could not be loaded.
    pub fn on_load_failed(&mut self, reason: &str, out: &mut Vec<Step>) {
        let source = if self.introduction.diskless_load { "socket" } else { "disk" };
        let text =
            format!("Failed trying to load the MASTER synchronization DB from {source}: {reason}");
        self.cancel(text, out);
    }

    /// The connection is gone, or could not be made.
    pub fn on_closed(&mut self, reason: &str, out: &mut Vec<Step>) {
        let reason = if reason.is_empty() { "connection lost" } else { reason };
        match &mut self.state {
            State::Connecting => {
                self.give_up(format!("Error condition on socket for SYNC: {reason}"), out);
            }
            State::Streaming { resumable } => {
                let resumable = *resumable;
                self.lose(reason.to_owned(), resumable, out);
            }
            State::Loading { closed, .. } => *closed = Some(reason.to_owned()),
            State::Over => {}
            _ => self.on_read_error(reason, out),
        }
    }

    /// The stream made no sense (text between its commands): what was applied cannot be trusted
    /// to be a prefix of the history, so the next sync is a full one.
    pub fn on_desync(&mut self, out: &mut Vec<Step>) {
        warn(
            out,
            "WARNING: Receiving inline protocol from master, master stream corruption? Closing \
             the master connection and discarding the cached master.",
        );
        self.lose("protocol error".to_owned(), false, out);
    }

    /// When [`Handshake::on_tick`] has something to do.
    pub fn deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Loading { closed: Some(_), .. } => None,
            State::Loading { newline_at, .. } => Some(*newline_at),
            State::Over => None,
            _ => {
                let silence = self.io_at + self.timeout_ms;
                Some(self.line.deadline().map_or(silence, |line| line.min(silence)))
            }
        }
    }

    /// Acts on a deadline that has passed.
    pub fn on_tick(&mut self, now: Millis, out: &mut Vec<Step>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &mut self.state {
            State::Loading { newline_at, .. } => {
                *newline_at = now + NEWLINE_MS;
                out.push(Step::Send(Bytes::from_static(b"\n")));
            }
            State::Streaming { resumable } => {
                let resumable = *resumable;
                let reason = "MASTER timeout: no data nor PING received...";
                warn(out, reason);
                self.lose(reason.to_owned(), resumable, out);
            }
            State::Over => {}
            _ if self.line.deadline().is_some_and(|deadline| deadline <= now) => {
                self.on_read_error("Connection timed out", out);
            }
            State::WaitHeader(_) | State::Transfer(..) => self.cancel(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set \
                 the 'repl-timeout' parameter in redis.conf to a larger value.",
                out,
            ),
            State::Connecting | State::WaitPong | State::WaitReplies(_) | State::WaitVerdict => {
                self.cancel("Timeout connecting to the MASTER...", out);
            }
        }
    }

    /// What ROLE and INFO show.
    pub fn link_state(&self) -> LinkState {
        match self.state {
            State::Connecting => LinkState::Connecting,
            State::WaitPong | State::WaitReplies(_) | State::WaitVerdict => LinkState::Handshake,
            State::WaitHeader(_) | State::Transfer(..) | State::Loading { .. } => LinkState::Sync,
            State::Streaming { .. } => LinkState::Connected,
            State::Over => LinkState::Connect,
        }
    }

    /// When the primary was last heard.
    pub fn last_io(&self) -> Millis {
        self.io_at
    }

    fn on_line(&mut self, now: Millis, line: &[u8], out: &mut Vec<Step>) {
        let text = String::from_utf8_lossy(line);
        match &mut self.state {
            State::WaitPong => self.on_pong(line, &text, out),
            State::WaitReplies(pending) => {
                let sent = pending.pop_front();
                let last = pending.is_empty();
                match sent {
                    Some(Sent::Auth) if line.starts_with(b"-") => {
                        return self.give_up(format!("Unable to AUTH to MASTER: {text}"), out);
                    }
                    Some(Sent::Replconf(option)) if line.starts_with(b"-") => notice(
                        out,
                        format!(
                            "(Non critical) Master does not understand REPLCONF {option}: {text}"
                        ),
                    ),
                    _ => {}
                }
                if last {
                    self.send_psync(out);
                }
            }
            State::WaitVerdict => self.on_verdict(line, &text, out),
            State::WaitHeader(synced) => {
                let synced = *synced;
                self.on_header(now, synced, line, &text, out);
            }
            _ => {}
        }
    }

    fn on_pong(&mut self, line: &[u8], text: &str, out: &mut Vec<Step>) {
        let welcome: [&[u8]; 4] = [b"+", b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted"];
        if !welcome.iter().any(|prefix| line.starts_with(prefix)) {
            return self.give_up(format!("Error reply to PING from master: '{text}'"), out);
        }
        notice(out, "Master replied to PING, replication can continue...");
        self.send_burst(out);
    }

    fn send_burst(&mut self, out: &mut Vec<Step>) {
        let (bytes, awaited) = self.introduction.burst();
        out.push(Step::Send(bytes));
        self.state = State::WaitReplies(awaited);
    }

    fn send_psync(&mut self, out: &mut Vec<Step>) {
        notice(
            out,
            self.introduction.resume.map_or_else(
                || "Partial resynchronization not possible (no cached master)".to_owned(),
                |(replid, applied)| {
                    let next = applied + 1;
                    format!("Trying a partial resynchronization (request {replid}:{next}).")
                },
            ),
        );
        out.push(Step::Send(self.introduction.psync()));
        self.state = State::WaitVerdict;
    }

    fn on_verdict(&mut self, line: &[u8], text: &str, out: &mut Vec<Step>) {
        match (Verdict::of(line), self.introduction.resume) {
            (Verdict::Keepalive, _) => {}
            (Verdict::Full(synced), _) => {
                match synced {
                    Some((id, offset)) => {
                        notice(out, format!("Full resync from master: {id}:{offset}"));
                    }
                    None => warn(out, "Master replied with wrong +FULLRESYNC syntax."),
                }
                self.begin_transfer(synced, out);
            }
            (Verdict::Continue(named), Some((known, _))) => {
                notice(out, "Successful partial resynchronization with master.");
                let renamed = named.filter(|named| *named != known);
                if let Some(replid) = renamed {
                    warn(out, format!("Master replication ID changed to {replid}"));
                }
                notice(
                    out,
                    "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
                );
                out.push(Step::Continue(renamed));
                self.state = State::Streaming { resumable: true };
            }
            (Verdict::Later, _) => self.give_up_quietly(
                LogLevel::Notice,
                format!("Master is currently unable to PSYNC but should be in the future: {text}"),
                out,
            ),
            (Verdict::Refused, _) => self.fall_back(
                LogLevel::Notice,
                format!("Master does not support PSYNC or is in error state (reply: {text})"),
                out,
            ),
            // With nothing to continue, CONTINUE is as foreign as anything else.
            (Verdict::Foreign | Verdict::Continue(_), _) => self.fall_back(
                LogLevel::Warning,
                format!("Unexpected reply to PSYNC from master: {text}"),
                out,
            ),
        }
    }

    /// The primary does not take PSYNC: the whole dataset by SYNC, unless roles were to change.
    fn fall_back(&mut self, level: LogLevel, text: String, out: &mut Vec<Step>) {
        out.push(Step::Log(level, text));
        if self.introduction.failover {
            return self.give_up("Failover target rejected psync request".to_owned(), out);
        }
        notice(out, "Retrying with SYNC...");
        out.push(Step::Send(Bytes::from_static(b"SYNC\r\n")));
        self.begin_transfer(None, out);
    }

    fn begin_transfer(&mut self, synced: Synced, out: &mut Vec<Step>) {
        out.push(Step::FullResync(synced));
        self.state = State::WaitHeader(synced);
    }

    fn on_header(
        &mut self,
        now: Millis,
        synced: Synced,
        line: &[u8],
        text: &str,
        out: &mut Vec<Step>,
    ) {
        let payload = match Header::of(line) {
            Header::Keepalive => return,
            Header::Aborted => {
                let error = text.get(1..).unwrap_or_default();
                let text = format!("MASTER aborted replication with an error: {error}");
                return self.cancel(text, out);
            }
            Header::Foreign => {
                return self.cancel(
                    format!(
                        "Bad protocol from MASTER, the first byte is not '$' (we received \
                         '{text}'), are you sure the host and port are right?"
                    ),
                    out,
                );
            }
            Header::Payload(payload) => payload,
        };
        let to = if self.introduction.diskless_load { "to parser" } else { "to disk" };
        let what = match payload.total() {
            Some(length) => format!("receiving {length} bytes from master {to}"),
            None => format!("receiving streamed RDB from master with EOF {to}"),
        };
        notice(out, format!("MASTER <-> REPLICA sync: {what}"));
        out.push(Step::PayloadStart(payload.total()));
        if payload.total() == Some(0) {
            return self.begin_loading(now, synced, false, out);
        }
        self.state = State::Transfer(synced, payload);
    }

    fn begin_loading(
        &mut self,
        now: Millis,
        synced: Synced,
        ack_at_once: bool,
        out: &mut Vec<Step>,
    ) {
        notice(out, "MASTER <-> REPLICA sync: Flushing old data");
        notice(out, "MASTER <-> REPLICA sync: Loading DB in memory");
        out.push(Step::PayloadEnd);
        self.state = State::Loading {
            synced,
            ack_at_once,
            held: BytesMut::new(),
            newline_at: now + NEWLINE_MS,
            closed: None,
        };
    }

    /// The link broke, or a line did not come whole, before the stream flowed.
    fn on_read_error(&mut self, reason: &str, out: &mut Vec<Step>) {
        match &self.state {
            State::WaitHeader(_) => {
                self.cancel(format!("I/O error reading bulk count from MASTER: {reason}"), out);
            }
            State::Transfer(..) => {
                self.cancel(format!("I/O error trying to sync with MASTER: {reason}"), out);
            }
            State::WaitVerdict => {
                warn(out, format!("Failed to read response from the server: {reason}"));
                self.give_up("Master did not reply to PSYNC, will try later".to_owned(), out);
            }
            _ => {
                warn(out, format!("Failed to read response from the server: {reason}"));
                let text = "Master did not respond to command during SYNC handshake";
                self.give_up(text.to_owned(), out);
            }
        }
    }

    /// Ends an attempt that the next tick may repeat.
    fn give_up(&mut self, reason: String, out: &mut Vec<Step>) {
        self.give_up_quietly(LogLevel::Warning, reason, out);
    }

    fn give_up_quietly(&mut self, level: LogLevel, reason: String, out: &mut Vec<Step>) {
        out.push(Step::Log(level, reason.clone()));
        self.end(reason, Retry::NextTick, true, out);
    }

    /// Ends an attempt that is repeated at once.
    fn cancel(&mut self, reason: impl Into<String>, out: &mut Vec<Step>) {
        let (reason, primary) = (reason.into(), address(&self.introduction.primary));
        warn(out, reason.clone());
        notice(out, format!("Reconnecting to MASTER {primary} after failure"));
        self.end(reason, Retry::AtOnce, true, out);
    }

    /// Ends a link that was up.
    fn lose(&mut self, reason: String, resumable: bool, out: &mut Vec<Step>) {
        warn(out, "Connection with master lost.");
        if resumable {
            notice(out, "Caching the disconnected master state.");
        }
        notice(out, format!("Reconnecting to MASTER {}", address(&self.introduction.primary)));
        self.end(reason, Retry::AtOnce, resumable, out);
    }

    fn end(&mut self, reason: String, retry: Retry, resumable: bool, out: &mut Vec<Step>) {
        self.state = State::Over;
        out.push(Step::Fail(Failure { reason, retry, resumable }));
    }
}

/// Redis's log puts no brackets around an IPv6 host.
fn address(primary: &Endpoint) -> String {
    format!("{}:{}", primary.host, primary.port)
}

fn notice(out: &mut Vec<Step>, text: impl Into<String>) {
    out.push(Step::Log(LogLevel::Notice, text.into()));
}

fn warn(out: &mut Vec<Step>, text: impl Into<String>) {
    out.push(Step::Log(LogLevel::Warning, text.into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::Credentials;

    const ID: &str = "258eb8aaaaaaaaaaaaaaaaaaaaaaaaaaaaacd503";
    const NEW: &str = "7506b8bbbbbbbbbbbbbbbbbbbbbbbbbbbb7d1a5b";
    const MARK: &str = "6e8c11cccccccccccccccccccccccccccc436a36";
    const PSYNC_NEW: &str = "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n";
    const GREETING: &str = "+PONG\r\n+OK\r\n+OK\r\n";

    fn replid(text: &str) -> ReplId {
        ReplId::parse(text.as_bytes()).unwrap()
    }

    fn introduction() -> Introduction {
        Introduction {
            primary: Endpoint::new("127.0.0.1", 6401),
            auth: None,
            listening_port: 9999,
            announce_ip: None,
            resume: None,
            failover: false,
            diskless_load: false,
        }
    }

    fn resuming() -> Introduction {
        Introduction { resume: Some((replid(ID), 151)), ..introduction() }
    }

    fn connected(introduction: Introduction, out: &mut Vec<Step>) -> Handshake {
        let mut link = Handshake::start(introduction, Retry::NextTick, 60_000, 0, out);
        link.on_connected(0, out);
        link
    }

    /// Plays the primary's bytes in the given pieces, loading each snapshot as soon as it is
    /// complete; steps are joined where only the pieces made a difference.
    fn play(introduction: Introduction, pieces: &[&[u8]]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut link = connected(introduction, &mut steps);
        for piece in pieces {
            let before = steps.len();
            link.on_bytes(0, piece, &mut steps);
            if steps[before..].contains(&Step::PayloadEnd) {
                link.on_loaded(0, &mut steps);
            }
        }
        joined(steps)
    }

    fn joined(steps: Vec<Step>) -> Vec<Step> {
        let mut all: Vec<Step> = Vec::new();
        for step in steps {
            match (all.last_mut(), step) {
                (Some(Step::Payload(a)), Step::Payload(b))
                | (Some(Step::Stream(a)), Step::Stream(b)) => *a = [&a[..], &b[..]].concat().into(),
                (_, step) => all.push(step),
            }
        }
        all
    }

    fn sent(steps: &[Step]) -> String {
        let sent = steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        sent.collect()
    }

    fn logged(steps: &[Step]) -> Vec<&str> {
        let logged = steps.iter().filter_map(|step| match step {
            Step::Log(_, text) => Some(text.as_str()),
            _ => None,
        });
        logged.collect()
    }

    fn without_log(steps: Vec<Step>) -> Vec<Step> {
        steps.into_iter().filter(|step| !matches!(step, Step::Log(..) | Step::Send(_))).collect()
    }

    fn failure(steps: &[Step]) -> Option<&Failure> {
        match steps.last() {
            Some(Step::Fail(failure)) => Some(failure),
            _ => None,
        }
    }

    fn at_every_split(introduction: &Introduction, session: &str) -> Vec<Step> {
        let session = session.as_bytes();
        let whole = play(introduction.clone(), &[session]);
        for at in 0..=session.len() {
            let halves = [&session[..at], &session[at..]];
            assert_eq!(play(introduction.clone(), &halves), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = session.chunks(1).collect();
        assert_eq!(play(introduction.clone(), &bytes), whole, "byte by byte");
        whole
    }

    #[test]
    fn a_diskless_full_sync() {
        let set = "*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$1\r\n1\r\n";
        let session = format!(
            "{GREETING}\n+FULLRESYNC {ID} 50\r\n\n$EOF:{MARK}\r\nREDIS0010 snapshot{MARK}{set}{set}"
        );
        let steps = at_every_split(&introduction(), &session);
        assert_eq!(
            sent(&steps),
            format!(
                "*1\r\n$4\r\nPING\r\n\
                 *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n9999\r\n\
                 *5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n\
                 {PSYNC_NEW}*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n50\r\n"
            )
        );
        assert_eq!(
            logged(&steps),
            [
                "Connecting to MASTER 127.0.0.1:6401",
                "MASTER <-> REPLICA sync started",
                "Non blocking connect for SYNC fired the event.",
                "Master replied to PING, replication can continue...",
                "Partial resynchronization not possible (no cached master)",
                &format!("Full resync from master: {ID}:50"),
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk",
                "MASTER <-> REPLICA sync: Flushing old data",
                "MASTER <-> REPLICA sync: Loading DB in memory",
                "MASTER <-> REPLICA sync: Finished with success",
            ]
        );
        assert_eq!(
            without_log(steps),
            [
                Step::FullResync(Some((replid(ID), 50))),
                Step::PayloadStart(None),
                Step::Payload("REDIS0010 snapshot".into()),
                Step::PayloadEnd,
                Step::Stream(format!("{set}{set}").into()),
            ]
        );
    }

    #[test]
    fn a_disk_full_sync_needs_no_ack_and_the_stream_follows_directly() {
        let session =
            format!("{GREETING}+FULLRESYNC {ID} 50\r\n\n\n$4\r\nRDB!*1\r\n$4\r\nPING\r\n");
        let steps = at_every_split(&introduction(), &session);
        assert!(sent(&steps).ends_with(PSYNC_NEW));
        assert!(
            logged(&steps)
                .contains(&"MASTER <-> REPLICA sync: receiving 4 bytes from master to disk")
        );
        assert_eq!(
            without_log(steps),
            [
                Step::FullResync(Some((replid(ID), 50))),
                Step::PayloadStart(Some(4)),
                Step::Payload("RDB!".into()),
                Step::PayloadEnd,
                Step::Stream("*1\r\n$4\r\nPING\r\n".into()),
            ]
        );
    }

    #[test]
    fn a_partial_sync_asks_for_the_byte_after_the_last_applied() {
        let session = format!("{GREETING}+CONTINUE {ID}\r\n*1\r\n$4\r\nPING\r\n");
        let steps = at_every_split(&resuming(), &session);
        assert!(
            sent(&steps).ends_with(&format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$3\r\n152\r\n"))
        );
        assert_eq!(
            without_log(steps),
            [Step::Continue(None), Step::Stream("*1\r\n$4\r\nPING\r\n".into())]
        );
    }

    #[test]
    fn a_partial_sync_may_rename_the_history() {
        let steps = at_every_split(&resuming(), &format!("{GREETING}+CONTINUE {NEW}\r\n"));
        assert_eq!(
            logged(&steps)[4..],
            [
                &format!("Trying a partial resynchronization (request {ID}:152)."),
                "Successful partial resynchronization with master.",
                &format!("Master replication ID changed to {NEW}"),
                "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
            ]
        );
        assert_eq!(without_log(steps), [Step::Continue(Some(replid(NEW)))]);
        let bare = play(resuming(), &[format!("{GREETING}+CONTINUE\r\n").as_bytes()]);
        assert_eq!(without_log(bare), [Step::Continue(None)]);
    }

    #[test]
    fn the_burst_with_password_and_announced_address() {
        let introduction = Introduction {
            auth: Some(Credentials { user: None, password: b"pw".to_vec() }),
            listening_port: 7151,
            announce_ip: Some("1.2.3.4".to_owned()),
            ..introduction()
        };
        let steps = play(introduction, &[b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n"]);
        assert_eq!(
            sent(&steps),
            format!(
                "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n\
                 *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7151\r\n\
                 *3\r\n$8\r\nREPLCONF\r\n$10\r\nip-address\r\n$7\r\n1.2.3.4\r\n\
                 *5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n\
                 {PSYNC_NEW}"
            )
        );
    }

    #[test]
    fn a_user_is_named_before_the_password() {
        let auth = Some(Credentials { user: Some(b"repl".to_vec()), password: b"pw".to_vec() });
        let steps =
            play(Introduction { auth, ..introduction() }, &[b"-NOAUTH x\r\n-WRONGPASS no\r\n"]);
        assert!(sent(&steps).contains("*3\r\n$4\r\nAUTH\r\n$4\r\nrepl\r\n$2\r\npw\r\n*3"));
        assert_eq!(failure(&steps).unwrap().reason, "Unable to AUTH to MASTER: -WRONGPASS no");
    }

    #[test]
    fn errors_to_replconf_are_only_logged() {
        let steps = play(introduction(), &[b"+PONG\r\n-ERR a\r\n-ERR b\r\n"]);
        assert_eq!(
            logged(&steps)[4..6],
            [
                "(Non critical) Master does not understand REPLCONF listening-port: -ERR a",
                "(Non critical) Master does not understand REPLCONF capa: -ERR b",
            ]
        );
        assert!(sent(&steps).ends_with(PSYNC_NEW));
    }

    #[test]
    fn only_some_errors_to_ping_are_welcome() {
        for (reply, welcome) in [
            ("+anything", true),
            ("-NOAUTH Authentication required.", true),
            ("-NOPERM no", true),
            ("-ERR operation not permitted", true),
            ("-LOADING x", false),
            ("-MASTERDOWN x", false),
            ("-DENIED x", false),
            ("", false),
        ] {
            let steps = play(introduction(), &[format!("{reply}\r\n").as_bytes()]);
            let reason = failure(&steps).map(|failure| failure.reason.clone());
            let refusal = format!("Error reply to PING from master: '{reply}'");
            assert_eq!(reason, (!welcome).then_some(refusal));
        }
    }

    #[test]
    fn a_transient_refusal_is_tried_again_at_the_next_tick() {
        for refusal in ["-NOMASTERLINK Can't SYNC while not connected with my master", "-LOADING x"]
        {
            let steps = play(resuming(), &[format!("{GREETING}{refusal}\r\n").as_bytes()]);
            let failure = failure(&steps).unwrap();
            assert_eq!((failure.retry, failure.resumable), (Retry::NextTick, true));
            assert!(failure.reason.starts_with("Master is currently unable to PSYNC"));
        }
    }

    #[test]
    fn a_primary_without_psync_is_asked_by_sync_and_acked_only_to_open_its_stream() {
        for (refusal, log) in [
            ("-ERR x", "Master does not support PSYNC or is in error state (reply: -ERR x)"),
            ("+DUALCHANNELSYNC", "Unexpected reply to PSYNC from master: +DUALCHANNELSYNC"),
            ("+CONTINUE", "Unexpected reply to PSYNC from master: +CONTINUE"),
        ] {
            let session = format!("{GREETING}{refusal}\r\n$EOF:{MARK}\r\nRDB{MARK}");
            let steps = at_every_split(&introduction(), &session);
            let opening = "-1\r\nSYNC\r\n*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n";
            assert!(sent(&steps).ends_with(opening), "{:?}", sent(&steps));
            assert_eq!(logged(&steps)[5..7], [log, "Retrying with SYNC..."]);
            assert_eq!(
                without_log(steps),
                [
                    Step::FullResync(None),
                    Step::PayloadStart(None),
                    Step::Payload("RDB".into()),
                    Step::PayloadEnd
                ]
            );
        }
    }

    #[test]
    fn a_wrong_fullresync_is_taken_but_cannot_be_continued() {
        let steps = play(introduction(), &[format!("{GREETING}+FULLRESYNC abc 5\r\n").as_bytes()]);
        assert!(logged(&steps).contains(&"Master replied with wrong +FULLRESYNC syntax."));
        assert_eq!(without_log(steps), [Step::FullResync(None)]);
    }

    #[test]
    fn a_failover_says_so_and_takes_no_sync_instead() {
        let introduction = Introduction { failover: true, ..resuming() };
        let steps = play(introduction, &[format!("{GREETING}-ERR no\r\n").as_bytes()]);
        assert!(sent(&steps).ends_with("$3\r\n152\r\n$8\r\nFAILOVER\r\n"));
        assert_eq!(failure(&steps).unwrap().reason, "Failover target rejected psync request");
    }

    #[test]
    fn a_transfer_may_be_aborted_and_is_repeated_at_once() {
        for (line, reason) in [
            ("-ERR nope", "MASTER aborted replication with an error: ERR nope"),
            (
                "xx",
                "Bad protocol from MASTER, the first byte is not '$' (we received 'xx'), are you \
                 sure the host and port are right?",
            ),
        ] {
            let session = format!("{GREETING}+FULLRESYNC {ID} 5\r\n{line}\r\n");
            let steps = play(introduction(), &[session.as_bytes()]);
            let failure = failure(&steps).unwrap();
            assert_eq!((failure.reason.as_str(), failure.retry), (reason, Retry::AtOnce));
            assert_eq!(
                logged(&steps).last(),
                Some(&"Reconnecting to MASTER 127.0.0.1:6401 after failure")
            );
        }
    }

    #[test]
    fn an_endless_line_ends_the_attempt() {
        let steps = play(introduction(), &[&[b'x'; 5000]]);
        assert_eq!(
            logged(&steps)[3..],
            [
                "Failed to read response from the server: line too long",
                "Master did not respond to command during SYNC handshake"
            ]
        );
    }

    /// A link that was fed `session`, and the steps that `event` then leaves.
    fn then(session: &str, event: impl Fn(&mut Handshake, &mut Vec<Step>)) -> Vec<Step> {
        let (mut before, mut out) = (Vec::new(), Vec::new());
        let mut link = connected(resuming(), &mut before);
        link.on_bytes(0, session.as_bytes(), &mut before);
        event(&mut link, &mut out);
        out
    }

    #[test]
    fn silence_is_borne_for_the_timeout_and_each_line_or_byte_counts() {
        let verdict = format!("{GREETING}+FULLRESYNC {ID} 5\r\n");
        for (session, reason) in [
            (String::new(), "Timeout connecting to the MASTER..."),
            ("+PONG\r\n".to_owned(), "Timeout connecting to the MASTER..."),
            (GREETING.to_owned(), "Timeout connecting to the MASTER..."),
            (verdict.clone(), "Timeout receiving bulk data from MASTER..."),
            (format!("{verdict}$9\r\nx"), "Timeout receiving bulk data from MASTER..."),
            (format!("{GREETING}+CONTINUE\r\n"), "MASTER timeout: no data nor PING received..."),
        ] {
            let steps = then(&session, |link, out| {
                link.on_tick(59_999, out);
                assert!(out.is_empty(), "{session}");
                assert_eq!(link.deadline(), Some(60_000));
                link.on_tick(60_000, out);
                assert_eq!(link.deadline(), None);
            });
            let failure = failure(&steps).unwrap();
            assert!(failure.reason.starts_with(reason), "{failure:?}");
            assert_eq!((failure.retry, failure.resumable), (Retry::AtOnce, true));
        }
        then(&GREETING[..7], |link, out| {
            link.on_bytes(30_000, b"+OK\r\n", out);
            assert_eq!(link.deadline(), Some(90_000));
        });
    }

    #[test]
    fn a_keepalive_while_the_snapshot_is_made_resets_the_clock() {
        for session in [GREETING.to_owned(), format!("{GREETING}+FULLRESYNC {ID} 5\r\n")] {
            then(&session, |link, out| {
                link.on_bytes(59_000, b"\n", out);
                assert_eq!(link.deadline(), Some(119_000));
            });
        }
    }

    #[test]
    fn half_a_line_is_waited_for_five_seconds() {
        let steps = then(&format!("{GREETING}+CONT"), |link, out| {
            link.on_tick(4999, out);
            assert!(out.is_empty());
            link.on_tick(5000, out);
        });
        assert_eq!(
            logged(&steps),
            [
                "Failed to read response from the server: Connection timed out",
                "Master did not reply to PSYNC, will try later"
            ]
        );
        assert_eq!(failure(&steps).unwrap().retry, Retry::NextTick);
    }

    #[test]
    fn a_broken_link_is_told_by_where_it_broke() {
        let verdict = format!("{GREETING}+FULLRESYNC {ID} 5\r\n");
        for (session, reason, retry) in [
            ("", "Master did not respond to command during SYNC handshake", Retry::NextTick),
            (GREETING, "Master did not reply to PSYNC, will try later", Retry::NextTick),
            (&verdict, "I/O error reading bulk count from MASTER: gone", Retry::AtOnce),
            (
                &format!("{verdict}$9\r\nx"),
                "I/O error trying to sync with MASTER: gone",
                Retry::AtOnce,
            ),
            (&format!("{GREETING}+CONTINUE\r\n"), "gone", Retry::AtOnce),
        ] {
            let steps = then(session, |link, out| link.on_closed("gone", out));
            let failure = failure(&steps).unwrap();
            assert_eq!((failure.reason.as_str(), failure.retry), (reason, retry));
        }
        let mut steps = Vec::new();
        let mut link = Handshake::start(introduction(), Retry::AtOnce, 60_000, 0, &mut steps);
        assert_eq!(link.link_state(), LinkState::Connecting);
        link.on_closed("Connection refused", &mut steps);
        assert_eq!(
            logged(&steps),
            [
                "MASTER <-> REPLICA sync started",
                "Error condition on socket for SYNC: Connection refused"
            ]
        );
        assert_eq!(link.link_state(), LinkState::Connect);
    }

    #[test]
    fn a_lost_stream_can_be_resumed_unless_it_made_no_sense() {
        let session = format!("{GREETING}+CONTINUE\r\n");
        let lost = then(&session, |link, out| link.on_closed("", out));
        assert_eq!(
            logged(&lost),
            [
                "Connection with master lost.",
                "Caching the disconnected master state.",
                "Reconnecting to MASTER 127.0.0.1:6401",
            ]
        );
        assert!(failure(&lost).unwrap().resumable);
        let nonsense = then(&session, Handshake::on_desync);
        assert!(!failure(&nonsense).unwrap().resumable);
    }

    #[test]
    fn the_primary_hears_a_newline_each_second_of_loading() {
        then(&format!("{GREETING}+FULLRESYNC {ID} 5\r\n$1\r\nx"), |link, out| {
            assert_eq!(link.link_state(), LinkState::Sync);
            for now in [500, 1000, 1001, 2000, 70_000] {
                link.on_tick(now, out);
            }
            assert_eq!(sent(out), "\n\n\n");
            link.on_loaded(70_000, out);
            assert_eq!(link.link_state(), LinkState::Connected);
            assert_eq!(link.deadline(), Some(130_000));
        });
    }

    #[test]
    fn a_link_that_ends_while_loading_is_resumed_after_it() {
        let session = format!("{GREETING}+FULLRESYNC {ID} 5\r\n$EOF:{MARK}\r\nx{MARK}more");
        let steps = then(&session, |link, out| {
            link.on_closed("gone", out);
            assert!(out.is_empty());
            assert_eq!(link.deadline(), None);
            link.on_loaded(9, out);
        });
        assert_eq!(sent(&steps), "");
        assert!(steps.contains(&Step::Stream("more".into())));
        let failure = failure(&steps).unwrap();
        assert_eq!((failure.retry, failure.resumable), (Retry::AtOnce, true));
    }

    #[test]
    fn a_snapshot_that_does_not_load_is_asked_for_again() {
        let steps = then(&format!("{GREETING}+FULLRESYNC {ID} 5\r\n$1\r\nx"), |link, out| {
            link.on_load_failed("bad checksum", out);
        });
        assert_eq!(failure(&steps).unwrap().retry, Retry::AtOnce);
        assert_eq!(
            logged(&steps)[0],
            "Failed trying to load the MASTER synchronization DB from disk: bad checksum"
        );
    }
}
