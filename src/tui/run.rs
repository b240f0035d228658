//! The loop: pull the view, draw if anything changed, wait for keys.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::{Errand, Layer, Quit, Ui};
use super::keymap::Mode;
use super::labs::Labs;
use super::terminal::Screen;
use super::update::{Msg, update};
use super::{LogLine, Options, Source, export, view};
use crate::lab::LabView;
use crate::lab::view::NodeRow;
use crate::machine::LogLevel;

/// Shortest time between two frames: 30 a second.
const FRAME: Duration = Duration::from_millis(33);
/// Shortest time between two comparisons of the same nodes.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Lines of log that are kept, of all nodes.
const LOG_LINES_MAX: usize = 20_000;

/// Shows the lab until the person leaves, SIGTERM comes, or the terminal is gone. The terminal is
/// as before afterwards, also after a panic.
pub fn run(source: &mut impl Source, options: &Options) -> io::Result<()> {
    let mut screen = Screen::open(options.theme)?;
    let size = screen.terminal.size()?;
    let mut ui = Ui::new(Rect::new(0, 0, size.width, size.height));
    ui.theme_name = options.theme;
    ui.ascii = options.ascii;
    ui.read_only = options.read_only;
    ui.mouse = !options.no_mouse;
    if options.first_start_mark.as_deref().is_some_and(first_start) {
        ui.layers.push(Layer::Card);
    }
    tui_logger::set_hot_buffer_depth(LOG_LINES_MAX / 4);
    tui_logger::set_buffer_depth(LOG_LINES_MAX);
    let last = show(source, &mut screen, &mut ui)?;
    drop(screen);
    if ui.quit == Some(Quit::KeepFrame) {
        println!("{}", export::text(&last));
    }
    Ok(())
}

fn show(source: &mut impl Source, screen: &mut Screen, ui: &mut Ui) -> io::Result<Buffer> {
    let events = read_events();
    let mut lab = source.view();
    let mut dirty = true;
    let mut drawn: Option<Instant> = None;
    let mut frame = Buffer::default();
    let mut looks = Looks::default();
    ui.follow_log(&lab);
    loop {
        screen.set_mouse(ui.mouse)?;
        let newest = source.view();
        if !ui.frozen && !Arc::ptr_eq(&newest, &lab) {
            lab = newest;
            dirty = true;
        }
        dirty |= feed_logs(&source.drain_logs());
        dirty |= looks.turn(source, ui);
        let early = drawn.map_or(Duration::ZERO, |drawn| FRAME.saturating_sub(drawn.elapsed()));
        if dirty && early.is_zero() {
            frame = screen.terminal.draw(|frame| view::draw(frame, &lab, ui))?.buffer.clone();
            drawn = Some(Instant::now());
            dirty = false;
        }
        // A change that came too early for its frame is drawn when the frame is due.
        let wait = if dirty { early } else { FRAME };
        dirty |= take_events(source, screen, ui, &lab, &events, wait)?;
        if ui.quit.is_some() || screen.is_terminated() || !source.is_running() {
            return Ok(frame);
        }
    }
}

/// Does what the model cannot do, and tells it what came of it.
fn run_errand(errand: Errand, source: &mut impl Source, ui: &mut Ui) {
    match errand {
        Errand::Offers => {
            let (offers, running) = source.offers();
            ui.layers.push(Layer::Labs(Labs::new(offers, running)));
        }
        Errand::Launch { name } => match source.launch(name.as_deref()) {
            Ok(()) => {
                ui.begin_anew(&source.offers().1);
                feed_logs(&first_lines(&source.view()));
            }
            Err(wrong) => {
                if !matches!(ui.layers.last(), Some(Layer::Labs(_))) {
                    run_errand(Errand::Offers, source, ui);
                }
                if let Some(Layer::Labs(labs)) = ui.layers.last_mut() {
                    labs.wrong = Some(wrong);
                }
            }
        },
        Errand::Export { file } => {
            ui.notice = Some(match source.export(file.as_deref()) {
                Ok(path) => format!("what happened is written in {path}"),
                Err(why) => format!("nothing is written: {why}"),
            });
        }
    }
}

/// A line for the log of each node: what stands above it may be of another lab's node of that name.
fn first_lines(view: &LabView) -> Vec<LogLine> {
    let line = |row: &NodeRow| LogLine {
        node: row.name.clone(),
        level: LogLevel::Notice,
        text: format!("--- {} begins ---", view.title),
    };
    view.nodes.iter().map(line).collect()
}

