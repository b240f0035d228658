//! Connections that a Sentinel dials: to a data node one for commands and one for its hello
//! channel, to another Sentinel one for commands, shared by all primaries that both watch.
//!
//! Commands are pipelined; what each answer is for is noted when it is sent. What is written leaves
//! at the end of the turn, after the configuration was saved.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::BytesMut;

use super::monitor::Name;
use crate::machine::{Closing, ConnId, Endpoint, Millis, Outbox, Output};
use crate::resp::{Answer, read_answer, write_command};

/// Unanswered commands beyond which periodic ones are withheld.
const PENDING_MAX: usize = 100;

/// The same for a link to a Sentinel, which all primaries share that both watch.
const PENDING_SHARED_MAX: usize = 10_000;

/// An answer that grows beyond this closes the connection.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A link, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(u64);

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The primary of this name.
    Primary(Name),
    /// One of its replicas.
    Replica(Name, Endpoint),
    /// Another Sentinel, by id.
    Peer(String),
}

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Nothing,
    /// PING.
    Ping,
    /// INFO.
    Info,
    /// PUBLISH of a hello.
    Hello(Name),
    /// SENTINEL IS-MASTER-DOWN-BY-ADDR.
    Opinion {
        /// The watched primary.
        about: Name,
        /// The address that was asked about: an answer about another one does not count.
        addr: Endpoint,
    },
}

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// For commands.
    Command,
    /// For the hello channel.
    Pubsub,
}

/// One connection, whether up or not.
#[derive(Debug, Default)]
pub struct Line {
    /// Its state.
    pub state: LineState,
    /// Tries that failed since it was last up.
    pub failures: u32,
    /// The last try.
    pub tried: Option<Millis>,
    /// When something was last heard on it.
    pub heard: Millis,
}

/// How far a connection is.
#[derive(Debug, Default)]
pub enum LineState {
    /// There is none.
    #[default]
    Down,
    /// Dialled.
    Dialling(ConnId),
    /// Up.
    Up(Wire),
}

/// A connection that is up.
#[derive(Debug)]
pub struct Wire {
    conn: ConnId,
    /// Our own address on it.
    pub local: Endpoint,
    input: Vec<u8>,
    output: BytesMut,
    expected: VecDeque<Expect>,
}

impl Line {
    /// Whether commands can be sent.
    pub fn is_up(&self) -> bool {
        matches!(self.state, LineState::Up(_))
    }

    fn conn(&self) -> Option<ConnId> {
        match &self.state {
            LineState::Down => None,
            LineState::Dialling(conn) => Some(*conn),
            LineState::Up(wire) => Some(wire.conn),
        }
    }
}

/// The way to one node or Sentinel, and whether it answers.
#[derive(Debug)]
pub struct Link {
    /// Who is there.
    pub whom: Whom,
    /// Where.
    pub to: Endpoint,
    /// For commands.
    pub command: Line,
    /// For hello; data nodes only.
    pub pubsub: Option<Line>,
    /// Since when an answer is owed: the first unanswered PING, the first try to connect, or the
    /// loss of the connection. Nothing is owed to who never tried.
    pub owed_since: Option<Millis>,
    /// The last PING.
    pub ping_sent: Option<Millis>,
    /// The last acceptable answer to a PING.
    pub good_reply: Millis,
    /// The last answer of any kind to a PING.
    pub any_reply: Millis,
    /// Whether SCRIPT KILL was sent since it was last fine.
    pub script_kill_sent: bool,
}

impl Link {
    /// Whether a connection that it needs is missing.
    pub fn is_disconnected(&self) -> bool {
        !self.command.is_up() || self.pubsub.as_ref().is_some_and(|line| !line.is_up())
    }

    /// Unanswered commands, on both connections.
    pub fn pending(&self) -> usize {
        match &self.command.state {
            LineState::Up(wire) => wire.expected.len(),
            _ => 0,
        }
    }

