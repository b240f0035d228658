//! Durations and sizes as a person writes them.

use crate::base::time::Millis;

/// Reads `500ms`, `5s`, `2m` or `1h`.
pub fn duration_ms(text: &str) -> Option<Millis> {
    let (number, unit) = number_and_unit(text)?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(ms)
}

/// Reads a size as redis.conf does: `500`, `500b`, `50k` (thousands), `50kb` (1024), `1mb`, `1gb`.
pub fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// Milliseconds in the largest unit that loses nothing: `1500ms`, `3s`, `2m`.
pub fn duration_text(ms: Millis) -> String {
    match ms {
        ms if ms > 0 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::{duration_ms, duration_text, size_bytes};

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration_ms("500ms"), Some(500));
        assert_eq!(duration_ms("5s"), Some(5_000));
        assert_eq!(duration_ms("2m"), Some(120_000));
        for wrong in ["", "5", "s", "-5s", "5 s", "1.5s", "5sec", "99999999999999999h"] {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_count_as_in_redis_conf() {
        assert_eq!(size_bytes("16kb"), Some(16_384));
        assert_eq!(size_bytes("16k"), Some(16_000));
        assert_eq!(size_bytes("1MB"), Some(1_048_576));
        assert_eq!(size_bytes("12"), Some(12));
        for wrong in ["", "kb", "5 kb", "5tb", "-1"] {
            assert_eq!(size_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_would_be_read() {
        for text in ["0s", "250ms", "3s", "2m"] {
            assert_eq!(duration_ms(text).map(duration_text).as_deref(), Some(text));
        }
    }
}
