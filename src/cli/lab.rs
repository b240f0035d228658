//! Labs: on the screen, without one, in simulated time.

use std::io::{BufRead, IsTerminal, Write};
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use anyhow::{anyhow, bail};
use replab::lab::topology::Topology;
use replab::lab::view::NodeRow;
use replab::lab::{Entry, Lab, Summary, check, machines};
use replab::live::{LiveWorld, watch_signals};
use replab::machine::Millis;
use replab::report::{Json, Text};
use replab::script::{self, Line};
use replab::sim::SimWorld;
use replab::sim::trial::failover::failover_trial;
use replab::sim::trial::{Failure, chain_trial};
use replab::tui;
use replab::tui::theme::ThemeName;
use replab::world::{World, WorldError};

use super::args::{RunArgs, SimArgs, Theme, TuiArgs};
use super::labs::Labs;
use super::{Outcome, load};

/// How long a simulated lab without steps runs, in milliseconds.
const SIM_DEFAULT_MS: Millis = 10_000;

/// `replab [TOPOLOGY]`
pub(super) fn screen(topology: Topology, args: &TuiArgs) -> anyhow::Result<Outcome> {
    let mut labs = Labs::launch(topology, args)?;
    let environment = tui::Options::from_environment();
    let options = tui::Options {
        theme: args.theme.map_or(environment.theme, theme),
        ascii: args.ascii || environment.ascii,
        read_only: args.read_only,
        ..environment
    };
    let result = tui::run(&mut labs, &options);
    labs.shutdown()?;
    result?;
    Ok(Outcome::Success)
}

fn theme(asked: Theme) -> ThemeName {
    match asked {
        Theme::Dark => ThemeName::Dark,
        Theme::Light => ThemeName::Light,
        Theme::ColourBlind => ThemeName::ColourBlind,
        Theme::Mono => ThemeName::Monochrome,
    }
}

/// `replab run`
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let topology = load(&args.topology)?.with_port_offset(args.port_offset)?;
    check(&topology)?;
    let world = LiveWorld::new(seed())?;
    let lab = Lab::new(world, &topology, &machines()).map_err(explain)?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_stopped);
    watch_signals(move |_| {
        stop.store(true, Ordering::Relaxed);
        true
    })?;
    // With nothing to do, a lab is there for others to use, until a signal.
    let idles = topology.steps.is_empty() && !args.stdin;
    let for_ms = args.for_ms.or(idles.then_some(Millis::MAX));
    let lines = args.stdin.then(standard_input);
    let input = &mut || next_line(lines.as_ref());
    tell(lab, args.json, for_ms, input, &|| is_stopped.load(Ordering::Relaxed))
}

/// `replab sim`
pub(super) fn sim(args: &SimArgs) -> anyhow::Result<Outcome> {
    let Some(name) = &args.topology else {
        let seeds = args.seed..args.seed.saturating_add(args.seeds.unwrap_or_default());
        return trials(seeds, if args.sentinels { failover_trial } else { chain_trial });
    };
    let topology = load(name)?;
    check(&topology)?;
    let lab = Lab::new(SimWorld::new(args.seed), &topology, &machines())?;
    let for_ms = args.for_ms.or(topology.steps.is_empty().then_some(SIM_DEFAULT_MS));
    tell(lab, args.json, for_ms, &mut || Line::End, &|| false)
}

/// Trials, shared out among the processors.
fn trials(seeds: Range<u64>, trial: fn(u64) -> Result<(), Failure>) -> anyhow::Result<Outcome> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let (count, began) = (seeds.end - seeds.start, Instant::now());
    let failures: Result<Vec<Vec<_>>, _> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let mine = (seeds.start + worker..seeds.end).step_by(workers as usize);
                scope.spawn(move || mine.filter_map(|seed| trial(seed).err()).collect())
            })
            .collect();
        workers.into_iter().map(ScopedJoinHandle::join).collect()
    });
    let Ok(failures) = failures else { bail!("a trial panicked") };
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    let mut out = std::io::stdout().lock();
    for failure in &failures {
        writeln!(out, "{failure}\n")?;
    }
    let (failed, seconds) = (failures.len(), began.elapsed().as_secs_f64());
    writeln!(out, "{count} seeds, {failed} failed, {seconds:.1} s")?;
    Ok(if failures.is_empty() { Outcome::Success } else { Outcome::Failure })
}

/// A seed that nobody can guess.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

pub(super) fn explain(error: WorldError) -> anyhow::Error {
    match error {
        WorldError::PortInUse { .. } => anyhow!(
            "{error}\nhelp: `--port-offset N` moves all ports of the lab by N; another lab may be running"
        ),
        error => error.into(),
    }
}

/// Whoever prints what a run comes to.
enum Teller<O: Write> {
    Text(Text<O>),
    Json(Json<O>),
}

impl<O: Write> Teller<O> {
    fn entry(&mut self, entry: &Entry, nodes: &[NodeRow]) -> std::io::Result<()> {
        match self {
            Self::Text(text) => text.entry(entry, nodes),
            Self::Json(json) => json.entry(entry),
        }
    }

    fn summary(&mut self, summary: &Summary) -> std::io::Result<()> {
        match self {
            Self::Text(text) => text.summary(summary),
            Self::Json(json) => json.summary(summary),
        }
    }
}

fn tell<W: World>(
    mut lab: Lab<W>,
    json: bool,
    for_ms: Option<Millis>,
    input: &mut dyn FnMut() -> Line,
    is_stopped: &dyn Fn() -> bool,
) -> anyhow::Result<Outcome> {
    let nodes: Vec<_> =
        lab.nodes().map(|(name, kind, port)| (name.to_owned(), kind, port)).collect();
    let out = std::io::stdout();
    let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let out = std::io::LineWriter::new(out);
    let mut teller = if json {
        Teller::Json(Json::new(out, nodes))
    } else {
        Teller::Text(Text::new(out, colours, nodes.iter().map(|(name, ..)| name.as_str())))
    };
    let mut unread = None;
    let outcome = script::run(&mut lab, for_ms, input, is_stopped, &mut |entry, nodes| {
        if let Err(error) = teller.entry(entry, nodes) {
            unread.get_or_insert(error);
        }
    });
    teller.summary(&outcome.summary)?;
    if let Some(error) = unread {
        return Err(error.into());
    }
    if let Some(problem) = &outcome.problem {
        bail!("{problem}");
    }
    Ok(if outcome.is_success() { Outcome::Success } else { Outcome::Failure })
}

/// The lines of standard input, read by a thread that ends with it or with the process.
fn standard_input() -> Receiver<Line> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(Line::Text(line)).is_err() {
                return;
            }
        }
    });
    lines
}

fn next_line(lines: Option<&Receiver<Line>>) -> Line {
    match lines.map(Receiver::try_recv) {
        Some(Ok(line)) => line,
        Some(Err(TryRecvError::Empty)) => Line::NotYet,
        Some(Err(TryRecvError::Disconnected)) | None => Line::End,
    }
}
