//! Numbers as Redis reads and writes them in text.

/// The canonical text of an integer.
pub fn text_i64(n: i64) -> String {
    itoa::Buffer::new().format(n).to_owned()
}

/// Reads an integer only if the text is its canonical form: no plus sign, no leading zeros, no
/// spaces, no `-0`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A number as C on a 64-bit Intel converts it to a signed integer: one that does not fit is the
/// lowest.
pub fn c_i64(x: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&x) { x as i64 } else { i64::MIN }
}

/// As [`c_i64`], to an unsigned integer: a negative number wraps, and of one that is too large nothing
/// is left.
pub fn c_u64(x: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if x >= HALF { c_i64(x - HALF) as u64 ^ 1 << 63 } else { c_i64(x) as u64 }
}

/// A signed little-endian integer of up to 8 bytes.
pub fn signed_le<const N: usize>(bytes: [u8; N]) -> i64 {
    let unused = 64 - 8 * N as u32;
    bytes.iter().rev().fold(0, |n, byte| n << 8 | i64::from(*byte)) << unused >> unused
}

/// The text of a floating point number with up to 17 significant digits, as C's `%.17g` makes it:
/// `3`, `0.10000000000000001`, `1.0000000000000001e+300`, `inf`, `-inf`, `nan`, `-nan`.
pub fn text_f64(x: f64) -> String {
    text_general(x, 17)
}

/// As [`text_f64`] with up to `digits` significant digits, at least one: C's `%.{digits}g`.
pub fn text_general(x: f64, digits: u8) -> String {
    let digits = i32::from(digits);
    if x.is_nan() {
        return if x.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{x:.0$e}", digits as usize - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..digits).contains(&exponent) {
        return without_zeros(&format!("{x:.0$}", (digits - 1 - exponent) as usize)).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs())
}

/// Drops what a decimal fraction does not need.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Reads a floating point number: decimal with or without fraction and exponent, or `inf`,
/// `infinity`, `nan` in any case. No spaces.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{c_i64, c_u64, parse_f64, parse_i64, text_f64, text_i64};

    #[test]
    fn floating_point_numbers_have_the_text_that_c_gives_them() {
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (0.1, "0.10000000000000001"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1e300, "1.0000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "-nan"),
        ] {
            assert_eq!(text_f64(x), text);
        }
    }

    #[test]
    fn floating_point_numbers_become_integers_as_in_c() {
        for (x, signed, unsigned) in [
            (3.99, 3, 3),
            (-0.5, 0, 0),
            (-3.99, -3, 3u64.wrapping_neg()),
            (9.3e18, i64::MIN, 9_300_000_000_000_000_000),
            (1e300, i64::MIN, 0),
            (-1e300, i64::MIN, 1 << 63),
            (f64::INFINITY, i64::MIN, 0),
            (f64::NAN, i64::MIN, 1 << 63),
        ] {
            assert_eq!((c_i64(x), c_u64(x)), (signed, unsigned), "{x}");
        }
    }

    #[test]
    fn floating_point_numbers_are_read() {
        for (text, x) in [
            ("1", 1.0),
            ("+1.50", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("-INF", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(x), "{text:?}");
        }
        for text in ["", " 1", "1 ", "1x", "--1", "e5", "\u{ff11}"] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn integers_round_trip() {
        for n in [0, 1, -1, 9, 10, -10, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            assert_eq!(parse_i64(text_i64(n).as_bytes()), Some(n));
        }
    }

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "00",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "1.0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }
}
