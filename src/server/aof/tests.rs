//! The log on a bench.

use bytes::Bytes;

use crate::machine::{ConnId, Durable, FileStep, Input, Job, JobEvent, JobId, JobOutcome, Output};
use crate::server::Config;
use crate::server::testing::Bench;

const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const SELECT_0: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

fn bench(fsync: &str) -> (Bench, ConnId) {
    let mut bench = Bench::new(&[("appendonly", "yes"), ("appendfsync", fsync)]);
    let conn = bench.connect();
    bench.outputs.clear();
    (bench, conn)
}

/// What was appended so far, and whether the last piece was synced.
fn appended(bench: &Bench) -> (String, bool) {
    let mut all = (String::new(), false);
    for output in &bench.outputs {
        if let Output::AppendLog { name, data, sync } = output {
            assert_eq!(name, INCREMENT);
            all = (all.0 + std::str::from_utf8(data).unwrap(), *sync == Durable::OrStop);
        }
    }
    all
}

/// The jobs started since the last call that are of this kind.
fn jobs(bench: &mut Bench, is: fn(&Job) -> bool) -> Vec<JobId> {
    let mut ids = Vec::new();
    bench.outputs.retain(|output| match output {
        Output::StartJob { id, job } if is(job) => {
            ids.push(*id);
            false
        }
        _ => true,
    });
    ids
}

fn syncs(bench: &mut Bench) -> Vec<JobId> {
    jobs(bench, |job| matches!(job, Job::SyncLog { .. }))
}

fn saves(bench: &mut Bench) -> Vec<JobId> {
    jobs(bench, |job| matches!(job, Job::Save { .. }))
}

fn done(bench: &mut Bench, id: JobId, outcome: JobOutcome) {
    bench.step(Input::Job { id, event: JobEvent::Done(outcome) });
}

fn has_logged(bench: &Bench, line: &str) -> bool {
    bench.outputs.iter().any(|output| matches!(output, Output::Log { text, .. } if text == line))
}

fn info(bench: &mut Bench, conn: ConnId, field: &str) -> String {
    let info = bench.ask(conn, "INFO persistence").replace("\\r\\n", "\n");
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim_end().to_owned()
}

#[test]
fn a_node_without_a_log_begins_one() {
    let mut bench = Bench::new(&[("appendonly", "yes")]);
    let steps = bench.outputs.iter().find_map(|output| match output {
        Output::Arrange(steps) => Some(steps),
        _ => None,
    });
    let names: Vec<_> = steps.unwrap().iter().map(name_of).collect();
    assert_eq!(
        names,
        [
            "appendonlydir/appendonly.aof.1.base.rdb",
            INCREMENT,
            "appendonlydir/appendonly.aof.manifest"
        ]
    );
    let conn = bench.connect();
    assert_eq!(bench.ask(conn, "PING"), "PONG");
    assert_eq!(info(&mut bench, conn, "aof_enabled"), "1");
}

fn name_of(step: &FileStep) -> &str {
    match step {
        FileStep::Write { name, .. } | FileStep::Truncate { name, .. } => name,
        FileStep::Rename { to, .. } => to,
    }
}

#[test]
fn always_syncs_before_it_answers() {
    let (mut bench, conn) = bench("always");
    bench.step(Input::Received { conn, data: b"SET k v\r\nSET k v\r\n" });
    let order: Vec<_> = bench
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::AppendLog { data, sync, .. } => Some((data.len(), *sync == Durable::OrStop)),
            Output::Send { data, .. } => Some((data.len(), false)),
            _ => None,
        })
        .collect();
    let logged = SELECT_0.len() + 2 * SET.len();
    assert_eq!(order, [(logged, true), (2 * "+OK\r\n".len(), false)]);
    assert!(syncs(&mut bench).is_empty());
}

#[test]
fn reads_failures_and_messages_are_not_logged() {
    let (mut bench, conn) = bench("always");
    for line in ["GET k", "SET k", "DEL k", "PUBLISH c m"] {
        bench.ask(conn, line);
    }
    assert_eq!(appended(&bench).0, "");
}

