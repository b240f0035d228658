//! The row of a command.

/// A command: what it is called, what it needs, and what it runs.
#[derive(Debug)]
pub struct Spec<F: 'static> {
    /// Upper-case name; `CONFIG|GET` for a subcommand.
    pub name: &'static str,
    /// Number of words with the name (both words of a subcommand); negative for "at least".
    pub arity: i16,
    /// What kind of command it is.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: Keys,
    /// Which part of the documentation it is in.
    pub group: Group,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// What runs.
    pub run: F,
}

/// A set of [`flags`].
pub type Flags = u32;

/// What kind of command it is, in the words of COMMAND INFO.
pub mod flags {
    use super::Flags;

    /// Changes data.
    pub const WRITE: Flags = 1;
    /// Only reads data.
    pub const READONLY: Flags = 1 << 1;
    /// Refused when out of memory.
    pub const DENYOOM: Flags = 1 << 2;
    /// Administrative.
    pub const ADMIN: Flags = 1 << 3;
    /// Part of publish and subscribe.
    pub const PUBSUB: Flags = 1 << 4;
    /// Not in scripts.
    pub const NOSCRIPT: Flags = 1 << 5;
    /// May block its client.
    pub const BLOCKING: Flags = 1 << 6;
    /// Allowed while the dataset loads.
    pub const LOADING: Flags = 1 << 7;
    /// Allowed on a replica without a link that serves no stale data.
    pub const STALE: Flags = 1 << 8;
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: Flags = 1 << 9;
    /// Not in the slow log.
    pub const SKIP_SLOWLOG: Flags = 1 << 10;
    /// Constant or logarithmic time.
    pub const FAST: Flags = 1 << 11;
    /// Allowed before AUTH.
    pub const NO_AUTH: Flags = 1 << 12;
    /// May be replicated although it is not a write.
    pub const MAY_REPLICATE: Flags = 1 << 13;
    /// Not inside MULTI.
    pub const NO_MULTI: Flags = 1 << 14;
    /// Has subcommands, which have rows of their own.
    pub const CONTAINER: Flags = 1 << 15;
    /// Where its keys are depends on its words.
    pub const MOVABLE_KEYS: Flags = 1 << 16;
    /// Touches keys that its words do not name; deletions it finds are not part of its unit.
    pub const TOUCHES_ARBITRARY_KEYS: Flags = 1 << 17;
    /// Allowed while a script is busy.
    pub const ALLOW_BUSY: Flags = 1 << 18;
    /// In a cluster, as if ASKING came before it.
    pub const ASKING: Flags = 1 << 19;

    /// The words of COMMAND INFO for the flags that it shows.
    pub const NAMES: [(Flags, &str); 17] = [
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (MOVABLE_KEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// Where the keys are among a command's words: `first..=last`, every `step`th. A negative `last`
/// counts from the end. All zero for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Index of the first key.
    pub first: i16,
    /// Index of the last key.
    pub last: i16,
    /// Distance between two keys.
    pub step: i16,
}

impl Keys {
    /// No keys.
    pub const NONE: Self = Self { first: 0, last: 0, step: 0 };

    /// One key.
    pub const fn one(at: i16) -> Self {
        Self { first: at, last: at, step: 1 }
    }

    /// Every word from `first` on.
    pub const fn from(first: i16) -> Self {
        Self { first, last: -1, step: 1 }
    }

    /// Keys from `first` to `last`, every `step`th.
    pub const fn range(first: i16, last: i16, step: i16) -> Self {
        Self { first, last, step }
    }

    /// The indices of the keys in a command of `words` words.
    pub fn indices(self, words: usize) -> impl Iterator<Item = usize> {
        let last =
            if self.last < 0 { words as i64 + i64::from(self.last) } else { self.last.into() };
        let first = usize::try_from(self.first).ok().filter(|first| *first > 0);
        first.into_iter().flat_map(move |first| {
            let range = first..=last.max(0) as usize;
            range.step_by(self.step.max(1) as usize).filter(move |i| *i < words)
        })
    }
}

/// A part of the documentation, in the words of COMMAND DOCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `generic`
    Generic,
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `sorted-set`
    SortedSet,
    /// `hash`
    Hash,
    /// `stream`
    Stream,
    /// `bitmap`
    Bitmap,
    /// `hyperloglog`
    HyperLogLog,
    /// `geo`
    Geo,
    /// `pubsub`
    PubSub,
    /// `transactions`
    Transactions,
    /// `connection`
    Connection,
    /// `server`
    Server,
    /// `scripting`
    Scripting,
    /// `cluster`
    Cluster,
}

impl Group {
    /// The word of COMMAND DOCS.
    pub fn word(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
            Self::HyperLogLog => "hyperloglog",
            Self::Geo => "geo",
            Self::PubSub => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Scripting => "scripting",
            Self::Cluster => "cluster",
        }
    }
}

impl<F> Spec<F> {
    /// Whether a command of `words` words fits the arity.
    pub fn fits(&self, words: usize) -> bool {
        let arity = i64::from(self.arity);
        let words = words as i64;
        if arity < 0 { words >= -arity } else { words == arity }
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn keys_are_where_the_row_says() {
        let at = |keys: Keys, words| keys.indices(words).collect::<Vec<_>>();
        assert!(at(Keys::NONE, 3).is_empty());
        assert_eq!(at(Keys::one(1), 3), [1]);
        assert_eq!(at(Keys::from(1), 4), [1, 2, 3]);
        assert_eq!(at(Keys::range(1, -1, 2), 5), [1, 3]);
        assert_eq!(at(Keys::range(1, -2, 1), 4), [1, 2]);
        assert!(at(Keys::one(2), 2).is_empty());
    }
}
