//! `[server]` and `[servers.NAME]`.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::names::Named;
use super::table::{Field, Notes, Table, did_you_mean};
use super::{AUTO_RESTART_DEFAULT_MS, SERVERS_MAX, ServerSpec};
use crate::base::time::Millis;
use crate::lab::view::NodeKind;
use crate::server::Config;

/// Words of actions and expectations that would be taken for a server.
const RESERVED: &[&str] = &["lab", "for", "within", "off", "none"];

/// A server with the places that later findings point at.
pub struct Draft {
    /// The server.
    pub spec: ServerSpec,
    /// Where its name stands.
    pub name_span: Range<usize>,
    /// Where its port stands.
    pub port_span: Option<Range<usize>>,
    /// Where its `replicaof` stands.
    pub replicaof_span: Option<Range<usize>>,
    /// The name of the group it was expanded from.
    pub group: Option<String>,
}

impl Draft {
    /// Its name and port.
    pub fn named(&self) -> Named<'_> {
        Named {
            name: &self.spec.name,
            kind: NodeKind::Server,
            name_span: &self.name_span,
            port: self.spec.port,
            port_span: self.port_span.as_ref(),
            group: self.group.as_deref(),
        }
    }
}

/// What `[server]` and `[servers.NAME]` have in common.
#[derive(Clone, Default)]
pub struct Settings {
    config: Vec<(String, String)>,
    persistence: Option<Persistence>,
    auto_restart: Option<AutoRestart>,
}

/// What a server keeps on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Persistence {
    /// Nothing.
    None,
    /// Snapshots.
    Snapshots,
    /// A log, synced by this policy (`appendfsync`), and no snapshots.
    Log(&'static str),
}

/// What happens after a node died.
#[derive(Clone, Copy)]
pub enum AutoRestart {
    /// Somebody restarts it.
    Never,
    /// It starts again after so long.
    After(Millis),
}

impl AutoRestart {
    /// After how many milliseconds it starts again, if it does.
    pub fn after(self) -> Option<Millis> {
        match self {
            Self::Never => None,
            Self::After(ms) => Some(ms),
        }
    }
}

/// Reads `[server]`.
pub fn read_defaults(field: Option<&Field<'_>>, notes: &mut Notes<'_>) -> Settings {
    field
        .and_then(|field| field.table("[server]", notes))
        .map(|table| read_settings(table, None, notes))
        .unwrap_or_default()
}

/// Reads `[servers]`, groups expanded.
pub fn read_servers(
    field: Option<&Field<'_>>,
    defaults: &Settings,
    notes: &mut Notes<'_>,
) -> Vec<Draft> {
    let Some(field) = field else {
        notes.add(no_servers(0..0));
        return Vec::new();
    };
    let Some(table) = field.table("[servers]", notes) else { return Vec::new() };
    let (servers, _) = table.rest();
    if servers.is_empty() {
        notes.add(no_servers(field.name_span.clone()));
    }
    let drafts: Vec<Draft> =
        servers.iter().flat_map(|server| read_server(server, defaults, notes)).collect();
    if let Some(first_too_many) = drafts.get(SERVERS_MAX) {
        let many = format!("{} servers, a lab holds at most {SERVERS_MAX}", drafts.len());
        notes.add(Diagnostic::error(first_too_many.name_span.clone(), many));
    }
    drafts
}

fn no_servers(span: Range<usize>) -> Diagnostic {
    Diagnostic::error(span, "there are no servers")
        .help("a server is a table: [servers.alpha], its keys are port, replicaof, config, …")
}

/// One table: a server, or a group of them.
fn read_server(field: &Field<'_>, defaults: &Settings, notes: &mut Notes<'_>) -> Vec<Draft> {
    check_name(field, "server", notes);
    let Some(mut table) = field.table(format!("[servers.{}]", field.name), notes) else {
        return Vec::new();
    };
    let port_field = table.take("port");
    let port = port_field.as_ref().and_then(|port| read_port(port, notes));
    let replicaof_field = table.take("replicaof");
    let replicaof =
        replicaof_field.as_ref().and_then(|primary| read_replicaof(primary, field.name, notes));
    let count = table.take("count").and_then(|count| {
        let most = SERVERS_MAX as u64;
        count.number(1..most + 1, &format!("a number from 1 to {most}"), notes)
    });
    let dir = table.take("dir").and_then(|dir| dir.string(notes)).map(PathBuf::from);
    let settings = read_settings(table, replicaof_field.as_ref(), notes);
    let group = Draft {
        spec: over(
            defaults,
            settings,
            ServerSpec {
                name: field.name.to_owned(),
                port,
                replicaof,
                dir,
                ..ServerSpec::default()
            },
        ),
        name_span: field.name_span.clone(),
        port_span: port_field.map(|port| port.span()),
        replicaof_span: replicaof_field.map(|primary| primary.span()),
        group: None,
    };
    match count {
        None => vec![group],
        Some(count) => expand(&group, count as u16, notes),
    }
}

