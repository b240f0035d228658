//! Frames of labs with Sentinels: three of them watch alpha, which feeds bravo and charlie.

use std::sync::Arc;

use super::*;
use crate::lab::Event;
use crate::lab::view::{
    FailoverReport, FailoverState, LinkFault, MonitorRow, NodeKind, NodeRow, NodeStatus, Phase,
    PhaseTime, Seen,
};
use crate::machine::{
    Fact, FailoverView, LinkState, Millis, MonitorView, NodeView, PeerBelief, PrimaryLinkView,
    ReplicaBelief, Role, SentinelView,
};
use crate::tui::fixtures::{endpoint, entry, primary, replica, with_replicas, with_server};
use crate::world::LinkPolicy;

/// Indexes of the nodes.
const ALPHA: usize = 0;
const BRAVO: usize = 1;
const CHARLIE: usize = 2;
const S1: usize = 3;

fn id(n: usize) -> String {
    let digits = ["b3c1", "4d7e", "90aa"][n];
    digits.repeat(10)
}

fn sentinel(n: usize) -> NodeRow {
    let peers = (0..3).filter(|peer| *peer != n).map(|peer| PeerBelief {
        id: id(peer),
        addr: endpoint(26401 + peer as u16),
        sdown_ms: None,
        says_down: false,
        vote: None,
        hello_age_ms: Some(700),
    });
    let replica = |port, priority, excluded: Option<&str>| ReplicaBelief {
        addr: endpoint(port),
        sdown_ms: None,
        claims: Role::Replica,
        link_up: true,
        offset: 1_204_120,
        priority,
        excluded: excluded.map(str::to_owned),
    };
    let monitor = MonitorView {
        name: "mymaster".into(),
        addr: endpoint(6401),
        watched: endpoint(6401),
        quorum: 2,
        votes_needed: 2,
        config_epoch: 3,
        down_after_ms: 1_000,
        sdown_ms: None,
        odown_ms: None,
        silent_ms: None,
        vote: None,
        failover: FailoverView { state: "none", ..FailoverView::default() },
        replicas: vec![replica(6402, 100, None), replica(6403, 0, Some("its priority is 0"))],
        peers: peers.collect(),
    };
    let own = SentinelView { id: id(n), current_epoch: 3, tilt_ms: None, monitors: vec![monitor] };
    NodeRow {
        name: format!("s{}", n + 1),
        kind: NodeKind::Sentinel,
        port: 26401 + n as u16,
        status: NodeStatus::Running,
        view: Some(Arc::new(NodeView::Sentinel(Box::new(own)))),
        follows: None,
        behind_history: Vec::new(),
        seen: Seen::default(),
    }
}

/// Changes what a Sentinel believes.
fn with_belief(view: &mut LabView, n: usize, change: impl FnOnce(&mut SentinelView)) {
    let row = &mut view.nodes[S1 + n];
    let mut own = row.view.as_ref().and_then(|view| view.sentinel().cloned()).unwrap();
    change(&mut own);
    row.view = Some(Arc::new(NodeView::Sentinel(Box::new(own))));
}

fn said(
    view: &mut LabView,
    t_ms: Millis,
    n: usize,
    event: &'static str,
    text: &str,
    sentence: &str,
) {
    let fact = Fact::Sentinel {
        event,
        text: text.to_owned(),
        monitor: Some("mymaster".to_owned()),
        sentence: sentence.to_owned(),
    };
    let seq = view.journal.len() as u64 + 1;
    view.journal.push(entry(seq, t_ms, Some(&format!("s{}", n + 1)), Event::Node(fact)));
}

/// Changes the state of a replica's link to its primary.
fn with_link(view: &mut LabView, replica: usize, state: LinkState, down_ms: Option<Millis>) {
    with_server(&mut view.nodes[replica], |own| {
        own.primary = own.primary.take().map(|link| PrimaryLinkView { state, down_ms, ..link });
    });
}

