//! How the data of two nodes differs: where each stands, how much differs, and each key with why.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::inside::{self, Cell, row, ttl, window};
use crate::lab::LabView;
use crate::lab::look::{Comparison, Difference, Held, Kind, Relation};
use crate::tui::app::Ui;
use crate::tui::inside::Inside;
use crate::tui::units::{bytes, count, wrap};

/// Draws the comparison.
pub fn render(
    frame: &mut Frame<'_>,
    area: Rect,
    found: &Comparison,
    inside: &Inside,
    view: &LabView,
    ui: &Ui,
) {
    let width = usize::from(area.width);
    let mut head = vec![side(found, 0, view, ui), side(found, 1, view, ui), Line::default()];
    head.push(bar(found, width, ui));
    head.push(legend(found, ui));
    head.push(Line::default());
    let open = inside.is_open.then(|| found.rows.get(inside.at)).flatten();
    let whole = open.map_or_else(Vec::new, |row| in_full(row, found, width, ui));
    let [top, table, bottom] = Layout::vertical([
        Constraint::Length(head.len() as u16),
        Constraint::Min(0),
        Constraint::Length((whole.len() as u16).min(area.height / 3)),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head), top);
    if found.rows.is_empty() {
        let line =
            Line::styled(format!("{} Not a key differs.", ui.glyphs().passed), ui.theme().good);
        return frame.render_widget(Paragraph::new(line), table);
    }
    let mut lines = vec![row(columns(width, None, found, ui), false, ui)];
    let room = usize::from(table.height.saturating_sub(1));
    for at in window(inside.at, found.rows.len(), room) {
        let cells = columns(width, Some(&found.rows[at]), found, ui);
        lines.push(row(cells, at == inside.at, ui));
    }
    frame.render_widget(Paragraph::new(lines), table);
    frame.render_widget(Paragraph::new(whole), bottom);
}

/// A node: where it stands in the stream, how much it holds, how its link is.
fn side(found: &Comparison, at: usize, view: &LabView, ui: &Ui) -> Line<'static> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let side = &found.sides[at];
    let mut spans = vec![
        Span::styled(format!("{:<10}", side.node), theme.title),
        Span::raw(format!("offset {}", count(side.offset, glyphs))),
        Span::styled(format!("   {} keys", count(side.keys, glyphs)), theme.dim),
    ];
    let standing = match &found.relation {
        Relation::Behind { side, bytes: n, commands } if *side == at => {
            let commands = commands.map_or("no longer held".to_owned(), |n| match n {
                1 => "1 command".to_owned(),
                n => format!("{} commands", count(n as u64, glyphs)),
            });
            Some((format!("   {}{} behind: {commands}", glyphs.minus, bytes(*n)), theme.warn))
        }
        Relation::Level if at == 1 => Some(("   level".to_owned(), theme.good)),
        Relation::Parted if at == 1 => {
            Some((format!("   {} another history", glyphs.differs), theme.bad))
        }
        _ => None,
    };
    spans.extend(standing.map(|(text, style)| Span::styled(text, style)));
    if let Some((text, style)) = inside::link(view, &side.node, ui) {
        spans.extend([Span::styled("   link ", theme.dim), Span::styled(text, style)]);
    }
    Line::from(spans)
}

/// What differs and why: the number, its sign, its name and how it looks.
fn kinds(found: &Comparison, ui: &Ui) -> Vec<(u64, &'static str, &'static str, Style)> {
    let counts = &found.counts;
    let equal = (counts.equal, ui.glyphs().passed, "equal", ui.theme().good);
    let differing = Kind::ALL.into_iter().map(|kind| {
        let (sign, style) = look(kind, ui);
        (counts.of(kind), sign, kind.word(), style)
    });
    std::iter::once(equal).chain(differing).collect()
}

fn look(kind: Kind, ui: &Ui) -> (&'static str, Style) {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    match kind {
        Kind::NotArrived => (glyphs.slow, theme.warn),
        Kind::Expired => (glyphs.paused, theme.dim),
        Kind::Local | Kind::Parted => (glyphs.differs, theme.bad),
        Kind::NotHeld => (glyphs.partly, theme.warn),
    }
}

