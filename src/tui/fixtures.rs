//! Views of labs for the tests of the screen.

use std::sync::Arc;

use crate::lab::action::{Direction, LinkRef};
use crate::lab::outside::{Fed, Outsider};
use crate::lab::view::{
    LinkFault, NodeKind, NodeRow, NodeStatus, Seen, StepStatus, StepView, WorkloadView,
};
use crate::lab::{Action, Entry, Event, LabView};
use crate::machine::{
    BacklogView, Endpoint, Fact, FullSyncReason, LastSync, LinkState, NodeView, PrimaryLinkView,
    ReplicaState, ReplicaView, Role, ServerView, SyncKind,
};
use crate::world::LinkPolicy;

const HEAD: u64 = 1_204_331;

fn server(role: Role, offset: u64) -> ServerView {
    ServerView {
        role,
        replid: "8f3a6cdd01a92b7784c1e5f60a1b2c3d4e5f6ac1".into(),
        second_offset: -1,
        offset,
        backlog: Some(BacklogView { size: 1 << 20, first: 1, len: 744_000 }),
        keys: 12_034,
        expires: 12,
        memory_bytes: 3_250_585,
        clients: 2,
        commands_total: 20_400,
        ..ServerView::default()
    }
}

/// A node that follows nobody.
pub fn primary(name: &str, port: u16) -> NodeRow {
    NodeRow {
        name: name.into(),
        kind: NodeKind::Server,
        port,
        status: NodeStatus::Running,
        view: Some(Arc::new(NodeView::Server(Box::new(ServerView {
            sync_full: 2,
            sync_partial_ok: 1,
            ..server(Role::Primary, HEAD)
        })))),
        follows: None,
        behind_history: vec![0; 60],
        seen: Seen::default(),
    }
}

/// A node that follows another and is so many bytes behind.
pub fn replica(name: &str, port: u16, of: usize, behind: u64) -> NodeRow {
    let history = (0..60).map(|i| if i % 7 == 5 { behind * 2 } else { behind }).collect();
    NodeRow {
        name: name.into(),
        kind: NodeKind::Server,
        port,
        status: NodeStatus::Running,
        view: Some(Arc::new(NodeView::Server(Box::new(ServerView {
            primary: Some(PrimaryLinkView {
                host: "127.0.0.1".into(),
                port: 6401,
                state: LinkState::Connected,
                io_age_ms: Some(210),
                down_ms: None,
                transfer: None,
            }),
            last_sync: Some(LastSync { kind: SyncKind::Partial, age_ms: 12_000 }),
            ..server(Role::Replica, HEAD - behind)
        })))),
        follows: Some(of),
        behind_history: history,
        seen: Seen::default(),
    }
}

/// Changes a node's own picture.
pub fn with_server(row: &mut NodeRow, change: impl FnOnce(&mut ServerView)) {
    let mut own = row.view.as_ref().and_then(|view| view.server().cloned()).unwrap();
    change(&mut own);
    row.view = Some(Arc::new(NodeView::Server(Box::new(own))));
}

/// Lets every node list those that follow it.
pub fn with_replicas(view: &mut LabView) {
    for i in 0..view.nodes.len() {
        let followers: Vec<ReplicaView> = view
            .nodes
            .iter()
            .filter(|row| row.follows == Some(i))
            .map(|row| ReplicaView {
                ip: "127.0.0.1".into(),
                port: row.port,
                state: ReplicaState::Online,
                acked: HEAD,
                ack_age_ms: 400,
                unsent_bytes: 0,
            })
            .collect();
        with_server(&mut view.nodes[i], |own| own.replicas = followers);
    }
}

/// A row of the journal.
pub fn entry(seq: u64, t_ms: u64, node: Option<&str>, event: Event) -> Arc<Entry> {
    Arc::new(Entry { seq, t_ms, node: node.map(str::to_owned), event })
}

/// An address of the lab.
pub fn endpoint(port: u16) -> Endpoint {
    Endpoint::new("127.0.0.1", port)
}

