//! Says commands: mostly valid, sometimes nearly, from few keys and few values, so that commands
//! meet each other's data.

use replab::base::rng::Dice;

use super::grammar::{Argument, Command};
use super::scripts::Script;

/// The words of one command.
pub type Line = Vec<Vec<u8>>;

/// Whoever says commands. Equal seeds say the same.
pub struct Speaker<'a> {
    commands: &'a [Command],
    pub(super) dice: Dice,
    /// Payloads that RESTORE takes.
    payloads: &'a [Vec<u8>],
    /// Unix time in seconds at the start of all.
    now_s: u64,
    /// Scripts that were said.
    pub(super) scripts: Vec<Script>,
}

/// What the words of one command are made of.
struct Sentence<'a> {
    command: &'a Command,
    words: Line,
    /// Where the number of the keys that follow stands.
    numkeys: Option<usize>,
}

/// Values, members, fields and elements: short, long, numbers, binary.
const VALUES: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"f",
    b"ab",
    b"1",
    b"2",
    b"3",
    b"10",
    b"-5",
    b"3.5",
    b"007",
    b"",
    b"\x00\xff",
    b"7\x008",
    b"a value that is too long for the compact forms of a hash",
    b"12345678901234567890",
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "1",
    "2",
    "2",
    "3",
    "5",
    "7",
    "-1",
    "-2",
    "-3",
    "10",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
];

const DOUBLES: &[&str] = &["0", "1", "2", "2.5", "-3", "1e3", "inf", "-inf", "0.1", "nan", "1e308"];

/// Words that fit nowhere, or somewhere else.
const JUNK: &[&str] = &[
    "",
    "x",
    "-1",
    "0",
    "1.5",
    "abc",
    "COUNT",
    "LIMIT",
    "WITHSCORES",
    "nan",
    "-0",
    "+1",
    " 1",
    "99999999999999999999",
    "STORE",
    "GET",
    "MATCH",
    "*",
    "[",
    "(",
    "0-0",
];

impl<'a> Speaker<'a> {
    pub fn new(commands: &'a [Command], payloads: &'a [Vec<u8>], now_s: u64, seed: u64) -> Self {
        Self { commands, dice: Dice::new(seed), payloads, now_s, scripts: Vec::new() }
    }

    /// The next command, or a script.
    pub fn say(&mut self) -> Line {
        if !self.dice.chance(1, 12) {
            return self.command();
        }
        let mut line = self.script();
        if self.dice.chance(1, 20) {
            self.spoil(&mut line);
        }
        line
    }

    /// The next command on data.
    pub(super) fn command(&mut self) -> Line {
        loop {
            let command = self.pick(self.commands);
            // Whatever empties everything would leave little to compare.
            if command.name[0].starts_with("FLUSH") && !self.dice.chance(1, 10) {
                continue;
            }
            let mut line = self.sentence(command);
            self.keep_to_one_score(&mut line);
            let is_of_one_score = line[0] == b"ZADD" && line[1].starts_with(b"lex:");
            if self.dice.chance(1, 8) && !is_of_one_score {
                self.spoil(&mut line);
            }
            if super::fit::is_comparable(&line) {
                return line;
            }
        }
    }

    fn sentence(&mut self, command: &'a Command) -> Line {
        let words = command.name.iter().map(|word| word.clone().into_bytes()).collect();
        let mut sentence = Sentence { command, words, numkeys: None };
        self.all(&command.arguments, &mut sentence);
        sentence.words
    }

    /// Ranges by name are defined among equal scores only: they have keys of their own.
    fn keep_to_one_score(&mut self, line: &mut Line) {
        let by_name = line.iter().any(|word| word.windows(3).any(|part| part == b"LEX"));
        let is_add = line[0] == b"ZADD" && self.dice.chance(1, 4);
        if !by_name && !is_add {
            return;
        }
        for word in line.iter_mut() {
            if let Some(n) = word.strip_prefix(b"sorted-set:") {
                *word = [b"lex:", n].concat();
            } else if is_add && DOUBLES.iter().any(|score| score.as_bytes() == word) {
                *word = b"0".to_vec();
            }
        }
    }

    fn all(&mut self, arguments: &'a [Argument], sentence: &mut Sentence<'a>) {
        for argument in arguments {
            if argument.is_optional && self.dice.chance(2, 3) {
                continue;
            }
            let times = if argument.is_multiple { 1 + self.dice.below(3) } else { 1 };
            if let (true, Some(at)) = (argument.kind == "key", sentence.numkeys.take()) {
                sentence.words[at] = times.to_string().into_bytes();
            }
            for time in 0..times {
                let token = argument.token.as_ref().filter(|_| argument.kind != "pure-token");
                if let Some(token) = token.filter(|_| time == 0 || argument.repeats_token) {
                    sentence.words.push(token.clone().into_bytes());
                }
                self.one(argument, sentence);
            }
        }
    }

