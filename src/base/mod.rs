//! Floor 0: small things without a subject of their own. Nothing here knows Redis.

pub mod crc64;
pub mod extended;
pub mod glob;
pub mod number;
pub mod rng;
pub mod text;
pub mod time;
