//! What the screen and an idle lab cost: `cargo bench --bench screen`.
//!
//! A frame at 160x50 with twelve nodes shall take less than 8 ms, and so shall a page of a million keys,
//! or of as many differences, once they have been read. The default topology, its workload
//! off, shall use less than 5 % of one core.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use replab::lab::look::{Ask, Sight, Sort};
use replab::lab::topology::Topology;
use replab::lab::{Lab, LabView, machines, parse};
use replab::sim::SimWorld;
use replab::tui::app::{Layer, Ui};
use replab::tui::view;

#[path = "beside_redis/process.rs"]
mod process;

type Outcome<T> = Result<T, Box<dyn Error>>;

const WIDTH: u16 = 160;
const HEIGHT: u16 = 50;
const FRAMES: usize = 300;
const FRAME_MS_MAX: f64 = 8.0;
const IDLE: Duration = Duration::from_secs(5);
const IDLE_PERCENT_MAX: f64 = 5.0;

fn main() -> ExitCode {
    match frame().and_then(|()| million()).and_then(|()| idle()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn frame() -> Outcome<()> {
    let lab = twelve_nodes()?;
    let ui = Ui::new(Rect::new(0, 0, WIDTH, HEIGHT));
    time_frames(&format!("with {} nodes", lab.nodes.len()), &lab, |_| {}, ui)
}

/// The keys of a node that holds a million, at their beginning, their middle and their end, and its
/// difference from a replica that holds none.
fn million() -> Outcome<()> {
    let text = "title = \"Million\"\n[servers.alpha]\nenable-debug-command = \"yes\"\n\
                [servers.bravo]\nreplicaof = \"alpha\"\n";
    let topology = Topology::parse("million", text)?;
    let mut lab = Lab::new(SimWorld::new(1), &topology, &machines())?;
    live(&mut lab, 10_000);
    lab.act(&parse::action("redis alpha DEBUG POPULATE 1000000")?, "bench");
    live(&mut lab, 1_000);
    let keys = Ask::Keys { node: "alpha".to_owned(), pattern: String::new(), sort: Sort::Name };
    let diff = Ask::Diff { a: "alpha".to_owned(), b: "bravo".to_owned() };
    for (what, ask) in [("of a million keys", keys), ("of a million differences", diff)] {
        lab.show(ask.clone());
        live(&mut lab, 10);
        let taken = lab.drain_taken().pop().ok_or("nothing was lent")?;
        let began = Instant::now();
        let sight = Sight::of(taken);
        println!("reading {what}, beside the screen: {} ms", began.elapsed().as_millis());
        let mut ui = Ui::new(Rect::new(0, 0, WIDTH, HEIGHT));
        ui.look(ask);
        ui.on_sight(sight);
        time_frames(what, &lab.view(), turn_pages, ui)?;
    }
    Ok(())
}

/// Goes to another place among the rows.
fn turn_pages(ui: &mut Ui) {
    if let Some(Layer::Inside(inside)) = ui.layers.last_mut() {
        let rows = inside.rows().max(1);
        inside.at = (inside.at + rows / 7 + 1) % rows;
    }
}

fn time_frames(what: &str, lab: &LabView, change: impl Fn(&mut Ui), mut ui: Ui) -> Outcome<()> {
    let mut terminal = Terminal::new(TestBackend::new(WIDTH, HEIGHT))?;
    let mut times = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        change(&mut ui);
        let began = Instant::now();
        terminal.draw(|frame| view::draw(frame, lab, &ui))?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let (median, slow) = (times[FRAMES / 2], times[FRAMES * 99 / 100]);
    println!(
        "a frame of {WIDTH}x{HEIGHT} {what}: {median:.2} ms, 99th percentile {slow:.2} ms{}",
        verdict(slow < FRAME_MS_MAX, &format!("< {FRAME_MS_MAX} ms"))
    );
    Ok(())
}

/// A lab of a primary, three replicas, five behind those and three Sentinels, after ten (simulated)
/// seconds of work.
fn twelve_nodes() -> Outcome<LabView> {
    let mut text = String::from("title = \"Twelve\"\n[servers.alpha]\n");
    for (n, primary) in [(3, "alpha"), (2, "b1"), (2, "b2"), (1, "b3")] {
        let name = if primary == "alpha" { "b".to_owned() } else { format!("under-{primary}") };
        text += &format!("[servers.{name}]\ncount = {n}\nreplicaof = \"{primary}\"\n");
    }
    text += "[sentinels.s]\ncount = 3\n[monitors.mymaster]\nprimary = \"alpha\"\nquorum = 2\n";
    text += "[workload]\nwrites-per-second = 200\n";
    let topology = Topology::parse("twelve", &text)?;
    let mut lab = Lab::new(SimWorld::new(1), &topology, &machines())?;
    live(&mut lab, 10_000);
    Ok(lab.view())
}

fn live(lab: &mut Lab<SimWorld>, ms: u64) {
    let until = lab.now_ms() + ms;
    while lab.now_ms() < until {
        lab.turn(until);
    }
}

fn idle() -> Outcome<()> {
    let mut lab = HeadlessLab::start()?;
    lab.say("write off")?;
    // What the workload and the first syncs left to do.
    std::thread::sleep(Duration::from_secs(2));
    let before = process::cpu_seconds(lab.0.id())?;
    let began = Instant::now();
    std::thread::sleep(IDLE);
    let used = process::cpu_seconds(lab.0.id())? - before;
    let percent = used / began.elapsed().as_secs_f64() * 100.0;
    println!(
        "the default topology without writes, {} s: {percent:.1} % of a core{}",
        IDLE.as_secs(),
        verdict(percent < IDLE_PERCENT_MAX, &format!("< {IDLE_PERCENT_MAX} %"))
    );
    Ok(())
}

/// `replab run default` as a process that ends with this value, and takes its files with it.
struct HeadlessLab(Child);

impl HeadlessLab {
    /// Starts it and waits until it is ready.
    fn start() -> Outcome<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_replab"))
            .args(["run", "default", "--json", "--stdin", "--for", "1h", "--port-offset", "20000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let lab = Self(child);
        let mut lines = BufReader::new(output).lines();
        for line in &mut lines {
            if line?.contains("\"fact\":\"ready\"") {
                // The pipe must not fill up.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(lab);
            }
        }
        Err("the lab ended before it was ready".into())
    }

    fn say(&mut self, line: &str) -> Outcome<()> {
        let input = self.0.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }
}

impl Drop for HeadlessLab {
    fn drop(&mut self) {
        if self.say("quit").is_err() {
            drop(self.0.kill());
        }
        drop(self.0.wait());
    }
}

fn verdict(holds: bool, wanted: &str) -> String {
    if holds { format!("  ({wanted})") } else { format!("  (NOT {wanted})") }
}
