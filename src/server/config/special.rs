//! Directives with values of a form of their own, each turned into its canonical text.

use super::table::bytes;
use super::{BufferLimit, Config};
use crate::base::number;

/// `appendfilename appendonly.aof`
pub(super) fn log_name(_: &Config, words: &[String]) -> Result<String, String> {
    match words.join(" ") {
        name if name.is_empty() => Err("appendfilename can't be empty".to_owned()),
        name if name.contains(['/', '\\']) => {
            Err("appendfilename can't be a path, just a filename".to_owned())
        }
        name => Ok(name),
    }
}

/// `appenddirname appendonlydir`
pub(super) fn log_dir(_: &Config, words: &[String]) -> Result<String, String> {
    match words.join(" ") {
        name if name.is_empty() => Err("appenddirname can't be empty".to_owned()),
        name if name.contains(['/', '\\']) => {
            Err("appenddirname can't be a path, just a dirname".to_owned())
        }
        name => Ok(name),
    }
}

/// `save 100 1 10 2`; nothing for no save points.
pub(super) fn save(_: &Config, words: &[String]) -> Result<String, String> {
    if words.iter().all(String::is_empty) {
        return Ok(String::new());
    }
    let invalid = || "Invalid save parameters".to_owned();
    let mut points = Vec::new();
    if !words.len().is_multiple_of(2) {
        return Err(invalid());
    }
    for pair in words.chunks_exact(2) {
        let number = |text: &str| number::parse_i64(text.as_bytes());
        match (number(&pair[0]), number(&pair[1])) {
            (Some(1..), Some(0..)) => points.push(pair.join(" ")),
            _ => return Err(invalid()),
        }
    }
    Ok(points.join(" "))
}

/// `replicaof host port`, `replicaof no one`.
pub(super) fn replicaof(_: &Config, words: &[String]) -> Result<String, String> {
    let [host, port] = words else { return Err("wrong number of arguments".to_owned()) };
    if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
        return Ok(String::new());
    }
    match port.parse::<u16>() {
        Ok(port) => Ok(format!("{host} {port}")),
        Err(_) => Err("Invalid master port".to_owned()),
    }
}

/// `client-output-buffer-limit class hard soft seconds ...`: classes not named stay.
pub(super) fn buffer_limits(config: &Config, words: &[String]) -> Result<String, String> {
    if words == [""] {
        return Ok(show_buffer_limits(config));
    }
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut changed = config.clone();
    for group in words.chunks_exact(4) {
        let limit = class_of(&mut changed, &group[0])
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let wrong = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        let seconds = number::parse_i64(group[3].as_bytes());
        *limit = BufferLimit {
            hard_bytes: bytes(&group[1]).ok_or(wrong)?,
            soft_bytes: bytes(&group[2]).ok_or(wrong)?,
            soft_seconds: seconds.and_then(|n| u64::try_from(n).ok()).ok_or(wrong)?,
        };
    }
    Ok(show_buffer_limits(&changed))
}

fn class_of<'a>(config: &'a mut Config, class: &str) -> Option<&'a mut BufferLimit> {
    match class.to_ascii_lowercase().as_str() {
        "normal" => Some(&mut config.normal_buffer_limit),
        "slave" | "replica" => Some(&mut config.replica_buffer_limit),
        "pubsub" => Some(&mut config.pubsub_buffer_limit),
        _ => None,
    }
}

pub(super) fn show_buffer_limits(config: &Config) -> String {
    let classes = [
        ("normal", config.normal_buffer_limit),
        ("slave", config.replica_buffer_limit),
        ("pubsub", config.pubsub_buffer_limit),
    ];
    classes
        .map(|(class, l)| format!("{class} {} {} {}", l.hard_bytes, l.soft_bytes, l.soft_seconds))
        .join(" ")
}

pub(super) fn put_buffer_limits(config: &mut Config, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    for group in words.chunks_exact(4) {
        let number = |index: usize| group[index].parse().unwrap_or(0);
        let limit =
            BufferLimit { hard_bytes: number(1), soft_bytes: number(2), soft_seconds: number(3) };
        if let Some(place) = class_of(config, group[0]) {
            *place = limit;
        }
    }
}

/// `latency-tracking-info-percentiles 50 99 99.9`
pub(super) fn percentiles(_: &Config, words: &[String]) -> Result<String, String> {
    let mut percentiles = Vec::new();
    if words == [""] {
        return Ok(String::new());
    }
    for word in words {
        let percentile: f64 =
            word.parse().map_err(|_| "Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .to_owned(),
            );
        }
        percentiles.push(percentile.to_string());
    }
    Ok(percentiles.join(" "))
}

/// `notify-keyspace-events KEA`
pub(super) fn events(_: &Config, words: &[String]) -> Result<String, String> {
    const CLASSES: &str = "g$lshzxetd";
    let given = words.concat();
    if given.chars().any(|c| !"Ag$lshzxeKEtmdn".contains(c)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
    }
    let has = |class: char| given.contains(class);
    let mut text = String::new();
    if has('A') || CLASSES.chars().all(has) {
        text.push('A');
    } else {
        text.extend(CLASSES.chars().filter(|c| has(*c)));
    }
    text.extend("KEmn".chars().filter(|c| has(*c)));
    Ok(text)
}

