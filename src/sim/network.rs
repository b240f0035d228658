//! The network of a simulated world: connections, and the links they pass.
//!
//! A connection has two sides, each with a pipe to the other. Bytes wait in a pipe's `unsent` (the
//! sender's output buffer), in its `flight` (the link) and in its `readable` (the receiver's
//! kernel); the last two together hold [`LINK_QUEUE_BYTES_MAX`]. The opening and the end of a
//! connection travel in the pipes like bytes, so a cut holds them in their place.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::queue::{Event, Queue};
use crate::base::rng::Dice;
use crate::machine::{ConnId, Millis};
use crate::world::link::LINK_QUEUE_BYTES_MAX;
use crate::world::{ClientId, LinkPolicy, NodeId};

/// A clear link takes up to so long.
const LATENCY_MS_MAX: Millis = 1;

/// Connections are opened from ports from here on.
const FIRST_CALLER_PORT: u16 = 40_000;

/// How much a node reads at once.
const READ_BYTES_MAX: usize = 64 * 1024;

/// One in so many sends, and one in so many reads, falls into two pieces.
const SPLIT_ONE_IN: u64 = 8;

/// A throttled link passes pieces of at most this much time.
const THROTTLE_PIECE_MS: u64 = 20;

/// One of the two sides of a connection: 0 opened it, 1 was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SideId {
    conn: u64,
    side: usize,
}

impl SideId {
    /// A side of no connection: that of a dial which cannot succeed.
    pub(super) const NOWHERE: Self = Self { conn: 0, side: 0 };

    /// The port from which the connection was opened.
    pub(super) fn caller_port(self) -> u16 {
        FIRST_CALLER_PORT + (self.conn % 20_000) as u16
    }

    pub(super) fn other(self) -> Self {
        Self { conn: self.conn, side: 1 - self.side }
    }
}

/// Who holds a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Node(NodeId, ConnId),
    Client(ClientId),
    /// The called side, until the call arrives.
    Awaiting,
    Gone,
}

/// What travels in a pipe.
#[derive(Debug)]
pub(super) enum Parcel {
    Call,
    Answer,
    Refusal,
    Data(Bytes),
    Fin,
}

impl Parcel {
    fn len(&self) -> usize {
        if let Self::Data(data) = self { data.len() } else { 0 }
    }

    fn pieces(self, bytes_max: usize) -> Vec<Self> {
        let Self::Data(mut data) = self else { return vec![self] };
        let mut pieces = Vec::with_capacity(data.len() / bytes_max + 1);
        while data.len() > bytes_max {
            pieces.push(Self::Data(data.split_to(bytes_max)));
        }
        pieces.push(Self::Data(data));
        pieces
    }
}

#[derive(Debug)]
struct InFlight {
    entered: Millis,
    due: Millis,
    parcel: Parcel,
}

#[derive(Debug, Default)]
struct Pipe {
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// A Fin follows what is unsent.
    closing: bool,
    flight: VecDeque<InFlight>,
    flight_bytes: usize,
    readable: VecDeque<Bytes>,
    readable_bytes: usize,
}

#[derive(Debug)]
struct Side {
    end: End,
    /// The node whose links the pipes pass, even after its end is gone. None for a client.
    owner: Option<NodeId>,
    out: Pipe,
}

#[derive(Debug)]
struct Link {
    policy: LinkPolicy,
    /// When a throttled link has passed what it took, in microseconds.
    busy_until_us: u64,
}

/// All connections and links.
#[derive(Debug)]
pub(super) struct Network {
    conns: BTreeMap<u64, [Side; 2]>,
    conns_opened: u64,
    /// Links with a policy; all others are clear.
    links: BTreeMap<(NodeId, NodeId), Link>,
    dice: Dice,
}

impl Network {
    pub(super) fn new(dice: Dice) -> Self {
        Self { conns: BTreeMap::new(), conns_opened: 0, links: BTreeMap::new(), dice }
    }

