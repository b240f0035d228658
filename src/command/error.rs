//! Errors that are replies.

use std::borrow::Cow;

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
