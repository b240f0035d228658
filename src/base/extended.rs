//! Floating point numbers with a 64-bit mantissa: C's `long double` on x86, in which INCRBYFLOAT
//! and HINCRBYFLOAT count. Its rounding shows in replies and travels to replicas, so it is kept to
//! the last digit.

use std::cmp::Ordering;
use std::fmt;

/// Exponents of ten beyond which a number is zero or infinite whatever its digits (of which a
/// number has at most [`TEXT_BYTES_MAX`]).
const EXPONENT_MAX: i64 = 12_000;

/// Longer texts are not read as numbers.
const TEXT_BYTES_MAX: usize = 5 * 1024;

/// Digits after the point that are printed.
const DECIMALS: u32 = 17;

/// A number: `mantissa * 2^exponent`, the mantissa's top bit set unless it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    const INFINITE_EXPONENT: i32 = 16384 - 63;
    const INFINITY: Self =
        Self { negative: false, mantissa: 1 << 63, exponent: Self::INFINITE_EXPONENT };

    /// Reads decimal digits with an optional sign, point and exponent, or `inf`. `None` for
    /// anything else, and for numbers too large or too small for the format.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Self { negative, ..Self::INFINITY });
        }
        let (digits, exponent) = decimal(rest)?;
        if digits.is_zero() {
            return Some(Self { negative, ..Self::ZERO });
        }
        let value = if exponent > EXPONENT_MAX {
            return None;
        } else if exponent >= 0 {
            Self::round(&digits.times_ten_to(exponent as u32), 0, false)
        } else if exponent >= -EXPONENT_MAX {
            Self::quotient(&digits, &Natural::from(1).times_ten_to(-exponent as u32))
        } else {
            return None;
        };
        // Subnormal numbers have fewer bits than are kept here, but all of them print as zero.
        let fits = value.exponent < Self::INFINITE_EXPONENT && value.exponent >= -16445 - 63;
        fits.then_some(Self { negative, ..value })
    }

    /// The sum, rounded to the nearest; `None` if it is infinite or not a number.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.is_infinite() || other.is_infinite() {
            return None;
        }
        let (big, small) = if self.magnitude().cmp(&other.magnitude()) == Ordering::Less {
            (other, self)
        } else {
            (self, other)
        };
        if small.mantissa == 0 {
            return Some(big);
        }
        // 62 bits below the larger mantissa, and one to remember what was lost below them.
        let distance = (big.exponent - small.exponent) as u32;
        let large = u128::from(big.mantissa) << 62;
        let aligned = u128::from(small.mantissa) << 62;
        let shifted = aligned.checked_shr(distance).unwrap_or(0);
        let lost = distance >= 128 || shifted << distance != aligned;
        let sum = if big.negative == small.negative {
            large + shifted
        } else {
            large - shifted - u128::from(lost)
        };
        let sum = Self::round(&Natural::from(sum), big.exponent - 62, lost);
        let sum = Self { negative: big.negative && sum.mantissa != 0, ..sum };
        (!sum.is_infinite()).then_some(sum)
    }

    fn is_infinite(self) -> bool {
        self.exponent >= Self::INFINITE_EXPONENT
    }

    /// Orders numbers by their size without the sign.
    fn magnitude(self) -> (bool, i32, u64) {
        (self.mantissa != 0, self.exponent, self.mantissa)
    }

    /// `n * 2^exponent`, and a bit more if `sticky`, rounded to the nearest, halves to even.
    fn round(n: &Natural, exponent: i32, sticky: bool) -> Self {
        let bits = n.bits();
        if bits == 0 {
            return Self::ZERO;
        }
        if bits <= 64 {
            let low = n.low_u128() as u64;
            return Self {
                negative: false,
                mantissa: low << (64 - bits),
                exponent: exponent - (64 - bits) as i32,
            };
        }
        let drop = bits - 64;
        let mantissa = n.shifted_right(drop).low_u128() as u64;
        let half = n.bit(drop - 1);
        let below = sticky || n.any_bit_below(drop - 1);
        let exponent = exponent + drop as i32;
        if half && (below || mantissa & 1 == 1) {
            return match mantissa.checked_add(1) {
                Some(mantissa) => Self { negative: false, mantissa, exponent },
                None => Self { negative: false, mantissa: 1 << 63, exponent: exponent + 1 },
            };
        }
        Self { negative: false, mantissa, exponent }
    }

    /// `a / b`, rounded.
    fn quotient(a: &Natural, b: &Natural) -> Self {
        // So many bits that the quotient has 66 or 67.
        let shift = 66 + b.bits() as i32 - a.bits() as i32;
        let (a, b) = if shift >= 0 {
            (a.shifted_left(shift as u32), b.clone())
        } else {
            (a.clone(), b.shifted_left(-shift as u32))
        };
        let (quotient, exact) = a.divided_by(&b);
        // One more bit below keeps what is left of the division apart from an exact half.
        Self::round(&Natural::from(quotient << 1 | u128::from(!exact)), -shift - 1, false)
    }
}

