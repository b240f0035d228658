//! A collection under construction, element by element, whichever way it is encoded.

use super::error::Reason;
use super::input::{Reader, Stop, Text};
use super::stream::{Form, StreamParts};
use super::{intset, ziplist};
use crate::base::number;
use crate::keyspace::types::{self, Collection as _, Hash, List, Set, Zset};
use crate::keyspace::{Blob, Value, listpack};

/// How a collection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Elements one after the other.
    Plain,
    /// Scores as text with a length byte.
    ScoresAsText,
    /// The whole collection is one string.
    Ziplist,
    Listpack,
    Intset,
    /// A list as a list of packed lists.
    ListOfZiplists,
    /// A list as a list of packed lists and of single strings.
    ListOfListpacks,
    /// Reads itself, in as many parts as it takes.
    Stream,
}

/// The elements so far.
#[derive(Debug, PartialEq)]
pub(super) enum Elements {
    List(Vec<Blob>),
    Set(Vec<Blob>),
    Zset(Vec<(Blob, f64)>),
    Hash(Vec<(Blob, Blob)>),
    Stream(Box<StreamParts>),
}

/// A collection of which not all parts have been read.
#[derive(Debug)]
pub(super) struct Collection {
    encoding: Encoding,
    /// Parts still to come: elements, or strings of packed elements.
    left: u64,
    elements: Elements,
}

impl Collection {
    /// An empty collection of a type of value.
    pub fn new(type_number: u8) -> Result<Self, Reason> {
        let (list, set) = (Elements::List(Vec::new()), Elements::Set(Vec::new()));
        let (zset, hash) = (Elements::Zset(Vec::new()), Elements::Hash(Vec::new()));
        let stream = |form| (Encoding::Stream, Elements::Stream(Box::new(StreamParts::new(form))));
        let (encoding, elements) = match type_number {
            1 => (Encoding::Plain, list),
            2 => (Encoding::Plain, set),
            3 => (Encoding::ScoresAsText, zset),
            4 => (Encoding::Plain, hash),
            5 => (Encoding::Plain, zset),
            10 => (Encoding::Ziplist, list),
            11 => (Encoding::Intset, set),
            12 => (Encoding::Ziplist, zset),
            13 => (Encoding::Ziplist, hash),
            14 => (Encoding::ListOfZiplists, list),
            15 => stream(Form::Before7_0),
            16 => (Encoding::Listpack, hash),
            17 => (Encoding::Listpack, zset),
            18 => (Encoding::ListOfListpacks, list),
            19 => stream(Form::Of7_0),
            20 => (Encoding::Listpack, set),
            21 => stream(Form::Since7_2),
            _ => return Err(refusal(type_number)),
        };
        Ok(Self { encoding, left: 1, elements })
    }

    /// Reads how many parts there are, where it is written.
    pub fn read_count(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        match self.encoding {
            Encoding::Ziplist | Encoding::Listpack | Encoding::Intset | Encoding::Stream => {}
            _ => self.left = reader.length()?,
        }
        Ok(())
    }

    /// Whether all parts have been read.
    pub fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Reads the next part.
    pub fn read_part(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let elements = &mut self.elements;
        match self.encoding {
            Encoding::Plain => elements.read_one(reader)?,
            Encoding::ScoresAsText => {
                let (member, score) = (reader.string()?, read_score(reader)?);
                elements.add([Ok(member), Ok(score)].into_iter())?;
            }
            Encoding::Intset => {
                let blob = reader.string()?.into_bytes();
                elements.add(intset::integers(&blob)?.into_iter().map(|n| Ok(Text::Int(n))))?;
            }
            Encoding::Ziplist | Encoding::ListOfZiplists => {
                elements.add(ziplist::entries(&reader.string()?.into_bytes())?)?;
            }
            Encoding::Listpack => {
                elements.add(listpack_entries(&reader.string()?.into_bytes())?)?;
            }
            Encoding::ListOfListpacks => {
                let (container, part) = (reader.length()?, reader.string()?);
                match container {
                    1 => elements.add(std::iter::once(Ok(part)))?,
                    2 => elements.add(listpack_entries(&part.into_bytes())?)?,
                    _ => return Err(corrupt("list", "a node is of no known kind").into()),
                }
            }
            Encoding::Stream => {
                if let Elements::Stream(parts) = elements
                    && !parts.read_part(reader)?
                {
                    return Ok(());
                }
            }
        }
        self.left -= 1;
        Ok(())
    }