    /// Opens a connection to a node; the call is on its way.
    pub(super) fn call(&mut self, from: End, to: NodeId, queue: &mut Queue) -> SideId {
        self.conns_opened += 1;
        let owner = if let End::Node(node, _) = from { Some(node) } else { None };
        let opening = Side { end: from, owner, out: Pipe::default() };
        let awaiting = Side { end: End::Awaiting, owner: Some(to), out: Pipe::default() };
        self.conns.insert(self.conns_opened, [opening, awaiting]);
        let side = SideId { conn: self.conns_opened, side: 0 };
        self.ship(side, vec![Parcel::Call], queue);
        side
    }

    /// Answers a call that arrived: the called side is `end` from now on, or refuses.
    pub(super) fn answer(&mut self, side: SideId, end: Option<End>, queue: &mut Queue) {
        let Some(sides) = self.conns.get_mut(&side.conn) else { return };
        sides[side.side].end = end.unwrap_or(End::Gone);
        let parcel = if end.is_some() { Parcel::Answer } else { Parcel::Refusal };
        self.ship(side, vec![parcel], queue);
    }

    pub(super) fn end(&self, side: SideId) -> End {
        self.conns.get(&side.conn).map_or(End::Gone, |sides| sides[side.side].end)
    }

    /// The node that was called.
    pub(super) fn callee(&self, side: SideId) -> Option<NodeId> {
        self.conns.get(&side.conn).and_then(|sides| sides[1].owner)
    }

    /// Bytes that have not left a side.
    pub(super) fn unsent_bytes(&self, side: SideId) -> usize {
        self.conns.get(&side.conn).map_or(0, |sides| sides[side.side].out.unsent_bytes)
    }

    /// Queues bytes at a side; [`Self::pump`] lets them leave.
    pub(super) fn enqueue(&mut self, side: SideId, data: Bytes) {
        if let Some(sides) = self.conns.get_mut(&side.conn)
            && !data.is_empty()
        {
            let pipe = &mut sides[side.side].out;
            pipe.unsent_bytes += data.len();
            pipe.unsent.push_back(data);
        }
    }

    /// Gives up a side, with or without what is unsent. The other hears of it over the link,
    /// unless it never heard of the connection and nothing is left to say.
    pub(super) fn close(&mut self, side: SideId, flush: bool, queue: &mut Queue) {
        let Some(sides) = self.conns.get_mut(&side.conn) else { return };
        if !flush && sides[side.other().side].end == End::Awaiting {
            self.conns.remove(&side.conn);
            return;
        }
        let this = &mut sides[side.side];
        this.end = End::Gone;
        this.out.closing = true;
        if !flush {
            this.out.unsent.clear();
            this.out.unsent_bytes = 0;
        }
        let other = &mut sides[side.other().side].out;
        other.readable.clear();
        other.readable_bytes = 0;
        self.pump(side, queue);
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, side: SideId) {
        self.conns.remove(&side.conn);
    }

    /// Lets leave a side what the link has room for.
    pub(super) fn pump(&mut self, side: SideId, queue: &mut Queue) {
        let Some(sides) = self.conns.get_mut(&side.conn) else { return };
        let pipe = &mut sides[side.side].out;
        let mut room = LINK_QUEUE_BYTES_MAX.saturating_sub(pipe.flight_bytes + pipe.readable_bytes);
        let mut parcels = Vec::new();
        while room > 0
            && let Some(mut data) = pipe.unsent.pop_front()
        {
            if data.len() > room {
                pipe.unsent.push_front(data.split_off(room));
            }
            room -= data.len();
            pipe.unsent_bytes -= data.len();
            parcels.push(Parcel::Data(data));
        }
        if pipe.closing && pipe.unsent.is_empty() {
            pipe.closing = false;
            parcels.push(Parcel::Fin);
        }
        self.ship(side, parcels, queue);
    }

    /// Takes what has come to the end of its way from a side.
    pub(super) fn pop_due(&mut self, from: SideId, now: Millis) -> Option<Parcel> {
        if self.link_of(from).is_some_and(|link| self.policy(link).cut) {
            return None;
        }
        let pipe = &mut self.conns.get_mut(&from.conn)?[from.side].out;
        if pipe.flight.front()?.due > now {
            return None;
        }
        let parcel = pipe.flight.pop_front()?.parcel;
        pipe.flight_bytes -= parcel.len();
        Some(parcel)
    }