/// Looks inside nodes, and when the next one is due.
#[derive(Default)]
struct Looks {
    asked: Option<Instant>,
    /// When the last one came, and how long it took.
    came: Option<(Instant, Duration)>,
}

impl Looks {
    /// Asks for what the person wants to see, shows what came, and tells whether anything did. A
    /// comparison is made again and again, but never most of the time.
    fn turn(&mut self, source: &impl Source, ui: &mut Ui) -> bool {
        let sight = source.take_sight();
        let is_news = sight.is_some();
        if let Some(sight) = sight {
            let took = self.asked.take().map_or(Duration::ZERO, |asked| asked.elapsed());
            self.came = Some((Instant::now(), took));
            ui.on_sight(sight);
        }
        let is_live = !ui.frozen && matches!(ui.mode(), Mode::Diff);
        let is_due = self.came.is_some_and(|(at, took)| at.elapsed() > LOOK_AGAIN.max(took * 10));
        if is_live && is_due && self.asked.is_none() {
            ui.look_again();
        }
        if let Some(ask) = ui.wants.take() {
            source.show(ask);
            self.asked = Some(Instant::now());
        }
        is_news
    }
}

/// Reads the terminal's events on a thread of their own, which ends with the process: where the
/// terminal is gone, a read may never return.
fn read_events() -> Receiver<io::Result<Event>> {
    let (sender, events) = channel();
    std::thread::spawn(move || {
        loop {
            let event = event::read();
            let is_over = event.is_err();
            if sender.send(event).is_err() || is_over {
                return;
            }
        }
    });
    events
}

/// Waits for an event, takes all that are there, and tells whether any mattered.
fn take_events(
    source: &mut impl Source,
    screen: &mut Screen,
    ui: &mut Ui,
    lab: &LabView,
    events: &Receiver<io::Result<Event>>,
    wait: Duration,
) -> io::Result<bool> {
    let mut mattered = false;
    let mut next = events.recv_timeout(wait).ok();
    while let Some(event) = next {
        if let Some(msg) = message(&event?) {
            mattered = true;
            for (action, by) in update(ui, lab, msg) {
                source.act(action, by);
            }
            if let Some(text) = ui.clipboard.take() {
                screen.copy(&text)?;
            }
            if let Some(errand) = ui.errand.take() {
                run_errand(errand, source, ui);
                // What comes next may be meant for another lab than the one in the picture.
                return Ok(true);
            }
        }
        next = if ui.quit.is_none() { events.try_recv().ok() } else { None };
    }
    Ok(mattered)
}

fn message(event: &Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(*key)),
        Event::Resize(width, height) => Some(Msg::Resized(*width, *height)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollUp => Some(Msg::Wheel(mouse.column, mouse.row, 1)),
            MouseEventKind::ScrollDown => Some(Msg::Wheel(mouse.column, mouse.row, -1)),
            _ => None,
        },
        _ => None,
    }
}

/// Gives log lines to tui-logger, the node's name as their target, and tells whether there were any.
fn feed_logs(lines: &[LogLine]) -> bool {
    let drain = tui_logger::Drain::new();
    for line in lines {
        let level = match line.level {
            LogLevel::Debug | LogLevel::Verbose => log::Level::Debug,
            LogLevel::Notice => log::Level::Info,
            LogLevel::Warning => log::Level::Warn,
        };
        drain.log(
            &log::Record::builder()
                .target(&line.node)
                .level(level)
                .args(format_args!("{}", line.text))
                .build(),
        );
    }
    tui_logger::move_events();
    !lines.is_empty()
}

/// Whether this is the first start; if it is, leaves the mark so that the next one is not. Where no
/// mark can be left, the card is not shown either, since it would come back each time.
fn first_start(mark: &Path) -> bool {
    if mark.exists() {
        return false;
    }
    let made = mark.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(mark, b"")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::first_start;

    #[test]
    fn the_first_start_is_the_first_one_only() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("state/replab/first-start");
        assert!(first_start(&mark));
        assert!(!first_start(&mark));
    }

    #[test]
    fn where_no_mark_can_be_left_the_card_would_come_back_so_it_stays_away() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(!first_start(&file.join("mark")));
    }
}
