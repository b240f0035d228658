//! The index of all commands: the rows of the command floor and those of this one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Ask, Server, cmd};
use crate::command::{self, CommandError, Flags, Group, Keys, Spec, flags};
use crate::machine::Outbox;

/// What a command on the whole server runs.
pub type ServerRun = fn(&mut Server, &Ask<'_>, &mut Outbox) -> Result<(), CommandError>;

/// What a command runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// On the data alone.
    Data(command::Run),
    /// On the whole server.
    Server(ServerRun),
}

/// A command, whichever floor it comes from. See [`Spec`] for the fields.
#[derive(Debug)]
pub struct Command {
    /// Lower-case name, as replies and statistics show it: `config|get`.
    pub name: String,
    /// See [`Spec::arity`].
    pub arity: i16,
    /// See [`Spec::flags`].
    pub flags: Flags,
    /// See [`field@Spec::keys`].
    pub keys: Keys,
    /// See [`Spec::group`].
    pub group: Group,
    /// See [`Spec::since`].
    pub since: &'static str,
    /// See [`field@Spec::doc`].
    pub doc: &'static str,
    /// What it runs.
    pub run: Run,
    /// Its place in [`all`], by which statistics are kept.
    pub index: usize,
}

impl Command {
    /// Whether all of these flags are set.
    pub fn is(&self, flags: Flags) -> bool {
        self.flags & flags == flags
    }

    fn of<F: Copy>(spec: &'static Spec<F>, run: impl Fn(F) -> Run, index: usize) -> Self {
        Self {
            name: spec.name.to_ascii_lowercase(),
            arity: spec.arity,
            flags: spec.flags,
            keys: spec.keys,
            group: spec.group,
            since: spec.since,
            doc: spec.doc,
            run: run(spec.run),
            index,
        }
    }

    /// Whether so many words fit the arity.
    pub fn fits(&self, words: usize) -> bool {
        let (arity, words) = (i64::from(self.arity), words as i64);
        if arity < 0 { words >= -arity } else { words == arity }
    }
}

struct Table {
    commands: Vec<Command>,
    by_name: HashMap<String, usize, foldhash::fast::FixedState>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let data = command::tables().into_iter().flatten().map(|s| (s.name, Some(s), None));
    let server = cmd::tables().into_iter().flatten().map(|s| (s.name, None, Some(s)));
    let commands: Vec<_> = data
        .chain(server)
        .enumerate()
        .filter_map(|(index, (_, data, server))| match (data, server) {
            (Some(spec), _) => Some(Command::of(spec, Run::Data, index)),
            (_, Some(spec)) => Some(Command::of(spec, Run::Server, index)),
            _ => None,
        })
        .collect();
    let by_name = commands.iter().map(|c| (c.name.clone(), c.index)).collect();
    Table { commands, by_name }
});

/// All commands and subcommands.
pub fn all() -> &'static [Command] {
    &TABLE.commands
}

/// The command or subcommand of this name (`config|get`), whatever its case.
pub fn by_name(name: &[u8]) -> Option<&'static Command> {
    // Long enough for every name; a longer word is no command.
    let mut lower = [0u8; 48];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let index = *TABLE.by_name.get(std::str::from_utf8(lower).ok()?)?;
    TABLE.commands.get(index)
}

/// The command that a request asks for, if it is one and its number of words fits.
pub fn find(words: &[&[u8]]) -> Result<&'static Command, CommandError> {
    let command = look_up(words)?;
    if !command.fits(words.len()) {
        return Err(CommandError::wrong_arity(&command.name));
    }
    Ok(command)
}

/// The command that a request asks for, if it is one, whatever its number of words.
pub fn look_up(words: &[&[u8]]) -> Result<&'static Command, CommandError> {
    let name = words.first().copied().unwrap_or_default();
    let command = by_name(name).filter(|command| !command.name.contains('|'));
    let command = command.ok_or_else(|| CommandError::unknown_command(words))?;
    match words.get(1) {
        Some(sub) if command.is(flags::CONTAINER) => by_name(&[name, b"|", sub].concat())
            .ok_or_else(|| CommandError::unknown_subcommand(name, sub)),
        _ => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::{all, by_name, find};
    use crate::command::{facts, flags};

    #[test]
    fn every_row_is_found_by_its_name_and_no_name_is_there_twice() {
        for (index, command) in all().iter().enumerate() {
            assert_eq!(command.index, index);
            let found = by_name(command.name.to_ascii_uppercase().as_bytes());
            assert_eq!(found.map(|c| c.index), Some(index), "{}", command.name);
        }
    }

    #[test]
    fn every_row_has_words_for_people() {
        for command in all() {
            assert!(!command.doc.is_empty() && !command.since.is_empty(), "{}", command.name);
            assert_ne!(command.arity, 0, "{}", command.name);
        }
    }

    #[test]
    fn every_row_has_the_flags_that_7_0_has() {
        let mut wrong = Vec::new();
        for command in all() {
            let Some(facts) = facts::of(&command.name) else {
                wrong.push(format!("{}: no command of 7.0", command.name));
                continue;
            };
            for (flag, word) in flags::NAMES {
                if command.is(flag) != facts.flags.contains(&word) {
                    let are = if command.is(flag) { "has" } else { "lacks" };
                    wrong.push(format!("{}: {are} {word}", command.name));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn refusals_are_in_redis_words() {
        let refusal = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|w| w.as_bytes()).collect();
            find(&words).map(|c| c.name.clone()).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&["nosuch", "a", "b"]),
            "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "
        );
        assert_eq!(refusal(&["get"]), "ERR wrong number of arguments for 'get' command");
    }
}