impl fmt::Display for Extended {
    /// At most 17 digits after the point, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.exponent >= 0 {
            Natural::from(u128::from(self.mantissa)).shifted_left(self.exponent as u32).to_string()
        } else {
            let scale = 10u128.pow(DECIMALS);
            let scaled = u128::from(self.mantissa) * scale;
            let drop = self.exponent.unsigned_abs();
            let kept = scaled.checked_shr(drop).unwrap_or(0);
            let rest = if drop < 128 { scaled - (kept << drop) } else { scaled };
            let half = 1u128.checked_shl(drop - 1).unwrap_or(u128::MAX);
            let up = rest > half || (rest == half && kept & 1 == 1);
            let kept = kept + u128::from(up);
            let (whole, fraction) = (kept / scale, kept % scale);
            let text = format!("{whole}.{fraction:017}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        if self.negative && text != "0" { write!(f, "-{text}") } else { f.write_str(&text) }
    }
}

/// Digits and the exponent of ten of a decimal number without sign.
fn decimal(text: &[u8]) -> Option<(Natural, i64)> {
    let mut digits = Natural::from(0);
    let (mut exponent, mut count, mut after_point) = (0i64, 0, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match byte {
            b'0'..=b'9' => {
                digits.times_plus(10, u32::from(byte - b'0'));
                exponent -= i64::from(after_point);
                count += 1;
            }
            b'.' if !after_point => after_point = true,
            _ => break,
        }
        rest = tail;
    }
    if count == 0 {
        return None;
    }
    match rest {
        [] => Some((digits, exponent)),
        [b'e' | b'E', power @ ..] => {
            let unsigned = power.strip_prefix(b"-").or(power.strip_prefix(b"+")).unwrap_or(power);
            if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let size = unsigned
                .iter()
                .fold(0i64, |n, digit| (n * 10 + i64::from(digit - b'0')).min(1_000_000));
            let power = if power[0] == b'-' { -size } else { size };
            Some((digits, exponent + power))
        }
        _ => None,
    }
}

/// A natural number of any size: 32-bit limbs, the lowest first, none of the highest zero.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl From<u128> for Natural {
    fn from(mut n: u128) -> Self {
        let mut limbs = Vec::new();
        while n > 0 {
            limbs.push(n as u32);
            n >>= 32;
        }
        Self(limbs)
    }
}

