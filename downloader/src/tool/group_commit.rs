//! Group commit: files that have come while others were synced are synced together.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use common::files;

/// The time limit for writing out a file system: beyond it, others write a lot to it.
const CROWDED: Duration = Duration::from_millis(200);

/// The way in which groups of files are synced.
#[derive(Default)]
pub(super) struct GroupCommit {
    /// True if others write so much here that to write all of it out takes too long.
    is_crowded: AtomicBool,
}

impl GroupCommit {
    /// Syncs a group of files: the bytes of each are on the disk then, or there is its error.
    ///
    /// Where the system has it, one call writes all of them out. It doesn't tell each file's
    /// errors, so each is synced after it as well, which has little left to do. It also writes what
    /// other programs have: if that is much, and otherwise, all files are synced at the same time.
    pub(super) fn sync(&self, group: &[&File]) -> Vec<io::Result<()>> {
        let begin = Instant::now();
        if let [first, _, ..] = group
            && !self.is_crowded.load(Ordering::Relaxed)
            && files::write_out(first)
        {
            self.is_crowded.fetch_or(begin.elapsed() > CROWDED, Ordering::Relaxed);
            return group.iter().map(|file| file.sync_data()).collect();
        }
        thread::scope(|scope| {
            let start = |file| {
                let started =
                    thread::Builder::new().spawn_scoped(scope, move || File::sync_data(file));
                (file, started)
            };
            let (last, others) = group.split_last().expect("a group has a file");
            let started: Vec<_> = others.iter().map(|file| start(*file)).collect();
            let last = last.sync_data();
            let join = |(file, thread): (&File, io::Result<ScopedJoinHandle<'_, _>>)| match thread {
                Ok(thread) => thread.join().expect("a sync doesn't panic"),
                Err(_) => file.sync_data(),
            };
            started.into_iter().map(join).chain([last]).collect()
        })
    }
}

// Windows syncs pipes, too, and has no other file that can't be synced.
#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_group_has_its_own_result() {
        let files: Vec<File> = (0..5).map(|_| tempfile::tempfile().unwrap()).collect();
        let commit = GroupCommit::default();
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(reader));
        let mut group: Vec<&File> = files.iter().collect();
        group.insert(2, &pipe);
        for is_crowded in [false, true] {
            commit.is_crowded.store(is_crowded, Ordering::Relaxed);
            let synced: Vec<bool> = commit.sync(&group).iter().map(Result::is_ok).collect();
            assert_eq!(synced, [true, true, false, true, true, true]);
        }
        assert!(commit.sync(&group[..1])[0].is_ok());
    }
}
