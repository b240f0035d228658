//! Requests by the thousand.

use bytes::BytesMut;
use replab::resp::{Answer, write_command};

use super::server::{Client, Outcome};

/// Requests in flight while a server is filled.
const BATCH: usize = 1000;

/// The words of a request.
pub type Words = Vec<String>;

/// Words parted by spaces.
pub fn words(line: &str) -> Words {
    line.split(' ').map(str::to_owned).collect()
}

/// Sends requests all at once and reads their answers, none of which may be an error.
pub fn send(client: &mut Client, requests: &[Words]) -> Outcome<()> {
    let mut bytes = BytesMut::new();
    for words in requests {
        write_command(&mut bytes, words);
    }
    send_bytes(client, &bytes, requests.len())
}

/// [`send`] of bytes that are requests already.
pub fn send_bytes(client: &mut Client, bytes: &[u8], requests: usize) -> Outcome<()> {
    client.send(bytes)?;
    for _ in 0..requests {
        if let Answer::Error(text) = client.answer()? {
            return Err(format!("refused: {text:?}").into());
        }
    }
    Ok(())
}

/// Sends so many requests, some at a time.
pub fn fill(client: &mut Client, count: usize, request: impl Fn(usize) -> Words) -> Outcome<()> {
    for first in (0..count).step_by(BATCH) {
        let requests: Vec<_> = (first..count.min(first + BATCH)).map(&request).collect();
        send(client, &requests)?;
    }
    Ok(())
}

/// A number below `below` that looks drawn at random, the same for the same `n`.
pub fn scattered(n: usize, below: usize) -> usize {
    (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29) as usize % below
}
