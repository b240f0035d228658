//! Signals that ask the process to end.

use std::{io, thread};

use tokio::signal::unix::{SignalKind, signal};

use crate::machine::Signal;

/// Calls `on_signal` for every SIGTERM and SIGINT, on a thread of its own, so that also a process
/// that is stuck can be ended. No longer once it returns false.
pub fn watch_signals(mut on_signal: impl FnMut(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let within = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(within);
    thread::Builder::new().name("replab-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let signal = tokio::select! {
                    _ = terminate.recv() => Signal::Terminate,
                    _ = interrupt.recv() => Signal::Interrupt,
                };
                if !on_signal(signal) {
                    return;
                }
            }
        });
    })?;
    Ok(())
}
