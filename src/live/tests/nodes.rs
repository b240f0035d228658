//! Life and death of nodes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Bench, echo, log, puppet};
use crate::live::{Host, Serve, UnixSocket};
use crate::machine::{Closing, Input, Output, Signal};
use crate::world::{Exit, NodeSpec, World, WorldError, WorldEvent};

#[test]
fn a_kill_closes_what_clients_have_open_and_refuses_more() {
    let mut bench = Bench::new();
    let node = bench.start(echo());
    let client = bench.echoes(node, "hello");
    bench.world.kill(node);
    let late = bench.world.connect(node);
    bench.until("both closed", |bench| bench.closed.len() == 2);
    assert!(bench.closed.contains(&client) && bench.closed.contains(&late));
    assert!(bench.world.view(node).is_some(), "the last picture shows what it had");
    assert_eq!(bench.exits, [], "a killed node did not end by itself");
}

#[test]
fn a_restart_gets_the_same_port_at_once_and_every_time() {
    let mut bench = Bench::new();
    let node = bench.start(echo());
    let port = bench.world.port(node);
    for _ in 0..20 {
        bench.echoes(node, "again");
        bench.world.kill(node);
        bench.world.start(node).unwrap();
    }
    bench.echoes(node, "still");
    assert_eq!(bench.world.port(node), port);
}

#[test]
fn a_node_that_stalls_is_killed_and_restarted_at_once() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        puppet(|_, input, out, _| {
            if let Input::Received { conn, data } = input {
                out.send(conn, data.to_vec());
                if data == b"stall" {
                    out.push(Output::Stall { ms: 3_600_000 });
                }
            }
        })
    }));
    let client = bench.echoes(node, "works");
    bench.world.send(client, Bytes::from_static(b"stall"));
    let other = bench.world.connect(node);
    bench.world.send(other, Bytes::from_static(b"anybody?"));
    let answered =
        bench.waits_for(Duration::from_millis(300), |bench| bench.heard(other) == b"anybody?");
    // The stall may have come second; then its sender has at least not got an answer.
    assert!(!answered || bench.heard(client) == b"works");
    bench.world.kill(node);
    bench.world.start(node).unwrap();
    bench.echoes(node, "works again");
}

#[test]
fn a_paused_node_keeps_its_sockets_and_answers_when_it_is_resumed() {
    let mut bench = Bench::new();
    let node = bench.start(echo());
    let before = bench.echoes(node, "one");
    bench.world.pause(node);
    bench.world.send(before, Bytes::from_static(b"two"));
    let during = bench.world.connect(node);
    bench.world.send(during, Bytes::from_static(b"three"));
    let answered =
        bench.waits_for(Duration::from_millis(300), |bench| bench.heard(during) == b"three");
    assert!(!answered);
    assert_eq!(bench.heard(before), b"one");
    assert!(bench.world.view(node).is_some());
    bench.world.resume(node);
    bench.until("answers", |bench| {
        bench.heard(before) == b"onetwo" && bench.heard(during) == b"three"
    });
    assert_eq!(bench.closed, []);
}

#[test]
fn a_panic_is_an_event_and_the_others_live_on() {
    let mut bench = Bench::new();
    let well = bench.start(echo());
    let ill = bench.start(Arc::new(|_| {
        puppet(|_, input, _, _| assert!(!matches!(input, Input::Received { .. }), "out of cheese"))
    }));
    let client = bench.world.connect(ill);
    bench.world.send(client, Bytes::from_static(b"?"));
    bench.until("crash", |bench| !bench.exits.is_empty());
    let Exit::Crashed(message) = &bench.exits[0].1 else { panic!("{:?}", bench.exits) };
    assert!(message.starts_with("out of cheese (src/live/tests/nodes.rs:"), "{message}");
    bench.until("close", |bench| bench.closed == [client]);
    bench.echoes(well, "hello");
    bench.world.start(ill).unwrap();
    let again = bench.world.connect(ill);
    bench.until("view", |bench| bench.world.view(ill).is_some());
    let closed = |bench: &mut Bench| bench.closed.contains(&again);
    assert!(!bench.waits_for(Duration::from_millis(100), closed));
}

