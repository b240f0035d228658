//! Labs with Sentinels in the simulated world: what their actions do, and what the lab's account of
//! a failover says.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use replab::lab::topology::{Topology, builtins};
use replab::lab::view::{FailoverState, Phase};
use replab::lab::{Entry, Event, FailoverSummary, Lab, Summary, machines};
use replab::machine::Fact;
use replab::script::{Line, Outcome, run};
use replab::sim::SimWorld;

/// Seeds of a test that must hold whatever the chance.
const SEEDS: std::ops::Range<u64> = 1..4;

/// A primary, two replicas, three Sentinels and a workload that never writes a key twice.
const THREE: &str = r#"
[server]
repl-diskless-sync-delay = 0
[servers.alpha]
[servers.bravo]
replicaof = "alpha"
replica-priority = 10
[servers.charlie]
replicaof = "alpha"
[sentinels.s]
count = 3
[monitors.mymaster]
primary = "alpha"
quorum = 2
down-after-milliseconds = 1000
failover-timeout = 10000
[workload]
writes-per-second = 100
keys = 100000
"#;

/// What a run came to: its end, and all that happened.
struct Told {
    summary: Summary,
    rows: Vec<Entry>,
}

impl Told {
    /// Runs a lab through a script and holds that whatever it expects is so.
    fn of(seed: u64, topology: &str, script: &[&str]) -> Self {
        let topology = Topology::parse("test.toml", topology).unwrap_or_else(|e| panic!("{e}"));
        Self::run(seed, &topology, script)
    }

    fn run(seed: u64, topology: &Topology, script: &[&str]) -> Self {
        let (told, outcome) = Self::try_run(seed, topology, script);
        assert!(outcome.is_success(), "seed {seed}: {outcome:?}\n{}", told.text());
        told
    }

    /// What was refused of a script.
    fn refused(script: &[&str]) -> Vec<String> {
        let topology = Topology::parse("test.toml", THREE).unwrap_or_else(|e| panic!("{e}"));
        let (told, _) = Self::try_run(1, &topology, script);
        let refused = |row: &&Entry| matches!(row.event, Event::Refused { .. });
        told.rows.iter().filter(refused).map(|row| row.event.text()).collect()
    }

    fn try_run(seed: u64, topology: &Topology, script: &[&str]) -> (Self, Outcome) {
        let mut lab = Lab::new(SimWorld::new(seed), topology, &machines()).expect("a lab");
        let mut lines = script.iter().map(|line| Line::Text((*line).to_owned()));
        let mut rows = Vec::new();
        let outcome = run(
            &mut lab,
            None,
            &mut || lines.next().unwrap_or(Line::End),
            &|| false,
            &mut |entry, _| rows.push(entry.clone()),
        );
        (Self { summary: outcome.summary.clone(), rows }, outcome)
    }

    fn text(&self) -> String {
        let line = |row: &Entry| {
            let node = row.node.as_deref().unwrap_or("lab");
            format!("{} {node} {}\n", row.t_ms, row.event.text())
        };
        self.rows.iter().map(line).collect()
    }

    fn failover(&self) -> &FailoverSummary {
        self.summary.failovers.last().expect("there was a failover")
    }

    /// Which nodes reported a Sentinel's event, in order.
    fn who(&self, wanted: &str) -> Vec<&str> {
        let is_it = |row: &&Entry| matches!(&row.event, Event::Node(Fact::Sentinel { event, .. }) if *event == wanted);
        self.rows.iter().filter(is_it).filter_map(|row| row.node.as_deref()).collect()
    }
}

fn took(failover: &FailoverSummary, phase: Phase) -> (u64, u64) {
    let found = failover.phases.iter().find(|time| time.phase == phase).expect("every phase");
    (found.took_ms.expect("it is over"), found.least_ms)
}

#[test]
fn every_shipped_topology_holds_what_it_promises() {
    for (seed, shipped) in (1..).zip(builtins()) {
        Told::run(seed, &shipped.topology().expect("it reads"), &[]);
    }
}

