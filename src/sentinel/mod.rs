//! Floor 5: a whole Sentinel, as one deterministic machine.
//!
//! A Sentinel watches primaries by name. It asks them, their replicas and the other Sentinels
//! whether they live ([`step`]); forms an opinion of who is down ([`down`]); has the others elect
//! one of them ([`vote`]); and the elected one makes the best replica ([`select`]) the new primary
//! ([`failover`]), of which everybody hears ([`hello`]). What it must not forget is in its file
//! ([`config`], [`rewrite`]) before anybody hears of it.
//!
//! # A turn
//!
//! Inputs only change what is known. At the end of the turn every watched primary about which
//! something changed, or for which something is due, is looked after; then the file is written if
//! need be; and only when that is done leaves what was written to others. A vote is therefore on disk
//! before it is told. A Sentinel that cannot write its file ends: whatever it said afterwards it
//! could deny after a restart.
//!
//! # The file
//!
//! If the file (`Config::file`) is there at the start, it is followed in place of the given
//! configuration, so that a Sentinel comes back with its id, its epochs and whom it knew.
//!
//! # Differences from Redis
//!
//! With `sentinel-timing fast`, the default:
//! * decisions are made when something happens, not on a tick of 53 to 100 ms;
//! * the clock of SDOWN starts when a connection is lost, and it is connected anew at once (and then
//!   after 50 ms, doubling up to 1 s); PING goes out every quarter of `down-after-milliseconds`;
//! * peers that say a primary is not down are asked again after 25 to 100 ms, not after 1 s;
//! * Sentinels stand for election in the order of their ids, 10 ms apart, and stand down when
//!   another one stands first; an election that nobody won is repeated after 0.3 to 0.6 s and a
//!   growing pause, not after twice `failover-timeout`, and so is one whose winner died
//!   (ELECTION-TIMEOUT of SENTINEL DEBUG can only make it shorter);
//! * a winner that brings no new primary is waited for 3 s, then ever longer up to twice
//!   `failover-timeout`; and a primary that answered again is failed over at once when it dies again;
//! * a replica that was told to become primary and says that it is still a replica is given up at
//!   once, not after `failover-timeout`;
//! * replicas are asked for fresh INFO before one is chosen, and every 10 to 100 ms while they are
//!   promoted or reconfigured;
//! * hello is sent at once to whoever is newly connected, and to everybody after a promotion;
//! * nothing known about an address outlives a switch to another one, nothing is owed by a node
//!   that was not called yet, and a failover that did nothing yet is recalled when the primary
//!   answers again: no healthy primary is deposed. (With `sentinel-timing redis` one sometimes is,
//!   as by the real program, where `down-after-milliseconds` is about a second.)
//!
//! With either timing:
//! * every client is closed that leaves unread what the real program lets a subscriber leave unread
//!   (`limits.rs`);
//! * a Sentinel whose file cannot be written ends with code 1, instead of going on with a warning;
//! * votes are counted in the epoch of their election, so that many primaries can fail at once, and
//!   an election is not refused for the epoch of another primary's;
//! * time is monotonic; TILT is for stalls;
//! * hellos and vote requests that cannot be right (malformed; our own id or address; an epoch that
//!   no election can have reached) are refused with the event `-hello-refused`;
//! * SENTINEL CONFIG GET takes several patterns, as since 7.2; CLIENT LIST tells nothing of buffers,
//!   and COMMAND neither flags nor documentation.

mod answers;
mod client;
mod cmd;
mod common;
pub mod config;
mod down;
mod event;
mod failover;
mod hello;
mod info;
mod instance;
mod learn;
mod limits;
mod link;
mod monitor;
mod rewrite;
mod scripts;
mod select;
mod start;
mod step;
mod switch;
#[cfg(test)]
mod testing;
mod tilt;
mod timing;
mod view;
mod vote;

use std::collections::{BTreeMap, BTreeSet};

use self::client::Clients;
use self::common::Common;
pub use self::config::{Config, ConfigError};
use self::monitor::{Monitor, Name};
pub use self::timing::{Periods, Timing};
use crate::machine::{
    Fact, FileStep, Input, LogLevel, Machine, Millis, NodeView, Now, Outbox, Output,
};

/// A Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    common: Common,
    monitors: BTreeMap<Name, Monitor>,
    /// Those about which something changed in this turn.
    changed: BTreeSet<Name>,
    clients: Clients,
    /// The file and its text.
    file: String,
    text: String,
    /// Read at the start; clients wait until it is.
    loading: Option<start::Loading>,
    started: Now,
    run_id: String,
    commands_total: u64,
    /// With `sentinel-timing redis`: when everything is looked at next.
    next_tick: Millis,
    /// When something is due.
    wake: Millis,
}

impl Sentinel {
    /// Runs `act` on a watched primary, about which something may have changed.
    fn with_monitor(&mut self, name: &str, act: impl FnOnce(&mut Common, &mut Monitor)) {
        if let Some((name, m)) = self
            .monitors
            .get_key_value(name)
            .map(|(n, _)| n.clone())
            .and_then(|name| self.monitors.get_mut(&name).map(|m| (name, m)))
        {
            act(&mut self.common, m);
            self.changed.insert(name);
        }
    }

