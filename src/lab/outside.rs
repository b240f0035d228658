//! Who has to do with the lab from outside: servers that a node of the lab feeds or follows, and
//! Sentinels that watch its primaries. Nobody is asked: this is what the lab's own nodes know of them.

use std::collections::BTreeSet;

use super::picture;
use super::run::Lab;
use super::view::{NodeRow, NodeStatus};
use crate::machine::{
    Endpoint, Millis, MonitorView, NodeView, PeerBelief, ReplicaView, ServerView,
};
use crate::world::World;

/// How long a replica is remembered that has gone, in milliseconds.
const REMEMBERED_MS: Millis = 60_000;

/// Servers outside the lab that are told of.
const OUTSIDERS_MAX: usize = 64;

/// A server outside the lab. All indexes are into the lab's nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outsider {
    /// Where it is, as it announced itself or as a node was told to follow it. A replica that
    /// announced no port has 0.
    pub address: Endpoint,
    /// The node that feeds it, or did until a moment ago.
    pub fed: Option<Fed>,
    /// The nodes that follow it.
    pub feeds: Vec<usize>,
}

/// A replica outside the lab, as the node that feeds it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// The node.
    pub by: usize,
    /// What that node sees, or saw last.
    pub seen: ReplicaView,
    /// When the connection ended, in milliseconds of lab time, if it did.
    pub lost_ms: Option<Millis>,
}

impl Outsider {
    /// What people call it: its address.
    pub fn name(&self) -> String {
        name(&self.address.host, self.address.port)
    }

    /// The state of its link to the node that feeds it: Redis's word, or `lost`. None for one that
    /// only feeds.
    pub fn link(&self) -> Option<&'static str> {
        let fed = self.fed.as_ref()?;
        Some(fed.lost_ms.map_or(fed.seen.state.word(), |_| "lost"))
    }
}

/// What a server outside is called: its address, as far as it told it.
pub fn name(host: &str, port: u16) -> String {
    match port {
        0 => format!("{host}, no port"),
        _ => Endpoint::new(host, port).to_string(),
    }
}

/// A node of the lab: its port, and its own picture if it is a server that ever ran.
type Ours<'a> = (u16, Option<&'a ServerView>);

impl<W: World> Lab<W> {
    /// Takes note of the servers outside that the nodes know of now.
    pub(super) fn look_outside(&mut self) {
        let known = std::mem::take(&mut self.outside);
        let ours = self.nodes.iter().map(|node| {
            let server = node.view.as_deref().and_then(NodeView::server);
            (node.port, server)
        });
        let ours: Vec<Ours<'_>> = ours.collect();
        self.outside = met(known, &ours, self.now_ms());
    }
}

/// The servers outside that nodes know of now, after those that were known a moment ago.
fn met(mut known: Vec<Outsider>, ours: &[Ours<'_>], now: Millis) -> Vec<Outsider> {
    for outsider in &mut known {
        outsider.feeds.clear();
        if let Some(fed) = &mut outsider.fed {
            fed.lost_ms.get_or_insert(now);
        }
    }
    for (by, (_, server)) in ours.iter().enumerate() {
        for seen in server.iter().flat_map(|server| &server.replicas) {
            let address = Endpoint::new(seen.ip.as_str(), seen.port);
            // A node of the lab may announce itself by another name than the lab has for it.
            let is_ours = |(port, server): &Ours<'_>| {
                let follows = server.and_then(|server| server.primary.as_ref());
                *port == seen.port && follows.is_some_and(|link| link.port == ours[by].0)
            };
            if is_at(ours, &address) || ours.iter().any(is_ours) {
                continue;
            }
            let Some(outsider) = find_or_add(&mut known, address) else { continue };
            let older = outsider.fed.as_ref().filter(|fed| fed.lost_ms.is_none());
            if older.is_none_or(|older| older.seen.ack_age_ms > seen.ack_age_ms) {
                outsider.fed = Some(Fed { by, seen: seen.clone(), lost_ms: None });
            }
        }
    }
    for (at, (_, server)) in ours.iter().enumerate() {
        let Some(link) = server.and_then(|server| server.primary.as_ref()) else { continue };
        let address = Endpoint::new(link.host.as_str(), link.port);
        if !is_at(ours, &address)
            && let Some(outsider) = find_or_add(&mut known, address)
        {
            outsider.feeds.push(at);
        }
    }
    for outsider in &mut known {
        // A replica that was promoted follows nobody any more.
        let is_forgotten =
            |since: Millis| now >= since + REMEMBERED_MS || !outsider.feeds.is_empty();
        outsider.fed.take_if(|fed| fed.lost_ms.is_some_and(is_forgotten));
    }
    known.retain(|outsider| outsider.fed.is_some() || !outsider.feeds.is_empty());
    known
}