/// `oom-score-adj-values 0 200 800`
pub(super) fn oom_values(_: &Config, words: &[String]) -> Result<String, String> {
    if words.len() != 3 {
        return Err("wrong number of arguments".to_owned());
    }
    let right = |word: &String| {
        number::parse_i64(word.as_bytes()).is_some_and(|n| (-2000..=2000).contains(&n))
    };
    if words.iter().all(right) {
        Ok(words.join(" "))
    } else {
        Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned())
    }
}

/// `maxmemory-clients 5%` or bytes.
pub(super) fn memory_or_percent(word: &str) -> Result<String, String> {
    let percent = word.strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
    match (percent, bytes(word)) {
        // So many bytes are a negative number to Redis, which is how it keeps a percentage.
        (Some(101..), _) | (None, Some(0x8000_0000_0000_0000..)) => {
            Err("percentage argument must be less or equal to 100".to_owned())
        }
        (Some(percent), _) => Ok(format!("{percent}%")),
        (None, Some(bytes)) => Ok(bytes.to_string()),
        (None, None) => Err("argument must be a memory or percent value".to_owned()),
    }
}

/// `activedefrag`: memory is not ours to move about.
pub(super) fn no_defrag(word: &str) -> Result<String, String> {
    no_yes(
        word,
        "Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
         modified Jemalloc like the one shipped by default with the Redis source distribution",
    )
}

/// `cluster-enabled`: this node is none of a cluster's, and nobody shall believe that it is.
pub(super) fn no_cluster(word: &str) -> Result<String, String> {
    no_yes(word, "cluster mode is not supported")
}

/// `tls-replication`, `tls-cluster`: see [`no_tls`].
pub(super) fn no_tls_for(word: &str) -> Result<String, String> {
    no_yes(word, NO_TLS)
}

const NO_TLS: &str = "Unable to update TLS configuration. Check server logs.";

/// `no`, or why `yes` cannot be.
fn no_yes(word: &str, why: &str) -> Result<String, String> {
    match word.to_ascii_lowercase().as_str() {
        "no" => Ok("no".to_owned()),
        "yes" => Err(why.to_owned()),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

/// `tls-port`: there is no TLS, and nobody shall believe that there is.
pub(super) fn no_tls(word: &str) -> Result<String, String> {
    match number::parse_i64(word.as_bytes()) {
        Some(0) => Ok(word.to_owned()),
        Some(1..=65_535) => Err(NO_TLS.to_owned()),
        Some(_) => Err("argument must be between 0 and 65535 inclusive".to_owned()),
        None => Err("argument couldn't be parsed into an integer".to_owned()),
    }
}

/// `cluster-announce-hostname node-1.example`
pub(super) fn hostname(word: &str) -> Result<String, String> {
    if word.len() >= HOSTNAME_BYTES_MAX {
        return Err(format!("Hostnames must be less than {HOSTNAME_BYTES_MAX} characters"));
    }
    if word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
        Ok(word.to_owned())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned())
    }
}

const HOSTNAME_BYTES_MAX: usize = 256;

/// `shutdown-on-sigterm nosave now`
pub(super) fn shutdown_flags(_: &Config, words: &[String]) -> Result<String, String> {
    const FLAGS: [&str; 5] = ["default", "save", "nosave", "now", "force"];
    let given: Vec<_> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    if given.is_empty() || !given.iter().all(|word| FLAGS.contains(&word.as_str())) {
        let choices = FLAGS.join(", ");
        return Err(format!("argument(s) must be one of the following: {choices}"));
    }
    let has = |flag: &&str| given.iter().any(|word| word == flag);
    if has(&"save") && has(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    let set: Vec<_> = FLAGS[1..].iter().copied().filter(has).collect();
    Ok(if set.is_empty() { FLAGS[0].to_owned() } else { set.join(" ") })
}

/// `proc-title-template "{title} {listen-addr} {server-mode}"`
pub(super) fn title_template(_: &Config, words: &[String]) -> Result<String, String> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let template = words.join(" ");
    let is_known = |variable: &str| {
        variable.split_once('}').is_some_and(|(name, _)| VARIABLES.contains(&name))
    };
    if !template.is_empty() && template.split('{').skip(1).all(is_known) {
        Ok(template)
    } else {
        Err("template format is invalid or contains unknown variables".to_owned())
    }
}

/// `unixsocketperm 700`
pub(super) fn octal(word: &str) -> Result<String, String> {
    match u32::from_str_radix(word, 8) {
        Ok(0..=0o777) => Ok(word.to_owned()),
        Ok(_) => Err("argument must be between 0 and 777 inclusive".to_owned()),
        Err(_) => Err("argument couldn't be parsed as an octal number".to_owned()),
    }
}
