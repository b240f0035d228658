//! Numbers as people read them on the screen.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::theme::Glyphs;
use crate::machine::Millis;

/// `1 204 331`.
pub fn count(n: u64, glyphs: &Glyphs) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push_str(glyphs.thousands);
        }
        text.push(digit);
    }
    text
}

/// `211 B`, `48.0 KB`, `3.1 MB`: powers of 1024, as Redis counts.
pub fn bytes(n: u64) -> String {
    let units = ["KB", "MB", "GB", "TB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 100.0);
    format!("{value:.digits$} {}", units[unit])
}

/// `0.4 s`, `12 s`, `3 min`: how long ago, or how long.
pub fn age(ms: Millis) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// `01:42`: the lab's clock.
pub fn clock(ms: Millis) -> String {
    let s = ms / 1000;
    if s < 3600 {
        format!("{:02}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// `01:42.3`: a moment on the timeline.
pub fn moment(ms: Millis) -> String {
    format!("{}.{}", clock(ms), ms % 1000 / 100)
}

/// `8f3a…c1`: enough of a replication ID to tell two apart.
pub fn short_id(id: &str, glyphs: &Glyphs) -> String {
    match (id.get(..6), id.get(id.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if id.len() > 12 => format!("{head}{}{tail}", glyphs.ellipsis),
        _ => id.to_owned(),
    }
}

/// The text, or as much of it as fits into `width` columns, with a sign that some is missing.
pub fn fit(text: &str, width: usize, glyphs: &Glyphs) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    if width > 0 {
        out.push_str(glyphs.ellipsis);
    }
    out
}

/// The text, or as many of its words as fit into `width` columns; a first word that does not fit
/// is cut.
pub fn fit_words(text: &str, width: usize, glyphs: &Glyphs) -> String {
    let mut kept = text;
    while kept.width() > width {
        match kept.rsplit_once(' ') {
            // A number means nothing without its unit.
            Some((words, _)) => kept = words.trim_end_matches(|c: char| !c.is_alphabetic()),
            None => return fit(text, width, glyphs),
        }
    }
    kept.to_owned()
}

/// Breaks a text into lines of at most `width` columns, between words where possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() <= width {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > width.max(1) {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{ASCII, UNICODE};

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_204_331, &ASCII), "1 204 331");
        assert_eq!(count(7, &ASCII), "7");
        assert_eq!(bytes(211), "211 B");
        assert_eq!(bytes(49_152), "48.0 KB");
        assert_eq!(bytes(1 << 20), "1.0 MB");
        assert_eq!(age(420), "0.4 s");
        assert_eq!(age(12_345), "12 s");
        assert_eq!(moment(102_390), "01:42.3");
    }

    #[test]
    fn text_is_cut_by_columns_not_characters() {
        assert_eq!(fit("接続断", 5, &UNICODE), "接続…");
        assert_eq!(fit("abc", 3, &UNICODE), "abc");
        assert_eq!(fit("abcd", 0, &UNICODE), "");
    }

    #[test]
    fn words_go_from_the_end_and_a_number_with_its_unit() {
        assert_eq!(fit_words("○ down 2.1 s", 12, &UNICODE), "○ down 2.1 s");
        assert_eq!(fit_words("○ down 2.1 s", 11, &UNICODE), "○ down");
        assert_eq!(fit_words("cut 4.3 s", 7, &UNICODE), "cut");
        assert_eq!(fit_words("abcdef", 3, &UNICODE), "ab…");
    }

    #[test]
    fn wrapping_keeps_words_and_breaks_only_those_that_cannot_fit() {
        assert_eq!(
            wrap("asked for 3104, backlog starts", 16),
            ["asked for 3104,", "backlog starts"]
        );
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\nb", 9), ["a", "b"]);
        assert_eq!(wrap("", 9), [""]);
    }
}
