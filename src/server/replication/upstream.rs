//! The link to the primary.

mod snapshot;

use bytes::{Buf, BytesMut};

use crate::keyspace::Keyspace;
use crate::machine::{
    ConnId, Endpoint, Fact, Job, JobId, LinkState, LoadOptions, Millis, Outbox, Output, SyncKind,
};
use crate::repl::{Credentials, Failure, Handshake, Introduction, ReplId, Retry, Step, ack};
use crate::resp::Limits;
use crate::server::Server;
use crate::server::client::ClientKind;
use crate::server::config::DisklessLoad;
use crate::server::jobs::Work;

/// A replica tells its primary how far it is this often.
const ACK_MS: Millis = 1000;

/// The primary this node follows, and the link to it.
#[derive(Debug)]
pub struct Upstream {
    /// As given to REPLICAOF.
    pub primary: Endpoint,
    /// Whether the history and its offset are a good place to go on from: the "cached master".
    pub resumable: bool,
    /// When the link went down; `None` if it never was up.
    pub down_since: Option<Millis>,
    link: Link,
    /// The state last reported as a fact.
    told: Option<LinkState>,
    /// Whether this attempt hands over the role (FAILOVER).
    pub failover: bool,
}

#[derive(Debug)]
enum Link {
    /// The next attempt may begin at this time.
    Idle { at: Millis, after: Retry },
    /// An attempt, up to and including the stream.
    Active(Box<Attempt>),
}

#[derive(Debug)]
struct Attempt {
    conn: ConnId,
    handshake: Handshake,
    /// Whether a snapshot is loaded from the connection, without a file in between.
    diskless_load: bool,
    /// The job that loads the snapshot.
    load: Option<JobId>,
    /// What the snapshot stands for; `None` after a plain SYNC.
    synced: Option<(ReplId, u64)>,
    /// Whether the primary wants acknowledgements.
    acks: bool,
    next_ack: Millis,
    /// Snapshot bytes so far, and in all if known.
    transfer: (u64, Option<u64>),
    /// Of these, bytes that are loaded.
    loaded: u64,
    /// Whether the primary is not read from.
    is_unread: bool,
    /// Stream bytes read that are not applied for good: half a request, or an open MULTI block.
    unapplied: BytesMut,
    /// How many of them were run or queued.
    parsed: usize,
}

impl Upstream {
    /// A link that is to be made as soon as possible.
    pub fn new(primary: Endpoint, resumable: bool) -> Self {
        Self {
            primary,
            resumable,
            down_since: None,
            link: Link::Idle { at: 0, after: Retry::NextTick },
            told: None,
            failover: false,
        }
    }

    /// What ROLE and INFO show.
    pub fn state(&self) -> LinkState {
        match &self.link {
            Link::Idle { .. } => LinkState::Connect,
            Link::Active(attempt) => attempt.handshake.link_state(),
        }
    }

    /// Whether the stream flows.
    pub fn is_connected(&self) -> bool {
        self.state() == LinkState::Connected
    }

    /// When the primary was last heard, if there is a connection.
    pub fn last_io(&self) -> Option<Millis> {
        match &self.link {
            Link::Idle { .. } => None,
            Link::Active(attempt) => Some(attempt.handshake.last_io()),
        }
    }

    /// Snapshot bytes received, and in all if known, while one arrives.
    pub fn transfer(&self) -> Option<(u64, Option<u64>)> {
        match &self.link {
            Link::Active(attempt) if self.state() == LinkState::Sync => Some(attempt.transfer),
            _ => None,
        }
    }

    /// Bytes read from the stream and not applied for good.
    pub fn read_ahead(&self) -> u64 {
        match &self.link {
            Link::Idle { .. } => 0,
            Link::Active(attempt) => attempt.unapplied.len() as u64,
        }
    }

    /// The link's connection.
    pub fn conn(&self) -> Option<ConnId> {
        match &self.link {
            Link::Idle { .. } => None,
            Link::Active(attempt) => Some(attempt.conn),
        }
    }

    fn attempt(&mut self, conn: ConnId) -> Option<&mut Attempt> {
        match &mut self.link {
            Link::Active(attempt) if attempt.conn == conn => Some(attempt),
            _ => None,
        }
    }
}

