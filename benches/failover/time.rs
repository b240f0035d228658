//! How long a failover takes.

use std::time::{Duration, Instant};

use replab::base::rng::Dice;

use super::Order;
use super::kit::{Fleet, Kind, Plan};
use super::table::{self, Row};
use super::writer::Writer;

/// What was measured of one kind, ms from the kill.
#[derive(Default)]
struct Sample {
    observers: Vec<f64>,
    leaders: Vec<f64>,
    last: Vec<f64>,
    writes: Vec<f64>,
}

/// Kills primaries and prints how long it took.
pub fn measure(order: &Order) {
    let start = |kind: &Kind| (Fleet::start(Plan::new(*kind, order.down_after)), Sample::default());
    let mut fleets: Vec<_> = order.kinds.iter().map(start).collect();
    let mut dice = Dice::new(1);
    for _ in 0..order.kills {
        for (fleet, sample) in &mut fleets {
            // The clockwork shall be met at any moment.
            std::thread::sleep(Duration::from_millis(500 + dice.below(1000)));
            sample.take(fleet);
        }
    }
    table::title("ms from SIGKILL of the primary to");
    let d = order.down_after.as_secs_f64() * 1e3;
    for (fleet, sample) in fleets {
        let kind = fleet.plan.kind;
        let row = |name: &str, sample: Vec<f64>| Row::new(kind, name, sample);
        row("+switch-master of observers", sample.observers).print();
        row("+switch-master of the leader", sample.leaders).print();
        let last = row("+switch-master of the last of them", sample.last);
        let writes = row("the first acknowledged write", sample.writes);
        match kind {
            Kind::Ours => {
                last.at_most(50.0, d + 100.0).at_most(99.0, d + 250.0).print();
                writes.at_most(99.0, d + 300.0).print();
            }
            Kind::Real => {
                last.print();
                writes.print();
            }
        }
    }
}

impl Sample {
    fn take(&mut self, fleet: &mut Fleet) {
        let old = fleet.primary().expect("Sentinels that agree");
        let writer = Writer::start(fleet.sentinel_ports(), old);
        let (killed, old) = fleet.kill_primary();
        let ms = |at: Instant| (at - killed).as_secs_f64() * 1e3;
        let switches = fleet.await_event("+switch-master", fleet.plan.sentinels, killed);
        let leader = fleet.await_event("+promoted-slave", 1, killed)[0].sentinel;
        for switch in &switches {
            let times =
                if switch.sentinel == leader { &mut self.leaders } else { &mut self.observers };
            times.push(ms(switch.at));
        }
        self.last.extend(switches.iter().map(|switch| ms(switch.at)).reduce(f64::max));
        self.writes.push(ms(writer.end()));
        fleet.restore(old);
    }
}