/// Whether a node of the lab is at an address.
fn is_at(ours: &[Ours<'_>], address: &Endpoint) -> bool {
    picture::is_local(&address.host) && ours.iter().any(|(port, _)| *port == address.port)
}

/// The server at an address; none if there are too many already.
fn find_or_add(known: &mut Vec<Outsider>, address: Endpoint) -> Option<&mut Outsider> {
    let host = |address: &Endpoint| {
        if picture::is_local(&address.host) { "127.0.0.1".to_owned() } else { address.host.clone() }
    };
    let is_same = |outsider: &Outsider| {
        outsider.address.port == address.port && host(&outsider.address) == host(&address)
    };
    let at = known.iter().position(is_same).or_else(|| {
        (known.len() < OUTSIDERS_MAX).then(|| {
            known.push(Outsider { address, fed: None, feeds: Vec::new() });
            known.len() - 1
        })
    })?;
    known.get_mut(at)
}

/// A Sentinel outside the lab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watcher {
    /// The first eight characters of its id.
    pub id: String,
    /// Where it is, if a Sentinel of the lab has heard of it.
    pub address: Option<Endpoint>,
}

impl Watcher {
    /// Its address, else what is known of its id.
    pub fn name(&self) -> String {
        self.address.as_ref().map_or_else(|| self.id.clone(), Endpoint::to_string)
    }
}

/// The Sentinels outside the lab that are connected to a server of it.
pub fn connected_to(nodes: &[NodeRow], server: usize) -> Vec<Watcher> {
    let view = nodes[server].view.as_deref().and_then(NodeView::server);
    let ids = view.into_iter().flat_map(|view| &view.sentinels);
    let ids = ids.filter(|id| !ids_of_ours(nodes).any(|ours| ours.starts_with(id.as_str())));
    let address = |id: &str| {
        let heard = believed(nodes).flat_map(|belief| &belief.peers);
        heard.into_iter().find(|peer| peer.id.starts_with(id)).map(|peer| peer.addr.clone())
    };
    ids.map(|id| Watcher { id: id.clone(), address: address(id) }).collect()
}

/// The Sentinels outside the lab that watch a primary and are up, as those of the lab believe.
pub fn heard_of(nodes: &[NodeRow], monitor: &str) -> Vec<Watcher> {
    let peers = believed(nodes).filter(|belief| belief.name == monitor).flat_map(|b| &b.peers);
    let is_ours = |peer: &&PeerBelief| ids_of_ours(nodes).any(|id| id == peer.id);
    let outside = peers.filter(|peer| peer.sdown_ms.is_none() && !is_ours(peer));
    let watcher = |peer: &PeerBelief| {
        Some(Watcher { id: peer.id.get(..8)?.to_owned(), address: Some(peer.addr.clone()) })
    };
    sorted(outside.filter_map(watcher).collect())
}

/// All Sentinels outside the lab of which something in it knows.
pub fn sentinels(nodes: &[NodeRow]) -> Vec<Watcher> {
    let monitors: BTreeSet<&str> = believed(nodes).map(|belief| belief.name.as_str()).collect();
    let heard_of = monitors.into_iter().flat_map(|monitor| heard_of(nodes, monitor));
    let connected = (0..nodes.len()).flat_map(|at| connected_to(nodes, at));
    sorted(heard_of.chain(connected).collect())
}

fn sorted(mut watchers: Vec<Watcher>) -> Vec<Watcher> {
    watchers.sort();
    watchers.dedup_by(|later, first| later.id == first.id);
    watchers
}

/// What the Sentinels of the lab that run believe.
fn believed(nodes: &[NodeRow]) -> impl Iterator<Item = &MonitorView> {
    let running = nodes.iter().filter(|row| row.status == NodeStatus::Running);
    running.filter_map(|row| row.view.as_ref()?.sentinel()).flat_map(|own| &own.monitors)
}