impl Server {
    /// What is due on the link: a call, an ACK, a timeout.
    pub(super) fn tend_upstream(&mut self, out: &mut Outbox) {
        let now = self.now.mono;
        let timeout_ms = self.config.repl_timeout * 1000;
        let offset = self.replication.history.offset();
        let Some(upstream) = &mut self.replication.upstream else { return };
        match &mut upstream.link {
            Link::Idle { at, .. } if *at > now => {}
            Link::Idle { .. } => self.call_primary(out),
            Link::Active(attempt) => {
                let conn = attempt.conn;
                attempt.handshake.timeout_ms = timeout_ms;
                let mut steps = Vec::new();
                attempt.handshake.on_tick(now, &mut steps);
                let streaming = attempt.handshake.link_state() == LinkState::Connected;
                if streaming && attempt.acks && attempt.next_ack <= now {
                    attempt.next_ack = now + ACK_MS;
                    out.send(conn, ack(offset));
                }
                self.take_steps(conn, steps, out);
            }
        }
    }

    fn call_primary(&mut self, out: &mut Outbox) {
        let conn = self.replication.next_dial();
        let (config, history) = (&self.config, &self.replication.history);
        let resume = (history.replid(), history.offset());
        let diskless_load = match config.repl_diskless_load {
            DisklessLoad::Disabled => false,
            DisklessLoad::OnEmptyDb => self.keyspace.keys() == 0,
            DisklessLoad::SwapDb => true,
        };
        let Some(upstream) = &mut self.replication.upstream else { return };
        let Link::Idle { after, .. } = upstream.link else { return };
        let introduction = Introduction {
            primary: upstream.primary.clone(),
            auth: (!config.masterauth.is_empty()).then(|| Credentials {
                user: (!config.masteruser.is_empty()).then(|| config.masteruser.clone().into()),
                password: config.masterauth.clone().into(),
            }),
            listening_port: match config.replica_announce_port {
                0 => self.port,
                port => port,
            },
            announce_ip: Some(config.replica_announce_ip.clone()).filter(|ip| !ip.is_empty()),
            resume: upstream.resumable.then_some(resume),
            failover: upstream.failover,
            diskless_load,
        };
        let mut steps = Vec::new();
        let timeout_ms = config.repl_timeout * 1000;
        let handshake =
            Handshake::start(introduction, after, timeout_ms, self.now.mono, &mut steps);
        upstream.link = Link::Active(Box::new(Attempt {
            conn,
            handshake,
            diskless_load,
            load: None,
            synced: None,
            acks: true,
            next_ack: 0,
            transfer: (0, None),
            loaded: 0,
            is_unread: false,
            unapplied: BytesMut::new(),
            parsed: 0,
        }));
        out.push(Output::Dial { conn, to: upstream.primary.clone() });
        self.take_steps(conn, steps, out);
    }

    /// The primary took the call.
    pub(in crate::server) fn on_dialled(&mut self, conn: ConnId, out: &mut Outbox) {
        let now = self.now.mono;
        self.with_handshake(conn, out, |handshake, steps| handshake.on_connected(now, steps));
    }

    /// Bytes arrived; false if the connection is not the link.
    pub(in crate::server) fn on_upstream_bytes(
        &mut self,
        conn: ConnId,
        data: &[u8],
        out: &mut Outbox,
    ) -> bool {
        if !conn.is_dialled() {
            return false;
        }
        self.stats.repl_input_bytes += data.len() as u64;
        let now = self.now.mono;
        self.with_handshake(conn, out, |handshake, steps| handshake.on_bytes(now, data, steps));
        self.pace_primary(conn, out);
        true
    }

    /// A connection is gone; false if it is not the link.
    pub(in crate::server) fn on_upstream_closed(
        &mut self,
        conn: ConnId,
        reason: &str,
        out: &mut Outbox,
    ) -> bool {
        if !conn.is_dialled() {
            return false;
        }
        self.with_handshake(conn, out, |handshake, steps| handshake.on_closed(reason, steps));
        true
    }

    fn with_handshake(
        &mut self,
        conn: ConnId,
        out: &mut Outbox,
        act: impl FnOnce(&mut Handshake, &mut Vec<Step>),
    ) {
        let Some(attempt) = self.replication.upstream.as_mut().and_then(|u| u.attempt(conn)) else {
            return;
        };
        let mut steps = Vec::new();
        act(&mut attempt.handshake, &mut steps);
        self.take_steps(conn, steps, out);
    }

