//! Scripts beside other clients.

use crate::server::testing::Bench;

/// What EVAL answers.
fn eval(bench: &mut Bench, script: &str) -> String {
    let conn = bench.connect();
    let data = bench.send(conn, &crate::resp::command(&["EVAL", script, "1", "k", "a"]));
    String::from_utf8_lossy(&data).trim_end().replace("\r\n", " ")
}

#[test]
fn a_script_acts_on_the_data_and_its_effects_are_one_block() {
    let mut bench = Bench::new(&[]);
    bench.streamed(0);
    let from = bench.server.replication.offset() + 1;
    let script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SELECT', 1) \
                  redis.call('INCR', 'n') return redis.call('GET', 'n')";
    assert_eq!(eval(&mut bench, script), "$1 1");
    let streamed = String::from_utf8_lossy(&bench.streamed(from)).replace("\r\n", " ");
    assert_eq!(
        streamed,
        "*2 $6 SELECT $1 0 *1 $5 MULTI *3 $3 SET $1 k $1 a *2 $6 SELECT $1 1 *2 $4 INCR $1 n *1 $4 EXEC "
    );
    let conn = bench.connect();
    assert_eq!(bench.ask(conn, "GET k"), "\"a\"");
}

#[test]
fn errors_are_redis_s_own() {
    let mut bench = Bench::new(&[]);
    for (script, error) in [
        ("return redis.pcall('nosuch')", "-ERR Unknown Redis command called from script"),
        (
            "return redis.pcall('get')",
            "-ERR Wrong number of args calling Redis command from script",
        ),
        ("return redis.pcall('multi')", "-ERR This Redis command is not allowed from script"),
    ] {
        assert_eq!(eval(&mut bench, script), error);
    }
    let conn = bench.connect();
    let ask = |bench: &mut Bench, line: &str| bench.ask(conn, line);
    let noscript = "(error) NOSCRIPT No matching script. Please use EVAL.";
    assert_eq!(ask(&mut bench, "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0"), noscript);
    assert_eq!(ask(&mut bench, "EVAL x -1"), "(error) ERR Number of keys can't be negative");
    assert_eq!(
        ask(&mut bench, "EVAL x 1"),
        "(error) ERR Number of keys can't be greater than number of args"
    );
    let notbusy = "(error) NOTBUSY No scripts in execution right now.";
    assert_eq!(ask(&mut bench, "SCRIPT KILL"), notbusy);
}

#[test]
fn a_read_only_script_does_not_write() {
    let mut bench = Bench::new(&[]);
    let conn = bench.connect();
    let refused = "Write commands are not allowed from read-only scripts.";
    let words = ["EVAL_RO", "return redis.call('set','k','v')", "0"];
    let data = bench.send(conn, &crate::resp::command(&words));
    assert!(String::from_utf8_lossy(&data).starts_with(&format!("-ERR {refused}")), "{data:?}");
}

#[test]
fn others_wait_for_a_script_are_told_busy_and_may_kill_it() {
    let mut bench = Bench::new(&[("busy-reply-threshold", "50")]);
    let (slow, other) = (bench.connect(), bench.connect());
    let endless = crate::resp::command(&["EVAL", "while true do end", "0"]);
    assert_eq!(bench.send(slow, &endless), "");
    assert_eq!(bench.send(other, b"PING\r\n"), "");
    bench.advance(49);
    assert_eq!(bench.received(other), "");
    bench.advance(10);
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
                NOSAVE.\r\n";
    assert_eq!(bench.received(other), busy);
    assert_eq!(bench.ask(other, "SCRIPT KILL"), "OK");
    bench.advance(1);
    let killed = String::from_utf8_lossy(&bench.received(slow)).into_owned();
    assert!(
        killed.starts_with("-ERR Script killed by user with SCRIPT KILL... script: "),
        "{killed}"
    );
    assert_eq!(bench.ask(other, "PING"), "PONG");
    assert_eq!(bench.ask(slow, "PING"), "PONG");
}

#[test]
fn a_script_that_has_written_is_not_killed() {
    let mut bench = Bench::new(&[("busy-reply-threshold", "0")]);
    let (slow, other) = (bench.connect(), bench.connect());
    let script = "redis.call('SET', 'k', 1) for i = 1, 3e6 do end return 'done'";
    assert_eq!(bench.send(slow, &crate::resp::command(&["EVAL", script, "0"])), "");
    bench.advance(1);
    assert!(bench.ask(other, "SCRIPT KILL").starts_with("(error) UNKILLABLE"));
    while bench.server.scripting.is_running() {
        bench.advance(1);
    }
    assert_eq!(bench.received(slow), "$4\r\ndone\r\n");
}

