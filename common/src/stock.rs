//! What this process has of the kernel: its [`Stock`]. Taken before and after, it tells whether
//! something was left behind.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Threads that have done their work, and processes that were killed, need a moment to end; no
/// longer than this.
const LONGEST: Duration = Duration::from_secs(30);

/// So many mappings without a file may come and stay: the allocator keeps areas and the stacks of
/// ended threads, as many as threads ever ran at the same time.
const KEPT: usize = 64;

/// Open descriptors, threads, children, mappings, and the memory that is in RAM.
#[derive(Clone, Debug)]
pub struct Stock {
    /// Threads count if their name begins with one of these.
    threads_like: &'static [&'static str],
    /// Each thing, and how many there are of it.
    things: BTreeMap<String, usize>,
    /// Mappings without a file.
    anonymous: usize,
    /// KiB in RAM.
    resident: u64,
}

impl Stock {
    /// All that this process has now.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn now() -> io::Result<Self> {
        Self::with_threads_like(&[""])
    }

    /// The same, but only with the threads whose names begin so: the others belong to somebody
    /// who starts and ends them as he likes, such as a test harness.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn with_threads_like(names: &'static [&'static str]) -> io::Result<Self> {
        let mut things = BTreeMap::new();
        let mut add = |thing: String| *things.entry(thing).or_default() += 1;
        descriptors()?.for_each(|target| add(format!("descriptor {target}")));
        for thread in entries("/proc/self/task")? {
            // Who has gone in between has no name and no children.
            let read = |file| fs::read_to_string(thread.join(file)).unwrap_or_default();
            let name = read("comm");
            if !name.is_empty() && names.iter().any(|begin| name.starts_with(begin)) {
                add(format!("thread {}", name.trim()));
            }
            let children = read("children");
            children.split_whitespace().for_each(|pid| add(format!("child process {pid}")));
        }
        let mut anonymous = 0;
        for line in fs::read_to_string("/proc/self/maps")?.lines() {
            // Five columns before it: addresses, permissions, offset, device, inode.
            match line.splitn(6, ' ').nth(5).unwrap_or_default().trim() {
                file if file.starts_with('/') => add(format!("mapping {file}")),
                _ => anonymous += 1,
            }
        }
        Ok(Self { threads_like: names, things, anonymous, resident: resident()? })
    }

    /// Waits until this process has no more than that again.
    ///
    /// # Errors
    /// [`Left`] if it still hasn't after half a minute, or the system doesn't tell.
    pub fn comes_back(&self) -> Result<(), Left> {
        let begin = Instant::now();
        loop {
            let now = Self::with_threads_like(self.threads_like);
            let now = now.map_err(|error| Left(format!("/proc can't be read: {error}")))?;
            match self.left(&now) {
                None => return Ok(()),
                Some(left) if begin.elapsed() > LONGEST => return Err(left),
                Some(_) => thread::yield_now(),
            }
        }
    }

    /// What there is more of now.
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

    /// By how many KiB the memory that is in RAM has grown since.
    ///
    /// # Errors
    /// If the system doesn't tell.
    pub fn grown(&self) -> io::Result<u64> {
        Ok(resident()?.saturating_sub(self.resident))
    }
}

/// What is there though it should have gone.
#[derive(Debug)]
pub struct Left(String);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left behind: {}", self.0)
    }
}

impl Error for Left {}

fn entries(folder: &str) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// What the descriptors are, without the numbers that tell one pipe from the other.
fn descriptors() -> io::Result<impl Iterator<Item = String>> {
    // The one that reads the folder has gone when we ask what it is, or is this.
    let asking = format!("/proc/{}/fd", std::process::id());
    let all = entries("/proc/self/fd")?.into_iter();
    let all = all.filter_map(|path| Some(fs::read_link(path).ok()?.to_string_lossy().into_owned()));
    Ok(all.filter(move |target| *target != asking).map(|target| match target.split_once(":[") {
        Some((kind, number)) if number.starts_with(|c: char| c.is_ascii_digit()) => kind.to_owned(),
        _ => target,
    }))
}

fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::channel;

    use super::*;

    /// What is told while somebody holds what this makes.
    fn told_of<T>(make: impl FnOnce() -> T) -> (String, T) {
        let before = Stock::now().unwrap();
        let made = make();
        let left = before.left(&Stock::now().unwrap());
        (left.map(|left| left.to_string()).unwrap_or_default(), made)
    }

    #[test]
    fn an_open_file_is_told() {
        let (told, _file) = told_of(|| File::open("/dev/full").unwrap());
        assert!(told.contains("descriptor /dev/full (0 before, 1 now)"), "{told}");
    }

    #[test]
    fn a_child_is_told_also_when_it_has_ended_until_somebody_waits_for_it() {
        let start = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (told, mut child) = told_of(start);
        assert!(told.contains(&format!("child process {} ", child.id())), "{told}");
        let before = Stock::now().unwrap();
        child.wait().unwrap();
        assert!(!told_of(|| ()).0.contains(&format!("child process {} ", child.id())));
        before.comes_back().unwrap();
    }

    #[test]
    fn threads_and_their_stacks_are_told() {
        let (end, ended) = channel::<()>();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
        let start = |_| {
            let ended = std::sync::Arc::clone(&ended);
            let wait = move || ended.lock().unwrap().recv().unwrap_or_default();
            thread::Builder::new().name("counted".to_owned()).spawn(wait).unwrap()
        };
        let (told, threads) = told_of(|| (0..100).map(start).collect::<Vec<_>>());
        assert!(told.contains("thread counted (0 before, "), "{told}");
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