    fn take_steps(&mut self, conn: ConnId, steps: Vec<Step>, out: &mut Outbox) {
        for step in steps {
            if let Step::Log(level, text) = step {
                out.log(level, text);
                continue;
            }
            let Some(attempt) = self.replication.upstream.as_mut().and_then(|u| u.attempt(conn))
            else {
                return;
            };
            match step {
                Step::Log(..) => {}
                Step::Send(data) => out.send(conn, data),
                Step::FullResync(synced) => {
                    attempt.synced = synced;
                    attempt.acks = synced.is_some();
                    self.failover_succeeded(out);
                }
                Step::PayloadStart(total) => {
                    attempt.transfer = (0, total);
                    let job = self.load_job(conn);
                    let id = self.start_job(Work::LoadFromPrimary, job, out);
                    if let Some(a) =
                        self.replication.upstream.as_mut().and_then(|u| u.attempt(conn))
                    {
                        a.load = Some(id);
                    }
                }
                Step::Payload(data) => {
                    attempt.transfer.0 += data.len() as u64;
                    if let Some(id) = attempt.load {
                        out.push(Output::FeedJob { id, data });
                    }
                }
                Step::PayloadEnd => {
                    if let Some(id) = attempt.load {
                        out.push(Output::EndJobInput { id });
                    }
                }
                Step::Continue(renamed) => self.resume_stream(conn, renamed, out),
                Step::Stream(data) => self.apply(conn, &data, out),
                Step::Fail(failure) => self.end_attempt(conn, &failure, out),
            }
        }
        self.tell_link_state("", out);
    }

    /// The stream goes on where it stopped.
    fn resume_stream(&mut self, conn: ConnId, renamed: Option<ReplId>, out: &mut Outbox) {
        let replication = &mut self.replication;
        replication.history.stream.open_backlog();
        if let Some(replid) = renamed {
            let old = replication.history.replid().to_string();
            replication.history.adopt(replid);
            let until = replication.history.offset() + 1;
            out.emit(Fact::NewReplid { replid: replid.to_string(), previous: Some((old, until)) });
            // Sub-replicas come back, and so learn the history's new name.
            self.drop_replicas("the history has a new name", out);
        }
        let offset = self.replication.history.offset();
        out.emit(Fact::PartialSyncDone { offset, new_replid: renamed.is_some() });
        self.replication.last_sync = Some((SyncKind::Partial, self.now.mono));
        self.open_stream(conn);
        self.failover_succeeded(out);
    }

    /// From here on the primary's commands are run as those of a client of a special kind.
    fn open_stream(&mut self, conn: ConnId) {
        let db = self.replication.selected.unwrap_or(0);
        let Some(upstream) = &mut self.replication.upstream else { return };
        upstream.resumable = true;
        upstream.down_since = None;
        let (primary, now) = (upstream.primary.clone(), self.now);
        if let Some(attempt) = upstream.attempt(conn) {
            attempt.next_ack = now.mono;
        }
        let local = Endpoint::new("127.0.0.1", self.port);
        let client = self.clients.add(now, conn, primary, local);
        client.kind = ClientKind::Primary;
        client.authenticated = true;
        client.db = db;
    }

    /// Runs the stream's commands and, once they are applied for good, passes their bytes on.
    fn apply(&mut self, conn: ConnId, data: &[u8], out: &mut Outbox) {
        let Some(attempt) = self.replication.upstream.as_mut().and_then(|u| u.attempt(conn)) else {
            return;
        };
        let mut held = std::mem::take(&mut attempt.unapplied);
        let mut parsed = attempt.parsed;
        let whole = if held.is_empty() {
            data
        } else {
            held.extend_from_slice(data);
            &held
        };
        let Ok(applied) = self.apply_requests(conn, whole, &mut parsed, out) else {
            self.with_handshake(conn, out, Handshake::on_desync);
            return;
        };
        if held.is_empty() {
            held.extend_from_slice(&data[applied..]);
        } else {
            held.advance(applied);
        }
        if let Some(attempt) = self.replication.upstream.as_mut().and_then(|u| u.attempt(conn)) {
            attempt.unapplied = held;
            attempt.parsed = parsed - applied;
        }
    }

    /// Runs what the primary sent while a script ran, or the data was loaded once more.
    pub(in crate::server) fn apply_what_waited(&mut self, out: &mut Outbox) {
        if let Some(conn) = self.replication.upstream.as_ref().and_then(Upstream::conn) {
            self.apply(conn, &[], out);
        }
    }