    /// Whether periodic commands may be sent.
    pub fn has_room(&self) -> bool {
        let is_shared = matches!(self.whom, Whom::Peer(_));
        let most = if is_shared { PENDING_SHARED_MAX } else { PENDING_MAX };
        self.command.is_up() && self.pending() < most
    }

    /// Whether an answer for `what` is on its way.
    pub fn awaits(&self, what: &Expect) -> bool {
        matches!(&self.command.state, LineState::Up(wire) if wire.expected.contains(what))
    }

    /// Our own address on the command connection.
    pub fn local(&self) -> Option<&Endpoint> {
        match &self.command.state {
            LineState::Up(wire) => Some(&wire.local),
            _ => None,
        }
    }

    /// One of its connections, if it needs that and does not have it.
    pub fn down_line(&self, part: Part) -> Option<&Line> {
        let wanted = match part {
            Part::Command => Some(&self.command),
            Part::Pubsub => self.pubsub.as_ref(),
        };
        wanted.filter(|line| matches!(line.state, LineState::Down))
    }

    fn line(&mut self, part: Part) -> Option<&mut Line> {
        match part {
            Part::Command => Some(&mut self.command),
            Part::Pubsub => self.pubsub.as_mut(),
        }
    }
}

/// Answers that arrived on one connection.
#[derive(Debug)]
pub struct Answers {
    /// The link.
    pub id: LinkId,
    /// Its connection.
    pub part: Part,
    /// Each answer with what it is for.
    pub all: Vec<(Expect, Answer)>,
}

/// All links.
#[derive(Debug, Default)]
pub struct Links {
    map: BTreeMap<LinkId, Link>,
    by_conn: HashMap<ConnId, (LinkId, Part), foldhash::fast::FixedState>,
    written: Vec<LinkId>,
    next_link: u64,
    next_conn: u64,
}

impl Links {
    /// A new link, not dialled yet.
    pub fn add(&mut self, whom: Whom, to: Endpoint, now: Millis) -> LinkId {
        self.next_link += 1;
        let id = LinkId(self.next_link);
        let pubsub = (!matches!(whom, Whom::Peer(_))).then(Line::default);
        let link = Link {
            whom,
            to,
            command: Line::default(),
            pubsub,
            owed_since: None,
            ping_sent: None,
            good_reply: now,
            any_reply: now,
            script_kill_sent: false,
        };
        self.map.insert(id, link);
        id
    }

    /// A link.
    pub fn get(&self, id: LinkId) -> Option<&Link> {
        self.map.get(&id)
    }

