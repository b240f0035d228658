//! How a good input becomes a bad one.

use replab::base::rng::Dice;
use replab::keyspace::listpack::{Element, HEADER_BYTES, Listpack};

/// No input becomes longer: what is read may be larger than its bytes, but not by any factor.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// Bytes that begin or end something in one of the formats.
const BYTES: &[u8] = b"\x00\x01\x02\x3f\x40\x7f\x80\x81\xbf\xc0\xc3\xe0\xf0\xf1\xf4\xfc\xfd\xfe\xff\r\n $*+-:%#\"'\\";

/// Numbers at the bounds of something.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "1e308",
    "-0.0",
    "nan",
    "inf",
    "-inf",
];

/// Dice that know what hurts.
pub struct Mutator<'a> {
    pub dice: &'a mut Dice,
    /// What pieces of other inputs are taken from.
    pub seeds: &'a [Vec<u8>],
}

impl Mutator<'_> {
    /// Changes bytes, whatever they mean, a few times.
    pub fn scramble(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.few() {
            self.scramble_once(bytes);
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }

    fn scramble_once(&mut self, bytes: &mut Vec<u8>) {
        let span = self.span(bytes.len());
        let (start, piece) = (span.start, bytes[span.clone()].to_vec());
        match self.dice.below(12) {
            0 | 1 if start < bytes.len() => bytes[start] ^= 1 << self.dice.below(8),
            2 | 3 if start < bytes.len() => bytes[start] = self.pick(BYTES),
            4 if start < bytes.len() => {
                bytes[start] = bytes[start].wrapping_add_signed(self.dice.below(9) as i8 - 4);
            }
            5 => bytes.insert(start, self.pick(BYTES)),
            6 => drop(bytes.drain(span)),
            7 => {
                let doublings = if self.dice.chance(1, 50) { 14 } else { 4 };
                let times = 1 << self.dice.below(doublings);
                let room = INPUT_BYTES_MAX / piece.len().max(1);
                bytes.splice(start..start, piece.repeat(room.min(times)));
            }
            8 => {
                let foreign = self.foreign();
                bytes.splice(span, foreign);
            }
            9 => bytes.truncate(start),
            10 => {
                let wide = self.dice.bits() >> self.dice.below(64);
                let wide = if self.dice.chance(1, 2) { wide } else { u64::MAX };
                let count = self.pick(&[2, 4, 8]);
                let raw =
                    if self.dice.chance(1, 2) { wide.to_le_bytes() } else { wide.to_be_bytes() };
                for (byte, new) in bytes[start..].iter_mut().zip(&raw[..count]) {
                    *byte = *new;
                }
            }
            _ => self.blow_up_number(bytes),
        }
    }

    /// Replaces digits by a number at a bound.
    fn blow_up_number(&mut self, bytes: &mut Vec<u8>) {
        let digits: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
        if digits.is_empty() {
            return;
        }
        let start = self.pick(&digits);
        let end = (start..bytes.len()).find(|at| !bytes[*at].is_ascii_digit());
        bytes.splice(start..end.unwrap_or(bytes.len()), self.number());
    }

    /// Changes the words of commands.
    pub fn reword(&mut self, commands: &mut Vec<Vec<Vec<u8>>>, pool: &[Vec<u8>]) {
        for _ in 0..self.few() {
            let count = commands.len() as u64;
            let [one, other] = [self.dice.below(count), self.dice.below(count)].map(|n| n as usize);
            let Some(command) = commands.get_mut(one) else { return };
            let at = self.dice.below(command.len() as u64) as usize;
            match self.dice.below(10) {
                0 => drop(commands.remove(one)),
                1 => {
                    let copy = command.clone();
                    commands.insert(other, copy);
                }
                2 => commands.swap(one, other),
                3 if !command.is_empty() => drop(command.remove(at)),
                4 => command.insert(at, self.pick(pool)),
                5 => {
                    let times = 1 << self.dice.below(8);
                    let word = self.pick(pool);
                    command.extend(std::iter::repeat_n(word, times));
                }
                6 | 7 if !command.is_empty() => command[at] = self.number(),
                8 if !command.is_empty() => self.scramble_once(&mut command[at]),
                _ if !command.is_empty() => command[at] = self.pick(pool),
                _ => {}
            }
        }
    }

    /// Changes what is packed in a snapshot, so that all that is around it stays right.
    pub fn repack(&mut self, bytes: &mut Vec<u8>) {
        let packs = packs_in(bytes);
        if packs.is_empty() {
            return;
        }
        let (at, start, end) = self.pick(&packs);
        let mut pack = bytes[start..end].to_vec();
        match Listpack::of_bytes(pack.clone()) {
            Ok(listpack) if self.dice.chance(3, 4) => pack = self.change_elements(&listpack),
            _ => {
                let header = pack.drain(..HEADER_BYTES).collect::<Vec<_>>();
                self.scramble_once(&mut pack);
                pack.splice(0..0, header);
                let size = pack.len() as u32;
                pack[..4].copy_from_slice(&size.to_le_bytes());
            }
        }
        bytes.splice(at..end, [length(pack.len()), pack].concat());
    }

    fn change_elements(&mut self, pack: &Listpack) -> Vec<u8> {
        let mut elements: Vec<Vec<u8>> = Vec::new();
        let mut at = HEADER_BYTES;
        while let Some((element, next)) = pack.get(at).filter(|_| at < pack.end()) {
            elements.push(element.into_bytes().into_owned());
            at = next;
        }
        for _ in 0..self.few() {
            let count = elements.len() as u64;
            let [one, other] = [self.dice.below(count), self.dice.below(count)].map(|n| n as usize);
            let small = self.dice.below(8).to_string().into_bytes();
            match self.dice.below(7) {
                _ if elements.is_empty() => elements.push(small),
                0 => elements[one] = self.number(),
                1 | 2 => elements[one] = small,
                3 => drop(elements.remove(one)),
                4 => elements.insert(one, small),
                5 => elements.insert(one, elements[other].clone()),
                _ => elements.swap(one, other),
            }
        }
        let mut changed = Listpack::default();
        elements.iter().for_each(|element| changed.push(Element::of(element)));
        changed.as_bytes().to_vec()
    }

    fn number(&mut self) -> Vec<u8> {
        self.pick(NUMBERS).as_bytes().to_vec()
    }

    fn foreign(&mut self) -> Vec<u8> {
        let other = &self.seeds[self.dice.below(self.seeds.len() as u64) as usize];
        other[self.span(other.len())].to_vec()
    }

    /// Somewhere, and mostly short.
    fn span(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.dice.below(len as u64 + 1) as usize;
        let most = if self.dice.chance(1, 4) { len } else { 12 };
        start..(start + self.dice.below(most as u64 + 1) as usize).min(len)
    }

    fn few(&mut self) -> u64 {
        1 + self.dice.below(4) * self.dice.below(2)
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.dice.below(choices.len() as u64) as usize].clone()
    }
}

/// Where strings are that hold packed elements: the length before, the string, its end.
fn packs_in(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let pack_at = |at: usize| {
        let (size, start) = match *bytes.get(at..)? {
            [size @ 0..0x40, ..] => (usize::from(size), at + 1),
            [high @ 0x40..0x80, low, ..] => {
                (usize::from(high & 0x3f) << 8 | usize::from(low), at + 2)
            }
            _ => return None,
        };
        let pack = bytes.get(start..start + size)?;
        let (total, _) = pack.split_first_chunk()?;
        let is_list = u32::from_le_bytes(*total) as usize == size && pack.last() == Some(&0xff);
        let is_intset = size >= 8 && matches!(pack, [2 | 4 | 8, 0, 0, 0, _, 0, 0, 0, ..]);
        (size > HEADER_BYTES && (is_list || is_intset)).then_some((at, start, start + size))
    };
    (0..bytes.len()).filter_map(pack_at).collect()
}

/// A length as snapshots write it.
fn length(n: usize) -> Vec<u8> {
    match n {
        0..0x40 => vec![n as u8],
        0x40..0x4000 => (0x4000 | n as u16).to_be_bytes().to_vec(),
        _ => [&[0x80], &(n as u32).to_be_bytes()[..]].concat(),
    }
}