/// All is well.
fn watched() -> LabView {
    let mut view = healthy();
    view.title = "Failover".into();
    view.about = "Three Sentinels watch alpha.".into();
    view.nodes = vec![
        primary("alpha", 6401),
        replica("bravo", 6402, 0, 211),
        replica("charlie", 6403, 0, 0),
    ];
    with_replicas(&mut view);
    view.nodes.extend((0..3).map(sentinel));
    view.monitors = vec![MonitorRow {
        name: "mymaster".into(),
        quorum: 2,
        down_after_ms: 1_000,
        primary: ALPHA,
        sentinels: vec![3, 4, 5],
    }];
    view
}

/// alpha is dead; s1 and s2 have noticed, s3 is cut off from it for longer and frozen.
fn doubted() -> LabView {
    let mut view = watched();
    view.nodes[ALPHA].status = NodeStatus::Dead(101_000, "killed".into());
    for replica in [BRAVO, CHARLIE] {
        with_link(&mut view, replica, LinkState::Connect, Some(1_390));
    }
    view.nodes[S1 + 2].status = NodeStatus::Paused(90_000);
    for (n, ms) in [(0, 390), (1, 40)] {
        with_belief(&mut view, n, |own| own.monitors[0].sdown_ms = Some(ms));
    }
    let why = "It has not answered for 1000 ms, as long as down-after-milliseconds.";
    said(&mut view, 102_000, 0, "+sdown", "master mymaster 127.0.0.1 6401", why);
    said(&mut view, 102_350, 1, "+sdown", "master mymaster 127.0.0.1 6401", why);
    view
}

/// s2 was elected with the votes of all and waits for bravo to become primary.
fn electing() -> LabView {
    let mut view = doubted();
    view.nodes[S1 + 2].status = NodeStatus::Running;
    for n in 0..3 {
        with_belief(&mut view, n, |own| {
            own.current_epoch = 4;
            own.monitors[0].vote = Some((id(1), 4));
            own.monitors[0].sdown_ms = Some(390);
            for peer in &mut own.monitors[0].peers {
                peer.says_down = true;
                peer.vote = Some((id(1), 4));
            }
        });
    }
    with_belief(&mut view, 1, |own| {
        own.monitors[0].odown_ms = Some(300);
        own.monitors[0].failover = FailoverView {
            state: "wait_promotion",
            state_ms: 120,
            epoch: Some(4),
            chosen: Some(endpoint(6402)),
            votes: 3,
        };
    });
    let about = "master mymaster 127.0.0.1 6401";
    said(
        &mut view,
        102_352,
        1,
        "+odown",
        &format!("{about} #quorum 2/2"),
        "2 Sentinels agree that it is down, 2 are needed: a failover may start.",
    );
    said(
        &mut view,
        102_353,
        1,
        "+try-failover",
        about,
        "It stands for election in epoch 4; 2 votes are needed.",
    );
    for n in [1, 0, 2] {
        said(
            &mut view,
            102_354 + n as u64,
            n,
            "+vote-for-leader",
            &format!("{} 4", id(1)),
            "It voted for s2 in epoch 4; 2 votes are needed to lead.",
        );
    }
    said(
        &mut view,
        102_357,
        1,
        "+elected-leader",
        about,
        "It got 3 votes in epoch 4; 2 were needed.",
    );
    said(
        &mut view,
        102_357,
        1,
        "+failover-state-select-slave",
        about,
        "It looks for the replica with the best priority and the most data.",
    );
    let slave = "slave 127.0.0.1:6402 127.0.0.1 6402 @ mymaster 127.0.0.1 6401";
    said(
        &mut view,
        102_359,
        1,
        "+selected-slave",
        slave,
        "Priority 100, offset 1204120. Not 127.0.0.1:6403: its priority is 0.",
    );
    said(
        &mut view,
        102_359,
        1,
        "+failover-state-send-slaveof-noone",
        slave,
        "It is told next to follow nobody.",
    );
    said(
        &mut view,
        102_360,
        1,
        "+failover-state-wait-promotion",
        slave,
        "It was told to become primary; its next INFO must confirm that.",
    );
    view.failovers = vec![report(FailoverState::Running)];
    view
}

