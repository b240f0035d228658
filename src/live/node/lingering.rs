//! Connections that the machine has closed and whose last bytes have not left: they may take their
//! time as long as something leaves, and only so much may wait in all of them.

use super::Node;
use crate::machine::{ConnId, Millis};

/// How long nothing may leave.
pub(super) const LINGER_MS: Millis = 5000;
/// Bytes that may wait in all such connections; beyond, the oldest goes.
const LINGER_BYTES_MAX: usize = 256 << 20;

/// Such a connection.
pub(super) struct Lingering {
    id: ConnId,
    /// Bytes that waited when it was last looked at.
    unsent: usize,
    /// When it is looked at again.
    until: Millis,
}

impl Node {
    /// A closed connection did not take everything at once.
    pub(super) fn let_linger(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.is_lingering) else { return };
        conn.is_lingering = true;
        let (unsent, until) = (conn.unsent, self.now.mono + LINGER_MS);
        self.lingering.push_back(Lingering { id, unsent, until });
        let waiting = |l: &Lingering| self.conns.get(&l.id).map_or(0, |conn| conn.unsent);
        let mut bytes: usize = self.lingering.iter().map(waiting).sum();
        while bytes > LINGER_BYTES_MAX
            && let Some(oldest) = self.lingering.pop_front()
        {
            bytes -= self.conns.remove(&oldest.id).map_or(0, |conn| conn.unsent);
        }
    }

    /// Drops those that take nothing.
    pub(super) fn drop_lingering(&mut self) {
        while let Some(oldest) = self.lingering.pop_front_if(|l| l.until <= self.now.mono) {
            let Some(conn) = self.conns.get(&oldest.id) else { continue };
            if conn.unsent < oldest.unsent {
                let (unsent, until) = (conn.unsent, self.now.mono + LINGER_MS);
                self.lingering.push_back(Lingering { unsent, until, ..oldest });
            } else {
                self.conns.remove(&oldest.id);
            }
        }
    }

    /// When the next one is looked at.
    pub(super) fn next_lingering(&self) -> Option<Millis> {
        self.lingering.front().map(|lingering| lingering.until)
    }
}
