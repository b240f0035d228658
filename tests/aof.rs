//! AOF beside the real redis-server: each loads what the other wrote, and what is written is what
//! it says it is after a crash.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use replab::resp::Answer;
use tempfile::TempDir;

use self::kit::Kind::{self, Ours, Real};
use self::kit::{Client, eventually};

/// A server's process. It ends, by SIGKILL, when it is dropped.
struct Server {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server {
    /// A server with a log of commands in `dir`, ready.
    fn start(program: Kind, dir: &Path, settings: &[(&str, &str)]) -> Self {
        for _ in 0..20 {
            let mut server = Self::spawn(program, dir, settings);
            let mut is_ready = false;
            eventually("a server that answers, or ends", || {
                is_ready = Client::connect(server.port)
                    .and_then(|mut client| client.try_call(&["PING"]))
                    .is_ok_and(|answer| answer == Answer::Simple("PONG".to_owned()));
                is_ready || server.has_ended().is_some()
            });
            if is_ready {
                return server;
            }
            // Somebody else may have been given the port meanwhile.
            let log = fs::read_to_string(&server.log).unwrap_or_default();
            assert!(log.contains("listening on port"), "{program:?} does not start: {log}");
        }
        panic!("no port is free");
    }

    /// What a server says that must not start, and its exit code.
    fn refuses(program: Kind, dir: &Path, settings: &[(&str, &str)]) -> (String, Option<i32>) {
        let mut server = Self::spawn(program, dir, settings);
        let mut status = None;
        eventually("an end", || {
            status = server.has_ended();
            status.is_some()
        });
        (fs::read_to_string(&server.log).unwrap(), status.unwrap().code())
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    fn spawn(program: Kind, dir: &Path, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let log = dir.join(format!("{program:?}.log"));
        let mut command = match program {
            Real => Command::new("redis-server"),
            Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_replab"));
                command.arg("server");
                command
            }
        };
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "yes", "--enable-debug-command", "yes"]);
        // With everysec a write may wait in memory for a slow sync, and not survive a SIGKILL.
        command.args(["--appendfsync", "always", "--dir"]).arg(dir);
        for (name, value) in settings {
            command.args([&format!("--{name}"), *value]);
        }
        let out = File::create(&log).unwrap();
        command.current_dir(dir).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
        let process = command
            .spawn()
            .unwrap_or_else(|e| panic!("these tests need the real redis-server on the PATH: {e}"));
        Self { process, port, log }
    }

    /// Waits for words in its log, which may come a little later than a reply, and returns it.
    fn await_logged(&self, words: &str) -> String {
        let mut told = String::new();
        eventually(words, || {
            told = fs::read_to_string(&self.log).unwrap();
            told.contains(words)
        });
        told
    }

    fn client(&self) -> Client {
        Client::connect(self.port).unwrap()
    }

    fn digest(&self) -> String {
        self.client().text(&["DEBUG", "DIGEST"])
    }

    /// Rewrites the log and waits until that is done.
    fn rewrite(&self) {
        let mut client = self.client();
        client.text(&["BGREWRITEAOF"]);
        await_rewritten(&mut client);
    }

    /// SIGKILL; all that was answered is in the files, or about to be.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn await_rewritten(client: &mut Client) {
    eventually("the end of the rewrite", || {
        !client.text(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:1")
    });
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("replab-aof-").tempdir().expect("a directory")
}

fn increment(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("appendonlydir")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max().expect("an increment")
}

fn manifest(dir: &Path) -> String {
    fs::read_to_string(dir.join("appendonlydir/appendonly.aof.manifest")).unwrap()
}

/// Data of every type, in the base and in an increment, in two databases.
fn fill(server: &Server) {
    let mut client = server.client();
    for round in 0..2 {
        for n in 0..150 {
            client.run(&format!("RPUSH list:{} a{n} 17 {n}", n % 7));
            client.run(&format!("SADD set:{} m{n} {n}", n % 5));
            client.run(&format!("HSET hash f{n} v{round}"));
            client.run(&format!("ZADD zset {}.25 m{n}", n * round));
            client.run(&format!("SET text:{n} some-text-{round}"));
            client.run("INCR counter");
        }
        client.run("SET soon x PX 1");
        client.run("SET late x EX 10000");
        client.run("SELECT 3");
        client.run("MULTI");
        client.run("SET inside 1");
        client.run("INCRBYFLOAT inside 0.5");
        client.run("EXEC");
        client.run("SELECT 0");
        client.run("DEL text:5");
        client.run("LPOP list:3");
        if round == 0 {
            server.rewrite();
        }
    }
    client.run("SET last write");
    // A key that is about to expire would be in one digest and not in the other.
    eventually("an expiry", || client.call(&["EXISTS", "soon"]) == Answer::Int(0));
}

