//! How each output of a machine is carried out.

use std::io;

use bytes::Bytes;

use super::{FAREWELL_MS, Node};
use crate::live::clock::words;
use crate::live::conn::Conn;
use crate::live::files::AppendError;
use crate::machine::{Closing, ConnId, Durable, Endpoint, Fact, Input, Output};
use crate::world::WorldEvent;

impl Node {
    /// Carries out what the machine left in its outbox, in order, and tells it what became of its
    /// files.
    pub(super) fn carry_out(&mut self) {
        while !self.outbox.is_empty() {
            let mut outbox = std::mem::take(&mut self.outbox);
            let mut answers = Vec::new();
            for output in outbox.drain() {
                if self.exit.is_some() {
                    break;
                }
                match output {
                    Output::AppendLog { name, data, sync } => {
                        let failed = self.append(name, data, sync);
                        let is_broken = sync == Durable::OrStop && failed.is_some();
                        answers.extend(failed);
                        if is_broken {
                            break;
                        }
                    }
                    Output::Arrange(steps) => {
                        let arranged = self.around.files.arrange(steps);
                        answers.push(Input::Arranged(
                            arranged.map_err(|(name, error)| format!("{name}: {}", words(&error))),
                        ));
                    }
                    output => self.carry_out_one(output),
                }
            }
            self.outbox = outbox;
            for answer in answers {
                self.machine.step(self.now, answer, &mut self.outbox);
            }
        }
    }

    /// Writes at the end of a log; if that fails, what the machine must hear.
    fn append(&mut self, name: String, data: Bytes, sync: Durable) -> Option<Input<'static>> {
        let sync = sync != Durable::No;
        let AppendError { error, is_written } =
            self.around.files.append(&name, &data, sync).err()?;
        let unwritten = if is_written { Bytes::new() } else { data };
        Some(Input::LogFailed { name, reason: words(&error), unwritten })
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Send { conn, data } => self.send(conn, data),
            Output::Read { conn, on } => self.read_from(conn, on),
            Output::Close { conn, how } => self.close(conn, how),
            Output::Dial { conn, to } => self.dial(conn, &to),
            Output::StartJob { id, job } => self.jobs.start(id, job, &mut self.around.files),
            Output::FeedJob { id, data } => self.jobs.feed(id, Some(data)),
            Output::EndJobInput { id } => self.jobs.feed(id, None),
            Output::AckJob { id, bytes } => self.jobs.ack(id, bytes),
            Output::CancelJob { id } => self.jobs.cancel(id),
            Output::WriteFile { name, data } => {
                let wrote = self.around.files.write(&name, &data);
                self.check_file(name, wrote);
            }
            Output::Rename { from, to } => {
                let renamed = self.around.files.rename(&from, &to);
                self.check_file(to, renamed);
            }
            Output::Remove { name } => {
                let removed = self.around.files.remove(&name);
                self.check_file(name, removed);
            }
            Output::AppendLog { .. } | Output::Arrange(_) => {}
            Output::Log { level, text } => {
                self.tell(WorldEvent::Log { node: self.around.id, level, text });
            }
            Output::Emit(fact) => self.tell(WorldEvent::Fact { node: self.around.id, fact }),
            Output::Stall { ms } => {
                self.around.control.stall(ms);
                self.now = self.around.clock.now();
            }
            Output::Exit { code } => {
                self.exit = Some((code, self.around.clock.now().mono + FAREWELL_MS));
            }
        }
    }

    fn read_from(&mut self, id: ConnId, on: bool) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.is_unread = !on;
            conn.ring();
        }
    }

    fn close(&mut self, id: ConnId, how: Closing) {
        match how {
            Closing::Now => drop(self.conns.remove(&id)),
            Closing::Flush => {
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.is_closing = true;
                    self.touch(id);
                }
            }
        }
    }

    fn dial(&mut self, id: ConnId, to: &Endpoint) {
        let dialling = (self.around.dial)(to);
        let conn = Conn::dialling(id, dialling, self.around.control.ready());
        conn.ring();
        self.conns.insert(id, conn);
    }

    fn check_file(&self, name: String, done: io::Result<()>) {
        if let Err(error) = done {
            let fact = Fact::FileFailed { name, reason: words(&error) };
            self.tell(WorldEvent::Fact { node: self.around.id, fact });
        }
    }

    fn tell(&self, event: WorldEvent) {
        (self.around.events)(event);
    }
}
