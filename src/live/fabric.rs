//! The network between the nodes of a world, which belongs to none of them.
//!
//! A node that dials another one gets a pipe in memory; the fabric, on its own thread, owns the
//! socket to the other node's real port, and carries bytes between the two as the links' policies
//! allow. So a cut link keeps its socket, a node's death sends no FIN across a cut, and pausing
//! the dialler does not stop the network.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::BytesMut;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::clock::words;
use super::conn::{Dialling, Stream};
use super::gate::{Gate, Link};
use super::lane::{Front, Lane};
use crate::machine::Endpoint;
use crate::world::link::LINK_QUEUE_BYTES_MAX;
use crate::world::{LinkPolicy, NodeId};

/// Bytes that wait for a dialler to read them, after they passed the link: its kernel's buffer.
const INBOX_BYTES_MAX: usize = 256 << 10;
/// The fabric's own kernel buffer. Small, so that a cut link soon fills its sender's queue.
const SOCKET_BUFFER_BYTES: u32 = 128 << 10;
/// Bytes asked from a socket at once.
const READ_BYTES: usize = 64 << 10;
const RESET: &str = "Connection reset by peer";

/// The network of one world.
#[derive(Debug)]
pub(super) struct Fabric {
    runtime: Handle,
    state: Mutex<State>,
    seeds: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    ports: HashMap<u16, NodeId>,
    links: HashMap<(NodeId, NodeId), Link>,
    wires: Vec<Weak<Wire>>,
}

/// One connection between two nodes.
#[derive(Debug)]
struct Wire {
    dialler: NodeId,
    target: NodeId,
    /// From the dialler to the link.
    up: Lane,
    /// From the target's socket to the link.
    down: Lane,
    /// From the link to the dialler.
    inbox: Lane,
    reset: Notify,
}

/// A dialler's end of a connection.
#[derive(Debug)]
pub(super) struct Pipe(Arc<Wire>);

impl Pipe {
    /// What the dialler sends.
    pub(super) fn up(&self) -> &Lane {
        &self.0.up
    }

    /// What the dialler receives.
    pub(super) fn inbox(&self) -> &Lane {
        &self.0.inbox
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.up.end(String::new());
        self.0.inbox.abandon();
    }
}

impl Fabric {
    /// A network whose traffic is carried on `runtime`.
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, state: Mutex::default(), seeds: AtomicU64::new(1) }
    }

    /// Says that `port` is a node's.
    pub(super) fn add(&self, port: u16, node: NodeId) {
        self.lock().ports.insert(port, node);
    }

    /// Opens a connection for `dialler`: across a link if `to` is a node, plainly otherwise.
    pub(super) fn dial(&self, dialler: NodeId, to: &Endpoint) -> Dialling {
        let is_here = matches!(to.host.as_str(), "127.0.0.1" | "localhost");
        let Some(target) = self.lock().ports.get(&to.port).copied().filter(|_| is_here) else {
            return dial_plainly(to.clone());
        };
        let wire = Arc::new(Wire {
            dialler,
            target,
            up: Lane::new(LINK_QUEUE_BYTES_MAX),
            down: Lane::new(LINK_QUEUE_BYTES_MAX),
            inbox: Lane::new(INBOX_BYTES_MAX),
            reset: Notify::new(),
        });
        let mut state = self.lock();
        state.wires.retain(|wire| wire.strong_count() > 0);
        state.wires.push(Arc::downgrade(&wire));
        let seed = self.seeds.fetch_add(2, Ordering::Relaxed);
        let there = Gate::new(state.link(dialler, target), seed);
        let back = Gate::new(state.link(target, dialler), seed + 1);
        drop(state);
        let (tell, told) = oneshot::channel();
        let pipe = Pipe(Arc::clone(&wire));
        self.runtime.spawn(connect(wire, to.port, there, back, tell));
        Box::pin(async move {
            match told.await {
                Ok(Ok(local)) => Ok((Stream::Pipe(pipe), local)),
                Ok(Err(reason)) => Err(reason),
                Err(_) => Err(RESET.to_owned()),
            }
        })
    }

    /// Sets the policy of one direction.
    pub(super) fn set(&self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.lock().link(from, to).set(policy);
    }

    /// Resets all connections between two nodes, cut or not.
    pub(super) fn reset(&self, a: NodeId, b: NodeId) {
        for wire in self.lock().wires.iter().filter_map(Weak::upgrade) {
            if (wire.dialler, wire.target) == (a, b) || (wire.dialler, wire.target) == (b, a) {
                wire.reset.notify_one();
            }
        }
    }

    /// Bytes that wait in front of one direction. None on a link without a fault: what waits there
    /// waits for its receiver.
    pub(super) fn held_bytes(&self, from: NodeId, to: NodeId) -> u64 {
        let state = self.lock();
        if !state.links.get(&(from, to)).is_some_and(Link::is_faulty) {
            return 0;
        }
        let held = state.wires.iter().filter_map(Weak::upgrade).map(|wire| {
            if (wire.dialler, wire.target) == (from, to) {
                wire.up.bytes()
            } else if (wire.target, wire.dialler) == (from, to) {
                wire.down.bytes()
            } else {
                0
            }
        });
        held.sum::<usize>() as u64
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn link(&mut self, from: NodeId, to: NodeId) -> &Link {
        self.links.entry((from, to)).or_insert_with(Link::new)
    }
}

