//! A node's one loop: reads what is ready, steps the machine, carries out what it wants, writes.
//!
//! The loop is one hand-written future. A round is: news of jobs and of connections, new
//! connections, what is readable, the deadline; then [`Input::Turn`]; then everything that was
//! queued is written, each connection with as few system calls as possible. Between rounds it
//! sleeps until a connection rings, a job has news, an order comes, or its one timer fires.

mod lingering;
mod outputs;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use self::lingering::Lingering;
use super::clock::{Clock, stopwatch};
use super::conn::{Conn, Dialling, Stream};
use super::control::{Control, Death, Order, Show};
use super::files::Files;
use super::jobs::Jobs;
use super::listen::Listener;
use super::ready::{Bell, Token};
use crate::machine::{ConnId, Endpoint, Input, Machine, Millis, NodeView, Now, Outbox};
use crate::world::WorldEvent;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Full reads of one connection in one round, so that no client starves the others.
const READS_PER_ROUND: usize = 4;
/// News of jobs in one round, so that a job that has much to say starves nobody.
const JOB_NEWS_PER_ROUND: usize = 4;
/// Rounds in a row without asking the system for news.
const ROUNDS_IN_A_ROW: usize = 4;
/// Connections taken from a listener in one round.
const ACCEPTS_PER_ROUND: usize = 128;
/// Least milliseconds between two pictures.
const VIEW_EVERY_MS: Millis = 50;
/// How long a node that ends waits for its last bytes to leave.
const FAREWELL_MS: Millis = 500;

/// The newest picture of a node.
pub(super) type Picture = Arc<Mutex<Option<Arc<NodeView>>>>;

/// What surrounds a node.
pub(super) struct Surroundings {
    /// The time.
    pub(super) clock: Clock,
    /// Orders from outside.
    pub(super) control: Arc<Control>,
    /// Where facts and log lines go.
    pub(super) events: Box<dyn Fn(WorldEvent) + Send>,
    /// How events name the node.
    pub(super) id: crate::world::NodeId,
    /// Opens connections.
    pub(super) dial: Box<dyn Fn(&Endpoint) -> Dialling + Send>,
    /// Where pictures go.
    pub(super) picture: Picture,
    /// The node's directory.
    pub(super) files: Files,
}

/// How a node's loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The machine ended it.
    Code(i32),
    /// The world did.
    Killed(Death),
}

/// A node at work. Completes when it ends; dropping it closes all its sockets.
pub(super) struct Node {
    machine: Box<dyn Machine>,
    around: Surroundings,
    now: Now,
    outbox: Outbox,
    conns: HashMap<ConnId, Conn, foldhash::fast::RandomState>,
    accepted: u64,
    listeners: Vec<(Listener, Arc<Bell>)>,
    jobs: Jobs,
    buffer: Box<[u8]>,
    /// Whom to look at in the next round, whatever causes it.
    ready: Vec<Token>,
    /// Connections with something to write.
    touched: Vec<ConnId>,
    /// Closed connections whose last bytes have not left, by when they are looked at again.
    lingering: VecDeque<Lingering>,
    /// What the machine must hear in the next round.
    news: Vec<News>,
    is_started: bool,
    /// When the last picture was taken, and whether it is out of date.
    pictured: Millis,
    is_changed: bool,
    /// The code to end with, and until when last bytes may leave.
    exit: Option<(i32, Millis)>,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    armed: Option<Millis>,
}

/// Something that happened to a connection while it was written to, or while it was opened.
enum News {
    Unsent(ConnId),
    Closed(ConnId, String),
}

impl Node {
    /// A node that listens on `listeners`. To be called within its runtime.
    pub(super) fn new(
        machine: Box<dyn Machine>,
        listeners: Vec<Listener>,
        around: Surroundings,
    ) -> Self {
        let ready = around.control.ready();
        let listeners = listeners
            .into_iter()
            .enumerate()
            .map(|(at, listener)| (listener, Bell::new(Token::Listener(at), ready)))
            .collect::<Vec<_>>();
        Self {
            machine,
            now: around.clock.now(),
            outbox: Outbox::with_stopwatch(stopwatch),
            conns: HashMap::default(),
            accepted: 0,
            ready: (0..listeners.len()).map(Token::Listener).collect(),
            listeners,
            jobs: Jobs::new(Arc::clone(ready)),
            buffer: vec![0; READ_BYTES].into(),
            touched: Vec::new(),
            lingering: VecDeque::new(),
            news: Vec::new(),
            is_started: false,
            pictured: 0,
            is_changed: false,
            exit: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            around,
        }
    }

