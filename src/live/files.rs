//! A node's files: small ones, written so that a crash leaves the old one or the new one, and logs,
//! of which it is known how much would survive a loss of power.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::machine::FileStep;

/// A node's directory.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Files whose names are not durable: written by a job, not yet renamed by the node.
    loose: BTreeSet<PathBuf>,
    /// Files that are appended to.
    logs: BTreeMap<PathBuf, Log>,
}

/// A file that is appended to.
#[derive(Debug)]
struct Log {
    file: File,
    len: u64,
    synced: Arc<AtomicU64>,
}

/// What making a log durable takes, on whichever thread.
#[derive(Debug)]
pub(super) struct LogSync {
    file: File,
    len: u64,
    synced: Arc<AtomicU64>,
}

impl LogSync {
    /// Makes durable what the log held when this was made.
    pub(super) fn run(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced.fetch_max(self.len, Ordering::Relaxed);
        Ok(())
    }
}

/// Why an append failed, and whether its bytes are in the file all the same.
pub(super) struct AppendError {
    pub(super) error: io::Error,
    pub(super) is_written: bool,
}

impl Files {
    /// Of the node that lives in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, loose: BTreeSet::new(), logs: BTreeMap::new() }
    }

    /// Where a file is; names are relative to the node's directory unless absolute.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where a job shall write a file.
    pub(super) fn loose_path(&mut self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.loose.insert(path.clone());
        path
    }

    /// Replaces a whole file.
    pub(super) fn write(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        self.logs.remove(&path);
        let mut temporary = path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(data)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        });
        written.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        sync_dir(&path)
    }

    /// Renames a file, replacing the target.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        fs::rename(&from, &to)?;
        self.loose.remove(&from);
        if let Some(log) = self.logs.remove(&from) {
            self.logs.insert(to.clone(), log);
        }
        sync_dir(&to)
    }

    /// Takes the steps of an [`Output::Arrange`](crate::machine::Output::Arrange), up to the first
    /// that fails.
    pub(super) fn arrange(&mut self, steps: Vec<FileStep>) -> Result<(), (String, io::Error)> {
        for step in steps {
            let (name, taken) = match step {
                FileStep::Write { name, data } => {
                    let made = make_dir_of(&self.path(&name));
                    let written = made.and_then(|()| self.write(&name, &data));
                    (name, written)
                }
                FileStep::Rename { from, to } => {
                    let made = make_dir_of(&self.path(&to));
                    let renamed = made.and_then(|()| self.rename(&from, &to));
                    (to, renamed)
                }
                FileStep::Truncate { name, len } => {
                    let cut = self.truncate(&name, len);
                    (name, cut)
                }
            };
            taken.map_err(|error| (name, error))?;
        }
        Ok(())
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let path = self.path(name);
        self.logs.remove(&path);
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    /// Writes at the end of a log, all or nothing.
    pub(super) fn append(
        &mut self,
        name: &str,
        data: &[u8],
        sync: bool,
    ) -> Result<(), AppendError> {
        let unwritten = |error| AppendError { error, is_written: false };
        let log = self.log(name).map_err(unwritten)?;
        if let Err(error) = log.file.write_all(data) {
            // Half a command in the file would be in the way of the next one.
            drop(log.file.set_len(log.len));
            return Err(unwritten(error));
        }
        log.len += data.len() as u64;
        if sync {
            log.file.sync_data().map_err(|error| AppendError { error, is_written: true })?;
            log.synced.fetch_max(log.len, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What it takes to make a log durable.
    pub(super) fn log_sync(&mut self, name: &str) -> io::Result<LogSync> {
        let log = self.log(name)?;
        let (file, synced) = (log.file.try_clone()?, Arc::clone(&log.synced));
        Ok(LogSync { file, len: log.len, synced })
    }

    /// A log, opened if it is not yet. What it holds by then is taken for durable.
    fn log(&mut self, name: &str) -> io::Result<&mut Log> {
        let path = self.path(name);
        match self.logs.entry(path) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let file = OpenOptions::new().append(true).create(true).open(place.key())?;
                let len = file.metadata()?.len();
                let synced = Arc::new(AtomicU64::new(len));
                Ok(place.insert(Log { file, len, synced }))
            }
        }
    }

    /// Removes a file, if there is one.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        self.loose.remove(&path);
        self.logs.remove(&path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What a loss of power does: files that were never made durable are gone, and logs end where
    /// they were last synced.
    pub(super) fn lose_power(&mut self) {
        for path in std::mem::take(&mut self.loose) {
            drop(fs::remove_file(path));
        }
        for log in std::mem::take(&mut self.logs).into_values() {
            drop(log.file.set_len(log.synced.load(Ordering::Relaxed)));
        }
    }
}

/// Makes the directory that a file is to be in, durably, if there is none.
fn make_dir_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.exists() => {
            fs::create_dir(dir)?;
            sync_dir(dir)
        }
        _ => Ok(()),
    }
}

/// Makes a rename in the directory of `path` durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