/// Opens a connection that passes no link.
pub(super) fn dial_plainly(to: Endpoint) -> Dialling {
    Box::pin(async move {
        let connected = TcpStream::connect((to.host.as_str(), to.port)).await;
        let stream = connected.map_err(|error| words(&error))?;
        stream.set_nodelay(true).map_err(|error| words(&error))?;
        let local = stream.local_addr().map_err(|error| words(&error))?;
        Ok((Stream::Tcp(stream), endpoint(local)))
    })
}

/// An address as machines see it.
pub(super) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip().to_string(), address.port())
}

type Tell = oneshot::Sender<Result<Endpoint, String>>;

/// The life of a wire. The first packet needs the link there, its answer the link back.
async fn connect(wire: Arc<Wire>, port: u16, mut there: Gate, mut back: Gate, tell: Tell) {
    let dialled = Instant::now();
    tokio::select! {
        () = there.open(dialled) => {}
        () = wire.up.ended() => return,
        () = wire.reset.notified() => return,
    }
    match open_socket(port).await {
        Ok((socket, local)) => carry(&wire, socket, local, there, back, tell).await,
        Err(error) => {
            let refused = Instant::now();
            tokio::select! {
                () = back.open(refused) => drop(tell.send(Err(words(&error)))),
                () = wire.up.ended() => {}
                () = wire.reset.notified() => {}
            }
        }
    }
}

async fn open_socket(port: u16) -> std::io::Result<(TcpStream, Endpoint)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_nodelay(true)?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    let local = endpoint(stream.local_addr()?);
    Ok((stream, local))
}

/// Carries bytes both ways until the dialler's end has crossed, or the wire is reset.
async fn carry(
    wire: &Wire,
    socket: TcpStream,
    local: Endpoint,
    mut there: Gate,
    mut back: Gate,
    tell: Tell,
) {
    let answered = Instant::now();
    let downwards = async {
        back.open(answered).await;
        drop(tell.send(Ok(local)));
        carry_down(wire, &mut back).await;
        std::future::pending::<()>().await;
    };
    let filling = async {
        fill(wire, &socket).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = wire.reset.notified() => {
            drop(socket.set_zero_linger());
            wire.up.sever(RESET);
            wire.down.sever(RESET);
            wire.inbox.sever(RESET);
        }
        () = carry_up(wire, &mut there, &socket) => {}
        () = downwards => {}
        () = filling => {}
    }
}

/// Dialler to target; returns when the dialler's end has crossed.
async fn carry_up(wire: &Wire, gate: &mut Gate, socket: &TcpStream) {
    loop {
        let (entered, bytes) = match wire.up.front().await {
            Front::Piece(entered, bytes) => (entered, bytes),
            Front::End(entered, _) => return gate.open(entered).await,
        };
        gate.open(entered).await;
        let helping = gate.helping(bytes).await;
        let wrote = match socket.writable().await {
            Ok(()) => {
                // The link may have been cut while the target's buffer was full.
                gate.open(entered).await;
                wire.up.write_with(helping, |slices| socket.try_write_vectored(slices))
            }
            Err(error) => Err(error),
        };
        match wrote {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
                // The target is gone; the dialler hears it from the way down.
                return wire.up.ended().await;
            }
            _ => {}
        }
    }
}

/// The target's socket to the link, whatever the link's policy is.
async fn fill(wire: &Wire, socket: &TcpStream) {
    let mut buffer = BytesMut::new();
    while wire.down.has_room().await {
        if let Err(error) = socket.readable().await {
            return wire.down.end(words(&error));
        }
        buffer.reserve(READ_BYTES);
        match socket.try_read_buf(&mut buffer) {
            Ok(0) => return wire.down.end(String::new()),
            Ok(_) => wire.down.push(buffer.split().freeze()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return wire.down.end(words(&error)),
        }
    }
}

/// The link to the dialler.
async fn carry_down(wire: &Wire, gate: &mut Gate) {
    loop {
        match wire.down.front().await {
            Front::Piece(entered, bytes) => {
                if !wire.inbox.has_room().await {
                    return;
                }
                gate.open(entered).await;
                let helping = gate.helping(bytes).await;
                gate.open(entered).await;
                if let Some(piece) = wire.down.take(helping) {
                    wire.inbox.push(piece);
                }
            }
            Front::End(entered, end) => {
                gate.open(entered).await;
                return wire.inbox.end(end);
            }
        }
    }
}
