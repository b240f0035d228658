//! SENTINEL subcommands that change something.

use super::{Ask, Outcome, Row};
use crate::base::glob;
use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::sentinel::Sentinel;
use crate::sentinel::config::{self, MonitorConfig, is_host, is_plain};
use crate::sentinel::event::{About, Event};
use crate::sentinel::link::Part;
use crate::sentinel::monitor::Settings;

/// The rows of this file.
pub(super) const ROWS: &[Row] = &[
    ("sentinel|failover", 3, failover),
    ("sentinel|reset", 3, reset),
    ("sentinel|monitor", 6, monitor),
    ("sentinel|remove", 3, remove),
    ("sentinel|set", -5, set),
    ("sentinel|config", -4, config),
    ("sentinel|flushconfig", 2, flushconfig),
    ("sentinel|debug", -2, debug),
    ("sentinel|simulate-failure", -3, simulate_failure),
];

fn failover(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let m = sentinel.named(ask, 2)?;
    if m.failover.is_on() {
        return Err(CommandError::fixed("INPROG Failover already in progress"));
    }
    if sentinel.common.best_replica(m).is_none() {
        return Err(CommandError::fixed("NOGOODSLAVE No suitable replica to promote"));
    }
    let name = m.name.clone();
    sentinel.with_monitor(&name, |common, m| {
        let text = format!("Executing user requested FAILOVER of '{}'", m.name);
        common.out.log(crate::machine::LogLevel::Warning, text);
        common.start_failover(m, true);
    });
    sentinel.reply(ask).ok();
    Ok(())
}

fn reset(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let pattern = ask.words[2];
    let names: Vec<_> = sentinel
        .monitors
        .keys()
        .filter(|n| glob::matches(pattern, n.as_bytes()))
        .cloned()
        .collect();
    for name in &names {
        sentinel.with_monitor(name, |common, m| {
            let addr = m.primary.node.addr.clone();
            common.reset(m, addr);
            let links = m.peers.values().map(|peer| peer.link);
            common.unused_links.extend(links);
            m.peers.clear();
            common.event_about(Event::ResetPrimary, m, About::Primary, "", || {
                "Replicas and other Sentinels are forgotten and looked for again.".to_owned()
            });
        });
    }
    sentinel.reply(ask).count(names.len());
    Ok(())
}

fn monitor(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let quorum = parse_i64(ask.words[5]).ok_or(CommandError::fixed("ERR Invalid quorum"))?;
    let port = parse_i64(ask.words[4]).ok_or(CommandError::fixed("ERR Invalid port"))?;
    if quorum <= 0 {
        return Err(CommandError::fixed("ERR Quorum must be 1 or greater."));
    }
    let (name, host) = (ask.text(2), ask.text(3));
    if !is_host(&host, sentinel.common.globals.resolve_hostnames) {
        return Err(CommandError::fixed("ERR Invalid IP address or hostname specified"));
    }
    if sentinel.monitors.contains_key(name.as_str()) {
        return Err(CommandError::fixed("ERR Duplicate master name."));
    }
    let port = port.to_string();
    let addr = config::address(&host, &port, sentinel.common.globals.resolve_hostnames)
        .map_err(|_| CommandError::fixed("ERR Invalid port number."))?;
    if !is_plain(&name) {
        return Err(CommandError::fixed("ERR Invalid master name."));
    }
    let mut settings = Settings::new(quorum as u64);
    settings.down_after = sentinel.common.periods.default_down_after;
    settings.failover_timeout = sentinel.common.periods.default_failover_timeout;
    sentinel.add_monitor(MonitorConfig {
        name,
        addr,
        settings,
        config_epoch: 0,
        leader_epoch: 0,
        replicas: Vec::new(),
        peers: Vec::new(),
    });
    sentinel.reply(ask).ok();
    Ok(())
}

fn remove(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let name = sentinel.named(ask, 2)?.name.clone();
    if let Some(m) = sentinel.monitors.remove(&name) {
        let common = &mut sentinel.common;
        common.event_about(Event::Unmonitor, &m, About::Primary, "", || {
            "It watches this primary no longer.".to_owned()
        });
        common.unsaved = true;
        common.links.remove(m.primary.node.link, &mut common.out);
        for replica in m.replicas.values() {
            common.links.remove(replica.node.link, &mut common.out);
        }
        common.unused_links.extend(m.peers.values().map(|peer| peer.link));
    }
    sentinel.reply(ask).ok();
    Ok(())
}

