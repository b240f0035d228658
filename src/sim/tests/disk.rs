//! Jobs and files.

use bytes::Bytes;

use super::{Diary, React, Tiny, node, pass, say};
use crate::keyspace::Snapshot;
use crate::machine::{
    CHUNK_WINDOW_BYTES, Input, Job, JobEvent, JobId, LoadOptions, Now, Outbox, Output,
    ReplicationMeta, SaveForm, SaveTarget,
};
use crate::sim::SimWorld;
use crate::world::World;

/// Saves at its start to a temporary file, renames it into place and loads it.
fn save(_: &mut Tiny, _: Now, input: Input<'_>, out: &mut Outbox) {
    match input {
        Input::Started => {
            let target = SaveTarget::File("temp.rdb".to_owned());
            let (snapshot, meta) = (Snapshot::default(), ReplicationMeta::default());
            let job = Job::Save {
                snapshot,
                form: SaveForm::Rdb { compress: true },
                meta,
                target,
                key_delay_us: 0,
            };
            out.push(Output::StartJob { id: JobId(1), job });
        }
        Input::Job { id: JobId(1), event: JobEvent::Done(_) } => {
            out.push(Output::Rename { from: "temp.rdb".to_owned(), to: "dump.rdb".to_owned() });
            let name = "dump.rdb".to_owned();
            let job = Job::LoadFile { name, options: LoadOptions::default() };
            out.push(Output::StartJob { id: JobId(2), job });
        }
        _ => {}
    }
}

#[test]
fn a_saved_file_is_put_in_place_by_the_node_and_loads_after_a_power_loss() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, save);
    pass(&mut world, 1000);
    assert_eq!(diary.texts().iter().filter(|text| *text == "loaded 0").count(), 1);
    let saved = world.file(node, "dump.rdb").unwrap().to_vec();
    assert!(saved.starts_with(b"REDIS"));
    assert_eq!(world.file(node, "temp.rdb"), None);
    world.power_loss(node);
    assert_eq!(world.file(node, "dump.rdb"), Some(&saved[..]));
}

#[test]
fn a_power_loss_in_the_middle_of_a_stream_leaves_nothing_and_a_kill_leaves_the_temporary_file() {
    for power_loss in [true, false] {
        let mut world = SimWorld::new(1);
        let (node, _) = node(&mut world, 0, |_, _, input, out| {
            if let Input::Started = input {
                let job = Job::LoadStream {
                    copy_to: Some("temp".to_owned()),
                    options: LoadOptions::default(),
                };
                out.push(Output::StartJob { id: JobId(1), job });
                out.push(Output::FeedJob { id: JobId(1), data: Bytes::from_static(b"REDIS") });
            }
        });
        pass(&mut world, 100);
        assert_eq!(world.file(node, "temp"), Some(&b"REDIS"[..]));
        if power_loss {
            world.power_loss(node);
        } else {
            world.kill(node);
        }
        assert_eq!(world.file(node, "temp").is_some(), !power_loss);
    }
}

#[test]
fn a_refused_or_cancelled_stream_removes_its_temporary_file() {
    for bad in [true, false] {
        let mut world = SimWorld::new(1);
        let react: React = if bad {
            |_, _, input, out| {
                feed(input, out, b"this is no RDB", |out| {
                    out.push(Output::EndJobInput { id: JobId(1) });
                });
            }
        } else {
            |_, _, input, out| {
                feed(input, out, b"REDIS", |out| {
                    out.push(Output::CancelJob { id: JobId(1) });
                });
            }
        };
        let (node, diary) = node(&mut world, 0, react);
        pass(&mut world, 100);
        assert_eq!(world.file(node, "temp"), None);
        assert_eq!(diary.when("failed").is_some(), bad);
    }
}

#[test]
fn nothing_is_heard_of_a_cancelled_job_even_if_it_was_over() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, |tiny, now, input, out| {
        if let Input::Started = input {
            save(tiny, now, input, out);
            out.push(Output::Stall { ms: 1000 });
            out.push(Output::CancelJob { id: JobId(1) });
        }
    });
    pass(&mut world, 500);
    assert!(world.file(node, "temp.rdb").is_some_and(|data| !data.is_empty()));
    pass(&mut world, 1000);
    assert_eq!(diary.texts(), ["started", "turn"]);
    assert_eq!(world.file(node, "temp.rdb"), None);
}

fn feed(input: Input<'_>, out: &mut Outbox, data: &'static [u8], then: fn(&mut Outbox)) {
    if let Input::Started = input {
        let job =
            Job::LoadStream { copy_to: Some("temp".to_owned()), options: LoadOptions::default() };
        out.push(Output::StartJob { id: JobId(1), job });
        out.push(Output::FeedJob { id: JobId(1), data: Bytes::from_static(data) });
        then(out);
    }
}

#[test]
fn a_job_that_makes_chunks_waits_until_they_are_used_up() {
    let mut world = SimWorld::new(1);
    let (node, diary) = node(&mut world, 0, |_, _, input, out| match input {
        Input::Started => {
            let data = Bytes::from(vec![b'x'; 3 * CHUNK_WINDOW_BYTES]);
            out.push(Output::WriteFile { name: "big".to_owned(), data });
            let job = Job::ReadFile { name: "big".to_owned() };
            out.push(Output::StartJob { id: JobId(1), job });
        }
        Input::Received { .. } => {
            out.push(Output::AckJob { id: JobId(1), bytes: CHUNK_WINDOW_BYTES });
        }
        _ => {}
    });
    let read = |diary: &Diary| -> usize {
        diary.texts().iter().filter_map(|l| l.strip_prefix("chunk ")?.parse::<usize>().ok()).sum()
    };
    let client = world.connect(node);
    pass(&mut world, 1000);
    assert_eq!(read(&diary), CHUNK_WINDOW_BYTES);
    for _ in 0..3 {
        say(&mut world, client, "m");
        pass(&mut world, 1000);
    }
    assert_eq!(read(&diary), 3 * CHUNK_WINDOW_BYTES);
    assert!(diary.when("done").is_some());
}
