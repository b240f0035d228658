//! Runs cases, measures them, and makes those that fail small.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use replab::base::rng::Dice;

use super::mutate::INPUT_BYTES_MAX;
use super::targets::Target;

/// What a case may take.
const TIME_MAX: Duration = Duration::from_secs(1);
/// How often a case that seems slow is tried.
const ATTEMPTS: usize = 3;
/// When a case that does not end is given up, and the process with it.
const HANG: Duration = Duration::from_secs(20);
/// Failures of one target that are told, each another one.
const TOLD_MAX: usize = 8;
/// Attempts to make a failing input smaller.
const SHRINKS_MAX: usize = 2000;

/// Bytes that a case may hold at once.
fn memory_max(input_bytes: usize) -> u64 {
    2 * input_bytes as u64 + (16 << 20)
}

/// What the cases of a target took.
#[derive(Debug, Default)]
pub struct Figures {
    pub cases: u64,
    pub accepted: u64,
    pub slowest: Duration,
    pub memory_bytes_max: u64,
    /// What is used of the memory that is allowed, in percent.
    pub memory_percent_max: u64,
}

/// How a case ended.
enum End {
    Accepted,
    Refused,
    Failed(String),
}

thread_local! {
    /// The words of the last panic of this thread, while a case runs in it.
    static LAST_WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics of cases are kept, not told.
static HUSH: LazyLock<()> = LazyLock::new(|| {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_kept = LAST_WORDS.with_borrow_mut(|words| {
            words.as_mut().map(|words| *words = info.to_string()).is_some()
        });
        if !is_kept {
            tell(info);
        }
    }));
});

/// Runs the cases `first..last` of a seed. The failures, as a person wants to read them.
pub fn run(target: &Target, seed: u64, cases: std::ops::Range<u64>) -> (Figures, Vec<String>) {
    let (mut figures, mut failures) = (Figures::default(), Vec::<(String, String)>::new());
    let watchdog = Watchdog::over(target.name, seed);
    let is_replay = cases.end - cases.start == 1;
    for case in cases {
        watchdog.begins(case);
        let mut dice = Dice::new(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut input = target.shape.spoil(&target.seeds, &mut dice);
        if !dice.chance(1, 16) {
            target.shape.seal(&mut input);
        }
        assert!(input.len() <= 2 * INPUT_BYTES_MAX);
        if is_replay {
            println!("{} bytes: b\"{}\"", input.len(), input.escape_ascii());
        }
        figures.cases += 1;
        match try_input(target, &input, &mut figures) {
            End::Accepted => figures.accepted += 1,
            End::Refused => {}
            End::Failed(words) => {
                if failures.iter().all(|(known, _)| *known != place_of(&words)) {
                    let small = shrink(target, input, &place_of(&words));
                    let story = format!(
                        "REPLAB_FUZZ_TARGET={} REPLAB_FUZZ_SEED={seed} REPLAB_FUZZ_CASE={case}\n\
                         {words}\nsmall input, {} bytes: b\"{}\"\n",
                        target.name,
                        small.len(),
                        small.escape_ascii()
                    );
                    failures.push((place_of(&words), story));
                }
            }
        }
        if failures.len() == TOLD_MAX {
            break;
        }
    }
    (figures, failures.into_iter().map(|(_, story)| story).collect())
}

/// Why an input fails, if it does.
pub fn failure(target: &Target, input: &[u8]) -> Option<String> {
    match try_input(target, input, &mut Figures::default()) {
        End::Failed(words) => Some(words),
        End::Accepted | End::Refused => None,
    }
}

fn try_input(target: &Target, input: &[u8], figures: &mut Figures) -> End {
    LazyLock::force(&HUSH);
    let mut end = Ok(false);
    let mut took = Duration::MAX;
    let mut bytes = 0;
    // A machine that is busy with something else proves nothing.
    for _ in 0..ATTEMPTS {
        let began = Instant::now();
        let memory = allocation_counter::measure(|| {
            LAST_WORDS.set(Some(String::new()));
            end = panic::catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
        });
        took = took.min(began.elapsed());
        bytes = memory.bytes_max;
        if took < TIME_MAX / 10 {
            break;
        }
    }
    let last_words = LAST_WORDS.take().unwrap_or_default();
    figures.slowest = figures.slowest.max(took);
    figures.memory_bytes_max = figures.memory_bytes_max.max(bytes);
    let percent = bytes * 100 / memory_max(input.len());
    figures.memory_percent_max = figures.memory_percent_max.max(percent);
    match end {
        Err(_) => End::Failed(last_words),
        _ if took > TIME_MAX => End::Failed(format!("slow: {took:?}")),
        _ if percent >= 100 => {
            End::Failed(format!("large: {bytes} bytes for an input of {}", input.len()))
        }
        Ok(true) => End::Accepted,
        Ok(false) => End::Refused,
    }
}

/// What tells one failure from another: where it is.
fn place_of(words: &str) -> String {
    let first = words.lines().next().unwrap_or_default();
    let is_measure = first.starts_with("slow") || first.starts_with("large");
    if is_measure { first[..4].to_owned() } else { first.to_owned() }
}

/// Takes out whatever can be missed.
fn shrink(target: &Target, mut input: Vec<u8>, place: &str) -> Vec<u8> {
    let mut attempts = 0;
    let mut size = input.len() / 2;
    while size > 0 && attempts < SHRINKS_MAX {
        let mut at = 0;
        while at + size <= input.len() && attempts < SHRINKS_MAX {
            let mut smaller = [&input[..at], &input[at + size..]].concat();
            target.shape.seal(&mut smaller);
            attempts += 1;
            match try_input(target, &smaller, &mut Figures::default()) {
                End::Failed(words) if place_of(&words) == *place => input = smaller,
                _ => at += size,
            }
        }
        size /= 2;
    }
    input
}

/// Ends the process if a case does not end.
struct Watchdog {
    /// The case, and when it began in milliseconds; the end of the watch is `u64::MAX`.
    case: Arc<(AtomicU64, AtomicU64)>,
    since: Instant,
}

impl Watchdog {
    fn over(target: &'static str, seed: u64) -> Self {
        let (case, since) = (Arc::new((AtomicU64::new(0), AtomicU64::new(0))), Instant::now());
        let watched = Arc::clone(&case);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let began = match watched.1.load(Ordering::Relaxed) {
                    u64::MAX => return,
                    ms => Duration::from_millis(ms),
                };
                if since.elapsed().saturating_sub(began) > HANG {
                    let case = watched.0.load(Ordering::Relaxed);
                    eprintln!(
                        "REPLAB_FUZZ_TARGET={target} REPLAB_FUZZ_SEED={seed} \
                         REPLAB_FUZZ_CASE={case}\ndoes not end"
                    );
                    std::process::exit(1);
                }
            }
        });
        Self { case, since }
    }

    fn begins(&self, case: u64) {
        self.case.0.store(case, Ordering::Relaxed);
        self.case.1.store(self.since.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.case.1.store(u64::MAX, Ordering::Relaxed);
    }
}
