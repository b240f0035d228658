//! One connection of a node: its stream, its queue, and what the machine was told of it.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::clock::words;
use super::fabric::Pipe;
use super::ready::{Bell, Ready, Token};
use crate::machine::{ConnId, Endpoint};

/// Pieces handed to one system call.
const SLICES_MAX: usize = 64;

/// A connection being opened: the stream and the node's own address, or the reason why not.
pub(super) type Dialling = Pin<Box<dyn Future<Output = Result<(Stream, Endpoint), String>> + Send>>;

/// What bytes travel over.
#[derive(Debug)]
pub(super) enum Stream {
    /// A client's, or a dialled server outside the world.
    Tcp(TcpStream),
    /// A client's on the same host.
    Unix(UnixStream),
    /// Another node of the same world.
    Pipe(Pipe),
}

/// One connection.
pub(super) struct Conn {
    side: Side,
    bell: Arc<Bell>,
    waker: Waker,
    queue: VecDeque<Bytes>,
    /// Bytes in `queue`.
    pub(super) unsent: usize,
    /// What the machine believes `unsent` to be.
    pub(super) told: usize,
    /// The machine closed it, and what is queued is still to be sent.
    pub(super) is_closing: bool,
    /// That was not done at once.
    pub(super) is_lingering: bool,
    /// The machine does not want what arrives now.
    pub(super) is_unread: bool,
    /// Whether it is on the node's list of connections to flush.
    pub(super) is_touched: bool,
}

enum Side {
    Dialling(Dialling),
    Up(Stream),
}

/// Bytes that were read.
pub(super) enum Chunk<'a> {
    /// In the node's buffer.
    Read(&'a [u8]),
    /// As the sender queued them.
    Shared(Bytes),
}

impl std::ops::Deref for Chunk<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Conn {
    /// A connection that is up.
    pub(super) fn up(id: ConnId, stream: Stream, ready: &Arc<Ready>) -> Self {
        Self::new(id, Side::Up(stream), ready)
    }

    /// A connection that is being opened.
    pub(super) fn dialling(id: ConnId, dialling: Dialling, ready: &Arc<Ready>) -> Self {
        Self::new(id, Side::Dialling(dialling), ready)
    }

    fn new(id: ConnId, side: Side, ready: &Arc<Ready>) -> Self {
        let bell = Bell::new(Token::Conn(id), ready);
        Self {
            side,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            queue: VecDeque::new(),
            unsent: 0,
            told: 0,
            is_closing: false,
            is_lingering: false,
            is_unread: false,
            is_touched: false,
        }
    }

    /// Puts the connection on the list of those that have something to do.
    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// To be called before looking at a connection that has something to do.
    pub(super) fn hush(&self) {
        self.bell.hush();
    }

    /// Queues bytes.
    pub(super) fn send(&mut self, data: Bytes) {
        self.unsent += data.len();
        if !data.is_empty() {
            self.queue.push_back(data);
        }
    }

    /// Goes on opening a connection. Pending also if it is up already.
    pub(super) fn poll_dial(&mut self) -> Poll<Result<Endpoint, String>> {
        let Side::Dialling(dialling) = &mut self.side else { return Poll::Pending };
        let (stream, local) =
            ready!(dialling.as_mut().poll(&mut Context::from_waker(&self.waker)))?;
        self.side = Side::Up(stream);
        Poll::Ready(Ok(local))
    }

    /// The next bytes, through `buffer` where they come from a socket; an error is the end, with
    /// the reason.
    pub(super) fn poll_read<'b>(
        &mut self,
        buffer: &'b mut [u8],
    ) -> Poll<Result<Chunk<'b>, String>> {
        let cx = &mut Context::from_waker(&self.waker);
        let mut read = ReadBuf::new(buffer);
        let done = match &mut self.side {
            Side::Dialling(_) => return Poll::Pending,
            Side::Up(Stream::Pipe(pipe)) => {
                return pipe.inbox().poll_take(cx).map_ok(Chunk::Shared);
            }
            Side::Up(Stream::Tcp(stream)) => ready!(Pin::new(stream).poll_read(cx, &mut read)),
            Side::Up(Stream::Unix(stream)) => ready!(Pin::new(stream).poll_read(cx, &mut read)),
        };
        done.map_err(|error| words(&error))?;
        match read.filled().len() {
            0 => Poll::Ready(Err(String::new())),
            len => Poll::Ready(Ok(Chunk::Read(&buffer[..len]))),
        }
    }

    /// Sends what can be sent; an error is the end, with the reason.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while self.unsent > 0 {
            match self.poll_write() {
                Poll::Ready(wrote) => self.unsent -= wrote?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Poll<Result<usize, String>> {
        let cx = &mut Context::from_waker(&self.waker);
        let wrote = match &mut self.side {
            Side::Dialling(_) => return Poll::Pending,
            Side::Up(Stream::Pipe(pipe)) => return pipe.up().poll_push(cx, &mut self.queue),
            Side::Up(Stream::Tcp(stream)) => ready!(write(Pin::new(stream), cx, &self.queue)),
            Side::Up(Stream::Unix(stream)) => ready!(write(Pin::new(stream), cx, &self.queue)),
        };
        let wrote = wrote.map_err(|error| words(&error))?;
        let mut left = wrote;
        while left > 0
            && let Some(first) = self.queue.front_mut()
        {
            if first.len() > left {
                first.advance(left);
                break;
            }
            left -= first.len();
            self.queue.pop_front();
        }
        Poll::Ready(Ok(wrote))
    }
}

/// One system call for as much of the queue as it takes.
fn write(
    stream: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    queue: &VecDeque<Bytes>,
) -> Poll<io::Result<usize>> {
    if let [only] = queue.as_slices().0
        && queue.len() == 1
    {
        return stream.poll_write(cx, only);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(queue) {
        *slice = IoSlice::new(piece);
        count += 1;
    }
    stream.poll_write_vectored(cx, &slices[..count])
}