    /// Runs requests from `parsed` on; answers how many bytes were applied for good.
    fn apply_requests(
        &mut self,
        conn: ConnId,
        input: &[u8],
        parsed: &mut usize,
        out: &mut Outbox,
    ) -> Result<usize, ()> {
        let limits = Limits { bulk_bytes_max: u64::MAX, ..Limits::default() };
        let mut applied = 0;
        while !self.scripting.is_running()
            && !self.is_loading()
            && let Some(client) = self.clients.get_mut(conn)
        {
            let mut request = std::mem::take(&mut client.request);
            let taken = request.read(&input[*parsed..], &limits).map_err(|_| ())?;
            let Some(taken) = taken else {
                client.request = request;
                break;
            };
            {
                let words = request.words(&input[*parsed..]);
                if request.was_inline() && !words.is_empty() {
                    return Err(());
                }
                self.run_request(conn, &words, false, out);
            }
            *parsed += taken;
            request.recycle();
            let Some(client) = self.clients.get_mut(conn) else { break };
            client.request = request;
            if client.transaction.is_none() {
                self.replication.selected = Some(client.db);
                self.replication.history.stream.append(&input[applied..*parsed]);
                applied = *parsed;
            }
        }
        Ok(applied)
    }

    /// The primary asks how far this node is.
    pub(in crate::server) fn acknowledge(&mut self, out: &mut Outbox) {
        let offset = self.replication.history.offset();
        if let Some(conn) = self.replication.upstream.as_ref().and_then(Upstream::conn) {
            out.send(conn, ack(offset));
        }
    }

    fn end_attempt(&mut self, conn: ConnId, failure: &Failure, out: &mut Outbox) {
        out.push(Output::Close { conn, how: crate::machine::Closing::Now });
        self.hang_up(out);
        let now = self.now.mono;
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.resumable &= failure.resumable;
            let at = match failure.retry {
                Retry::AtOnce => now,
                Retry::NextTick => now + 1000,
            };
            upstream.link = Link::Idle { at, after: failure.retry };
        }
        self.tell_link_state(&failure.reason, out);
        self.failover_refused(&failure.reason, out);
        if failure.retry == Retry::AtOnce {
            self.tend_upstream(out);
        }
    }

    /// Forgets the attempt under way: its client, its job, its half-read requests.
    pub(super) fn hang_up(&mut self, out: &mut Outbox) {
        let now = self.now.mono;
        let Some(upstream) = &mut self.replication.upstream else { return };
        let idle = Link::Idle { at: now, after: Retry::NextTick };
        if let Link::Active(attempt) = std::mem::replace(&mut upstream.link, idle) {
            if self.clients.remove(attempt.conn).is_some() {
                upstream.down_since = Some(now);
            }
            if let Some(id) = attempt.load {
                self.cancel_job(id, out);
            }
        }
    }

    /// Reports a change of the link that a person wants to know: up, syncing, down.
    fn tell_link_state(&mut self, reason: &str, out: &mut Outbox) {
        let Some(upstream) = &mut self.replication.upstream else { return };
        let state = upstream.state();
        let is_news = match state {
            LinkState::Connecting | LinkState::Handshake => false,
            LinkState::Connect => !reason.is_empty() && upstream.told != Some(LinkState::Connect),
            LinkState::Sync | LinkState::Connected => upstream.told != Some(state),
        };
        if is_news {
            upstream.told = Some(state);
            let (primary, reason) = (upstream.primary.clone(), reason.to_owned());
            out.emit(Fact::LinkChanged { primary, state, reason });
        }
    }

    /// Lets go of data beside the node, since that takes long if there is much.
    pub(in crate::server) fn discard(&mut self, data: Keyspace, out: &mut Outbox) {
        if data.keys() > 0 {
            self.start_job(Work::Nothing, Job::Discard(data), out);
        }
    }

    /// How a snapshot of this node is to be loaded.
    pub(in crate::server) fn load_options(&mut self, expire_before: Option<i64>) -> LoadOptions {
        LoadOptions {
            databases: self.config.databases,
            seed: self.dice.bits(),
            expire_before,
            key_delay_us: self.config.key_load_delay,
            packing: self.config.packing,
        }
    }
}