/// A group's servers, each with a directory of its own.
fn expand(group: &Draft, count: u16, notes: &mut Notes<'_>) -> Vec<Draft> {
    let spec = &group.spec;
    members(&spec.name, spec.port, group.port_span.as_ref(), count, notes)
        .into_iter()
        .map(|(name, port)| Draft {
            spec: ServerSpec {
                port,
                dir: spec.dir.as_ref().map(|dir| dir.join(&name)),
                name,
                ..spec.clone()
            },
            name_span: group.name_span.clone(),
            port_span: group.port_span.clone(),
            replicaof_span: group.replicaof_span.clone(),
            group: Some(spec.name.clone()),
        })
        .collect()
}

/// Names and ports of a group: NAME1 to NAMEn, with ports counted up.
pub fn members(
    group: &str,
    port: Option<u16>,
    port_span: Option<&Range<usize>>,
    count: u16,
    notes: &mut Notes<'_>,
) -> Vec<(String, Option<u16>)> {
    if let (Some(first), Some(span)) = (port, port_span)
        && first.checked_add(count - 1).is_none()
    {
        let message = format!("{count} ports from {first} on go past 65535");
        notes.add(Diagnostic::error(span.clone(), message));
    }
    let port = |index| port.and_then(|first| first.checked_add(index));
    (0..count).map(|index| (format!("{group}{}", index + 1), port(index))).collect()
}

/// Whether a node can be called so; `what` it is.
pub fn check_name(field: &Field<'_>, what: &str, notes: &mut Notes<'_>) {
    let name = field.name;
    let fine = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if RESERVED.contains(&name) {
        let message = format!("a {what} cannot be called `{name}`");
        notes.add(
            Diagnostic::error(field.name_span.clone(), message)
                .help("the word means something else in actions and expectations"),
        );
    } else if name.is_empty() || name.starts_with('-') || !name.bytes().all(fine) {
        let message = format!("`{name}` is not a name for a {what}");
        notes.add(
            Diagnostic::error(field.name_span.clone(), message)
                .help("a name is made of a-z, 0-9 and -, as in `alpha` or `eu-1`"),
        );
    }
}

/// A port of a node's own.
pub fn read_port(field: &Field<'_>, notes: &mut Notes<'_>) -> Option<u16> {
    let wanted = "a port from 1 to 65535; without `port` the node gets a free one";
    field.number(1..65_536, wanted, notes).map(|port| port as u16)
}

/// A name, or `host:port`. Whether the name exists is seen when all servers are known.
fn read_replicaof(field: &Field<'_>, server: &str, notes: &mut Notes<'_>) -> Option<String> {
    if let Some(list) = field.value.get_ref().as_array()
        && list.len() > 1
    {
        notes.add(
            Diagnostic::error(field.span(), format!("two primaries claim `{server}`"))
                .label("a list of primaries")
                .help("a server follows one primary; let others follow it in turn"),
        );
        return None;
    }
    let primary = field.string(notes)?;
    let outside = primary.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    let wrong = match outside {
        Some((host, port)) => host.is_empty() || port.is_err() || port == Ok(0),
        None => primary.is_empty() || primary.contains(' '),
    };
    if wrong {
        notes.add(
            Diagnostic::error(field.span(), format!("`{primary}` names no primary"))
                .help("write a server of this file (\"alpha\") or \"host:port\" of one outside"),
        );
        return None;
    }
    Some(primary.to_owned())
}

