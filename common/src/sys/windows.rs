//! What Windows has: handles instead of descriptors, jobs instead of process groups, a console
//! instead of signals.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::time::Duration;

use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SystemProcessInformation,
};
use windows_sys::Win32::Foundation::{
    FILETIME, HANDLE, INVALID_HANDLE_VALUE, LocalFree, STATUS_INFO_LENGTH_MISMATCH,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation,
    QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, GetCurrentProcess, GetCurrentThreadId, GetProcessAffinityMask,
    GetProcessHandleCount, GetProcessTimes, GetThreadDescription, OpenThread,
    SetProcessAffinityMask, THREAD_QUERY_LIMITED_INFORMATION,
};
use windows_sys::Win32::System::WindowsProgramming::{
    SYSTEM_PROCESS_INFORMATION, SYSTEM_THREAD_INFORMATION,
};
use windows_sys::core::BOOL;

use super::Inventory;

/// The exit codes of processes that are ended from outside: their last digits are the number of the
/// signal that this would be on Unix.
const KILLED: u32 = 0x1_0009;
const TERMINATED: u32 = 0x1_000f;

/// Turns what a function of Windows returns, 0 for a failure, into a result.
pub(super) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the handle that a function of Windows has just made, if it has.
#[expect(unsafe_code, reason = "a handle gets its owner")]
fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nothing else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

#[expect(unsafe_code, reason = "functions of Windows")]
pub(crate) fn clock() -> Duration {
    let (mut ticks, mut frequency) = (0, 1);
    // SAFETY: both only write the number.
    unsafe {
        QueryPerformanceCounter(&mut ticks);
        QueryPerformanceFrequency(&mut frequency);
    }
    let nanoseconds = i128::from(ticks) * 1_000_000_000 / i128::from(frequency);
    Duration::from_nanos(nanoseconds as u64)
}

/// A tick of the system's clock is 15.625 ms long.
pub(crate) const CPU_TICK: Duration = Duration::from_millis(16);

#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn cpu_time() -> Duration {
    let [mut begin, mut end, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: it only writes the four times.
    unsafe { GetProcessTimes(GetCurrentProcess(), &mut begin, &mut end, &mut kernel, &mut user) };
    let of = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos((of(kernel) + of(user)) * 100)
}

/// A process, as the system lists it.
struct Listed {
    id: usize,
    parent: usize,
    /// Bytes in RAM.
    resident: usize,
    threads: Vec<ListedThread>,
}

struct ListedThread {
    id: usize,
    /// How often it was given a core; 0 if the system doesn't count.
    switches: u32,
}

/// Lists all processes with their threads. The documented functions tell no more than a part of it.
#[expect(unsafe_code, reason = "a function of Windows that fills memory with structs")]
fn processes() -> io::Result<Vec<Listed>> {
    const THREAD: usize = size_of::<SYSTEM_THREAD_INFORMATION>();
    let (mut memory, mut needed) = (Vec::new(), 1 << 18);
    loop {
        // Room for what is started in between.
        memory.resize(needed as usize + (1 << 15), 0_u8);
        let room = memory.len() as u32;
        // SAFETY: it writes no more than the memory has.
        let status = unsafe {
            let memory = memory.as_mut_ptr().cast();
            NtQuerySystemInformation(SystemProcessInformation, memory, room, &mut needed)
        };
        match status {
            STATUS_INFO_LENGTH_MISMATCH => {}
            0.. => break,
            _ => return Err(io::Error::other(format!("NtQuerySystemInformation: {status:#x}"))),
        }
    }
    let (mut all, mut offset) = (Vec::new(), 0);
    loop {
        let process: SYSTEM_PROCESS_INFORMATION = read(&memory[offset..]);
        let threads = &memory[offset + size_of_val(&process)..];
        let thread = |number: u32| {
            let thread: SYSTEM_THREAD_INFORMATION = read(&threads[number as usize * THREAD..]);
            // The fields that are called reserved have names in other headers.
            ListedThread { id: thread.ClientId.UniqueThread.addr(), switches: thread.Reserved3 }
        };
        all.push(Listed {
            id: process.UniqueProcessId.addr(),
            parent: process.Reserved2.addr(),
            resident: process.WorkingSetSize,
            threads: (0..process.NumberOfThreads).map(thread).collect(),
        });
        match process.NextEntryOffset {
            0 => return Ok(all),
            next => offset += next as usize,
        }
    }
}

/// Reads a struct of Windows that begins there, aligned or not.
#[expect(unsafe_code, reason = "bytes become a struct")]
fn read<T: Copy>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>());
    // SAFETY: it is all there, and has only numbers and pointers, which are not followed.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

/// Finds this process in the list.
fn this(all: &[Listed]) -> io::Result<&Listed> {
    let found = all.iter().find(|process| process.id == std::process::id() as usize);
    found.ok_or_else(|| io::Error::other("the system doesn't list this process"))
}

#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn context_switches() -> io::Result<u64> {
    // SAFETY: it needs nothing.
    let id = unsafe { GetCurrentThreadId() } as usize;
    match this(&processes()?)?.threads.iter().find(|thread| thread.id == id) {
        // It has a core just now.
        Some(ListedThread { switches: 0, .. }) => {
            let text = "this system doesn't count the context switches of a thread";
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
        Some(ListedThread { switches, .. }) => Ok(u64::from(*switches)),
        None => Err(io::Error::other("the system doesn't list this thread")),
    }
}

