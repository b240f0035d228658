//! The one user there is, `default`: everything is allowed, with or without passwords.
//!
//! # Differences from Redis
//!
//! * Rules that take something away from `default` for good are refused, as are other users.
//! * After `reset` and in a `user` line channels are closed whatever `acl-pubsub-default` says.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Config;
use crate::base::text::hex;

/// The user `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultUser {
    /// Nobody needs a password.
    nopass: bool,
    /// SHA-256 of each password in hex: any of them will do.
    passwords: Vec<String>,
    /// Whether what RESTORE is given is looked through, once a rule said so.
    sanitizes: Option<bool>,
    /// By a line of the file, which counts more than `requirepass`, wherever it stands.
    pub(super) is_declared: bool,
}

/// Rules cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// One of them makes no sense.
    #[error("{reason}")]
    Wrong {
        /// Which one, from 0.
        at: usize,
        /// Redis's words.
        reason: &'static str,
    },
    /// They take something away.
    #[error(
        "only the user 'default' with everything allowed is supported, with or without passwords: \
         on ~* &* +@all"
    )]
    TakesAway,
}

impl Default for DefaultUser {
    fn default() -> Self {
        Self { nopass: true, passwords: Vec::new(), sanitizes: None, is_declared: false }
    }
}

impl DefaultUser {
    /// As a line `user default rules` of redis.conf makes it, from nothing.
    pub(super) fn declared(rules: &[impl AsRef<[u8]>]) -> Result<Self, RuleError> {
        let mut draft = Draft::from_user(Self::default());
        draft.reset();
        Ok(Self { is_declared: true, ..draft.with(rules)? })
    }

    /// As these rules of ACL SETUSER change it.
    pub fn changed(&self, rules: &[impl AsRef<[u8]>]) -> Result<Self, RuleError> {
        Draft::from_user(self.clone()).with(rules)
    }

    /// Takes `requirepass` for its only password; an empty one is none.
    pub(super) fn require(&mut self, password: &str) {
        self.nopass = password.is_empty();
        self.passwords.clear();
        if !self.nopass {
            self.passwords.push(digest(password.as_bytes()));
        }
    }

    /// Whether nobody needs a password.
    pub fn is_open(&self) -> bool {
        self.nopass
    }

    /// Whether this password lets somebody in. Digests are compared, so that the time taken does
    /// not tell how much of a guess is right.
    pub fn admits(&self, password: &[u8]) -> bool {
        self.nopass || self.passwords.contains(&digest(password))
    }

    /// SHA-256 of each password in hex.
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// What ACL GETUSER calls flags.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitizes =
            self.sanitizes.map(|on| if on { "sanitize-payload" } else { "skip-sanitize-payload" });
        ["on"].into_iter().chain(self.nopass.then_some("nopass")).chain(sanitizes)
    }
}

/// As ACL LIST and a line of redis.conf have it.
impl fmt::Display for DefaultUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("user default")?;
        self.flags().try_for_each(|flag| write!(f, " {flag}"))?;
        self.passwords.iter().try_for_each(|password| write!(f, " #{password}"))?;
        f.write_str(" ~* &* +@all")
    }
}

impl Config {
    /// `user default on nopass ~* &* +@all`
    pub(super) fn declare_user(&mut self, words: &[String]) -> Result<(), String> {
        let [name, rules @ ..] = words else {
            return Err("Bad directive or wrong number of arguments".to_owned());
        };
        if name != "default" {
            return Err(RuleError::TakesAway.to_string());
        }
        // Redis counts from the word `user`, and so names the word two before the wrong one.
        let wrong = |at: usize, reason: &str| {
            let named =
                ["user", name.as_str()].into_iter().chain(rules.iter().map(String::as_str)).nth(at);
            format!("Error in user declaration '{}': {reason}", named.unwrap_or_default())
        };
        if self.user.is_declared {
            let reason = "Duplicate user found. A user can only be defined once in config files";
            return Err(wrong(1, reason));
        }
        self.user = DefaultUser::declared(rules).map_err(|error| match error {
            RuleError::Wrong { at, reason } => wrong(at, reason),
            RuleError::TakesAway => error.to_string(),
        })?;
        Ok(())
    }
}

/// The user between two rules, when not everything need be allowed.
struct Draft {
    user: DefaultUser,
    is_on: bool,
    all_keys: bool,
    all_channels: bool,
    all_commands: bool,
}

impl Draft {
    fn from_user(user: DefaultUser) -> Self {
        Self { user, is_on: true, all_keys: true, all_channels: true, all_commands: true }
    }

    fn with(mut self, rules: &[impl AsRef<[u8]>]) -> Result<DefaultUser, RuleError> {
        for (at, rule) in rules.iter().enumerate() {
            self.follow(rule.as_ref(), at)?;
        }
        if self.is_on && self.all_keys && self.all_channels && self.all_commands {
            Ok(self.user)
        } else {
            Err(RuleError::TakesAway)
        }
    }

