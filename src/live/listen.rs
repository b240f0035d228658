//! Ports: kept for a node while it is down, open while it runs.

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UnixListener;

use super::conn::Stream;
use super::fabric::endpoint;
use super::ready::Bell;
use crate::machine::Endpoint;

/// Connections that the kernel keeps for a node that does not accept them (`tcp-backlog`).
const BACKLOG: i32 = 511;

/// Whether a node could have a port now.
pub fn is_port_free(port: u16) -> bool {
    Door::reserve((Ipv4Addr::LOCALHOST, port).into()).is_ok()
}

/// A socket for clients on the same host.
#[derive(Debug, Clone)]
pub struct UnixSocket {
    /// Its file (`unixsocket`).
    pub path: PathBuf,
    /// Who may use it (`unixsocketperm`), unless the system's own rule is to hold.
    pub mode: Option<u32>,
}

/// An address that a node listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The address.
    pub ip: IpAddr,
    /// Whether it is left out if this machine does not have it (`bind -::1`).
    pub is_optional: bool,
}

impl Host {
    /// Where nodes are unless they are told otherwise.
    pub const LOCAL: Self = Self { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), is_optional: false };
}

/// A port of a node, at one address or several. It stays bound while the node is down, so that
/// nobody else gets it, but it is listened on only while the node runs.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    doors: Mutex<Vec<Door>>,
}

/// The port at one address.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    /// Bound, never listening.
    reservation: Option<Socket>,
    /// The running node's listener.
    listener: Option<Socket>,
}

impl Port {
    /// Reserves a port; 0 is a free one. `lacking` hears of each address at which it cannot be had.
    pub(super) fn reserve(
        hosts: &[Host],
        mut number: u16,
        mut lacking: impl FnMut(SocketAddr, &io::Error),
    ) -> io::Result<Self> {
        let mut doors = Vec::new();
        for host in hosts {
            match Door::reserve((host.ip, number).into()) {
                Ok(door) => {
                    number = door.address.port();
                    doors.push(door);
                }
                Err(error) => {
                    lacking((host.ip, number).into(), &error);
                    if !host.is_optional || error.kind() == io::ErrorKind::AddrInUse {
                        return Err(error);
                    }
                }
            }
        }
        Ok(Self { number, doors: Mutex::new(doors) })
    }

    /// The number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Whether it is bound nowhere.
    pub(super) fn is_nowhere(&self) -> bool {
        self.lock().is_empty()
    }

    /// Listens from now on.
    pub(super) fn open(&self) -> io::Result<Vec<TcpListener>> {
        self.lock().iter_mut().map(Door::open).collect()
    }

    /// Refuses connections from now on, although the node's thread may still hold its listeners.
    pub(super) fn close(&self) {
        for listener in self.lock().iter_mut().filter_map(|door| door.listener.take()) {
            // Systems that cannot shut a listener down refuse once the thread has dropped it.
            drop(listener.shutdown(Shutdown::Both));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    fn reserve(address: SocketAddr) -> io::Result<Self> {
        let socket = bind(address)?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { address, reservation: Some(socket), listener: None })
    }

    fn open(&mut self) -> io::Result<TcpListener> {
        let listener = bind(self.address).or_else(|_| {
            // Not every system lets a listener share a port with the socket that reserves it.
            self.reservation = None;
            bind(self.address)
        })?;
        listener.listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        self.listener = Some(listener.try_clone()?);
        Ok(listener.into())
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A free port must not be one that another world reserves, so it is bound before it is shared.
    let is_given = address.port() != 0;
    if is_given {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if !is_given {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

/// Where a node takes connections.
#[derive(Debug)]
pub(super) enum Listener {
    /// From the network.
    Tcp(tokio::net::TcpListener),
    /// From the same host; the file goes with the listener.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Within a runtime.
    pub(super) fn tcp(listener: TcpListener) -> io::Result<Self> {
        tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// Within a runtime. An old socket file is replaced.
    pub(super) fn unix(socket: &UnixSocket) -> io::Result<Self> {
        let path = &socket.path;
        drop(std::fs::remove_file(path));
        let listener = UnixListener::bind(path)?;
        if let Some(mode) = socket.mode {
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(Self::Unix(listener, path.clone()))
    }

    /// The next connection, its peer and its local address.
    pub(super) fn poll_accept(
        &self,
        bell: &Arc<Bell>,
    ) -> Poll<io::Result<(Stream, Endpoint, Endpoint)>> {
        let waker = Waker::from(Arc::clone(bell));
        let cx = &mut Context::from_waker(&waker);
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((Stream::Tcp(stream), endpoint(peer), endpoint(local)))
            }
            Self::Unix(listener, path) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                let here = Endpoint::new(path.to_string_lossy(), 0);
                Ok((Stream::Unix(stream), here.clone(), here))
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            drop(std::fs::remove_file(path));
        }
    }
}
