//! The form of transcripts, and how one is played.
//!
//! A transcript has a command a line; below it, its reply (a space for each line end; nothing if
//! the client waits), what other clients were sent because of it after their names, and each
//! command that it put on the stream after a `>`:
//!
//! ```text
//! a: BLPOP k 0
//! RPUSH k x
//!     :1
//!     a: *2 $1 k $1 x
//!     > RPUSH k x
//!     > LPOP k
//! ```
//!
//! A leading name says which client asks; one whose name begins with a 3 speaks RESP3. That the
//! server closed a client's connection is told after its name as `(closed)`; it is a new client that
//! asks by this name next. A line is of its own kind if it begins with
//!
//! | sign | meaning |
//! |---|---|
//! | `~` | the order of the answer means nothing |
//! | `%` | integers of 1000 and more are ages in milliseconds: only whole seconds are shown |
//! | `?` | numbers mean nothing: each is shown as `N`, a SHA1 or an ID of 40 digits as `X` |
//!
//! `wait 100` lets 100 ms pass. `<+1000>` is the time a second from now in milliseconds, `<+1000s>` in
//! seconds, `<+0>-0` a stream's ID of that time; `<id:a>` is the ID of the client `a`, `<addr:a>` its
//! address (in the reply to HELLO, `<id>` is that of who asks); `\x00` is a byte; what is in double quotes is one word, `""` one without a byte.

use super::resp::{Answer, read_answer};

/// A server with clients and a replica, on which a transcript is played.
pub trait Stage {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;

    /// Lets time pass.
    fn wait(&mut self, ms: u64);

    /// Sends a command as the client of this name; returns the reply, nothing if the client waits.
    fn ask(&mut self, client: &str, words: &[Vec<u8>]) -> Vec<u8>;

    /// ID and address of the client of this name.
    fn identity(&mut self, client: &str) -> (String, String);

    /// What else clients were sent, in the order of their names.
    fn heard(&mut self) -> Vec<(String, Vec<u8>)>;

    /// The clients whose connections the server closed since the last call, in the order of their
    /// names. They are forgotten.
    fn closed(&mut self) -> Vec<String>;

    /// What went to the replica since the last call.
    fn streamed(&mut self) -> Vec<u8>;
}

/// Plays a transcript's commands and returns what came of it in the same form.
pub fn play(stage: &mut dyn Stage, transcript: &str) -> String {
    let mut played = String::new();
    for line in transcript.lines().filter(|line| !line.starts_with("    ")) {
        played += &format!("{line}\n");
        if let Some(ms) = line.strip_prefix("wait ") {
            stage.wait(ms.parse().unwrap());
            played += &heard(stage);
        } else if !line.starts_with('#') && !line.is_empty() {
            played += &reply(stage, line);
            played += &heard(stage);
            let streamed = stage.streamed();
            played += &effects(&streamed, stage.now_ms());
        }
    }
    played
}

/// A line's command as it is written: who asks, the sign, and the words.
pub fn command(line: &str) -> (&str, Option<char>, Vec<&str>) {
    let (client, line) = match line.split_once(": ") {
        Some((name, line)) if !name.contains(' ') => (name, line),
        _ => ("", line),
    };
    let sign = line.chars().next().filter(|sign| ['~', '%', '?'].contains(sign));
    (client, sign, split(line.trim_start_matches(['~', '%', '?'])))
}

fn reply(stage: &mut dyn Stage, line: &str) -> String {
    if line.contains("s>") {
        // So that whole seconds are exact.
        stage.wait(999 - (stage.now_ms() + 999).rem_euclid(1000) as u64);
    }
    let now = stage.now_ms();
    let (client, sign, words) = command(line);
    let words: Vec<_> = words.into_iter().map(|word| unescaped(stage, word, now)).collect();
    let data = stage.ask(client, &words);
    let text = if sign == Some('~') { escaped(&sorted(&data)) } else { escaped(&data) };
    match text.trim_end() {
        "" => String::new(),
        text if text.contains("$2 id :") => {
            let id = stage.identity(client).0;
            format!("    {}\n", text.replace(&format!("$2 id :{id} "), "$2 id :<id> "))
        }
        text if sign == Some('?') => format!("    {}\n", without_numbers(text)),
        text => format!("    {}\n", with_relative_times(text, now, sign == Some('%'))),
    }
}