#[test]
fn a_script_ends_with_its_client() {
    let mut bench = Bench::new(&[]);
    let (slow, other) = (bench.connect(), bench.connect());
    bench.send(slow, &crate::resp::command(&["EVAL", "while true do end", "0"]));
    bench.step(crate::machine::Input::Closed { conn: slow, reason: "reset".to_owned() });
    assert_eq!(bench.ask(other, "PING"), "PONG");
}

#[test]
fn who_wants_no_replies_gets_none_from_a_slow_script_either() {
    let mut bench = Bench::new(&[]);
    let slow = bench.connect();
    bench.send(slow, b"CLIENT REPLY OFF\r\n");
    let script = "for i = 1, 3e6 do end error('no')";
    bench.send(slow, &crate::resp::command(&["EVAL", script, "0"]));
    assert!(bench.server.scripting.is_running());
    while bench.server.scripting.is_running() {
        bench.advance(1);
    }
    assert_eq!(bench.received(slow), "");
}

/// Sends a script that writes `half`, computes for more than a turn, and writes `whole`.
fn begin_to_write(bench: &mut Bench) -> crate::machine::ConnId {
    let slow = bench.connect();
    let script = "redis.call('SET', 'half', 1) for i = 1, 3e6 do end \
                  redis.call('SET', 'whole', 1) return 'done'";
    bench.send(slow, &crate::resp::command(&["EVAL", script, "0"]));
    assert!(bench.server.scripting.is_running());
    slow
}

fn until_it_ends(bench: &mut Bench) {
    while bench.server.scripting.is_running() {
        bench.advance(1);
    }
}

#[test]
fn no_snapshot_holds_half_a_script() {
    use crate::machine::{Input, Job, JobEvent, JobId, JobOutcome, Output, Signal};
    let saves = |bench: &Bench| {
        let saves = bench.outputs.iter().filter_map(|output| match output {
            Output::StartJob { job: Job::Save { snapshot, .. }, .. } => Some(snapshot.keys()),
            _ => None,
        });
        saves.collect::<Vec<_>>()
    };
    let mut bench = Bench::new(&[("save", "1 1")]);
    let (replica, other) = (bench.connect(), bench.connect());
    bench.ask(replica, "REPLCONF capa eof");
    bench.send(replica, b"PSYNC ? -1\r\n");
    bench.send(other, b"SET a 1\r\n");
    bench.send(other, b"BGREWRITEAOF\r\n");
    begin_to_write(&mut bench);
    bench.now.mono += 10_000;
    bench.now.wall_us += 10_000_000;
    bench.step(Input::Job { id: JobId(2), event: JobEvent::Done(JobOutcome::NoFile) });
    bench.step(Input::Tick);
    bench.step(Input::Stop(Signal::Terminate));
    assert!(bench.server.scripting.is_running());
    assert!(saves(&bench).is_empty());
    until_it_ends(&mut bench);
    bench.advance(200);
    assert_eq!(saves(&bench).first(), Some(&3));
}

#[test]
fn no_key_expires_between_two_commands_of_a_script() {
    let mut bench = Bench::new(&[]);
    let other = bench.connect();
    bench.ask(other, "SET gone 1 PX 1");
    begin_to_write(&mut bench);
    bench.now.mono += 1000;
    bench.now.wall_us += 1_000_000;
    bench.step(crate::machine::Input::Tick);
    assert!(bench.server.scripting.is_running());
    assert!(bench.server.keyspace.db(0).contains(b"gone"));
}

#[test]
fn what_has_written_goes_on_without_its_client() {
    let mut bench = Bench::new(&[]);
    let other = bench.connect();
    let slow = begin_to_write(&mut bench);
    bench.step(crate::machine::Input::Closed { conn: slow, reason: "reset".to_owned() });
    assert!(bench.server.scripting.is_running());
    until_it_ends(&mut bench);
    assert_eq!(bench.received(slow), "");
    assert_eq!(bench.ask(other, "GET whole"), "\"1\"");
    assert_eq!(bench.server.clients.len(), 1);
}