    /// Closes everything at once, and waits for jobs to notice.
    pub(super) fn drop_everything(self, ended: Ended) {
        let Self { conns, listeners, jobs, mut around, .. } = self;
        drop(conns);
        drop(listeners);
        drop(jobs);
        if ended == Ended::Killed(Death::PowerLoss) {
            around.files.lose_power();
        }
    }

    /// One round; whether another is due at once.
    fn round(&mut self) -> bool {
        self.now = self.around.clock.now();
        let mut is_busy = self.hear_news();
        is_busy |= self.hear_jobs();
        is_busy |= self.serve_ready();
        if self.machine.deadline().is_some_and(|at| at <= self.now.mono) {
            self.step(Input::Tick);
            is_busy = true;
        }
        if is_busy {
            self.step(Input::Turn);
            self.is_changed = true;
        }
        self.flush();
        self.drop_lingering();
        !self.news.is_empty()
    }

    /// Steps the machine and does what it wants.
    fn step(&mut self, input: Input<'_>) {
        self.machine.step(self.now, input, &mut self.outbox);
        self.carry_out();
    }

    fn hear_news(&mut self) -> bool {
        let mut is_busy = false;
        for news in std::mem::take(&mut self.news) {
            is_busy = true;
            match news {
                News::Closed(conn, reason) => {
                    if self.conns.remove(&conn).is_some() {
                        self.step(Input::Closed { conn, reason });
                    }
                }
                News::Unsent(id) => {
                    if let Some(conn) = self.conns.get_mut(&id) {
                        conn.told = conn.unsent;
                        let bytes = conn.unsent;
                        self.step(Input::Unsent { conn: id, bytes });
                    }
                }
            }
        }
        is_busy
    }

    fn hear_jobs(&mut self) -> bool {
        for heard in 0..JOB_NEWS_PER_ROUND {
            let Some((id, event)) = self.jobs.next() else { return heard > 0 };
            self.step(Input::Job { id, event });
        }
        self.jobs.ring();
        true
    }

    fn serve_ready(&mut self) -> bool {
        let mut is_busy = false;
        let mut ready = std::mem::take(&mut self.ready);
        self.around.control.ready().take(&mut ready);
        for token in ready.drain(..) {
            if self.exit.is_some() {
                break;
            }
            is_busy |= match token {
                Token::Listener(at) => self.accept(at),
                Token::Conn(id) => self.serve(id),
            };
        }
        ready.append(&mut self.ready);
        self.ready = ready;
        is_busy
    }

    fn accept(&mut self, at: usize) -> bool {
        let mut is_busy = false;
        for _ in 0..ACCEPTS_PER_ROUND {
            let (listener, bell) = &self.listeners[at];
            bell.hush();
            match listener.poll_accept(bell) {
                Poll::Ready(Ok((stream, peer, local))) => {
                    self.welcome(stream, peer, local);
                    is_busy = true;
                }
                Poll::Ready(Err(_)) => {
                    // No free descriptor, most likely. Trying again at once would burn the CPU.
                    self.ready.push(Token::Listener(at));
                    return is_busy;
                }
                Poll::Pending => return is_busy,
            }
        }
        self.listeners[at].1.wake_by_ref();
        is_busy
    }

    fn welcome(&mut self, stream: Stream, peer: Endpoint, local: Endpoint) {
        self.accepted += 1;
        let id = ConnId::accepted(self.accepted);
        self.conns.insert(id, Conn::up(id, stream, self.around.control.ready()));
        self.step(Input::Accepted { conn: id, peer, local });
        self.serve(id);
    }

    /// Reads from a connection, and puts it on the list of those to write to.
    fn serve(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        conn.hush();
        self.touch(id);
        let mut is_busy = self.finish_dial(id);
        for _ in 0..READS_PER_ROUND {
            let is_read = |conn: &&mut Conn| !conn.is_closing && !conn.is_unread;
            let Some(conn) = self.conns.get_mut(&id).filter(is_read) else {
                return is_busy;
            };
            match conn.poll_read(&mut self.buffer) {
                Poll::Pending => return is_busy,
                Poll::Ready(Ok(data)) => {
                    let input = Input::Received { conn: id, data: &data };
                    self.machine.step(self.now, input, &mut self.outbox);
                }
                Poll::Ready(Err(reason)) => {
                    // Said in the next round: who sends and shuts down shall have his replies.
                    self.news.push(News::Closed(id, reason));
                    return true;
                }
            }
            self.carry_out();
            is_busy = true;
        }
        if let Some(conn) = self.conns.get(&id) {
            conn.ring();
        }
        is_busy
    }

