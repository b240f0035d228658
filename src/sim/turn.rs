//! A node's turn: it is told what came, what it orders is done, and its deadline is looked up.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::SimWorld;
use super::job::{Running, Step};
use super::network::{End, SideId};
use super::node::{News, NodeConn, Process};
use super::queue::Event;
use crate::machine::{Closing, ConnId, Endpoint, Fact, Input, Job, JobId, Millis, Output};
use crate::world::{Exit, NodeId, WorldEvent};

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
            News::Stop => self.step(node, Input::Stop),
            News::Job { id, event } => self.step(node, Input::Job { id, event }),
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

    /// Gives a machine what can be read of a connection, until it closes it or freezes.
    fn read(&mut self, node: NodeId, conn: ConnId) {
        while let Some(NodeConn { side, .. }) = self.conn(node, conn) {
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
            }
            Err(panic) => self.end(node, Exit::Crashed(panic_text(&*panic)), false),
        }
    }

    /// Does what a node ordered, in order, until it stalls.
    fn carry_out(&mut self, node: NodeId) {
        let now = self.queue.now();
        let mut written = Vec::new();
        while let Some(process) = self.process(node)
            && !process.is_frozen(now)
            && let Some(output) = process.orders.pop_front()
        {
            match output {
                Output::Send { conn, data } => {
                    if let Some(NodeConn { side, .. }) = process.conns.get(&conn).copied() {
                        self.network.queue(side, data);
                        if !written.contains(&side) {
                            written.push(side);
                        }
                    }
                }
                Output::Stall { ms } => {
                    self.flush(&mut written);
                    if let Some(process) = self.process(node) {
                        process.busy_until = now + ms;
                        process.was_frozen = true;
                    }
                }
                Output::Exit { code } => self.end(node, Exit::Code(code), true),
                other => self.carry_out_one(node, other),
            }
        }
        self.flush(&mut written);
    }

    fn flush(&mut self, written: &mut Vec<SideId>) {
        for side in written.drain(..) {
            self.pump(side);
        }
    }

    fn carry_out_one(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Close { conn, how } => {
                let gone = self.process(node).and_then(|process| process.conns.remove(&conn));
                if let Some(gone) = gone {
                    self.network.close(gone.side, how == Closing::Flush, &mut self.queue);
                }
            }
            Output::Dial { conn, to } => self.dial(node, conn, &to),
            Output::StartJob { id, job } => self.start_job(node, id, job),
            Output::FeedJob { id, data } => self.on_job(node, id, |job| job.feed(data)),
            Output::EndJobInput { id } => self.on_job(node, id, Running::end_input),
            Output::AckJob { id, bytes } => self.on_job(node, id, |job| job.acknowledge(bytes)),
            Output::CancelJob { id } => {
                let disk = &mut self.nodes[node.0];
                if let Some(job) =
                    disk.process.as_mut().and_then(|process| process.jobs.remove(&id))
                {
                    job.discard(&mut disk.disk);
                }
            }
            Output::WriteFile { name, data } => self.nodes[node.0].disk.write(&name, &data),
            Output::Rename { from, to } => {
                if !self.nodes[node.0].disk.rename(&from, &to) {
                    let reason = "No such file or directory".to_owned();
                    let fact = Fact::FileFailed { name: from, reason };
                    self.reports.push_back(WorldEvent::Fact { node, fact });
                }
            }
            Output::Remove { name } => self.nodes[node.0].disk.remove(&name),
            Output::Log { level, text } => {
                self.reports.push_back(WorldEvent::Log { node, level, text });
            }
            Output::Emit(fact) => self.reports.push_back(WorldEvent::Fact { node, fact }),
            Output::Send { .. } | Output::Stall { .. } | Output::Exit { .. } => {}
        }
    }

    fn dial(&mut self, node: NodeId, conn: ConnId, to: &Endpoint) {
        let here = matches!(to.host.as_str(), HOST | "localhost" | "::1" | "0.0.0.0");
        let target = self.nodes.iter().position(|node| node.port == to.port);
        let side = match target.filter(|_| here) {
            Some(target) => {
                self.network.call(End::Node(node, conn), NodeId(target), &mut self.queue)
            }
            None => SideId::NOWHERE,
        };
        if let Some(process) = self.process(node) {
            process.conns.insert(conn, NodeConn { side, told_unsent: 0 });
        }
        if side == SideId::NOWHERE {
            self.inform(node, News::Closed { conn, reason: REFUSED });
        }
    }

    fn start_job(&mut self, node: NodeId, id: JobId, job: Job) {
        let place = &mut self.nodes[node.0];
        let Some(process) = &mut place.process else { return };
        process.jobs.insert(id, Running::new(job, &mut place.disk));
        self.plan_job(node, id, 0);
    }

    /// Gives something to a job, which may have waited for it.
    fn on_job(&mut self, node: NodeId, id: JobId, give: impl FnOnce(&mut Running)) {
        if let Some(job) = self.process(node).and_then(|process| process.jobs.get_mut(&id)) {
            give(job);
            if !job.planned {
                self.plan_job(node, id, 0);
            }
        }
    }

    fn plan_job(&mut self, node: NodeId, id: JobId, cost_ms: Millis) {
        let at = self.queue.now() + cost_ms + self.dice.below(2);
        let Some(process) = self.process(node) else { return };
        let life = process.life;
        if let Some(job) = process.jobs.get_mut(&id) {
            job.planned = true;
            self.queue.push(at, Event::JobStep { node, life, job: id });
        }
    }

    /// A job goes on.
    pub(super) fn on_job_step(&mut self, node: NodeId, life: u64, id: JobId) {
        let place = &mut self.nodes[node.0];
        let Some(process) = place.process.as_mut().filter(|process| process.life == life) else {
            return;
        };
        let Some(job) = process.jobs.get_mut(&id) else { return };
        job.planned = false;
        match job.step(&mut place.disk) {
            Step::Wait => {}
            Step::Next(event, cost_ms) => {
                self.inform(node, News::Job { id, event });
                self.plan_job(node, id, cost_ms);
            }
            Step::Over(event) => {
                process.jobs.remove(&id);
                self.inform(node, News::Job { id, event });
            }
        }
    }

    /// Lets bytes leave a side, unless its node is frozen, which will hear what remains.
    pub(super) fn pump(&mut self, side: SideId) {
        let End::Node(node, conn) = self.network.end(side) else {
            return self.network.pump(side, &mut self.queue);
        };
        let now = self.queue.now();
        let Some(process) = self.process(node).filter(|process| !process.is_frozen(now)) else {
            return;
        };
        let told = process.conns.get(&conn).map_or(0, |conn| conn.told_unsent);
        self.network.pump(side, &mut self.queue);
        if self.network.unsent_bytes(side) != told {
            self.inform(node, News::Unsent { conn });
        }
    }

    /// A node ends by itself.
    fn end(&mut self, node: NodeId, exit: Exit, flush: bool) {
        self.end_process(node, flush);
        self.reports.push_back(WorldEvent::Exited { node, exit });
    }

    /// A node's process is gone; its connections close.
    pub(super) fn end_process(&mut self, node: NodeId, flush: bool) {
        if let Some(process) = self.nodes[node.0].process.take() {
            for conn in process.conns.values() {
                self.network.close(conn.side, flush, &mut self.queue);
            }
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
