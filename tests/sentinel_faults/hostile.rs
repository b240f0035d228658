//! Hostile input: whatever somebody says, a Sentinel lives, keeps its primary and its epoch, and
//! tells that it was told nonsense.

use proptest::prelude::*;
use replab::machine::{
    ConnId, Endpoint, Fact, Input, JobEvent, JobOutcome, Machine, Millis, Now, Outbox, Output,
    SentinelView,
};
use replab::resp::command;
use replab::sentinel::{Config, Sentinel};

const ID: &str = "fbdd0123456789012345678901234567890123f6";
const CALLER: ConnId = ConnId::accepted(1);

/// One Sentinel alone: its world is the test.
struct Bench {
    sentinel: Sentinel,
    now: Millis,
    sent: Vec<(ConnId, Vec<u8>)>,
    dialled: Vec<(ConnId, Endpoint)>,
    facts: Vec<(&'static str, String)>,
}

impl Bench {
    fn new() -> Self {
        let text = "sentinel monitor mm 127.0.0.1 6379 2\n";
        let config = Config::parse(text).expect("a good file");
        let mut bench = Self {
            sentinel: Sentinel::new(config, 26379, 1),
            now: 1000,
            sent: Vec::new(),
            dialled: Vec::new(),
            facts: Vec::new(),
        };
        let outputs = bench.step(Input::Started);
        let job = outputs.iter().find_map(|output| match output {
            Output::StartJob { id, .. } => Some(*id),
            _ => None,
        });
        let id = job.expect("it reads its file");
        bench.step(Input::Job { id, event: JobEvent::Done(JobOutcome::NoFile) });
        bench.turn();
        let (peer, local) = (Endpoint::new("10.0.0.9", 5), Endpoint::new("127.0.0.1", 26379));
        bench.step(Input::Accepted { conn: CALLER, peer, local });
        let up = bench.dialled.clone();
        for (conn, _) in up {
            bench.step(Input::Dialled { conn, local: Endpoint::new("127.0.0.1", 40_000) });
        }
        bench.turn();
        bench
    }

    fn step(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Outbox::new();
        let now = Now { mono: self.now, wall_us: self.now * 1000 };
        self.sentinel.step(now, input, &mut out);
        let outputs: Vec<_> = out.drain().collect();
        for output in &outputs {
            match output {
                Output::Send { conn, data } => self.sent.push((*conn, data.to_vec())),
                Output::Dial { conn, to } => self.dialled.push((*conn, to.clone())),
                Output::Emit(Fact::Sentinel { event, text, .. }) => {
                    self.facts.push((event, text.clone()));
                }
                Output::Exit { code } => panic!("it ended with {code}"),
                _ => {}
            }
        }
        if outputs.iter().any(|output| matches!(output, Output::Arrange(_))) {
            self.step(Input::Arranged(Ok(())));
        }
        outputs
    }

    fn turn(&mut self) {
        self.step(Input::Turn);
        self.now += 1;
    }

    /// A stranger sends a command, and gets its answer.
    fn ask(&mut self, words: &[&[u8]]) -> String {
        self.sent.clear();
        let data = command(words);
        self.step(Input::Received { conn: CALLER, data: &data });
        self.turn();
        let answers = self.sent.iter().filter(|(conn, _)| *conn == CALLER);
        answers.map(|(_, data)| String::from_utf8_lossy(data)).collect()
    }

    fn hello(&mut self, text: &[u8]) -> String {
        self.ask(&[b"PUBLISH", b"__sentinel__:hello", text])
    }

    fn vote(&mut self, epoch: &str, id: &[u8]) -> String {
        let about: [&[u8]; 2] = [b"127.0.0.1", b"6379"];
        self.ask(&[
            b"SENTINEL",
            b"IS-MASTER-DOWN-BY-ADDR",
            about[0],
            about[1],
            epoch.as_bytes(),
            id,
        ])
    }

    /// The primary answers everything that it was asked with one text.
    fn answer_info(&mut self, text: &[u8]) {
        let (conn, _) = self.dialled[0].clone();
        let head = format!("+OK\r\n+PONG\r\n${}\r\n", text.len());
        let data = [head.as_bytes(), text, b"\r\n"].concat();
        self.step(Input::Received { conn, data: &data });
        self.turn();
    }

    fn view(&self) -> SentinelView {
        let now = Now { mono: self.now, wall_us: self.now * 1000 };
        self.sentinel.view(now).sentinel().expect("a Sentinel").clone()
    }

