//! One run of a script: it asks, is told, and ends with a value or an error.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use send_wrapper::SendWrapper;

use super::Value;
use super::lrand48::Lrand48;

/// What a script asks of its node.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Carry out a command. Told: [`Told::Reply`].
    Call {
        /// Its words.
        words: Vec<Bytes>,
        /// Whether the reply shall be in RESP3.
        resp3: bool,
    },
    /// `redis.log` at a level of 0 (debug) to 3 (warning). Told: [`Told::Done`].
    Log(u8, String),
    /// `redis.set_repl`: 1 is the append-only file, 2 are the replicas. Told: [`Told::Done`].
    Replicate(u8),
    /// Whether there is such a command. Told: [`Told::Known`].
    IsCommand(Bytes),
    /// May I go on? Told: [`Told::Done`], or [`Told::Kill`].
    Busy,
}

/// What a script is told.
#[derive(Debug)]
pub enum Told {
    /// The reply to a command, as it would be sent.
    Reply(Bytes),
    /// Whether the command is known.
    Known(bool),
    /// It is done.
    Done,
    /// End at once.
    Kill,
}

/// How far a script is.
#[derive(Debug)]
pub enum Progress {
    /// It waits for an answer.
    Asks(Ask),
    /// It ended.
    Ended(Result<Value, String>),
}

/// What a run and the functions of the host share. Only one of them is at work at any time.
pub(super) struct Desk {
    question: Mutex<Option<Ask>>,
    answer: Mutex<Option<Told>>,
    killed: AtomicBool,
    killed_at: Mutex<Option<Place>>,
    resp3: AtomicBool,
    pub dice: Mutex<Lrand48>,
    /// The stack of the run that ended last: to map a new one takes longer than most scripts.
    spare: Mutex<Option<DefaultStack>>,
}

/// A name of a source, and a line in it.
pub(super) type Place = (String, usize);

/// What is in a drawer that one alone opens at a time.
pub(super) fn open<T>(drawer: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    drawer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub fn new() -> Self {
        Self {
            question: Mutex::default(),
            answer: Mutex::default(),
            killed: AtomicBool::default(),
            killed_at: Mutex::default(),
            resp3: AtomicBool::default(),
            dice: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// A stack for a run.
    fn stack(&self) -> Result<DefaultStack, String> {
        if let Some(spare) = open(&self.spare).take() {
            return Ok(spare);
        }
        DefaultStack::new(STACK_BYTES)
            .map_err(|error| format!("ERR no stack for a script: {error}"))
    }

    fn clear(&self) {
        self.killed.store(false, Relaxed);
        *open(&self.killed_at) = None;
        self.set_resp3(false);
    }

    /// Puts a question; [`Desk::pass`] gets its answer.
    pub fn ask(&self, question: Ask) {
        *open(&self.question) = Some(question);
    }

    /// Hands the question over and waits for the answer.
    pub fn pass(&self, voice: &Voice) {
        let question = open(&self.question).take();
        if let Some(question) = question {
            let answer = voice.suspend(question);
            *open(&self.answer) = Some(answer);
        }
    }

    /// The answer to the question.
    pub fn answer(&self) -> Option<Told> {
        open(&self.answer).take()
    }

    /// Whether the script must end.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Where it was when it was told to end.
    pub fn killed_at(&self) -> Place {
        open(&self.killed_at).clone().unwrap_or_default()
    }

    pub fn note_place(&self, place: Option<Place>) {
        *open(&self.killed_at) = place;
    }

    /// `redis.setresp(3)`
    pub fn resp3(&self) -> bool {
        self.resp3.load(Relaxed)
    }

    pub fn set_resp3(&self, yes: bool) {
        self.resp3.store(yes, Relaxed);
    }
}

/// Bytes of a script's stack.
const STACK_BYTES: usize = 4 << 20;

pub(super) type Voice = Yielder<Told, Ask>;

/// The script's own stack.
type Stack = Coroutine<Told, Ask, Result<Value, String>>;

/// A script that runs.
pub struct Run {
    /// None once it has ended.
    coroutine: Option<SendWrapper<Stack>>,
    desk: Arc<Desk>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

impl Run {
    pub(super) fn new(
        desk: &Arc<Desk>,
        body: impl FnOnce(&Voice) -> Result<Value, String> + 'static,
    ) -> Result<Self, String> {
        desk.clear();
        let coroutine =
            Coroutine::with_stack(desk.stack()?, move |voice: &Voice, _: Told| body(voice));
        Ok(Self { coroutine: Some(SendWrapper::new(coroutine)), desk: Arc::clone(desk) })
    }

    /// Goes on with the answer to its question; the first time, whatever it is told.
    pub fn go_on(&mut self, told: Told) -> Progress {
        let Some(coroutine) = &mut self.coroutine else {
            return Progress::Ended(Err("ERR the script has ended".to_owned()));
        };
        if matches!(told, Told::Kill) {
            self.desk.killed.store(true, Relaxed);
        }
        match coroutine.resume(told) {
            CoroutineResult::Yield(ask) => Progress::Asks(ask),
            CoroutineResult::Return(result) => {
                let ended = self.coroutine.take().map(SendWrapper::take);
                *open(&self.desk.spare) = ended.map(Coroutine::into_stack);
                Progress::Ended(result)
            }
        }
    }
}

impl Drop for Run {
    /// Lets the script unwind by itself: there are frames of C on its stack.
    fn drop(&mut self) {
        while self.coroutine.is_some() {
            self.go_on(Told::Kill);
        }
    }
}