/// All keys in one bar. Whatever differs can be seen, however little it is.
fn bar(found: &Comparison, width: usize, ui: &Ui) -> Line<'static> {
    let [full, light] = ui.glyphs().bar;
    let kinds = kinds(found, ui);
    let all = kinds.iter().map(|(n, ..)| *n).sum::<u64>().max(1);
    let columns = |n: u64| match n {
        0 => 0,
        n => ((u128::from(n) * width as u128 / u128::from(all)) as usize).max(1),
    };
    let others: usize = kinds[1..].iter().map(|(n, ..)| columns(*n)).sum();
    let mut spans = Vec::new();
    for (at, (n, _, _, style)) in kinds.into_iter().enumerate() {
        let piece = if at == 0 { light } else { full };
        let wide = match (at, n) {
            (0, 0) => 0,
            (0, _) => width.saturating_sub(others),
            _ => columns(n),
        };
        spans.push(Span::styled(piece.repeat(wide), style));
    }
    Line::from(spans)
}

fn legend(found: &Comparison, ui: &Ui) -> Line<'static> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let mut spans = Vec::new();
    for (n, sign, name, style) in kinds(found, ui) {
        if n == 0 && name != "equal" {
            continue;
        }
        spans.push(Span::styled(format!("{sign} {}", count(n, glyphs)), style));
        spans.push(Span::raw(format!(" {name}   ")));
    }
    if found.counts.hidden > 0 {
        let hidden = count(found.counts.hidden, glyphs);
        let text = format!("({hidden} of the equal ones have expired, and both hide them)");
        spans.push(Span::styled(text, theme.dim));
    }
    Line::from(spans)
}

/// The cells of a row, or of the heading.
fn columns(width: usize, row: Option<&Difference>, found: &Comparison, ui: &Ui) -> Vec<Cell> {
    let (theme, glyphs) = (ui.theme(), ui.glyphs());
    let room = width.saturating_sub(4);
    let key = (room / 5).clamp(8, 30);
    let held = (room / 5).clamp(8, 32);
    let why = room.saturating_sub(key + 2 * held);
    let Some(row) = row else {
        let [a, b] = [0, 1].map(|i| found.sides[i].node.clone());
        return vec![
            ("key".to_owned(), theme.dim, key),
            (a, theme.dim, held),
            (b, theme.dim, held),
            ("why".to_owned(), theme.dim, why),
        ];
    };
    let name = if row.db > 0 { format!("{}:{}", row.db, row.key) } else { row.key.clone() };
    let texts = row.held.each_ref().map(|held| held.as_ref().map(short));
    let [(a, style_a), (b, style_b)] = match texts {
        [Some(a), Some(b)] => {
            let [a, b] = where_they_part(&a, &b, held, glyphs.ellipsis);
            [(a, Style::new()), (b, Style::new())]
        }
        texts => texts.map(|text| match text {
            Some(text) => (text, Style::new()),
            None => (glyphs.none.to_owned(), theme.dim),
        }),
    };
    let (sign, style) = look(row.why.kind(), ui);
    let text = format!("{sign} {}: {}", row.why.kind().word(), row.why.brief());
    vec![(name, theme.title, key), (a, style_a, held), (b, style_b, held), (text, style, why)]
}

/// Two texts that do not fit and begin alike, from shortly before the place where they part.
fn where_they_part(a: &str, b: &str, width: usize, ellipsis: &str) -> [String; 2] {
    const BEFORE: usize = 4;
    let shared = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let is_long = a.chars().count().max(b.chars().count()) > width;
    let skip = shared.saturating_sub(BEFORE);
    if !is_long || skip < BEFORE {
        return [a.to_owned(), b.to_owned()];
    }
    [a, b].map(|text| {
        text.chars().skip(skip).fold(ellipsis.to_owned(), |mut out, c| {
            out.push(c);
            out
        })
    })
}

fn short(held: &Held) -> String {
    match held.ttl_ms {
        Some(ms) => format!("{} ({})", held.peek, ttl(ms)),
        None => held.peek.clone(),
    }
}

/// The selected row without anything left out.
fn in_full(row: &Difference, found: &Comparison, width: usize, ui: &Ui) -> Vec<Line<'static>> {
    let theme = ui.theme();
    let mut lines = vec![Line::default()];
    let held = |side: usize| match &row.held[side] {
        Some(held) => short(held),
        None => "does not have it".to_owned(),
    };
    let why = format!("{}: {}", row.why.kind().word(), row.why.detail());
    let [a, b] = [0, 1].map(|side| (found.sides[side].node.clone(), held(side)));
    for (name, text) in [("key".to_owned(), row.key.clone()), a, b, ("why".to_owned(), why)] {
        for (at, piece) in wrap(&text, width.saturating_sub(11)).into_iter().enumerate() {
            let label = if at == 0 { name.as_str() } else { "" };
            let label = Span::styled(format!("{label:<10} "), theme.dim);
            lines.push(Line::from(vec![label, Span::raw(piece)]));
        }
    }
    lines
}
