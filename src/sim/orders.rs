//! What a node orders is done here, in order, each before the next begins.

use super::SimWorld;
use super::job::{Running, Step};
use super::network::{End, SideId};
use super::node::{News, NodeConn};
use super::queue::Event;
use super::turn::{HOST, REFUSED};
use crate::machine::{Closing, ConnId, Durable, Endpoint, Fact, Input, Job, JobId, Millis, Output};
use crate::world::{Exit, NodeId, WorldEvent};

impl SimWorld {
    /// Does what a node ordered, in order, until it stalls.
    pub(super) fn carry_out(&mut self, node: NodeId) {
        let now = self.queue.now();
        let mut written = Vec::new();
        while let Some(process) = self.process(node)
            && !process.is_frozen(now)
            && let Some(output) = process.orders.pop_front()
        {
            match output {
                Output::Send { conn, data } => {
                    if let Some(NodeConn { side, .. }) = process.conns.get(&conn).copied() {
                        self.network.enqueue(side, data);
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
            Output::Read { conn, on } => {
                let known = self.process(node).and_then(|process| process.conns.get_mut(&conn));
                if let Some(known) = known {
                    known.is_unread = !on;
                    self.inform(node, News::Readable { conn });
                }
            }
            Output::Dial { conn, to } => self.dial(node, conn, &to),
            Output::StartJob { id, job } => self.start_job(node, id, job),
            Output::FeedJob { id, data } => self.on_job(node, id, |job| job.feed(data)),
            Output::EndJobInput { id } => self.on_job(node, id, Running::end_input),
            Output::AckJob { id, bytes } => self.on_job(node, id, |job| job.acknowledge(bytes)),
            Output::CancelJob { id } => {
                if let Some(job) = self.process(node).and_then(|process| process.jobs.remove(&id)) {
                    job.discard(&mut self.nodes[node.0].disk);
                }
            }
            Output::WriteFile { name, data } => {
                if let Err(reason) = self.nodes[node.0].disk.write(&name, &data) {
                    let fact = Fact::FileFailed { name, reason };
                    self.reports.push_back(WorldEvent::Fact { node, fact });
                }
            }
            Output::Rename { from, to } => {
                if !self.nodes[node.0].disk.rename(&from, &to) {
                    let reason = "No such file or directory".to_owned();
                    let fact = Fact::FileFailed { name: from, reason };
                    self.reports.push_back(WorldEvent::Fact { node, fact });
                }
            }
            Output::Remove { name } => self.nodes[node.0].disk.remove(&name),
            Output::AppendLog { name, data, sync } => {
                let place = &mut self.nodes[node.0];
                match place.disk.append(&name, &data) {
                    Ok(()) if sync == Durable::No => {}
                    Ok(()) => place.disk.sync(&name),
                    Err(reason) => {
                        let Some(process) = &mut place.process else { return };
                        if sync == Durable::OrStop {
                            process.orders.clear();
                        }
                        let unwritten = data;
                        process.of_files.push_back(Input::LogFailed { name, reason, unwritten });
                    }
                }
            }
            Output::Arrange(steps) => {
                let place = &mut self.nodes[node.0];
                let arranged = place.disk.arrange(steps);
                if let Some(process) = &mut place.process {
                    process.of_files.push_back(Input::Arranged(arranged));
                }
            }
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
            process.conns.insert(conn, NodeConn { side, told_unsent: 0, is_unread: false });
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
            Step::Next(event) => {
                let cost_ms = job.cost_ms;
                self.inform(node, News::Job { id, event });
                self.plan_job(node, id, cost_ms);
            }
            Step::Over(event) => self.inform(node, News::Job { id, event }),
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
    pub(super) fn end(&mut self, node: NodeId, exit: Exit, flush: bool) {
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
}
