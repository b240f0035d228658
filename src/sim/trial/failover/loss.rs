//! A primary that is lost while all is well among those who can replace it is replaced in time,
//! whatever happens elsewhere (I13).

use super::{Group, RECONNECTED_MS, Trial};
use crate::machine::Millis;
use crate::sim::chaos::{self, Fault};
use crate::sim::check::agreement;
use crate::sim::trial::weather::Island;
use crate::world::{NodeId, World};

/// A primary that was lost, and those who must replace it: they are enough, they can work together
/// undisturbed, and all was well among them.
pub(super) struct Loss {
    group: usize,
    primary: NodeId,
    heirs: Island,
    since: Millis,
    until: Millis,
}

impl Trial {
    /// Faults happen, all at once.
    pub(super) fn turn<'f>(
        &mut self,
        faults: impl IntoIterator<Item = &'f Fault> + Clone,
    ) -> Result<(), String> {
        let now = self.world.now().mono;
        let reigning = self.reigning();
        self.weather.turn(now, faults.clone());
        for fault in faults {
            chaos::apply(&mut self.world, fault).map_err(|error| error.to_string())?;
        }
        let lost = reigning.iter().filter_map(|(group, primary, island)| {
            let heirs = self.heirs(*group, *primary, island)?;
            let until = now + self.replacement_limit(true);
            Some(Loss { group: *group, primary: *primary, heirs, since: now, until })
        });
        self.losses.extend(lost.collect::<Vec<_>>());
        Ok(())
    }

    /// The primaries that were undisturbed for a while, with those around them.
    fn reigning(&self) -> Vec<(usize, NodeId, Island)> {
        let since = self.world.now().mono.saturating_sub(RECONNECTED_MS);
        let servers = self.groups.iter().enumerate();
        servers
            .flat_map(|(at, group)| group.servers.iter().map(move |server| (at, *server)))
            .filter(|(_, server)| self.oracle.is_primary(self.world.port(*server)))
            .filter_map(|(at, server)| Some((at, server, self.weather.island(server)?.clone())))
            .filter(|(.., island)| self.weather.changed(island) <= since)
            .collect()
    }

    /// Those of a lost primary's island who can replace it: enough Sentinels, none of which doubted
    /// it, and a replica that all of them would promote.
    fn heirs(&self, group: usize, primary: NodeId, island: &Island) -> Option<Island> {
        let rest = self.sentinels.iter().filter_map(|node| self.weather.island(*node));
        let heirs = rest.max_by_key(|rest| self.electors(rest).count())?;
        // On the real program's clockwork, an election may be lost again and again.
        let is_lottery = self.setting.slow == self.setting.sentinels;
        if heirs.contains(&primary) || !heirs.is_subset(island) || is_lottery {
            return None;
        }
        let Group { name, servers, .. } = &self.groups[group];
        let mut fit: Vec<u16> = servers
            .iter()
            .filter(|server| heirs.contains(server))
            .map(|server| self.world.port(*server))
            .collect();
        for node in self.electors(heirs) {
            let view = agreement::beliefs(&self.world, *node)?;
            let m = agreement::monitor(&view, name)?;
            let is_content = (m.addr.port, m.watched.port)
                == (self.world.port(primary), self.world.port(primary))
                && (m.sdown_ms, m.failover.state, view.tilt_ms) == (None, "none", None);
            if !is_content || m.votes_needed > self.electors(heirs).count() as u64 {
                return None;
            }
            fit.retain(|port| {
                let of_it = m.replicas.iter().find(|replica| replica.addr.port == *port);
                of_it.is_some_and(|replica| replica.link_up && replica.excluded.is_none())
            });
        }
        (!fit.is_empty()).then(|| heirs.clone())
    }

    fn electors<'a>(&'a self, island: &'a Island) -> impl Iterator<Item = &'a NodeId> {
        self.sentinels.iter().filter(|node| island.contains(node))
    }

    /// Every lost primary is replaced in time, unless something else happens meanwhile.
    pub(super) fn check_losses(&mut self) -> Result<(), String> {
        let now = self.world.now().mono;
        for Loss { group, primary, heirs, since, until } in std::mem::take(&mut self.losses) {
            if self.weather.changed(heirs.iter().chain([&primary])) > since {
                continue;
            }
            match self.replacement(group, primary, self.electors(&heirs)) {
                Ok(_) => {}
                Err(why) if now >= until => {
                    return Err(format!(
                        "node {}, lost at {since} ms, is not replaced at {now} ms: {why}",
                        primary.0
                    ));
                }
                Err(_) => self.losses.push(Loss { group, primary, heirs, since, until }),
            }
        }
        Ok(())
    }
}
