//! A node's small files, written so that a crash leaves the old one or the new one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A node's directory.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Files whose names are not durable: written by a job, not yet renamed by the node.
    loose: BTreeSet<PathBuf>,
}

impl Files {
    /// Of the node that lives in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, loose: BTreeSet::new() }
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
    pub(super) fn write(&self, name: &str, data: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let mut temporary = path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let mut file = File::create(&temporary)?;
        file.write_all(data)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_dir(&path)
    }

    /// Renames a file, replacing the target.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        fs::rename(&from, &to)?;
        self.loose.remove(&from);
        sync_dir(&to)
    }

    /// Removes a file, if there is one.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        self.loose.remove(&path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What a loss of power does: files that were never made durable are gone.
    pub(super) fn lose_power(&mut self) {
        for path in std::mem::take(&mut self.loose) {
            drop(fs::remove_file(path));
        }
    }
}

/// Makes a rename in the directory of `path` durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