    fn follow(&mut self, rule: &[u8], at: usize) -> Result<(), RuleError> {
        let wrong = |reason| RuleError::Wrong { at, reason };
        match rule.to_ascii_lowercase().as_slice() {
            b"" | b"clearselectors" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"nopass" => self.user.require(""),
            b"resetpass" => self.forget_passwords(),
            b"sanitize-payload" => self.user.sanitizes = Some(true),
            b"skip-sanitize-payload" => self.user.sanitizes = Some(false),
            b"~*" | b"allkeys" => self.all_keys = true,
            b"resetkeys" => self.all_keys = false,
            b"&*" | b"allchannels" => self.all_channels = true,
            b"resetchannels" => self.all_channels = false,
            b"+@all" | b"allcommands" => self.all_commands = true,
            b"-@all" | b"nocommands" => self.all_commands = false,
            b"reset" => self.reset(),
            _ => match rule {
                [b'>', password @ ..] => self.add(digest(password)),
                [b'<', password @ ..] => self.remove(&digest(password)).map_err(wrong)?,
                [b'#', hash @ ..] => self.add(hash_of(hash).map_err(wrong)?),
                [b'!', hash @ ..] => self.remove(&hash_of(hash).map_err(wrong)?).map_err(wrong)?,
                [b'~' | b'%' | b'&' | b'+' | b'-' | b'(', ..] => return Err(RuleError::TakesAway),
                _ => return Err(wrong("Syntax error")),
            },
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.forget_passwords();
        self.user.sanitizes = Some(true);
        self.is_on = false;
        self.all_keys = false;
        self.all_channels = false;
        self.all_commands = false;
    }

    fn forget_passwords(&mut self) {
        self.user.nopass = false;
        self.user.passwords.clear();
    }

    fn add(&mut self, password: String) {
        self.user.nopass = false;
        if !self.user.passwords.contains(&password) {
            self.user.passwords.push(password);
        }
    }

    fn remove(&mut self, password: &str) -> Result<(), &'static str> {
        let passwords = &mut self.user.passwords;
        let at = passwords.iter().position(|known| known == password);
        passwords.remove(
            at.ok_or("The password you are trying to remove from the user does not exist")?,
        );
        Ok(())
    }
}

fn digest(password: &[u8]) -> String {
    hex(&Sha256::digest(password))
}

/// A digest as it is written in a rule.
fn hash_of(written: &[u8]) -> Result<String, &'static str> {
    match str::from_utf8(written) {
        Ok(hex) if hex.len() == 64 && hex.bytes().all(|c| b"0123456789abcdef".contains(&c)) => {
            Ok(hex.to_owned())
        }
        _ => Err("The password hash must be exactly 64 characters and contain only lowercase \
                  hexadecimal characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::{DefaultUser, RuleError};

    fn declared(rules: &str) -> Result<String, RuleError> {
        let rules: Vec<_> = rules.split(' ').collect();
        DefaultUser::declared(&rules).map(|user| user.to_string())
    }

    const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    const B: &str = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";

    #[test]
    fn rules_say_which_passwords_there_are() {
        let all = "~* &* +@all";
        for (rules, passwords) in [
            ("on nopass", "nopass sanitize-payload".to_owned()),
            ("ON >a >b >a", format!("sanitize-payload #{A} #{B}")),
            ("on >a >b <a", format!("sanitize-payload #{B}")),
            ("off nopass >a on", format!("sanitize-payload #{A}")),
            ("on >a nopass skip-sanitize-payload", "nopass skip-sanitize-payload".to_owned()),
            ("on resetpass", "sanitize-payload".to_owned()),
        ] {
            let expected = format!("user default on {passwords} {all}");
            assert_eq!(declared(&format!("{rules} {all}")), Ok(expected), "{rules}");
        }
    }

    #[test]
    fn nothing_may_be_taken_away_for_good() {
        for rules in ["on nopass", "on ~* &*", "~* &* +@all", "on ~* &* +@all -get", "on ~x"] {
            assert_eq!(declared(rules), Err(RuleError::TakesAway), "{rules}");
        }
        assert!(declared("on allkeys allchannels -@all allcommands").is_ok());
        let user = DefaultUser::default();
        assert_eq!(user.changed(&["reset"]), Err(RuleError::TakesAway));
        assert_eq!(user.changed(&["off", "on"]), Ok(user));
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        for (rules, at) in [("on foo", 1), ("#ab", 0), ("on >a <b", 2)] {
            assert!(
                matches!(declared(rules), Err(RuleError::Wrong { at: found, .. }) if found == at),
                "{rules}"
            );
        }
    }
}