#[test]
fn the_time_of_a_failover_is_counted_from_the_fault() {
    for seed in SEEDS {
        let told = Told::of(
            seed,
            THREE,
            &["wait 1s", "kill alpha", "expect mymaster failovers=1 primary=bravo within 8s"],
        );
        let failover = told.failover();
        assert_eq!(
            (failover.from.as_deref(), failover.to.as_deref()),
            (Some("alpha"), Some("bravo"))
        );
        assert_eq!((failover.cause.as_str(), failover.epoch), ("killed", Some(1)));
        assert_eq!(failover.state, FailoverState::Complete);
        let killed = told.rows.iter().find(|row| row.event == Event::Killed { power_loss: false });
        assert_eq!(killed.map(|row| row.t_ms), Some(failover.began_ms));
        assert_eq!(told.who("+elected-leader"), [failover.leader.as_deref().expect("a leader")]);
        let total: u64 = Phase::ALL.iter().map(|phase| took(failover, *phase).0).sum();
        let (detect, least) = took(failover, Phase::Detect);
        assert!(detect >= least && least == 1000, "{failover:?}");
        assert!(total <= 1100, "{failover:?}");
    }
}

#[test]
fn slow_links_raise_the_least_that_a_failover_can_take() {
    let slow = format!(
        "{THREE}{}",
        ["s1<->s2", "s1<->s3", "s2<->s3"]
            .map(|link| format!("[links.\"{link}\"]\ndelay = \"20ms\"\n"))
            .concat()
    );
    let script = &["kill alpha", "expect mymaster failovers=1 within 8s"];
    let told = Told::of(1, &slow, script);
    let failover = told.failover();
    let least = Phase::ALL.map(|phase| took(failover, phase).1);
    // The servers pass on a hello, and the links to them are not slow.
    assert_eq!(least, [1000, 40, 40, 0, 0], "{failover:?}");
    for phase in Phase::ALL {
        let (took, least) = took(failover, phase);
        assert!(took >= least, "{failover:?}");
    }
}

#[test]
fn what_the_minority_acknowledged_is_counted_as_lost_to_the_last_write() {
    let told = Told::of(
        3,
        &THREE.replace("keys = 100000", "keys = 100000\nsentinels = [\"s1\"]"),
        &[
            "wait 1s",
            "cut alpha bravo",
            "cut alpha charlie",
            "cut alpha s2",
            "cut alpha s3",
            "cut s1 bravo",
            "cut s1 charlie",
            "cut s1 s2",
            "cut s1 s3",
            "expect s2 primary=bravo within 5s",
            "expect mymaster primary=disputed agreed=no",
            "wait 2s",
            "heal",
            "expect mymaster primary=bravo agreed=yes lost>=290 within 5s",
            "write off",
            "expect alpha role=replica within 20s",
        ],
    );
    let (lost, keys) = (told.failover().lost.expect("counted"), &told.failover().lost_keys);
    // A hundred writes a second, for the second of doubt, up to a quarter more until the clock of
    // doubt starts, and the two that it stayed so.
    assert!((295..=335).contains(&lost), "{lost}");
    assert_eq!((told.summary.lost, keys.len()), (lost, 5));
}

#[test]
fn a_client_that_is_frozen_out_hears_of_the_new_primary() {
    for seed in SEEDS {
        let told = Told::of(
            seed,
            THREE,
            &[
                "kill s1",
                "pause alpha",
                "expect mymaster primary=bravo lost>=0 within 8s",
                "expect lab acked>=100 within 5s",
            ],
        );
        assert_eq!(told.failover().cause, "paused");
    }
}

#[test]
fn a_vote_is_split_and_the_next_one_is_not() {
    for timing in ["fast", "redis"] {
        let topology = format!("sentinel-timing = \"{timing}\"\n{THREE}")
            .replace("failover-timeout = 10000", "failover-timeout = 2000");
        for seed in SEEDS {
            let script = ["split-vote mymaster", "expect mymaster failovers=1 within 60s"];
            let told = Told::of(seed, &topology, &script);
            let rows = told.text();
            let elected = rows.find("+elected-leader").expect("somebody is, at last");
            let stood = rows[..elected].matches("+try-failover").count();
            assert!(stood >= 4, "three stand and nobody wins, then one more: {rows}");
            assert!(rows[..elected].contains("-failover-abort-not-elected"), "{rows}");
            assert_eq!(told.summary.failovers.len(), 1, "{:?}", told.summary.failovers);
        }
    }
}

#[test]
fn a_sentinel_comes_back_with_its_epochs_and_whom_it_knew() {
    let told = Told::of(
        2,
        THREE,
        &[
            "kill alpha",
            "expect mymaster failovers=1 agreed=yes within 8s",
            "power-loss s1",
            "restart s1",
            "expect s1 primary=bravo epoch=1 config-epoch=1 knows-sentinels=2 within 2s",
        ],
    );
    assert_eq!(told.who("+switch-master").len(), 3, "nobody switches twice: {}", told.text());
}

