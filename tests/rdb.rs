//! RDB against the real redis-server: each loads what the other writes, and both digests agree.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use replab::keyspace::{Keyspace, Value, digest};
use replab::machine::{ReplicationMeta, StreamHead};
use replab::persist::rdb::{Decoder, Encoder};

/// A real redis-server on a socket file in a directory of its own.
struct RealServer {
    _process: Process,
    replies: BufReader<UnixStream>,
}

impl RealServer {
    /// Starts a server in `dir`, which loads the `dump.rdb` that may be there.
    fn start(dir: &Path) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "real.sock", "--save", ""])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(dir)
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("this test needs the real redis-server on the PATH: {e}"));
        let process = Process(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(dir.join("real.sock")) {
                Ok(stream) => break stream,
                Err(e) => assert!(Instant::now() < deadline, "redis-server does not listen: {e}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut server = Self { _process: process, replies: BufReader::new(stream) };
        while server.ask(&["PING"]) != "PONG" {
            assert!(Instant::now() < deadline, "redis-server goes on loading");
        }
        server
    }

    /// The reply to a command: the text of anything but an array.
    fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> String {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.replies.get_mut().write_all(&request).unwrap();
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        match line.trim_end().strip_prefix('$') {
            Some(length) => {
                let mut bulk = vec![0; length.parse::<usize>().unwrap() + 2];
                self.replies.read_exact(&mut bulk).unwrap();
                String::from_utf8_lossy(&bulk[..bulk.len() - 2]).into_owned()
            }
            None => line[1..].trim_end().to_owned(),
        }
    }
}

/// A process that ends when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Strings around every bound of an encoding, by name.
fn strings() -> Vec<(String, Vec<u8>)> {
    let integers = [0, -1, 127, 128, -129, 32768, -32769, 1 << 31, i64::MAX, i64::MIN];
    let integers = integers.map(|n: i64| n.to_string().into_bytes());
    let lengths = [0, 1, 63, 64, 16383, 16384, 100_000];
    let even = lengths.map(|length| vec![b'x'; length]);
    let uneven = lengths.map(|length| (0..length).map(|i| (i * i % 251) as u8).collect());
    let odd = ["007", "-0", "+1", " 1", "1.5"].map(|text| text.as_bytes().to_vec());
    let all = integers.into_iter().chain(even).chain(uneven).chain(odd);
    all.enumerate().map(|(n, value)| (format!("key:{n}"), value)).collect()
}

fn far_future(n: usize) -> i64 {
    4_000_000_000_000 + n as i64
}

#[test]
fn the_real_server_loads_what_is_encoded() {
    let mut data = Keyspace::default();
    for (n, (key, value)) in strings().iter().enumerate() {
        data.db_mut(0).set(key.as_bytes(), Value::string(value));
        data.db_mut(5).set(key.as_bytes(), Value::string(value));
        data.db_mut(5).set_expiry(key.as_bytes(), (n % 2 == 0).then(|| far_future(n)));
    }
    let stream = StreamHead { replid: "a1".repeat(20), offset: 1234, selected_db: 5 };
    let meta = ReplicationMeta { stream: Some(stream), ..ReplicationMeta::default() };
    let mut encoder = Encoder::new(data.snapshot(), meta);
    let mut rdb = Vec::new();
    while let Some(chunk) = encoder.next_chunk(usize::MAX) {
        rdb.extend_from_slice(&chunk);
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dump.rdb"), rdb).unwrap();

    let mut real = RealServer::start(dir.path());
    assert_eq!(real.ask(&["DEBUG", "DIGEST"]), digest(&data));
    assert_eq!(real.ask(&["SELECT", "5"]), "OK");
    assert_eq!(real.ask(&["DBSIZE"]), data.db(5).len().to_string());
    assert_eq!(real.ask(&["PEXPIRETIME", "key:2"]), far_future(2).to_string());
    assert_eq!(real.ask(&["PEXPIRETIME", "key:3"]), "-1");
}

#[test]
fn what_the_real_server_saves_is_decoded() {
    for policy in ["noeviction", "allkeys-lru", "allkeys-lfu"] {
        let dir = tempfile::tempdir().unwrap();
        let mut real = RealServer::start(dir.path());
        let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        assert_eq!(real.ask(&["FUNCTION", "LOAD", library]), "lib");
        assert_eq!(real.ask(&["CONFIG", "SET", "maxmemory-policy", policy]), "OK");
        for (n, (key, value)) in strings().iter().enumerate() {
            assert_eq!(real.ask(&["SELECT", "0"]), "OK");
            assert_eq!(real.ask(&[b"SET", key.as_bytes(), value]), "OK");
            assert_eq!(real.ask(&["SELECT", "15"]), "OK");
            let at = far_future(n).to_string();
            assert_eq!(real.ask(&[b"SET", key.as_bytes(), value, b"PXAT", at.as_bytes()]), "OK");
        }
        assert_eq!(real.ask(&["SAVE"]), "OK");

        let mut decoder = Decoder::new(Some(0));
        for piece in std::fs::read(dir.path().join("dump.rdb")).unwrap().chunks(777) {
            decoder.feed(piece).unwrap();
        }
        let loaded = decoder.finish().unwrap();
        assert_eq!(real.ask(&["DEBUG", "DIGEST"]), digest(&loaded.keyspace));
        assert_eq!(loaded.keys, 2 * strings().len() as u64);
        for (n, (key, _)) in strings().iter().enumerate() {
            assert_eq!(loaded.keyspace.db(15).expiry(key.as_bytes()), Some(far_future(n)));
        }
    }
}
