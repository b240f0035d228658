//! Looking into nodes: their keys, how two of them differ, and what went down a stream.
//!
//! A node lends a [`NodeData`]: a snapshot of its data, which costs it microseconds, with the offset
//! that it stands for and the tail of the stream that led there. Whoever reads it reads on a thread
//! of its own where it may take long ([`Sight::of`]), and no node waits for that.
//!
//! # Why a key differs
//!
//! Two nodes of one history are two places in one stream. What the one behind has not heard is held
//! by the backlog of the one ahead, so for every key that differs it can be *said* which command
//! will mend it. A difference that no command of that part of the stream explains will not go away
//! by waiting: somebody wrote to the replica itself. See [`Why`].

mod diff;
mod keys;
mod peek;
mod stream;

pub use self::diff::{
    Comparison, Counts, Difference, Held, Kind, Order, Relation, Side, Summary as DiffSummary, Why,
};
pub use self::keys::{KeyRow, Listing, Sort};
pub use self::peek::Elements;
use super::action::Action;
use super::journal::Event;
use super::run::Lab;
use super::view::{NodeKind, NodeStatus};
use crate::machine::{Millis, NodeData};
use crate::world::{NodeId, World};

/// What a face wants to see of the data of nodes, which it calls by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The keys of a node.
    Keys {
        /// The node.
        node: String,
        /// A glob; empty for all.
        pattern: String,
        /// Their order.
        sort: Sort,
    },
    /// How two nodes differ.
    Diff {
        /// One node.
        a: String,
        /// Another one.
        b: String,
    },
}

impl Ask {
    fn nodes(&self) -> Vec<&str> {
        match self {
            Self::Keys { node, .. } => vec![node],
            Self::Diff { a, b } => vec![a, b],
        }
    }
}

/// What nodes lent for an [`Ask`].
#[derive(Debug)]
pub struct Taken {
    ask: Ask,
    at_ms: Millis,
    lent: Result<Vec<NodeData>, String>,
    /// Of two nodes, the place of the one that follows the other.
    follower: Option<usize>,
}

/// What an [`Ask`] came to.
#[derive(Debug)]
pub enum Sight {
    /// The keys of a node.
    Keys(Listing),
    /// How two nodes differ.
    Diff(Box<Comparison>),
    /// Nothing can be seen, for this reason.
    Nothing(String),
}

impl Sight {
    /// Makes sense of what nodes lent. It takes as long as it takes to read all keys.
    pub fn of(taken: Taken) -> Self {
        let Taken { ask, at_ms, lent, follower } = taken;
        let lent = match lent {
            Ok(lent) => lent,
            Err(reason) => return Self::Nothing(reason),
        };
        match (ask, <[NodeData; 2]>::try_from(lent)) {
            (Ask::Diff { a, b }, Ok([of_a, of_b])) => {
                Self::Diff(Box::new(Comparison::of([(a, of_a), (b, of_b)], follower, at_ms)))
            }
            (Ask::Keys { node, pattern, sort }, Err(mut lent)) => match lent.pop() {
                Some(data) => Self::Keys(Listing::of(node, data, pattern, sort, at_ms)),
                None => Self::Nothing("it holds no data".to_owned()),
            },
            _ => Self::Nothing("it holds no data".to_owned()),
        }
    }
}

/// Somebody waits for the data of nodes.
pub(super) struct Look {
    purpose: Purpose,
    /// The nodes, and what each lent: nothing if it holds no data.
    nodes: Vec<(usize, Option<Answer>)>,
}

type Answer = Option<NodeData>;

impl Look {
    /// Whether a script waits for it.
    pub fn is_order(&self) -> bool {
        !matches!(self.purpose, Purpose::Show(_))
    }

    fn open_place(&self, node: usize) -> Option<usize> {
        self.nodes.iter().position(|(wanted, answer)| *wanted == node && answer.is_none())
    }
}

enum Purpose {
    /// A face asked.
    Show(Ask),
    /// The journal shall say how they differ.
    Compare,
    /// The journal shall say what went down the stream.
    Stream,
    /// The lab's picture of the node shall be a new one.
    See,
    /// The journal shall name the keys that fit a glob.
    List(String),
}

