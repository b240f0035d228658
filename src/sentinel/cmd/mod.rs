//! What a Sentinel answers.

mod connection;
mod info;
mod manage;
mod pubsub;
mod query;
mod show;

pub use self::connection::client_line;
use super::Sentinel;
use crate::command::CommandError;
use crate::machine::ConnId;
use crate::resp::Reply;

/// A command being run.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    conn: ConnId,
    words: &'a [&'a [u8]],
}

/// What a command comes to: a reply that was written, or a refusal.
pub type Outcome = Result<(), CommandError>;

type Run = fn(&mut Sentinel, &Ask<'_>) -> Outcome;

/// A command: lower-case name (`sentinel|master`), words (negative for "at least"), and what runs.
type Row = (&'static str, i16, Run);

fn tables() -> [&'static [Row]; 5] {
    [connection::ROWS, pubsub::ROWS, info::ROWS, query::ROWS, manage::ROWS]
}

impl Ask<'_> {
    /// A word, as text; empty if there is none.
    fn text(&self, index: usize) -> String {
        String::from_utf8_lossy(self.words.get(index).copied().unwrap_or_default()).into_owned()
    }

    /// Whether a word is this one, whatever its case.
    fn is(&self, index: usize, word: &str) -> bool {
        self.words.get(index).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Runs a client's request.
pub fn run(sentinel: &mut Sentinel, conn: ConnId, words: &[&[u8]]) {
    sentinel.commands_total += 1;
    let now = sentinel.common.now.mono;
    let result = find(words).and_then(|(name, _, run)| {
        let Some(client) = sentinel.clients.get_mut(conn) else { return Ok(()) };
        client.active = now;
        (*name).clone_into(&mut client.last_command);
        if !client.authenticated && !matches!(*name, "auth" | "hello" | "quit" | "reset") {
            return Err(CommandError::fixed("NOAUTH Authentication required."));
        }
        pubsub::check(client, name)?;
        run(sentinel, &Ask { conn, words })
    });
    if let Err(error) = result {
        sentinel.clients.reply(conn).error(error.text());
    }
}

fn row(name: &str) -> Option<&'static Row> {
    // The names of 8.0 for the same things.
    let name = match name {
        "sentinel|primary" => "sentinel|master",
        "sentinel|primaries" => "sentinel|masters",
        "sentinel|slaves" => "sentinel|replicas",
        "sentinel|get-primary-addr-by-name" => "sentinel|get-master-addr-by-name",
        "sentinel|is-primary-down-by-addr" => "sentinel|is-master-down-by-addr",
        name => name,
    };
    tables().into_iter().flatten().find(|row| row.0 == name)
}

/// The command that a request asks for, if there is one and its number of words fits.
fn find(words: &[&[u8]]) -> Result<&'static Row, CommandError> {
    let name = words.first().copied().unwrap_or_default();
    let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
    let is_container = matches!(lower.as_str(), "sentinel" | "client" | "pubsub" | "acl");
    let found = match words.get(1) {
        Some(sub) if is_container => {
            let sub_lower = String::from_utf8_lossy(sub).to_ascii_lowercase();
            row(&format!("{lower}|{sub_lower}"))
                .ok_or_else(|| CommandError::unknown_subcommand(name, sub))?
        }
        None if is_container => return Err(CommandError::wrong_arity(&lower)),
        _ => row(&lower).ok_or_else(|| CommandError::unknown_command(words))?,
    };
    let (arity, count) = (i64::from(found.1), words.len() as i64);
    let fits = if arity < 0 { count >= -arity } else { count == arity };
    if fits { Ok(found) } else { Err(CommandError::wrong_arity(found.0)) }
}

impl Sentinel {
    fn reply(&mut self, ask: &Ask<'_>) -> &mut Reply {
        self.clients.reply(ask.conn)
    }

    /// A list of lines, as HELP gives it.
    fn help(&mut self, ask: &Ask<'_>, container: &str, lines: &[&str]) {
        let title = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        let reply = self.reply(ask);
        reply.array(lines.len() + 3);
        reply.simple(&title);
        for line in lines.iter().chain(&["HELP", "    Prints this help."]) {
            reply.simple(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{find, tables};

    fn refusal(line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        find(&words).map(|row| row.0.to_owned()).expect_err(line).to_string()
    }

    #[test]
    fn refusals_are_in_redis_words() {
        assert_eq!(refusal("GET a"), "ERR unknown command 'GET', with args beginning with: 'a' ");
        assert_eq!(
            refusal("SENTINEL master"),
            "ERR wrong number of arguments for 'sentinel|master' command"
        );
        assert_eq!(refusal("SENTINEL FOO"), "ERR unknown subcommand 'FOO'. Try SENTINEL HELP.");
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: Vec<_> = tables().into_iter().flatten().map(|row| row.0).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
    }
}
