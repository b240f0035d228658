//! What can be said: the commands and their arguments, as the real server documents them itself
//! (`COMMAND DOCS`).

use replab::resp::Answer;

use crate::kit::Client;

/// A command, or a subcommand.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its name; two words for a subcommand.
    pub name: Vec<String>,
    /// `string`, `sorted-set`, `generic`…
    pub group: String,
    pub arguments: Vec<Argument>,
}

/// An argument, or several that belong together.
#[derive(Debug, Clone)]
pub struct Argument {
    pub name: String,
    /// `key`, `string`, `integer`, `double`, `pattern`, `unix-time`, `pure-token`, `oneof`, `block`.
    pub kind: String,
    /// The word before it.
    pub token: Option<String>,
    pub is_optional: bool,
    pub is_multiple: bool,
    /// Whether the token comes again with each of several.
    pub repeats_token: bool,
    pub inner: Vec<Self>,
}

/// The groups whose commands act on data.
const GROUPS: &[&str] = &[
    "string",
    "list",
    "hash",
    "set",
    "sorted-set",
    "stream",
    "bitmap",
    "hyperloglog",
    "geo",
    "generic",
    "transactions",
];

/// Commands of these groups that a comparison has no use for, and why.
const LEFT_OUT: &[&str] = &[
    "MIGRATE",   // needs a third server
    "WAIT",      // answers by time, not by data
    "WAITAOF",   // likewise
    "RANDOMKEY", // chance
];

impl Command {
    /// Its name as one text.
    pub fn title(&self) -> String {
        self.name.join(" ")
    }
}

/// All commands that the server documents.
pub fn ask(client: &mut Client) -> Vec<Command> {
    let mut commands = Vec::new();
    for (name, docs) in pairs(&client.call(&["COMMAND", "DOCS"])) {
        collect(vec![text(&name).to_uppercase()], &docs, &mut commands);
    }
    commands.sort_by_key(Command::title);
    commands
}

fn collect(name: Vec<String>, docs: &Answer, commands: &mut Vec<Command>) {
    let field = |wanted: &str| field(docs, wanted);
    let group = field("group").map(|group| text(&group)).unwrap_or_default();
    if !GROUPS.contains(&group.as_str()) {
        return;
    }
    let subcommands = field("subcommands").map(|all| pairs(&all)).unwrap_or_default();
    for (full, docs) in &subcommands {
        let words = text(full).to_uppercase().split('|').map(str::to_owned).collect();
        collect(words, docs, commands);
    }
    if subcommands.is_empty() && !LEFT_OUT.contains(&name[0].as_str()) {
        let arguments = field("arguments").map(|all| arguments(&all)).unwrap_or_default();
        commands.push(Command { name, group, arguments });
    }
}

fn arguments(answer: &Answer) -> Vec<Argument> {
    let Answer::Array(all) = answer else { return Vec::new() };
    all.iter().map(argument).collect()
}

fn argument(answer: &Answer) -> Argument {
    let word = |wanted: &str| field(answer, wanted).map(|value| text(&value));
    let flags = match field(answer, "flags") {
        Some(Answer::Array(flags)) => flags.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    Argument {
        name: word("name").unwrap_or_default(),
        kind: word("type").unwrap_or_default(),
        token: word("token"),
        is_optional: has("optional"),
        is_multiple: has("multiple"),
        repeats_token: has("multiple_token"),
        inner: field(answer, "arguments").map(|inner| arguments(&inner)).unwrap_or_default(),
    }
}

/// A map of either protocol version.
fn pairs(answer: &Answer) -> Vec<(Answer, Answer)> {
    match answer {
        Answer::Map(pairs) => pairs.clone(),
        Answer::Array(flat) => {
            flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn field(answer: &Answer, wanted: &str) -> Option<Answer> {
    pairs(answer).into_iter().find(|(name, _)| text(name) == wanted).map(|(_, value)| value)
}

fn text(answer: &Answer) -> String {
    match answer {
        Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Answer::Simple(text) => text.clone(),
        _ => String::new(),
    }
}