#[test]
fn everysec_syncs_beside_the_node_and_writes_wait_two_seconds_at_most() {
    let (mut bench, conn) = bench("everysec");
    bench.advance(1000);
    bench.ask(conn, "SET k v");
    assert_eq!(appended(&bench), (format!("{SELECT_0}{SET}"), false));
    let [sync] = syncs(&mut bench)[..] else { panic!("one sync") };
    assert_eq!(info(&mut bench, conn, "aof_pending_bio_fsync"), "1");
    bench.outputs.clear();
    assert_eq!(bench.ask(conn, "SET k v"), "OK", "the reply does not wait");
    bench.advance(1900);
    assert_eq!(appended(&bench).0, "");
    assert_eq!(info(&mut bench, conn, "aof_buffer_length"), SET.len().to_string());
    bench.advance(200);
    assert_eq!(appended(&bench).0, SET);
    assert_eq!(info(&mut bench, conn, "aof_delayed_fsync"), "1");
    done(&mut bench, sync, JobOutcome::Synced);
    bench.advance(1000);
    assert_eq!(syncs(&mut bench).len(), 1, "what was written late is synced as well");
}

#[test]
fn no_never_syncs() {
    let (mut bench, conn) = bench("no");
    bench.ask(conn, "SET k v");
    bench.advance(5000);
    assert!(!appended(&bench).1);
    assert!(syncs(&mut bench).is_empty());
}

#[test]
fn a_write_that_fails_makes_writes_misconf_until_it_is_made_good() {
    let (mut bench, conn) = bench("everysec");
    bench.ask(conn, "SET k v");
    let fail = |bench: &mut Bench, data: String| {
        let (name, reason) = (INCREMENT.to_owned(), "No space left on device".to_owned());
        bench.step(Input::LogFailed { name, reason, unwritten: Bytes::from(data) });
    };
    fail(&mut bench, format!("{SELECT_0}{SET}"));
    assert!(has_logged(&bench, "Error writing to the AOF file: No space left on device"));
    let refusal = "(error) MISCONF Errors writing to the AOF file: No space left on device";
    assert_eq!(bench.ask(conn, "SET k v"), refusal);
    assert_eq!(bench.ask(conn, "PING"), refusal);
    assert_eq!(bench.ask(conn, "GET k"), "\"v\"");
    assert_eq!(info(&mut bench, conn, "aof_last_write_status"), "err");
    bench.outputs.clear();
    bench.advance(1100);
    assert_eq!(appended(&bench).0, format!("{SELECT_0}{SET}"), "it is tried again");
    assert!(has_logged(&bench, "AOF write error looks solved, Redis can write again."));
    assert_eq!(bench.ask(conn, "SET k v"), "OK");
    assert_eq!(info(&mut bench, conn, "aof_last_write_status"), "ok");
}

#[test]
fn always_ends_the_node_rather_than_answer_what_is_not_on_disk() {
    let texts = [
        (
            SET,
            "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
        ),
        (
            "",
            "Can't persist AOF for fsync error when the AOF fsync policy is 'always': EIO. \
             Exiting...",
        ),
    ];
    for (unwritten, text) in texts {
        let (mut bench, conn) = bench("always");
        bench.ask(conn, "SET k v");
        let name = INCREMENT.to_owned();
        let reason = "EIO".to_owned();
        bench.step(Input::LogFailed { name, reason, unwritten: unwritten.as_bytes().into() });
        assert!(has_logged(&bench, text));
        assert!(bench.outputs.iter().any(|output| matches!(output, Output::Exit { code: 1 })));
    }
}

#[test]
fn a_block_is_logged_whole_and_seconds_are_noted() {
    let (mut bench, conn) = bench("always");
    bench.ask(conn, "CONFIG SET aof-timestamp-enabled yes");
    bench.send(conn, b"MULTI\r\nSET k v\r\nGET k\r\nSET k v\r\nEXEC\r\nSET k v\r\n");
    let expected = format!(
        "#TS:1700000000\r\n{SELECT_0}*1\r\n$5\r\nMULTI\r\n{SET}{SET}*1\r\n$4\r\nEXEC\r\n{SET}"
    );
    assert_eq!(appended(&bench).0, expected);
}

