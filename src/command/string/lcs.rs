//! The longest common subsequence of two strings.

use crate::command::{Call, CommandError};
use crate::keyspace::Blob;

/// What LCS is asked to answer.
#[derive(Debug, Default)]
struct Options {
    len: bool,
    ranges: bool,
    with_len: bool,
    range_len_min: usize,
}

/// A run of bytes that both strings share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shared {
    in_a: usize,
    in_b: usize,
    len: usize,
}

pub(super) fn lcs(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (a, b) = (string(call, 1), string(call, 2));
    let (a, b) =
        a.zip(b).ok_or(CommandError::fixed("ERR The specified keys must contain string values"))?;
    let options = options(call)?;
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(4) > call.bulk_bytes_max {
        return Err(CommandError::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let runs = shared_runs(&a, &b);
    let len: usize = runs.iter().map(|run| run.len).sum();
    if options.ranges {
        reply_ranges(call, &options, &runs, len);
    } else if options.len {
        call.reply.count(len);
    } else {
        let text: Vec<_> =
            runs.iter().rev().flat_map(|run| &a[run.in_a..run.in_a + run.len]).copied().collect();
        call.reply.bulk(text);
    }
    Ok(())
}

/// The bytes of a key, empty if there is none; `None` for other types.
fn string(call: &mut Call<'_>, index: usize) -> Option<Blob> {
    call.read(call.arg(index)).map_or(Some(Blob::new()), |value| value.as_text())
}

fn options(call: &Call<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut index = 3;
    while index < call.args.len() {
        if call.is(index, "IDX") {
            options.ranges = true;
        } else if call.is(index, "LEN") {
            options.len = true;
        } else if call.is(index, "WITHMATCHLEN") {
            options.with_len = true;
        } else if call.is(index, "MINMATCHLEN") && index + 1 < call.args.len() {
            index += 1;
            options.range_len_min = call.int(index)?.max(0) as usize;
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    if options.ranges && options.len {
        return Err(CommandError::fixed(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(options)
}

fn reply_ranges(call: &mut Call<'_>, options: &Options, runs: &[Shared], len: usize) {
    let shown: Vec<_> = runs.iter().filter(|run| run.len >= options.range_len_min).collect();
    call.reply.map(2);
    call.reply.bulk("matches");
    call.reply.array(shown.len());
    for run in shown {
        call.reply.array(2 + usize::from(options.with_len));
        for start in [run.in_a, run.in_b] {
            call.reply.array(2);
            call.reply.count(start);
            call.reply.count(start + run.len - 1);
        }
        if options.with_len {
            call.reply.count(run.len);
        }
    }
    call.reply.bulk("len");
    call.reply.count(len);
}

/// The runs that make up a longest common subsequence, the last one first.
fn shared_runs(a: &[u8], b: &[u8]) -> Vec<Shared> {
    let width = b.len() + 1;
    // The length for the first i bytes of a and the first j of b is at i * width + j.
    let mut lens = vec![0u32; (a.len() + 1) * width];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let at = (i + 1) * width + j + 1;
            lens[at] =
                if x == y { lens[at - width - 1] + 1 } else { lens[at - width].max(lens[at - 1]) };
        }
    }
    let mut runs: Vec<Shared> = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            i -= 1;
            j -= 1;
            match runs.last_mut() {
                Some(run) if run.in_a == i + 1 && run.in_b == j + 1 => {
                    *run = Shared { in_a: i, in_b: j, len: run.len + 1 };
                }
                _ => runs.push(Shared { in_a: i, in_b: j, len: 1 }),
            }
        } else if lens[(i - 1) * width + j] > lens[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{Shared, shared_runs};

    #[test]
    fn runs_are_found_from_the_end() {
        assert_eq!(
            shared_runs(b"ohmytext", b"mynewtext"),
            [Shared { in_a: 4, in_b: 5, len: 4 }, Shared { in_a: 2, in_b: 0, len: 2 }]
        );
        assert_eq!(shared_runs(b"", b"x"), []);
    }
}
