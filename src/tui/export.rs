//! A frame as plain text and as an SVG picture.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::theme::ThemeName;

/// Pixels of one cell: as DejaVu Sans Mono draws it, so that the lines of boxes meet.
const CELL: (f32, f32) = (8.43, 16.3);
/// Pixels around the frame.
const MARGIN: f32 = 12.0;

/// The frame's characters, a line a row, without spaces at the ends.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in buffer.area.left()..buffer.area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            skip = symbol.width().saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The frame as an SVG picture: one text element for each run of cells that look alike.
pub fn svg(buffer: &Buffer, theme: ThemeName) -> String {
    let paper = Paper::of(theme);
    let area = buffer.area;
    let width = f32::from(area.width) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(area.height) * CELL.1 + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', \
         Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        paper.ground
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let look = Look::of(&buffer[(area.x + x, area.y + y)], &paper);
            let start = x;
            let mut run = String::new();
            while x < area.width {
                let cell = &buffer[(area.x + x, area.y + y)];
                if Look::of(cell, &paper) != look {
                    break;
                }
                run.push_str(cell.symbol());
                x += (cell.symbol().width() as u16).max(1);
            }
            draw_run(&mut out, (start, x, y), &run, &look);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw_run(out: &mut String, (start, end, y): (u16, u16, u16), run: &str, look: &Look) {
    let left = f32::from(start) * CELL.0 + MARGIN;
    let top = f32::from(y) * CELL.1 + MARGIN;
    let width = f32::from(end - start) * CELL.0;
    if let Some(ground) = look.ground {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{ground}\"/>",
            CELL.1
        );
    }
    if run.trim().is_empty() {
        return;
    }
    let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" \
         lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}>{}</text>",
        top + 13.0,
        look.ink,
        escaped(run)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

/// How a cell looks on paper.
#[derive(PartialEq)]
struct Look {
    ink: &'static str,
    ground: Option<&'static str>,
    bold: bool,
}

impl Look {
    fn of(cell: &Cell, paper: &Paper) -> Self {
        let dim = cell.modifier.contains(Modifier::DIM);
        let ink = if dim { paper.colour(Color::DarkGray) } else { paper.colour(cell.fg) };
        let bold = cell.modifier.contains(Modifier::BOLD);
        if cell.modifier.contains(Modifier::REVERSED) {
            return Self { ink: paper.ground, ground: Some(ink), bold };
        }
        let ground = (cell.bg != Color::Reset).then(|| paper.colour(cell.bg));
        Self { ink, ground, bold }
    }
}

/// The colours of the picture.
struct Paper {
    ground: &'static str,
    ink: &'static str,
    light: bool,
}

impl Paper {
    fn of(theme: ThemeName) -> Self {
        if theme == ThemeName::Light {
            Self { ground: "#fbfbf8", ink: "#24292f", light: true }
        } else {
            Self { ground: "#14181f", ink: "#d6dbe3", light: false }
        }
    }

    fn colour(&self, colour: Color) -> &'static str {
        let (dark, light) = match colour {
            Color::Red | Color::LightRed => ("#ff7b72", "#c0262d"),
            Color::Green | Color::LightGreen => ("#7ee787", "#1a7f37"),
            Color::Yellow | Color::LightYellow => ("#f2cc60", "#8a6100"),
            Color::Blue | Color::LightBlue => ("#79b8ff", "#0550ae"),
            Color::Magenta | Color::LightMagenta => ("#d2a8ff", "#8250df"),
            Color::Cyan | Color::LightCyan => ("#5fd7e7", "#0b7285"),
            Color::DarkGray => ("#7d8794", "#6e7781"),
            _ => (self.ink, self.ink),
        };
        if self.light { light } else { dark }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::{svg, text};
    use crate::tui::theme::ThemeName;

    fn frame() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "a <b> 接続", Style::new());
        buffer.set_string(0, 1, "red", Style::new().fg(Color::LightRed));
        buffer
    }

    #[test]
    fn text_has_a_line_for_each_row_and_no_trailing_space() {
        assert_eq!(text(&frame()), "a <b> 接続\nred\n");
    }

    #[test]
    fn svg_escapes_what_xml_would_read_and_keeps_colours() {
        let picture = svg(&frame(), ThemeName::Dark);
        assert!(picture.contains("a\u{a0}&lt;b&gt;\u{a0}接続"));
        assert!(picture.contains("fill=\"#ff7b72\">red</text>"));
        assert!(picture.ends_with("</svg>\n"));
    }
}