    /// The value that all parts make; `None` if it is empty, which no key holds.
    pub fn into_value(self) -> Result<Option<Value>, Reason> {
        Ok(match self.into_elements()? {
            Elements::List(items) => value_of(List::from_iter(items)),
            Elements::Set(members) => value_of(Set::from_iter(members)),
            Elements::Zset(members) => {
                // Whether it tells zeros apart is known when it is whole.
                let mut zset = Zset::unpacked();
                for (member, score) in members {
                    zset.insert(member, score);
                }
                value_of(zset)
            }
            Elements::Hash(fields) => value_of(Hash::from_iter(fields)),
            Elements::Stream(parts) => Some(parts.into_stream().into_value()),
        })
    }

    /// The elements, which are distinct where they must be.
    fn into_elements(self) -> Result<Elements, Reason> {
        let distinct = match &self.elements {
            Elements::List(_) | Elements::Stream(_) => true,
            Elements::Set(members) => are_distinct(members.iter()),
            Elements::Zset(members) => are_distinct(members.iter().map(|(member, _)| member)),
            Elements::Hash(fields) => are_distinct(fields.iter().map(|(field, _)| field)),
        };
        if distinct { Ok(self.elements) } else { Err(Reason::DuplicateElement) }
    }
}

fn value_of<C: types::Collection>(collection: C) -> Option<Value> {
    (collection.len() > 0).then(|| collection.into_value())
}

impl Elements {
    /// Reads one element as the plain encodings write it.
    fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        match self {
            Self::List(items) | Self::Set(items) => items.push(blob(reader.string()?)),
            Self::Hash(fields) => {
                let (field, value) = (reader.string()?, reader.string()?);
                fields.push((blob(field), blob(value)));
            }
            Self::Zset(members) => {
                let (member, score) = (reader.string()?, f64::from_le_bytes(reader.array()?));
                members.push((blob(member), ordered(score)?));
            }
            Self::Stream(_) => {}
        }
        Ok(())
    }

    /// Adds elements that were packed: pairs are two entries.
    fn add<'a>(
        &mut self,
        mut entries: impl Iterator<Item = Result<Text<'a>, Reason>>,
    ) -> Result<(), Reason> {
        while let Some(first) = entries.next().transpose()? {
            let mut second = || {
                let second = entries.next().transpose()?;
                second.ok_or(corrupt("pairs", "the last one is only a half"))
            };
            match self {
                Self::List(items) | Self::Set(items) => items.push(blob(first)),
                Self::Hash(fields) => fields.push((blob(first), blob(second()?))),
                Self::Zset(members) => members.push((blob(first), score(second()?)?)),
                Self::Stream(_) => {}
            }
        }
        Ok(())
    }
}

/// The entries of a listpack, validated as they are reached.
fn listpack_entries(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<Text<'_>, Reason>>, Reason> {
    Ok(listpack::elements(bytes)?.map(|element| {
        Ok(match element? {
            listpack::Element::Int(n) => Text::Int(n),
            listpack::Element::Str(bytes) => Text::Bytes(bytes),
        })
    }))
}

fn blob(text: Text<'_>) -> Blob {
    Blob::from(&*text.into_bytes())
}

/// The score that a text stands for.
fn score(text: Text<'_>) -> Result<f64, Reason> {
    let parsed = match text {
        Text::Int(n) => Some(n as f64),
        text => number::parse_f64(&text.into_bytes()),
    };
    ordered(parsed.unwrap_or(f64::NAN))
}

/// A score, unless nothing can be sorted by it.
fn ordered(score: f64) -> Result<f64, Reason> {
    if score.is_nan() { Err(corrupt("zset", "a score is not a number")) } else { Ok(score) }
}

/// A score as text with a length byte, of which the highest three stand for what is no number.
fn read_score<'a>(reader: &mut Reader<'a>) -> Result<Text<'a>, Stop> {
    Ok(Text::Bytes(match reader.byte()? {
        253 => b"nan",
        254 => b"inf",
        255 => b"-inf",
        length => reader.take(length.into())?,
    }))
}