/// Returns the cores of this process, and all of the machine, a bit for each.
#[expect(unsafe_code, reason = "a function of Windows")]
fn masks() -> io::Result<(usize, usize)> {
    let (mut process, mut system) = (0, 0);
    // SAFETY: it only writes the numbers.
    check(unsafe { GetProcessAffinityMask(GetCurrentProcess(), &mut process, &mut system) })?;
    Ok((process, system))
}

/// Returns whether all of a file system can be written out: here never.
pub(crate) fn write_out(_: &File) -> bool {
    false
}

pub(crate) fn usable_cores() -> io::Result<Vec<usize>> {
    let (process, _) = masks()?;
    Ok((0..usize::BITS as usize).filter(|core| process >> core & 1 == 1).collect())
}

#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn bind_to(cores: &[usize]) -> io::Result<()> {
    let bits = cores.iter().filter(|core| **core < usize::BITS as usize).map(|core| 1 << core);
    let mask = bits.fold(0, |all: usize, one: usize| all | one) & masks()?.1;
    if mask == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it takes a number.
    check(unsafe { SetProcessAffinityMask(GetCurrentProcess(), mask) })
}

#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn inventory() -> io::Result<Inventory> {
    let mut handles = 0;
    // SAFETY: it only writes the number.
    check(unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut handles) })?;
    let all = processes()?;
    let this = this(&all)?;
    // One that has ended may be listed as long as there is a handle to it, without threads.
    let is_child = |other: &&Listed| other.parent == this.id && !other.threads.is_empty();
    Ok(Inventory {
        descriptors: vec!["handle".to_owned(); handles as usize],
        threads: this.threads.iter().filter_map(|thread| thread_name(thread.id as u32)).collect(),
        children: all.iter().filter(is_child).map(|child| child.id as u32).collect(),
        ..Inventory::default()
    })
}

/// Returns the name of a thread that has not ended.
#[expect(unsafe_code, reason = "a function of Windows that returns a text")]
fn thread_name(thread: u32) -> Option<String> {
    // SAFETY: it takes numbers.
    let thread = own(unsafe { OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, thread) }).ok()?;
    let mut text = ptr::null_mut();
    // SAFETY: it writes the pointer to a text that ends with 0 and is ours to free.
    unsafe {
        if GetThreadDescription(thread.as_raw_handle(), &mut text) < 0 || text.is_null() {
            return Some(String::new());
        }
        let length = (0..).take_while(|place| *text.add(*place) != 0).count();
        let name = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(name)
    }
}

/// Returns how many KiB of this process are in RAM.
pub(crate) fn resident() -> io::Result<u64> {
    Ok(this(&processes()?)?.resident as u64 / 1024)
}

/// Returns none: only the memory that handles take limits them.
pub(crate) fn raise_file_limit() -> Option<u64> {
    None
}

/// A job: all processes that are in it, and those that they start.
#[derive(Debug)]
pub(crate) struct Group(OwnedHandle);

impl Group {
    #[expect(unsafe_code, reason = "functions of Windows")]
    pub(crate) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        // SAFETY: a job without name and with the usual rights needs nothing.
        let group = Self(own(unsafe { CreateJobObjectW(ptr::null(), ptr::null()) })?);
        group.ends_with_its_last_handle(true)?;
        // In a new group the console's Ctrl-C is ignored.
        let mut child = command.creation_flags(CREATE_NEW_PROCESS_GROUP).spawn()?;
        // Between these two calls the child is in no job: what it starts so soon isn't either, and
        // if this process is killed just then, the child goes on. A program needs longer to be
        // loaded. Only CreateProcessW itself could close the gap, without std.
        // SAFETY: both handles are open.
        let put = check(unsafe { AssignProcessToJobObject(group.handle(), child.as_raw_handle()) });
        // A process that has ended can't be put into a job.
        if put.is_err() && child.try_wait()?.is_none() {
            child.kill()?;
            child.wait()?;
            put?;
        }
        Ok((child, group))
    }

    fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Has the system kill all in the job when the last handle to it is closed, or not.
    #[expect(unsafe_code, reason = "a function of Windows")]
    fn ends_with_its_last_handle(&self, ends: bool) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        let flags = if ends { JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE } else { 0 };
        limits.BasicLimitInformation.LimitFlags = flags;
        let (class, size) = (JobObjectExtendedLimitInformation, size_of_val(&limits) as u32);
        let limits = (&raw const limits).cast();
        // SAFETY: the struct belongs to the class, and lives until the call returns.
        check(unsafe { SetInformationJobObject(self.handle(), class, limits, size) })
    }

    pub(crate) fn terminate(&self) {
        self.end(TERMINATED);
    }

    pub(crate) fn kill(&self) {
        self.end(KILLED);
    }

    #[expect(unsafe_code, reason = "a function of Windows")]
    fn end(&self, code: u32) {
        // SAFETY: the handle is open.
        unsafe { TerminateJobObject(self.handle(), code) };
    }

    #[expect(unsafe_code, reason = "a function of Windows")]
    pub(crate) fn is_empty(&self) -> bool {
        let mut counts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let (class, size) = (JobObjectBasicAccountingInformation, size_of_val(&counts) as u32);
        let to = (&raw mut counts).cast();
        // SAFETY: the struct belongs to the class, and lives until the call returns.
        let told =
            unsafe { QueryInformationJobObject(self.handle(), class, to, size, ptr::null_mut()) };
        told != 0 && counts.ActiveProcesses == 0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It can't fail: the job is ours.
        let _ = self.ends_with_its_last_handle(false);
    }
}
