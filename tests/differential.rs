//! The same random commands, valid and nearly valid, to ours and to the real server: the same
//! replies, the same stream to replicas, the same data.
//!
//! Every run says others, and tells its seed: `REPLAB_DIFF_SEED` says the same again,
//! `REPLAB_DIFF_COMMANDS` how many.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "differential/fit.rs"]
mod fit;
#[path = "differential/grammar.rs"]
mod grammar;
#[allow(dead_code, unused_imports, reason = "every test takes its part")]
mod kit;
#[path = "differential/pair.rs"]
mod pair;
#[path = "differential/same.rs"]
mod same;
#[path = "differential/scripts.rs"]
mod scripts;
#[path = "differential/speaker.rs"]
mod speaker;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use replab::base::rng::Dice;
use replab::resp::Answer;

use self::grammar::Command;
use self::kit::setting;
use self::pair::Pair;
use self::same::{are_same, are_same_effects, word};
use self::speaker::{Line, Speaker};

/// Commands of a run: some twenty seconds.
const COMMANDS: u64 = 200_000;

/// Commands between two comparisons of the data, which begins empty.
const BATCH: usize = 400;

/// Lines of what was said before about the same keys.
const HISTORY_MAX: usize = 60;

/// Differences that are told, each of another command.
const TOLD_MAX: usize = 40;

#[test]
fn random_commands_have_the_same_replies_effects_and_data() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date");
    let now_s = now.as_secs();
    let seed = setting("REPLAB_DIFF_SEED").unwrap_or_else(|| u64::from(now.subsec_micros()));
    let commands = setting("REPLAB_DIFF_COMMANDS").unwrap_or(COMMANDS) as usize;
    let again = format!("REPLAB_DIFF_SEED={seed} REPLAB_DIFF_COMMANDS={commands}");
    println!("{again}");
    let mut pair = Pair::start();
    let known = known_commands(&mut pair);
    let payloads = payloads(&mut pair);
    let mut differences = BTreeMap::new();
    let mut dice = Dice::new(seed);
    for _ in 0..commands.div_ceil(BATCH) {
        let mut speaker = Speaker::new(&known, &payloads, now_s, dice.bits());
        let lines: Vec<_> =
            protocol(&mut dice).into_iter().chain((0..BATCH).map(|_| speaker.say())).collect();
        if let Some(together) = difference_of_batch(&mut pair, &lines) {
            let (name, story) = step_by_step(&mut pair, &lines).unwrap_or(together);
            differences.entry(name).or_insert(story);
            if differences.len() == TOLD_MAX {
                break;
            }
        }
    }
    let stories: Vec<_> = differences.into_values().collect();
    assert!(stories.is_empty(), "to see it again: {again}\n{}", stories.join("\n"));
}

fn known_commands(pair: &mut Pair) -> Vec<Command> {
    let all = grammar::ask(pair.real.witness());
    let (known, absent): (Vec<_>, Vec<_>) = all.into_iter().partition(|command| {
        let Answer::Array(info) = pair.ours.ask(&["COMMAND", "INFO", &command.name[0]]) else {
            return false;
        };
        info != [Answer::Null]
    });
    let absent: Vec<_> = absent.iter().map(Command::title).collect();
    assert!(absent.is_empty(), "commands that ours lacks: {}", absent.join(", "));
    known
}

/// Payloads of values of every type, for RESTORE.
fn payloads(pair: &mut Pair) -> Vec<Vec<u8>> {
    let lines = [
        "SET string value",
        "RPUSH list a b c d e f",
        "HSET hash a 1 b 2",
        "SADD set 1 2 3",
        "SADD words a b",
        "ZADD sorted-set 1 a 2.5 b",
        "XADD stream 5-1 field value",
    ];
    let mut payloads = vec![b"no payload".to_vec()];
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        pair.real.ask(&words);
        if let Answer::Bulk(payload) = pair.real.ask(&["DUMP", words[1]]) {
            payloads.push(payload);
        }
    }
    payloads
}

