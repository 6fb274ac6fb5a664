//! The folder that the pictures go to. A file appears there only whole: it is written under another
//! name in the same folder, synced, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::RngExt;
use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::NamedTempFile;

/// What the names of unfinished files begin and end with. Nothing else in the folder is ever removed.
const PREFIX: &str = ".downloader-";
const SUFFIX: &str = ".part";

pub(super) struct Folder {
    path: PathBuf,
    /// What the names of this run's unfinished files begin with.
    own_prefix: String,
    is_open: Mutex<bool>,
}

/// Whether a file is new in the folder.
pub(super) enum Stored {
    New(PathBuf),
    WasThere(PathBuf),
}

impl Folder {
    /// Makes the folder if it isn't there, and removes what runs that were killed have left in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let own_prefix = format!("{PREFIX}{:08x}-", rand::rng().random::<u32>());
        let folder = Self { path: path.to_owned(), own_prefix, is_open: Mutex::new(true) };
        folder.remove_where(|name, file| {
            // Whoever still writes it holds its lock.
            name.starts_with(PREFIX)
                && OpenOptions::new()
                    .read(true)
                    .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
                    .open(file)
                    .is_ok_and(|file| {
                        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                            && file.metadata().is_ok_and(|file| file.is_file())
                    })
        })?;
        // Whether it can be written shows now, not after the first download.
        drop(folder.new_file()?);
        Ok(folder)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty file for what will be stored. It is removed when it is dropped.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        loop {
            let is_open = self.lock();
            if !*is_open {
                return Err(io::Error::other("the run is over"));
            }
            let file = tempfile::Builder::new()
                .prefix(&self.own_prefix)
                .suffix(SUFFIX)
                // The umask takes its share of it, as with any new file.
                .permissions(fs::Permissions::from_mode(0o666))
                .tempfile_in(&self.path)?;
            drop(is_open);
            // Another run, which begins just now, may have taken it for a left one before it was locked.
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
            if locked && file.as_file().metadata()?.nlink() > 0 {
                return Ok(file);
            }
        }
    }

    /// Gives a file, whose bytes are on the disk, its name. If a file of this name and with the same
    /// bytes is there, it stays; anything else of this name is replaced, a link by the file itself.
    pub(super) fn store(&self, file: NamedTempFile, name: &str) -> io::Result<Stored> {
        let target = self.path.join(name);
        let is_open = self.lock();
        if !*is_open {
            return Err(io::Error::other("the run is over"));
        }
        if has_same_bytes(file.path(), &target) {
            return Ok(Stored::WasThere(target));
        }
        file.persist(&target).map_err(|error| error.error)?;
        Ok(Stored::New(target))
    }

    /// Syncs the names, too.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// From now on no file appears. What is unfinished is removed.
    pub(super) fn close(&self) {
        *self.lock() = false;
        let _ = self.remove_where(|name, _| name.starts_with(&self.own_prefix));
    }

    fn remove_where(&self, is_meant: impl Fn(&str, &Path) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(SUFFIX)) else { continue };
            if is_meant(name, &entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Whether both are files, no links, with the same bytes.
fn has_same_bytes(one: &Path, other: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let open = |path| {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        };
        let (one, other) = (open(one)?, open(other)?);
        let (a, b) = (one.metadata()?, other.metadata()?);
        if !b.is_file() || a.len() != b.len() {
            return Ok(false);
        }
        let mut bytes = io::BufReader::new(other).bytes();
        for byte in io::BufReader::new(one).bytes() {
            if bytes.next().transpose()? != Some(byte?) {
                return Ok(false);
            }
        }
        Ok(bytes.next().is_none())
    };
    compare().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }

    fn filled(folder: &Folder, bytes: &[u8]) -> NamedTempFile {
        let mut file = folder.new_file().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_file_appears_under_its_name_and_another_with_the_same_bytes_does_not() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let stored = folder.store(filled(&folder, b"bytes"), "a.png").unwrap();
        assert!(matches!(stored, Stored::New(_)));
        let stored = folder.store(filled(&folder, b"bytes"), "a.png").unwrap();
        assert!(matches!(stored, Stored::WasThere(_)));
        assert_eq!(names(path.path()), ["a.png"]);
    }

    #[test]
    fn a_damaged_file_is_replaced_and_a_link_is_not_followed() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        fs::write(path.path().join("a.png"), "bytez").unwrap();
        fs::write(path.path().join("precious"), "bytes").unwrap();
        symlink("precious", path.path().join("b.png")).unwrap();
        for name in ["a.png", "b.png"] {
            let stored = folder.store(filled(&folder, b"other"), name).unwrap();
            assert!(matches!(stored, Stored::New(_)));
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
        symlink("a.png", path.path().join(".downloader-link.part")).unwrap();
        let running = Folder::open(path.path()).unwrap();
        let unfinished = filled(&running, b"half");
        Folder::open(path.path()).unwrap();
        assert!(unfinished.path().exists());
        drop(unfinished);
        let mut expected = others.to_vec();
        expected.push(".downloader-link.part");
        expected.sort_unstable();
        assert_eq!(names(path.path()), expected);
    }

    #[test]
    fn in_a_closed_folder_nothing_appears_and_nothing_unfinished_is_left() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        let unfinished = filled(&folder, b"half");
        folder.close();
        assert_eq!(names(path.path()), [""; 0]);
        assert!(folder.store(unfinished, "a.png").is_err());
        assert!(folder.new_file().is_err());
        assert_eq!(names(path.path()), [""; 0]);
    }

    #[test]
    fn a_file_has_the_mode_that_the_umask_leaves() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        folder.store(filled(&folder, b"bytes"), "a.png").unwrap();
        fs::write(path.path().join("plain"), "").unwrap();
        let mode = |name: &str| path.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("a.png"), mode("plain"));
    }
}