/// Nobody has enough votes: s1 and s2 voted for themselves, s3 is cut off.
fn split() -> LabView {
    let mut view = doubted();
    view.nodes[S1 + 2].status = NodeStatus::Running;
    let cut = LinkPolicy { cut: true, ..LinkPolicy::default() };
    view.faults = [ALPHA, S1, S1 + 1]
        .map(|to| LinkFault {
            from: S1 + 2,
            to,
            policy: cut,
            since_ms: 98_000,
            heals_at_ms: None,
            held_bytes: 0,
        })
        .to_vec();
    for n in 0..2 {
        with_belief(&mut view, n, |own| {
            own.current_epoch = 4;
            own.monitors[0].vote = Some((id(n), 4));
            own.monitors[0].sdown_ms = Some(1_390);
            own.monitors[0].odown_ms = Some(1_000);
            own.monitors[0].failover = FailoverView {
                state: "wait_start",
                state_ms: 900,
                epoch: Some(4),
                chosen: None,
                votes: 1,
            };
        });
        let text = format!("{} 4", id(n));
        said(&mut view, 102_360, n, "+vote-for-leader", &text, "It voted for itself.");
    }
    view
}

/// bravo was promoted; s3 has not heard of it, and is in TILT.
fn told() -> LabView {
    let mut view = electing();
    view.now_ms += 4_000;
    view.nodes[BRAVO].follows = None;
    with_server(&mut view.nodes[BRAVO], |own| {
        own.role = Role::Primary;
        own.primary = None;
    });
    view.nodes[CHARLIE].follows = Some(BRAVO);
    with_link(&mut view, CHARLIE, LinkState::Connected, None);
    with_servers_replicas(&mut view);
    for n in 0..2 {
        with_belief(&mut view, n, |own| {
            let monitor = &mut own.monitors[0];
            monitor.addr = endpoint(6402);
            monitor.watched = endpoint(6402);
            monitor.config_epoch = 4;
            (monitor.sdown_ms, monitor.odown_ms) = (None, None);
            monitor.failover = FailoverView { state: "none", ..FailoverView::default() };
        });
    }
    with_belief(&mut view, 2, |own| own.tilt_ms = Some(3_200));
    said(
        &mut view,
        102_900,
        1,
        "+failover-state-reconf-slaves",
        "master mymaster 127.0.0.1 6401",
        "The other replicas are told to follow it, 1 at a time.",
    );
    said(
        &mut view,
        103_950,
        1,
        "+failover-end",
        "master mymaster 127.0.0.1 6401",
        "Every replica that can be reached follows the new primary.",
    );
    said(
        &mut view,
        103_950,
        1,
        "+switch-master",
        "mymaster 127.0.0.1 6401 127.0.0.1 6402",
        "Clients that ask are sent to bravo instead of alpha.",
    );
    view.failovers = vec![report(FailoverState::Complete)];
    view
}

fn with_servers_replicas(view: &mut LabView) {
    let sentinels = view.nodes.split_off(S1);
    with_replicas(view);
    view.nodes.extend(sentinels);
}

fn report(state: FailoverState) -> FailoverReport {
    let over = state == FailoverState::Complete;
    let phase = |phase, took_ms: Millis, least_ms, is_over: bool| PhaseTime {
        phase,
        took_ms: is_over.then_some(took_ms),
        least_ms,
    };
    FailoverReport {
        monitor: "mymaster".into(),
        epoch: Some(4),
        from: Some(ALPHA),
        to: Some(BRAVO),
        leader: Some(S1 + 1),
        began_ms: 101_000,
        cause: "killed".into(),
        phases: [
            phase(Phase::Detect, 1_000, 1_000, true),
            phase(Phase::Agree, 352, 1, true),
            phase(Phase::Elect, 5, 2, true),
            phase(Phase::Promote, 543, 3, over),
            phase(Phase::Tell, 1_050, 1, over),
        ],
        lost: over.then_some(13),
        lost_keys: if over { vec!["w:12034".into(), "w:12035".into()] } else { Vec::new() },
        state,
    }
}

#[test]
fn a_watched_primary() {
    snapshots("watched", &watched(), |_| {});
}

#[test]
fn a_primary_that_is_doubted() {
    snapshots("doubted", &doubted(), |_| {});
}

#[test]
fn a_leader_is_elected() {
    snapshots("electing", &electing(), |ui| ui.selected = S1 + 1);
}

