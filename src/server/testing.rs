//! A server on a bench: tests talk to it as a client does, and move its clock.

use bytes::Bytes;

use super::{Config, Server};
use crate::machine::{
    ConnId, Endpoint, Input, JobEvent, JobId, JobOutcome, Machine, Now, Outbox, Output,
};
use crate::resp::{command, read_answer};

/// A server, the time, and everything it has put out.
pub(crate) struct Bench {
    pub server: Server,
    pub now: Now,
    pub outputs: Vec<Output>,
    /// Whether files cannot be put in order.
    pub files_fail: bool,
    connections: u64,
}

impl Bench {
    /// A started server with the given directives.
    pub fn new(directives: &[(&str, &str)]) -> Self {
        let directives: Vec<_> =
            directives.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let config = Config::from_directives(&directives).expect("directives are right");
        let looks_for_log = config.appendonly;
        let mut bench = Self::beginning(config);
        bench.finds_no_file(1);
        if looks_for_log {
            bench.finds_no_file(2);
        }
        bench
    }

    /// A server that has begun to look for its files.
    pub fn beginning(config: Config) -> Self {
        let now = Now { mono: 0, wall_us: 1_700_000_000_000_000 };
        let server = Server::new(config, 6379, 1);
        let mut bench =
            Self { server, now, outputs: Vec::new(), files_fail: false, connections: 0 };
        bench.step(Input::Started);
        bench
    }

    fn finds_no_file(&mut self, job: u64) {
        let event = JobEvent::Done(JobOutcome::NoFile);
        self.step(Input::Job { id: JobId(job), event });
    }

    /// Gives an input and ends the turn.
    pub fn step(&mut self, input: Input<'_>) {
        self.half_turn(input);
        self.half_turn(Input::Turn);
    }

    /// One step.
    fn half_turn(&mut self, input: Input<'_>) {
        let mut out = Outbox::new();
        self.server.step(self.now, input, &mut out);
        let outputs: Vec<_> = out.drain().collect();
        let arranging = outputs.iter().filter(|output| matches!(output, Output::Arrange(_)));
        let arranging = arranging.count();
        self.outputs.extend(outputs);
        for _ in 0..arranging {
            let failed = self.files_fail.then(|| "file: Is a directory".to_owned());
            self.half_turn(Input::Arranged(failed.map_or(Ok(()), Err)));
        }
    }

    /// Lets time pass, with all ticks that the server asks for.
    pub fn advance(&mut self, ms: u64) {
        let end = self.now.mono + ms;
        while let Some(deadline) = self.server.deadline().filter(|d| *d <= end) {
            self.go_to(deadline.max(self.now.mono));
            self.step(Input::Tick);
        }
        self.go_to(end);
    }

    fn go_to(&mut self, mono: u64) {
        self.now.wall_us += (mono - self.now.mono) * 1000;
        self.now.mono = mono;
    }

    /// A new connection.
    pub fn connect(&mut self) -> ConnId {
        self.connections += 1;
        let conn = ConnId::accepted(self.connections);
        let (peer, local) = (peer_of(conn), Endpoint::new("127.0.0.1", 6379));
        self.step(Input::Accepted { conn, peer, local });
        conn
    }

    /// Sends bytes and returns what came back on this connection.
    pub fn send(&mut self, conn: ConnId, data: &[u8]) -> Bytes {
        self.step(Input::Received { conn, data });
        self.received(conn)
    }

    /// Sends a line of words and returns the answers as redis-cli prints them.
    pub fn ask(&mut self, conn: ConnId, line: &str) -> String {
        let words: Vec<_> = line.split(' ').filter(|w| !w.is_empty()).collect();
        let data = self.send(conn, &command(&words));
        let (mut rest, mut answers) = (&data[..], Vec::new());
        while let Some((answer, taken)) = read_answer(rest).expect("well-formed replies") {
            answers.push(answer.to_string());
            rest = &rest[taken..];
        }
        assert!(rest.is_empty(), "half a reply");
        answers.join("\n")
    }

    /// Takes everything sent to a connection so far.
    pub fn received(&mut self, conn: ConnId) -> Bytes {
        let mut data = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Send { conn: to, data: piece } if *to == conn => {
                data.extend_from_slice(piece);
                false
            }
            _ => true,
        });
        data.into()
    }

    /// What goes to replicas from byte `from` of the stream on; keeps the stream from now on.
    pub fn streamed(&mut self, from: u64) -> Bytes {
        let stream = &mut self.server.replication.history.stream;
        stream.open_backlog();
        stream.read_from(from).fold(Vec::new(), |data, piece| [&data[..], &piece].concat()).into()
    }
}

/// Where a connection to a bench comes from.
pub(crate) fn peer_of(conn: ConnId) -> Endpoint {
    Endpoint::new("127.0.0.1", 49_999 + conn.number() as u16)
}

#[test]
fn a_pipeline_is_answered_in_order_at_the_end_of_the_turn() {
    let mut bench = Bench::new(&[]);
    let conn = bench.connect();
    let replies = bench.send(conn, b"SET k 12\r\nGET k\r\nGET nosuch\r\nPING\r\nNOSUCH\r\n");
    assert_eq!(
        replies,
        "+OK\r\n$2\r\n12\r\n$-1\r\n+PONG\r\n\
         -ERR unknown command 'NOSUCH', with args beginning with: \r\n"
    );
}

#[test]
fn who_comes_before_the_file_was_looked_for_is_answered_once_there_is_none() {
    let mut bench = Bench::beginning(Config::default());
    let conn = bench.connect();
    assert_eq!(bench.send(conn, b"PING\r\n"), "");
    bench.finds_no_file(1);
    assert_eq!(bench.received(conn), "+PONG\r\n");
}

#[test]
fn who_comes_before_the_file_was_looked_for_is_told_loading_once_there_is_one() {
    let mut bench = Bench::beginning(Config::default());
    let conn = bench.connect();
    assert_eq!(bench.send(conn, b"PING\r\n"), "");
    let event = JobEvent::Progress { bytes: 64, bytes_total: Some(1000), keys: 1 };
    bench.step(Input::Job { id: JobId(1), event });
    assert_eq!(bench.received(conn), "-LOADING Redis is loading the dataset in memory\r\n");
}

#[test]
fn a_malformed_request_is_answered_and_closed() {
    let mut bench = Bench::new(&[]);
    let conn = bench.connect();
    assert_eq!(bench.send(conn, b"*1\r\n:1\r\n"), "-ERR Protocol error: expected '$', got ':'\r\n");
    assert!(bench.outputs.iter().any(|o| matches!(o, Output::Close { conn: c, .. } if *c == conn)));
}