/// alpha feeds bravo and charlie, delta follows bravo; all is well.
pub fn healthy() -> LabView {
    let mut view = LabView {
        title: "Chained replication".into(),
        about: "alpha feeds bravo and charlie; delta follows bravo.".into(),
        now_ms: 102_390,
        nodes: vec![
            primary("alpha", 6401),
            replica("bravo", 6402, 0, 211),
            replica("charlie", 6403, 0, 0),
            replica("delta", 6404, 1, 422),
        ],
        workload: WorkloadView {
            per_second: 200,
            target: Some("alpha".into()),
            acked: 20_312,
            ..WorkloadView::default()
        },
        journal: vec![
            entry(1, 10, Some("alpha"), Event::Started { port: 6401 }),
            entry(
                2,
                120,
                Some("alpha"),
                Event::Node(Fact::FullSyncServed {
                    replica: endpoint(6402),
                    reason: FullSyncReason::NoHistory,
                }),
            ),
            entry(
                3,
                180,
                Some("bravo"),
                Event::Node(Fact::FullSyncDone { offset: 14, keys: 0, keys_before: 0, bytes: 175 }),
            ),
            entry(
                4,
                190,
                Some("bravo"),
                Event::Node(Fact::LinkChanged {
                    primary: endpoint(6401),
                    state: LinkState::Connected,
                    reason: String::new(),
                }),
            ),
            entry(5, 240, None, Event::Ready),
        ],
        ..LabView::default()
    };
    with_replicas(&mut view);
    view
}

/// The link of charlie is cut, bravo is frozen, delta is dead.
pub fn troubled() -> LabView {
    let mut view = healthy();
    let cut = LinkPolicy { cut: true, ..LinkPolicy::default() };
    let fault = |from, to, held_bytes| LinkFault {
        from,
        to,
        policy: cut,
        since_ms: 98_000,
        heals_at_ms: None,
        held_bytes,
    };
    view.faults = vec![fault(0, 2, 49_152), fault(2, 0, 37)];
    view.nodes[1].status = NodeStatus::Paused(99_100);
    view.nodes[3].status = NodeStatus::Dead(95_000, "killed".into());
    view.nodes[2].behind_history =
        (0..60).map(|i| if i < 40 { 0 } else { (i - 39) * 2458 }).collect();
    with_server(&mut view.nodes[2], |own| {
        own.offset = HEAD - 49_152;
        own.primary = own.primary.take().map(|link| PrimaryLinkView {
            state: LinkState::Connect,
            io_age_ms: None,
            down_ms: Some(2_300),
            ..link
        });
    });
    view.undo = Some("heal alpha charlie".into());
    view.workload.lost = 3;
    view.workload.refused = 41;
    let did = |action| Event::Did { action, by: "key" };
    let link = LinkRef { a: "alpha".into(), b: "charlie".into(), direction: Direction::Both };
    view.journal.extend([
        entry(6, 95_000, Some("delta"), did(Action::Kill { node: "delta".into() })),
        entry(7, 95_001, Some("delta"), Event::Killed { power_loss: false }),
        entry(
            8,
            95_002,
            Some("bravo"),
            Event::Node(Fact::ReplicaLost {
                replica: endpoint(6404),
                reason: "connection closed".into(),
            }),
        ),
        entry(9, 98_000, None, did(Action::Cut { link, for_ms: None })),
        entry(10, 99_100, Some("bravo"), Event::Paused),
    ]);
    view
}