#[test]
fn one_rewrite_at_a_time_and_none_beside_a_save() {
    let (mut bench, conn) = bench("everysec");
    let started = "Background append only file rewriting started";
    assert_eq!(bench.ask(conn, "BGREWRITEAOF"), started);
    assert_eq!(
        bench.ask(conn, "BGREWRITEAOF"),
        "(error) ERR Background append only file rewriting already in progress"
    );
    assert_eq!(
        bench.ask(conn, "BGSAVE"),
        "(error) ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
         SCHEDULE in order to schedule a BGSAVE whenever possible."
    );
    let [base] = saves(&mut bench)[..] else { panic!("one rewrite") };
    done(&mut bench, base, JobOutcome::Saved { bytes: 10 });
    assert_eq!(info(&mut bench, conn, "aof_rewrite_in_progress"), "0");
    assert_eq!(info(&mut bench, conn, "aof_base_size"), "10");
    bench.ask(conn, "BGSAVE");
    assert_eq!(bench.ask(conn, "BGREWRITEAOF"), "Background append only file rewriting scheduled");
    let [save] = saves(&mut bench)[..] else { panic!("one save") };
    done(&mut bench, save, JobOutcome::Saved { bytes: 10 });
    bench.advance(200);
    assert_eq!(info(&mut bench, conn, "aof_rewrite_in_progress"), "1");
    assert_eq!(info(&mut bench, conn, "aof_rewrites"), "2");
}

#[test]
fn what_is_written_before_the_snapshot_is_in_the_old_increment_only() {
    let (mut bench, conn) = bench("no");
    bench.send(conn, b"BGREWRITEAOF\r\nSET k v\r\n");
    assert_eq!(saves(&mut bench).len(), 1);
    assert_eq!(appended(&bench).0, format!("{SELECT_0}{SET}"));
    bench.outputs.clear();
    bench.ask(conn, "SET k v");
    let new = INCREMENT.replace(".1.", ".2.");
    let in_new = bench.outputs.iter().find_map(|output| match output {
        Output::AppendLog { name, data, .. } if *name == new => Some(data.clone()),
        _ => None,
    });
    assert_eq!(in_new.as_deref(), Some(format!("{SELECT_0}{SET}").as_bytes()));
}

#[test]
fn nothing_is_synced_beside_a_rewrite_if_that_is_not_wanted() {
    let (mut bench, conn) = bench("always");
    bench.ask(conn, "CONFIG SET no-appendfsync-on-rewrite yes");
    bench.ask(conn, "BGREWRITEAOF");
    bench.ask(conn, "SET k v");
    let synced = |bench: &Bench| {
        let append = bench.outputs.iter().rev().find_map(|output| match output {
            Output::AppendLog { sync, .. } => Some(*sync),
            _ => None,
        });
        append.unwrap() == Durable::OrStop
    };
    assert!(!synced(&bench));
    let [base] = saves(&mut bench)[..] else { panic!("a rewrite") };
    done(&mut bench, base, JobOutcome::Saved { bytes: 10 });
    bench.ask(conn, "SET k v");
    assert!(synced(&bench));
}

#[test]
fn a_log_is_read_as_slowly_as_is_asked_for() {
    let config = Config { appendonly: true, key_load_delay: 5000, ..Config::default() };
    let mut bench = Bench::beginning(config);
    let conn = bench.connect();
    let chunk = |bench: &mut Bench, job, data: String| {
        let event = JobEvent::Chunk(Bytes::from(data));
        bench.step(Input::Job { id: JobId(job), event });
        done(bench, JobId(job), JobOutcome::Read { bytes: 1 });
    };
    chunk(&mut bench, 1, "file appendonly.aof.1.incr.aof seq 1 type i\n".to_owned());
    chunk(&mut bench, 2, SET.repeat(100));
    bench.advance(450);
    assert_eq!(bench.ask(conn, "GET k"), "(error) LOADING Redis is loading the dataset in memory");
    bench.advance(100);
    assert_eq!(bench.ask(conn, "GET k"), "\"v\"");
}

#[test]
fn a_log_that_grew_is_rewritten_by_itself() {
    let (mut bench, conn) = bench("no");
    bench.ask(conn, "CONFIG SET auto-aof-rewrite-min-size 1000");
    for _ in 0..30 {
        bench.ask(conn, "SET k v");
    }
    assert_eq!(saves(&mut bench), []);
    for _ in 0..10 {
        bench.ask(conn, "SET k v");
    }
    bench.advance(200);
    assert_eq!(saves(&mut bench).len(), 1);
}

#[test]
fn after_three_failures_a_rewrite_waits_for_a_minute_then_two() {
    let (mut bench, conn) = bench("no");
    // One that is waited for is scheduled again at once.
    bench.ask(conn, "CONFIG SET appendonly no");
    bench.ask(conn, "CONFIG SET appendonly yes");
    let mut times = Vec::new();
    while times.len() < 5 {
        if let [job] = saves(&mut bench)[..] {
            times.push(bench.now.mono / 1000);
            let event = JobEvent::Failed("No space left on device".to_owned());
            bench.step(Input::Job { id: job, event });
        }
        bench.advance(100);
    }
    assert_eq!(times, [0, 0, 0, 60, 180]);
    assert!(has_logged(
        &bench,
        "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in 2 \
         minutes"
    ));
    assert_eq!(info(&mut bench, conn, "aof_rewrites_consecutive_failures"), "5");
    assert_eq!(info(&mut bench, conn, "aof_last_bgrewrite_status"), "err");
}

