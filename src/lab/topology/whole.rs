//! What only shows when all nodes are known: names and ports used twice, primaries that do not
//! exist, circles.

use super::diagnostic::Diagnostic;
use super::names::{Named, Names};
use super::server::Draft;
use super::table::Notes;

/// Notes what is wrong among the nodes.
pub fn check(drafts: &[Draft], names: &Names<'_>, notes: &mut Notes<'_>) {
    check_twice(names.nodes(), notes);
    check_primaries(drafts, notes);
    check_circles(drafts, notes);
}

/// A group's members may collide with nodes written out, and with another group's.
fn check_twice(nodes: &[Named<'_>], notes: &mut Notes<'_>) {
    for (index, node) in nodes.iter().enumerate() {
        let earlier = || nodes[..index].iter();
        let name = node.name;
        if let Some(other) = earlier().find(|other| other.name == name) {
            let what = if other.kind == node.kind { node.kind.plural() } else { "nodes" };
            let message = format!("two {what} are called `{name}`");
            notes.add(
                Diagnostic::error(node.name_span.clone(), message)
                    .related(other.name_span.clone(), "the first"),
            );
        }
        let (Some(port), Some(span)) = (node.port, node.port_span) else { continue };
        if let Some(other) = earlier().find(|other| other.port == Some(port)) {
            let message = format!("`{name}` and `{}` both want port {port}", other.name);
            let other_span = other.port_span.unwrap_or(other.name_span).clone();
            notes.add(
                Diagnostic::error(span.clone(), message)
                    .related(other_span, format!("`{}` wants it here", other.name))
                    .help("every node has a port of its own; without `port` it gets a free one"),
            );
        }
    }
}

/// Once for a group, whose members share one `replicaof`.
fn check_primaries(drafts: &[Draft], notes: &mut Notes<'_>) {
    let names = Names::of(drafts.iter().map(Draft::named));
    let mut last = None;
    for draft in drafts {
        let (Some(primary), Some(span)) = (&draft.spec.replicaof, &draft.replicaof_span) else {
            continue;
        };
        if primary.contains(':') || last.as_ref() == Some(span) {
            continue;
        }
        last = Some(span.clone());
        let place = notes.within(span, primary, 0..primary.len());
        names.check(primary, place, notes);
    }
}

/// Each circle once, at its member that comes first in the file.
fn check_circles(drafts: &[Draft], notes: &mut Notes<'_>) {
    let follows = |index: usize| {
        let primary = drafts[index].spec.replicaof.as_deref()?;
        drafts.iter().position(|draft| draft.spec.name == primary)
    };
    for start in 0..drafts.len() {
        let path = std::iter::successors(follows(start), |index| follows(*index));
        let circle: Vec<usize> = path.take(drafts.len()).take_while(|i| *i != start).collect();
        let closes = match circle.last() {
            None => follows(start) == Some(start),
            Some(last) => follows(*last) == Some(start),
        };
        if !closes || circle.iter().any(|index| *index < start) {
            continue;
        }
        let span = |index: usize| {
            let draft = &drafts[index];
            draft.replicaof_span.clone().unwrap_or_else(|| draft.name_span.clone())
        };
        let name = |index: usize| drafts[index].spec.name.as_str();
        let mut round: Vec<&str> =
            std::iter::once(start).chain(circle.iter().copied()).map(name).collect();
        round.push(name(start));
        let message = format!("a circle of replicas: {}", round.join(" follows "));
        let error = circle.iter().fold(Diagnostic::error(span(start), message), |error, index| {
            error.related(span(*index), format!("of `{}`", name(*index)))
        });
        notes.add(
            error.help("somebody must take the writes: leave `replicaof` out for one of them"),
        );
    }
}
