//! The first line of a script: `#!lua flags=no-writes,allow-stale`.

use crate::base::text::shown;
use crate::resp::request::split_words;

/// What a script says of itself.
/// <https://redis.io/docs/latest/develop/interact/programmability/lua-api/#script_flags>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptFlags {
    /// It must not write, and may run on a replica.
    pub no_writes: bool,
    /// It may run on a replica without a link.
    pub allow_stale: bool,
    /// It may run when no memory is left.
    pub allow_oom: bool,
    /// It has no first line: what it does decides, command by command.
    pub compatible: bool,
}

/// A script, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang<'a> {
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// The script behind the first line, with the line end, so that lines keep their numbers.
    pub body: &'a [u8],
}

impl<'a> Shebang<'a> {
    /// Reads the first line.
    pub fn read(script: &'a [u8]) -> Result<Self, String> {
        let Some(rest) = script.strip_prefix(b"#!") else {
            let flags = ScriptFlags { compatible: true, ..ScriptFlags::default() };
            return Ok(Self { flags, body: script });
        };
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("ERR Invalid script shebang".to_owned())?;
        let (line, body) = script.split_at(end + 2);
        let words = split_words(line).unwrap_or_default();
        let words: Vec<_> = words.iter().map(|word| shown(word)).collect();
        let (engine, options) =
            words.split_first().ok_or("ERR Invalid engine in script shebang".to_owned())?;
        if engine != "#!lua" {
            return Err(format!("ERR Unexpected engine in script shebang: {engine}"));
        }
        let mut flags = ScriptFlags::default();
        for word in options {
            let list = word
                .strip_prefix("flags=")
                .ok_or_else(|| format!("ERR Unknown lua shebang option: {word}"))?;
            for flag in list.split(',').filter(|_| !list.is_empty()) {
                match flag {
                    "no-writes" => flags.no_writes = true,
                    "allow-stale" => flags.allow_stale = true,
                    "allow-oom" => flags.allow_oom = true,
                    "no-cluster" | "allow-cross-slot-keys" => {}
                    _ => return Err(format!("ERR Unexpected flag in script shebang: {flag}")),
                }
            }
        }
        Ok(Self { flags, body })
    }
}
