//! `[monitors.NAME]` and `sentinel-timing`.

use std::ops::Range;

use super::MonitorSpec;
use super::diagnostic::Diagnostic;
use super::names::Names;
use super::server::{Draft, value_text};
use super::table::{Field, Notes, did_you_mean};
use crate::lab::parse;
use crate::lab::view::NodeKind;
use crate::sentinel::{Config, Timing};

/// A monitor with the places that later findings point at.
pub struct MonitorDraft {
    /// The monitor.
    pub spec: MonitorSpec,
    /// Where its name stands.
    pub name_span: Range<usize>,
    /// Where its quorum stands.
    pub quorum_span: Range<usize>,
    /// Where `down-after-milliseconds` stands.
    pub down_after_span: Option<Range<usize>>,
    /// Where `auth-pass` stands.
    pub auth_pass_span: Option<Range<usize>>,
}

/// Reads `sentinel-timing`.
pub fn read_timing(field: Option<&Field<'_>>, notes: &mut Notes<'_>) -> Timing {
    let word = field.and_then(|field| field.string(notes).map(|word| (word, field.span())));
    match word {
        None | Some(("fast", _)) => Timing::Fast,
        Some(("redis", _)) => Timing::Redis,
        Some((other, span)) => {
            let unknown = Diagnostic::error(span, format!("there is no timing `{other}`"));
            notes.add(
                did_you_mean(unknown, other, ["fast", "redis"])
                    .help("\"fast\" decides in the event, \"redis\" on the real program's ticks"),
            );
            Timing::Fast
        }
    }
}

/// Reads `[monitors]`.
pub fn read_monitors(
    field: Option<&Field<'_>>,
    servers: &[Draft],
    sentinels: &Names<'_>,
    notes: &mut Notes<'_>,
) -> Vec<MonitorDraft> {
    let Some(table) = field.and_then(|field| field.table("[monitors]", notes)) else {
        return Vec::new();
    };
    let (monitors, _) = table.rest();
    if let Some(first) = monitors.first().filter(|_| sentinels.is_empty()) {
        notes.add(
            Diagnostic::error(first.name_span.clone(), "no Sentinel watches it: there is none")
                .help("a Sentinel is a table: [sentinels.s1]; [sentinels.s] count = 3 makes three"),
        );
    }
    let servers = Names::of(servers.iter().map(Draft::named));
    let read = |field: &Field<'_>| read_monitor(field, &servers, sentinels, notes);
    monitors.iter().filter_map(read).collect()
}

fn read_monitor(
    field: &Field<'_>,
    servers: &Names<'_>,
    sentinels: &Names<'_>,
    notes: &mut Notes<'_>,
) -> Option<MonitorDraft> {
    check_name(field, servers, sentinels, notes);
    let title = format!("[monitors.{}]", field.name);
    let mut table = field.table(title.as_str(), notes)?;
    let (primary_field, quorum_field) = (table.take("primary"), table.take("quorum"));
    let primary = primary_field.as_ref().and_then(|primary| {
        let name = primary.string(notes)?;
        let span = notes.within(&primary.span(), name, 0..name.len());
        (servers.is_empty() || servers.check(name, span, notes)).then(|| name.to_owned())
    });
    let quorum = quorum_field
        .as_ref()
        .and_then(|quorum| quorum.number(1..1_000, "a number of Sentinels, at least 1", notes));
    let watching = read_watching(table.take("sentinels").as_ref(), sentinels, notes);
    let (statements, accepted) = table.rest();
    for (name, is_there) in
        [("primary", primary_field.is_some()), ("quorum", quorum_field.is_some())]
    {
        if !is_there {
            notes.add(
                Diagnostic::error(field.name_span.clone(), format!("{title} has no `{name}`"))
                    .help("it says whom to watch and how many must agree that it is down: primary = \"alpha\", quorum = 2"),
            );
        }
    }
    let place = |name: &str| {
        statements.iter().find(|field| field.name == name).map(|field| field.name_span.clone())
    };
    let (down_after_span, auth_pass_span) = (place("down-after-milliseconds"), place("auth-pass"));
    let config = statements
        .iter()
        .filter_map(|field| read_statement(field, &title, &accepted, notes))
        .collect();
    Some(MonitorDraft {
        spec: MonitorSpec {
            name: field.name.to_owned(),
            primary: primary.unwrap_or_default(),
            quorum: quorum.unwrap_or(1),
            sentinels: watching,
            config,
        },
        name_span: field.name_span.clone(),
        quorum_span: quorum_field.map_or_else(|| field.name_span.clone(), |quorum| quorum.span()),
        down_after_span,
        auth_pass_span,
    })
}