    fn finish_dial(&mut self, id: ConnId) -> bool {
        let Some(Poll::Ready(dialled)) = self.conns.get_mut(&id).map(Conn::poll_dial) else {
            return false;
        };
        match dialled {
            Ok(local) => self.step(Input::Dialled { conn: id, local }),
            Err(reason) => {
                self.conns.remove(&id);
                self.step(Input::Closed { conn: id, reason });
            }
        }
        true
    }

    fn touch(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id)
            && !conn.is_touched
        {
            conn.is_touched = true;
            self.touched.push(id);
        }
    }

    /// Writes what can be written.
    fn flush(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.is_touched = false;
            match conn.flush() {
                Ok(()) if conn.is_closing => {
                    if conn.unsent == 0 {
                        self.conns.remove(&id);
                    } else {
                        self.let_linger(id);
                    }
                }
                Ok(()) if conn.unsent != conn.told => self.news.push(News::Unsent(id)),
                Ok(()) => {}
                Err(_) if conn.is_closing => drop(self.conns.remove(&id)),
                Err(reason) => self.news.push(News::Closed(id, reason)),
            }
        }
        self.touched = touched;
    }

    /// Queues bytes on a connection; nothing happens if it is gone.
    fn send(&mut self, id: ConnId, data: Bytes) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_closing) else { return };
        conn.send(data);
        if !conn.is_touched {
            conn.is_touched = true;
            self.touched.push(id);
        }
    }

    /// After [`crate::machine::Output::Exit`]: ends when the last bytes have left, or too late.
    fn farewell(&mut self) -> Option<Ended> {
        let (code, until) = self.exit?;
        let waiting = self.conns.iter().filter(|(_, conn)| conn.unsent > 0).map(|(id, _)| *id);
        let waiting: Vec<_> = waiting.collect();
        for id in waiting {
            self.touch(id);
        }
        self.flush();
        let is_done = self.conns.values().all(|conn| conn.unsent == 0);
        (is_done || self.around.clock.now().mono >= until).then_some(Ended::Code(code))
    }

    /// Takes a picture if there is something new to see and the last one is old enough.
    fn picture(&mut self, at_once: bool) {
        let is_due = at_once || self.now.mono >= self.pictured + VIEW_EVERY_MS;
        if self.is_changed && is_due {
            let view = Arc::new(self.machine.view(self.now));
            *self.around.picture.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
            self.pictured = self.now.mono;
            self.is_changed = false;
        }
    }

    /// Sets the timer to whatever comes first. Whether that is already over.
    fn arm(&mut self, cx: &mut Context<'_>) -> bool {
        let next = if let Some((_, until)) = self.exit {
            Some(until)
        } else {
            let picture = self.is_changed.then_some(self.pictured + VIEW_EVERY_MS);
            let lingering = self.next_lingering();
            self.machine.deadline().into_iter().chain(picture).chain(lingering).min()
        };
        if next != self.armed {
            self.armed = next;
            if let Some(at) = next {
                self.timer.as_mut().reset(self.around.clock.instant(at).into());
            }
        }
        if next.is_some() && self.timer.as_mut().poll(cx).is_ready() {
            self.armed = None;
            return true;
        }
        false
    }

    fn show(&mut self, what: Show) {
        match what {
            Show::View => self.picture(true),
            Show::Data => {
                self.picture(true);
                let data = self.machine.data(self.around.clock.now()).map(Box::new);
                (self.around.events)(WorldEvent::Data { node: self.around.id, data });
            }
        }
    }

    /// Follows orders from outside; parks here while the node is paused.
    fn obey(&mut self) -> Option<Ended> {
        let control = Arc::clone(&self.around.control);
        match control.obey(|show| self.show(show)) {
            Order::Run => None,
            Order::Die(death) => Some(Ended::Killed(death)),
            Order::Stop(signal) => {
                self.now = self.around.clock.now();
                self.step(Input::Stop(signal));
                self.step(Input::Turn);
                self.is_changed = true;
                None
            }
        }
    }
}

impl Future for Node {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        this.around.control.ready().owned_by(cx.waker());
        if !this.is_started {
            this.is_started = true;
            this.step(Input::Started);
            this.step(Input::Turn);
            this.is_changed = true;
            this.picture(true);
        }
        for _ in 0..ROUNDS_IN_A_ROW {
            if let Some(ended) = this.obey() {
                this.picture(true);
                return Poll::Ready(ended);
            }
            let is_busy = this.exit.is_none() && this.round();
            if let Some(ended) = this.farewell() {
                this.picture(true);
                return Poll::Ready(ended);
            }
            this.picture(false);
            if !is_busy && !this.arm(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
