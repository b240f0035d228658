//! Nodes that break a rule on purpose, to see that the oracle notices. The rule is broken between
//! the machine and the world: what the machine says, hears or saves is changed on its way.

use std::collections::BTreeMap;

use bytes::Bytes;
use memchr::memmem;

use crate::machine::{ConnId, FileStep, Input, Machine, Millis, NodeView, Now, Outbox, Output};

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treason {
    /// A Sentinel gives its vote to everybody who asks, in the same epoch.
    VotesForAll,
    /// A Sentinel's file forgets in which epoch it voted.
    ForgetsVotes,
    /// A Sentinel's file forgets all epochs.
    ForgetsEpochs,
    /// A Sentinel goes on when its file could not be written.
    TellsUnsaved,
    /// A Sentinel tells everybody who asks that the primary is down.
    CriesWolf,
    /// A server does not follow anybody on a Sentinel's order.
    StaysPrimary,
    /// A server never becomes primary, though it takes the order.
    StaysReplica,
}

impl Treason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::VotesForAll,
        Self::ForgetsVotes,
        Self::ForgetsEpochs,
        Self::TellsUnsaved,
        Self::CriesWolf,
        Self::StaysPrimary,
        Self::StaysReplica,
    ];

    /// Whether it is a Sentinel's.
    pub(super) fn is_a_sentinels(self) -> bool {
        !matches!(self, Self::StaysPrimary | Self::StaysReplica)
    }
}

/// A machine that breaks a rule, if it is told which.
pub(super) fn corrupt(machine: Box<dyn Machine>, treason: Option<Treason>) -> Box<dyn Machine> {
    match treason {
        Some(treason) => Box::new(Traitor { machine, treason, candidates: BTreeMap::new() }),
        None => machine,
    }
}

struct Traitor {
    machine: Box<dyn Machine>,
    treason: Treason,
    /// Who last asked for a vote on each connection.
    candidates: BTreeMap<ConnId, Vec<u8>>,
}

impl Machine for Traitor {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let mut own = Outbox::new();
        match input {
            Input::Received { conn, data } => {
                let data = self.heard(conn, data);
                self.machine.step(now, Input::Received { conn, data: &data }, &mut own);
            }
            Input::Arranged(Err(_)) if self.treason == Treason::TellsUnsaved => {
                self.machine.step(now, Input::Arranged(Ok(())), &mut own);
            }
            other => self.machine.step(now, other, &mut own),
        }
        for output in own.drain() {
            out.push(match output {
                Output::Send { conn, data } => Output::Send { conn, data: self.said(conn, data) },
                Output::Arrange(steps) => {
                    Output::Arrange(steps.into_iter().map(|step| self.saved(step)).collect())
                }
                other => other,
            });
        }
    }

    fn deadline(&self) -> Option<Millis> {
        self.machine.deadline()
    }

    fn view(&self, now: Now) -> NodeView {
        self.machine.view(now)
    }
}

impl Traitor {
    fn heard(&mut self, conn: ConnId, data: &[u8]) -> Vec<u8> {
        match self.treason {
            Treason::VotesForAll if !conn.is_dialled() => {
                if let Some(asked) = memmem::find(data, b"is-master-down-by-addr")
                    && let Some(id) = last_id(&data[asked..])
                {
                    self.candidates.insert(conn, id.to_vec());
                }
                data.to_vec()
            }
            Treason::StaysPrimary => {
                replaced(data, b"SLAVEOF\r\n$9\r\n127", b"SLAVEOF\r\n$9\r\n999")
            }
            Treason::StaysReplica => replaced(data, b"SLAVEOF\r\n$2\r\nNO", b"SLAVEOF\r\n$2\r\nxx"),
            _ => data.to_vec(),
        }
    }

    fn said(&self, conn: ConnId, data: Bytes) -> Bytes {
        match self.treason {
            Treason::VotesForAll if !conn.is_dialled() => match self.candidates.get(&conn) {
                Some(candidate) => forged(&data, candidate).into(),
                None => data,
            },
            Treason::CriesWolf if !conn.is_dialled() => {
                replaced(&data, b"*3\r\n:0\r\n", b"*3\r\n:1\r\n").into()
            }
            _ => data,
        }
    }

    fn saved(&self, step: FileStep) -> FileStep {
        let FileStep::Write { name, data } = step else { return step };
        let text = String::from_utf8_lossy(&data);
        let forgets = |line: &&str| match self.treason {
            Treason::ForgetsVotes => line.contains(" leader-epoch "),
            Treason::ForgetsEpochs => line.contains("-epoch "),
            _ => false,
        };
        let kept: Vec<&str> = text.lines().filter(|line| !forgets(line)).collect();
        FileStep::Write { name, data: (kept.join("\n") + "\n").into() }
    }
}

/// The last 40 characters of a request, if they are an id.
fn last_id(request: &[u8]) -> Option<&[u8]> {
    let id = request.strip_suffix(b"\r\n")?;
    let id = id.get(id.len().checked_sub(40)?..)?;
    id.iter().all(u8::is_ascii_alphanumeric).then_some(id)
}

/// Votes for another leader in the same epoch.
fn forged(data: &[u8], leader: &[u8]) -> Vec<u8> {
    let mut forged = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = memmem::find(rest, b"*3\r\n:") {
        let lines: Vec<&[u8]> = rest[at..].split_inclusive(|b| *b == b'\n').take(5).collect();
        let [array, down, length, who, epoch] = lines[..] else { break };
        if !length.starts_with(b"$40") {
            break;
        }
        forged.extend_from_slice(&rest[..at]);
        forged.extend([array, down, length, leader, b"\r\n", epoch].concat());
        let taken: usize = [array, down, length, who, epoch].iter().map(|line| line.len()).sum();
        rest = &rest[at + taken..];
    }
    forged.extend_from_slice(rest);
    forged
}

/// With words of equal length.
fn replaced(data: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    while let Some(at) = memmem::find(&data, from) {
        data[at..at + to.len()].copy_from_slice(to);
    }
    data
}
