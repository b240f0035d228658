//! From registers to a count: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches" (2017). Every operation is in the order in which Redis has it, so that the last digit
//! is the same.

use super::sketch::{REGISTERS, Registers, VALUE_MAX};

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many different elements made these registers what they are.
pub(super) fn count(registers: &Registers) -> u64 {
    let mut with = [0_u32; VALUE_MAX as usize + 1];
    registers.iter().for_each(|value| with[usize::from(value)] += 1);
    let with = |value: u8| f64::from(with[usize::from(value)]);
    let last = Registers::HASHED_MAX;
    let all = REGISTERS as f64;
    let mut z = all * tau((all - with(last)) / all);
    for value in (1..last).rev() {
        z += with(value);
        z *= 0.5;
    }
    z += all * sigma(with(0) / all);
    (ALPHA * all * all / z).round() as u64
}

/// The part of those that are full.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        let before = z;
        x = x.sqrt();
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

/// The part of those that are empty.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        let before = z;
        x *= x;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}
