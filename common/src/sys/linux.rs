//! What Linux has of its own: `/proc`, and the cores of a thread.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::Inventory;

/// Counts how often the calling thread was taken off its core so far: because it waited, or because
/// it yielded or its time was up.
#[expect(unsafe_code, reason = "getrusage is a C function")]
pub(crate) fn context_switches() -> io::Result<u64> {
    // SAFETY: all zeros is a value of this C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the struct lives until the call returns.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usage.ru_nvcsw.cast_unsigned() + usage.ru_nivcsw.cast_unsigned())
}

/// Writes out all of the file's file system, and returns whether that can be had.
pub(crate) fn write_out(file: &File) -> bool {
    rustix::fs::syncfs(file).is_ok()
}

pub(crate) fn usable_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

pub(crate) fn bind_to(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores.iter().filter(|core| **core < CpuSet::MAX_CPU) {
        set.set(*core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

pub(crate) fn inventory() -> io::Result<Inventory> {
    let mut found = Inventory { descriptors: descriptors()?.collect(), ..Inventory::default() };
    for thread in entries("/proc/self/task")? {
        // A thread that has ended in between has no name and no children.
        let read = |file| fs::read_to_string(thread.join(file)).unwrap_or_default();
        let name = read("comm");
        if !name.is_empty() {
            found.threads.push(name.trim().to_owned());
        }
        let children = read("children");
        found
            .children
            .extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        // Five columns before it: addresses, permissions, offset, device, inode.
        match line.splitn(6, ' ').nth(5).unwrap_or_default().trim() {
            file if file.starts_with('/') => found.mapped.push(file.to_owned()),
            _ => found.anonymous += 1,
        }
    }
    Ok(found)
}

fn entries(folder: &str) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Lists what the descriptors are, without the numbers that tell one pipe from the other.
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

/// Returns how many KiB of this process are in RAM.
pub(crate) fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_waits_for_an_answer_is_switched_away() {
        let (sender, receiver) = channel::<()>();
        let (ready, is_ready) = channel();
        let waiter = thread::spawn(move || {
            let before = context_switches().unwrap();
            ready.send(rustix::thread::gettid()).unwrap();
            receiver.recv().unwrap();
            context_switches().unwrap() - before
        });
        let thread = is_ready.recv().unwrap();
        // It sleeps when the kernel says so.
        let status = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        while !fs::read_to_string(&status).unwrap().contains(") S ") {
            thread::yield_now();
        }
        sender.send(()).unwrap();
        assert!(waiter.join().unwrap() >= 1);
    }
}
