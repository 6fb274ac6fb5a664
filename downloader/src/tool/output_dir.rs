//! The folder that the pictures go to. A file appears there only whole: it is written under another
//! name in the same folder, synced, and renamed.
//!
//! An unfinished file is locked as long as its run lives, so that other runs leave it alone:
//!
//! ```text
//!   written: exclusive lock ──▶ whole: shared lock, others may read ──▶ renamed
//! ```
//!
//! On Linux and macOS a lock doesn't keep anything from reading or writing. On Windows it does:
//! below an exclusive lock only its own handle reads and writes, and below a shared one nothing
//! writes. (The standard library's own locks would do from Rust 1.89 on.)

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs4::{FileExt, TryLockError};
use rand::RngExt;
use tempfile::NamedTempFile;

use super::report::Status;

/// The beginning and the end of the names of unfinished files. Nothing else in the folder is ever
/// removed.
const PREFIX: &str = ".downloader-";
const SUFFIX: &str = ".part";

pub(super) struct OutputDir {
    path: PathBuf,
    /// The beginning of the names of this run's unfinished files.
    own_prefix: String,
    is_open: Mutex<bool>,
}

impl OutputDir {
    /// Makes what a folder is written by; nothing is done with it yet.
    pub(super) fn new(path: &Path) -> Self {
        let own_prefix = format!("{PREFIX}{:08x}-", rand::rng().random::<u32>());
        Self { path: path.to_owned(), own_prefix, is_open: Mutex::new(true) }
    }

    /// Removes what runs that were killed have left in the folder, which has to be there.
    pub(super) fn clean(&self) -> io::Result<()> {
        self.remove_where(|name, path| {
            let file = name.starts_with(PREFIX).then(|| open_file(path).ok())??;
            // A run that still needs it holds its lock.
            FileExt::try_lock(&file).is_ok().then_some(file)
        })?;
        // Whether it can be written shows now, not after the first download.
        self.new_file().map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an empty file for what will be stored. The file is removed when it is dropped.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        loop {
            let is_open = self.lock();
            if !*is_open {
                return Err(io::Error::other("the run is over"));
            }
            let file = tempfile::Builder::new()
                .prefix(&self.own_prefix)
                .suffix(SUFFIX)
                // With the mode that any new file has.
                .make_in(&self.path, |path| File::create_new(path))?;
            drop(is_open);
            if is_held(&file, FileExt::try_lock)? {
                return Ok(file);
            }
        }
    }

    /// Lets other processes read a file that is whole; from now on it can't be written.
    pub(super) fn share(&self, file: &NamedTempFile) -> io::Result<()> {
        FileExt::unlock(file.as_file())?;
        if is_held(file, FileExt::try_lock_shared)? {
            return Ok(());
        }
        Err(io::Error::other("another run has removed the unfinished file"))
    }

    /// Gives a file, whose bytes are on the disk, its name. If a file of this name and with the
    /// same bytes is there, it stays; anything else of this name is replaced, a link by the file
    /// itself.
    pub(super) fn store(&self, file: NamedTempFile, name: &str) -> io::Result<(Status, PathBuf)> {
        let target = self.path.join(name);
        let is_open = self.lock();
        if !*is_open {
            return Err(io::Error::other("the run is over"));
        }
        if has_same_bytes(file.path(), &target) {
            return Ok((Status::Duplicate, target));
        }
        // Not by `persist`: on Windows that fails while another run looks at the target. When the
        // file is dropped, nothing of its old name is left to be removed.
        match fs::rename(file.path(), &target) {
            Ok(()) => Ok((Status::Stored, target)),
            // Another run has given the same bytes this name just now: Windows may refuse to
            // replace a file that is open.
            Err(_) if has_same_bytes(file.path(), &target) => Ok((Status::Duplicate, target)),
            Err(error) => Err(error),
        }
    }

    /// Syncs the names of the files.
    pub(super) fn sync(&self) -> io::Result<()> {
        match File::open(&self.path) {
            // Windows opens no folder as a file, and writes names without being asked.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            folder => folder?.sync_all(),
        }
    }

    /// Closes the folder: from now on no file appears, and unfinished ones are removed.
    pub(super) fn close(&self) {
        *self.lock() = false;
        let _ = self.remove_where(|name, _| name.starts_with(&self.own_prefix).then_some(()));
    }