/// A monitor is spoken of as nodes are, and must not be taken for one.
fn check_name(
    field: &Field<'_>,
    servers: &Names<'_>,
    sentinels: &Names<'_>,
    notes: &mut Notes<'_>,
) {
    let name = field.name;
    if !parse::is_name(name) {
        notes.add(
            Diagnostic::error(
                field.name_span.clone(),
                format!("`{name}` is not a name for a monitor"),
            )
            .help("a name is made of letters, digits, `-`, `_` and `.`, as in `mymaster`"),
        );
    }
    let mut nodes = servers.nodes().iter().chain(sentinels.nodes());
    if let Some(node) = nodes.find(|node| node.name == name) {
        let what = match node.kind {
            NodeKind::Server => "server",
            NodeKind::Sentinel => "Sentinel",
        };
        let message = format!("a monitor and a {what} are both called `{name}`");
        notes.add(
            Diagnostic::error(field.name_span.clone(), message)
                .related(node.name_span.clone(), format!("the {what}"))
                .help("actions and expectations speak of both by name"),
        );
    }
}

/// Sentinels by name, or all.
pub fn read_watching(
    field: Option<&Field<'_>>,
    sentinels: &Names<'_>,
    notes: &mut Notes<'_>,
) -> Vec<String> {
    let Some(field) = field else {
        return sentinels.nodes().iter().map(|node| node.name.to_owned()).collect();
    };
    let wanted = r#"a list of Sentinels, as in ["s1", "s2"]"#;
    let list = field.value.get_ref().as_array();
    let list = field.want(list.filter(|list| !list.is_empty()), wanted, notes);
    let mut watching = Vec::new();
    for item in list.into_iter().flatten() {
        let Some(name) = item.get_ref().as_str() else {
            notes.add(Diagnostic::error(item.span(), format!("`sentinels` wants {wanted}")));
            continue;
        };
        let span = notes.within(&item.span(), name, 0..name.len());
        if sentinels.is_empty() || sentinels.check(name, span, notes) {
            watching.push(name.to_owned());
        }
    }
    watching
}

/// What sentinel.conf says of a primary, without `sentinel` and the primary's name.
fn read_statement(
    field: &Field<'_>,
    title: &str,
    accepted: &[&'static str],
    notes: &mut Notes<'_>,
) -> Option<(String, String)> {
    let name = field.name;
    if !Config::PRIMARY_STATEMENTS.contains(&name) {
        let unknown = format!("unknown key `{name}` in {title}");
        let unknown = Diagnostic::error(field.name_span.clone(), unknown);
        if Config::OWN_STATEMENTS.contains(&name) {
            notes.add(unknown.help("it is said of a Sentinel: write it under [sentinels.NAME]"));
            return None;
        }
        let all = || accepted.iter().chain(Config::PRIMARY_STATEMENTS).copied();
        let list = all().collect::<Vec<_>>().join(", ");
        notes.add(did_you_mean(unknown, name, all()).help(format!("accepted are {list}")));
        return None;
    }
    let wanted = "a text, a number, or a list of these";
    let value = field.want(value_text(field.value.get_ref()), wanted, notes)?;
    if let Err(reason) = Config::check_about_primary(name, &value) {
        notes.add(Diagnostic::error(field.span(), format!("`{name}`: {reason}")));
        return None;
    }
    Some((name.to_owned(), value))
}