fn ids_of_ours(nodes: &[NodeRow]) -> impl Iterator<Item = &str> {
    nodes.iter().filter_map(|row| Some(row.view.as_ref()?.sentinel()?.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{LinkState, PrimaryLinkView, ReplicaState};

    const ALPHA: u16 = 6401;
    const BRAVO: u16 = 6402;

    fn feeding(ports: &[u16]) -> ServerView {
        let replica = |port: &u16| ReplicaView {
            ip: "127.0.0.1".into(),
            port: *port,
            state: ReplicaState::Online,
            acked: 70,
            ack_age_ms: 400,
            unsent_bytes: 0,
        };
        ServerView { replicas: ports.iter().map(replica).collect(), ..ServerView::default() }
    }

    fn following(host: &str, port: u16) -> ServerView {
        let link = PrimaryLinkView {
            host: host.into(),
            port,
            state: LinkState::Connected,
            io_age_ms: None,
            down_ms: None,
            transfer: None,
        };
        ServerView { primary: Some(link), ..ServerView::default() }
    }

    /// Who is known of alpha's and bravo's pictures, after those known before: the names, who feeds
    /// them and how that link is, and whom they feed.
    fn known(
        before: Vec<Outsider>,
        alpha: &ServerView,
        bravo: &ServerView,
        now: Millis,
    ) -> (Vec<Outsider>, Vec<String>) {
        let known = met(before, &[(ALPHA, Some(alpha)), (BRAVO, Some(bravo))], now);
        let told = known.iter().map(|outsider| {
            let fed = outsider.fed.as_ref().map(|fed| fed.by);
            let link = outsider.link().unwrap_or("-");
            format!("{} fed {fed:?} {link} feeds {:?}", outsider.name(), outsider.feeds)
        });
        let told = told.collect();
        (known, told)
    }

    #[test]
    fn nodes_of_the_lab_are_not_outside_it() {
        let (_, told) = known(Vec::new(), &feeding(&[BRAVO]), &following("localhost", ALPHA), 0);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn a_replica_outside_is_remembered_for_a_minute_after_its_connection() {
        let bravo = following("127.0.0.1", ALPHA);
        let (before, told) = known(Vec::new(), &feeding(&[BRAVO, 7000]), &bravo, 0);
        assert_eq!(told, ["127.0.0.1:7000 fed Some(0) online feeds []"]);
        let (before, told) = known(before, &feeding(&[BRAVO]), &bravo, 1_000);
        assert_eq!(told, ["127.0.0.1:7000 fed Some(0) lost feeds []"]);
        let (before, _) = known(before, &feeding(&[BRAVO]), &bravo, 60_999);
        assert_eq!(before[0].fed.as_ref().and_then(|fed| fed.lost_ms), Some(1_000));
        let (_, told) = known(before, &feeding(&[BRAVO]), &bravo, 61_000);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn a_server_outside_can_stand_between_two_nodes() {
        let (_, told) = known(Vec::new(), &feeding(&[7000]), &following("localhost", 7000), 0);
        assert_eq!(told, ["127.0.0.1:7000 fed Some(0) online feeds [1]"]);
    }

    #[test]
    fn a_replica_outside_that_was_promoted_is_under_nobody() {
        let (before, _) = known(Vec::new(), &feeding(&[7000]), &feeding(&[]), 0);
        let promoted = following("127.0.0.1", 7000);
        let (_, told) = known(before, &promoted, &promoted, 1);
        assert_eq!(told, ["127.0.0.1:7000 fed None - feeds [0, 1]"]);
    }

    #[test]
    fn who_announces_no_port_is_one_and_the_same() {
        let (_, told) = known(Vec::new(), &feeding(&[0, 0]), &feeding(&[]), 0);
        assert_eq!(told, ["127.0.0.1, no port fed Some(0) online feeds []"]);
    }

    #[test]
    fn too_many_are_not_told_of() {
        let ports: Vec<u16> = (7_000..7_100).collect();
        let (known, _) = known(Vec::new(), &feeding(&ports), &feeding(&[]), 0);
        assert_eq!(known.len(), OUTSIDERS_MAX);
    }
}