/// bravo receives the whole dataset, since the backlog no longer holds what it missed.
pub fn syncing() -> LabView {
    let mut view = healthy();
    with_server(&mut view.nodes[1], |own| {
        own.primary = own.primary.take().map(|link| PrimaryLinkView {
            state: LinkState::Sync,
            transfer: Some((1_350_000, Some(3_145_728))),
            ..link
        });
    });
    view.faults = vec![LinkFault {
        from: 0,
        to: 1,
        policy: LinkPolicy { delay_ms: 50, bytes_per_s: 51_200, ..LinkPolicy::default() },
        since_ms: 90_000,
        heals_at_ms: None,
        held_bytes: 0,
    }];
    view.journal.push(entry(
        6,
        101_200,
        Some("alpha"),
        Event::Node(Fact::FullSyncServed {
            replica: endpoint(6402),
            reason: FullSyncReason::BeforeBacklog { asked: 3_104, first: 9_000 },
        }),
    ));
    view
}

/// A server outside the lab follows alpha, and delta follows that one; another was there until a
/// moment ago.
pub fn among_others() -> LabView {
    let mut view = healthy();
    let seen = |port, acked| ReplicaView {
        ip: "127.0.0.1".into(),
        port,
        state: ReplicaState::Online,
        acked,
        ack_age_ms: 800,
        unsent_bytes: 37,
    };
    let fed = |seen, lost_ms| Some(Fed { by: 0, seen, lost_ms });
    view.outside = vec![
        Outsider {
            address: endpoint(27000),
            fed: fed(seen(27000, HEAD - 252), None),
            feeds: vec![3],
        },
        Outsider {
            address: Endpoint::new("192.168.100.17", 6379),
            fed: fed(seen(6379, HEAD - 9_000), Some(99_000)),
            feeds: Vec::new(),
        },
    ];
    view.nodes[3].follows = None;
    with_server(&mut view.nodes[3], |own| {
        own.primary = own.primary.take().map(|link| PrimaryLinkView { port: 27000, ..link });
    });
    with_server(&mut view.nodes[0], |own| {
        own.replicas.push(seen(27000, HEAD - 252));
        own.sentinels = vec!["d71c639c".into()];
    });
    view
}

/// A script with an expectation that was not met.
pub fn scripted() -> LabView {
    let mut view = healthy();
    let step = |text: &str, status| StepView { text: text.into(), status };
    view.title = "Backlog overflow".into();
    view.steps = vec![
        step("at 5s: cut alpha bravo", StepStatus::Passed),
        step("expect bravo link=down within 3s", StepStatus::Passed),
        step("at 12s: heal alpha bravo", StepStatus::Passed),
        step("expect bravo last-sync=partial within 5s", StepStatus::Failed),
        step("at 20s: write off", StepStatus::Running),
        step("expect lab lost=0", StepStatus::Waiting),
    ];
    view.journal.extend([
        entry(
            6,
            5_000,
            None,
            Event::Said("The link is cut: charlie keeps up, bravo falls behind.".into()),
        ),
        entry(7, 6_100, None, Event::Met { claim: "bravo link=down".into(), after_ms: 1_100 }),
        entry(
            8,
            17_000,
            None,
            Event::Failed {
                claim: "bravo last-sync=partial within 5s".into(),
                instead: "last-sync is full".into(),
            },
        ),
    ]);
    view
}

/// Twelve nodes in three layers.
pub fn twelve() -> LabView {
    let mut view = healthy();
    view.title = "Twelve".into();
    view.nodes = vec![primary("alpha", 6401)];
    for (i, name) in ["bravo", "charlie", "delta"].into_iter().enumerate() {
        view.nodes.push(replica(name, 6402 + i as u16, 0, 211));
    }
    let names = ["echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima"];
    for (i, name) in names.into_iter().enumerate() {
        view.nodes.push(replica(name, 6405 + i as u16, 1 + i % 3, 422));
    }
    with_replicas(&mut view);
    view
}

/// One and five.
pub fn fan() -> LabView {
    let mut view = healthy();
    view.title = "Fan".into();
    view.nodes = vec![primary("alpha", 6401)];
    for (i, name) in ["bravo", "charlie", "delta", "echo", "foxtrot"].into_iter().enumerate() {
        view.nodes.push(replica(name, 6402 + i as u16, 0, 211));
    }
    with_replicas(&mut view);
    view
}
