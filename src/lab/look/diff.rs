//! How the data of two nodes differs, and why.

use super::keys::KEY_BYTES_MAX;
use super::peek;
use super::stream::Pending;
use crate::keyspace::{Blob, Db, Value, value_digest};
use crate::machine::{Millis, NodeData};

/// Rows that a comparison keeps; all are counted.
const ROWS_MAX: usize = 10_000;

/// Two nodes compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The two.
    pub sides: [Side; 2],
    /// How their histories stand to each other.
    pub relation: Relation,
    /// How many keys differ.
    pub counts: Counts,
    /// Keys that differ: what waiting does not mend first, then by name.
    pub rows: Vec<Difference>,
    /// When the data was lent, in lab time.
    pub at_ms: Millis,
}

/// A node of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its name.
    pub node: String,
    /// The offset that its data stands for.
    pub offset: u64,
    /// Keys in all databases.
    pub keys: u64,
}

/// How two histories stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// One history, and the same offset.
    Level,
    /// One history.
    Behind {
        /// The side that is behind.
        side: usize,
        /// How many bytes.
        bytes: u64,
        /// How many commands; none if the other side no longer holds them.
        commands: Option<usize>,
    },
    /// They are not places in one history.
    Parted,
}

/// How many keys there are of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Equal on both sides.
    pub equal: u64,
    /// Of these, logically expired: both hold them and show them to nobody.
    pub hidden: u64,
    /// See [`Why::NotArrived`].
    pub not_arrived: u64,
    /// See [`Why::Expired`].
    pub expired: u64,
    /// See [`Why::Local`].
    pub local: u64,
    /// See [`Why::Parted`].
    pub parted: u64,
    /// See [`Why::NotHeld`].
    pub unexplained: u64,
}

impl Counts {
    /// Keys that differ.
    pub fn differing(&self) -> u64 {
        Kind::ALL.iter().map(|kind| self.of(*kind)).sum()
    }

    /// Keys that differ for a reason of this kind.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::NotArrived => self.not_arrived,
            Kind::Expired => self.expired,
            Kind::Local => self.local,
            Kind::NotHeld => self.unexplained,
            Kind::Parted => self.parted,
        }
    }

    fn count(&mut self, kind: Kind) {
        *match kind {
            Kind::NotArrived => &mut self.not_arrived,
            Kind::Expired => &mut self.expired,
            Kind::Local => &mut self.local,
            Kind::NotHeld => &mut self.unexplained,
            Kind::Parted => &mut self.parted,
        } += 1;
    }
}

/// The kinds of reasons: a [`Why`] without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`Why::NotArrived`].
    NotArrived,
    /// See [`Why::Expired`].
    Expired,
    /// See [`Why::Local`].
    Local,
    /// See [`Why::NotHeld`].
    NotHeld,
    /// See [`Why::Parted`].
    Parted,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] =
        [Self::NotArrived, Self::Expired, Self::Local, Self::NotHeld, Self::Parted];

    /// Its short name.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotArrived => "not yet arrived",
            Self::Expired => "expired",
            Self::Local => "written locally",
            Self::NotHeld => "not explained",
            Self::Parted => "histories parted",
        }
    }
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: String,
    /// What each side holds, if it has the key.
    pub held: [Option<Held>; 2],
    /// Why.
    pub why: Why,
}

/// What a node has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The value on one line.
    pub peek: String,
    /// Milliseconds that it had to live when the data was lent.
    pub ttl_ms: Option<i64>,
}

/// Why a key differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The one ahead wrote to it, or deleted it, and the other one has not heard of it yet.
    NotArrived {
        /// The last such command.
        command: String,
        /// Its last byte in the stream.
        offset: u64,
        /// How many such commands there are.
        count: u64,
    },
    /// The backlog no longer holds what the one behind has not heard: only a full resync will tell.
    NotHeld,
    /// It expired. Who holds it still hides it, and waits for the deletion to come by the stream.
    Expired,
    /// No command explains it: somebody wrote to the replica itself, or to one of the two if
    /// neither follows the other.
    Local {
        /// The replica.
        on: Option<String>,
    },
    /// The histories parted; either side may have written to it since.
    Parted,
}

/// An order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// It will not go away by waiting.
    Stays,
    /// It is hidden until it is deleted.
    Hides,
    /// It will go away.
    Passes,
}

