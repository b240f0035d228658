//! A history: its name, the name it had before, and the stream that is its content.

use super::{ReplId, Stream};
use crate::base::rng::Dice;

/// What a node knows about the history its data comes from.
#[derive(Debug)]
pub struct History {
    replid: ReplId,
    previous: Option<Previous>,
    /// The bytes of the history and how far it has come.
    pub stream: Stream,
}

/// The name that a history had before, and up to where that name is as good as the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// `master_replid2`
    pub replid: ReplId,
    /// `second_repl_offset`: the first offset that the histories do not share.
    pub second_offset: u64,
}

impl History {
    /// A history that begins now.
    pub fn new(dice: &mut Dice, stream: Stream) -> Self {
        Self { replid: ReplId::random(dice), previous: None, stream }
    }

    /// `master_replid`
    pub fn replid(&self) -> ReplId {
        self.replid
    }

    /// The previous name, if it still counts.
    pub fn previous(&self) -> Option<Previous> {
        self.previous
    }

    /// `second_repl_offset` as INFO shows it: -1 if there is no previous name.
    pub fn second_offset(&self) -> i64 {
        self.previous.map_or(-1, |previous| previous.second_offset as i64)
    }

    /// The last byte of the stream produced or applied.
    pub fn offset(&self) -> u64 {
        self.stream.offset()
    }

    /// This node goes on alone (REPLICAOF NO ONE, restart of a primary): a new name, and the old
    /// one stays good for what was shared so far.
    pub fn shift(&mut self, dice: &mut Dice) {
        self.adopt(ReplId::random(dice));
    }

    /// The primary calls the history by a new name (`+CONTINUE <id>`).
    pub fn adopt(&mut self, replid: ReplId) {
        let second_offset = self.offset() + 1;
        self.previous = Some(Previous { replid: self.replid, second_offset });
        self.replid = replid;
    }

    /// Nobody can continue this history any more (no backlog): a new name without a previous one.
    pub fn fresh(&mut self, dice: &mut Dice) {
        self.replid = ReplId::random(dice);
        self.previous = None;
    }

    /// The data was replaced by a dataset that stands for `offset` of another history. The backlog
    /// goes, since its bytes belong to the old one.
    pub fn adopt_full(&mut self, replid: ReplId, offset: u64) {
        self.replid = replid;
        self.previous = None;
        self.stream.restart_at(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_offset_50() -> (History, Dice) {
        let mut dice = Dice::new(1);
        let mut history = History::new(&mut dice, Stream::new(1 << 20));
        history.stream.open_backlog();
        history.stream.append(&[b'x'; 50]);
        (history, dice)
    }

    #[test]
    fn a_promotion_keeps_the_old_name_good_up_to_here() {
        let (mut history, mut dice) = at_offset_50();
        let old = history.replid();
        assert_eq!(history.second_offset(), -1);
        history.shift(&mut dice);
        assert_ne!(history.replid(), old);
        assert_eq!(history.previous(), Some(Previous { replid: old, second_offset: 51 }));
        assert_eq!((history.second_offset(), history.offset()), (51, 50));
        assert!(history.stream.backlog().is_some(), "siblings must find their bytes");
    }

    #[test]
    fn a_new_name_from_the_primary_counts_from_our_own_offset() {
        let (mut history, mut dice) = at_offset_50();
        let (old, new) = (history.replid(), ReplId::random(&mut dice));
        history.adopt(new);
        assert_eq!(history.replid(), new);
        assert_eq!(history.previous(), Some(Previous { replid: old, second_offset: 51 }));
    }

    #[test]
    fn a_fresh_history_has_no_previous_name() {
        let (mut history, mut dice) = at_offset_50();
        history.shift(&mut dice);
        let old = history.replid();
        history.fresh(&mut dice);
        assert_ne!(history.replid(), old);
        assert_eq!((history.previous(), history.offset()), (None, 50));
    }

    #[test]
    fn a_full_resync_replaces_name_offset_and_backlog() {
        let (mut history, mut dice) = at_offset_50();
        history.shift(&mut dice);
        let theirs = ReplId::random(&mut dice);
        history.adopt_full(theirs, 1000);
        assert_eq!((history.replid(), history.previous()), (theirs, None));
        assert_eq!(history.offset(), 1000);
        assert!(history.stream.backlog().is_none());
    }
}
