//! Drawing elements at random: HRANDFIELD, SRANDMEMBER, ZRANDMEMBER, SPOP.

use std::collections::BTreeSet;

use super::{Call, CommandError};
use crate::base::rng::Dice;

/// What a command that draws is asked for.
#[derive(Debug)]
pub(super) struct Draw {
    /// How many: so many different ones, or, if negative, so many that may repeat. `None` for one
    /// that is not in an array.
    pub count: Option<i64>,
    /// Whether what belongs to the element is wanted too.
    pub with_more: bool,
}

impl Draw {
    /// Reads a count at index 2 and the option that may follow.
    pub fn read(call: &Call<'_>, option: Option<&str>) -> Result<Self, CommandError> {
        let count = match call.args.len() {
            2 => return Ok(Self { count: None, with_more: false }),
            _ => call.int(2)?,
        };
        if count == i64::MIN {
            return Err(CommandError::fixed(
                "ERR value is out of range, value must between -9223372036854775807 and \
                 9223372036854775807",
            ));
        }
        let with_more = match (call.args.len(), option) {
            (3, _) => false,
            (4, Some(option)) if call.is(3, option) => true,
            _ => return Err(CommandError::SYNTAX),
        };
        if with_more && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
            return Err(CommandError::fixed("ERR value is out of range"));
        }
        Ok(Self { count: Some(count), with_more })
    }
}

/// How many elements [`draw`] visits.
pub(super) fn drawn(len: usize, count: i64) -> usize {
    match usize::try_from(count) {
        Ok(count) => count.min(len),
        Err(_) if len == 0 => 0,
        Err(_) => count.unsigned_abs() as usize,
    }
}

/// Visits random indices below `len`: `count` different ones, or all in order if there are no more;
/// `-count` that may repeat if it is negative.
pub(super) fn draw(dice: &mut Dice, len: usize, count: i64, mut visit: impl FnMut(usize)) {
    let drawn = drawn(len, count);
    if count < 0 {
        (0..drawn).for_each(|_| visit(dice.below(len as u64) as usize));
    } else if drawn == len {
        (0..len).for_each(visit);
    } else {
        // Floyd: each of the last `drawn` indices stands for itself or for one before it.
        let mut taken = BTreeSet::new();
        for last in len - drawn..len {
            let index = dice.below(last as u64 + 1) as usize;
            let index = if taken.insert(index) { index } else { last };
            taken.insert(index);
            visit(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(len: usize, count: i64) -> Vec<usize> {
        let mut indices = Vec::new();
        draw(&mut Dice::new(5), len, count, |index| indices.push(index));
        assert_eq!(indices.len(), drawn(len, count));
        indices
    }

    #[test]
    fn a_count_draws_different_ones_and_a_negative_one_repeats() {
        let different: BTreeSet<_> = indices(100, 60).into_iter().collect();
        assert_eq!(different.len(), 60);
        assert_eq!(indices(5, 9), [0, 1, 2, 3, 4]);
        assert_eq!(indices(3, -50).len(), 50);
        assert_eq!((indices(0, 5), indices(0, -5)), (vec![], vec![]));
    }

    #[test]
    fn every_element_is_drawn_about_as_often() {
        let mut dice = Dice::new(1);
        let mut times = [0; 10];
        (0..3000).for_each(|_| draw(&mut dice, 10, 3, |index| times[index] += 1));
        assert!(times.iter().all(|n| (800..1000).contains(n)), "{times:?}");
    }
}
