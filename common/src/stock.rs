//! The kernel's resources that this process has: its [`Stock`]. Taken before and after, it tells
//! whether something was left behind.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys;
pub use crate::sys::Inventory;

/// The longest moment that threads which have done their work, and processes that were killed, need
/// to end.
const LONGEST: Duration = Duration::from_secs(30);

/// The most mappings without a file that may come and stay: the allocator keeps areas, and the
/// stacks of as many ended threads as ever ran at the same time.
const KEPT: usize = 64;

/// The open descriptors, threads, children and mappings of this process, and its memory in RAM.
///
/// Linux tells all of it. macOS tells of a descriptor only its kind, and no mappings. Windows tells
/// how many handles there are, but not what they are, and no mappings; a child that has ended is
/// one of the handles there until it is waited for.
///
/// ```
/// use common::stock::Stock;
///
/// let before = Stock::now()?;
/// drop(std::fs::File::open("Cargo.toml")?);
/// before.comes_back()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stock {
    /// The beginnings of the names of threads that count.
    threads_like: &'static [&'static str],
    /// Each resource, and how many there are of it.
    things: BTreeMap<String, usize>,
    /// Mappings without a file.
    anonymous: usize,
    /// KiB in RAM.
    resident: u64,
}

impl Stock {
    /// Takes stock of all that this process has now.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn now() -> io::Result<Self> {
        Self::with_threads_like(&[""])
    }

    /// Takes stock, but of threads only those whose names begin so: the others come and go by
    /// themselves, such as those of a test harness.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn with_threads_like(names: &'static [&'static str]) -> io::Result<Self> {
        let found = inventory()?;
        let is_meant = |name: &&String| names.iter().any(|begin| name.starts_with(begin));
        let descriptors = found.descriptors.iter().map(|what| format!("descriptor {what}"));
        let threads = found.threads.iter().filter(is_meant).map(|name| format!("thread {name}"));
        let children = found.children.iter().map(|pid| format!("child process {pid}"));
        let mapped = found.mapped.iter().map(|file| format!("mapping {file}"));
        let mut things = BTreeMap::new();
        for thing in descriptors.chain(threads).chain(children).chain(mapped) {
            *things.entry(thing).or_default() += 1;
        }
        let (anonymous, resident) = (found.anonymous, sys::resident()?);
        Ok(Self { threads_like: names, things, anonymous, resident })
    }

    /// Waits until this process has no more than when the stock was taken.
    ///
    /// # Errors
    /// [`Left`] if it still hasn't after half a minute, or the system doesn't tell.
    pub fn comes_back(&self) -> Result<(), Left> {
        let begin = Instant::now();
        loop {
            let now = Self::with_threads_like(self.threads_like);
            let now = now.map_err(|error| Left(format!("the system doesn't tell: {error}")))?;
            match self.left(&now) {
                None => return Ok(()),
                Some(left) if begin.elapsed() > LONGEST => return Err(left),
                Some(_) => thread::yield_now(),
            }
        }
    }

    /// Returns what there is more of now.
    fn left(&self, now: &Self) -> Option<Left> {
        let more = now.things.iter().filter_map(|(thing, now)| {
            let before = *self.things.get(thing).unwrap_or(&0);
            (*now > before).then(|| format!("{thing} ({before} before, {now} now)"))
        });
        let mut more: Vec<String> = more.collect();
        if now.anonymous > self.anonymous + KEPT {
            let (before, now) = (self.anonymous, now.anonymous);
            more.push(format!("mappings without a file ({before} before, {now} now)"));
        }
        (!more.is_empty()).then(|| Left(more.join(", ")))
    }

    /// Returns by how many KiB the memory in RAM has grown since.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn grown(&self) -> io::Result<u64> {
        Ok(sys::resident()?.saturating_sub(self.resident))
    }
}

/// The resources that are there though they should be gone: the error of [`Stock::comes_back`].
#[derive(Debug)]
pub struct Left(String);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left behind: {}", self.0)
    }
}

impl Error for Left {}

/// Lists the kernel's resources that this process has.
///
/// # Errors
/// If the system doesn't tell.
pub fn inventory() -> io::Result<Inventory> {
    sys::inventory()
}

/// Raises the limit of open files as far as the system lets this process, and returns it; 1,048,576
/// where there is none. Python: `resource.setrlimit(resource.RLIMIT_NOFILE, …)`.
///
/// Windows has no such limit.
pub fn raise_file_limit() -> u64 {
    sys::raise_file_limit().unwrap_or(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, Read, pipe};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Barrier, Mutex};

    use multiprocess::process::handover;
    use multiprocess::{Process, tasks};
    use serde::{Deserialize, Serialize};

    use super::*;

    multiprocess::test_entry!();
    tasks![listen];

    #[derive(Serialize, Deserialize)]
    struct Pipe(#[serde(with = "handover")] PipeReader);

    /// Runs in the child, until the pipe is closed.
    fn listen(mut pipe: Pipe) {
        pipe.0.read_to_end(&mut Vec::new()).unwrap();
    }

    /// Returns what is told while the result of `make` is held, and that result.
    fn told_of<T>(make: impl FnOnce() -> T) -> (String, T) {
        let before = Stock::now().unwrap();
        let made = make();
        let left = before.left(&Stock::now().unwrap());
        (left.map(|left| left.to_string()).unwrap_or_default(), made)
    }

    #[test]
    fn open_files_are_told() {
        // More than other tests may close in the meantime, where they are but counted.
        let open = || [(); 100].map(|()| File::open("Cargo.toml").unwrap());
        if cfg!(windows) && inventory().unwrap().descriptors.is_empty() {
            return println!("not tested: Wine doesn't count handles");
        }
        let (told, _files) = told_of(open);
        #[cfg(target_os = "linux")]
        assert!(told.contains("/common/Cargo.toml (0 before, 100 now)"), "{told}");
        assert!(told.contains("descriptor "), "{told}");
    }

    #[test]
    fn a_child_is_told_also_when_it_has_ended_until_somebody_waits_for_it() {
        let (reader, writer) = pipe().unwrap();
        let mut child = Process::new(listen, Pipe(reader));
        let (told, ()) = told_of(|| child.start().unwrap());
        let pid = child.pid().unwrap();
        assert!(told.contains(&format!("child process {pid} ")), "{told}");
        let before = Stock::now().unwrap();
        drop(writer);
        child.join().unwrap();
        assert!(!told_of(|| ()).0.contains(&format!("child process {pid} ")));
        before.comes_back().unwrap();
    }

    #[test]
    fn threads_and_their_stacks_are_told() {
        let (end, ended) = channel::<()>();
        let shared = Arc::new((Barrier::new(101), Mutex::new(ended)));
        let start = |_| {
            let shared = Arc::clone(&shared);
            let wait = move || {
                // A thread takes its name when it begins.
                shared.0.wait();
                shared.1.lock().unwrap().recv().unwrap_or_default();
            };
            thread::Builder::new().name("counted".to_owned()).spawn(wait).unwrap()
        };
        let (told, threads) = told_of(|| {
            let threads = (0..100).map(start).collect::<Vec<_>>();
            shared.0.wait();
            threads
        });
        assert!(told.contains("thread counted (0 before, "), "{told}");
        #[cfg(target_os = "linux")]
        assert!(told.contains("mappings without a file"), "{told}");
        drop(end);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn eight_megabytes_are_told() {
        let before = Stock::now().unwrap();
        let bytes = vec![1_u8; 8 << 20];
        assert!(before.grown().unwrap() > 7 << 10, "{}", bytes.len());
    }
}