#[test]
fn votes_that_are_split() {
    snapshots("split", &split(), |_| {});
}

#[test]
fn a_failover_that_not_everybody_heard_of() {
    snapshots("told", &told(), |ui| ui.selected = S1 + 2);
}

#[test]
fn where_the_time_of_a_failover_went() {
    snapshots("failover", &told(), |ui| ui.layers.push(Layer::Failovers { back: 0 }));
    snapshots("failing_over", &electing(), |ui| ui.layers.push(Layer::Failovers { back: 0 }));
}

#[test]
fn a_new_failover_is_hinted_at_until_it_was_looked_at() {
    let view = told();
    let mut ui = ui(120, 36);
    let footer = |ui: &Ui| export::text(&frame(&view, ui)).lines().last().unwrap().to_owned();
    assert!(footer(&ui).contains("t NEW: where time went"), "{}", footer(&ui));
    typed(&mut ui, &view, "t<esc>");
    assert!(footer(&ui).contains("t failovers"), "{}", footer(&ui));
}

#[test]
fn promoting_a_watched_replica_asks_first_and_offers_a_failover() {
    let view = watched();
    let mut ui = ui(80, 24);
    assert!(typed(&mut ui, &view, "2s").is_empty());
    insta::assert_snapshot!("ask_80x24", export::text(&frame(&view, &ui)));
    assert_eq!(typed(&mut ui, &view, "p"), ["key: promote bravo"]);
    assert!(typed(&mut ui, &view, "s<esc>").is_empty());
    assert!(typed(&mut ui, &view, ":promote bravo<enter>").is_empty(), "the palette asks as well");
    assert!(matches!(ui.layers.last(), Some(Layer::Ask(_))));
}

#[test]
fn keys_speak_to_the_sentinels_of_the_selected_node() {
    let keys = |view: &LabView, keys| typed(&mut ui(120, 36), view, keys);
    assert_eq!(keys(&watched(), "F"), ["key: failover mymaster"]);
    assert_eq!(
        keys(&watched(), "CRV"),
        ["key: ckquorum mymaster", "key: sentinel-reset mymaster", "key: split-vote mymaster"]
    );
    assert_eq!(keys(&watched(), "2sf"), ["key: failover mymaster"]);
    assert_eq!(keys(&five_on_two(), "4F"), ["key: failover cache"], "foxtrot follows echo");
    assert!(keys(&healthy(), "FCRV").is_empty(), "nobody watches here");
}

#[test]
fn beliefs_fill_the_place_at_the_bottom_of_a_small_screen() {
    let view = told();
    let mut ui = ui(80, 24);
    typed(&mut ui, &view, "b");
    insta::assert_snapshot!("beliefs_80x24", export::text(&frame(&view, &ui)));
    typed(&mut ui, &view, "6<enter>");
    insta::assert_snapshot!("sentinel_80x24", export::text(&frame(&view, &ui)));
}

#[test]
fn sentinels_in_ascii_and_without_colours() {
    for view in [watched(), electing(), split(), told()] {
        let mut ui = ui(120, 36);
        ui.ascii = true;
        ui.theme_name = ThemeName::Monochrome;
        ui.selected = S1;
        let buffer = frame(&view, &ui);
        let text = export::text(&buffer);
        assert!(text.is_ascii(), "{text}");
        let reset = (ratatui::style::Color::Reset, ratatui::style::Color::Reset);
        assert!(buffer.content().iter().all(|cell| (cell.fg, cell.bg) == reset));
    }
    let mut ui = ui(80, 24);
    ui.ascii = true;
    insta::assert_snapshot!("electing_ascii_80x24", export::text(&frame(&electing(), &ui)));
}

#[test]
fn arrows_walk_down_to_the_sentinels_and_back() {
    let view = watched();
    let mut ui = ui(120, 36);
    let mut walk = |keys: &str| {
        typed(&mut ui, &view, keys);
        view.nodes[ui.selected].name.clone()
    };
    assert_eq!(walk("jl"), "charlie");
    assert_eq!(walk("j"), "s1");
    assert_eq!(walk("ll"), "s3");
    assert_eq!(walk("l"), "s3");
    assert_eq!(walk("h"), "s2");
    assert_eq!(walk("k"), "charlie");
}

