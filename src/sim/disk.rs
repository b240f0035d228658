//! The disk of a simulated node: what was written, and how much of it would survive a power loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::machine::FileStep;

/// Files by name. They outlive the node that wrote them.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<String, File>,
    is_full: bool,
}

#[derive(Debug, Default)]
struct File {
    data: Arc<Vec<u8>>,
    /// How many bytes were fsynced. `None`: not even the name.
    synced: Option<usize>,
}

/// Why nothing can be written to a full disk.
const FULL: &str = "No space left on device";

impl Disk {
    /// Whether it is full: nothing can be written until it is not.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Fills it, or makes room.
    pub(super) fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    fn room(&self) -> Result<(), String> {
        if self.is_full { Err(FULL.to_owned()) } else { Ok(()) }
    }

    /// Makes an empty file, or empties an old one.
    pub(super) fn create(&mut self, name: &str) {
        self.files.insert(name.to_owned(), File::default());
    }

    /// Writes at the end of a file, making it if need be.
    pub(super) fn append(&mut self, name: &str, data: &[u8]) -> Result<(), String> {
        self.room()?;
        if !self.files.contains_key(name) {
            self.create(name);
        }
        if let Some(file) = self.files.get_mut(name) {
            Arc::make_mut(&mut file.data).extend_from_slice(data);
        }
        Ok(())
    }

    /// Makes all of a file durable.
    pub(super) fn sync(&mut self, name: &str) {
        self.sync_to(name, usize::MAX);
    }

    /// Makes the first `len` bytes of a file durable, if they were not.
    pub(super) fn sync_to(&mut self, name: &str, len: usize) {
        if let Some(file) = self.files.get_mut(name) {
            file.synced = file.synced.max(Some(len.min(file.data.len())));
        }
    }

    /// Takes the steps of an [`Output::Arrange`](crate::machine::Output::Arrange), up to the first
    /// that fails.
    pub(super) fn arrange(&mut self, steps: Vec<FileStep>) -> Result<(), String> {
        for step in steps {
            match step {
                FileStep::Write { name, data } => {
                    self.write(&name, &data).map_err(|reason| format!("{name}: {reason}"))?;
                }
                FileStep::Rename { from, to } if !self.rename(&from, &to) => {
                    return Err(format!("{to}: No such file or directory"));
                }
                FileStep::Rename { .. } => {}
                FileStep::Truncate { name, len } => {
                    let data = self.read(&name).unwrap_or_default();
                    let kept = data[..data.len().min(len as usize)].to_vec();
                    self.replace(&name, &kept);
                }
            }
        }
        Ok(())
    }

    /// Replaces a whole file, durably.
    pub(super) fn write(&mut self, name: &str, data: &[u8]) -> Result<(), String> {
        self.room()?;
        self.replace(name, data);
        Ok(())
    }

    fn replace(&mut self, name: &str, data: &[u8]) {
        let file = File { data: Arc::new(data.to_vec()), synced: Some(data.len()) };
        self.files.insert(name.to_owned(), file);
    }

    /// Moves a file over another; false if there is no such file. The new name is durable, the
    /// content as far as it was fsynced.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(mut file) = self.files.remove(from) else { return false };
        file.synced.get_or_insert(0);
        self.files.insert(to.to_owned(), file);
        true
    }

    /// Removes a file, if there is one.
    pub(super) fn remove(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// The content of a file as a reader that opened it now keeps seeing it.
    pub(super) fn open(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        self.files.get(name).map(|file| Arc::clone(&file.data))
    }

    /// The content of a file.
    pub(super) fn read(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|file| file.data.as_slice())
    }

    /// Undoes what was not fsynced.
    pub(super) fn lose_power(&mut self) {
        self.files.retain(|_, file| file.synced.is_some());
        for file in self.files.values_mut() {
            if let Some(len) = file.synced {
                Arc::make_mut(&mut file.data).truncate(len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Disk;

    #[test]
    fn a_power_loss_keeps_exactly_what_was_fsynced() {
        let mut disk = Disk::default();
        disk.append("log", b"kept").unwrap();
        disk.sync("log");
        disk.append("log", b" lost").unwrap();
        disk.append("never-synced", b"lost").unwrap();
        disk.write("conf", b"whole").unwrap();
        disk.lose_power();
        assert_eq!(disk.read("log"), Some(&b"kept"[..]));
        assert_eq!(disk.read("never-synced"), None);
        assert_eq!(disk.read("conf"), Some(&b"whole"[..]));
    }

    #[test]
    fn a_reader_keeps_the_file_it_opened() {
        let mut disk = Disk::default();
        disk.write("dump", b"old").unwrap();
        let open = disk.open("dump").unwrap();
        disk.write("temp", b"new").unwrap();
        assert!(disk.rename("temp", "dump"));
        assert_eq!(open.as_slice(), b"old");
        assert_eq!(disk.read("dump"), Some(&b"new"[..]));
        assert!(!disk.rename("temp", "dump"));
    }

    #[test]
    fn a_full_disk_keeps_what_it_has_and_takes_nothing_more() {
        let mut disk = Disk::default();
        disk.write("conf", b"old").unwrap();
        disk.set_full(true);
        assert_eq!(disk.write("conf", b"new"), Err("No space left on device".to_owned()));
        assert!(disk.append("conf", b"more").is_err());
        assert_eq!(disk.read("conf"), Some(&b"old"[..]));
        disk.set_full(false);
        assert_eq!(disk.write("conf", b"new"), Ok(()));
    }
}
