//! The index of all commands: the rows of the command floor and those of this one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Ask, Server, cmd};
use crate::base::number::until_nul;
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

    fn fits(&self, words: usize) -> bool {
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
    let name = words.first().copied().unwrap_or_default();
    let mut command = by_name(name).ok_or_else(|| unknown_command(words))?;
    if command.is(flags::CONTAINER)
        && let Some(sub) = words.get(1)
    {
        command = by_name(&[name, b"|", sub].concat()).ok_or_else(|| {
            CommandError::new(format!(
                "ERR unknown subcommand '{}'. Try {} HELP.",
                String::from_utf8_lossy(&sub[..sub.len().min(128)]),
                String::from_utf8_lossy(name).to_ascii_uppercase(),
            ))
        })?;
    }
    if !command.fits(words.len()) {
        return Err(wrong_arity(&command.name));
    }
    Ok(command)
}

/// `ERR wrong number of arguments for 'x' command`
pub fn wrong_arity(name: &str) -> CommandError {
    CommandError::new(format!("ERR wrong number of arguments for '{name}' command"))
}

fn unknown_command(words: &[&[u8]]) -> CommandError {
    let shown = |word: &[u8], bytes_max: usize| {
        let word = until_nul(word);
        String::from_utf8_lossy(&word[..word.len().min(bytes_max)]).into_owned()
    };
    let name = words.first().map(|word| shown(word, 128)).unwrap_or_default();
    let mut args = String::new();
    for word in words.iter().skip(1) {
        if args.len() >= 128 {
            break;
        }
        args.extend(["'", &shown(word, 128 - args.len()), "' "]);
    }
    CommandError::new(format!("ERR unknown command '{name}', with args beginning with: {args}"))
}

#[cfg(test)]
mod tests {
    use super::{all, by_name, find};

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