    /// Keeps arrived bytes until they are read; true if there were none before.
    pub(super) fn keep_readable(&mut self, from: SideId, data: Bytes) -> bool {
        let Some(sides) = self.conns.get_mut(&from.conn) else { return false };
        let pipe = &mut sides[from.side].out;
        pipe.readable_bytes += data.len();
        pipe.readable.push_back(data);
        pipe.readable.len() == 1
    }

    /// Reads what arrived at a side: usually all in one piece, sometimes less.
    pub(super) fn read(&mut self, side: SideId) -> Option<Bytes> {
        let from = side.other();
        let pipe = &mut self.conns.get_mut(&from.conn)?[from.side].out;
        let mut data = pipe.readable.pop_front()?;
        if !pipe.readable.is_empty() && data.len() < READ_BYTES_MAX {
            let mut joined = Vec::with_capacity(pipe.readable_bytes.min(READ_BYTES_MAX));
            joined.extend_from_slice(&data);
            while joined.len() < READ_BYTES_MAX
                && let Some(more) = pipe.readable.pop_front()
            {
                joined.extend_from_slice(&more);
            }
            data = Bytes::from(joined);
        }
        if data.len() > 1 && self.dice.chance(1, SPLIT_ONE_IN) {
            let at = 1 + self.dice.below(data.len() as u64 - 1) as usize;
            pipe.readable.push_front(data.split_off(at));
        }
        pipe.readable_bytes -= data.len();
        Some(data)
    }

    /// Sets a link's policy, also for what is on its way.
    pub(super) fn set_link(
        &mut self,
        from: NodeId,
        to: NodeId,
        policy: LinkPolicy,
        queue: &mut Queue,
    ) {
        self.links.remove(&(from, to));
        if !policy.is_clear() {
            self.links.insert((from, to), Link { policy, busy_until_us: 0 });
        }
        let sides: Vec<SideId> =
            self.sides().filter(|(_, l)| *l == Some((from, to))).map(|(side, _)| side).collect();
        for side in sides {
            self.reschedule(side, queue);
        }
    }

    /// Resets all connections between two nodes and tells whose they were.
    pub(super) fn reset(&mut self, a: NodeId, b: NodeId) -> Vec<End> {
        let mut ends = Vec::new();
        self.conns.retain(|_, sides| {
            let owners = (sides[0].owner, sides[1].owner);
            let hit = owners == (Some(a), Some(b)) || owners == (Some(b), Some(a));
            if hit {
                ends.extend(sides.iter().map(|side| side.end));
            }
            !hit
        });
        ends
    }

    /// Bytes on their way over a link.
    pub(super) fn flight_bytes(&self, from: NodeId, to: NodeId) -> u64 {
        self.sides()
            .filter(|(_, link)| *link == Some((from, to)))
            .filter_map(|(side, _)| self.conns.get(&side.conn).map(|sides| &sides[side.side]))
            .map(|side| side.out.flight_bytes as u64)
            .sum()
    }

