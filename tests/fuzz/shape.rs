//! What an input is made of: it can be changed so that it is still understood for a while.

use replab::base::crc64::Crc64;
use replab::base::rng::Dice;
use replab::resp::{Limits, Request, write_command};

use super::mutate::Mutator;

/// The kinds of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Bytes,
    /// Packed collections in strings; an end mark and a checksum of all before it.
    Snapshot,
    /// Likewise, with a version for the end mark.
    Payload,
    /// Commands one after the other.
    Commands,
    /// Lines of words.
    Lines,
}

impl Shape {
    /// A bad input.
    pub fn spoil(self, seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
        let mut input = seeds[dice.below(seeds.len() as u64) as usize].clone();
        let is_mild = dice.chance(1, 2);
        let mut mutator = Mutator { dice, seeds };
        match self.of(&input) {
            Self::Bytes => mutator.scramble(&mut input),
            shape @ (Self::Snapshot | Self::Payload) => {
                let end = input.split_off(input.len() - shape.end_bytes());
                mutator.repack(&mut input);
                if !is_mild {
                    mutator.scramble(&mut input);
                }
                input.extend(end);
            }
            Self::Commands => {
                let mut commands = commands_in(&input);
                let pool = commands.concat();
                mutator.reword(&mut commands, &pool);
                input.clear();
                commands.iter().for_each(|words| write_command(&mut input, words));
            }
            Self::Lines => {
                let text = String::from_utf8_lossy(&input);
                let line = |line: &str| line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
                let mut lines: Vec<Vec<Vec<u8>>> = text.lines().map(line).collect();
                let pool = lines.concat();
                mutator.reword(&mut lines, &pool);
                let lines: Vec<_> = lines.iter().map(|words| words.join(&b' ')).collect();
                input = lines.join(&b'\n');
            }
        }
        if !is_mild && matches!(self, Self::Commands | Self::Lines) {
            mutator.scramble(&mut input);
        }
        input
    }

    /// Makes checksums right.
    pub fn seal(self, input: &mut [u8]) {
        if self.of(input).end_bytes() > 0
            && let Some((summed, sum)) = input.split_last_chunk_mut::<CHECKSUM_BYTES>()
        {
            let mut crc = Crc64::new();
            crc.update(summed);
            *sum = crc.value().to_le_bytes();
        }
    }

    /// A log may begin with a snapshot.
    fn of(self, input: &[u8]) -> Self {
        if self == Self::Commands && input.starts_with(b"REDIS") { Self::Snapshot } else { self }
    }

    /// What the end takes that must be right for anything to be read.
    fn end_bytes(self) -> usize {
        match self {
            Self::Snapshot => 1 + CHECKSUM_BYTES,
            Self::Payload => 2 + CHECKSUM_BYTES,
            _ => 0,
        }
    }
}

const CHECKSUM_BYTES: usize = 8;

/// The commands of a good input.
pub fn commands_in(input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut request, mut rest, mut commands) = (Request::default(), input, Vec::new());
    while let Ok(Some(taken)) = request.read(rest, &Limits::default()) {
        commands.push(request.words(rest).iter().map(|word| word.to_vec()).collect());
        rest = &rest[taken..];
    }
    commands
}