#[test]
fn a_stop_is_told_and_the_last_words_arrive_before_the_end() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        let mut client = None;
        puppet(move |_, input, out, _| match input {
            Input::Received { conn, data } => {
                client = Some(conn);
                out.send(conn, data.to_vec());
            }
            Input::Stop(_) => {
                out.send(client.unwrap(), vec![b'x'; 4 << 20]);
                out.push(Output::Exit { code: 3 });
                log(out, "not said any more");
            }
            _ => {}
        })
    }));
    let client = bench.echoes(node, "hello");
    bench.world.stop(node);
    bench.until("end", |bench| bench.exits == [(node, Exit::Code(3))]);
    bench.until("close", |bench| bench.closed == [client]);
    assert_eq!(bench.heard(client).len(), "hello".len() + (4 << 20));
    assert_eq!(bench.logs, []);
    assert!(bench.world.view(node).is_some(), "the last picture shows what it had");
}

#[test]
fn a_port_in_use_is_refused_with_its_number() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut bench = Bench::new();
    let spec = NodeSpec { name: "alpha".to_owned(), port, dir: None, build: echo() };
    let error = bench.world.add(spec).unwrap_err();
    assert!(matches!(error, WorldError::PortInUse { port: named, .. } if named == port));
}

#[test]
fn dropping_the_world_frees_ports_directories_and_threads() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(move |_| {
        let held = Arc::clone(&held);
        puppet(move |_, input, out, _| {
            let _ = &held;
            if matches!(input, Input::Started) {
                out.push(Output::WriteFile { name: "a".to_owned(), data: Bytes::new() });
                log(out, "written");
            }
        })
    }));
    let paused = bench.start(echo());
    bench.world.pause(paused);
    bench.until_logged(node, "written");
    let (port, dir) = (bench.world.port(node), bench.world.dir(node));
    assert!(dir.join("a").exists());
    drop(bench);
    assert!(!dir.exists());
    assert_eq!(Arc::strong_count(&alive), 1, "a thread still holds its machine");
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[test]
fn who_sends_and_shuts_down_gets_his_replies() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        let mut kept = Vec::new();
        puppet(move |_, input, out, _| match input {
            Input::Received { conn, data } => kept.push((conn, data.to_vec())),
            Input::Turn => kept.drain(..).for_each(|(conn, data)| out.send(conn, data)),
            _ => {}
        })
    }));
    for _ in 0..50 {
        let mut stream = TcpStream::connect(("127.0.0.1", bench.world.port(node))).unwrap();
        stream.write_all(b"PING").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "PING");
    }
}

#[test]
fn a_flushing_close_sends_what_is_queued_and_a_plain_one_drops_it() {
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        puppet(|_, input, out, _| {
            if let Input::Received { conn, data } = input {
                out.send(conn, vec![b'x'; 8 << 20]);
                let how = if data == b"flush" { Closing::Flush } else { Closing::Now };
                out.push(Output::Close { conn, how });
                out.send(conn, b"too late".to_vec());
            }
        })
    }));
    let flushed = bench.world.connect(node);
    bench.world.send(flushed, Bytes::from_static(b"flush"));
    let dropped = bench.world.connect(node);
    bench.world.send(dropped, Bytes::from_static(b"now"));
    bench.until("closes", |bench| bench.closed.len() == 2);
    assert_eq!(bench.heard(flushed).len(), 8 << 20);
    assert_eq!(bench.heard(dropped), b"");
}

