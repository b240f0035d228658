//! Sorted sets.
//!
//! `rows.rs` has the rows, `bounds.rs` reads ranges of scores and names, the other files are the
//! commands.

mod algebra;
mod bounds;
mod edit;
mod range;
mod read;
mod rows;

pub(super) use self::edit::zadd;
pub(super) use self::rows::COMMANDS;

use crate::command::{Call, CommandError};
use crate::keyspace::Blob;
use crate::resp::Protocol;

/// Why a score is refused where it is asked for as a number.
const NOT_A_NUMBER: CommandError = CommandError::fixed("ERR resulting score is not a number (NaN)");

/// Answers members, and their scores if wanted: as pairs in RESP3, in a row in RESP2.
fn reply_members(call: &mut Call<'_>, members: &[(&Blob, f64)], with_scores: bool) {
    let nested = with_scores && call.reply.protocol() == Protocol::Resp3;
    let width = if with_scores && !nested { 2 } else { 1 };
    call.reply.array(members.len() * width);
    for (member, score) in members {
        if nested {
            call.reply.array(2);
        }
        call.reply.bulk(member);
        if with_scores {
            reply_score(call, *score);
        }
    }
}

fn reply_score(call: &mut Call<'_>, score: f64) {
    call.reply.double(&crate::base::number::text_f64(score));
}