impl Why {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotArrived { .. } => Kind::NotArrived,
            Self::NotHeld => Kind::NotHeld,
            Self::Expired => Kind::Expired,
            Self::Local { .. } => Kind::Local,
            Self::Parted => Kind::Parted,
        }
    }

    /// Whether waiting mends it.
    pub fn order(&self) -> Order {
        match self.kind() {
            Kind::Local | Kind::Parted => Order::Stays,
            Kind::Expired => Order::Hides,
            Kind::NotArrived | Kind::NotHeld => Order::Passes,
        }
    }

    /// The rest of the sentence, without what the command wrote.
    pub fn brief(&self) -> String {
        match self {
            Self::NotArrived { command, offset, count } => {
                let command = command.split(' ').next().unwrap_or_default().to_owned();
                Self::NotArrived { command, offset: *offset, count: *count }.detail()
            }
            Self::Local { on: Some(node) } => format!("on {node}"),
            other => other.detail(),
        }
    }

    /// The rest of the sentence.
    pub fn detail(&self) -> String {
        match self {
            Self::NotArrived { command, offset, count: 1 } => format!("{command} at {offset}"),
            Self::NotArrived { command, offset, count } => {
                format!("{count} writes, the last {command} at {offset}")
            }
            Self::NotHeld => "the backlog begins later".to_owned(),
            Self::Expired => "hidden until its DEL comes by the stream".to_owned(),
            Self::Local { on: Some(node) } => {
                format!("on {node}: no command in the stream explains it")
            }
            Self::Local { on: None } => "no command in the stream explains it".to_owned(),
            Self::Parted => "each side goes on alone".to_owned(),
        }
    }
}

/// A comparison as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The two nodes.
    pub nodes: [String; 2],
    /// How many keys differ.
    pub counts: Counts,
    /// A few of them, as sentences.
    pub examples: Vec<String>,
}

/// Examples that a summary gives.
const EXAMPLES_MAX: usize = 3;

impl Comparison {
    /// Compares two nodes. `follower` is the place of the one that follows the other.
    pub(super) fn of(
        lent: [(String, NodeData); 2],
        follower: Option<usize>,
        at_ms: Millis,
    ) -> Self {
        let [(a, of_a), (b, of_b)] = lent;
        let (names, data) = ([a, b], [of_a, of_b]);
        let (relation, pending) = relate(&data);
        let sides = [0, 1].map(|i| Side {
            node: names[i].clone(),
            offset: data[i].offset,
            keys: data[i].snapshot.keys(),
        });
        let on = follower.map(|side| names[side].clone());
        let mut found = Found {
            data: &data,
            relation: &relation,
            pending,
            on,
            counts: Counts::default(),
            rows: Vec::new(),
        };
        let databases = data[0].snapshot.databases().max(data[1].snapshot.databases());
        (0..databases).for_each(|db| found.compare(db));
        let Found { counts, mut rows, .. } = found;
        rows.sort_by(|x, y| (x.why.order(), x.db, &x.key).cmp(&(y.why.order(), y.db, &y.key)));
        Self { sides, relation, counts, rows, at_ms }
    }

    pub(super) fn summary(&self) -> Summary {
        let example = |row: &Difference| {
            format!("{} {}: {}", row.key, row.why.kind().word(), row.why.detail())
        };
        Summary {
            nodes: [0, 1].map(|i| self.sides[i].node.clone()),
            counts: self.counts,
            examples: self.rows.iter().take(EXAMPLES_MAX).map(example).collect(),
        }
    }
}

/// Which of two places in a history is behind, and what it has not heard.
fn relate(data: &[NodeData; 2]) -> (Relation, Option<Pending>) {
    let [a, b] = data;
    let behind = if a.continues(&b.replid, b.offset) && a.offset >= b.offset {
        1
    } else if b.continues(&a.replid, a.offset) && b.offset >= a.offset {
        0
    } else {
        return (Relation::Parted, None);
    };
    let (late, ahead) = (&data[behind], &data[1 - behind]);
    let bytes = ahead.offset - late.offset;
    if bytes == 0 {
        return (Relation::Level, Some(Pending::default()));
    }
    let pending = ahead.stream_after(late.offset).map(|piece| Pending::of(&piece));
    let commands = pending.as_ref().map(Pending::len);
    (Relation::Behind { side: behind, bytes, commands }, pending)
}

/// A comparison under way.
struct Found<'d> {
    data: &'d [NodeData; 2],
    relation: &'d Relation,
    /// What the one behind has not heard; none if that is not known.
    pending: Option<Pending>,
    on: Option<String>,
    counts: Counts,
    rows: Vec<Difference>,
}

type Entry<'d> = Option<(&'d Value, Option<i64>)>;

