//! Colours and glyphs. Colour is never the only sign of anything: every state has a glyph and a
//! word, so the monochrome theme and the ASCII glyphs lose nothing but looks.
//!
//! Only the terminal's own sixteen colours are used, and never its black or white, so that every
//! palette and both backgrounds stay readable.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// The four themes, in the order in which the key walks through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds.
    Light,
    /// Blue and yellow, no red beside green.
    ColourBlind,
    /// No colour at all.
    Monochrome,
}

impl ThemeName {
    /// The next one, around.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::ColourBlind,
            Self::ColourBlind => Self::Monochrome,
            Self::Monochrome => Self::Dark,
        }
    }

    /// Its name, as `--theme` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColourBlind => "colour-blind",
            Self::Monochrome => "monochrome",
        }
    }

    /// The theme of that name.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Dark, Self::Light, Self::ColourBlind, Self::Monochrome]
            .into_iter()
            .find(|theme| theme.word() == word)
    }

    /// Its styles.
    pub fn styles(self) -> Theme {
        let (primary, replica, good, warn, bad, key) = match self {
            Self::Dark => (
                Color::LightCyan,
                Color::LightBlue,
                Color::LightGreen,
                Color::LightYellow,
                Color::LightRed,
                Color::LightCyan,
            ),
            Self::Light => {
                (Color::Blue, Color::Magenta, Color::Green, Color::Yellow, Color::Red, Color::Blue)
            }
            Self::ColourBlind => (
                Color::LightCyan,
                Color::Cyan,
                Color::LightBlue,
                Color::Yellow,
                Color::LightYellow,
                Color::LightCyan,
            ),
            Self::Monochrome => {
                (Color::Reset, Color::Reset, Color::Reset, Color::Reset, Color::Reset, Color::Reset)
            }
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let dim = match self {
            Self::Dark | Self::ColourBlind => Style::new().fg(Color::DarkGray),
            Self::Light => Style::new().fg(Color::DarkGray),
            Self::Monochrome => Style::new().add_modifier(Modifier::DIM),
        };
        Theme {
            dim,
            title: bold,
            primary: bold.fg(primary),
            replica: bold.fg(replica),
            good: Style::new().fg(good),
            warn: Style::new().fg(warn),
            bad: bold.fg(bad),
            key: bold.fg(key),
            danger: bold.fg(bad),
            focus: Style::new().fg(primary),
            badge: bold.add_modifier(Modifier::REVERSED),
        }
    }
}

/// What each kind of thing looks like.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Labels, quiet borders, explanations.
    pub dim: Style,
    /// Titles and numbers that matter.
    pub title: Style,
    /// A primary.
    pub primary: Style,
    /// A replica.
    pub replica: Style,
    /// All is well.
    pub good: Style,
    /// Worth a look.
    pub warn: Style,
    /// Broken.
    pub bad: Style,
    /// A key.
    pub key: Style,
    /// A key that breaks something.
    pub danger: Style,
    /// The border of the panel that has the keys.
    pub focus: Style,
    /// FROZEN, READ-ONLY.
    pub badge: Style,
}

