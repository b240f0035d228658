//! REPLCONF as a server takes it: what a connection says of itself before it becomes a replica,
//! and its ACKs afterwards.

use crate::base::number::parse_i64;

/// The longest `ip-address`.
const IP_BYTES_MAX: usize = 255;

/// What a connection announced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced {
    /// `ip-address`, if not empty.
    pub ip: Option<String>,
    /// `listening-port`; 0 if it was not told or is no port.
    pub port: u16,
    /// `capa eof`: takes a snapshot that ends with a mark.
    pub eof: bool,
    /// `capa psync2`: understands a change of the history's name.
    pub psync2: bool,
    /// `rdb-only 1`: wants the snapshot and no stream.
    pub rdb_only: bool,
    /// `rdb-filter-only`
    pub content: Content,
}

/// What a snapshot should contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Keys and functions.
    #[default]
    Everything,
    /// `rdb-filter-only functions`
    Functions,
    /// `rdb-filter-only ""`
    Nothing,
}

/// What is to be done about a REPLCONF.
#[derive(Debug, PartialEq, Eq)]
pub enum Replconf {
    /// Reply `+OK`.
    Ok,
    /// Never replied to; means something only on a replica's connection.
    Ack {
        /// The last byte the replica applied.
        offset: u64,
    },
    /// Never replied to; from the primary it asks for an ACK at once.
    GetAck,
    /// No reply, and nothing to do.
    Nothing,
}

/// The error replies, word for word and without the leading minus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplconfError {
    /// An option without a value.
    #[error("ERR syntax error")]
    Syntax,
    /// A value that must be an integer.
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    /// `rdb-only` takes 0 or 1.
    #[error("ERR value is out of range, value must between 0 and 1")]
    NotAFlag,
    /// More bytes than any address has.
    #[error("ERR REPLCONF ip-address provided by replica instance is too long: {0} bytes")]
    AddressTooLong(usize),
    /// `rdb-filter-only` with a word that is not known.
    #[error("ERR Unsupported rdb-filter-only option: {0}")]
    UnsupportedFilter(String),
    /// `rdb-filter-only` with unbalanced quotes.
    #[error("ERR Missing rdb-filter-only values")]
    MissingFilter,
    /// Anything else.
    #[error("ERR Unrecognized REPLCONF option: {0}")]
    Unrecognized(String),
}

impl Announced {
    /// Takes the words after `REPLCONF`. Options before one in error are in force, as in Redis.
    pub fn replconf<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Replconf, ReplconfError> {
        let (pairs, []) = words.as_chunks::<2>() else { return Err(ReplconfError::Syntax) };
        for [option, value] in pairs {
            let (option, value) = (option.as_ref(), value.as_ref());
            match option.to_ascii_lowercase().as_slice() {
                b"listening-port" => {
                    let port = parse_i64(value).ok_or(ReplconfError::NotAnInteger)?;
                    self.port = u16::try_from(port).unwrap_or(0);
                }
                b"ip-address" if value.len() > IP_BYTES_MAX => {
                    return Err(ReplconfError::AddressTooLong(value.len()));
                }
                b"ip-address" => self.ip = Some(lossy(value)).filter(|ip| !ip.is_empty()),
                b"capa" if value.eq_ignore_ascii_case(b"eof") => self.eof = true,
                b"capa" if value.eq_ignore_ascii_case(b"psync2") => self.psync2 = true,
                b"capa" => {}
                b"ack" => return Ok(ack(value)),
                b"getack" => return Ok(Replconf::GetAck),
                b"rdb-only" => {
                    self.rdb_only = match parse_i64(value) {
                        Some(flag @ 0..=1) => flag == 1,
                        Some(_) => return Err(ReplconfError::NotAFlag),
                        None => return Err(ReplconfError::NotAnInteger),
                    };
                }
                b"rdb-filter-only" => self.content = content(value)?,
                _ => return Err(ReplconfError::Unrecognized(lossy(option))),
            }
        }
        Ok(Replconf::Ok)
    }

    /// Whether a snapshot made for `other` serves this one as well.
    pub fn is_served_by_snapshot_for(&self, other: &Self) -> bool {
        (self.eof || !other.eof)
            && (self.psync2 || !other.psync2)
            && self.content == other.content
            // One that wants no stream collects none, so a real replica cannot copy it.
            && (self.rdb_only || !other.rdb_only)
    }
}

