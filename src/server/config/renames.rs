//! `rename-command`: commands under other names, or under none.

use std::collections::BTreeMap;

use crate::command::CommandError;
use crate::server::table::{self, Command};

/// The names that were given and taken away.
#[derive(Debug, Clone, Default)]
pub struct Renames {
    /// By lower-case name, the command that it stands for now, if any.
    names: BTreeMap<Vec<u8>, Option<&'static str>>,
}

impl Renames {
    /// `rename-command from to`; an empty `to` leaves the command without a name.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        let [old, new] = [from, to].map(|name| name.to_ascii_lowercase().into_bytes());
        let command = self.named(&old).ok_or("No such command in rename-command")?;
        self.names.insert(old, None);
        if to.is_empty() {
            return Ok(());
        }
        if self.named(&new).is_some() {
            return Err("Target command name already exists".to_owned());
        }
        self.names.insert(new, Some(&command.name));
        Ok(())
    }

    /// The command of this name, whatever its case.
    pub fn named(&self, name: &[u8]) -> Option<&'static Command> {
        let own = match self.names.get(&name.to_ascii_lowercase()) {
            None => name,
            Some(None) => return None,
            Some(Some(own)) => own.as_bytes(),
        };
        table::by_name(own).filter(|command| !command.name.contains('|'))
    }

    /// The command or subcommand of this name (`config|get`), whatever its case.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&'static Command> {
        match name.iter().position(|byte| *byte == b'|') {
            None => self.named(name),
            Some(bar) => {
                let container = self.named(&name[..bar])?;
                table::by_name(&[container.name.as_bytes(), &name[bar..]].concat())
            }
        }
    }

    /// All commands and subcommands that can be asked for, under whatever name.
    pub fn all(&self) -> impl Iterator<Item = &'static Command> {
        table::all().iter().filter(|command| {
            let own = command.name.split('|').next().unwrap_or_default();
            !self.names.contains_key(own.as_bytes())
                || self.names.values().any(|stands_for| *stands_for == Some(own))
        })
    }

    /// [`table::find`], by the names that count.
    pub fn find(&self, words: &[&[u8]]) -> Result<&'static Command, CommandError> {
        self.with_own_name(words, table::find)
    }

    /// [`table::look_up`], by the names that count.
    pub fn look_up(&self, words: &[&[u8]]) -> Result<&'static Command, CommandError> {
        self.with_own_name(words, table::look_up)
    }

    fn with_own_name(
        &self,
        words: &[&[u8]],
        find: fn(&[&[u8]]) -> Result<&'static Command, CommandError>,
    ) -> Result<&'static Command, CommandError> {
        let name = words.first().copied().unwrap_or_default();
        if self.names.is_empty() || !self.names.contains_key(&name.to_ascii_lowercase()) {
            return find(words);
        }
        let command = self.named(name).ok_or_else(|| CommandError::unknown_command(words))?;
        find(&[&[command.name.as_bytes()], &words[1..]].concat()).map_err(|error| match words {
            // It speaks of the name that was used.
            [_, sub, ..] if table::look_up(&[command.name.as_bytes(), sub]).is_err() => {
                CommandError::unknown_subcommand(name, sub)
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Renames;

    fn name(renames: &Renames, words: &[&str]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        renames.find(&words).map_or_else(|error| error.to_string(), |command| command.name.clone())
    }

    #[test]
    fn a_command_has_its_last_name_only() {
        let mut renames = Renames::default();
        renames.rename("CONFIG", "Setup").unwrap();
        renames.rename("setup", "adjust").unwrap();
        renames.rename("keys", "").unwrap();
        renames.rename("GET", "config").unwrap();
        assert_eq!(name(&renames, &["ADJUST", "GET", "x"]), "config|get");
        assert_eq!(name(&renames, &["config", "x"]), "get");
        assert_eq!(name(&renames, &["set", "k", "v"]), "set");
        let full = |name: &[u8]| renames.by_full_name(name).map(|command| &*command.name);
        assert_eq!(full(b"Adjust|Get"), Some("config|get"));
        assert_eq!(full(b"config|get"), None);
        let has = |name| renames.all().any(|command| command.name == name);
        assert!(has("config|get") && has("get") && !has("keys"));
        for gone in ["setup", "keys", "get"] {
            let refusal = format!("ERR unknown command '{gone}', with args beginning with: 'x' ");
            assert_eq!(name(&renames, &[gone, "x"]), refusal);
        }
        assert_eq!(
            name(&renames, &["adjust", "get"]),
            "ERR wrong number of arguments for 'config|get' command"
        );
    }

    #[test]
    fn refusals_are_in_redis_words() {
        let mut renames = Renames::default();
        for missing in ["nosuch", "config|get", ""] {
            let refusal = renames.rename(missing, "x");
            assert_eq!(refusal, Err("No such command in rename-command".to_owned()), "{missing}");
        }
        let taken = renames.rename("get", "SET");
        assert_eq!(taken, Err("Target command name already exists".to_owned()));
    }
}
