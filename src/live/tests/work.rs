//! Files and jobs.

use std::sync::Arc;

use bytes::Bytes;

use super::{Bench, log, puppet};
use crate::keyspace::Snapshot;
use crate::machine::{
    CHUNK_WINDOW_BYTES, Input, Job, JobEvent, JobId, JobOutcome, LoadOptions, Outbox, Output,
    ReplicationMeta, SaveForm, SaveTarget,
};
use crate::world::{Factory, World};

const JOB: JobId = JobId(1);

fn save_to(target: SaveTarget) -> Job {
    let (snapshot, meta) = (Snapshot::default(), ReplicationMeta::default());
    Job::Save { snapshot, form: SaveForm::Rdb { compress: true }, meta, target, key_delay_us: 0 }
}

fn file(name: &str) -> String {
    name.to_owned()
}

/// Runs `job` at its start, and does `then` with its news.
fn worker(
    first: impl Fn(&mut Outbox) + Send + Sync + 'static,
    then: impl Fn(JobEvent, &mut Outbox) + Send + Sync + 'static,
) -> Factory {
    let (first, then) = (Arc::new(first), Arc::new(then));
    Arc::new(move |_| {
        let (first, then) = (Arc::clone(&first), Arc::clone(&then));
        puppet(move |_, input, out, _| match input {
            Input::Started => first(out),
            Input::Job { event, .. } => then(event, out),
            _ => {}
        })
    })
}

/// A node that saves to `temp`, calls it done, and loads at every start what `kept` holds.
fn saver(is_renaming: bool) -> Factory {
    worker(
        |out| {
            let job = Job::LoadFile { name: file("kept"), options: LoadOptions::default() };
            out.push(Output::StartJob { id: JOB, job });
        },
        move |event, out| match event {
            JobEvent::Done(JobOutcome::NoFile) => {
                log(out, "nothing to load");
                let job = save_to(SaveTarget::File(file("temp")));
                out.push(Output::StartJob { id: JobId(2), job });
            }
            JobEvent::Done(JobOutcome::Saved { .. }) => {
                if is_renaming {
                    out.push(Output::Rename { from: file("temp"), to: file("kept") });
                }
                log(out, "saved");
            }
            JobEvent::Done(JobOutcome::Loaded(_)) => log(out, "loaded"),
            other => log(out, format!("{other:?}")),
        },
    )
}

#[test]
fn what_was_saved_and_renamed_survives_a_power_loss() {
    let mut bench = Bench::new();
    let node = bench.start(saver(true));
    bench.until_logged(node, "saved");
    bench.world.power_loss(node);
    bench.world.start(node).unwrap();
    bench.until_logged(node, "loaded");
}

#[test]
fn a_file_that_was_not_renamed_survives_a_kill_but_no_power_loss() {
    let mut bench = Bench::new();
    let node = bench.start(saver(false));
    let temporary = bench.world.dir(node).join("temp");
    bench.until_logged(node, "saved");
    bench.world.kill(node);
    bench.world.start(node).unwrap();
    bench.until("second run", |bench| bench.logs.len() == 4);
    assert!(temporary.exists());
    bench.world.power_loss(node);
    bench.until("loss", |_| !temporary.exists());
}

#[test]
fn a_stream_is_loaded_and_copied() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        puppet(|_, input, out, _| match input {
            Input::Started => {
                out.push(Output::StartJob { id: JOB, job: save_to(SaveTarget::Chunks) });
                let job = Job::LoadStream {
                    copy_to: Some(file("copy")),
                    options: LoadOptions::default(),
                };
                out.push(Output::StartJob { id: JobId(2), job });
            }
            Input::Job { event: JobEvent::Chunk(data), .. } => {
                out.push(Output::AckJob { id: JOB, bytes: data.len() });
                out.push(Output::FeedJob { id: JobId(2), data });
            }
            Input::Job { event: JobEvent::Done(JobOutcome::Saved { .. }), .. } => {
                out.push(Output::EndJobInput { id: JobId(2) });
            }
            Input::Job { event: JobEvent::Done(JobOutcome::Loaded(loaded)), .. } => {
                log(out, format!("loaded {}", loaded.bytes));
            }
            Input::Job { event, .. } => log(out, format!("{event:?}")),
            _ => {}
        })
    }));
    bench.until("load", |bench| !bench.logs.is_empty());
    let copied = std::fs::metadata(bench.world.dir(node).join("copy")).unwrap().len();
    assert_eq!(bench.logged(node, "loaded "), copied.to_string());
}

#[test]
fn a_cancelled_job_leaves_no_file_and_says_nothing() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        puppet(|_, input, out, _| match input {
            Input::Started => {
                let job = Job::LoadStream {
                    copy_to: Some(file("copy")),
                    options: LoadOptions::default(),
                };
                out.push(Output::StartJob { id: JOB, job });
            }
            Input::Received { data: b"cancel", .. } => {
                out.push(Output::CancelJob { id: JOB });
                log(out, "cancelled");
            }
            Input::Job { event, .. } => log(out, format!("{event:?}")),
            _ => {}
        })
    }));
    let copy = bench.world.dir(node).join("copy");
    bench.until("file", |_| copy.exists());
    let client = bench.world.connect(node);
    bench.world.send(client, Bytes::from_static(b"cancel"));
    bench.until_logged(node, "cancelled");
    bench.until("no file", |_| !copy.exists());
    assert_eq!(bench.logs.len(), 1);
}

#[test]
fn a_broken_file_is_a_failed_job() {
    let mut bench = Bench::new();
    let node = bench.add(saver(true));
    std::fs::write(bench.world.dir(node).join("kept"), b"JUNK JUNK JUNK").unwrap();
    bench.world.start(node).unwrap();
    bench.until("failure", |bench| bench.logged(node, "Failed(").len() > 1);
}

