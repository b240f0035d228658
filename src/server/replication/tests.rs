//! Snapshots for replicas, and the stream from the primary, on a bench.

use bytes::Bytes;

use crate::keyspace::Keyspace;
use crate::machine::{
    ConnId, Endpoint, Input, Job, JobEvent, JobId, JobOutcome, Loaded, Output, SaveTarget,
    StreamHead,
};
use crate::server::Config;
use crate::server::testing::Bench;

fn is_closed(bench: &Bench, conn: ConnId) -> bool {
    bench.outputs.iter().any(|o| matches!(o, Output::Close { conn: c, .. } if *c == conn))
}

/// The newest job that was started.
fn last_job(bench: &Bench) -> (JobId, &Job) {
    let jobs = bench.outputs.iter().rev();
    let mut jobs = jobs.filter_map(|output| match output {
        Output::StartJob { id, job } => Some((*id, job)),
        _ => None,
    });
    jobs.next().expect("a job")
}

/// A replica whose snapshot is being written to a file, and the job that does.
fn saving(bench: &mut Bench) -> (ConnId, JobId) {
    let replica = bench.connect();
    bench.send(replica, b"PSYNC ? -1\r\n");
    let (job, Job::Save { target: SaveTarget::File(_), .. }) = last_job(bench) else { panic!() };
    (replica, job)
}

/// A replica whose snapshot is being made onto its connection, and the job that does.
fn receiving(bench: &mut Bench) -> (ConnId, JobId) {
    let replica = bench.connect();
    bench.ask(replica, "REPLCONF capa eof");
    bench.send(replica, b"PSYNC ? -1\r\n");
    bench.advance(6000);
    let (job, Job::Save { target: SaveTarget::Chunks, .. }) = last_job(bench) else { panic!() };
    bench.received(replica);
    (replica, job)
}

fn fail(bench: &mut Bench, id: JobId) {
    bench.step(Input::Job { id, event: JobEvent::Failed("EIO".to_owned()) });
}

#[test]
fn a_save_that_fails_is_the_end_of_its_own_replicas_only() {
    let mut bench = Bench::new(&[("save", "")]);
    let (replica, transfer) = receiving(&mut bench);
    let other = bench.connect();
    bench.ask(other, "BGSAVE");
    let (save, _) = last_job(&bench);
    fail(&mut bench, save);
    assert!(!is_closed(&bench, replica));
    bench.step(Input::Job { id: transfer, event: JobEvent::Chunk(Bytes::from_static(b"REDIS")) });
    assert_eq!(bench.received(replica), "REDIS");
    fail(&mut bench, transfer);
    assert!(is_closed(&bench, replica));
}

#[test]
fn who_was_promised_a_save_is_dropped_when_the_last_one_takes_its_place() {
    let mut bench = Bench::new(&[]);
    let (replica, promised) = saving(&mut bench);
    let other = bench.connect();
    bench.send(other, b"SHUTDOWN SAVE\r\n");
    let (last, _) = last_job(&bench);
    assert_ne!(last, promised);
    assert!(is_closed(&bench, replica));
}

#[test]
fn a_receiver_is_stuck_only_if_it_takes_nothing() {
    let mut bench = Bench::new(&[("repl-timeout", "2")]);
    let (replica, _) = receiving(&mut bench);
    for taken in 1..40 {
        bench.step(Input::Unsent { conn: replica, bytes: (1 << 20) - taken * 1000 });
        bench.advance(100);
    }
    assert!(!is_closed(&bench, replica));
    bench.advance(3000);
    assert!(is_closed(&bench, replica));
}

#[test]
fn a_replica_that_asks_for_something_is_disconnected() {
    for (request, name) in [("PING", "ping"), ("NOSUCH", "<unknown>")] {
        let mut bench = Bench::new(&[]);
        let (replica, _) = saving(&mut bench);
        bench.received(replica);
        assert_eq!(bench.send(replica, format!("{request}\r\nSET k v\r\n").as_bytes()), "");
        assert!(is_closed(&bench, replica));
        let said = format!("Replica generated a reply to command '{name}', disconnecting it: id=1");
        let is_logged =
            |o: &Output| matches!(o, Output::Log { text, .. } if text.starts_with(&said));
        assert!(bench.outputs.iter().any(is_logged));
        assert_eq!(bench.server.keyspace.keys(), 0, "what it sent after that is not read");
    }
}

#[test]
fn a_file_of_a_node_with_more_databases_is_gone_on_from() {
    let config = Config {
        databases: 4,
        replicaof: Some(Endpoint::new("127.0.0.1", 7000)),
        ..Config::default()
    };
    let mut bench = Bench::beginning(config);
    let loaded = Loaded {
        keyspace: Keyspace::new(4, 1),
        stream: Some(StreamHead { replid: "a".repeat(40), offset: 9, selected_db: 15 }),
        keys: 0,
        expired: Vec::new(),
        bytes: 100,
    };
    let event = JobEvent::Done(JobOutcome::Loaded(Box::new(loaded)));
    bench.step(Input::Job { id: JobId(1), event });
    assert_eq!(bench.server.replication.offset(), 9);
    assert_eq!(bench.server.replication.selected, None);
}

#[test]
fn a_primary_is_not_read_from_faster_than_its_snapshot_is_loaded() {
    let mut bench = Bench::new(&[("replicaof", "127.0.0.1 7000")]);
    let link = ConnId::dialled(1);
    bench.step(Input::Dialled { conn: link, local: Endpoint::new("127.0.0.1", 50_000) });
    let full = format!("+FULLRESYNC {} 0\r\n", "a".repeat(40));
    for line in ["+PONG\r\n", "+OK\r\n+OK\r\n", &full, "$100000000\r\n"] {
        bench.step(Input::Received { conn: link, data: line.as_bytes() });
    }
    let (load, Job::LoadStream { .. }) = last_job(&bench) else { panic!() };
    let reads = |bench: &Bench| {
        let mut said = bench.outputs.iter().rev().filter_map(|output| match output {
            Output::Read { conn, on } if *conn == link => Some(*on),
            _ => None,
        });
        said.next().unwrap_or(true)
    };
    let piece = vec![0; 1 << 20];
    for _ in 0..64 {
        bench.step(Input::Received { conn: link, data: &piece });
    }
    assert!(reads(&bench));
    bench.step(Input::Received { conn: link, data: &piece });
    assert!(!reads(&bench));
    let event = JobEvent::Progress { bytes: 4 << 20, bytes_total: None, keys: 0 };
    bench.step(Input::Job { id: load, event });
    assert!(reads(&bench));
}