fn ack(offset: &[u8]) -> Replconf {
    let offset = parse_i64(offset).and_then(|offset| u64::try_from(offset).ok());
    offset.map_or(Replconf::Nothing, |offset| Replconf::Ack { offset })
}

fn content(words: &[u8]) -> Result<Content, ReplconfError> {
    if words.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        return Err(ReplconfError::MissingFilter);
    }
    let mut content = Content::Nothing;
    for word in words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if !word.eq_ignore_ascii_case(b"functions") {
            return Err(ReplconfError::UnsupportedFilter(lossy(word)));
        }
        content = Content::Functions;
    }
    Ok(content)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> (Result<Replconf, String>, Announced) {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let mut announced = Announced::default();
        let result = announced.replconf(&words).map_err(|error| error.to_string());
        (result, announced)
    }

    #[test]
    fn a_replica_introduces_itself() {
        let (reply, announced) = say(
            "listening-port 7001 IP-ADDRESS 10.0.0.9 capa eof capa PSYNC2 capa future rdb-only 1",
        );
        assert_eq!(reply, Ok(Replconf::Ok));
        let expected = Announced {
            ip: Some("10.0.0.9".to_owned()),
            port: 7001,
            eof: true,
            psync2: true,
            rdb_only: true,
            content: Content::Everything,
        };
        assert_eq!(announced, expected);
        assert_eq!(say(""), (Ok(Replconf::Ok), Announced::default()));
    }

    #[test]
    fn errors_word_for_word() {
        let too_long = format!("ip-address {}", "x".repeat(256));
        for (words, error) in [
            ("capa", "ERR syntax error"),
            ("capa eof x", "ERR syntax error"),
            ("listening-port x", "ERR value is not an integer or out of range"),
            ("rdb-only x", "ERR value is not an integer or out of range"),
            ("rdb-only 2", "ERR value is out of range, value must between 0 and 1"),
            ("rdb-filter-only foo", "ERR Unsupported rdb-filter-only option: foo"),
            ("rdb-filter-only '", "ERR Missing rdb-filter-only values"),
            ("version 8.0.0", "ERR Unrecognized REPLCONF option: version"),
            (
                &too_long,
                "ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes",
            ),
        ] {
            assert_eq!(say(words).0, Err(error.to_owned()), "{words}");
        }
    }

    #[test]
    fn odd_ports_are_taken_but_are_no_ports() {
        for port in ["-3", "99999999", "0"] {
            let (reply, announced) = say(&format!("listening-port {port}"));
            assert_eq!((reply, announced.port), (Ok(Replconf::Ok), 0));
        }
        assert_eq!(say(&format!("ip-address {}", "x".repeat(255))).0, Ok(Replconf::Ok));
    }

    #[test]
    fn options_before_an_error_are_in_force() {
        let (reply, announced) = say("capa eof bogus 1 capa psync2");
        assert!(reply.is_err());
        assert!(announced.eof && !announced.psync2);
    }

    #[test]
    fn acks_are_never_replied_to() {
        assert_eq!(say("ack 50").0, Ok(Replconf::Ack { offset: 50 }));
        assert_eq!(say("ack 5 zz 1").0, Ok(Replconf::Ack { offset: 5 }));
        assert_eq!(say("ack x").0, Ok(Replconf::Nothing));
        assert_eq!(say("getack *").0, Ok(Replconf::GetAck));
    }

    #[test]
    fn a_filter_names_what_is_wanted() {
        assert_eq!(say("rdb-filter-only functions").1.content, Content::Functions);
        let mut announced = Announced::default();
        assert_eq!(announced.replconf(&["rdb-filter-only", ""]), Ok(Replconf::Ok));
        assert_eq!(announced.content, Content::Nothing);
    }

    #[test]
    fn a_snapshot_is_shared_by_replicas_that_can_take_it() {
        let plain = Announced::default();
        let eof = Announced { eof: true, ..plain.clone() };
        let rdb_only = Announced { rdb_only: true, ..plain.clone() };
        let functions = Announced { content: Content::Functions, ..plain.clone() };
        assert!(plain.is_served_by_snapshot_for(&plain));
        assert!(eof.is_served_by_snapshot_for(&plain));
        assert!(!plain.is_served_by_snapshot_for(&eof));
        assert!(!functions.is_served_by_snapshot_for(&plain));
        assert!(rdb_only.is_served_by_snapshot_for(&plain));
        assert!(!plain.is_served_by_snapshot_for(&rdb_only));
        assert!(rdb_only.is_served_by_snapshot_for(&rdb_only));
    }
}