    fn one(&mut self, argument: &'a Argument, sentence: &mut Sentence<'a>) {
        match argument.kind.as_str() {
            "pure-token" => {
                let token = argument.token.clone().unwrap_or_default();
                sentence.words.push(token.into_bytes());
            }
            "oneof" => {
                let choice = self.pick(&argument.inner);
                self.all(std::slice::from_ref(choice), sentence);
            }
            "block" => self.all(&argument.inner, sentence),
            _ => {
                if argument.name == "numkeys" {
                    sentence.numkeys = Some(sentence.words.len());
                }
                let word = self.word(argument, sentence.command);
                sentence.words.push(word);
            }
        }
    }

    fn word(&mut self, argument: &Argument, command: &Command) -> Vec<u8> {
        let (name, group) = (argument.name.as_str(), command.group.as_str());
        match (argument.kind.as_str(), name) {
            ("key", _) => self.key(group),
            ("unix-time", _) => {
                let at_s = self.now_s + 5_000;
                let of_ms = command.name[0].starts_with('P') || name.contains("milli");
                let at = if of_ms { at_s * 1000 } else { at_s };
                self.of(&[&at.to_string(), &at.to_string(), "1", "0", "-1"])
            }
            (_, "seconds") => self.of(&["1000", "99999", "0", "-1", "9223372036854775807"]),
            (_, "milliseconds" | "ttl") if command.name[0] != "XCLAIM" => {
                self.of(&["1000000", "99999999", "0", "-1", "9223372036854775807"])
            }
            (_, "timeout") => self.of(&["0.001", "0.001", "-1", "x"]),
            (_, "serialized-value") => self.pick(self.payloads).clone(),
            (_, "min" | "max" | "start" | "stop" | "end") if group == "sorted-set" => {
                self.of(&["-inf", "+inf", "(1", "1", "2", "0", "-1", "[a", "(c", "-", "+", "[f"])
            }
            (_, "encoding") if group == "bitmap" => {
                self.of(&["u8", "i5", "u1", "i64", "u63", "u64"])
            }
            (_, "offset") if group == "bitmap" => {
                self.of(&["0", "1", "7", "100", "#1", "#2", "-1"])
            }
            (_, "longitude" | "latitude") => {
                self.of(&["13.36", "15.08", "2.35", "-73.9", "48.8", "90"])
            }
            (_, "radius" | "width" | "height") => self.of(&["1", "200", "20000", "-1"]),
            (_, "group" | "groupname") => self.of(&["g1", "g2"]),
            (_, "consumer" | "consumername") => self.of(&["c1", "c2", "c3"]),
            ("string" | "integer", _) if is_stream_id(group, name) => self.stream_id(),
            ("double", _) => self.of(DOUBLES),
            ("integer", _) => self.of(INTEGERS),
            ("pattern", _) => {
                self.of(&["*", "s*", "[a-h]*", "w_*", "hash:1->a", "?", "nosort", "#"])
            }
            _ => self.value(),
        }
    }

    pub(super) fn value(&mut self) -> Vec<u8> {
        self.pick(VALUES).to_vec()
    }

    /// Mostly a key whose type suits the command.
    fn key(&mut self, group: &str) -> Vec<u8> {
        const TYPES: &[&str] = &["string", "list", "hash", "set", "sorted-set", "stream"];
        let of = match group {
            "bitmap" => "string",
            // A score that no place has is undefined behaviour there.
            "geo" => "geo",
            known if TYPES.contains(&known) || known == "hyperloglog" => known,
            _ => self.pick(TYPES),
        };
        let of = if self.dice.chance(1, 12) { *self.pick(TYPES) } else { of };
        format!("{of}:{}", self.dice.below(4)).into_bytes()
    }

    fn stream_id(&mut self) -> Vec<u8> {
        let (ms, seq) = (self.dice.below(40), self.dice.below(3));
        let id = format!("{ms}-{seq}");
        let bare = ms.to_string();
        let partial = format!("{ms}-*");
        let open = format!("({id}");
        self.of(&[&id, &id, &id, &bare, &partial, &open, "-", "+", ">", "$", "0", "0-0"])
    }

    /// Makes a mistake.
    fn spoil(&mut self, line: &mut Line) {
        let at = self.dice.below(line.len() as u64) as usize;
        match self.dice.below(6) {
            0 if line.len() > 1 => drop(line.remove(at)),
            1 => line.insert(at.max(1), self.pick(JUNK).as_bytes().to_vec()),
            2 if at > 0 => line[at] = self.pick(JUNK).as_bytes().to_vec(),
            3 if at > 0 => line[at] = self.pick(VALUES).to_vec(),
            4 => line.push(self.pick(JUNK).as_bytes().to_vec()),
            _ => line[0].make_ascii_lowercase(),
        }
    }

    pub(super) fn of(&mut self, choices: &[&str]) -> Vec<u8> {
        self.pick(choices).as_bytes().to_vec()
    }

    pub(super) fn pick<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.dice.below(choices.len() as u64) as usize]
    }
}

fn is_stream_id(group: &str, name: &str) -> bool {
    group == "stream"
        && (name.contains("id") || ["start", "end", "threshold"].contains(&name))
        && !name.contains("idle")
}
