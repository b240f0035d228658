//! A blocking client.

use std::io::{Read, Write};
use std::net::TcpStream;

use replab::resp::{Answer, command, read_answer};

use super::PATIENCE;

/// A connection to a node.
pub struct Client {
    stream: TcpStream,
    /// Bytes of replies not read yet.
    input: Vec<u8>,
    is_closed: bool,
}

impl Client {
    /// A connection to a port of this computer.
    pub fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), is_closed: false })
    }

    /// The port at this end.
    pub fn local_port(&self) -> u16 {
        self.stream.local_addr().expect("an address").port()
    }

    /// Waits for replies for as long as they take.
    pub fn wait_for_ever(&mut self) {
        self.stream.set_read_timeout(None).expect("a socket");
    }

    /// The reply to a command; an error only if there is none.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> std::io::Result<Answer> {
        self.stream.write_all(&command(words))?;
        self.next_answer()
    }

    /// The reply to a command.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Answer {
        self.try_call(words).expect("a reply")
    }

    /// Runs a command that must be answered OK.
    #[track_caller]
    pub fn ok<A: AsRef<[u8]>>(&mut self, words: &[A]) {
        let answer = self.call(words);
        assert!(
            matches!(&answer, Answer::Simple(text) if text.starts_with("OK")),
            "{:?}: {answer:?}",
            words.iter().map(|w| String::from_utf8_lossy(w.as_ref())).collect::<Vec<_>>()
        );
    }

    /// Runs a line of words, whatever is answered but an error.
    #[track_caller]
    pub fn run(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let answer = self.call(&words);
        assert!(answer.error().is_none(), "{line}: {answer:?}");
    }

    /// The text of a bulk reply.
    #[track_caller]
    pub fn text<A: AsRef<[u8]>>(&mut self, words: &[A]) -> String {
        match self.call(words) {
            Answer::Bulk(bytes) => String::from_utf8(bytes).expect("text"),
            Answer::Simple(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a connection");
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            self.read().expect("a line");
        }
    }

    /// The next so many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            self.read().expect("more bytes");
        }
        self.input.drain(..count).collect()
    }

    /// What has arrived and was not read.
    #[allow(dead_code, reason = "not every test reads beside its calls")]
    pub fn pending(&mut self) -> Vec<u8> {
        self.stream.set_nonblocking(true).expect("a connection");
        while self.read().is_ok() {}
        self.stream.set_nonblocking(false).expect("a connection");
        std::mem::take(&mut self.input)
    }

    /// Whether a read has found that the other end closed the connection.
    #[allow(dead_code, reason = "not every test closes connections")]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The next reply or message.
    pub fn next_answer(&mut self) -> std::io::Result<Answer> {
        loop {
            if let Some((answer, taken)) = read_answer(&self.input).expect("a reply") {
                self.input.drain(..taken);
                return Ok(answer);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.is_closed = true;
                Err(std::io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) => {
                self.is_closed = error.kind() == std::io::ErrorKind::ConnectionReset;
                Err(error)
            }
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }
}