#[test]
fn a_sentinel_that_hears_nothing_does_not_stop_the_others() {
    Told::of(
        1,
        THREE,
        &[
            "cut s2->s3",
            "isolate s1",
            "wait 3s",
            "expect s1 sees=sdown",
            "expect alpha role=primary",
            "expect mymaster failovers=0",
            "heal",
            "expect s1 sees=ok within 5s",
            "pause s2",
            "kill alpha",
            "expect s1 primary=bravo within 8s",
            "resume s2",
            "expect mymaster primary=bravo agreed=yes within 10s",
        ],
    );
}

#[test]
fn an_ordered_failover_takes_no_doubt() {
    let told = Told::of(
        1,
        THREE,
        &["wait 1s", "failover mymaster", "expect mymaster failovers=1 lost=0 within 10s"],
    );
    let failover = told.failover();
    assert_eq!((failover.cause.as_str(), took(failover, Phase::Detect)), ("ordered", (0, 0)));
    assert!(told.who("+sdown").is_empty());
}

#[test]
fn promoting_a_watched_replica_is_warned_of_and_undone() {
    let told = Told::of(
        1,
        THREE,
        &[
            "promote charlie",
            "expect charlie role=primary",
            "expect charlie role=replica primary=alpha within 25s",
        ],
    );
    let warned = told.rows.iter().find(|row| matches!(row.event, Event::Warned(_)));
    let warned = warned.expect("a warning");
    assert_eq!(warned.node.as_deref(), Some("charlie"));
    assert!(warned.event.text().contains("`failover mymaster`"), "{}", warned.event.text());
    assert!(!told.who("+convert-to-slave").is_empty());
}

#[test]
fn quorum_questions_are_answered_by_every_sentinel_that_runs() {
    let told = Told::of(1, THREE, &["kill s3", "wait 500ms", "ckquorum mymaster", "wait 100ms"]);
    let answers: Vec<_> = told
        .rows
        .iter()
        .filter_map(|row| match &row.event {
            Event::Reply { reply, .. } => Some((row.node.as_deref(), reply.as_str())),
            _ => None,
        })
        .collect();
    let mut nodes: Vec<_> = answers.iter().map(|(node, _)| node.expect("a node")).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["s1", "s2"]);
    assert!(answers.iter().all(|(_, reply)| reply.starts_with("OK ")), "{answers:?}");
}

#[test]
fn what_was_reset_is_found_again() {
    let told = Told::of(
        1,
        THREE,
        &[
            "kill charlie",
            "wait 2s",
            "expect s1 knows-replicas=2 knows-sentinels=2",
            "sentinel-reset mymaster",
            "expect s1 knows-replicas=1 knows-sentinels=2 within 12s",
        ],
    );
    assert_eq!(told.who("+reset-master").len(), 3);
}

#[test]
fn one_sentinel_watches_several_primaries_and_their_failovers_are_told_apart() {
    let two = r#"
        [servers.alpha]
        repl-diskless-sync-delay = 0
        [servers.bravo]
        replicaof = "alpha"
        [servers.charlie]
        repl-diskless-sync-delay = 0
        [servers.delta]
        replicaof = "charlie"
        [sentinels.s]
        count = 3
        [monitors.one]
        primary = "alpha"
        quorum = 2
        down-after-milliseconds = 500
        [monitors.two]
        primary = "charlie"
        quorum = 2
        down-after-milliseconds = 800
        sentinels = ["s1", "s2", "s3"]
        [workload]
        target = "two"
        writes-per-second = 50
    "#;
    let told = Told::of(
        1,
        two,
        &[
            "wait 500ms",
            "kill alpha",
            "kill charlie",
            "expect one primary=bravo failovers=1 within 5s",
            "expect two primary=delta failovers=1 lost>=0 within 5s",
            "expect lab acked>=50 within 5s",
        ],
    );
    let least = |at: usize| took(&told.summary.failovers[at], Phase::Detect).1;
    assert_eq!((least(0), least(1)), (500, 800));
    let mut epochs: Vec<_> = told.summary.failovers.iter().map(|failover| failover.epoch).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [Some(1), Some(2)]);
}