    /// A link, to be changed.
    pub fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.map.get_mut(&id)
    }

    /// The link to a Sentinel, if there is one.
    pub fn to_peer(&self, id: &str, addr: &Endpoint) -> Option<LinkId> {
        let fits = |link: &Link| matches!(&link.whom, Whom::Peer(peer) if peer == id);
        self.map.iter().find(|(_, link)| fits(link) && link.to == *addr).map(|(id, _)| *id)
    }

    /// Closes and forgets a link.
    pub fn remove(&mut self, id: LinkId, out: &mut Outbox) {
        self.close(id, Part::Command, out);
        self.close(id, Part::Pubsub, out);
        self.map.remove(&id);
    }

    /// Tries to connect. From the first try on, an answer is owed.
    pub fn dial(&mut self, id: LinkId, part: Part, now: Millis, out: &mut Outbox) {
        let Some(link) = self.map.get_mut(&id) else { return };
        self.next_conn += 1;
        let (conn, to) = (ConnId::dialled(self.next_conn), link.to.clone());
        if part == Part::Command {
            link.owed_since.get_or_insert(now);
        }
        let Some(dialled) = link.line(part) else { return };
        dialled.state = LineState::Dialling(conn);
        dialled.tried = Some(now);
        dialled.heard = now;
        self.by_conn.insert(conn, (id, part));
        out.push(Output::Dial { conn, to });
    }

    /// Closes one connection of a link, without a word of it to anybody.
    pub fn close(&mut self, id: LinkId, part: Part, out: &mut Outbox) {
        let Some(line) = self.map.get_mut(&id).and_then(|link| link.line(part)) else { return };
        if let Some(conn) = line.conn() {
            line.state = LineState::Down;
            self.by_conn.remove(&conn);
            out.push(Output::Close { conn, how: Closing::Now });
        }
    }

    /// A dialled connection is up.
    pub fn on_dialled(
        &mut self,
        conn: ConnId,
        local: Endpoint,
        now: Millis,
    ) -> Option<(LinkId, Part)> {
        let (id, part) = *self.by_conn.get(&conn)?;
        let line = self.map.get_mut(&id)?.line(part)?;
        line.failures = 0;
        line.heard = now;
        line.state = LineState::Up(Wire {
            conn,
            local,
            input: Vec::new(),
            output: BytesMut::new(),
            expected: VecDeque::new(),
        });
        Some((id, part))
    }

    /// A dialled connection is gone. From its loss on, an answer is owed.
    pub fn on_closed(&mut self, conn: ConnId, now: Millis) -> Option<(LinkId, Part)> {
        let (id, part) = self.by_conn.remove(&conn)?;
        let link = self.map.get_mut(&id)?;
        if part == Part::Command {
            link.owed_since.get_or_insert(now);
        }
        let lost = link.line(part)?;
        if matches!(lost.state, LineState::Dialling(_)) {
            lost.failures += 1;
        }
        lost.state = LineState::Down;
        Some((id, part))
    }

    /// Sends a command, if the connection is up.
    pub fn send<W: AsRef<[u8]>>(
        &mut self,
        id: LinkId,
        part: Part,
        words: &[W],
        expect: Expect,
    ) -> bool {
        let Some(line) = self.map.get_mut(&id).and_then(|link| link.line(part)) else {
            return false;
        };
        let LineState::Up(wire) = &mut line.state else { return false };
        write_command(&mut wire.output, words);
        if part == Part::Command {
            wire.expected.push_back(expect);
        }
        if self.written.last() != Some(&id) {
            self.written.push(id);
        }
        true
    }

    /// Sends what was written in this turn.
    pub fn flush(&mut self, out: &mut Outbox) {
        for id in std::mem::take(&mut self.written) {
            let Some(link) = self.map.get_mut(&id) else { continue };
            for line in [Some(&mut link.command), link.pubsub.as_mut()].into_iter().flatten() {
                if let LineState::Up(wire) = &mut line.state
                    && !wire.output.is_empty()
                {
                    out.send(wire.conn, wire.output.split().freeze());
                }
            }
        }
    }

    /// Bytes arrived. Returns the answers that are complete, each with what it is for. A peer that
    /// does not speak the protocol is hung up on.
    pub fn on_received(
        &mut self,
        conn: ConnId,
        data: &[u8],
        now: Millis,
        out: &mut Outbox,
    ) -> Option<Answers> {
        let (id, part) = *self.by_conn.get(&conn)?;
        let line = self.map.get_mut(&id)?.line(part)?;
        line.heard = now;
        let LineState::Up(wire) = &mut line.state else { return None };
        wire.input.extend_from_slice(data);
        let (mut answers, mut taken) = (Vec::new(), 0);
        let sane = loop {
            match read_answer(&wire.input[taken..]) {
                Ok(Some((answer, bytes))) => {
                    taken += bytes;
                    let expect = match part {
                        Part::Command => wire.expected.pop_front(),
                        Part::Pubsub => Some(Expect::Nothing),
                    };
                    match expect {
                        Some(expect) => answers.push((expect, answer)),
                        None => break false,
                    }
                }
                Ok(None) => break wire.input.len() - taken <= ANSWER_BYTES_MAX,
                Err(_) => break false,
            }
        };
        wire.input.drain(..taken);
        if !sane {
            out.push(Output::Close { conn, how: Closing::Now });
            self.on_closed(conn, now);
        }
        Some(Answers { id, part, all: answers })
    }
}
