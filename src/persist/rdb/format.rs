//! The numbers of the format.

/// The Redis version that this node says it is (`redis-ver`, `redis_version`).
pub const REDIS_VERSION: &str = "7.0.15";

/// How every RDB begins.
pub(super) const MAGIC: &[u8; 5] = b"REDIS";

/// The version that is written.
pub(super) const VERSION_WRITTEN: u32 = 10;
/// The newest version that is read.
pub(super) const VERSION_READ_MAX: u32 = 11;
/// The first version that ends in a checksum.
pub(super) const VERSION_CHECKSUM: u32 = 5;

/// Bytes that say what follows. All other values there are types of values.
pub(super) mod opcode {
    pub const SLOT_INFO: u8 = 0xf4;
    pub const FUNCTION: u8 = 0xf5;
    pub const FUNCTION_BEFORE_7: u8 = 0xf6;
    pub const MODULE_AUX: u8 = 0xf7;
    pub const IDLE_SECONDS: u8 = 0xf8;
    pub const FREQUENCY: u8 = 0xf9;
    pub const AUX: u8 = 0xfa;
    pub const RESIZE_DB: u8 = 0xfb;
    pub const EXPIRY_MS: u8 = 0xfc;
    pub const EXPIRY_S: u8 = 0xfd;
    pub const SELECT_DB: u8 = 0xfe;
    pub const EOF: u8 = 0xff;
}

/// How the value of a key is encoded.
pub(super) mod value_type {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const HASH: u8 = 4;
    /// Scores as eight bytes.
    pub const ZSET: u8 = 5;
    /// As 7.0 has it.
    pub const STREAM: u8 = 19;
}