fn are_distinct<'a>(blobs: impl Iterator<Item = &'a Blob>) -> bool {
    let mut sorted: Vec<&Blob> = blobs.collect();
    sorted.sort_unstable();
    sorted.is_sorted_by(|a, b| a < b)
}

fn corrupt(structure: &'static str, fault: &'static str) -> Reason {
    Reason::Corrupt { structure, fault }
}

/// Why a type of value is not read.
fn refusal(number: u8) -> Reason {
    let name = match number {
        6 | 7 => "module",
        9 => "zipmap",
        22..=25 => "hash with expiring fields",
        _ => return Reason::Type(number),
    };
    Reason::Unsupported { number, name }
}

#[cfg(test)]
mod tests {
    use super::{Blob, Collection, Elements, Reader, Reason, Stop};

    /// What `DUMP` of a real server gave: type, value, version (2 bytes), checksum (8 bytes).
    macro_rules! dump {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/rdb/", $name, ".dump"))
        };
    }

    fn read(value: &[u8]) -> Result<Elements, Reason> {
        let mut reader = Reader::new(value, 1);
        let mut collection = Collection::new(value[0])?;
        let bad = |stop| match stop {
            Stop::Bad(reason) => reason,
            Stop::Short(_) => Reason::Truncated,
        };
        collection.read_count(&mut reader).map_err(bad)?;
        while !collection.is_whole() {
            collection.read_part(&mut reader).map_err(bad)?;
        }
        assert_eq!(reader.at(), value.len());
        collection.into_elements()
    }

    fn read_dump(dump: &[u8]) -> Elements {
        read(&dump[..dump.len() - 10]).unwrap()
    }

    /// `length` letters without much order.
    fn letters(length: usize) -> Vec<u8> {
        (0..length).map(|i| b'a' + ((i * i * 7 + i * 3 + length) % 26) as u8).collect()
    }

    /// Integers around every bound of an encoding, and strings likewise.
    fn items() -> Vec<Vec<u8>> {
        let integers = [
            0,
            1,
            12,
            13,
            -1,
            127,
            128,
            -128,
            -129,
            4095,
            4096,
            -4096,
            -4097,
            32767,
            32768,
            -32768,
            -32769,
            8_388_607,
            8_388_608,
            -8_388_608,
            -8_388_609,
            2_147_483_647,
            2_147_483_648,
            -2_147_483_648,
            -2_147_483_649,
            i64::MAX,
            i64::MIN,
        ];
        let integers = integers.iter().map(|n| n.to_string().into_bytes());
        integers.chain([0, 1, 63, 64, 300].map(letters)).collect()
    }

    fn list(items: impl IntoIterator<Item = Vec<u8>>) -> Elements {
        Elements::List(items.into_iter().map(|item| Blob::from(&item[..])).collect())
    }

    fn sorted(elements: Elements) -> Elements {
        match elements {
            Elements::Set(mut members) => {
                members.sort();
                Elements::Set(members)
            }
            Elements::Hash(mut fields) => {
                fields.sort();
                Elements::Hash(fields)
            }
            Elements::Zset(mut members) => {
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Elements::Zset(members)
            }
            ordered => ordered,
        }
    }

    #[test]
    fn lists_of_every_encoding_are_read() {
        let with_long = || items().into_iter().chain([letters(20_000)]);
        assert_eq!(read_dump(dump!("list")), list(items()));
        assert_eq!(read_dump(dump!("list-quicklist2")), list(items()));
        assert_eq!(read_dump(dump!("list-quicklist2-plain")), list(items()));
        assert_eq!(read_dump(dump!("list-ziplist")), list(with_long()));
        assert_eq!(read_dump(dump!("list-quicklist")), list(with_long()));
    }

    #[test]
    fn sets_of_every_encoding_are_read() {
        let set = |members: Vec<Vec<u8>>| {
            sorted(Elements::Set(members.iter().map(|m| Blob::from(&m[..])).collect()))
        };
        let integers =
            |all: [i64; 3]| set(all.iter().map(|n| n.to_string().into_bytes()).collect());
        let four = set(["-5", "0", "7", "32767"].map(|n| n.as_bytes().to_vec()).to_vec());
        assert_eq!(sorted(read_dump(dump!("set"))), set(items()));
        assert_eq!(sorted(read_dump(dump!("set-intset16"))), four);
        assert_eq!(sorted(read_dump(dump!("set-intset32"))), integers([-70000, 0, 70000]));
        assert_eq!(sorted(read_dump(dump!("set-intset64"))), integers([i64::MIN, 5, i64::MAX]));
        let listpack = b"\x14\x0b\x0b\0\0\0\x02\0\x01\x01\x81a\x02\xff";
        let listpack = [&listpack[..1], b"\x0c\x0c", &listpack[3..]].concat();
        assert_eq!(sorted(read(&listpack).unwrap()), set(vec![b"1".to_vec(), b"a".to_vec()]));
    }

    #[test]
    fn hashes_of_every_encoding_are_read() {
        let fields = items().into_iter().enumerate().filter(|(_, item)| item.len() <= 64);
        let fields = fields.map(|(n, item)| (Blob::from(format!("field:{n}").as_bytes()), item));
        let fields = fields.map(|(field, item)| (field, Blob::from(&item[..])));
        let hash = sorted(Elements::Hash(fields.collect()));
        assert_eq!(sorted(read_dump(dump!("hash"))), hash);
        assert_eq!(sorted(read_dump(dump!("hash-listpack"))), hash);
        assert_eq!(sorted(read_dump(dump!("hash-ziplist"))), hash);
    }

    #[test]
    fn sorted_sets_of_every_encoding_are_read() {
        let scores = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            std::f64::consts::PI,
            0.1,
            1e300,
            -1e-300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9_007_199_254_740_992.0,
            17.0,
            1_234_567_890_123.0,
        ];
        let members = scores.iter().enumerate();
        let members = members.map(|(n, s)| (Blob::from(format!("member:{n}").as_bytes()), *s));
        let zset = sorted(Elements::Zset(members.collect()));
        assert_eq!(sorted(read_dump(dump!("zset"))), zset);
        assert_eq!(sorted(read_dump(dump!("zset-listpack"))), zset);
        assert_eq!(sorted(read_dump(dump!("zset-ziplist"))), zset);
        assert_eq!(sorted(read_dump(dump!("zset-v1"))), zset);
    }

    #[test]
    fn elements_that_contradict_their_type_are_refused() {
        let fault = |value: &[u8]| read(value).unwrap_err().to_string();
        assert_eq!(read(b"\x02\x02\x01a\x01a"), Err(Reason::DuplicateElement));
        assert_eq!(read(b"\x04\x02\x01a\x01b\x01a\x01c"), Err(Reason::DuplicateElement));
        assert_eq!(read(b"\x03\x02\x01a\x011\x01a\x012"), Err(Reason::DuplicateElement));
        assert_eq!(fault(b"\x03\x01\x01a\xfd"), "corrupt zset: a score is not a number");
        assert_eq!(fault(b"\x03\x01\x01a\x01x"), "corrupt zset: a score is not a number");
        let nan = [&b"\x05\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat();
        assert_eq!(fault(&nan), "corrupt zset: a score is not a number");
        let half = b"\x10\x09\x09\0\0\0\x01\0\x01\x01\xff";
        assert_eq!(fault(half), "corrupt pairs: the last one is only a half");
        assert_eq!(fault(b"\x12\x01\x03\x01a"), "corrupt list: a node is of no known kind");
        assert_eq!(read(b"\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff"), Err(Reason::Truncated));
    }

    #[test]
    fn every_change_of_a_packed_collection_is_refused_or_read_and_never_panics() {
        for dump in [&dump!("hash-listpack")[..], dump!("zset-ziplist"), dump!("set-intset32")] {
            let value = &dump[..dump.len() - 10];
            for index in 1..value.len() {
                for change in 1..=255 {
                    let mut value = value.to_vec();
                    value[index] ^= change;
                    let mut reader = Reader::new(&value, 1);
                    let mut collection = Collection::new(value[0]).unwrap();
                    if collection.read_part(&mut reader).is_ok() {
                        let _ = collection.into_elements();
                    }
                }
            }
        }
    }
}
