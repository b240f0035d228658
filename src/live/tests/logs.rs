//! Logs: what is appended, and what a loss of power leaves of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Bench, log, puppet};
use crate::machine::{Durable, FileStep, Input, Job, JobEvent, JobId, JobOutcome, Output};
use crate::world::{Exit, Factory, NodeId, NodeSpec, World};

/// A node that is told by a client, a letter each, what to do with its log.
fn logger() -> Factory {
    Arc::new(|_| {
        puppet(|_, input, out, _| match input {
            Input::Received { data, .. } => {
                for byte in data {
                    let append = |data: &'static [u8], sync| Output::AppendLog {
                        name: "dir/log".to_owned(),
                        data: Bytes::from_static(data),
                        sync,
                    };
                    match byte {
                        b'm' => out.push(Output::Arrange(vec![FileStep::Write {
                            name: "dir/log".to_owned(),
                            data: Bytes::new(),
                        }])),
                        b'a' => out.push(append(b"a", Durable::No)),
                        b'A' => out.push(append(b"A", Durable::OrStop)),
                        b's' => {
                            let job = Job::SyncLog { name: "dir/log".to_owned() };
                            out.push(Output::StartJob { id: JobId(1), job });
                        }
                        b't' => out.push(Output::Arrange(vec![FileStep::Truncate {
                            name: "dir/log".to_owned(),
                            len: 1,
                        }])),
                        b'r' => out.push(Output::Arrange(vec![
                            FileStep::Rename { from: "no".to_owned(), to: "yes".to_owned() },
                            FileStep::Write { name: "after".to_owned(), data: Bytes::new() },
                        ])),
                        b'x' => out.push(Output::Exit { code: 7 }),
                        _ => {}
                    }
                }
                log(out, format!("did {}", String::from_utf8_lossy(data)));
            }
            Input::LogFailed { reason, unwritten, .. } => {
                log(out, format!("failed {reason}, {} bytes", unwritten.len()));
            }
            Input::Arranged(result) => log(out, format!("arranged {result:?}")),
            Input::Job { event: JobEvent::Done(JobOutcome::Synced), .. } => log(out, "synced"),
            _ => {}
        })
    })
}

fn start(bench: &mut Bench, dir: &Path) -> NodeId {
    let (name, dir) = ("logger".to_owned(), Some(dir.to_owned()));
    let node = bench.world.add(NodeSpec { name, port: 0, dir, build: logger() }).unwrap();
    bench.world.start(node).unwrap();
    node
}

fn tell(bench: &mut Bench, node: NodeId, orders: &'static str) {
    let client = bench.world.connect(node);
    bench.world.send(client, Bytes::from_static(orders.as_bytes()));
}

#[test]
fn a_power_loss_cuts_a_log_to_what_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let node = start(&mut bench, dir.path());
    tell(&mut bench, node, "maAaas");
    bench.until_logged(node, "synced");
    tell(&mut bench, node, "aa");
    bench.until_logged(node, "did aa");
    let read = || std::fs::read_to_string(dir.path().join("dir/log")).unwrap();
    assert_eq!(read(), "aAaaaa");
    bench.world.power_loss(node);
    bench.until("the cut", |_| read() == "aAaa");
}

#[test]
fn a_kill_leaves_a_log_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let node = start(&mut bench, dir.path());
    tell(&mut bench, node, "maAaa");
    bench.until_logged(node, "did maAaa");
    bench.world.kill(node);
    assert_eq!(std::fs::read_to_string(dir.path().join("dir/log")).unwrap(), "aAaa");
}

#[test]
fn a_full_disk_is_told_and_nothing_follows_a_failed_sync() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("dir/log")).unwrap();
    let mut bench = Bench::new();
    let node = start(&mut bench, dir.path());
    tell(&mut bench, node, "a");
    bench.until_logged(node, "failed No space left on device, 1 bytes");
    tell(&mut bench, node, "Ax");
    bench.until("the second", |bench| {
        bench.logs.iter().filter(|(_, text)| text.starts_with("failed")).count() == 2
    });
    assert!(!bench.has_logged(node, "did Ax"));
    let ended = bench.waits_for(Duration::from_millis(50), |bench| !bench.exits.is_empty());
    assert!(!ended, "{:?}", bench.exits);
}

#[test]
fn files_are_put_in_order_up_to_the_first_step_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let node = start(&mut bench, dir.path());
    tell(&mut bench, node, "maaat");
    bench.until("both", |bench| {
        bench.logs.iter().filter(|(_, text)| text == "arranged Ok(())").count() == 2
    });
    assert_eq!(std::fs::read_to_string(dir.path().join("dir/log")).unwrap(), "a");
    tell(&mut bench, node, "r");
    bench.until_logged(node, "arranged Err(\"yes: No such file or directory\")");
    assert!(!dir.path().join("after").exists());
    tell(&mut bench, node, "ax");
    bench.until("the end", |bench| bench.exits == [(node, Exit::Code(7))]);
    assert_eq!(std::fs::read_to_string(dir.path().join("dir/log")).unwrap(), "aa");
}
