//! A bounded queue of bytes between a node and the fabric: one stretch of one direction of a
//! connection. Pieces remember when they entered, so that a link can delay them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

/// Pieces handed to one system call.
const SLICES_MAX: usize = 64;

/// One stretch. One side pushes, one side takes.
#[derive(Debug)]
pub(super) struct Lane {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    end: Option<(Instant, End)>,
    /// Nobody will take any more.
    abandoned: bool,
    pusher: Option<Waker>,
    taker: Option<Waker>,
}

/// How the bytes of a lane end: the reason in the system's words, empty for a plain end.
pub(super) type End = String;

/// What is first in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Front {
    /// So many bytes that entered then.
    Piece(Instant, usize),
    /// The end, which entered then.
    End(Instant, End),
}

impl Lane {
    /// An empty lane that holds at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Moves what fits from `queue` into the lane. Pending if nothing fits; an error if nobody
    /// takes any more.
    pub(super) fn poll_push(
        &self,
        cx: &Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<Result<usize, End>> {
        let mut state = self.lock();
        if state.abandoned || state.end.is_some() {
            return Poll::Ready(Err("Broken pipe".to_owned()));
        }
        let mut room = self.bytes_max.saturating_sub(state.bytes);
        if room == 0 {
            state.pusher = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let entered = Instant::now();
        let mut moved = 0;
        while room > 0
            && let Some(mut piece) = queue.pop_front()
        {
            if piece.len() > room {
                queue.push_front(piece.split_off(room));
            }
            room -= piece.len();
            moved += piece.len();
            state.pieces.push_back((entered, piece));
        }
        state.bytes += moved;
        state.wake_taker();
        Poll::Ready(Ok(moved))
    }

    /// Waits until something fits; false if nobody takes any more.
    pub(super) async fn has_room(&self) -> bool {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.abandoned || state.end.is_some() {
                Poll::Ready(false)
            } else if state.bytes < self.bytes_max {
                Poll::Ready(true)
            } else {
                state.pusher = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Adds one piece whatever the bound says; used after [`Self::has_room`].
    pub(super) fn push(&self, piece: Bytes) {
        let mut state = self.lock();
        state.bytes += piece.len();
        state.pieces.push_back((Instant::now(), piece));
        state.wake_taker();
    }

    /// Nothing more will be pushed.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some((Instant::now(), end));
        }
        state.wake_taker();
    }

    /// Throws away what is held and ends at once.
    pub(super) fn sever(&self, end: &str) {
        let mut state = self.lock();
        state.pieces.clear();
        state.bytes = 0;
        state.end = Some((Instant::now(), end.to_owned()));
        state.abandoned = true;
        state.wake_taker();
        state.wake_pusher();
    }

    /// Nothing more will be taken.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.pieces.clear();
        state.bytes = 0;
        state.wake_pusher();
    }

    /// Waits until nothing more will be pushed.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.end.is_some() {
                return Poll::Ready(());
            }
            state.taker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits for something to be first.
    pub(super) async fn front(&self) -> Front {
        poll_fn(|cx| {
            let mut state = self.lock();
            let front = match (state.pieces.front(), &state.end) {
                (Some((entered, piece)), _) => Front::Piece(*entered, piece.len()),
                (None, Some((entered, end))) => Front::End(*entered, end.clone()),
                (None, None) => {
                    state.taker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            };
            Poll::Ready(front)
        })
        .await
    }

    /// Takes the first piece, at most `bytes_max` of it.
    pub(super) fn take(&self, bytes_max: usize) -> Option<Bytes> {
        let mut state = self.lock();
        let (_, piece) = state.pieces.front_mut()?;
        let taken = if piece.len() > bytes_max {
            piece.split_to(bytes_max)
        } else {
            state.pieces.pop_front()?.1
        };
        state.bytes -= taken.len();
        state.wake_pusher();
        Some(taken)
    }

    /// Takes the first piece, or the reason why there will be none.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Result<Bytes, End>> {
        if let Some(piece) = self.take(usize::MAX) {
            return Poll::Ready(Ok(piece));
        }
        let mut state = self.lock();
        if let Some((_, end)) = &state.end
            && state.pieces.is_empty()
        {
            return Poll::Ready(Err(end.clone()));
        }
        state.taker = Some(cx.waker().clone());
        if state.pieces.is_empty() {
            Poll::Pending
        } else {
            // Came between the two looks.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    /// Lets `write` take from the first pieces, at most `bytes_max` bytes, and drops what it took.
    pub(super) fn write_with(
        &self,
        bytes_max: usize,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        let mut room = bytes_max;
        let mut slices = Vec::with_capacity(state.pieces.len().min(SLICES_MAX));
        for (_, piece) in state.pieces.iter().take(SLICES_MAX) {
            let len = piece.len().min(room);
            if len == 0 {
                break;
            }
            room -= len;
            slices.push(IoSlice::new(&piece[..len]));
        }
        let mut written = write(&slices)?;
        drop(slices);
        state.bytes -= written;
        while written > 0
            && let Some((_, piece)) = state.pieces.front_mut()
        {
            if piece.len() > written {
                drop(piece.split_to(written));
                break;
            }
            written -= piece.len();
            state.pieces.pop_front();
        }
        state.wake_pusher();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_pusher(&mut self) {
        if let Some(waker) = self.pusher.take() {
            waker.wake();
        }
    }

    fn wake_taker(&mut self) {
        if let Some(waker) = self.taker.take() {
            waker.wake();
        }
    }
}