/// Everything but who and where: `persistence`, `auto-restart`, `config`, and directives.
fn read_settings(
    mut table: Table<'_>,
    replicaof: Option<&Field<'_>>,
    notes: &mut Notes<'_>,
) -> Settings {
    let persistence_field = table.take("persistence");
    let persistence = persistence_field.as_ref().and_then(|field| read_persistence(field, notes));
    let auto_restart =
        table.take("auto-restart").and_then(|field| read_auto_restart(&field, notes));
    let title = table.title.clone();
    let config = table
        .take("config")
        .and_then(|field| field.table(format!("config of {title}"), notes))
        .map(|config| config.rest().0)
        .unwrap_or_default();
    let (direct, accepted) = table.rest();
    let mut fields: Vec<(Field<'_>, &[&str])> =
        config.into_iter().map(|field| (field, [].as_slice())).collect();
    fields.extend(direct.into_iter().map(|field| (field, accepted.as_slice())));
    fields.sort_by_key(|(field, _)| field.name_span.start);
    let mut settings = Settings { config: Vec::new(), persistence, auto_restart };
    let mut seen: Vec<Field<'_>> = Vec::new();
    for (field, accepted) in fields {
        if let Some(earlier) = seen.iter().find(|earlier| earlier.name == field.name) {
            let message = format!("`{}` is given twice in {title}", field.name);
            notes.add(
                Diagnostic::error(field.name_span.clone(), message)
                    .related(earlier.name_span.clone(), "first here"),
            );
            continue;
        }
        if let Some(value) = read_directive(&field, &title, accepted, replicaof, notes) {
            if field.name == "save" && persistence == Some(Persistence::None) && !value.is_empty() {
                let message = "`save` points and `persistence = false` contradict each other";
                let place = persistence_field.as_ref().map(|field| field.name_span.clone());
                notes.add(
                    Diagnostic::error(field.name_span.clone(), message)
                        .related(place.unwrap_or_default(), "nothing is saved"),
                );
            }
            settings.config.push((field.name.to_owned(), value));
        }
        seen.push(field);
    }
    settings
}

fn read_persistence(field: &Field<'_>, notes: &mut Notes<'_>) -> Option<Persistence> {
    let persistence = match field.value.get_ref() {
        DeValue::Boolean(false) => Some(Persistence::None),
        DeValue::Boolean(true) => Some(Persistence::Snapshots),
        DeValue::String(text) => match text.as_ref() {
            "aof" => Some(Persistence::Log("everysec")),
            "aof-always" => Some(Persistence::Log("always")),
            _ => None,
        },
        _ => None,
    };
    field.want(persistence, r#"true, false, "aof" or "aof-always""#, notes)
}

/// `true`, `false`, or a duration.
pub fn read_auto_restart(field: &Field<'_>, notes: &mut Notes<'_>) -> Option<AutoRestart> {
    match field.value.get_ref() {
        DeValue::Boolean(false) => Some(AutoRestart::Never),
        DeValue::Boolean(true) => Some(AutoRestart::After(AUTO_RESTART_DEFAULT_MS)),
        DeValue::String(_) => field.duration(notes).map(AutoRestart::After),
        _ => field.want(None, r#"true, false, or a duration such as "500ms""#, notes),
    }
}

/// A redis.conf directive's value as CONFIG SET takes it.
fn read_directive(
    field: &Field<'_>,
    title: &str,
    accepted: &[&'static str],
    replicaof: Option<&Field<'_>>,
    notes: &mut Notes<'_>,
) -> Option<String> {
    let name = field.name;
    if matches!(name, "replicaof" | "slaveof")
        && let Some(first) = replicaof
    {
        notes.add(
            Diagnostic::error(field.name_span.clone(), "two primaries claim one server")
                .label("the second")
                .related(first.name_span.clone(), "the first"),
        );
        return None;
    }
    if let "port" | "dir" | "replicaof" | "slaveof" = name {
        let key = if name == "slaveof" { "replicaof" } else { name };
        let message = format!("`{name}` is not a setting, it is each server's own");
        notes.add(
            Diagnostic::error(field.name_span.clone(), message)
                .help(format!("write `{key} = …` directly under [servers.NAME]")),
        );
        return None;
    }
    if !Config::directive_names().any(|known| known == name) {
        let message = match accepted {
            [] => format!("`{name}` is no directive of redis.conf"),
            _ => format!("unknown key `{name}` in {title}"),
        };
        let all = accepted.iter().copied().chain(Config::directive_names());
        let unknown = did_you_mean(Diagnostic::error(field.name_span.clone(), message), name, all);
        notes.add(match accepted {
            [] => unknown,
            _ => unknown.help(format!(
                "accepted are {}, and any directive of redis.conf",
                accepted.join(", ")
            )),
        });
        return None;
    }
    let text = field.want(
        value_text(field.value.get_ref()),
        "a text, a number, true, false, or a list of these",
        notes,
    )?;
    match Config::check_directive(name, &text) {
        Ok(()) => Some(text),
        Err(reason) => {
            notes.add(Diagnostic::error(field.span(), format!("`{name}`: {reason}")));
            None
        }
    }
}

/// Redis's text for a value: `yes`, `no`, numbers as they are, lists with spaces between.
pub fn value_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(if *on { "yes" } else { "no" }.to_owned()),
        DeValue::Array(list) => {
            let words: Option<Vec<String>> =
                list.iter().map(|word| value_text(word.get_ref())).collect();
            words.map(|words| words.join(" "))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// A server with the defaults under its own settings.
fn over(defaults: &Settings, own: Settings, server: ServerSpec) -> ServerSpec {
    let saves = |config: &[(String, String)]| {
        let last = config.iter().rev().find(|(name, _)| name == "save");
        last.map(|(_, points)| match points.as_str() {
            "" => Persistence::None,
            _ => Persistence::Snapshots,
        })
    };
    let persistence = own
        .persistence
        .or_else(|| saves(&own.config))
        .or(defaults.persistence)
        .or_else(|| saves(&defaults.config))
        .unwrap_or(Persistence::Snapshots);
    let mut config: Vec<(String, String)> = defaults.config.clone();
    config.extend(own.config);
    // A `save` from below may say the opposite.
    let snapshots = persistence == Persistence::Snapshots;
    config.retain(|(name, points)| name != "save" || (snapshots && !points.is_empty()));
    let mut direct = |name: &str, value: &str| config.push((name.to_owned(), value.to_owned()));
    if !snapshots {
        direct("save", "");
    }
    if let Persistence::Log(policy) = persistence {
        direct("appendonly", "yes");
        direct("appendfsync", policy);
    }
    let persistence = persistence != Persistence::None;
    let auto_restart = own.auto_restart.or(defaults.auto_restart).and_then(AutoRestart::after);
    ServerSpec { config, persistence, auto_restart, ..server }
}