#[test]
fn unsent_is_told_only_of_bytes_that_did_not_leave_in_their_turn() {
    let mut bench = Bench::new();
    let unsent = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&unsent);
    let node = bench.start(Arc::new(move |_| {
        let told = Arc::clone(&told);
        puppet(move |_, input, out, _| match input {
            Input::Received { conn, data: b"big" } => out.send(conn, vec![b'x'; 32 << 20]),
            Input::Received { conn, .. } => out.send(conn, b"small".to_vec()),
            Input::Unsent { bytes, .. } => told.lock().unwrap().push(bytes),
            _ => {}
        })
    }));
    let mut slow = TcpStream::connect(("127.0.0.1", bench.world.port(node))).unwrap();
    let mut small = [0; 5];
    slow.write_all(b"?").unwrap();
    slow.read_exact(&mut small).unwrap();
    assert!(unsent.lock().unwrap().is_empty());
    slow.write_all(b"big").unwrap();
    bench.until("unsent", |_| !unsent.lock().unwrap().is_empty());
    slow.read_exact(&mut vec![0; 32 << 20]).unwrap();
    bench.until("all sent", |_| unsent.lock().unwrap().last() == Some(&0));
    let unsent = unsent.lock().unwrap();
    assert!(unsent[0] > 0 && unsent.is_sorted_by(|a, b| a > b), "{unsent:?}");
}

#[test]
fn the_deadline_is_kept_without_waking_in_between() {
    let mut bench = Bench::new();
    let inputs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&inputs);
    let node = bench.start(Arc::new(move |_| {
        let counted = Arc::clone(&counted);
        let mut due = 0;
        puppet(move |now, input, out, deadline| {
            counted.fetch_add(1, Ordering::Relaxed);
            match input {
                Input::Started => due = now.mono + 200,
                Input::Tick => {
                    assert!(now.mono >= due);
                    log(out, if now.mono < due + 100 { "on time" } else { "late" });
                    due = u64::MAX;
                }
                _ => {}
            }
            *deadline = (due < u64::MAX).then_some(due);
        })
    }));
    bench.until("tick", |bench| !bench.logs.is_empty());
    assert!(bench.has_logged(node, "on time") || bench.has_logged(node, "late"));
    assert!(!bench.waits_for(Duration::from_millis(200), |bench| bench.logs.len() > 1));
    assert_eq!(inputs.load(Ordering::Relaxed), 4, "Started, Turn, Tick, Turn");
}

#[test]
fn a_view_is_never_stale_for_long() {
    let mut bench = Bench::new();
    let node = bench.start(echo());
    let client = bench.echoes(node, "a");
    let inputs = |bench: &Bench| {
        let view = bench.world.view(node)?;
        Some(view.server()?.commands_total)
    };
    // Started, Turn, Accepted, Received and a Turn after each of the last two, unless they met.
    bench.until("first picture", |bench| inputs(bench).is_some_and(|count| count >= 5));
    let before = inputs(&bench).unwrap();
    bench.world.send(client, Bytes::from_static(b"b"));
    bench.until("next picture", |bench| inputs(bench) == Some(before + 2));
}

#[test]
fn a_nudge_ends_a_poll() {
    let mut bench = Bench::new();
    let nudge = bench.world.nudge();
    let began = Instant::now();
    let nudger = thread::spawn(move || nudge.nudge());
    let event = bench.world.poll(60_000);
    assert!(matches!(event, Some(WorldEvent::Nudge)), "{event:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    nudger.join().unwrap();
    let soon = bench.world.now().mono + 10;
    assert!(bench.world.poll(soon).is_none());
    assert!(bench.world.now().mono >= soon);
}

#[test]
fn a_node_alone_logs_serves_a_unix_socket_and_returns_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let serve = Serve {
        name: "alone".to_owned(),
        hosts: vec![Host::LOCAL],
        port: 0,
        unix: Some(UnixSocket { path: path.clone(), mode: Some(0o700) }),
        dir: dir.path().to_owned(),
        seed: 1,
        build: Arc::new(|_| {
            puppet(|_, input, out, _| match input {
                Input::Started => log(out, "started"),
                Input::Accepted { peer, .. } => log(out, peer.to_string()),
                Input::Received { conn, .. } => {
                    out.send(conn, b"bye".to_vec());
                    out.push(Output::Exit { code: 5 });
                }
                _ => {}
            })
        }),
    };
    let its_path = path.clone();
    let mut client = None;
    let mut lines = Vec::new();
    let (post, events) = mpsc::channel();
    let code = serve.run(post, &events, &mpsc::channel().1, |_, text| {
        lines.push(text.to_owned());
        client.get_or_insert_with(|| {
            let path = its_path.clone();
            thread::spawn(move || {
                let mode = std::fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o700);
                let mut stream = UnixStream::connect(path).unwrap();
                stream.write_all(b"?").unwrap();
                let mut reply = String::new();
                stream.read_to_string(&mut reply).unwrap();
                reply
            })
        });
    });
    assert_eq!(code.unwrap(), 5);
    assert_eq!(client.unwrap().join().unwrap(), "bye");
    assert_eq!(lines, ["started".to_owned(), format!("{}:0", path.display())]);
    assert!(!path.exists());
}

