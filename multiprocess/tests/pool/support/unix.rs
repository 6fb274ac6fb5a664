//! What the tests need of Linux and macOS.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use common::testing::{Other, Signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Ends this process by the signal of this number.
pub(crate) fn end_by_signal(number: i32) -> ! {
    let this = Other::of(std::process::id()).unwrap();
    let signal = Signal::from_named_raw(number).unwrap();
    // Rust's own handler of SIGSEGV takes the first for no fault of ours.
    loop {
        this.signal(signal);
    }
}

/// From now on only SIGKILL ends this process.
pub(crate) fn ignore_sigterm() {
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::default()).unwrap();
}

/// All other processes go before this one from now on.
pub(crate) fn give_way_to_all() {
    rustix::process::nice(19).unwrap();
}

/// How long the calling thread has worked: the same whatever else the machine does.
pub(crate) fn work_of_this_thread() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// The memory of a process that is in RAM, in KiB.
#[cfg(target_os = "linux")]
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The memory of a process that is in RAM, in KiB.
#[cfg(target_os = "macos")]
pub(crate) fn resident(pid: u32) -> u64 {
    let mut ask = std::process::Command::new("ps");
    let told = ask.args(["-o", "rss=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
}

/// Changes how many descriptors this process may have, within what the system lets it.
pub(crate) fn limit_descriptors(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = maximum.map_or(most, |maximum| most.min(maximum));
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).unwrap();
}

/// What the descriptors of this process are, sorted.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    // The one of read_dir itself has gone by the time we ask, or is a folder of processes.
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let targets = targets.map(|target| target.to_string_lossy().into_owned());
    let mut all: Vec<String> = targets.filter(|target| !target.starts_with("/proc/")).collect();
    all.sort();
    all
}

/// The numbers of the descriptors of this process, sorted.
#[cfg(target_os = "macos")]
pub(crate) fn descriptors() -> Vec<String> {
    let names = fs::read_dir("/dev/fd").unwrap().map(|entry| entry.unwrap().file_name());
    let mut all: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    all.sort();
    all
}