fn without_numbers(text: &str) -> String {
    let is_long = |word: &&str| word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut rest = words.filter(is_long).fold(text.to_owned(), |text, id| text.replace(id, "X"));
    let mut shown = String::new();
    while let Some(c) = rest.chars().next() {
        let escape = if rest.starts_with("\\x") { 4 } else { 1 };
        match c {
            '0'..='9' if shown.ends_with('N') => {}
            '0'..='9' => shown.push('N'),
            _ => shown.push_str(&rest[..escape]),
        }
        rest.drain(..escape);
    }
    // With its fraction.
    shown.replace("N.N", "N")
}

fn with_relative_times(text: &str, now: i64, aged: bool) -> String {
    let words = text.split(' ').map(|word| match word.strip_prefix(':') {
        Some(number) if aged => format!(":{}", in_whole_seconds(&relative(number, now))),
        Some(number) => format!(":{}", relative(number, now)),
        None => relative(word, now),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn heard(stage: &mut dyn Stage) -> String {
    let heard = stage.heard().into_iter();
    let heard = heard.map(|(name, data)| format!("    {name}: {}\n", escaped(&data).trim_end()));
    let heard: String = heard.collect();
    stage.closed().iter().fold(heard, |told, name| told + &format!("    {name}: (closed)\n"))
}

/// An array's elements in the order of their bytes.
fn sorted(data: &[u8]) -> Vec<u8> {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return data.to_vec() };
    let (mut rest, mut elements) = (&data[end + 1..], Vec::new());
    while let Some((_, taken)) = read_answer(rest).unwrap() {
        elements.push(&rest[..taken]);
        rest = &rest[taken..];
    }
    elements.sort_unstable();
    [&data[..=end], &elements.concat()].concat()
}

/// The commands on the stream, but not those of the replication itself.
fn effects(mut streamed: &[u8], now: i64) -> String {
    let mut text = String::new();
    while let Some((answer, taken)) = read_answer(streamed).unwrap() {
        let Answer::Array(words) = answer else { panic!("{answer} on the stream") };
        let words: Vec<_> = words
            .iter()
            .map(|word| match word {
                Answer::Bulk(bytes) if bytes.is_empty() => "\"\"".to_owned(),
                Answer::Bulk(bytes) => relative(&escaped(bytes), now),
                other => panic!("{other} on the stream"),
            })
            .collect();
        if words != ["PING"] {
            text += &format!("    > {}\n", words.join(" "));
        }
        streamed = &streamed[taken..];
    }
    text
}

/// The words of a line, those in quotes without them.
fn split(line: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), Some(line));
    while let Some(line) = rest {
        let quoted = line.strip_prefix('"').and_then(|inner| {
            let end = inner.find("\" ").or_else(|| inner.strip_suffix('"').map(str::len))?;
            Some((&inner[..end], inner.get(end + 2..)))
        });
        let (word, after) = quoted.unwrap_or_else(|| match line.split_once(' ') {
            Some((word, after)) => (word, Some(after)),
            None => (line, None),
        });
        words.push(word);
        rest = after;
    }
    words
}

/// A word as it is sent.
fn unescaped(stage: &mut dyn Stage, word: &str, now: i64) -> Vec<u8> {
    if let Some((inner, rest)) = word.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
        match inner.split_once(':') {
            Some(("id", name)) => return (stage.identity(name).0 + rest).into_bytes(),
            Some(("addr", name)) => return (stage.identity(name).1 + rest).into_bytes(),
            _ => {}
        }
        let time = inner;
        let (time, unit) = time.strip_suffix('s').map_or((time, 1), |time| (time, 1000));
        let offset: i64 = time.parse().unwrap();
        return format!("{}{rest}", (now + offset) / unit).into_bytes();
    }
    let mut pieces = word.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

fn escaped(data: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = data;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\r', [b'\n', tail @ ..]) => {
                text.push(' ');
                rest = tail;
            }
            (b' '..=b'~', _) if *byte != b'\\' => text.push(char::from(*byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text
}

/// A time in milliseconds, or an ID that begins with one, as its distance from now, to the second.
fn relative(word: &str, now: i64) -> String {
    let (time, rest) = word.split_at(word.find('-').unwrap_or(word.len()));
    match time.parse::<i64>() {
        Ok(at) if time.len() == 13 && (at - now).abs() < 10_000_000_000 => {
            format!("<{:+}>{rest}", (at - now + 500).div_euclid(1000) * 1000)
        }
        _ => word.to_owned(),
    }
}

fn in_whole_seconds(number: &str) -> String {
    match number.parse::<i64>() {
        Ok(age) if age >= 1000 => (age / 1000 * 1000).to_string(),
        _ => number.to_owned(),
    }
}