/// What the lab knows of a node's stream.
#[derive(Default)]
pub(super) struct Tap {
    /// Replication ID and offset up to which the journal has told of it.
    told: Option<(String, u64)>,
    /// What the lab asked the node since then.
    asked: Vec<String>,
    /// What the last `stream` found, as one line; nothing while it is looked for.
    pub last: Option<String>,
}

/// Commands that one row tells of.
const ASKED_MAX: usize = 20;

/// Keys that one row names.
const KEYS_TOLD_MAX: usize = 50;

impl Tap {
    /// The lab sends a command to the node.
    pub fn on_asked(&mut self, command: String) {
        if self.asked.len() == ASKED_MAX {
            self.asked.remove(0);
        }
        self.asked.push(command);
    }

    fn tell(&mut self, data: &NodeData) -> Event {
        let told = self.told.replace((data.replid.clone(), data.offset));
        let from = told.filter(|(id, offset)| data.continues(id, *offset)).map(|(_, at)| at);
        let stream = from.and_then(|from| data.stream_after(from));
        let is_held = stream.is_some();
        let commands = stream::read(&stream.unwrap_or_default());
        let texts: Vec<String> = commands.iter().map(stream::Streamed::text).collect();
        self.last = Some(texts.join("; "));
        let more = texts.len().saturating_sub(ASKED_MAX);
        Event::Streamed {
            asked: std::mem::take(&mut self.asked),
            from: from.filter(|_| is_held).unwrap_or(data.offset),
            to: data.offset,
            streamed: texts.into_iter().skip(more).collect(),
            more: more as u64,
        }
    }
}

impl<W: World> Lab<W> {
    /// Asks nodes for their data on behalf of a face; what they lent is [drained](Lab::drain_taken).
    pub fn show(&mut self, ask: Ask) {
        let nodes: Result<Vec<usize>, String> =
            ask.nodes().iter().map(|name| self.can_lend(name)).collect();
        match nodes {
            Ok(nodes) => self.wait_for(Purpose::Show(ask), nodes),
            Err(reason) => self.hand_out(ask, Err(reason), None),
        }
    }

    /// Takes what was lent since the last call.
    pub fn drain_taken(&mut self) -> Vec<Taken> {
        std::mem::take(&mut self.taken)
    }

