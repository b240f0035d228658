//! Ports: kept for a node while it is down, open while it runs.

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::conn::Stream;
use super::fabric::endpoint;
use super::ready::Bell;
use crate::machine::Endpoint;

/// Connections that the kernel keeps for a node that does not accept them (`tcp-backlog`).
const BACKLOG: i32 = 511;

/// Whether a node could have a port now.
pub fn is_port_free(port: u16) -> bool {
    Port::reserve(IpAddr::from([127, 0, 0, 1]), port).is_ok()
}

/// A socket for clients on the same host.
#[derive(Debug, Clone)]
pub struct UnixSocket {
    /// Its file (`unixsocket`).
    pub path: PathBuf,
    /// Who may use it (`unixsocketperm`), unless the system's own rule is to hold.
    pub mode: Option<u32>,
}

/// A port of a node. It stays bound while the node is down, so that nobody else gets it, but it is
/// listened on only while the node runs.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    sockets: Mutex<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    /// Bound, never listening.
    reservation: Option<Socket>,
    /// The running node's listener.
    listener: Option<Socket>,
}

impl Port {
    /// Reserves a port; 0 is a free one.
    pub(super) fn reserve(host: IpAddr, port: u16) -> io::Result<Self> {
        let socket = bind((host, port).into())?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let sockets = Sockets { reservation: Some(socket), listener: None };
        Ok(Self { address, sockets: Mutex::new(sockets) })
    }

    /// The number.
    pub(super) fn number(&self) -> u16 {
        self.address.port()
    }

    /// Listens from now on.
    pub(super) fn open(&self) -> io::Result<std::net::TcpListener> {
        let mut sockets = self.lock();
        let listener = bind(self.address).or_else(|_| {
            // Not every system lets a listener share a port with the socket that reserves it.
            sockets.reservation = None;
            bind(self.address)
        })?;
        listener.listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        sockets.listener = Some(listener.try_clone()?);
        Ok(listener.into())
    }

    /// Refuses connections from now on, although the node's thread may still hold its listener.
    pub(super) fn close(&self) {
        if let Some(listener) = self.lock().listener.take() {
            // Systems that cannot shut a listener down refuse once the thread has dropped it.
            drop(listener.shutdown(std::net::Shutdown::Both));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
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
    Tcp(TcpListener),
    /// From the same host; the file goes with the listener.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Within a runtime.
    pub(super) fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        TcpListener::from_std(listener).map(Self::Tcp)
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
