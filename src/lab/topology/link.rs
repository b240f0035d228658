//! `[links."A->B"]` and `[links."A<->B"]`.

use super::LinkSpec;
use super::diagnostic::Diagnostic;
use super::names::Names;
use super::table::{Field, Notes};
use crate::lab::action::{Direction, LinkRef};
use crate::world::LinkPolicy;

/// Reads `[links]`.
pub fn read_links(
    field: Option<&Field<'_>>,
    names: &Names<'_>,
    notes: &mut Notes<'_>,
) -> Vec<LinkSpec> {
    let Some(table) = field.and_then(|field| field.table("[links]", notes)) else {
        return Vec::new();
    };
    let (fields, _) = table.rest();
    let mut seen: Vec<(LinkSpec, Field<'_>)> = Vec::new();
    for field in fields {
        let Some(link) = read_ends(&field, names, notes) else { continue };
        let Some(policy) = read_policy(&field, notes) else { continue };
        if let Some((_, earlier)) = seen.iter().find(|(spec, _)| overlap(&spec.link, &link)) {
            let message = "a direction of this link is already described";
            notes.add(
                Diagnostic::error(field.name_span.clone(), message)
                    .related(earlier.name_span.clone(), "here"),
            );
            continue;
        }
        seen.push((LinkSpec { link, policy }, field));
    }
    seen.into_iter().map(|(spec, _)| spec).collect()
}

/// The two ends in a link's key.
fn read_ends(field: &Field<'_>, names: &Names<'_>, notes: &mut Notes<'_>) -> Option<LinkRef> {
    let (arrow, direction) =
        if field.name.contains("<->") { ("<->", Direction::Both) } else { ("->", Direction::AToB) };
    let Some((a, b)) = field.name.split_once(arrow) else {
        notes.add(
            Diagnostic::error(field.name_span.clone(), format!("`{}` is no link", field.name))
                .help("a link is written [links.\"alpha->bravo\"] or [links.\"alpha<->bravo\"]"),
        );
        return None;
    };
    let mut known = true;
    for (end, start) in [(a, 0), (b, a.len() + arrow.len())] {
        let name = end.trim();
        let start = start + (end.len() - end.trim_start().len());
        let span = notes.within(&field.name_span, field.name, start..start + name.len());
        known &= names.check(name, span, notes);
    }
    let (a, b) = (a.trim(), b.trim());
    if a == b && known {
        let message = format!("a link of `{a}` with itself");
        notes.add(Diagnostic::error(field.name_span.clone(), message));
        return None;
    }
    known.then(|| LinkRef { a: a.to_owned(), b: b.to_owned(), direction })
}

fn read_policy(field: &Field<'_>, notes: &mut Notes<'_>) -> Option<LinkPolicy> {
    let mut table = field.table(format!("[links.\"{}\"]", field.name), notes)?;
    let policy = LinkPolicy {
        cut: table.take("cut").and_then(|cut| cut.boolean(notes)).unwrap_or_default(),
        delay_ms: table.take("delay").and_then(|delay| delay.duration(notes)).unwrap_or_default(),
        jitter_ms: table.take("jitter").and_then(|more| more.duration(notes)).unwrap_or_default(),
        bytes_per_s: table.take("throttle").and_then(|rate| rate.size(notes)).unwrap_or_default(),
    };
    table.finish(notes);
    Some(policy)
}

/// Whether two links share a direction.
fn overlap(one: &LinkRef, other: &LinkRef) -> bool {
    let same = one.a == other.a && one.b == other.b;
    let opposite = one.a == other.b && one.b == other.a;
    let both = one.direction == Direction::Both || other.direction == Direction::Both;
    same || (opposite && both)
}
