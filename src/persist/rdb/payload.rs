//! One value as bytes, as DUMP gives it and RESTORE takes it.
//!
//! It is what stands in an RDB for a key (the number of the type, the value), then the version in
//! two bytes, and the checksum of all that.

use bytes::{BufMut, Bytes, BytesMut};

use super::encoder::{put_value, type_of};
use super::format::{MAGIC, VERSION_WRITTEN, opcode};
use super::output::Writer;
use super::{Decoder, RdbError, Reason};
use crate::base::crc64::Crc64;
use crate::keyspace::Value;
use crate::keyspace::types::Packing;
use crate::machine::LoadOptions;

const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;

/// Why a payload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It was made by a newer version, or is not what was sent.
    #[error("the version or the checksum is wrong")]
    Envelope,
    /// What is inside cannot be read.
    #[error(transparent)]
    Content(#[from] RdbError),
}

/// A value as bytes. With `compress`, long strings are packed (directive `rdbcompression`).
pub fn dump(value: &Value, compress: bool) -> Bytes {
    let mut out = Writer::new(compress);
    out.bytes.put_u8(type_of(value));
    put_value(&mut out, value);
    let mut out = out.bytes;
    out.put_u16_le(VERSION_WRITTEN as u16);
    out.put_u64_le(checksum(&out));
    out.freeze()
}

/// The value that bytes are.
pub fn restore(payload: &[u8], packing: Packing) -> Result<Value, PayloadError> {
    let (summed, stored) = payload.split_last_chunk().ok_or(PayloadError::Envelope)?;
    let (content, version) =
        summed.split_last_chunk::<VERSION_BYTES>().ok_or(PayloadError::Envelope)?;
    let version = u32::from(u16::from_le_bytes(*version));
    let stored = u64::from_le_bytes(*stored);
    if version > VERSION_WRITTEN || stored != checksum(summed) {
        return Err(PayloadError::Envelope);
    }
    Ok(value_in(content, version, packing)?)
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

/// Reads a value as the only one of an RDB.
fn value_in(content: &[u8], version: u32, packing: Packing) -> Result<Value, RdbError> {
    const KEY: &[u8] = b"value";
    let refused = |reason| RdbError { offset: 0, reason };
    let (&number, value) = content.split_first().ok_or(refused(Reason::Truncated))?;
    if number >= opcode::SLOT_INFO {
        return Err(refused(Reason::Type(number)));
    }
    let mut rdb = BytesMut::from(&MAGIC[..]);
    rdb.extend_from_slice(format!("{version:04}").as_bytes());
    rdb.put_u8(number);
    rdb.put_u8(KEY.len() as u8);
    rdb.extend_from_slice(KEY);
    rdb.extend_from_slice(value);
    rdb.put_u8(opcode::EOF);
    rdb.put_bytes(0, CHECKSUM_BYTES);
    let options = LoadOptions { databases: 1, packing, ..LoadOptions::default() };
    let mut decoder = Decoder::with(&options);
    decoder.feed(&rdb)?;
    let mut loaded = decoder.finish()?;
    let value = loaded.keyspace.db_mut(0).remove(KEY);
    match value {
        Some((value, None)) if loaded.keys == 1 => Ok(value),
        _ => Err(refused(Reason::Trailing)),
    }
}

#[cfg(test)]
mod tests {
    use super::{PayloadError, dump, restore};
    use crate::keyspace::Value;
    use crate::keyspace::types::{Collection, List, Packing};

    fn restored(payload: &[u8]) -> Result<Value, PayloadError> {
        restore(payload, Packing::default())
    }

    #[test]
    fn a_value_comes_back_unless_a_byte_is_changed() {
        let list: List = ["a", "12", ""].iter().map(|item| item.as_bytes().into()).collect();
        for value in [Value::from("12"), Value::from("text"), list.into_value()] {
            let payload = dump(&value, true);
            assert_eq!(restored(&payload), Ok(value));
            for index in 0..payload.len() {
                let mut bytes = payload.to_vec();
                bytes[index] ^= 1;
                assert_eq!(restored(&bytes), Err(PayloadError::Envelope));
                assert_eq!(restored(&payload[..index]), Err(PayloadError::Envelope));
            }
        }
    }
}
