//! One node in the foreground: `replab server`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use super::clock::Clock;
use super::crash;
use super::fabric::dial_plainly;
use super::listen::{Host, Port, UnixSocket};
use super::run::{Launch, Post, Run};
use super::signals::watch_signals;
use crate::machine::{LogLevel, Signal};
use crate::world::{Birth, Exit, Factory, NodeId, WorldError, WorldEvent};

/// The exit code of a node that crashed or was interrupted twice.
const EXIT_FAILURE: i32 = 1;

/// A node that is alone in its process.
#[derive(Clone)]
pub struct Serve {
    /// Its name, for error messages.
    pub name: String,
    /// The addresses it listens on.
    pub hosts: Vec<Host>,
    /// TCP port; 0 for a free one.
    pub port: u16,
    /// A Unix socket to listen on as well.
    pub unix: Option<UnixSocket>,
    /// Directory for its files.
    pub dir: PathBuf,
    /// Seed of its dice.
    pub seed: u64,
    /// Makes its machine.
    pub build: Factory,
}

/// Runs a node until it ends, and returns its exit code. Its log lines are given to `log`. The
/// first SIGTERM or SIGINT asks it to stop, a SIGINT after that ends it.
pub fn serve_one(serve: &Serve, log: impl FnMut(LogLevel, &str)) -> Result<i32, WorldError> {
    let (post, events) = mpsc::channel();
    let (came, signals) = mpsc::channel();
    let nudge = post.clone();
    watch_signals(move |signal| {
        came.send(signal).is_ok() && nudge.send((0, WorldEvent::Nudge)).is_ok()
    })
    .map_err(|error| serve.refused("watching signals", error))?;
    serve.run(post, &events, &signals, log)
}

impl Serve {
    /// Runs the node. Each nudge among the events says that there is a signal.
    pub(super) fn run(
        &self,
        post: mpsc::Sender<Post>,
        events: &mpsc::Receiver<Post>,
        signals: &mpsc::Receiver<Signal>,
        mut log: impl FnMut(LogLevel, &str),
    ) -> Result<i32, WorldError> {
        crash::install();
        let run = self.start(post, &mut log).map_err(|error| self.refused("starting it", error))?;
        let mut is_stopping = false;
        for (_, event) in events {
            match event {
                WorldEvent::Log { level, text, .. } => log(level, &text),
                WorldEvent::Exited { exit: Exit::Code(code), .. } => return Ok(code),
                WorldEvent::Exited { exit: Exit::Crashed(message), .. } => {
                    log(LogLevel::Warning, &format!("Crashed: {message}"));
                    return Ok(EXIT_FAILURE);
                }
                WorldEvent::Nudge => match signals.try_recv() {
                    Ok(Signal::Interrupt) if is_stopping => {
                        log(LogLevel::Warning, "You insist... exiting now.");
                        return Ok(EXIT_FAILURE);
                    }
                    Ok(signal) => {
                        is_stopping = true;
                        run.control.stop(signal);
                    }
                    Err(_) => {}
                },
                _ => {}
            }
        }
        Ok(EXIT_FAILURE)
    }

    fn start(
        &self,
        events: mpsc::Sender<Post>,
        log: &mut impl FnMut(LogLevel, &str),
    ) -> io::Result<Run> {
        let port = Port::reserve(&self.hosts, self.port, |address, error| {
            let text = format!("Could not create server TCP listening socket {address}: {error}");
            log(LogLevel::Warning, &format!("Warning: {text}"));
        })?;
        if port.is_nowhere() && self.unix.is_none() {
            log(LogLevel::Warning, "Configured to not listen anywhere, exiting.");
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = Arc::new(port);
        let birth = Birth { port: port.number(), seed: self.seed };
        let build = Arc::clone(&self.build);
        Run::start(Launch {
            id: NodeId(0),
            name: self.name.clone(),
            number: 1,
            build: Box::new(move || build(birth)),
            port,
            unix: self.unix.clone(),
            dir: self.dir.clone(),
            clock: Clock::new(),
            dial: Box::new(|to| dial_plainly(to.clone())),
            post: events,
            after: None,
        })
    }

    fn refused(&self, what: &str, source: io::Error) -> WorldError {
        let node = self.name.clone();
        if source.kind() == io::ErrorKind::AddrInUse {
            WorldError::PortInUse { node, port: self.port }
        } else {
            WorldError::Io { node, what: what.to_owned(), source }
        }
    }
}
