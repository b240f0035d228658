//! A lab on a thread of its own, for a face that must never wait for it.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::action::Action;
use super::journal::JOURNAL_FACTS_MAX;
use super::look::{Ask, Sight, Taken};
use super::run::{Lab, LogLine};
use super::summary::Summary;
use super::view::LabView;
use crate::machine::Millis;
use crate::world::World;

/// Milliseconds between two pictures, unless somebody did something.
const PICTURE_MS: Millis = 33;

/// How long a lab may take to tell what happened.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes the world's poll return, so that the lab looks at its orders.
pub type Nudge = Box<dyn Fn() + Send + Sync>;

/// A lab that runs elsewhere.
pub struct Remote {
    orders: Sender<Order>,
    nudge: Nudge,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Act(Box<Action>, &'static str),
    Show(Ask),
    Account(Sender<Account>),
    Shutdown,
}

/// What happened and what came of it: the whole journal in a picture, and the numbers.
pub type Account = (LabView, Summary);

#[derive(Default)]
struct Shared {
    view: Mutex<Arc<LabView>>,
    logs: Mutex<Vec<LogLine>>,
    sight: Mutex<Option<Sight>>,
}

impl Remote {
    /// Lets a lab run on a thread of its own. `nudge` wakes its world.
    pub fn start<W: World + Send + 'static>(
        mut lab: Lab<W>,
        nudge: Nudge,
    ) -> Result<Self, std::io::Error> {
        let (orders, inbox) = channel();
        let shared = Arc::new(Shared::default());
        put(&shared.view, Arc::new(lab.view()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("lab".to_owned())
            .spawn(move || run(lab, &inbox, &theirs))?;
        Ok(Self { orders, nudge, shared, thread: Some(thread) })
    }

    /// The newest picture.
    pub fn view(&self) -> Arc<LabView> {
        Arc::clone(&self.shared.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives an action to the lab; what came of it is in the journal.
    pub fn act(&self, action: Action, by: &'static str) {
        self.order(Order::Act(Box::new(action), by));
    }

    /// Asks for the data of nodes. What they lend is read on a thread of its own.
    pub fn show(&self, ask: Ask) {
        self.order(Order::Show(ask));
    }

    /// Takes what the last [`Remote::show`] came to, once it is there.
    pub fn take_sight(&self) -> Option<Sight> {
        self.shared.sight.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What happened until now; `None` if the lab is gone, or has no time for it.
    pub fn account(&self) -> Option<Account> {
        let (sender, account) = channel();
        self.order(Order::Account(sender));
        account.recv_timeout(PATIENCE).ok()
    }

    /// Takes the log lines that came since the last call.
    pub fn drain_logs(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the lab still runs: not after `quit`, nor if its thread crashed.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the lab and its world, and returns when everything is gone.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.order(Order::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// An order to a lab that is gone is nobody's business any more.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        (self.nudge)();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end();
    }
}

fn put<T>(slot: &Mutex<T>, value: T) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

fn run<W: World>(mut lab: Lab<W>, inbox: &Receiver<Order>, shared: &Arc<Shared>) {
    let mut pictured_at = lab.now_ms();
    while !lab.has_quit() {
        let mut acted = false;
        loop {
            match inbox.try_recv() {
                Ok(Order::Act(action, by)) => {
                    lab.act(&action, by);
                    acted = true;
                }
                Ok(Order::Show(ask)) => lab.show(ask),
                Ok(Order::Account(asked)) => {
                    let summary = lab.summary();
                    // Whoever asked may have lost patience.
                    let _ = asked.send((lab.picture(JOURNAL_FACTS_MAX), summary));
                }
                Ok(Order::Shutdown) | Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => break,
            }
        }
        lab.turn(if acted { lab.now_ms() } else { pictured_at + PICTURE_MS });
        for taken in lab.drain_taken() {
            read(taken, shared);
        }
        if acted || lab.now_ms() >= pictured_at + PICTURE_MS {
            pictured_at = lab.now_ms();
            put(&shared.view, Arc::new(lab.view()));
            let lines = lab.drain_logs();
            shared.logs.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        }
    }
    put(&shared.view, Arc::new(lab.view()));
}

/// Reads what nodes lent on a thread of its own: the lab goes on meanwhile.
fn read(taken: Taken, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let read = move || put(&shared.sight, Some(Sight::of(taken)));
    let thread = std::thread::Builder::new().name("reader".to_owned()).spawn(read);
    // A system that has no thread left shows nothing, and the person asks again.
    drop(thread);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::fake;
    use super::*;
    use crate::lab::parse;

    fn remote() -> Remote {
        let lab = fake::lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        Remote::start(lab, Box::new(|| {})).unwrap()
    }

    fn until(mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_order_shows_in_a_later_picture() {
        let remote = remote();
        assert_eq!(remote.view().nodes.len(), 2);
        remote.act(parse::action("cut alpha bravo").unwrap(), "key");
        until(|| remote.view().faults.len() == 2);
        assert!(remote.is_running());
        remote.shutdown();
    }

    #[test]
    fn what_happened_is_told_when_asked() {
        let remote = remote();
        remote.act(parse::action("redis alpha PING").unwrap(), "key");
        let (view, summary) = remote.account().unwrap();
        assert!(view.journal.iter().any(|row| row.event.text() == "redis alpha PING"));
        assert_eq!(summary.nodes[1].name, "bravo");
    }

    #[test]
    fn quit_ends_the_thread_and_leaves_the_last_picture() {
        let remote = remote();
        remote.act(Action::Quit, "key");
        until(|| !remote.is_running());
        let did = |row: &Arc<crate::lab::Entry>| row.event.name() == "did";
        assert!(remote.view().journal.iter().any(did));
    }
}
