//! What each operating system has in its own way, behind functions that mean the same on all of
//! them; the only unsafe code of this crate.

#[cfg(all(windows, feature = "interrupt"))]
mod console;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(all(unix, feature = "interrupt"))]
mod signals;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(windows, feature = "interrupt"))]
pub(crate) use console::listen;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;
#[cfg(all(unix, feature = "interrupt"))]
pub(crate) use signals::listen;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// Sets a variable of the environment that children started from now on get.
#[expect(unsafe_code, reason = "the C library's environment may be read by other threads")]
pub(crate) fn set_variable(name: &str, value: &str) {
    // SAFETY: whatever reads the environment in a lesson does it through `std::env` or starts a
    // process through `std`, which take the same lock as this call. On Windows it is always safe.
    unsafe { std::env::set_var(name, value) };
}

/// What a process has of the kernel, as far as the system tells.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Descriptors or handles; each is named by what it is.
    pub descriptors: Vec<String>,
    /// The names of the threads.
    pub threads: Vec<String>,
    /// The process ids of the children; on Linux also those that have ended, until they are waited
    /// for.
    pub children: Vec<u32>,
    /// The files that are mapped.
    pub mapped: Vec<String>,
    /// The number of mappings without a file.
    pub anonymous: usize,
}