impl Natural {
    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 32 - top.leading_zeros())
    }

    fn bit(&self, at: u32) -> bool {
        self.0.get(at as usize / 32).is_some_and(|limb| limb >> (at % 32) & 1 == 1)
    }

    fn any_bit_below(&self, at: u32) -> bool {
        let whole = at as usize / 32;
        self.0.iter().take(whole).any(|limb| *limb != 0)
            || (whole as u32 * 32..at).any(|at| self.bit(at))
    }

    fn low_u128(&self) -> u128 {
        self.0.iter().take(4).rev().fold(0, |n, limb| n << 32 | u128::from(*limb))
    }

    /// Makes it `self * factor + more`.
    fn times_plus(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn times_ten_to(mut self, power: u32) -> Self {
        for _ in 0..power / 9 {
            self.times_plus(1_000_000_000, 0);
        }
        self.times_plus(10u32.pow(power % 9), 0);
        self
    }

    fn shifted_left(&self, by: u32) -> Self {
        let mut limbs = vec![0; by as usize / 32];
        let mut carry = 0;
        for limb in &self.0 {
            let wide = u64::from(*limb) << (by % 32) | carry;
            limbs.push(wide as u32);
            carry = wide >> 32;
        }
        limbs.push(carry as u32);
        Self(limbs).trimmed()
    }

    fn shifted_right(&self, by: u32) -> Self {
        let limbs = self.0.get(by as usize / 32..).unwrap_or_default();
        let next = |i: usize| limbs.get(i).map_or(0, |limb| u64::from(*limb));
        let shifted = (0..limbs.len()).map(|i| ((next(i + 1) << 32 | next(i)) >> (by % 32)) as u32);
        Self(shifted.collect()).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn at_least(&self, other: &Self) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        order.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())) != Ordering::Less
    }

    /// `self - other`, which must not be larger.
    fn minus(&self, other: &Self) -> Self {
        let mut borrow = 0;
        let mut limbs = Vec::with_capacity(self.0.len());
        for (i, limb) in self.0.iter().enumerate() {
            let less = i64::from(other.0.get(i).copied().unwrap_or(0)) + borrow;
            let difference = i64::from(*limb) - less;
            borrow = i64::from(difference < 0);
            limbs.push(difference as u32);
        }
        Self(limbs).trimmed()
    }

    /// The quotient, which must fit 127 bits, and whether nothing is left.
    fn divided_by(&self, other: &Self) -> (u128, bool) {
        let mut rest = self.clone();
        let mut quotient = 0;
        for shift in (0..=self.bits().saturating_sub(other.bits())).rev() {
            quotient <<= 1;
            let part = other.shifted_left(shift);
            if rest.at_least(&part) {
                rest = rest.minus(&part);
                quotient |= 1;
            }
        }
        (quotient, rest.is_zero())
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.clone();
        let mut groups = Vec::new();
        while !rest.is_zero() {
            let mut carry = 0;
            for limb in rest.0.iter_mut().rev() {
                let wide = carry << 32 | u64::from(*limb);
                *limb = (wide / 1_000_000_000) as u32;
                carry = wide % 1_000_000_000;
            }
            groups.push(carry);
            rest = rest.trimmed();
        }
        write!(f, "{}", groups.pop().unwrap_or(0))?;
        groups.iter().rev().try_for_each(|group| write!(f, "{group:09}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Extended;

    fn sum(a: &str, b: &str) -> String {
        let parse = |text: &str| Extended::parse(text.as_bytes()).unwrap();
        parse(a).plus(parse(b)).map_or("none".to_owned(), |sum| sum.to_string())
    }

    #[test]
    fn sums_are_those_of_the_real_server() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("1000.1", "0.2", "1000.29999999999999999"),
            ("1000.29999999999999999", "1.1e2", "1110.30000000000000004"),
            ("3.0e3", "200", "3200"),
            ("5.0e3", "-5000", "0"),
            ("-0", "-0", "0"),
            ("1", "-1.5", "-0.5"),
            ("0", "1e-30", "0"),
            ("0", "-1e-30", "0"),
            (
                "0",
                "1e300",
                "1000000000000000000008997324079559193870523944273290747938260082321265646596180935755849152083750497190350372508614274835903592556184672983913096260520748646287327135641843653294084255107606016789726652932370030551382947620994540294772781889620606179267611627097410650567187386105690089424915104006144",
            ),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("1e4932", "1e4932", "none"),
            ("inf", "-inf", "none"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "-", ".", " 1", "1 ", "1e", "1e+", "nan", "1.2.3", "1e5000", "1e-5000", "x"]
        {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        for text in ["1.", ".5", "+1", "-1e-5", "0e99999", "Inf", "1E3"] {
            assert!(Extended::parse(text.as_bytes()).is_some(), "{text:?}");
        }
    }
}