impl<'d> Found<'d> {
    fn compare(&mut self, db: usize) {
        let data = self.data;
        let of = |side: usize| -> Option<&'d Db> {
            let snapshot = &data[side].snapshot;
            (db < snapshot.databases()).then(|| snapshot.db(db))
        };
        let (a, b) = (of(0), of(1));
        for (key, value, expiry) in a.into_iter().flat_map(Db::iter) {
            let other = b.and_then(|b| b.get_with_expiry(key));
            self.judge(db, key, [Some((value, expiry)), other]);
        }
        for (key, value, expiry) in b.into_iter().flat_map(Db::iter) {
            if a.is_none_or(|a| !a.contains(key)) {
                self.judge(db, key, [None, Some((value, expiry))]);
            }
        }
    }

    fn judge(&mut self, db: usize, key: &Blob, held: [Entry<'d>; 2]) {
        if let [Some((a, until)), Some((b, other))] = held
            && until == other
            && is_equal(a, b)
        {
            self.counts.equal += 1;
            self.counts.hidden += u64::from(self.is_over(0, held[0]) && self.is_over(1, held[1]));
            return;
        }
        let why = self.why(db, key, held);
        self.counts.count(why.kind());
        if self.rows.len() < ROWS_MAX || why.order() < Order::Passes {
            let shown = |side: usize| {
                held[side].map(|(value, expiry)| Held {
                    peek: peek::line(value),
                    ttl_ms: expiry.map(|at| at - self.data[side].wall_ms),
                })
            };
            let (held, key) = ([shown(0), shown(1)], peek::text(key, KEY_BYTES_MAX));
            self.rows.push(Difference { db, key, held, why });
            if self.rows.len() > 2 * ROWS_MAX {
                self.rows.sort_by_key(|row| row.why.order());
                self.rows.truncate(ROWS_MAX);
            }
        }
    }

    /// Whether a key's time is over by the clock of the node that holds it.
    fn is_over(&self, side: usize, held: Entry<'_>) -> bool {
        held.and_then(|(_, expiry)| expiry).is_some_and(|at| at <= self.data[side].wall_ms)
    }

    fn why(&self, db: usize, key: &Blob, held: [Entry<'d>; 2]) -> Why {
        let only = match held {
            [Some(_), None] => Some(0),
            [None, Some(_)] => Some(1),
            _ => None,
        };
        if only.is_some_and(|side| self.is_over(side, held[side])) {
            return Why::Expired;
        }
        if *self.relation == Relation::Parted {
            return Why::Parted;
        }
        let Some(pending) = &self.pending else { return Why::NotHeld };
        match pending.of_key(db, key) {
            Some((command, count)) => {
                let start = self.data.iter().map(|data| data.offset).min().unwrap_or(0);
                let offset = start + command.end as u64;
                Why::NotArrived { command: command.text(), offset, count }
            }
            None => Why::Local { on: self.on.clone() },
        }
    }
}

/// Whether two values are the same to a client: a hash may have its fields in another order.
fn is_equal(a: &Value, b: &Value) -> bool {
    let is_collection = |value: &Value| peek::count(value).is_some();
    a == b
        || (a.kind() == b.kind()
            && is_collection(a)
            && peek::count(a) == peek::count(b)
            && value_digest(Some(a), false) == value_digest(Some(b), false))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Counts, Relation, Why};
    use crate::keyspace::{Keyspace, Value};
    use crate::lab::client::command;
    use crate::machine::NodeData;

    const NOW: i64 = 1_000_000;

    /// A primary at offset 100 and its replica, both with `same`.
    struct Pair {
        data: [Keyspace; 2],
        /// What the primary wrote that the replica has not heard.
        later: Vec<u8>,
        is_held: bool,
        replid: &'static str,
    }

    impl Pair {
        fn new() -> Self {
            let mut data = [Keyspace::default(), Keyspace::new(16, 9)];
            data.iter_mut().for_each(|d| drop(d.db_mut(0).set(b"same", Value::from("s"))));
            Self { data, later: Vec::new(), is_held: true, replid: "one" }
        }

        fn set(&mut self, side: usize, key: &str, value: &str, expiry: Option<i64>) {
            self.data[side].db_mut(0).set(key.as_bytes(), Value::from(value));
            self.data[side].db_mut(0).set_expiry(key.as_bytes(), expiry);
        }

        fn stream(&mut self, line: &str) {
            self.later.extend_from_slice(&command(line.split(' ').collect::<Vec<_>>()));
        }

        fn compare(&self) -> Comparison {
            let lent = |side: usize| NodeData {
                snapshot: self.data[side].snapshot(),
                wall_ms: NOW,
                replid: if side == 0 { "one" } else { self.replid }.to_owned(),
                previous: None,
                offset: if side == 0 { 100 + self.later.len() as u64 } else { 100 },
                tail: if self.is_held { vec![self.later.clone().into()] } else { vec![] },
            };
            let names = ["alpha".to_owned(), "bravo".to_owned()];
            let [a, b] = names;
            Comparison::of([(a, lent(0)), (b, lent(1))], Some(1), 0)
        }

        fn whys(&self) -> Vec<(String, String)> {
            let rows = self.compare().rows;
            rows.iter().map(|row| (row.key.clone(), row.why.kind().word().to_owned())).collect()
        }
    }

    #[test]
    fn what_is_equal_is_counted_and_not_listed() {
        let found = Pair::new().compare();
        assert_eq!(found.relation, Relation::Level);
        assert_eq!(found.counts, Counts { equal: 1, ..Counts::default() });
        assert!(found.rows.is_empty());
    }

    #[test]
    fn a_write_that_has_not_arrived_is_explained_by_the_command_that_will_bring_it() {
        let mut pair = Pair::new();
        pair.set(0, "k", "new", None);
        pair.set(1, "k", "old", None);
        pair.set(1, "gone", "x", None);
        pair.stream("SET k newer");
        pair.stream("SET k new");
        pair.stream("DEL gone");
        let found = pair.compare();
        let bytes = pair.later.len() as u64;
        assert_eq!(found.relation, Relation::Behind { side: 1, bytes, commands: Some(3) });
        let details: Vec<String> = found.rows.iter().map(|row| row.why.detail()).collect();
        let (gone, k) = (100 + bytes, 100 + bytes - command(["DEL", "gone"]).len() as u64);
        assert_eq!(
            details,
            [format!("DEL gone at {gone}"), format!("2 writes, the last SET k new at {k}")]
        );
        assert_eq!(found.counts.not_arrived, 2);
    }

    #[test]
    fn a_difference_that_no_command_explains_was_written_on_the_replica() {
        let mut pair = Pair::new();
        pair.set(1, "mine", "x", None);
        pair.set(0, "k", "1", None);
        pair.stream("SET k 1");
        let local = ("mine".to_owned(), "written locally".to_owned());
        let late = ("k".to_owned(), "not yet arrived".to_owned());
        assert_eq!(pair.whys(), [local, late], "what stays comes first");
        assert_eq!(pair.compare().rows[0].why, Why::Local { on: Some("bravo".to_owned()) });
    }

    #[test]
    fn a_key_that_expired_waits_for_its_deletion() {
        let mut pair = Pair::new();
        pair.set(1, "old", "x", Some(NOW - 1));
        pair.stream("DEL old");
        for side in [0, 1] {
            pair.set(side, "both", "x", Some(NOW - 1));
        }
        assert_eq!(pair.whys(), [("old".to_owned(), "expired".to_owned())]);
        assert_eq!(pair.compare().counts.hidden, 1, "held and shown by neither");
    }

    #[test]
    fn another_expiry_time_is_a_difference_too() {
        let mut pair = Pair::new();
        pair.set(0, "k", "v", Some(NOW + 1));
        pair.set(1, "k", "v", None);
        assert_eq!(pair.compare().counts.local, 1);
    }

    #[test]
    fn where_the_stream_is_no_longer_held_nobody_is_accused() {
        let mut pair = Pair::new();
        pair.set(0, "k", "v", None);
        pair.stream("SET k v");
        pair.is_held = false;
        let found = pair.compare();
        assert_eq!(found.rows[0].why, Why::NotHeld);
        assert_eq!((found.counts.unexplained, found.counts.not_arrived), (1, 0));
    }

    #[test]
    fn histories_that_parted_explain_nothing() {
        let mut pair = Pair::new();
        pair.replid = "two";
        pair.set(1, "k", "v", None);
        let found = pair.compare();
        assert_eq!((found.relation, found.rows[0].why.clone()), (Relation::Parted, Why::Parted));
    }

    #[test]
    fn a_hash_in_another_order_is_the_same_hash() {
        let mut pair = Pair::new();
        for (side, order) in [(0, ["a", "b"]), (1, ["b", "a"])] {
            let mut hash = crate::keyspace::types::Hash::default();
            for field in order {
                hash.insert(field.as_bytes(), b"1");
            }
            pair.data[side].db_mut(0).set(b"h", Value::Hash(std::sync::Arc::new(hash)));
        }
        assert_eq!(pair.compare().counts.differing(), 0);
    }
}
