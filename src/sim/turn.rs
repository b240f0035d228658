//! A node's turn: it is told what came, and its deadline is looked up.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::SimWorld;
use super::network::SideId;
use super::node::{News, NodeConn, Process};
use super::queue::Event;
use crate::machine::{ConnId, Endpoint, Input, JobEvent, JobId, Millis, Signal};
use crate::world::{Exit, NodeId};

/// Where all of a simulated world's nodes are.
pub(super) const HOST: &str = "127.0.0.1";

/// Why a connection attempt fails when nobody listens.
pub(super) const REFUSED: &str = "Connection refused";

impl SimWorld {
    /// A node looks at what came and at its deadline.
    pub(super) fn on_wake(&mut self, node: NodeId) {
        let now = self.queue.now();
        let Some(process) = self.process(node) else { return };
        if process.wake_at != Some(now) {
            return;
        }
        process.wake_at = None;
        if process.paused.is_some() {
            return;
        }
        if process.busy_until > now {
            let until = process.busy_until;
            return self.wake(node, until);
        }
        if std::mem::take(&mut process.was_frozen) {
            let conns: Vec<SideId> = process.conns.values().map(|conn| conn.side).collect();
            for side in conns {
                self.pump(side);
            }
        }
        let ticks = self.turn(node, now);
        self.plan_deadline(node, ticks);
    }

    /// Tells a node all that came, a tick if it is due, and the end of the turn. True if it ticked.
    fn turn(&mut self, node: NodeId, now: Millis) -> bool {
        self.carry_out(node);
        self.tell_of_files(node);
        let Some(process) = self.process(node) else { return false };
        let mut waiting = process.inbox.len();
        let mut tick_due = process.deadline.is_some_and(|at| at <= now);
        let ticked = tick_due;
        loop {
            let Some(process) = self.process(node) else { return ticked };
            if process.is_frozen(now) {
                return ticked && !tick_due;
            }
            if waiting > 0 {
                waiting -= 1;
                if let Some(news) = process.inbox.pop_front() {
                    self.tell(node, news);
                }
            } else if tick_due {
                tick_due = false;
                process.deadline = None;
                self.step(node, Input::Tick);
            } else if process.owes_turn {
                self.step(node, Input::Turn);
                if let Some(process) = self.process(node) {
                    process.owes_turn = false;
                }
            } else {
                return ticked;
            }
        }
    }

    /// Asks for the deadline and plans the next wake.
    fn plan_deadline(&mut self, node: NodeId, ticked: bool) {
        let now = self.queue.now();
        let Some(process) = self.process(node) else { return };
        if process.is_frozen(now) {
            let until = process.busy_until;
            return self.wake(node, until);
        }
        process.deadline = process.machine.deadline();
        if !process.inbox.is_empty() {
            self.wake(node, now);
        } else if let Some(at) = process.deadline {
            // A machine whose tick changes nothing must not stop the clock.
            self.wake(node, at.max(now + u64::from(ticked)));
        }
    }

    /// Plans a wake, unless an earlier one is planned.
    pub(super) fn wake(&mut self, node: NodeId, at: Millis) {
        let at = at.max(self.queue.now());
        let Some(process) = self.process(node) else { return };
        if process.wake_at.is_none_or(|planned| at < planned) {
            process.wake_at = Some(at);
            self.queue.push(at, Event::Wake(node));
        }
    }

    /// Puts news into a node's inbox.
    pub(super) fn inform(&mut self, node: NodeId, news: News) {
        if let Some(process) = self.process(node) {
            process.inbox.push_back(news);
            self.wake(node, 0);
        }
    }

    fn tell(&mut self, node: NodeId, news: News) {
        match news {
            News::Started => self.step(node, Input::Started),
            News::Stop => self.step(node, Input::Stop(Signal::Terminate)),
            News::Job { id, event } => self.tell_of_job(node, id, event),
            News::Accepted { conn, peer } => {
                let local = Endpoint::new(HOST, self.nodes[node.0].port);
                self.step(node, Input::Accepted { conn, peer, local });
            }
            News::Dialled { conn } => {
                if let Some(NodeConn { side, .. }) = self.conn(node, conn) {
                    let local = Endpoint::new(HOST, side.caller_port());
                    self.step(node, Input::Dialled { conn, local });
                }
            }
            News::Readable { conn } => self.read(node, conn),
            News::Unsent { conn } => {
                let Some(known) = self.conn(node, conn) else { return };
                let bytes = self.network.unsent_bytes(known.side);
                if bytes != known.told_unsent {
                    if let Some(conn) =
                        self.process(node).and_then(|process| process.conns.get_mut(&conn))
                    {
                        conn.told_unsent = bytes;
                    }
                    self.step(node, Input::Unsent { conn, bytes });
                }
            }
            News::Closed { conn, reason } => {
                let gone = self.process(node).and_then(|process| process.conns.remove(&conn));
                if let Some(gone) = gone {
                    self.network.forget(gone.side);
                    self.step(node, Input::Closed { conn, reason: reason.to_owned() });
                }
            }
        }
    }

    /// News of a job, unless it was cancelled meanwhile. The last news ends it.
    fn tell_of_job(&mut self, node: NodeId, id: JobId, event: JobEvent) {
        let Some(process) = self.process(node) else { return };
        let known = match event {
            JobEvent::Done(_) | JobEvent::Failed(_) => process.jobs.remove(&id).is_some(),
            JobEvent::Chunk(_) | JobEvent::Progress { .. } => process.jobs.contains_key(&id),
        };
        if known {
            self.step(node, Input::Job { id, event });
        }
    }

    /// Gives a machine what can be read of a connection, until it closes it or freezes.
    fn read(&mut self, node: NodeId, conn: ConnId) {
        while let Some(NodeConn { side, is_unread: false, .. }) = self.conn(node, conn) {
            let now = self.queue.now();
            if self.process(node).is_some_and(|process| process.is_frozen(now)) {
                if let Some(process) = self.process(node) {
                    process.inbox.push_front(News::Readable { conn });
                }
                return;
            }
            let Some(data) = self.network.read(side) else { return };
            self.step(node, Input::Received { conn, data: &data });
            self.pump(side.other());
        }
    }

    /// One step of a machine, and what it orders.
    fn step(&mut self, node: NodeId, input: Input<'_>) {
        let now = self.clock();
        self.trace.input(now.mono, node, &input);
        let Some(process) = self.process(node) else { return };
        process.owes_turn = true;
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            process.machine.step(now, input, &mut process.outbox);
        }));
        match stepped {
            Ok(()) => {
                process.orders.extend(process.outbox.drain());
                self.carry_out(node);
                self.tell_of_files(node);
            }
            Err(panic) => self.end(node, Exit::Crashed(panic_text(&*panic)), false),
        }
    }

    /// Tells a node what became of its files.
    fn tell_of_files(&mut self, node: NodeId) {
        let next = |process: &mut Process| process.of_files.pop_front();
        if let Some(news) = self.process(node).and_then(next) {
            self.step(node, news);
        }
    }

    pub(super) fn process(&mut self, node: NodeId) -> Option<&mut Process> {
        self.nodes.get_mut(node.0)?.process.as_mut()
    }

    fn conn(&mut self, node: NodeId, conn: ConnId) -> Option<NodeConn> {
        self.process(node)?.conns.get(&conn).copied()
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked without words".to_owned())
}
