//! INFO and ROLE.

use std::fmt::Write;

use super::{Ask, Outcome, Row};
use crate::persist::rdb::REDIS_VERSION;
use crate::sentinel::Sentinel;

/// The rows of this file.
pub(super) const ROWS: &[Row] = &[("info", -1, info), ("role", 1, role)];

const SECTIONS: [&str; 5] = ["server", "clients", "cpu", "stats", "sentinel"];

fn info(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let wanted: Vec<String> =
        ask.words[1..].iter().map(|w| String::from_utf8_lossy(w).to_ascii_lowercase()).collect();
    let all = ["default", "all", "everything"];
    let is_wanted = |section: &str| {
        wanted.is_empty() || wanted.iter().any(|w| w == section || all.contains(&w.as_str()))
    };
    let sections: Vec<String> = SECTIONS
        .into_iter()
        .filter(|section| is_wanted(section))
        .map(|section| sentinel.info_section(section))
        .collect();
    sentinel.reply(ask).verbatim("txt", sections.join("\r\n").as_bytes());
    Ok(())
}

fn role(sentinel: &mut Sentinel, ask: &Ask<'_>) -> Outcome {
    let names: Vec<_> = sentinel.monitors.keys().cloned().collect();
    let reply = sentinel.reply(ask);
    reply.array(2);
    reply.bulk("sentinel");
    reply.array(names.len());
    for name in names {
        reply.bulk(&*name);
    }
    Ok(())
}

impl Sentinel {
    fn info_section(&self, section: &str) -> String {
        let mut text = String::new();
        let mut add = |line: String| {
            text.push_str(&line);
            text.push_str("\r\n");
        };
        match section {
            "server" => {
                add("# Server".to_owned());
                add(format!("redis_version:{REDIS_VERSION}"));
                add("redis_mode:sentinel".to_owned());
                add(format!("run_id:{}", self.run_id));
                add(format!("tcp_port:{}", self.common.port));
                let uptime = self.common.now.since(self.started.mono) / 1000;
                add(format!("uptime_in_seconds:{uptime}"));
                add(format!("uptime_in_days:{}", uptime / 86_400));
                add("hz:10".to_owned());
            }
            "clients" => {
                add("# Clients".to_owned());
                add(format!("connected_clients:{}", self.clients.all().count()));
            }
            "cpu" => {
                add("# CPU".to_owned());
                add("used_cpu_sys:0.000000".to_owned());
                add("used_cpu_user:0.000000".to_owned());
            }
            "stats" => {
                add("# Stats".to_owned());
                add(format!("total_connections_received:{}", self.clients.accepted_total()));
                add(format!("total_commands_processed:{}", self.commands_total));
            }
            _ => text = self.sentinel_section(),
        }
        text
    }

    fn sentinel_section(&self) -> String {
        let mut text = String::from("# Sentinel\r\n");
        let tilt = &self.common.tilt;
        let since = tilt.since().map_or(-1, |at| (self.common.now.since(at) / 1000) as i64);
        let crash = self.common.crash;
        let flags = u8::from(crash.after_election) | u8::from(crash.after_promotion) << 1;
        let fields = [
            ("sentinel_masters", self.monitors.len() as i64),
            ("sentinel_tilt", i64::from(tilt.is_on())),
            ("sentinel_tilt_since_seconds", since),
            ("sentinel_running_scripts", self.common.scripts.running() as i64),
            ("sentinel_scripts_queue_length", self.common.scripts.len() as i64),
            ("sentinel_simulate_failure_flags", i64::from(flags)),
        ];
        for (name, value) in fields {
            let _ = write!(text, "{name}:{value}\r\n");
        }
        for (index, m) in self.monitors.values().enumerate() {
            let status = match (m.primary.odown, m.primary.node.sdown) {
                (Some(_), _) => "odown",
                (_, Some(_)) => "sdown",
                _ => "ok",
            };
            let addr = &m.primary.node.addr;
            let _ = write!(
                text,
                "master{index}:name={},status={status},address={}:{},slaves={},sentinels={}\r\n",
                m.name,
                addr.host,
                addr.port,
                m.replicas.len(),
                m.voters()
            );
        }
        text
    }
}