fn goes_on(before: Kind, after: Kind, preamble: &str) {
    let dir = directory();
    let settings = [("aof-use-rdb-preamble", preamble), ("aof-timestamp-enabled", "yes")];
    let server = Server::start(before, dir.path(), &settings);
    fill(&server);
    let digest = server.digest();
    let text = manifest(dir.path());
    server.kill();
    let server = Server::start(after, dir.path(), &settings);
    assert_eq!(server.digest(), digest, "{before:?} to {after:?}");
    assert_eq!(manifest(dir.path()), text);
    // And the second life's writes go to the same files.
    server.client().run("SET second life");
    let digest = server.digest();
    server.kill();
    assert_eq!(Server::start(before, dir.path(), &settings).digest(), digest);
}

#[test]
fn ours_goes_on_with_a_real_log() {
    goes_on(Real, Ours, "yes");
}

#[test]
fn ours_goes_on_with_a_real_log_whose_base_is_commands() {
    goes_on(Real, Ours, "no");
}

#[test]
fn a_real_server_goes_on_with_our_log() {
    goes_on(Ours, Real, "yes");
}

#[test]
fn a_real_server_goes_on_with_our_log_whose_base_is_commands() {
    goes_on(Ours, Real, "no");
}

#[test]
fn an_increment_is_the_same_bytes_from_either() {
    let written = |program| {
        let dir = directory();
        let server = Server::start(program, dir.path(), &[]);
        let mut client = server.client();
        for line in [
            "SET a 1",
            "SETEX b 100 x",
            "GET a",
            "INCRBYFLOAT a 1.5",
            "SPOP nothing",
            "DEL nothing",
            "SELECT 2",
            "MULTI",
            "SET c 1",
            "GET c",
            "LPUSH l x",
            "EXEC",
            "EXPIREAT c 1",
            "PUBLISH news x",
            "MULTI",
            "INCR d",
            "EXEC",
            "FLUSHALL",
        ] {
            client.run(line);
        }
        let log = fs::read(increment(dir.path())).unwrap();
        // The time at which a key expires differs.
        let text = String::from_utf8(log).unwrap();
        text.lines()
            .map(|line| if line.len() == 13 { "time" } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(written(Ours), written(Real));
}

/// A log of one file, as servers before 7.0 wrote it, with a snapshot in front.
fn old_log(dir: &Path) -> Vec<u8> {
    let server = Server::start(Real, dir, &[]);
    fill(&server);
    server.kill();
    let folder = dir.join("appendonlydir");
    let mut log = fs::read(folder.join("appendonly.aof.2.base.rdb")).unwrap();
    log.extend(fs::read(folder.join("appendonly.aof.2.incr.aof")).unwrap());
    log
}

#[test]
fn a_log_in_the_old_style_is_migrated_as_a_real_server_does() {
    let source = directory();
    let log = old_log(source.path());
    let migrated = |program| {
        let dir = directory();
        fs::write(dir.path().join("appendonly.aof"), &log).unwrap();
        let server = Server::start(program, dir.path(), &[]);
        assert!(!dir.path().join("appendonly.aof").exists());
        let line = "Successfully migrated an old-style AOF file (appendonly.aof) into the AOF \
                    directory (appendonlydir).";
        server.await_logged(line);
        let digest = server.digest();
        server.rewrite();
        (digest, server.digest(), manifest(dir.path()))
    };
    assert_eq!(migrated(Ours), migrated(Real));
}

#[test]
fn a_migration_that_did_not_come_to_its_end_is_finished() {
    let source = directory();
    let log = old_log(source.path());
    let migrated = |program| {
        let dir = directory();
        fs::write(dir.path().join("appendonly.aof"), &log).unwrap();
        fs::create_dir(dir.path().join("appendonlydir")).unwrap();
        let manifest_path = dir.path().join("appendonlydir/appendonly.aof.manifest");
        fs::write(manifest_path, "file appendonly.aof seq 1 type b\n").unwrap();
        let server = Server::start(program, dir.path(), &[]);
        (server.digest(), manifest(dir.path()))
    };
    assert_eq!(migrated(Ours), migrated(Real));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("appendonlydir")).unwrap();
    for file in fs::read_dir(from.join("appendonlydir")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, to.join("appendonlydir").join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_cut_tail_is_cut_off_or_refused_as_the_directive_says() {
    let source = directory();
    let server = Server::start(Real, source.path(), &[]);
    for n in 0..50 {
        server.client().run(&format!("SET key{n} value{n}"));
    }
    server.kill();
    let len = fs::metadata(increment(source.path())).unwrap().len();
    for cut in [len - 1, len - 3, len - 20, len - 45, 5] {
        let outcome = |program| {
            let dir = directory();
            copy(source.path(), dir.path());
            let path = increment(dir.path());
            OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let (told, code) =
                Server::refuses(program, dir.path(), &[("aof-load-truncated", "no")]);
            assert!(
                told.contains(
                    "Unexpected end of file reading the append only file \
                     appendonly.aof.1.incr.aof. You can: 1) Make a backup"
                ),
                "{program:?}: {told}"
            );
            let server = Server::start(program, dir.path(), &[]);
            let told = server.await_logged("loaded anyway because aof-load-truncated is enabled");
            let line = told.lines().find_map(|line| line.split_once("!!! Truncating"));
            let kept = fs::metadata(&path).unwrap().len();
            (line.unwrap().1.to_owned(), server.digest(), kept, code)
        };
        assert_eq!(outcome(Ours), outcome(Real), "cut at {cut}");
    }
}

/// What happens to a file before it is looked at.
type Spoil = fn(&Path);

#[test]
fn what_cannot_be_followed_is_refused_in_the_same_words() {
    let source = directory();
    let server = Server::start(Real, source.path(), &[]);
    server.client().run("SET a 1");
    server.kill();
    let spoil: [(&str, Spoil); 5] = [
        ("Bad file format reading the append only file appendonly.aof.1.incr.aof", |dir| {
            append(&increment(dir), b"garbage\r\n");
        }),
        ("Unknown command 'NOSUCH' reading the append only file appendonly.aof.1.incr", |dir| {
            append(&increment(dir), b"*1\r\n$6\r\nNOSUCH\r\n");
        }),
        ("Unable to obtain the AOF file appendonly.aof.1.incr.aof length. stat: No such", |dir| {
            fs::remove_file(increment(dir)).unwrap();
        }),
        ("Found duplicate base file information", |dir| {
            let path = dir.join("appendonlydir/appendonly.aof.manifest");
            append(&path, b"file x seq 2 type b\n");
        }),
        // In different words: a real server says it of the RDB.
        ("", |dir| {
            let path = dir.join("appendonlydir/appendonly.aof.1.base.rdb");
            OpenOptions::new().write(true).open(path).unwrap().set_len(40).unwrap();
        }),
    ];
    for (words, spoil) in spoil {
        for program in [Real, Ours] {
            let dir = directory();
            copy(source.path(), dir.path());
            spoil(dir.path());
            let (told, code) = Server::refuses(program, dir.path(), &[]);
            assert!(told.contains(words), "{program:?}, not {words}: {told}");
            assert_eq!(code, Some(1));
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Writes key after key until the server is gone; how many were acknowledged.
fn writer(server: &Server, name: usize) -> JoinHandle<u64> {
    let mut client = server.client();
    std::thread::spawn(move || {
        let mut acked = 0;
        while let Ok(answer) = client.try_call(&["SET", &format!("{name}:{acked}"), "x"]) {
            assert_eq!(answer, Answer::Simple("OK".to_owned()));
            acked += 1;
        }
        acked
    })
}

#[test]
fn a_kill_under_load_loses_no_acknowledged_write() {
    for policy in ["always", "no"] {
        let dir = directory();
        let settings = [("appendfsync", policy)];
        let server = Server::start(Ours, dir.path(), &settings);
        let writers: Vec<_> = (0..4).map(|name| writer(&server, name)).collect();
        let mut client = server.client();
        let is_under_load = |answer| matches!(answer, Answer::Int(1000..));
        eventually("a load", || is_under_load(client.call(&["DBSIZE"])));
        server.rewrite();
        server.kill();
        let acked: Vec<u64> = writers.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(acked.iter().sum::<u64>() > 0);
        let server = Server::start(Ours, dir.path(), &settings);
        let mut client = server.client();
        for (name, acked) in acked.iter().enumerate() {
            for key in 0..*acked {
                let there = client.call(&["EXISTS", &format!("{name}:{key}")]);
                assert_eq!(there, Answer::Int(1), "{policy}: {name}:{key} of {acked}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_misconf_until_there_is_a_new_log() {
    let dir = directory();
    let settings = [("appendfsync", "no")];
    let server = Server::start(Ours, dir.path(), &settings);
    server.client().run("SET a 1");
    server.kill();
    let server = Server::start(Ours, dir.path(), &settings);
    // The log's end goes where there is no room. It is opened when there is something to write.
    let path = increment(dir.path());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut client = server.client();
    assert_eq!(client.text(&["SET", "b", "1"]), "OK", "it is in memory, and tried again");
    let refusal = "MISCONF Errors writing to the AOF file: No space left on device";
    for command in [&["SET", "c", "1"][..], &["PING"]] {
        assert_eq!(client.call(command), Answer::Error(refusal.to_owned()));
    }
    assert!(client.text(&["INFO", "persistence"]).contains("aof_last_write_status:err"));
    // A new log is a new file, with room in it.
    client.run("CONFIG SET appendonly no");
    client.run("CONFIG SET appendonly yes");
    client.run("SET c 1");
    await_rewritten(&mut client);
    server.kill();
    let server = Server::start(Ours, dir.path(), &[]);
    assert_eq!(server.client().call(&["EXISTS", "a", "b", "c"]), Answer::Int(3));
}

fn check(tool: &[&str], file: &Path, answer: &str) -> (Option<i32>, String) {
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("a tool");
    // Who asks nothing may be gone by then.
    drop(process.stdin.take().unwrap().write_all(answer.as_bytes()));
    let output = process.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn check_aof_judges_and_repairs_as_the_real_tool_does() {
    let source = directory();
    let server = Server::start(Real, source.path(), &[]);
    server.client().run("SET a 1");
    server.client().run("SET b 2");
    server.kill();
    let ours = [env!("CARGO_BIN_EXE_replab"), "check-aof"];
    let real = ["redis-check-aof"];
    let tails: [&[u8]; 5] =
        [b"", b"*3\r\n$3\r\nSET\r\n", b"xyz", b"*1\r\n$5\r\nMULTI\r\n", b"#TS:1700000000\r\n"];
    for tail in tails {
        let outcome = |tool: &[&str]| {
            let dir = directory();
            copy(source.path(), dir.path());
            append(&increment(dir.path()), tail);
            let file = dir.path().join("appendonlydir/appendonly.aof.manifest");
            let (judged, _) = check(tool, &file, "");
            let fixing: Vec<&str> = tool.iter().copied().chain(["--fix"]).collect();
            let refused = if tail.is_empty() { None } else { check(&fixing, &file, "n\n").0 };
            let (fixed, told) = check(&fixing, &file, "y\n");
            let (after, _) = check(tool, &file, "");
            let len = fs::metadata(increment(dir.path())).unwrap().len();
            (judged, refused, fixed, after, len, told.contains("Successfully truncated AOF"))
        };
        assert_eq!(outcome(&ours), outcome(&real), "{}", tail.escape_ascii());
    }
}

#[test]
fn check_rdb_judges_as_the_real_tool_does() {
    let dir = directory();
    let server = Server::start(Real, dir.path(), &[]);
    fill(&server);
    server.client().run("SAVE");
    server.kill();
    let file = dir.path().join("dump.rdb");
    let good = fs::read(&file).unwrap();
    let ours = [env!("CARGO_BIN_EXE_replab"), "check-rdb"];
    let (code, told) = check(&ours, &file, "");
    assert_eq!((code, check(&["redis-check-rdb"], &file, "").0), (Some(0), Some(0)), "{told}");
    assert!(told.contains(&format!("good, {} bytes", good.len())), "{told}");
    for spoil in [good.len() / 2, good.len() - 4] {
        let mut bad = good.clone();
        bad[spoil] ^= 0x55;
        for spoilt in [&bad[..], &good[..spoil]] {
            fs::write(&file, spoilt).unwrap();
            let (code, told) = check(&ours, &file, "");
            assert_eq!(code, check(&["redis-check-rdb"], &file, "").0, "{spoil}: {told}");
            assert!(told.contains("at byte "), "{told}");
        }
    }
}