    /// Removes the unfinished files for which this returns something, while it holds that.
    fn remove_where<T>(&self, is_meant: impl Fn(&str, &Path) -> Option<T>) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(SUFFIX)) else { continue };
            if let Some(_held) = is_meant(name, &entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Locks a file in this way; returns true if it is locked, and still has its name. A run that
/// begins just now may have taken it for a left one, and removed it, before it was locked.
fn is_held(file: &NamedTempFile, lock: fn(&File) -> Result<(), TryLockError>) -> io::Result<bool> {
    match lock(file.as_file()) {
        Ok(()) => file.path().try_exists(),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file to be read, if it is one: no link, and nothing that would block.
fn open_file(path: &Path) -> io::Result<File> {
    match path.symlink_metadata()?.is_file() {
        true => File::open(path),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Returns true if both are files, no links, with the same bytes.
fn has_same_bytes(one: &Path, other: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (one, other) = (open_file(one)?, open_file(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
        loop {
            let (block, others) = (one.fill_buf()?, other.fill_buf()?);
            let length = block.len().min(others.len());
            if block[..length] != others[..length] {
                return Ok(false);
            }
            if length == 0 {
                return Ok(block.len() == others.len());
            }
            one.consume(length);
            other.consume(length);
        }
    };
    compare().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    // On Windows only some users may make links.
    #[cfg(unix)]
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }

    fn open(path: &Path) -> OutputDir {
        let dir = OutputDir::new(path);
        dir.clean().unwrap();
        dir
    }

    fn opened() -> (TempDir, OutputDir) {
        let path = tempfile::tempdir().unwrap();
        let dir = open(path.path());
        (path, dir)
    }

    fn filled(dir: &OutputDir, bytes: &[u8]) -> NamedTempFile {
        let mut file = dir.new_file().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Stores a file with these bytes.
    fn store(dir: &OutputDir, bytes: &[u8], name: &str) -> Status {
        dir.store(filled(dir, bytes), name).unwrap().0
    }

    #[test]
    fn a_file_appears_under_its_name_and_another_with_the_same_bytes_does_not() {
        let (path, dir) = opened();
        assert_eq!(store(&dir, b"bytes", "a.png"), Status::Stored);
        assert_eq!(store(&dir, b"bytes", "a.png"), Status::Duplicate);
        assert_eq!(names(path.path()), ["a.png"]);
    }

    #[test]
    fn files_are_compared_to_their_last_byte() {
        let (_path, dir) = opened();
        let mut bytes = vec![7; 100_000];
        let first = [(); 2].map(|()| store(&dir, &bytes, "a.png"));
        assert_eq!(first, [Status::Stored, Status::Duplicate]);
        bytes[99_999] = 8;
        assert_eq!(store(&dir, &bytes, "a.png"), Status::Stored);
    }

    #[test]
    fn a_damaged_file_is_replaced_and_a_link_is_not_followed() {
        let (path, dir) = opened();
        fs::write(path.path().join("a.png"), "bytez").unwrap();
        fs::write(path.path().join("precious"), "bytes").unwrap();
        #[cfg(unix)]
        symlink("precious", path.path().join("b.png")).unwrap();
        for name in if cfg!(unix) { vec!["a.png", "b.png"] } else { vec!["a.png"] } {
            assert_eq!(store(&dir, b"other", name), Status::Stored);
            assert!(path.path().join(name).symlink_metadata().unwrap().is_file());
            assert_eq!(fs::read(path.path().join(name)).unwrap(), b"other");
        }
        assert_eq!(fs::read(path.path().join("precious")).unwrap(), b"bytes");
    }

    #[test]
    fn what_a_killed_run_has_left_is_removed_and_nothing_else() {
        let path = tempfile::tempdir().unwrap();
        let others = [".downloader-notes", "x.part", "a.png"];
        for name in others {
            fs::write(path.path().join(name), "").unwrap();
        }
        fs::write(path.path().join(".downloader-0000-xyz.part"), "").unwrap();
        #[cfg(unix)]
        symlink("a.png", path.path().join(".downloader-link.part")).unwrap();
        let running = open(path.path());
        let unfinished = filled(&running, b"half");
        open(path.path());
        assert!(unfinished.path().exists());
        drop(unfinished);
        let mut expected = others.to_vec();
        #[cfg(unix)]
        expected.push(".downloader-link.part");
        expected.sort_unstable();
        assert_eq!(names(path.path()), expected);
    }

    #[test]
    fn a_whole_file_can_be_read_and_other_runs_leave_it_alone() {
        let (path, dir) = opened();
        let whole = filled(&dir, b"bytes");
        dir.share(&whole).unwrap();
        assert_eq!(fs::read(whole.path()).unwrap(), b"bytes");
        open(path.path());
        assert_eq!(dir.store(whole, "a.png").unwrap().0, Status::Stored);
        assert_eq!(fs::read(path.path().join("a.png")).unwrap(), b"bytes");
    }

    // As below: by its name an open file may still be there.
    #[cfg(unix)]
    #[test]
    fn what_another_run_has_removed_cannot_be_shared() {
        let (_path, dir) = opened();
        let file = filled(&dir, b"bytes");
        fs::remove_file(file.path()).unwrap();
        assert!(dir.share(&file).is_err());
    }

    #[test]
    fn in_a_closed_folder_nothing_appears_and_nothing_unfinished_is_left() {
        let (path, dir) = opened();
        let unfinished = filled(&dir, b"half");
        dir.close();
        // Windows before 10 1809 keeps the name of an open file.
        #[cfg(unix)]
        assert_eq!(names(path.path()), [""; 0]);
        assert!(dir.store(unfinished, "a.png").is_err());
        assert!(dir.new_file().is_err());
        assert_eq!(names(path.path()), [""; 0]);
    }

    // Windows has no modes.
    #[cfg(unix)]
    #[test]
    fn a_file_has_the_mode_that_the_umask_leaves() {
        let (path, dir) = opened();
        store(&dir, b"bytes", "a.png");
        fs::write(path.path().join("plain"), "").unwrap();
        let mode = |name: &str| {
            let permissions = path.path().join(name).metadata().unwrap().permissions();
            std::os::unix::fs::PermissionsExt::mode(&permissions)
        };
        assert_eq!(mode("a.png"), mode("plain"));
    }
}