#[test]
fn a_failover_is_dated_by_the_doubt_of_who_led_it() {
    let before: [&[&str]; 2] = [
        &["isolate s3", "expect s3 sees=sdown within 3s"],
        // A dead Sentinel doubts no more.
        &[
            "isolate s3",
            "expect s3 sees=sdown within 3s",
            "kill s3",
            "heal",
            "restart s3",
            "expect s3 sees=ok knows-sentinels=2 within 5s",
        ],
    ];
    for script in before {
        let script =
            [script, &["wait 2s", "kill alpha", "expect mymaster failovers=1 within 8s"]].concat();
        let told = Told::of(1, THREE, &script);
        let killed = |row: &&Entry| {
            row.node.as_deref() == Some("alpha") && matches!(row.event, Event::Killed { .. })
        };
        let killed = told.rows.iter().find(killed).map(|row| row.t_ms);
        let failover = told.failover();
        assert_eq!((failover.cause.as_str(), Some(failover.began_ms)), ("killed", killed));
        assert!(took(failover, Phase::Detect).0 >= 900, "{failover:?}");
    }
}

#[test]
fn a_delay_that_nobody_would_take_for_a_failure_is_no_cause() {
    let link = |sentinel| format!("[links.\"alpha<->{sentinel}\"]\ndelay = \"10ms\"\n");
    let debug = "[servers.alpha]\nenable-debug-command = \"yes\"";
    let slow = THREE.replace("[servers.alpha]", debug) + &["s1", "s2", "s3"].map(link).concat();
    let script = ["wait 2s", "redis alpha DEBUG SLEEP 4", "expect mymaster failovers=1 within 9s"];
    let told = Told::of(1, &slow, &script);
    let failover = told.failover();
    assert_eq!(failover.cause, "slow, and nobody broke it");
    assert!(failover.began_ms > 2000, "{failover:?}");
}

#[test]
fn a_failover_that_came_to_nothing_is_told_as_given_up() {
    let alone = THREE.replace("quorum = 2", "quorum = 1");
    let begun =
        ["kill s2", "kill s3", "pause alpha", "expect s1 failover=wait_start within 5s"].as_slice();
    let trusted =
        ["resume alpha", "expect mymaster sees=ok aborted=-failover-abort-not-elected within 2s"];
    let told = Told::of(1, &alone, &[begun, &trusted].concat());
    let given_up = FailoverState::Aborted("-failover-abort-not-elected".to_owned());
    assert_eq!(told.failover().state, given_up);

    let died = ["kill s1", "expect mymaster aborted=died within 1s"];
    let told = Told::of(1, &alone, &[begun, &died].concat());
    assert_eq!(told.summary.failovers.len(), 1);
}

#[test]
fn votes_are_split_one_at_a_time() {
    let script = [
        "split-vote mymaster",
        "split-vote mymaster",
        "expect mymaster failovers=1 within 60s",
        "wait 1s",
        "split-vote mymaster",
        "expect mymaster failovers=2 within 60s",
    ];
    assert_eq!(
        Told::refused(&script),
        ["refused: split-vote mymaster: the vote about mymaster is still being split"]
    );
}

#[test]
fn who_watches_several_primaries_is_not_asked_about_the_primary() {
    let two = THREE.to_owned()
        + "[monitors.other]\nprimary = \"alpha\"\nquorum = 2\n\
           [[steps]]\nat = \"1s\"\nexpect = \"s1 epoch=0 sees=ok\"\n";
    let wrong = Topology::parse("test.toml", &two).expect_err("of which?").to_string();
    let expected = "`sees` is about one primary, and this Sentinel watches mymaster, other; ask of one \
                    of these, as in `mymaster sees=ok`";
    assert!(wrong.contains(expected), "{wrong}");
}

#[test]
fn actions_on_primaries_that_nobody_watches_say_who_is_watched() {
    let refused = Told::refused(&[
        "failover mymastre",
        "ckquorum zulu",
        "split-vote alpha",
        "write 10/s s1",
        "promote s2",
    ]);
    assert_eq!(
        refused,
        [
            "refused: failover mymastre: no Sentinel watches a primary `mymastre`; did you mean `mymaster`?",
            "refused: ckquorum zulu: no Sentinel watches a primary `zulu`; they watch mymaster",
            "refused: split-vote alpha: no Sentinel watches a primary `alpha`; they watch mymaster",
            "refused: write 10/s s1: s1 is a Sentinel and takes no writes",
            "refused: promote s2: s2 is a Sentinel and holds no data",
        ]
    );
}

#[test]
fn what_sentinels_made_of_a_node_it_is_again_after_a_restart() {
    Told::of(
        1,
        THREE,
        &[
            "kill alpha",
            "expect mymaster failovers=1 primary=bravo agreed=yes within 8s",
            "expect charlie primary=bravo link=up",
            "restart bravo",
            "restart charlie",
            "expect bravo role=primary",
            "expect charlie primary=bravo link=up within 5s",
            "wait 3s",
            "expect mymaster failovers=1 primary=bravo sees=ok",
        ],
    );
}