    /// All sides with the links that what they send passes.
    fn sides(&self) -> impl Iterator<Item = (SideId, Option<(NodeId, NodeId)>)> + '_ {
        self.conns
            .keys()
            .flat_map(|&conn| [0, 1].map(|side| SideId { conn, side }))
            .map(|side| (side, self.link_of(side)))
    }

    /// The link that what a side sends passes. A client's passes none.
    fn link_of(&self, side: SideId) -> Option<(NodeId, NodeId)> {
        let sides = self.conns.get(&side.conn)?;
        sides[side.side].owner.zip(sides[side.other().side].owner)
    }

    fn policy(&self, link: (NodeId, NodeId)) -> LinkPolicy {
        self.links.get(&link).map_or_else(LinkPolicy::default, |link| link.policy)
    }

    /// Puts parcels into flight. Mostly they arrive together; now and then the dice split them.
    fn ship(&mut self, side: SideId, parcels: Vec<Parcel>, queue: &mut Queue) {
        if parcels.is_empty() || !self.conns.contains_key(&side.conn) {
            return;
        }
        let link = self.link_of(side);
        let (parcels, together) = self.cut_up(link, parcels);
        let (now, mut due) = (queue.now(), 0);
        for (index, parcel) in parcels.into_iter().enumerate() {
            if index == 0 || index >= together {
                due = self.due(link, now, now, parcel.len());
            }
            let Some(sides) = self.conns.get_mut(&side.conn) else { return };
            let pipe = &mut sides[side.side].out;
            let last = pipe.flight.back().map(|last| last.due);
            due = due.max(last.unwrap_or(0));
            if last != Some(due) {
                queue.push(due, Event::Arrive(side));
            }
            pipe.flight_bytes += parcel.len();
            pipe.flight.push_back(InFlight { entered: now, due, parcel });
        }
    }

    /// Splits data into what travels by itself; the first so many parcels travel together.
    fn cut_up(
        &mut self,
        link: Option<(NodeId, NodeId)>,
        parcels: Vec<Parcel>,
    ) -> (Vec<Parcel>, usize) {
        let rate = link.map_or(0, |link| self.policy(link).bytes_per_s);
        if rate > 0 {
            let piece = (rate * THROTTLE_PIECE_MS / 1000).max(1) as usize;
            return (parcels.into_iter().flat_map(|parcel| parcel.pieces(piece)).collect(), 0);
        }
        let together = parcels.len();
        if !self.dice.chance(1, SPLIT_ONE_IN) {
            return (parcels, together);
        }
        let at = self.dice.below(together as u64) as usize;
        let by = self.dice.bits();
        let mut split = Vec::with_capacity(together + 1);
        for (index, parcel) in parcels.into_iter().enumerate() {
            match parcel {
                Parcel::Data(mut data) if index == at && data.len() > 1 => {
                    let rest = data.split_off(1 + (by % (data.len() as u64 - 1)) as usize);
                    split.extend([Parcel::Data(data), Parcel::Data(rest)]);
                }
                other => split.push(other),
            }
        }
        (split, at + 1)
    }

    /// When a parcel arrives that entered its link at `entered`.
    fn due(
        &mut self,
        link: Option<(NodeId, NodeId)>,
        entered: Millis,
        now: Millis,
        bytes: usize,
    ) -> Millis {
        let mut due = entered + self.dice.below(LATENCY_MS_MAX + 1);
        if let Some(link) = link.and_then(|link| self.links.get_mut(&link)) {
            let LinkPolicy { delay_ms, jitter_ms, bytes_per_s, .. } = link.policy;
            let jitter = self.dice.below(2 * jitter_ms + 1);
            due += (delay_ms + jitter).saturating_sub(jitter_ms);
            if let Some(takes_us) = (bytes as u64 * 1_000_000).checked_div(bytes_per_s) {
                link.busy_until_us = link.busy_until_us.max(now * 1000) + takes_us;
                due += (link.busy_until_us / 1000).saturating_sub(entered);
            }
        }
        due.max(now)
    }

    /// Gives all that is on its way from a side a new time under the link's present policy.
    fn reschedule(&mut self, side: SideId, queue: &mut Queue) {
        let link = self.link_of(side);
        let now = queue.now();
        let flight = match self.conns.get_mut(&side.conn) {
            Some(sides) => std::mem::take(&mut sides[side.side].out.flight),
            None => return,
        };
        let mut last = None;
        let mut moved = VecDeque::with_capacity(flight.len());
        for InFlight { entered, parcel, .. } in flight {
            let due = self.due(link, entered, now, parcel.len()).max(last.unwrap_or(0));
            if last != Some(due) {
                queue.push(due, Event::Arrive(side));
            }
            last = Some(due);
            moved.push_back(InFlight { entered, due, parcel });
        }
        if let Some(sides) = self.conns.get_mut(&side.conn) {
            sides[side.side].out.flight = moved;
        }
    }
}
