//! Errors that are replies.

use std::borrow::Cow;

use crate::base::text;

/// Bytes of a request that a refusal repeats.
const SHOWN_BYTES_MAX: usize = 128;

/// A refusal, in Redis's words to the letter, with the code in front: clients match on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(Cow<'static, str>);

impl CommandError {
    /// The key holds another type.
    pub const WRONG_TYPE: Self =
        Self::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The words do not fit the command's form.
    pub const SYNTAX: Self = Self::fixed("ERR syntax error");
    /// Not a 64-bit integer.
    pub const NOT_AN_INTEGER: Self = Self::fixed("ERR value is not an integer or out of range");
    /// Not a floating point number.
    pub const NOT_A_FLOAT: Self = Self::fixed("ERR value is not a valid float");
    /// There must be a key.
    pub const NO_SUCH_KEY: Self = Self::fixed("ERR no such key");
    /// A replica takes writes from its primary only.
    pub const READ_ONLY: Self =
        Self::fixed("READONLY You can't write against a read only replica.");
    /// A replica without a link does not answer from old data.
    pub const STALE: Self = Self::fixed(
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    );
    /// No memory is left, as far as `maxmemory` goes.
    pub const OUT_OF_MEMORY: Self =
        Self::fixed("OOM command not allowed when used memory > 'maxmemory'.");
    /// An index beyond the end.
    pub const OUT_OF_RANGE: Self = Self::fixed("ERR index out of range");

    /// A refusal whose text is always the same.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A refusal that names what was wrong.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// `ERR wrong number of arguments for 'x' command`
    pub fn wrong_arity(command: &str) -> Self {
        Self::new(format!("ERR wrong number of arguments for '{command}' command"))
    }

    /// There is no command of this name.
    pub fn unknown_command(words: &[&[u8]]) -> Self {
        let name = shown(words.first().copied().unwrap_or_default(), SHOWN_BYTES_MAX);
        let mut args = String::new();
        for word in words.iter().skip(1) {
            if args.len() >= SHOWN_BYTES_MAX {
                break;
            }
            args.push_str(&format!("'{}' ", shown(word, SHOWN_BYTES_MAX - args.len())));
        }
        Self::new(format!("ERR unknown command '{name}', with args beginning with: {args}"))
    }

    /// The command has no such subcommand.
    pub fn unknown_subcommand(name: &[u8], sub: &[u8]) -> Self {
        let sub = shown(sub, SHOWN_BYTES_MAX);
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        Self::new(format!("ERR unknown subcommand '{sub}'. Try {name} HELP."))
    }

    /// `ERR invalid expire time in 'set' command`
    pub fn invalid_expire(command: &str) -> Self {
        Self::new(format!("ERR invalid expire time in '{command}' command"))
    }

    /// The text, with the code in front.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The code: the first word, by which INFO errorstats counts.
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

/// A word as far as a C string would go, and no further than so many bytes.
fn shown(word: &[u8], bytes_max: usize) -> Cow<'_, str> {
    text::shown(&word[..word.len().min(bytes_max)])
}

#[cfg(test)]
mod tests {
    use super::CommandError;

    #[test]
    fn an_unknown_command_is_shown_with_its_first_words_but_not_at_length() {
        let text = |words: &[&[u8]]| CommandError::unknown_command(words).text().to_owned();
        assert_eq!(text(&[b"x"]), "ERR unknown command 'x', with args beginning with: ");
        let long = [b'y'; 200];
        let args = format!("'a' '{}' ", "y".repeat(124));
        assert_eq!(
            text(&[b"x", b"a", &long, b"b"]),
            format!("ERR unknown command 'x', with args beginning with: {args}")
        );
        let subcommand = CommandError::unknown_subcommand(b"config", b"Foo");
        assert_eq!(subcommand.text(), "ERR unknown subcommand 'Foo'. Try CONFIG HELP.");
    }
}
