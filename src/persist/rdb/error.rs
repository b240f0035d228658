//! Why an RDB cannot be read.

use crate::keyspace::listpack::Invalid;

/// Where reading an RDB failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct RdbError {
    /// Bytes from the beginning of the RDB.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with an RDB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The first bytes are not those of an RDB.
    #[error("not an RDB: it does not begin with REDIS and four digits")]
    Magic,
    /// The version is none that is read.
    #[error("RDB version {0} is not one of 1 to 11, which can be read")]
    Version(u32),
    /// The bytes end too early.
    #[error("the data ends in the middle")]
    Truncated,
    /// There are bytes after the end.
    #[error("data after the end of the RDB")]
    Trailing,
    /// The checksum is wrong.
    #[error("the checksum is {stored:016x}, that of the data {computed:016x}")]
    Checksum {
        /// As the RDB says.
        stored: u64,
        /// As the bytes say.
        computed: u64,
    },
    /// A byte where a length must be begins none.
    #[error("{0:#04x} does not begin a length")]
    Length(u8),
    /// A byte where a string must be begins none.
    #[error("{0:#04x} does not begin a string")]
    String(u8),
    /// Compressed bytes do not unpack to what they promise.
    #[error("a compressed string does not unpack")]
    Lzf,
    /// A database that is not there.
    #[error("database {db}, but there are only {databases}")]
    Database {
        /// The database selected.
        db: u64,
        /// How many there are.
        databases: usize,
    },
    /// A key comes twice in one database.
    #[error("a key comes twice")]
    DuplicateKey,
    /// An element comes twice in a set, a hash or a sorted set.
    #[error("an element comes twice")]
    DuplicateElement,
    /// A collection is not built as it must be.
    #[error("corrupt {structure}: {fault}")]
    Corrupt {
        /// What is corrupt.
        structure: &'static str,
        /// How.
        fault: &'static str,
    },
    /// A number that is neither an opcode nor a type.
    #[error("{0} is neither an opcode nor a type of value")]
    Type(u8),
    /// Something valid that cannot be represented.
    #[error("type {number} ({name}) is not supported yet")]
    Unsupported {
        /// The number of the type or opcode.
        number: u8,
        /// What it is.
        name: &'static str,
    },
}

impl From<Invalid> for Reason {
    fn from(Invalid(fault): Invalid) -> Self {
        Self::Corrupt { structure: "listpack", fault }
    }
}