    /// The end of a turn: decisions first, then the file, then what others are told.
    fn end_turn(&mut self) {
        if self.loading.is_some() {
            return;
        }
        self.attend();
        self.drop_unused_links();
        if std::mem::take(&mut self.common.unsaved) {
            self.save();
        } else {
            self.speak();
        }
    }

    /// Others are told what there is to tell; all of it is saved.
    fn speak(&mut self) {
        self.common.run_scripts();
        self.common.links.flush(&mut self.common.out);
        self.publish_events();
        self.check_outputs();
        self.clients.flush(&mut self.common.out);
        self.plan_wake();
    }

    fn plan_wake(&mut self) {
        let scripts = self.common.scripts.next_at();
        let now = self.common.now.mono;
        self.wake = match self.common.globals.timing {
            Timing::Redis => self.next_tick,
            Timing::Fast => self.monitors.values().map(|m| m.wake).min().unwrap_or(now + 1000),
        }
        .min(scripts.unwrap_or(Millis::MAX))
        .clamp(now + 1, now + 1000);
        self.common.tilt.expect(self.wake);
    }

    /// Looks after the watched primaries that need it.
    fn attend(&mut self) {
        let now = self.common.now.mono;
        let changed = std::mem::take(&mut self.changed);
        match self.common.globals.timing {
            Timing::Fast => {
                for (name, m) in &mut self.monitors {
                    if m.wake <= now || changed.contains(name) {
                        self.common.attend(m);
                    }
                }
            }
            Timing::Redis if now >= self.next_tick => {
                for m in self.monitors.values_mut() {
                    self.common.attend(m);
                }
                self.next_tick = now + 1000 / (10 + self.common.chance_ms(10));
            }
            Timing::Redis => {}
        }
    }

    fn drop_unused_links(&mut self) {
        for link in std::mem::take(&mut self.common.unused_links) {
            let used = |m: &Monitor| m.peers.values().any(|peer| peer.link == link);
            if !self.monitors.values().any(used) {
                self.common.links.remove(link, &mut self.common.out);
            }
        }
    }

    /// Writes the file. What is to be told waits for the outcome.
    fn save(&mut self) {
        self.text = self.rewritten();
        let data = bytes::Bytes::from(self.text.clone());
        let write = FileStep::Write { name: self.file.clone(), data };
        self.common.out.push(Output::Arrange(vec![write]));
    }

    /// The file was written, or could not be.
    fn on_saved(&mut self, saved: Result<(), String>) {
        let Err(reason) = saved else { return self.speak() };
        let name = self.file.clone();
        let plain = reason.strip_prefix(&format!("{name}: ")).unwrap_or(&reason).to_owned();
        self.common.out.emit(Fact::FileFailed { name, reason: plain });
        let text = format!(
            "WARNING: Sentinel was not able to save the new configuration on disk!!!: {reason}"
        );
        self.common.out.log(LogLevel::Warning, text);
        self.common.out.push(Output::Exit { code: 1 });
    }

    /// Something about every primary may have changed.
    fn all_changed(&mut self) {
        self.changed.extend(self.monitors.keys().cloned());
    }
}

impl Machine for Sentinel {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        self.common.now = now;
        if self.loading.is_none() {
            let was_tilt = self.common.tilt.is_on();
            self.common.watch_clock();
            if was_tilt != self.common.tilt.is_on() {
                self.all_changed();
            }
        }
        match input {
            Input::Started => self.start(),
            Input::Accepted { conn, peer, local } => self.accept(conn, peer, local),
            Input::Dialled { conn, local } => self.on_dialled(conn, local),
            Input::Received { conn, data } if conn.is_dialled() => self.on_answer(conn, data),
            Input::Received { conn, data } => self.on_request(conn, data),
            Input::Closed { conn, .. } if conn.is_dialled() => self.on_link_closed(conn),
            Input::Closed { conn, .. } => self.clients.remove(conn),
            Input::Job { id, event } => self.on_job(id, event),
            Input::Arranged(saved) => self.on_saved(saved),
            Input::Unsent { conn, bytes } => self.on_unsent(conn, bytes),
            Input::LogFailed { .. } | Input::Tick => {}
            Input::Turn => self.end_turn(),
            Input::Stop(signal) => {
                let received = format!("Received {} scheduling shutdown...", signal.name());
                self.common.out.log(LogLevel::Warning, received);
                let text = "User requested shutdown...";
                self.common.out.log(LogLevel::Warning, text);
                self.common.out.push(Output::Exit { code: 0 });
            }
        }
        for output in self.common.out.drain() {
            out.push(output);
        }
    }

    fn deadline(&self) -> Option<Millis> {
        self.loading.is_none().then_some(self.wake)
    }

    fn view(&self, now: Now) -> NodeView {
        NodeView::Sentinel(Box::new(self.picture(now)))
    }
}
