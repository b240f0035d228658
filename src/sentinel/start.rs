//! The beginning of a Sentinel's life: its file is read, and its watch begins.

use std::collections::BTreeMap;

use super::Sentinel;
use super::client::Clients;
use super::common::{Common, CrashOrders};
use super::config::{Config, MonitorConfig};
use super::event::{About, Event};
use super::failover::Failover;
use super::instance::{Node, Peer, Primary};
use super::link::Links;
use super::monitor::{Monitor, Name};
use super::scripts::Scripts;
use super::tilt::Tilt;
use super::timing::{Alarm, Periods};
use super::vote::Vote;
use crate::base::rng::Dice;
use crate::machine::{Job, JobEvent, JobId, JobOutcome, LogLevel, Now, Outbox, Output, Role};

/// The file being read.
#[derive(Debug)]
pub struct Loading {
    job: JobId,
    bytes: Vec<u8>,
    /// Followed if there is no such file.
    config: Config,
}

impl Sentinel {
    /// A Sentinel that listens on `port`, all its chance drawn from `seed`. It follows its file
    /// if there is one, else `config`.
    pub fn new(config: Config, port: u16, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (my_id, run_id) = (dice.hex40(), dice.hex40());
        let mut scripts = Scripts::default();
        let job = scripts.new_job();
        Self {
            common: Common {
                now: Now::default(),
                dice,
                out: Outbox::new(),
                my_id,
                port,
                current_epoch: 0,
                globals: config.globals.clone(),
                periods: Periods::default(),
                alarm: Alarm::new(0),
                links: Links::default(),
                messages: Vec::new(),
                scripts,
                unused_links: Vec::new(),
                refused_at: None,
                unsaved: false,
                tilt: Tilt::default(),
                crash: CrashOrders::default(),
            },
            monitors: BTreeMap::new(),
            changed: std::collections::BTreeSet::new(),
            clients: Clients::default(),
            file: config.file.clone(),
            text: config.text.clone(),
            loading: Some(Loading { job, bytes: Vec::new(), config }),
            started: Now::default(),
            run_id,
            commands_total: 0,
            next_tick: 0,
            wake: 0,
        }
    }

    pub(super) fn start(&mut self) {
        self.started = self.common.now;
        if let Some(loading) = &self.loading {
            let job = Job::ReadFile { name: self.file.clone() };
            self.common.out.push(Output::StartJob { id: loading.job, job });
        }
    }

    /// News of a job: of the file being read, or of a script.
    pub(super) fn on_job(&mut self, id: JobId, event: JobEvent) {
        let Some(loading) = self.loading.as_mut().filter(|loading| loading.job == id) else {
            if let JobEvent::Done(JobOutcome::Script(end)) = event {
                self.common.on_script_end(id, end);
            } else if let JobEvent::Failed(reason) = event {
                self.common.out.log(LogLevel::Warning, format!("script: {reason}"));
                self.common.on_script_end(id, crate::machine::ScriptEnd::Exited(2));
            }
            return;
        };
        match event {
            JobEvent::Chunk(bytes) => {
                let out = &mut self.common.out;
                out.push(Output::AckJob { id, bytes: bytes.len() });
                loading.bytes.extend_from_slice(&bytes);
            }
            JobEvent::Progress { .. } => {}
            JobEvent::Done(JobOutcome::NoFile) => {
                let config = loading.config.clone();
                self.begin(config);
            }
            // What it promised may be in there.
            JobEvent::Failed(reason) => {
                let text = format!("Fatal error, can't open config file '{}': {reason}", self.file);
                self.common.out.log(LogLevel::Warning, text);
                self.common.out.push(Output::Exit { code: 1 });
            }
            JobEvent::Done(_) => {
                let text = String::from_utf8_lossy(&loading.bytes).into_owned();
                match Config::parse(&text) {
                    Ok(config) => self.begin(config),
                    Err(error) => {
                        let text = format!("*** FATAL CONFIG FILE ERROR ***\n{error}");
                        self.common.out.log(LogLevel::Warning, text);
                        self.common.out.push(Output::Exit { code: 1 });
                    }
                }
            }
        }
    }

    /// The watch begins.
    fn begin(&mut self, config: Config) {
        self.loading = None;
        self.text = config.text;
        self.common.current_epoch = config.globals.current_epoch;
        if let Some(id) = &config.globals.my_id {
            self.common.my_id.clone_from(id);
        }
        self.common.globals = config.globals;
        let id = &self.common.my_id;
        self.common.out.log(LogLevel::Warning, format!("Sentinel ID is {id}"));
        self.common.unsaved = true;
        for monitor in config.monitors {
            self.add_monitor(monitor);
        }
        self.feed_all();
    }

    /// Watches a primary from now on.
    pub(super) fn add_monitor(&mut self, config: MonitorConfig) {
        let now = self.common.now.mono;
        let common = &mut self.common;
        let name: Name = config.name.into();
        let link = common.link_to_primary(&name, &config.addr);
        let primary = Primary {
            node: Node::new(config.addr, link, Role::Primary, now),
            odown: None,
            rebooted: None,
        };
        let mut m = Monitor {
            name: name.clone(),
            settings: config.settings,
            config_epoch: config.config_epoch,
            primary,
            replicas: BTreeMap::new(),
            peers: BTreeMap::new(),
            vote: Vote { leader: None, epoch: config.leader_epoch },
            failover: Failover::Idle,
            no_failover_before: 0,
            elections: 0,
            delay_logged: false,
            wake: now,
        };
        let quorum = m.settings.quorum;
        common.event_about(Event::Monitor, &m, About::Primary, &format!("quorum {quorum}"), || {
            format!("It watches this primary; {quorum} Sentinels must agree that it is down.")
        });
        for addr in config.replicas {
            common.add_replica(&mut m, &addr, "The file named it as a replica.");
        }
        for (id, addr) in config.peers {
            if id != common.my_id {
                let link = common.link_to_peer(&id, &addr);
                m.peers.insert(id.clone(), Peer::new(id, addr, link, now));
            }
        }
        common.unsaved = true;
        self.changed.insert(name.clone());
        self.monitors.insert(name, m);
    }
}
