//! Making a failing list short: what remains is what the failure needs.

/// The shortest list found by leaving out parts of `items` for which `fails` still holds: ever
/// smaller runs of items at first, in the end no single item can be left out. The order stays.
///
/// `items` itself must fail.
pub fn shrink<T: Clone>(items: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = items.to_vec();
    let mut width = kept.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < kept.len() {
            let end = (start + width).min(kept.len());
            let rest = [&kept[..start], &kept[end..]].concat();
            if fails(&rest) {
                kept = rest;
                shorter = true;
            } else {
                start = end;
            }
        }
        match (width, shorter) {
            (1, false) => return kept,
            (1, true) => {}
            _ => width = width.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn what_is_left_is_what_the_failure_needs_in_its_order() {
        let items: Vec<u32> = (0..100).collect();
        let mut runs = 0;
        let left = shrink(&items, |list| {
            runs += 1;
            list.contains(&17) && list.contains(&18) && list.contains(&90)
        });
        assert_eq!(left, [17, 18, 90]);
        assert!(runs < 120, "{runs} runs");
    }

    #[test]
    fn a_failure_that_needs_nothing_leaves_nothing() {
        assert_eq!(shrink(&[1, 2, 3], |_| true), [0_i32; 0]);
    }
}