#[test]
fn the_first_signal_asks_a_node_alone_to_stop_and_a_second_interrupt_ends_it() {
    let serve = Serve {
        name: "alone".to_owned(),
        hosts: vec![Host::LOCAL],
        port: 0,
        unix: None,
        dir: std::env::temp_dir(),
        seed: 1,
        build: Arc::new(|_| {
            puppet(|_, input, out, _| match input {
                Input::Started => log(out, "started"),
                Input::Stop(_) => {
                    log(out, "not yet");
                    out.push(Output::Stall { ms: 1_000 });
                }
                _ => {}
            })
        }),
    };
    let (post, events) = mpsc::channel();
    let nudge = post.clone();
    let (signal, signals) = mpsc::channel();
    let mut lines = Vec::new();
    let code = serve.run(post, &events, &signals, |_, text| {
        lines.push(text.to_owned());
        let second = if lines.len() == 2 { Signal::Terminate } else { Signal::Interrupt };
        signal.send(second).unwrap();
        nudge.send((0, WorldEvent::Nudge)).unwrap();
    });
    assert_eq!(code.unwrap(), 1);
    assert_eq!(lines, ["started", "not yet", "not yet", "You insist... exiting now."]);
}

#[test]
fn a_node_lends_its_data_as_often_as_it_is_asked_also_while_it_is_paused() {
    let mut bench = Bench::new();
    let node = bench.add(echo());
    bench.world.start(node).unwrap();
    let lent = |bench: &mut Bench| {
        let mut asked = 2;
        (0..asked).for_each(|_| bench.world.ask_data(node));
        let until = bench.world.now().mono + 20_000;
        while let Some(event) = bench.world.poll(until) {
            if matches!(event, WorldEvent::Data { node: of, data: None } if of == node) {
                asked -= 1;
                if asked == 0 {
                    return true;
                }
            }
        }
        false
    };
    assert!(lent(&mut bench));
    bench.world.pause(node);
    assert!(lent(&mut bench), "a frozen node can be looked at");
    assert!(lent(&mut bench), "again and again");
    bench.world.resume(node);
    assert!(lent(&mut bench));
}

#[test]
fn who_reads_nothing_is_not_waited_for_with_any_number_of_bytes() {
    const MEGABYTES: usize = 300;
    let mut bench = Bench::new();
    let node = bench.start(Arc::new(|_| {
        puppet(|_, input, out, _| {
            if let Input::Received { conn, data } = input {
                if data == b"much" {
                    let piece = Bytes::from(vec![0; 1 << 20]);
                    (0..MEGABYTES).for_each(|_| out.send(conn, piece.clone()));
                    out.push(Output::Close { conn, how: Closing::Flush });
                } else {
                    out.send(conn, data.to_vec());
                }
            }
        })
    }));
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, bench.world.port(node))).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"much").unwrap();
    // Until the first of it is here the request was not read.
    client.read_exact(&mut [0]).unwrap();
    bench.echoes(node, "and others");
    let (mut got, mut piece) = (1, vec![0; 1 << 20]);
    while let Ok(read @ 1..) = client.read(&mut piece) {
        got += read;
    }
    assert!(got < MEGABYTES << 20);
}