/// SET name option value [option value ...]. What came before a refused pair stays.
fn set(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let name = sentinel.named(ask, 2)?.name.clone();
    let mut at = 3;
    let mut result = Ok(());
    while at < ask.words.len() && result.is_ok() {
        let option = ask.text(at).to_ascii_lowercase();
        let width = if option == "rename-command" { 2 } else { 1 };
        let values: Vec<String> =
            (at + 1..=at + width).filter(|i| *i < ask.words.len()).map(|i| ask.text(i)).collect();
        result = if values.len() == width {
            sentinel.set_option(&name, &option, &values)
        } else {
            Err(unknown_option(&option))
        };
        at += 1 + width;
    }
    sentinel.common.unsaved = true;
    result?;
    sentinel.reply(ask).ok();
    Ok(())
}

fn unknown_option(option: &str) -> CommandError {
    CommandError::new(format!(
        "ERR Unknown option or number of arguments for SENTINEL SET '{option}'"
    ))
}

impl Sentinel {
    fn set_option(&mut self, name: &str, option: &str, values: &[String]) -> Outcome {
        let first = values.first().map(String::as_str).unwrap_or_default();
        let invalid = || {
            CommandError::new(format!("ERR Invalid argument '{first}' for SENTINEL SET '{option}'"))
        };
        let deny = self.common.globals.deny_scripts_reconfig;
        let number = first.parse::<i64>().ok();
        let Some(m) = self.monitors.get(name) else { return Ok(()) };
        let mut settings = m.settings.clone();
        match option {
            "quorum" => {
                settings.quorum = number.filter(|n| *n > 0).ok_or_else(invalid)? as u64;
            }
            "parallel-syncs" if number.is_none_or(|n| n <= 0) => return Err(invalid()),
            "notification-script" | "client-reconfig-script" if deny => {
                return Err(CommandError::fixed(
                    "ERR Reconfiguration of scripts path is denied for security reasons. Check \
                     the deny-scripts-reconfig configuration directive in your Sentinel \
                     configuration",
                ));
            }
            "notification-script" => settings.notification_script = some(first),
            "client-reconfig-script" => settings.client_reconfig_script = some(first),
            "auth-pass" => settings.auth_pass = some(first),
            "auth-user" => settings.auth_user = some(first),
            "rename-command" => {
                let (old, new) = (first.to_ascii_uppercase(), values[1].clone());
                settings.renamed.remove(&old);
                if !old.eq_ignore_ascii_case(&new) {
                    settings.renamed.insert(old, new);
                }
            }
            "down-after-milliseconds"
            | "failover-timeout"
            | "parallel-syncs"
            | "master-reboot-down-after-period" => {
                settings.apply(option, &[first]).map_err(|_| invalid())?;
            }
            _ => return Err(unknown_option(option)),
        }
        let drops_links = matches!(option, "auth-pass" | "auth-user");
        let shown = if option == "auth-pass" { "******".to_owned() } else { values.join(" ") };
        self.with_monitor(name, |common, m| {
            m.settings = settings;
            if drops_links {
                let replicas = m.replicas.values().map(|replica| replica.node.link);
                for link in std::iter::once(m.primary.node.link).chain(replicas) {
                    common.links.close(link, Part::Command, &mut common.out);
                    common.links.close(link, Part::Pubsub, &mut common.out);
                }
            }
            common.event_about(Event::Set, m, About::Primary, &format!("{option} {shown}"), || {
                "A setting was changed.".to_owned()
            });
        });
        Ok(())
    }
}

fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn config(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    if ask.is(2, "GET") {
        config_get(sentinel, ask);
        return Ok(());
    }
    if !ask.is(2, "SET") {
        return Err(CommandError::fixed(
            "ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported.",
        ));
    }
    if ask.words.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity("sentinel|config"));
    }
    for at in (3..ask.words.len()).step_by(2) {
        let (option, value) = (ask.text(at), ask.text(at + 1));
        let invalid = || {
            CommandError::new(format!(
                "ERR Invalid value '{value}' to SENTINEL CONFIG SET '{option}'"
            ))
        };
        if option.eq_ignore_ascii_case("loglevel") {
            sentinel.common.globals.loglevel = value;
            continue;
        }
        let settable = [
            "announce-ip",
            "announce-port",
            "announce-hostnames",
            "resolve-hostnames",
            "sentinel-user",
            "sentinel-pass",
        ];
        if !settable.iter().any(|name| option.eq_ignore_ascii_case(name)) {
            return Err(CommandError::new(format!(
                "ERR Invalid argument '{option}' to SENTINEL CONFIG SET"
            )));
        }
        let lower = option.to_ascii_lowercase();
        sentinel.common.globals.set(&lower, &value).map_err(|_| invalid())?;
        if lower.starts_with("sentinel-") {
            let peers = sentinel.monitors.values().flat_map(|m| m.peers.values());
            for link in peers.map(|peer| peer.link).collect::<Vec<_>>() {
                sentinel.common.links.close(link, Part::Command, &mut sentinel.common.out);
            }
        }
    }
    sentinel.common.unsaved = true;
    sentinel.all_changed();
    sentinel.reply(ask).ok();
    Ok(())
}

fn config_get(sentinel: &mut Sentinel, ask: &Ask<'_>) {
    let globals = sentinel.common.globals.clone();
    let yes_no = |on| if on { "yes" } else { "no" }.to_owned();
    let all = [
        ("resolve-hostnames", yes_no(globals.resolve_hostnames)),
        ("announce-hostnames", yes_no(globals.announce_hostnames)),
        ("announce-ip", globals.announce_ip),
        ("announce-port", globals.announce_port.to_string()),
        ("sentinel-user", globals.sentinel_user),
        ("sentinel-pass", globals.sentinel_pass),
    ];
    let wanted = |name: &str| {
        ask.words[3..].iter().any(|pattern| glob::matches_any_case(pattern, name.as_bytes()))
    };
    let shown: Vec<_> = all.iter().filter(|(name, _)| wanted(name)).collect();
    let reply = sentinel.reply(ask);
    reply.map(shown.len());
    for (name, value) in shown {
        reply.bulk(name);
        reply.bulk(value);
    }
}

fn flushconfig(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    sentinel.common.unsaved = true;
    sentinel.reply(ask).ok();
    Ok(())
}

fn debug(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    if ask.words.len() == 2 {
        let mut periods = sentinel.common.periods.clone();
        let all = periods.by_name();
        let reply = sentinel.reply(ask);
        reply.map(all.len());
        for (name, value) in all {
            reply.bulk(name);
            reply.bulk_int(*value as i64);
        }
        return Ok(());
    }
    for at in (2..ask.words.len()).step_by(2) {
        let (option, value) = (ask.text(at), ask.text(at + 1));
        let ms = config::time(&value).filter(|ms| *ms > 0).ok_or_else(|| {
            CommandError::new(format!(
                "ERR Invalid argument '{value}' for SENTINEL DEBUG '{option}'"
            ))
        })?;
        let mut periods = sentinel.common.periods.by_name();
        let period = periods.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&option));
        match period {
            Some((_, period)) => **period = ms,
            None => {
                return Err(CommandError::new(format!(
                    "ERR Unknown option or number of arguments for SENTINEL DEBUG '{option}'"
                )));
            }
        }
    }
    sentinel.all_changed();
    sentinel.reply(ask).ok();
    Ok(())
}

fn simulate_failure(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    if ask.is(2, "HELP") {
        let reply = sentinel.reply(ask);
        reply.array(2);
        reply.bulk("crash-after-election");
        reply.bulk("crash-after-promotion");
        return Ok(());
    }
    for at in 2..ask.words.len() {
        if ask.is(at, "crash-after-election") {
            sentinel.common.crash.after_election = true;
        } else if ask.is(at, "crash-after-promotion") {
            sentinel.common.crash.after_promotion = true;
        } else {
            return Err(CommandError::fixed("ERR Unknown failure simulation specified"));
        }
    }
    sentinel.reply(ask).ok();
    Ok(())
}
