//! A server without a world: its files are in memory, and time stands still.

use std::collections::{BTreeMap, VecDeque};

use replab::machine::{
    ConnId, Endpoint, FileStep, Input, Job, JobEvent, JobOutcome, Machine, Now, Outbox, Output,
    SaveTarget,
};
use replab::persist::Encoder;
use replab::persist::rdb::Decoder;
use replab::resp::{Answer, command, read_answer};
use replab::server::{Config, Server};

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A server, its files, and what it said.
pub struct Bench {
    server: Server,
    pub files: Files,
    sent: Vec<u8>,
    /// Clients that do not listen.
    deaf: Vec<ConnId>,
    is_over: bool,
    connections: u64,
}

const NOW: Now = Now { mono: 1000, wall_us: 1_700_000_000_000_000 };
const PORT: u16 = 6379;

impl Bench {
    /// A server that has read these files, or has given up.
    pub fn start(config: Config, files: Files) -> Self {
        let server = Server::new(config, PORT, 1);
        let (sent, deaf) = (Vec::new(), Vec::new());
        let mut bench = Self { server, files, sent, deaf, is_over: false, connections: 0 };
        bench.step(Input::Started);
        bench
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// A new client.
    pub fn connect(&mut self) -> ConnId {
        self.connections += 1;
        let conn = ConnId::accepted(self.connections);
        let (peer, local) = (Endpoint::new("127.0.0.1", 50_000), Endpoint::new("127.0.0.1", PORT));
        self.step(Input::Accepted { conn, peer, local });
        conn
    }

    /// A new client that hears nothing.
    pub fn connect_deaf(&mut self) -> ConnId {
        let conn = self.connect();
        self.deaf.push(conn);
        conn
    }

    /// What is said, to whoever listens, after a client has sent this.
    pub fn send(&mut self, conn: ConnId, data: &[u8]) -> Vec<u8> {
        self.step(Input::Received { conn, data });
        std::mem::take(&mut self.sent)
    }

    /// The replies to some commands.
    pub fn ask(&mut self, conn: ConnId, commands: &[Vec<&[u8]>]) -> Vec<Answer> {
        let said: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
        let heard = self.send(conn, &said);
        let (mut rest, mut answers) = (&heard[..], Vec::new());
        while let Some((answer, taken)) = read_answer(rest).expect("well-formed replies") {
            answers.push(answer);
            rest = &rest[taken..];
        }
        assert_eq!((answers.len(), rest), (commands.len(), &b""[..]), "a reply to each");
        answers
    }

    /// Steps until nothing is left to be done.
    fn step(&mut self, input: Input<'_>) {
        let mut inputs = VecDeque::new();
        self.half_turn(input, &mut inputs);
        loop {
            while let Some(input) = inputs.pop_front() {
                self.half_turn(input, &mut inputs);
            }
            self.half_turn(Input::Turn, &mut inputs);
            if self.server.deadline().is_some_and(|deadline| deadline <= NOW.mono) {
                inputs.push_back(Input::Tick);
            }
            if inputs.is_empty() {
                return;
            }
        }
    }

    fn half_turn(&mut self, input: Input<'_>, inputs: &mut VecDeque<Input<'static>>) {
        let mut out = Outbox::new();
        self.server.step(NOW, input, &mut out);
        for output in out.drain() {
            match output {
                Output::Send { conn, .. } if self.deaf.contains(&conn) => {}
                Output::Send { data, .. } => self.sent.extend_from_slice(&data),
                Output::StartJob { id, job } => {
                    inputs.extend(self.work(job).into_iter().map(|event| Input::Job { id, event }));
                }
                Output::AppendLog { name, data, .. } => {
                    self.files.entry(name).or_default().extend_from_slice(&data);
                }
                Output::Arrange(steps) => {
                    steps.into_iter().for_each(|step| self.arrange(step));
                    inputs.push_back(Input::Arranged(Ok(())));
                }
                Output::WriteFile { name, data } => drop(self.files.insert(name, data.to_vec())),
                Output::Rename { from, to } => self.arrange(FileStep::Rename { from, to }),
                Output::Remove { name } => drop(self.files.remove(&name)),
                Output::Exit { .. } => self.is_over = true,
                _ => {}
            }
        }
    }

    /// Does a job at once.
    fn work(&mut self, job: Job) -> Vec<JobEvent> {
        let outcome = match job {
            Job::LoadFile { name, options } => match self.files.get(&name) {
                None => JobOutcome::NoFile,
                Some(data) => {
                    let mut decoder = Decoder::with(&options);
                    match decoder.feed(data).and_then(|()| decoder.finish()) {
                        Ok(loaded) => JobOutcome::Loaded(Box::new(loaded)),
                        Err(error) => return vec![JobEvent::Failed(error.to_string())],
                    }
                }
            },
            Job::ReadFile { name } => match self.files.get(&name) {
                None => JobOutcome::NoFile,
                Some(data) => {
                    let bytes = data.len() as u64;
                    let chunks = data.chunks(1000).map(|c| JobEvent::Chunk(c.to_vec().into()));
                    return chunks.chain([JobEvent::Done(JobOutcome::Read { bytes })]).collect();
                }
            },
            Job::Save { snapshot, form, meta, target, .. } => {
                let mut encoder = Encoder::new(snapshot, meta, form);
                let data: Vec<u8> =
                    std::iter::from_fn(|| encoder.next_chunk(usize::MAX)).flatten().collect();
                let bytes = data.len() as u64;
                if let SaveTarget::File(name) = target {
                    self.files.insert(name, data);
                }
                JobOutcome::Saved { bytes }
            }
            Job::Discard(_) => JobOutcome::Discarded,
            Job::SyncLog { .. } => JobOutcome::Synced,
            other => panic!("no work for a server: {other:?}"),
        };
        vec![JobEvent::Done(outcome)]
    }

    fn arrange(&mut self, step: FileStep) {
        match step {
            FileStep::Write { name, data } => drop(self.files.insert(name, data.to_vec())),
            FileStep::Rename { from, to } => {
                if let Some(data) = self.files.remove(&from) {
                    self.files.insert(to, data);
                }
            }
            FileStep::Truncate { name, len } => {
                self.files.entry(name).or_default().truncate(len as usize);
            }
        }
    }
}
