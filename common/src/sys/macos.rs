//! What macOS has of its own: `proc_pidinfo`.

use std::ffi::c_int;
use std::fs::File;
use std::io;

use libc::{
    PROC_PIDLISTFDS, PROC_PIDTASKINFO, PROC_PIDTHREADINFO, proc_listchildpids, proc_pidinfo,
};
use rustix::process::getpid;

use super::Inventory;

/// The flavor of `proc_pidinfo` that lists a process's threads (sys/proc_info.h).
const PROC_PIDLISTTHREADS: c_int = 6;

pub(crate) fn context_switches() -> io::Result<u64> {
    let text = "macOS counts no context switches of a thread, only of a whole process";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Returns whether all of a file system can be written out: here never.
pub(crate) fn write_out(_: &File) -> bool {
    false
}

pub(crate) fn usable_cores() -> io::Result<Vec<usize>> {
    Ok((0..std::thread::available_parallelism()?.get()).collect())
}

pub(crate) fn bind_to(cores: &[usize]) -> io::Result<()> {
    if cores.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let text = "macOS can't bind a thread or a process to cores";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

pub(crate) fn inventory() -> io::Result<Inventory> {
    let descriptors = list(|memory: &mut [[u32; 2]]| ask(PROC_PIDLISTFDS, 0, memory))?;
    let threads = list(|memory| ask(PROC_PIDLISTTHREADS, 0, memory))?;
    // libproc answers 0 where the kernel refuses; but this thread is always there.
    if descriptors.is_empty() || threads.is_empty() {
        return Err(io::Error::other("proc_pidinfo tells nothing of this process"));
    }
    Ok(Inventory {
        // Each is a number and a kind.
        descriptors: descriptors.into_iter().map(|[_, kind]| kind_of(kind)).collect(),
        threads: threads.into_iter().filter_map(thread_name).collect(),
        children: list(ask_for_children)?,
        ..Inventory::default()
    })
}

/// Returns a descriptor's kind (sys/proc_info.h).
fn kind_of(kind: u32) -> String {
    const NAMES: [&str; 7] =
        ["other", "file", "socket", "shared memory", "semaphore", "kernel queue", "pipe"];
    NAMES.get(kind as usize).unwrap_or(&NAMES[0]).to_string()
}

/// Returns the name of a thread that has not ended.
fn thread_name(thread: u64) -> Option<String> {
    let known: libc::proc_threadinfo = one(PROC_PIDTHREADINFO, thread).ok()?;
    let bytes = known.pth_name.iter().map(|byte| byte.cast_unsigned());
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns how many KiB of this process are in RAM.
pub(crate) fn resident() -> io::Result<u64> {
    let known: libc::proc_taskinfo = one(PROC_PIDTASKINFO, 0)?;
    Ok(known.pti_resident_size / 1024)
}

/// What the kernel may fill with bytes of its own: nothing but numbers.
trait Plain: Copy + Default {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for [u32; 2] {}
impl Plain for libc::proc_taskinfo {}
impl Plain for libc::proc_threadinfo {}

/// Asks for what belongs to this flavor and argument; returns how many bytes it is.
#[expect(unsafe_code, reason = "proc_pidinfo is a C function")]
fn ask<T: Plain>(flavor: c_int, argument: u64, memory: &mut [T]) -> c_int {
    let (this, size) = (getpid().as_raw_pid(), size_of_val(memory) as c_int);
    // SAFETY: it writes into the memory, no more than its size, and any bytes are a value there.
    unsafe { proc_pidinfo(this, flavor, argument, memory.as_mut_ptr().cast(), size) }
}

/// Asks for the process ids of this process's children; below 0 is an error.
#[expect(unsafe_code, reason = "proc_listchildpids is a C function")]
fn ask_for_children(memory: &mut [u32]) -> c_int {
    let (this, size) = (getpid().as_raw_pid(), size_of_val(memory) as c_int);
    // SAFETY: as above.
    unsafe { proc_listchildpids(this, memory.as_mut_ptr().cast(), size) }
}

/// Returns the struct that belongs to this flavor and argument.
fn one<T: Plain>(flavor: c_int, argument: u64) -> io::Result<T> {
    let mut known = [T::default()];
    if ask(flavor, argument, &mut known) == size_of::<T>() as c_int {
        Ok(known[0])
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Returns all items of a list: those that aren't zero. The memory was enough if its last one is.
fn list<T: Plain + PartialEq>(ask: impl Fn(&mut [T]) -> c_int) -> io::Result<Vec<T>> {
    let none = T::default();
    let mut items = vec![none; 256];
    loop {
        if ask(&mut items) < 0 {
            return Err(io::Error::last_os_error());
        }
        if items.last() == Some(&none) {
            items.retain(|item| *item != none);
            return Ok(items);
        }
        items = vec![none; 2 * items.len()];
    }
}