/// In which version of the protocol this is said.
fn protocol(dice: &mut Dice) -> Option<Line> {
    dice.chance(1, 3).then(|| vec![b"HELLO".to_vec(), b"3".to_vec()])
}

/// What differs when all is said in one piece: the name of a command, and how.
fn difference_of_batch(pair: &mut Pair, lines: &[Line]) -> Option<(String, String)> {
    pair.begin_anew();
    let (ours, real) = pair.both(|side| side.replies(lines));
    let mut queue = Queue::default();
    let other_reply = lines
        .iter()
        .zip(ours.iter().zip(&real))
        .position(|(line, (ours, real))| !queue.are_same(line, ours, real));
    if let Some(at) = other_reply {
        let what = format!("  ours: {}\n  real: {}", ours[at], real[at]);
        return Some(told(&lines[..at], &lines[at], &what));
    }
    let (ours, real) = pair.both(pair::Side::effects);
    let (our_digest, real_digest) = pair.both(pair::Side::digest);
    if are_same_effects(&ours, &real) && our_digest == real_digest {
        return None;
    }
    let what = "a batch has other effects only when it is said in one piece\n";
    Some(("(together)".to_owned(), what.to_owned()))
}

fn told(before: &[Line], line: &Line, what: &str) -> (String, String) {
    (word(line, 0), format!("{}> {}\n{what}\n", history(before, line), said(line)))
}

/// The commands that wait for EXEC.
#[derive(Default)]
struct Queue(Vec<Line>);

impl Queue {
    fn are_same(&mut self, line: &Line, ours: &Answer, real: &Answer) -> bool {
        let same = word(line, 0) == "HELLO" || are_same(line, &self.0, ours, real);
        match real {
            Answer::Simple(text) if text == "QUEUED" => self.0.push(line.clone()),
            _ if ["EXEC", "DISCARD"].contains(&word(line, 0).as_str()) => self.0.clear(),
            _ => {}
        }
        same
    }
}

/// Says the same again, one by one: the name of the command that differs, and how.
fn step_by_step(pair: &mut Pair, lines: &[Line]) -> Option<(String, String)> {
    pair.begin_anew();
    let mut queue = Queue::default();
    for (at, line) in lines.iter().enumerate() {
        let (ours, real) = pair.both(|side| side.replies(std::slice::from_ref(line)).remove(0));
        let what = if queue.are_same(line, &ours, &real) {
            let (our_effects, real_effects) = pair.both(pair::Side::effects);
            let (our_digest, real_digest) = pair.both(pair::Side::digest);
            if !are_same_effects(&our_effects, &real_effects) {
                let shown = |lines: &[Line]| lines.iter().map(said).collect::<Vec<_>>().join("; ");
                Some(format!(
                    "  ours sends: {}\n  real sends: {}",
                    shown(&our_effects),
                    shown(&real_effects)
                ))
            } else if our_digest != real_digest {
                Some(format!("  the data differ; both answered {ours}"))
            } else {
                None
            }
        } else {
            Some(format!("  ours: {ours}\n  real: {real}"))
        };
        if let Some(what) = what {
            return Some(told(&lines[..at], line, &what));
        }
    }
    None
}

/// What was said before about the same keys.
fn history(before: &[Line], line: &Line) -> String {
    let is_key = |word: &Vec<u8>| word.contains(&b':');
    let about_same = |earlier: &&Line| {
        earlier.iter().any(|word| is_key(word) && line.contains(word))
            || ["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "HELLO"]
                .contains(&word(earlier, 0).as_str())
    };
    let mut lines: Vec<_> =
        before.iter().rev().filter(about_same).take(HISTORY_MAX).map(said).collect();
    lines.reverse();
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn said(line: &Line) -> String {
    line.iter()
        .map(|word| format!("{:?}", word.escape_ascii().to_string()))
        .collect::<Vec<_>>()
        .join(" ")
}