#[test]
fn debug_loadaof_reads_the_files_again() {
    let mut bench = Bench::new(&[("appendonly", "yes"), ("enable-debug-command", "yes")]);
    let conn = bench.connect();
    bench.ask(conn, "SET k v");
    bench.outputs.clear();
    let reads = |bench: &mut Bench| jobs(bench, |job| matches!(job, Job::ReadFile { .. }));
    assert_eq!(bench.ask(conn, "DEBUG LOADAOF"), "");
    let give = |bench: &mut Bench, data: &str| {
        let [id] = reads(bench)[..] else { panic!("one file") };
        if !data.is_empty() {
            let event = JobEvent::Chunk(Bytes::from(data.to_owned()));
            bench.step(Input::Job { id, event });
        }
        done(bench, id, JobOutcome::Read { bytes: data.len() as u64 });
    };
    give(&mut bench, "file appendonly.aof.1.incr.aof seq 1 type i\n");
    give(&mut bench, &SET.replace('v', "w"));
    assert_eq!(bench.received(conn), "+OK\r\n");
    assert_eq!(bench.ask(conn, "GET k"), "\"w\"");
}

#[test]
fn a_log_that_lags_behind_is_not_rewritten() {
    let (mut bench, conn) = bench("no");
    bench.ask(conn, "SET k v");
    let (name, reason) = (INCREMENT.to_owned(), "EIO".to_owned());
    bench.step(Input::LogFailed { name, reason, unwritten: Bytes::from_static(b"x") });
    assert_eq!(
        bench.ask(conn, "BGREWRITEAOF"),
        "(error) ERR Can't execute an AOF background rewriting. Please check the server logs for \
         more information."
    );
    assert_eq!(saves(&mut bench), []);
    bench.ask(conn, "CONFIG SET appendonly no");
    bench.ask(conn, "CONFIG SET appendonly yes");
    assert_eq!(saves(&mut bench).len(), 1, "a new log has no such past");
    assert_eq!(bench.ask(conn, "SET k v"), "OK");
}

#[test]
fn files_that_cannot_be_made_fail_the_rewrite_and_the_old_log_goes_on() {
    let (mut bench, conn) = bench("always");
    bench.files_fail = true;
    bench.ask(conn, "BGREWRITEAOF");
    assert_eq!(info(&mut bench, conn, "aof_last_bgrewrite_status"), "err");
    bench.ask(conn, "SET k v");
    assert_eq!(appended(&bench), (format!("{SELECT_0}{SET}"), true));
}

#[test]
fn a_replica_that_cannot_write_its_log_ends_unless_it_may_go_on() {
    for (may_go_on, ends) in [("no", true), ("yes", false)] {
        let (mut bench, conn) = bench("everysec");
        bench.ask(conn, &format!("CONFIG SET replica-ignore-disk-write-errors {may_go_on}"));
        bench.ask(conn, "SET k v");
        bench.ask(conn, "REPLICAOF 127.0.0.1 7000");
        bench.advance(1100);
        let link = ConnId::dialled(1);
        let local = crate::machine::Endpoint::new("127.0.0.1", 50_000);
        bench.step(Input::Dialled { conn: link, local });
        for line in ["+PONG\r\n", "+OK\r\n+OK\r\n", "+CONTINUE\r\n"] {
            bench.step(Input::Received { conn: link, data: line.as_bytes() });
        }
        bench.step(Input::Received { conn: link, data: SET.as_bytes() });
        let (name, reason) = (INCREMENT.to_owned(), "EIO".to_owned());
        bench.step(Input::LogFailed { name, reason, unwritten: Bytes::from_static(b"x") });
        bench.step(Input::Received { conn: link, data: SET.as_bytes() });
        let has_ended = bench.outputs.iter().any(|o| matches!(o, Output::Exit { code: 1 }));
        assert_eq!(has_ended, ends);
        assert_eq!(has_logged(&bench, "Replica was unable to write command to disk."), ends);
    }
}
