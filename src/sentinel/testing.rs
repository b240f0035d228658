//! One Sentinel alone with one client: its world is the test.

use super::{Config, Sentinel};
use crate::machine::{
    ConnId, Endpoint, Fact, Input, JobEvent, JobOutcome, Machine, Millis, Now, Outbox, Output,
};

/// The client.
pub const CLIENT: ConnId = ConnId::accepted(1);

/// See the module.
pub struct Bench {
    sentinel: Sentinel,
    /// Both its clocks, in milliseconds.
    pub now: Millis,
    /// How much less the wall clock shows.
    pub wall_behind: Millis,
    /// Whether it closed the client.
    pub is_closed: bool,
    /// What it sent the client.
    pub told: Vec<u8>,
    /// The sentences of its events.
    pub sentences: Vec<(&'static str, String)>,
}

impl Bench {
    /// A Sentinel that is told to be this, and begins.
    pub fn new(file: &str) -> Self {
        let config = Config::parse(file).expect("a good file");
        let mut bench = Self {
            sentinel: Sentinel::new(config, 26379, 1),
            now: 10_000,
            wall_behind: 0,
            is_closed: false,
            told: Vec::new(),
            sentences: Vec::new(),
        };
        bench.step(Input::Started);
        let (peer, local) = (Endpoint::new("127.0.0.1", 5), Endpoint::new("127.0.0.1", 26379));
        bench.step(Input::Accepted { conn: CLIENT, peer, local });
        bench.step(Input::Turn);
        bench
    }

    /// One input, and the answers of a world in which all goes well.
    pub fn step(&mut self, input: Input<'_>) {
        let mut out = Outbox::new();
        let wall_us = (self.now - self.wall_behind) * 1000;
        self.sentinel.step(Now { mono: self.now, wall_us }, input, &mut out);
        for output in out.drain() {
            match output {
                Output::StartJob { id, .. } => {
                    self.step(Input::Job { id, event: JobEvent::Done(JobOutcome::NoFile) });
                }
                Output::Arrange(_) => self.step(Input::Arranged(Ok(()))),
                Output::Send { conn: CLIENT, data } => self.told.extend_from_slice(&data),
                Output::Close { conn: CLIENT, .. } => self.is_closed = true,
                Output::Emit(Fact::Sentinel { event, sentence, .. }) => {
                    self.sentences.push((event, sentence));
                }
                _ => {}
            }
        }
    }

    /// The client sends inline commands, and gets the answers.
    pub fn ask(&mut self, text: &str) -> String {
        self.told.clear();
        self.step(Input::Received { conn: CLIENT, data: format!("{text}\r\n").as_bytes() });
        self.step(Input::Turn);
        String::from_utf8_lossy(&self.told).into_owned()
    }
}