#[test]
fn chunks_stop_at_the_window_until_they_are_acknowledged() {
    let mut bench = Bench::new();
    let node = bench.add(Arc::new(|_| {
        let mut got = 0;
        puppet(move |_, input, out, _| match input {
            Input::Started => {
                out.push(Output::StartJob { id: JOB, job: Job::ReadFile { name: file("big") } });
            }
            Input::Job { event: JobEvent::Chunk(data), .. } => {
                got += data.len();
                if got >= CHUNK_WINDOW_BYTES {
                    log(out, format!("window {got}"));
                }
            }
            Input::Job { event: JobEvent::Done(JobOutcome::Read { bytes }), .. } => {
                log(out, format!("read {bytes}"));
            }
            Input::Received { .. } => {
                out.push(Output::AckJob { id: JOB, bytes: CHUNK_WINDOW_BYTES });
            }
            _ => {}
        })
    }));
    let content = vec![7; 2 * CHUNK_WINDOW_BYTES];
    std::fs::write(bench.world.dir(node).join("big"), content).unwrap();
    bench.world.start(node).unwrap();
    bench.until_logged(node, &format!("window {CHUNK_WINDOW_BYTES}"));
    let patience = std::time::Duration::from_millis(200);
    assert!(!bench.waits_for(patience, |bench| bench.logs.len() > 1));
    let client = bench.world.connect(node);
    bench.world.send(client, Bytes::from_static(b"go on"));
    bench.until_logged(node, &format!("read {}", 2 * CHUNK_WINDOW_BYTES));
}

#[test]
fn what_is_not_wanted_stays_in_the_network() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        let mut first = None;
        puppet(move |_, input, out, _| match input {
            Input::Accepted { conn, .. } if first.is_none() => {
                first = Some(conn);
                out.push(Output::Read { conn, on: false });
            }
            Input::Received { conn, .. } => match first {
                Some(first) if first != conn => {
                    log(out, "go on");
                    out.push(Output::Read { conn: first, on: true });
                }
                _ => log(out, "heard"),
            },
            _ => {}
        })
    }));
    let (held, other) = (bench.world.connect(node), bench.world.connect(node));
    bench.world.send(held, Bytes::from_static(b"hello"));
    let patience = std::time::Duration::from_millis(200);
    assert!(!bench.waits_for(patience, |bench| !bench.logs.is_empty()));
    bench.world.send(other, Bytes::from_static(b"now"));
    bench.until_logged(node, "heard");
    assert!(bench.has_logged(node, "go on"));
}

#[test]
fn a_job_with_much_to_say_does_not_keep_the_node_from_its_clients() {
    let mut bench = Bench::new();
    let node = bench.add(Arc::new(|_| {
        puppet(move |_, input, out, _| match input {
            Input::Started => {
                out.push(Output::StartJob { id: JOB, job: Job::ReadFile { name: file("big") } });
                log(out, "started");
            }
            Input::Job { event: JobEvent::Chunk(data), .. } => {
                std::thread::sleep(std::time::Duration::from_millis(1));
                out.push(Output::AckJob { id: JOB, bytes: data.len() });
            }
            Input::Job { .. } => log(out, "read"),
            Input::Received { .. } => log(out, "heard"),
            _ => {}
        })
    }));
    let big = std::fs::File::create(bench.world.dir(node).join("big")).unwrap();
    big.set_len(128 << 20).unwrap();
    bench.world.start(node).unwrap();
    bench.until_logged(node, "started");
    let client = bench.world.connect(node);
    bench.world.send(client, Bytes::from_static(b"hello"));
    bench.until_logged(node, "heard");
    assert!(!bench.has_logged(node, "read"));
}

#[test]
fn a_file_is_read_as_it_was_when_that_was_asked_for() {
    let mut bench = Bench::new();
    let node = bench.add(worker(
        |out| {
            out.push(Output::StartJob { id: JOB, job: Job::ReadFile { name: file("f") } });
            out.push(Output::WriteFile { name: file("f"), data: Bytes::from_static(b"newer") });
        },
        |event, out| {
            if let JobEvent::Done(outcome) = event {
                log(out, format!("{outcome:?}"));
            }
        },
    ));
    std::fs::write(bench.world.dir(node).join("f"), b"old").unwrap();
    bench.world.start(node).unwrap();
    bench.until_logged(node, "Read { bytes: 3 }");
}

#[test]
fn a_file_that_cannot_take_its_place_leaves_nothing() {
    let mut bench = Bench::new();
    let node = bench.add(worker(
        |out| {
            out.push(Output::WriteFile { name: file("taken"), data: Bytes::new() });
            log(out, "tried");
        },
        |_, _| {},
    ));
    let dir = bench.world.dir(node);
    std::fs::create_dir(dir.join("taken")).unwrap();
    bench.world.start(node).unwrap();
    bench.until_logged(node, "tried");
    assert!(!dir.join("taken.tmp").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_a_fact() {
    let mut bench = Bench::new();
    let node = bench.start(worker(
        |out| {
            let (name, data) = (file("no/such/directory"), Bytes::new());
            out.push(Output::WriteFile { name, data });
            out.push(Output::Remove { name: file("nothing") });
        },
        |_, _| {},
    ));
    let until = bench.world.now().mono + 20_000;
    let event = bench.world.poll(until);
    let Some(crate::world::WorldEvent::Fact { node: from, fact }) = event else {
        panic!("{event:?}")
    };
    assert_eq!((from, fact.name()), (node, "file-failed"));
}