    /// Looks on behalf of the journal.
    pub(super) fn look_order(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Diff { a, b } if a == b => {
                return Err("a node does not differ from itself".to_owned());
            }
            Action::Diff { a, b } => {
                let nodes = vec![self.can_lend(a)?, self.can_lend(b)?];
                self.compared = None;
                self.wait_for(Purpose::Compare, nodes);
            }
            Action::Stream { node } => {
                let node = self.can_lend(node)?;
                self.taps[node].last = None;
                self.wait_for(Purpose::Stream, vec![node]);
            }
            Action::Keys { node, pattern } => {
                let node = self.can_lend(node)?;
                self.wait_for(Purpose::List(pattern.clone().unwrap_or_default()), vec![node]);
            }
            _ => {}
        }
        Ok(())
    }

    /// From here on it is told what went down each stream.
    pub(super) fn begin_taps(&mut self) {
        for (node, tap) in self.nodes.iter().zip(&mut self.taps) {
            let view = node.view.as_ref().and_then(|view| view.server());
            tap.told = view.map(|view| (view.replid.clone(), view.offset));
        }
    }

    /// The place of a node that has data to lend.
    fn can_lend(&self, name: &str) -> Result<usize, String> {
        let at = self.find(name)?;
        match (&self.nodes[at].kind, &self.nodes[at].status) {
            (NodeKind::Sentinel, _) => Err(format!("{name} is a Sentinel and holds no data")),
            (_, NodeStatus::Dead(..)) => Err(format!("{name} is dead; `restart {name}` starts it")),
            _ => Ok(at),
        }
    }

    /// Asks a node for nothing but a new picture of it.
    pub(super) fn see(&mut self, node: usize) {
        if !matches!(self.nodes[node].status, NodeStatus::Dead(..)) {
            self.wait_for(Purpose::See, vec![node]);
        }
    }

    fn wait_for(&mut self, purpose: Purpose, nodes: Vec<usize>) {
        for node in &nodes {
            self.world.ask_data(self.nodes[*node].id);
        }
        let nodes = nodes.into_iter().map(|node| (node, None)).collect();
        self.looks.push(Look { purpose, nodes });
    }

    pub(super) fn on_data(&mut self, node: NodeId, data: Option<NodeData>) {
        let Some(node) = self.place(node) else { return };
        // Answers come in the order of the questions.
        let mut waiting = self.looks.iter().enumerate();
        let first = waiting.find_map(|(look, row)| Some((look, row.open_place(node)?)));
        let Some((look, place)) = first else { return };
        self.looks[look].nodes[place].1 = Some(data);
        if self.looks[look].nodes.iter().all(|(_, answer)| answer.is_some()) {
            let Look { purpose, nodes } = self.looks.remove(look);
            let (nodes, lent): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
            self.finish_look(purpose, &nodes, lent.into_iter().flatten().flatten().collect());
        }
    }

    fn finish_look(&mut self, purpose: Purpose, nodes: &[usize], lent: Vec<NodeData>) {
        match purpose {
            Purpose::Show(ask) => {
                let follower = self.follower(nodes);
                self.hand_out(ask, Ok(lent), follower);
            }
            Purpose::See => {}
            Purpose::Stream => {
                if let (Some(&node), Some(data)) = (nodes.first(), lent.first()) {
                    let event = self.taps[node].tell(data);
                    self.note_of(node, event);
                }
            }
            Purpose::List(pattern) => {
                let (Some(&node), Some(data)) = (nodes.first(), lent.into_iter().next()) else {
                    return;
                };
                let name = self.nodes[node].name.clone();
                let found = Listing::of(name, data, pattern, Sort::Name, self.now_ms());
                let keys = (0..KEYS_TOLD_MAX).filter_map(|at| Some(found.row(at)?.key)).collect();
                self.note_of(node, Event::Keys { count: found.len() as u64, keys });
            }
            Purpose::Compare => {
                let names = nodes.iter().map(|node| self.nodes[*node].name.clone());
                let Ok(pair) = <[_; 2]>::try_from(names.zip(lent).collect::<Vec<_>>()) else {
                    return;
                };
                let found = Comparison::of(pair, self.follower(nodes), self.now_ms());
                self.compared = Some(found.counts);
                self.note(None, Event::Compared(Box::new(found.summary())));
            }
        }
    }

    fn hand_out(&mut self, ask: Ask, lent: Result<Vec<NodeData>, String>, follower: Option<usize>) {
        let at_ms = self.now_ms();
        self.taken.push(Taken { ask, at_ms, lent, follower });
    }

    /// Which of two nodes follows the other, if one does: its place among the two.
    fn follower(&self, nodes: &[usize]) -> Option<usize> {
        let [a, b] = nodes else { return None };
        let rows = self.rows();
        let above = |node: usize| super::picture::chain(&rows, node);
        if above(*b).contains(a) { Some(1) } else { above(*a).contains(b).then_some(0) }
    }

    /// A node that is dead lends nothing: nobody waits for it any longer.
    pub(super) fn give_up_looks(&mut self, node: usize) {
        let looks = std::mem::take(&mut self.looks);
        let (gone, rest) = looks
            .into_iter()
            .partition(|look| look.nodes.iter().any(|(wanted, _)| *wanted == node));
        self.looks = rest;
        for look in gone {
            let reason = format!("{} is dead", self.nodes[node].name);
            match look.purpose {
                Purpose::Show(ask) => self.hand_out(ask, Err(reason), None),
                Purpose::Compare => self.refuse("diff", &reason),
                Purpose::See => {}
                Purpose::Stream => self.refuse("stream", &reason),
                Purpose::List(_) => self.refuse("keys", &reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fake::{FakeWorld, lab, live};
    use super::{Ask, Sight, Sort};
    use crate::lab::claim::holds;
    use crate::lab::{Entry, Event, Lab, parse};

    fn pair() -> Lab<FakeWorld> {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        live(&mut lab, 50);
        lab
    }

    fn act(lab: &mut Lab<FakeWorld>, lines: &[&str]) {
        for line in lines {
            lab.act(&parse::action(line).unwrap(), "key");
            live(lab, 20);
        }
    }

    fn rows(lab: &Lab<FakeWorld>) -> Vec<String> {
        let told = |row: &Arc<Entry>| {
            let is_told = matches!(
                row.event,
                Event::Streamed { .. }
                    | Event::Compared(_)
                    | Event::Keys { .. }
                    | Event::Refused { .. }
            );
            let beside = matches!(&row.event, Event::Streamed { asked, .. } if !asked.is_empty());
            let meaning = row.event.explain().filter(|_| beside);
            let text = row.event.text();
            is_told.then(|| meaning.map_or(text.clone(), |meaning| format!("{text} / {meaning}")))
        };
        lab.journal().newest(1_000).iter().filter_map(told).collect()
    }

    #[track_caller]
    fn assert_holds(lab: &mut Lab<FakeWorld>, claim: &str) {
        assert_eq!(holds(&parse::claim(claim).unwrap(), &lab.view()), Ok(()), "{claim}");
    }

    #[test]
    fn what_was_asked_stands_beside_what_went_down_the_stream_and_is_told_once() {
        let mut lab = pair();
        act(&mut lab, &["redis alpha GET k", "redis alpha SET k v", "stream alpha"]);
        assert_holds(&mut lab, "alpha streamed=SET?k?v");
        act(&mut lab, &["stream alpha"]);
        assert_holds(&mut lab, "alpha streamed!=*SET*");
        assert_eq!(
            rows(&lab),
            ["asked: GET k; SET k v / Down the stream: SET k v", "down the stream: nothing"]
        );
    }

    #[test]
    fn nothing_is_true_of_a_reply_that_is_awaited() {
        let mut lab = pair();
        act(&mut lab, &["redis alpha GET k"]);
        assert_holds(&mut lab, "alpha reply=(nil)");
        lab.act(&parse::action("redis alpha GET k").unwrap(), "key");
        for claim in ["alpha reply=(nil)", "alpha reply!=(nil)"] {
            let instead = holds(&parse::claim(claim).unwrap(), &lab.view());
            assert_eq!(instead, Err("reply is none".to_owned()), "{claim}");
        }
    }

    #[test]
    fn two_nodes_are_compared_and_counted() {
        let mut lab = pair();
        act(&mut lab, &["redis alpha SET k v", "diff alpha bravo"]);
        assert_holds(&mut lab, "lab differing=0");
        act(&mut lab, &["cut alpha bravo", "redis alpha SET k w", "diff bravo alpha"]);
        assert_holds(&mut lab, "lab differing=1 not-arrived=1 local=0");
        assert_eq!(
            rows(&lab),
            [
                "alpha and bravo hold the same 1 keys",
                "bravo and alpha differ in 1 key: 1 not yet arrived"
            ]
        );
    }

    #[test]
    fn what_cannot_be_looked_at_is_refused_with_the_reason() {
        let mut lab = pair();
        act(&mut lab, &["diff alpha alpha", "keys alpa", "kill bravo", "stream bravo"]);
        let rows = rows(&lab);
        assert!(rows[0].ends_with("a node does not differ from itself"), "{rows:?}");
        assert!(rows[1].ends_with("did you mean `alpha`?"), "{rows:?}");
        assert!(rows[2].ends_with("`restart bravo` starts it"), "{rows:?}");
    }

    #[test]
    fn nobody_waits_for_a_node_that_died_meanwhile() {
        let mut lab = pair();
        lab.act(&parse::action("diff alpha bravo").unwrap(), "key");
        lab.act(&parse::action("kill bravo").unwrap(), "key");
        live(&mut lab, 50);
        assert_eq!(rows(&lab), ["refused: diff: bravo is dead"]);
        act(&mut lab, &["redis alpha SET k v", "keys alpha"]);
        assert_eq!(rows(&lab)[1], "1 keys: k", "the answer of alpha was for the first question");
    }

    #[test]
    fn a_face_gets_what_it_asked_for() {
        let mut lab = pair();
        act(&mut lab, &["redis alpha SET k v"]);
        let ask = |node: &str| Ask::Keys {
            node: node.to_owned(),
            pattern: String::new(),
            sort: Sort::Name,
        };
        lab.show(ask("bravo"));
        lab.show(ask("charlie"));
        live(&mut lab, 20);
        let mut sights = lab.drain_taken().into_iter().map(Sight::of);
        assert!(matches!(sights.next(), Some(Sight::Nothing(why)) if why.contains("no node")));
        let Some(Sight::Keys(listing)) = sights.next() else { panic!("no listing") };
        assert_eq!((listing.len(), listing.row(0).unwrap().key.as_str()), (1, "k"));
    }
}
