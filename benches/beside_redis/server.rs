//! A server of either kind as a process, and a small client.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use replab::resp::{Answer, read_answer, write_command};

/// Whatever goes wrong ends the benchmark with its text.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long a server may take to listen, and a replica to be up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `replab server` of this build.
    Ours,
    /// The redis-server on PATH.
    Real,
}

/// A running server. Dropping it ends the process.
pub struct Server {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    /// Starts an empty server without save points and waits until it answers.
    pub fn start(kind: Kind) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let dir = tempfile::tempdir()?;
        let mut command = match kind {
            Kind::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_replab"));
                command.arg("server");
                command
            }
            Kind::Real => Command::new("redis-server"),
        };
        command.args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"]);
        command.args(["--repl-diskless-sync-delay", "0", "--dir"]).arg(dir.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = Self { child, port, _dir: dir };
        let began = Instant::now();
        while server.client().is_err() {
            if began.elapsed() > PATIENCE {
                return Err(format!("{kind:?} does not listen").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Starts a server that follows `primary`, and waits until it is up.
    pub fn replica_of(kind: Kind, primary: &Self) -> Outcome<Self> {
        let server = Self::start(kind)?;
        let mut client = server.client()?;
        client.follow(primary)?;
        client.wait_until_up()?;
        Ok(server)
    }

    /// A connection.
    pub fn client(&self) -> Outcome<Client> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, unread: Vec::new() })
    }

    /// Seconds of processor time used so far, by all threads.
    pub fn cpu_seconds(&self) -> Outcome<f64> {
        super::process::cpu_seconds(self.child.id())
    }

    /// Bytes of memory in use, as the system counts them.
    pub fn resident_bytes(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A connection of ours to a server.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// Sends a command and reads its reply.
    pub fn ask(&mut self, words: &[&str]) -> Outcome<Answer> {
        let mut request = bytes::BytesMut::new();
        write_command(&mut request, words);
        self.send(&request)?;
        self.answer()
    }

    /// Sends bytes that are already in the protocol's form.
    pub fn send(&mut self, requests: &[u8]) -> Outcome<()> {
        Ok(self.stream.write_all(requests)?)
    }

    /// Reads one reply.
    pub fn answer(&mut self) -> Outcome<Answer> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some((answer, len)) = read_answer(&self.unread)? {
                self.unread.drain(..len);
                return Ok(answer);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err("the server closed the connection".into()),
                len => self.unread.extend_from_slice(&buffer[..len]),
            }
        }
    }

    /// REPLICAOF.
    pub fn follow(&mut self, primary: &Server) -> Outcome<()> {
        self.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()])?;
        Ok(())
    }

    /// Waits until the link to the primary is up, which it is once the snapshot is loaded.
    pub fn wait_until_up(&mut self) -> Outcome<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Answer::Bulk(info) = self.ask(&["INFO", "replication"])?
                && String::from_utf8_lossy(&info).contains("master_link_status:up")
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err("the replica does not come up".into())
    }
}
