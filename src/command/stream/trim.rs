//! Trimming: XTRIM, and the words of XADD that ask for it.

use super::{ids, replicate_with};
use crate::command::{Call, CommandError, ExpiryRule, event};
use crate::keyspace::types::stream::{Keep, Trimming};
use crate::keyspace::types::{Stream, StreamId};

/// How to trim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trim {
    keep: Keep,
    trimming: Trimming,
    /// The word of how much is kept.
    at: usize,
}

/// The words about trimming that were read so far.
#[derive(Debug, Default)]
pub(super) struct TrimWords {
    keep: Option<(Keep, usize)>,
    is_approximate: bool,
    limit: Option<u64>,
}

impl TrimWords {
    /// Reads the option at `index` and returns the index of the next; `None` if it is not about
    /// trimming.
    pub fn read(&mut self, call: &Call<'_>, index: usize) -> Result<Option<usize>, CommandError> {
        let has_value = index + 1 < call.args.len();
        let is_limit = call.is(index, "LIMIT");
        let is_max_len = call.is(index, "MAXLEN");
        if !has_value || !(is_limit || is_max_len || call.is(index, "MINID")) {
            return Ok(None);
        }
        if is_limit {
            self.limit = Some(count(call, index + 1, "ERR The LIMIT argument must be >= 0.")?);
            return Ok(Some(index + 2));
        }
        if self.keep.is_some() {
            return Err(CommandError::fixed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let manner = Some(call.arg(index + 1)).filter(|_| index + 2 < call.args.len());
        self.is_approximate = manner == Some(b"~");
        let at = index + if matches!(manner, Some(b"~" | b"=")) { 2 } else { 1 };
        let keep = if is_max_len {
            Keep::Newest(count(call, at, "ERR The MAXLEN argument must be >= 0.")?)
        } else {
            Keep::From(ids::id(call.arg(at), 0)?)
        };
        self.keep = Some((keep, at));
        Ok(Some(at + 1))
    }

    /// What all the words together ask for.
    pub fn finish(self, call: &Call<'_>, must_trim: bool) -> Result<Option<Trim>, CommandError> {
        if self.keep.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.keep.is_none() && must_trim {
            return Err(CommandError::fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        // A primary has worked out what is to go.
        let obeys = call.expiry == ExpiryRule::Ignore;
        if !obeys && self.limit.is_some() && !self.is_approximate {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let trimming = match self.is_approximate {
            false => Trimming::Exact,
            true if obeys => Trimming::Blocks { entries_max: 0 },
            true => Trimming::Blocks { entries_max: self.limit.unwrap_or(limit_default(call)) },
        };
        Ok(self.keep.map(|(keep, at)| Trim { keep, trimming, at }))
    }
}

/// A hundred blocks' entries.
fn limit_default(call: &Call<'_>) -> u64 {
    const WITHOUT_BLOCK_MAX: u64 = 10_000;
    const LIMIT_MAX: u64 = 1_000_000;
    match call.packing.stream_block_max.entries as u64 {
        0 => WITHOUT_BLOCK_MAX,
        entries => entries.saturating_mul(100).min(LIMIT_MAX),
    }
}

fn count(call: &Call<'_>, index: usize, negative: &'static str) -> Result<u64, CommandError> {
    u64::try_from(call.int(index)?).map_err(|_| CommandError::fixed(negative))
}

/// What trimming did.
#[derive(Debug, Default)]
pub(super) struct Trimmed {
    /// How many entries went.
    pub removed: usize,
    /// Words that say the exact trimming that does the same, and their indices.
    pub exactly: Vec<(usize, String)>,
}

impl Trim {
    pub fn apply(self, stream: &mut Stream) -> Trimmed {
        let removed = stream.trim(self.keep, self.trimming);
        let exactly = match (self.trimming, self.keep) {
            (Trimming::Exact, _) => return Trimmed { removed, exactly: Vec::new() },
            (_, Keep::Newest(_)) => stream.len().to_string(),
            (_, Keep::From(_)) => {
                let first = stream.blocks().next().map_or(StreamId::MAX, |(first, _)| first);
                first.to_string()
            }
        };
        Trimmed { removed, exactly: vec![(self.at - 1, "=".to_owned()), (self.at, exactly)] }
    }
}

pub(super) fn xtrim(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (key, mut trim, mut index) = (call.arg(1), TrimWords::default(), 2);
    while index < call.args.len() {
        index = trim.read(call, index)?.ok_or(CommandError::SYNTAX)?;
    }
    let trim = trim.finish(call, true)?;
    let trimmed = call.edit(key, |stream: &mut Stream| trim.map(|trim| trim.apply(stream)))?;
    let trimmed = trimmed.flatten().unwrap_or_default();
    call.reply.count(trimmed.removed);
    call.changed_by(key, trimmed.removed);
    if trimmed.removed > 0 {
        call.notify(event::STREAM, "xtrim", key);
    }
    replicate_with(call, &trimmed.exactly);
    Ok(())
}