#[test]
fn the_mouse_selects_sentinels() {
    let view = watched();
    for (width, height) in SIZES {
        let mut ui = ui(width, height);
        let text = export::text(&frame(&view, &ui));
        let (y, line) =
            text.lines().enumerate().find(|(_, line)| line.contains("s2 :26402")).unwrap();
        let x = line[..line.find("s2 :26402").unwrap()].width();
        update(&mut ui, &view, Msg::Click(x as u16, y as u16));
        assert_eq!(view.nodes[ui.selected].name, "s2");
    }
}

#[test]
fn no_size_panics_with_sentinels() {
    let mut five = watched();
    five.nodes.extend((0..2).map(|n| NodeRow { name: format!("s{}", n + 4), ..sentinel(n) }));
    for view in [five, doubted(), electing(), split(), told()] {
        for (width, height) in [(60, 16), (61, 17), (80, 24), (109, 20), (110, 16), (300, 100)] {
            for keys in ["", "b", "t", "6", "6<enter>", "be", "2s", "<tab><tab><tab>"] {
                let mut ui = ui(width, height);
                typed(&mut ui, &view, keys);
                frame(&view, &ui);
            }
        }
    }
}

#[test]
fn a_belief_is_set_against_the_truth() {
    use crate::tui::beliefs::{all, error_of, opinions};
    let errors = |view: &LabView| -> Vec<Option<String>> {
        all(view).map(|belief| error_of(view, &belief)).collect()
    };
    assert_eq!(errors(&watched()), [None, None, None]);
    let dead = errors(&split());
    assert_eq!(dead, [None, None, Some("it is dead".into())], "s3 is cut off and has not noticed");
    let told = errors(&told());
    assert_eq!(told, [None, None, Some("bravo is primary".into())]);
    assert_eq!(opinions(&watched(), ALPHA), None);
    let doubts = opinions(&doubted(), ALPHA).unwrap();
    assert_eq!((doubts.sdown, doubts.of, doubts.odown), (2, 3, false));
}

/// Five Sentinels watch two primaries.
fn five_on_two() -> LabView {
    let mut view = healthy();
    view.title = "Two groups".into();
    view.nodes = vec![
        primary("alpha", 6401),
        replica("bravo", 6402, 0, 211),
        primary("echo", 6403),
        replica("foxtrot", 6404, 2, 0),
    ];
    with_replicas(&mut view);
    view.nodes.extend((0..5).map(|n| NodeRow {
        name: format!("s{}", n + 1),
        port: 26401 + n as u16,
        ..sentinel(n % 3)
    }));
    for row in &mut view.nodes[4..] {
        let mut own = row.view.as_ref().and_then(|view| view.sentinel().cloned()).unwrap();
        let mut cache = own.monitors[0].clone();
        cache.name = "cache".into();
        (cache.addr, cache.watched) = (endpoint(6403), endpoint(6403));
        own.monitors[0].replicas.truncate(1);
        cache.replicas = own.monitors[0].replicas.clone();
        cache.replicas[0].addr = endpoint(6404);
        own.monitors.push(cache);
        row.view = Some(Arc::new(NodeView::Sentinel(Box::new(own))));
    }
    view.monitors = [("mymaster", 0), ("cache", 2)]
        .map(|(name, primary)| MonitorRow {
            name: name.into(),
            quorum: 3,
            down_after_ms: 1_000,
            primary,
            sentinels: (4..9).collect(),
        })
        .to_vec();
    view
}

#[test]
fn five_sentinels_watch_two_primaries() {
    snapshots("five_on_two", &five_on_two(), |ui| ui.selected = 5);
}

#[test]
fn the_picture_of_the_readme_is_a_real_frame() {
    let mut ui = ui(120, 36);
    ui.selected = S1 + 1;
    let picture = export::svg(&frame(&electing(), &ui), ThemeName::Dark);
    assert!(picture.contains("LEADER"));
    if let Some(path) = std::env::var_os("REPLAB_SCREEN_SVG") {
        std::fs::write(path, picture).unwrap();
    }
}
