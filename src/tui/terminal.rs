//! The terminal: raw mode, alternate screen and mouse, and the way back from them whatever happens.

use std::io::{self, Stdout, Write, stdout};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::theme::ThemeName;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync + 'static;

/// The terminal while it is ours. Dropping it gives it back.
pub struct Screen {
    /// For drawing.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
    terminated: Arc<AtomicBool>,
    ours: Arc<AtomicBool>,
    previous_hook: Arc<Hook>,
}

impl Screen {
    /// Takes the terminal.
    pub fn open(theme: ThemeName) -> io::Result<Self> {
        if theme == ThemeName::Monochrome {
            // With NO_COLOR, crossterm 0.29 writes a reset for each colour pair, which also takes
            // bold and reverse away. The monochrome theme names no colour, so none is forced here.
            crossterm::style::force_color_output(true);
        }
        let terminated = Arc::new(AtomicBool::new(false));
        listen_for_termination(Arc::clone(&terminated));
        enable_raw_mode()?;
        let ours = Arc::new(AtomicBool::new(true));
        let previous_hook = install_hook(Arc::clone(&ours));
        let terminal = execute!(stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal, mouse: false, terminated, ours, previous_hook }),
            Err(error) => {
                give_back(&ours);
                Err(error)
            }
        }
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        if on == self.mouse {
            return Ok(());
        }
        self.mouse = on;
        if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        }
    }

    /// Sends a text to the terminal's clipboard (OSC 52, which also works through SSH).
    #[expect(clippy::unused_self, reason = "only whoever has the screen may write to it")]
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Whether SIGTERM, SIGINT or SIGHUP came.
    pub fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&self.ours);
        if !std::thread::panicking() {
            let previous = Arc::clone(&self.previous_hook);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

/// Gives the terminal back, once: leaving the alternate screen a second time would move the cursor
/// over what was printed since.
fn give_back(ours: &AtomicBool) {
    if !ours.swap(false, Ordering::Relaxed) {
        return;
    }
    // The terminal may be gone; there is nobody left to tell.
    let _ = execute!(stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = stdout().flush();
}

/// A panic of the screen's own thread gives the terminal back before it is printed. A panic of any
/// other thread is a node's crash: its owner reports it, and printing it would spoil the screen.
fn install_hook(ours: Arc<AtomicBool>) -> Arc<Hook> {
    let previous: Arc<Hook> = Arc::from(panic::take_hook());
    let (thread, report) = (std::thread::current().id(), Arc::clone(&previous));
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            give_back(&ours);
            report(info);
        }
    }));
    previous
}

/// Raises the flag when a signal asks the process to end. The thread ends with the process.
#[cfg(unix)]
fn listen_for_termination(flag: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [Ok(mut term), Ok(mut int), Ok(mut hup)] = kinds.map(signal) else { return };
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                _ = hup.recv() => {}
            }
        });
        flag.store(true, Ordering::Relaxed);
    });
}

#[cfg(not(unix))]
fn listen_for_termination(_: Arc<AtomicBool>) {}