    fn refusals(&self) -> usize {
        self.facts.iter().filter(|(event, _)| *event == "-hello-refused").count()
    }

    /// Nothing that matters has changed.
    fn is_unmoved(&self) -> bool {
        let view = self.view();
        let m = &view.monitors[0];
        let ordered = self
            .sent
            .iter()
            .any(|(_, data)| data.windows(7).any(|window| window.eq_ignore_ascii_case(b"SLAVEOF")));
        view.current_epoch == 0
            && (m.config_epoch, m.watched.port, m.addr.port) == (0, 6379, 6379)
            && m.peers.is_empty()
            && !ordered
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_overwritten() {
    let config = Config::parse("sentinel monitor mm 127.0.0.1 6379 2\n").expect("a good file");
    let mut sentinel = Sentinel::new(config, 26379, 1);
    let mut after = |input: Input<'_>| {
        let mut out = Outbox::new();
        sentinel.step(Now::default(), input, &mut out);
        out.drain().collect::<Vec<_>>()
    };
    let started = after(Input::Started);
    let Some(Output::StartJob { id, .. }) = started.first() else { panic!("{started:?}") };
    let event = JobEvent::Failed("Permission denied".to_owned());
    let ended = after(Input::Job { id: *id, event });
    let reason = "Fatal error, can't open config file 'sentinel.conf': Permission denied";
    assert!(
        matches!(&ended[..], [Output::Log { text, .. }, Output::Exit { code: 1 }] if text == reason),
        "{ended:?}"
    );
}

#[test]
fn a_hello_that_cannot_be_right_is_refused_and_told_of() {
    let own = Bench::new().view().id;
    let huge = "9".repeat(100_000);
    for text in [
        format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160"),
        format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160,2,unknown"),
        format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,7160,18446744073709551615"),
        format!("127.0.0.1,7161,{ID},18446744073709551615,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,7161,{ID},9223372036854775807,mm,127.0.0.1,7160,9223372036854775807"),
        format!("127.0.0.1,7161,{ID},-1,mm,127.0.0.1,7160,-1"),
        format!("127.0.0.1,7161,{ID},{huge},mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,7161,{ID},1,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,65536,{ID},3,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,-IP,{ID},3,mm,-IP,-port,2"),
        format!("999.0.0.1,7161,{ID},3,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,7161,{ID},3,mm,127.0.0.1,0,2"),
        format!("127.0.0.1,7161,{ID}\n,3,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,7161,{huge},3,mm,127.0.0.1,7160,2"),
        format!("10.0.0.7,7161,{own},3,mm,127.0.0.1,7160,2"),
        format!("127.0.0.1,26379,{ID},3,mm,127.0.0.1,7160,2"),
        ",".repeat(1_000_000),
        String::new(),
    ] {
        let mut bench = Bench::new();
        let shown: String = text.chars().take(80).collect();
        assert_eq!(bench.hello(text.as_bytes()), ":1\r\n", "{shown}");
        assert!(bench.is_unmoved(), "{shown}");
        assert_eq!(bench.refusals(), 1, "{shown}");
    }
}

#[test]
fn an_epoch_that_nobody_can_have_reached_gets_no_vote_and_leaves_room_for_elections() {
    for epoch in ["9223372036854775807", "4611686018427387904", "4294967297", "-1"] {
        let mut bench = Bench::new();
        assert_eq!(bench.vote(epoch, ID.as_bytes()), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n", "{epoch}");
        assert!(bench.is_unmoved(), "{epoch}");
        assert_eq!(bench.refusals(), 1, "{epoch}");
    }
    let mut bench = Bench::new();
    let answer = "-ERR value is not an integer or out of range\r\n";
    assert_eq!(bench.vote("18446744073709551615", ID.as_bytes()), answer);
    assert!(bench.is_unmoved());
}

#[test]
fn a_stranger_with_a_possible_epoch_gets_the_vote_as_from_redis() {
    let mut bench = Bench::new();
    assert_eq!(bench.vote("5", b"abc"), "*3\r\n:0\r\n$3\r\nabc\r\n:5\r\n");
    assert_eq!(bench.vote("5", b"xyz"), "*3\r\n:0\r\n$3\r\nabc\r\n:5\r\n");
    assert_eq!(bench.view().current_epoch, 5);
}

#[test]
fn a_candidate_that_is_no_id_gets_no_vote() {
    for id in [&b"a b"[..], b"a\r\nsentinel myid x", b"a,b", &[b'x'; 5000]] {
        let mut bench = Bench::new();
        assert_eq!(bench.vote("5", id), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
        assert!(bench.is_unmoved());
        assert_eq!(bench.refusals(), 1);
    }
}

#[test]
fn two_sentinels_with_one_id_are_one_sentinel_that_moves() {
    let mut bench = Bench::new();
    for port in [7161, 7162, 7161, 7162] {
        bench.hello(format!("127.0.0.1,{port},{ID},0,mm,127.0.0.1,6379,0").as_bytes());
        assert_eq!(bench.view().monitors[0].peers.len(), 1);
    }
    let moves = bench.facts.iter().filter(|(event, _)| *event == "+sentinel-address-switch");
    assert_eq!(moves.count(), 3);
}

#[test]
fn times_that_would_overflow_are_refused() {
    let mut bench = Bench::new();
    let huge = b"18446744073709551615";
    for option in ["down-after-milliseconds", "failover-timeout", "master-reboot-down-after-period"]
    {
        let answer = bench.ask(&[b"SENTINEL", b"SET", b"mm", option.as_bytes(), huge]);
        assert!(answer.starts_with("-ERR Invalid argument"), "{answer}");
    }
    let answer = bench.ask(&[b"SENTINEL", b"DEBUG", b"info-period", huge]);
    assert!(answer.starts_with("-ERR Invalid argument"), "{answer}");
}

#[test]
fn nonsense_in_info_is_skipped() {
    for text in [
        "role:master\r\nslave0:ip=-IP,port=-1,state=online\r\nslave1:ip=1.2.3.4,port=65536\r\n",
        "role:slave\r\nmaster_host:-IP\r\nmaster_port:99999\r\nslave_repl_offset:-5\r\n",
        "role:slave\r\nmaster_link_down_since_seconds:9223372036854775807\r\nslave_priority:-1\r\n",
        "run_id:short\r\nrole:emperor\r\n:::::\r\nslave:\r\nslave4294967296:ip=1.2.3.4,port=1\r\n",
    ] {
        let mut bench = Bench::new();
        bench.answer_info(text.as_bytes());
        let view = bench.view();
        assert!(bench.is_unmoved() && view.monitors[0].replicas.is_empty(), "{text}");
    }
}

/// Numbers as somebody might write them.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "[0-9]{0,30}",
        "[-+ .eE0-9]{0,8}",
        Just("0".to_owned()),
        Just(u64::MAX.to_string()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![Just("127.0.0.1".to_owned()), Just("::1".to_owned()), "[^,]{0,12}"]
}

/// Something like a hello about a primary that this Sentinel does not watch, or none at all.
fn hello() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just(ID.to_owned()), "[0-9a-f]{40}", "[^,]{0,50}"];
    let like = (host(), number(), id, number(), "[^,]{0,5}", host(), number(), number());
    prop_oneof![
        like.prop_map(|(a, b, c, d, e, f, g, h)| format!("{a},{b},{c},{d},{e},{f},{g},{h}")),
        ".{0,80}",
        proptest::collection::vec(number(), 0..12).prop_map(|fields| fields.join(",")),
    ]
}

fn info() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        "(role|run_id|master_host|master_port|master_link_status|slave_priority)",
        "(slave_repl_offset|master_link_down_since_seconds|replica_announced|slave[0-9]{0,12})",
        "[a-z_]{0,12}",
    ];
    let value = prop_oneof![
        Just("slave".to_owned()),
        number(),
        (host(), number()).prop_map(|(host, port)| format!("ip={host},port={port},state=online")),
        ".{0,60}",
    ];
    let line = (field, value).prop_map(|(field, value)| format!("{field}:{value}\r\n"));
    prop_oneof![
        proptest::collection::vec(line, 0..20).prop_map(|lines| lines.concat().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_kills_a_sentinel_or_moves_it(
        hellos in proptest::collection::vec(hello(), 1..4),
        info in info(),
        epoch in number(),
        id in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bench = Bench::new();
        for text in &hellos {
            prop_assert_eq!(bench.hello(text.as_bytes()), ":1\r\n");
        }
        bench.answer_info(&info);
        prop_assert!(bench.is_unmoved());
        let answer = bench.vote(&epoch, &id);
        prop_assert!(answer.starts_with("*3\r\n") || answer.starts_with("-ERR"), "{}", answer);
        prop_assert!(bench.view().current_epoch <= 1 << 32);
        prop_assert_eq!(bench.view().monitors[0].watched.port, 6379);
        bench.now += 500;
        bench.step(Input::Tick);
        bench.turn();
    }
}
