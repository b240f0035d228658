//! The name of a history: 40 characters, new at random whenever a history begins.

use std::fmt;

use crate::base::rng::Dice;

/// A replication ID. Compared without regard to case, as Redis does; kept as it was written.
#[derive(Clone, Copy)]
pub struct ReplId([u8; Self::LEN]);

impl ReplId {
    /// Characters in an ID.
    pub const LEN: usize = 40;

    /// A new random ID.
    pub fn random(dice: &mut Dice) -> Self {
        let mut id = [b'0'; Self::LEN];
        id.copy_from_slice(dice.hex40().as_bytes());
        Self(id)
    }

    /// Reads an ID as a peer wrote it. Only the length and printable characters are asked for:
    /// Redis does not insist on hex digits either.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; Self::LEN] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_graphic).then_some(Self(id))
    }

    /// Whether `asked` names this history.
    pub fn matches(&self, asked: &[u8]) -> bool {
        self.0.eq_ignore_ascii_case(asked)
    }

    /// The 40 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl PartialEq for ReplId {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for ReplId {}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_forty_characters_and_differ() {
        let mut dice = Dice::new(1);
        let (a, b) = (ReplId::random(&mut dice), ReplId::random(&mut dice));
        assert_eq!(ReplId::parse(a.as_str().as_bytes()), Some(a));
        assert_ne!(a, b);
    }

    #[test]
    fn case_is_kept_but_does_not_matter() {
        let upper = ReplId::parse(&[b'A'; 40]).unwrap();
        assert_eq!(upper, ReplId::parse(&[b'a'; 40]).unwrap());
        assert!(upper.matches(&[b'a'; 40]));
        assert_eq!(upper.to_string(), "A".repeat(40));
    }

    #[test]
    fn other_lengths_and_unprintable_text_are_no_ids() {
        assert_eq!(ReplId::parse(b"?"), None);
        assert_eq!(ReplId::parse(&[b'a'; 39]), None);
        assert_eq!(ReplId::parse(&[b'a'; 41]), None);
        assert_eq!(ReplId::parse(&[b'\n'; 40]), None);
    }
}