/// The characters of the screen; each string is one column wide, in both sets.
#[derive(Debug)]
pub struct Glyphs {
    /// Borders of panels.
    pub panel: border::Set<'static>,
    /// Borders of a node that runs.
    pub node: border::Set<'static>,
    /// Borders of the selected node.
    pub selected: border::Set<'static>,
    /// Borders of a dead or frozen node.
    pub broken: border::Set<'static>,
    /// Borders of a server outside the lab.
    pub outside: border::Set<'static>,
    /// Lines between nodes: vertical, horizontal.
    pub line: [&'static str; 2],
    /// Junctions by the set of arms (up 1, right 2, down 4, left 8).
    pub joint: [&'static str; 16],
    /// Where a line leaves a node's lower border, and the selected node's.
    pub ports: [&'static str; 2],
    /// A full and an empty piece of a bar.
    pub bar: [&'static str; 2],
    /// Eight heights.
    pub spark: [&'static str; 8],
    /// A link or node that is up.
    pub up: &'static str,
    /// Half way there.
    pub partly: &'static str,
    /// Down.
    pub down: &'static str,
    /// A cut link.
    pub cut: &'static str,
    /// A slowed link.
    pub slow: &'static str,
    /// Frozen.
    pub paused: &'static str,
    /// Dead, failed.
    pub dead: &'static str,
    /// Met, passed.
    pub passed: &'static str,
    /// A step that runs; the lab that runs.
    pub running: &'static str,
    /// What somebody says.
    pub said: &'static str,
    /// Where votes arrive.
    pub vote: &'static str,
    /// Leads, is chosen.
    pub leader: &'static str,
    /// Differs from the truth.
    pub differs: &'static str,
    /// Something small.
    pub dot: &'static str,
    /// Left out.
    pub ellipsis: &'static str,
    /// Nothing to show.
    pub none: &'static str,
    /// Minus.
    pub minus: &'static str,
    /// Between thousands.
    pub thousands: &'static str,
    /// From one node to another.
    pub arrow: &'static str,
    /// Tree branches of the table: a branch, the last branch, a passing line.
    pub tree: [&'static str; 3],
}

/// The Unicode set.
pub static UNICODE: Glyphs = Glyphs {
    panel: border::PLAIN,
    node: border::ROUNDED,
    selected: border::THICK,
    broken: border::LIGHT_DOUBLE_DASHED,
    outside: border::LIGHT_QUADRUPLE_DASHED,
    line: ["│", "─"],
    joint: [" ", "│", "─", "╰", "│", "│", "╭", "├", "─", "╯", "─", "┴", "╮", "┤", "┬", "┼"],
    ports: ["┬", "┯"],
    bar: ["█", "░"],
    spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    up: "●",
    partly: "◐",
    down: "○",
    cut: "╳",
    slow: "≈",
    paused: "‖",
    dead: "✗",
    passed: "✓",
    running: "▶",
    said: "»",
    vote: "▲",
    leader: "★",
    differs: "≠",
    dot: "·",
    ellipsis: "…",
    none: "—",
    minus: "−",
    thousands: "\u{2009}",
    arrow: "→",
    tree: ["├", "└", "│"],
};

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// The ASCII set.
pub static ASCII: Glyphs = Glyphs {
    panel: ASCII_BORDER,
    node: ASCII_BORDER,
    selected: border::Set {
        top_left: "#",
        top_right: "#",
        bottom_left: "#",
        bottom_right: "#",
        vertical_left: "#",
        vertical_right: "#",
        horizontal_top: "=",
        horizontal_bottom: "=",
    },
    broken: border::Set {
        vertical_left: ":",
        vertical_right: ":",
        horizontal_top: ".",
        horizontal_bottom: ".",
        ..ASCII_BORDER
    },
    outside: border::Set {
        vertical_left: "'",
        vertical_right: "'",
        horizontal_top: "'",
        horizontal_bottom: "'",
        ..ASCII_BORDER
    },
    line: ["|", "-"],
    joint: [" ", "|", "-", "+", "|", "|", "+", "+", "-", "+", "-", "+", "+", "+", "+", "+"],
    ports: ["+", "#"],
    bar: ["#", "."],
    spark: ["_", ".", ":", "-", "=", "+", "*", "#"],
    up: "o",
    partly: "~",
    down: "-",
    cut: "X",
    slow: "~",
    paused: "=",
    dead: "x",
    passed: "v",
    running: ">",
    said: ">",
    vote: "^",
    leader: "*",
    differs: "!",
    dot: ".",
    ellipsis: "~",
    none: "-",
    minus: "-",
    thousands: " ",
    arrow: ">",
    tree: ["|", "`", "|"],
};

impl Glyphs {
    /// Every glyph of the set, in a fixed order.
    pub fn all(&self) -> Vec<&'static str> {
        let borders = [self.panel, self.node, self.selected, self.broken, self.outside]
            .into_iter()
            .flat_map(|b| {
                [
                    b.top_left,
                    b.top_right,
                    b.bottom_left,
                    b.bottom_right,
                    b.vertical_left,
                    b.vertical_right,
                    b.horizontal_top,
                    b.horizontal_bottom,
                ]
            });
        let singles = [
            self.up,
            self.partly,
            self.down,
            self.cut,
            self.slow,
            self.paused,
            self.dead,
            self.passed,
            self.running,
            self.said,
            self.vote,
            self.leader,
            self.differs,
            self.dot,
            self.ellipsis,
            self.none,
            self.minus,
            self.thousands,
            self.arrow,
        ];
        borders
            .chain(self.line)
            .chain(self.joint)
            .chain(self.ports)
            .chain(self.bar)
            .chain(self.spark)
            .chain(singles)
            .chain(self.tree)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::{ASCII, ThemeName, UNICODE};

    #[test]
    fn every_glyph_of_both_sets_is_one_column_wide() {
        for (unicode, ascii) in UNICODE.all().into_iter().zip(ASCII.all()) {
            assert_eq!((unicode.width(), ascii.width()), (1, 1), "{unicode:?} {ascii:?}");
            assert!(ascii.is_ascii(), "{ascii:?}");
        }
    }

    #[test]
    fn the_theme_key_comes_around_and_names_read_back() {
        let mut theme = ThemeName::Dark;
        for _ in 0..4 {
            assert_eq!(ThemeName::named(theme.word()), Some(theme));
            theme = theme.next();
        }
        assert_eq!(theme, ThemeName::Dark);
    }
}
