//! `[sentinels.NAME]`.

use std::ops::Range;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::names::Named;
use super::server::{AutoRestart, check_name, members, read_auto_restart, read_port, value_text};
use super::table::{Field, Notes, did_you_mean};
use super::{SENTINELS_MAX, SentinelSpec};
use crate::lab::view::NodeKind;
use crate::sentinel::Config;

/// What a Sentinel shares with a server, and is no statement of sentinel.conf's own.
const SHARED: &[&str] = &["requirepass", "loglevel"];

/// A Sentinel with the places that later findings point at.
pub struct SentinelDraft {
    /// The Sentinel.
    pub spec: SentinelSpec,
    /// Where its name stands.
    pub name_span: Range<usize>,
    /// Where its port stands.
    pub port_span: Option<Range<usize>>,
    /// The name of the group it was expanded from.
    pub group: Option<String>,
}

impl SentinelDraft {
    /// Its name and port.
    pub fn named(&self) -> Named<'_> {
        Named {
            name: &self.spec.name,
            kind: NodeKind::Sentinel,
            name_span: &self.name_span,
            port: self.spec.port,
            port_span: self.port_span.as_ref(),
            group: self.group.as_deref(),
        }
    }
}

/// Reads `[sentinels]`, groups expanded.
pub fn read_sentinels(field: Option<&Field<'_>>, notes: &mut Notes<'_>) -> Vec<SentinelDraft> {
    let Some(table) = field.and_then(|field| field.table("[sentinels]", notes)) else {
        return Vec::new();
    };
    let (sentinels, _) = table.rest();
    let drafts: Vec<SentinelDraft> =
        sentinels.iter().flat_map(|sentinel| read_sentinel(sentinel, notes)).collect();
    if let Some(first_too_many) = drafts.get(SENTINELS_MAX) {
        let many = format!("{} Sentinels, a lab holds at most {SENTINELS_MAX}", drafts.len());
        notes.add(Diagnostic::error(first_too_many.name_span.clone(), many));
    }
    drafts
}

/// One table: a Sentinel, or a group of them.
fn read_sentinel(field: &Field<'_>, notes: &mut Notes<'_>) -> Vec<SentinelDraft> {
    check_name(field, "Sentinel", notes);
    let title = format!("[sentinels.{}]", field.name);
    let Some(mut table) = field.table(title.as_str(), notes) else { return Vec::new() };
    let port_field = table.take("port");
    let port = port_field.as_ref().and_then(|port| read_port(port, notes));
    let count = table.take("count").and_then(|count| {
        let most = SENTINELS_MAX as u64;
        count.number(1..most + 1, &format!("a number from 1 to {most}"), notes)
    });
    let dir = table.take("dir").and_then(|dir| dir.string(notes)).map(PathBuf::from);
    let auto_restart =
        table.take("auto-restart").and_then(|field| read_auto_restart(&field, notes));
    let config = table
        .take("config")
        .and_then(|field| field.table(format!("config of {title}"), notes))
        .map(|config| config.rest().0)
        .unwrap_or_default();
    let (direct, accepted) = table.rest();
    let mut statements = Vec::new();
    for (field, accepted) in config
        .iter()
        .map(|field| (field, [].as_slice()))
        .chain(direct.iter().map(|field| (field, accepted.as_slice())))
    {
        statements.extend(read_statement(field, &title, accepted, notes));
    }
    let spec = SentinelSpec {
        name: field.name.to_owned(),
        port,
        config: statements,
        dir,
        auto_restart: auto_restart.and_then(AutoRestart::after),
    };
    let port_span = port_field.map(|port| port.span());
    let draft = |spec: SentinelSpec, group| SentinelDraft {
        spec,
        name_span: field.name_span.clone(),
        port_span: port_span.clone(),
        group,
    };
    let Some(count) = count else { return vec![draft(spec, None)] };
    members(&spec.name, port, port_span.as_ref(), count as u16, notes)
        .into_iter()
        .map(|(name, port)| {
            let dir = spec.dir.as_ref().map(|dir| dir.join(&name));
            draft(SentinelSpec { name, port, dir, ..spec.clone() }, Some(spec.name.clone()))
        })
        .collect()
}

/// A statement about a Sentinel itself, as it stands in sentinel.conf.
fn read_statement(
    field: &Field<'_>,
    title: &str,
    accepted: &[&'static str],
    notes: &mut Notes<'_>,
) -> Option<(String, String)> {
    let name = field.name;
    let is_shared = SHARED.contains(&name);
    if !is_shared && !Config::OWN_STATEMENTS.contains(&name) {
        let message = match accepted {
            [] => format!("`{name}` is no statement about a Sentinel itself"),
            _ => format!("unknown key `{name}` in {title}"),
        };
        let unknown = Diagnostic::error(field.name_span.clone(), message);
        if Config::PRIMARY_STATEMENTS.contains(&name) {
            notes.add(unknown.help("it is said of a primary: write it under [monitors.NAME]"));
            return None;
        }
        let all = || accepted.iter().chain(Config::OWN_STATEMENTS).chain(SHARED).copied();
        let list = all().collect::<Vec<_>>().join(", ");
        notes.add(did_you_mean(unknown, name, all()).help(format!("accepted are {list}")));
        return None;
    }
    let wanted = "a text, a number, true or false";
    let value = field.want(value_text(field.value.get_ref()), wanted, notes)?;
    let checked = if is_shared { Ok(()) } else { Config::check_own(name, &value) };
    if let Err(reason) = checked {
        notes.add(Diagnostic::error(field.span(), format!("`{name}`: {reason}")));
        return None;
    }
    let name = if is_shared { name.to_owned() } else { format!("sentinel {name}") };
    Some((name, value))
}
