//! `replab check-rdb` and `replab check-aof`: what is wrong with files that a server left, and where.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use replab::machine::LoadOptions;
use replab::persist::aof::{AofError, Entry, Fault, Manifest, Reader};
use replab::persist::rdb::Decoder;

use super::Outcome;
use super::args::{CheckAofArgs, CheckRdbArgs};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// However many databases a file has, they are read.
const DATABASES: usize = 1 << 14;

/// `replab check-rdb FILE`
pub(super) fn check_rdb(args: &CheckRdbArgs) -> anyhow::Result<Outcome> {
    let name = args.file.display();
    let mut decoder = decoder();
    let read = read_in_pieces(&args.file, |piece| Ok(decoder.feed(piece)?))
        .and_then(|()| Ok(decoder.finish()?));
    match read {
        Ok(loaded) => {
            let keys = count_keys(&loaded.keyspace);
            say(&format!("{name}: good, {} bytes\n{keys}", loaded.bytes))?;
            Ok(Outcome::Success)
        }
        Err(error) => {
            say(&format!("{name}: {error}"))?;
            Ok(Outcome::Failure)
        }
    }
}

fn count_keys(data: &replab::keyspace::Keyspace) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let keys = (0..data.databases()).flat_map(|db| data.db(db).iter());
    let expiries = keys.filter_map(|(_, _, expiry)| expiry);
    let (count, over) =
        expiries.fold((0, 0), |(all, over), at| (all + 1, over + u64::from(at < now)));
    format!("{} keys, {count} of them expire, {over} of these have expired", data.keys())
}

/// `replab check-aof [--fix] FILE`
pub(super) fn check_aof(args: &CheckAofArgs) -> anyhow::Result<Outcome> {
    let files = files_of(&args.file)?;
    let mut broken = false;
    for (index, file) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        let verdict = read_log(file, args.truncate_to_timestamp)?;
        say(&format!("{}: {verdict}", file.display()))?;
        if verdict.is_good() {
            continue;
        }
        let wants_cut = args.fix || matches!(verdict.fate, Fate::Later);
        if !is_last {
            say("Only the last file can be cut: what follows in the others depends on it.")?;
            return Ok(Outcome::Failure);
        }
        if !wants_cut {
            say("With --fix it is cut to what is good.")?;
            broken = true;
        } else if !cut(file, &verdict)? {
            return Ok(Outcome::Failure);
        }
    }
    Ok(if broken { Outcome::Failure } else { Outcome::Success })
}

/// The files that a manifest names, in order; or the one file.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut start = Vec::new();
    open(path)?.take(READ_BYTES as u64).read_to_end(&mut start)?;
    let mut lines = start.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    if !lines.next().is_some_and(|line| line.starts_with(b"file ")) {
        return Ok(vec![path.to_owned()]);
    }
    let manifest = Manifest::parse(&start).map_err(|error| match &error.line {
        Some((number, line)) => anyhow::anyhow!("{}:{number}: {error}: '{line}'", path.display()),
        None => anyhow::anyhow!("{}: {error}", path.display()),
    })?;
    let dir = path.parent().unwrap_or(Path::new(""));
    Ok(manifest.parts().map(|part| dir.join(&part.name)).collect())
}

/// What a file of a log is like.
struct Verdict {
    bytes: u64,
    commands: u64,
    /// Keys of the snapshot that it begins with.
    snapshot: Option<u64>,
    /// Bytes up to which it is good.
    good: u64,
    fate: Fate,
}

enum Fate {
    Good,
    Broken(AofError),
    /// What follows is from after the wanted time.
    Later,
}

impl Verdict {
    fn is_good(&self) -> bool {
        matches!(self.fate, Fate::Good)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.fate {
            Fate::Good => write!(f, "good, ")?,
            Fate::Broken(error) => write!(f, "{error}\ngood up to byte {} of ", self.good)?,
            Fate::Later => write!(f, "of the wanted time up to byte {} of ", self.good)?,
        }
        write!(f, "{} bytes", self.bytes)?;
        if let Some(keys) = self.snapshot {
            write!(f, ", a snapshot of {keys} keys")?;
        }
        write!(f, ", {} commands", self.commands)
    }
}

fn read_log(path: &Path, until_s: Option<i64>) -> anyhow::Result<Verdict> {
    let mut reader = Reader::new(decoder());
    let (mut commands, mut snapshot, mut later) = (0, None, None);
    let read = read_in_pieces(path, |piece| {
        reader.feed(piece);
        loop {
            let at = reader.offset();
            match reader.next()? {
                None => return Ok(()),
                Some(Entry::Snapshot(loaded)) => snapshot = Some(loaded.keys),
                Some(Entry::Command(_)) => commands += 1,
                Some(Entry::Note(note)) => {
                    if seconds_of(note) > until_s && until_s.is_some() {
                        later.get_or_insert(at);
                    }
                }
            }
        }
    })
    .and_then(|()| Ok(reader.finish()?));
    let (good, fate) = match (read.map_err(anyhow::Error::downcast::<AofError>), later) {
        (Err(Err(error)), _) => return Err(error),
        (_, Some(at)) => (at, Fate::Later),
        (Ok(()), None) => (reader.good(), Fate::Good),
        (Err(Ok(error)), None) => (reader.good(), Fate::Broken(error)),
    };
    let bytes = std::fs::metadata(path)?.len();
    Ok(Verdict { bytes, commands, snapshot, good, fate })
}

/// The time of a `#TS:` annotation.
fn seconds_of(note: &[u8]) -> Option<i64> {
    std::str::from_utf8(note.strip_prefix(b"#TS:")?).ok()?.parse().ok()
}

/// Cuts a file to what is good, if the person wants that.
fn cut(path: &Path, verdict: &Verdict) -> anyhow::Result<bool> {
    if let Fate::Broken(AofError { fault: Fault::Snapshot(_), .. }) = verdict.fate {
        say("A snapshot cannot be repaired.")?;
        return Ok(false);
    }
    let (good, lost) = (verdict.good, verdict.bytes - verdict.good);
    if matches!(verdict.fate, Fate::Broken(_)) {
        let name = path.display();
        let question = format!(
            "This will shrink the AOF {name} from {} bytes, with {lost} bytes, to {good} bytes\n\
             Continue? [y/N]: ",
            verdict.bytes
        );
        std::io::stdout().write_all(question.as_bytes())?;
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !answer.trim_start().to_ascii_lowercase().starts_with('y') {
            say("Aborting...")?;
            return Ok(false);
        }
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(good).and_then(|()| file.sync_all()).context("the file cannot be cut")?;
    say(&format!("Successfully truncated AOF {}: {lost} bytes are gone.", path.display()))?;
    Ok(true)
}

fn decoder() -> Decoder {
    Decoder::with(&LoadOptions { databases: DATABASES, ..LoadOptions::default() })
}

fn open(path: &Path) -> anyhow::Result<File> {
    if path.is_dir() {
        bail!("{} is a directory", path.display());
    }
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

fn read_in_pieces(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut file = open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("reading {}", path.display()))?;
        if read == 0 {
            return Ok(());
        }
        take(&buffer[..read])?;
    }
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}
