//! Windows: a section for the words, a named event for each member; for a queue, too, a sparse
//! temporary file for the windows and a semaphore for each event count. The system closes the
//! handles of a killed process, and an object goes, with its name, when the last handle to it is
//! closed.
//!
//! ```text
//!   member ──┬── section: words                       no name
//!            ├── event Local\member-<random>-<number>  lives as long as a handle to it
//!            │   of a queue:
//!            ├── temporary file: windows              no other process can open it
//!            └── three semaphores: event counts       no names
//! ```
//!
//! **Numbers.** To take a number is to create the event of its name: of two participants that try,
//! one is told that the event exists already. To ask for a number is to open that event. A handle
//! that either call returns for an existing event is closed at once; but as long as it is open, a
//! dead participant seems to be alive. That is the safe mistake: a repair comes with the next
//! thorough look, and no number is ever two openings'. The random part, of 128 bits, keeps queues
//! apart, also from a program that would make their names on purpose; `Local\` are the names of one
//! session, which parents and children share.
//!
//! **Event counts.** A semaphore holds one token at most. A wake-up lets a sleeper go, or leaves
//! the token for the next thread that comes, or is refused because the token is there: then no
//! thread sleeps, and `wake` may say so. Is a wake-up lost then? A thread that has looked at the
//! word but does not sleep yet finds the token: no. But of two such threads only one finds it, and
//! the other would sleep on although there is something for it. So a thread that has taken a token
//! takes it for all wake-ups that it may stand for, and `sleep` says so. If the thread finds
//! something, it makes the word odd again, and wakes one more if there is more
//! (`EventCount::pass_on`), which does the same. If it finds nothing, it goes to sleep again, and
//! makes the word odd before its last look. In both cases later work is notified of. A token that
//! is left over costs one look in vain; one that a killed thread has taken costs the others up to
//! 100 ms, as a wake-up does on every system.

use std::ffi::c_void;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{NonNull, null, null_mut};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use crate::process::ends::OwnedEnd;
use crate::process::handover;
use serde::{Deserialize, Serialize};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, HANDLE,
    INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_WRITE, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, PAGE_READWRITE,
    UnmapViewOfFile,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateSemaphoreW, INFINITE, OpenEventW, OpenSemaphoreW, ReleaseSemaphore,
    SEMAPHORE_MODIFY_STATE, SYNCHRONIZATION_SYNCHRONIZE, WaitForSingleObject,
};

use super::{Participation, SharedMemory, wake_each};

/// Number of event counts of a queue.
const EVENT_COUNTS: usize = 3;

/// Returns the size of the largest file, in bytes: half of what NTFS has.
pub(crate) fn file_size_limit() -> u64 {
    8 << 40
}

/// Function to call when the process exits.
static AT_EXIT: OnceLock<extern "C" fn()> = OnceLock::new();

/// True once the system has ended all other threads.
static IS_LAST_THREAD: AtomicBool = AtomicBool::new(false);

/// Callback of the system for the beginning and end of threads and of the process. `ExitProcess`,
/// by which Rust exits, doesn't run the functions of the C library's `atexit`.
#[expect(unsafe_code, reason = "the loader finds it by its section")]
#[used]
#[unsafe(link_section = ".CRT$XLC")]
static CALLBACK: extern "system" fn(*mut c_void, u32, *mut c_void) = exit;

extern "system" fn exit(_module: *mut c_void, reason: u32, _reserved: *mut c_void) {
    const DLL_PROCESS_DETACH: u32 = 0;
    if let (DLL_PROCESS_DETACH, Some(run)) = (reason, AT_EXIT.get()) {
        IS_LAST_THREAD.store(true, Ordering::Relaxed);
        run();
    }
}

/// Registers a function to be called when the process exits: by [`std::process::exit`], where the
/// system has ended all other threads before, whatever they were doing. As Wine 8 leaves that out,
/// `end_of_main` is called after the body of `multiprocess::main`, or a child's function.
pub(crate) fn at_exit(run: extern "C" fn(), end_of_main: fn()) {
    let _ = AT_EXIT.set(run);
    // The linker would drop a static that nothing refers to.
    black_box(&CALLBACK);
    crate::process::at_exit(end_of_main);
}

/// Locks in a function that [`at_exit`] has called; `None` if an ended thread held the lock.
pub(crate) fn lock_at_exit<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    if !IS_LAST_THREAD.load(Ordering::Relaxed) {
        return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A handle that can go to a new process.
#[derive(Debug, Serialize, Deserialize)]
struct Handed(#[serde(with = "handover")] OwnedHandle);

impl Handed {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

/// A section of the paging file, and the random part of the names that belong to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Block {
    section: Handed,
    name: u128,
}

impl Block {
    fn name_of(&self, what: &str, number: usize) -> Vec<u16> {
        format!("Local\\{what}-{:032x}-{number}\0", self.name).encode_utf16().collect()
    }
}

/// A thread that sleeps at a word has the word's semaphore open: the semaphore exists only while a
/// thread sleeps, or is about to.
impl SharedMemory for Block {
    fn create(bytes: u64) -> io::Result<Self> {
        let mut name = [0; 16];
        getrandom::fill(&mut name)?;
        let name = u128::from_ne_bytes(name);
        Ok(Self { section: Handed(create_section(bytes)?), name })
    }

    fn reserve(&self, _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, words: usize) -> io::Result<Mapping> {
        Mapping::new(&self.section.0, words)
    }

    fn sleep(&self, index: usize, word: &AtomicU32, value: u32, timeout: Duration) {
        let Ok(semaphore) = create_semaphore(Some(&self.name_of("word", index))) else {
            // No handle is to be had: the caller looks again.
            return thread::sleep(timeout.min(Duration::from_millis(1)));
        };
        // Opened before this look: a thread that changes the word after it, and wakes, finds it.
        let changed = || {
            fence(Ordering::SeqCst);
            word.load(Ordering::SeqCst) != value
        };
        if !changed() && wait(&semaphore, timeout) && changed() {
            // The token may stand for several wake-ups, and every thread that sleeps here waits for
            // the change.
            release(&semaphore);
        }
    }

    fn wake(&self, index: usize, _word: &AtomicU32, most: u32) -> usize {
        fence(Ordering::SeqCst);
        let semaphore = open_semaphore(&self.name_of("word", index));
        semaphore.map_or(0, |semaphore| wake_each(most, || release(&semaphore)))
    }
}

/// What only a queue has.
#[derive(Debug, Serialize, Deserialize)]
struct OfQueue {
    #[serde(with = "handover")]
    windows: File,
    semaphores: [Handed; EVENT_COUNTS],
}

impl OfQueue {
    fn create() -> io::Result<Self> {
        let windows = tempfile::tempfile()?;
        // On a file system without holes, windows far out are slow, or refused.
        let _ = control(&windows, FSCTL_SET_SPARSE, &[], &mut []);
        let semaphore = || create_semaphore(None).map(Handed);
        Ok(Self { windows, semaphores: [semaphore()?, semaphore()?, semaphore()?] })
    }

    fn try_clone(&self) -> io::Result<Self> {
        let [items, room, done] = &self.semaphores;
        Ok(Self {
            windows: self.windows.try_clone()?,
            semaphores: [items.try_clone()?, room.try_clone()?, done.try_clone()?],
        })
    }
}

/// A member's opening: all parts but the mark are the same for every member.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    words: Block,
    of_queue: Option<OfQueue>,
    /// The number of this opening, and the event that marks it as taken.
    mark: Option<(u16, Handed)>,
}

impl Opening {
    fn name_of(&self, number: u16) -> Vec<u16> {
        self.words.name_of("member", number.into())
    }

    fn windows(&self) -> io::Result<&File> {
        let of_queue = self.of_queue.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Ok(&of_queue.windows)
    }

    /// Returns the semaphore of a queue's event count.
    fn semaphore(&self, event_count: usize) -> Option<&OwnedHandle> {
        self.of_queue.as_ref().map(|of_queue| &of_queue.semaphores[event_count].0)
    }
}

impl Participation for Opening {
    fn create(mapped: u64, size: u64) -> io::Result<Self> {
        let of_queue = if size > mapped { Some(OfQueue::create()?) } else { None };
        Ok(Self { words: Block::create(mapped)?, of_queue, mark: None })
    }

    /// Fails: a queue is more than a file here.
    fn of_file(_file: OwnedEnd) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn become_number(&mut self, number: u16) -> io::Result<bool> {
        self.mark = create_event(&self.name_of(number))?.map(|event| (number, Handed(event)));
        Ok(self.mark.is_some())
    }

    fn invite(&self, numbers: impl Iterator<Item = u16>) -> io::Result<Option<(Self, u16)>> {
        let mut opening = Self {
            words: Block { section: self.words.section.try_clone()?, ..self.words },
            of_queue: self.of_queue.as_ref().map(OfQueue::try_clone).transpose()?,
            mark: None,
        };
        for number in numbers {
            if opening.become_number(number)? {
                return Ok(Some((opening, number)));
            }
        }
        Ok(None)
    }

    fn while_locked<T>(&self, number: u16, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        let name = self.name_of(number);
        let mut mark = create_event(&name)?;
        if mark.is_none() {
            // Another participant may only have been asking for the number.
            thread::yield_now();
            mark = create_event(&name)?;
        }
        // Held until the work is done.
        Ok(mark.map(|_mark| work()))
    }

    fn is_any_taken(&self, numbers: Range<u16>, highest: u16) -> io::Result<bool> {
        let mine = self.mark.as_ref().map(|(number, _)| *number);
        for number in numbers.filter(|number| *number <= highest && Some(*number) != mine) {
            if is_event(&self.name_of(number))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn block(&self) -> &Block {
        &self.words
    }

    /// Does nothing: the system reserves a section when it is created, or refuses that.
    fn map(&self, words: usize) -> io::Result<Mapping> {
        self.words.map(words)
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.windows()?.seek_write(bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            (bytes, offset) = (&bytes[written..], offset + written as u64);
        }
        Ok(())
    }

    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = self.windows()?.seek_read(bytes, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (bytes, offset) = (&mut bytes[read..], offset + read as u64);
        }
        Ok(())
    }

    fn fill_at(&self, bytes: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        let from = bytes.len();
        bytes.resize(bytes.capacity(), 0);
        self.read_exact_at(&mut bytes[from..], offset)
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        control(self.windows()?, FSCTL_SET_ZERO_DATA, &[offset, offset + length], &mut []).map(drop)
    }

    fn hole_after(&self, offset: u64) -> io::Result<u64> {
        let end = self.windows()?.metadata()?.len().max(offset);
        let mut hole = offset;
        // Follows the ranges as long as they touch.
        while hole < end {
            let mut range = [0; 2];
            let query = [hole, end - hole];
            match control(self.windows()?, FSCTL_QUERY_ALLOCATED_RANGES, &query, &mut range) {
                Err(_) => return Ok(end),
                Ok(2) if range[0] <= hole && range[0] + range[1] > hole => {
                    hole = range[0] + range[1];
                }
                Ok(_) => return Ok(hole),
            }
        }
        Ok(hole)
    }

    fn sleep(&self, event_count: usize, word: &AtomicU32, value: u32, timeout: Duration) -> bool {
        let semaphore = self.semaphore(event_count);
        word.load(Ordering::SeqCst) == value && semaphore.is_some_and(|it| wait(it, timeout))
    }

    fn wake(&self, event_count: usize, _word: &AtomicU32, most: u32) -> usize {
        let semaphore = self.semaphore(event_count);
        semaphore.map_or(0, |semaphore| wake_each(most, || release(semaphore)))
    }
}

/// Takes over the handle that a call has returned, unless it has failed.
///
/// # Safety
/// The handle has no other owner, and the call was the thread's last one.
#[expect(unsafe_code, reason = "a number becomes a handle")]
unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open, and has no other owner.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

#[expect(unsafe_code, reason = "a call of the system")]
fn create_section(bytes: u64) -> io::Result<OwnedHandle> {
    let (high, low, paging_file) = ((bytes >> 32) as u32, bytes as u32, INVALID_HANDLE_VALUE);
    // SAFETY: no pointers are passed, and the handle is new.
    unsafe { own(CreateFileMappingW(paging_file, null(), PAGE_READWRITE, high, low, null())) }
}

/// Creates an event of this name; returns `None` if there is one.
#[expect(unsafe_code, reason = "a call of the system")]
fn create_event(name: &[u16]) -> io::Result<Option<OwnedHandle>> {
    // SAFETY: the name ends with 0.
    let handle = unsafe { CreateEventW(null(), 1, 0, name.as_ptr()) };
    let existed = is_last_error(ERROR_ALREADY_EXISTS);
    // SAFETY: the handle is new, even if the event isn't.
    let event = unsafe { own(handle) }?;
    // An event that existed must not live longer by this handle, which is closed here.
    Ok((!existed).then_some(event))
}

/// Returns true if there is an event of this name, which is held open during the call.
#[expect(unsafe_code, reason = "a call of the system")]
fn is_event(name: &[u16]) -> io::Result<bool> {
    // SAFETY: the name ends with 0, and the handle is new.
    match unsafe { own(OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr())) } {
        Ok(_) => Ok(true),
        Err(error) if is_error(&error, ERROR_FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a semaphore for one token, without it; or opens the existing one of this name.
#[expect(unsafe_code, reason = "a call of the system")]
fn create_semaphore(name: Option<&[u16]>) -> io::Result<OwnedHandle> {
    let name = name.map_or(null(), <[u16]>::as_ptr);
    // SAFETY: a name ends with 0, and the handle is new.
    unsafe { own(CreateSemaphoreW(null(), 0, 1, name)) }
}

#[expect(unsafe_code, reason = "a call of the system")]
fn open_semaphore(name: &[u16]) -> io::Result<OwnedHandle> {
    // SAFETY: the name ends with 0, and the handle is new.
    unsafe { own(OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, 0, name.as_ptr())) }
}

/// Waits for a token at most for the timeout; returns true if it has taken one.
#[expect(unsafe_code, reason = "a call of the system")]
fn wait(semaphore: &OwnedHandle, timeout: Duration) -> bool {
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000).min(u128::from(INFINITE - 1));
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(semaphore.as_raw_handle(), milliseconds as u32) == WAIT_OBJECT_0 }
}

/// Gives a token to a waiting thread, or leaves it there; returns false if there was one.
#[expect(unsafe_code, reason = "a call of the system")]
fn release(semaphore: &OwnedHandle) -> bool {
    // SAFETY: the handle is open, and nothing is written.
    unsafe { ReleaseSemaphore(semaphore.as_raw_handle(), 1, null_mut()) != 0 }
}

/// Sends a control code to the file's file system; returns the length of its answer in words.
#[expect(unsafe_code, reason = "a call of the system")]
fn control(file: &File, code: u32, input: &[u64], output: &mut [u64]) -> io::Result<usize> {
    let (handle, mut got) = (file.as_handle().as_raw_handle(), 0);
    let [there, back] = [input.len(), output.len()].map(|words| (words * size_of::<u64>()) as u32);
    let (from, into) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
    // SAFETY: the handle is open, both buffers have the given lengths, and any bytes are numbers.
    let done =
        unsafe { DeviceIoControl(handle, code, from, there, into, back, &raw mut got, null_mut()) };
    // The answer may be longer than the buffer, which is fine.
    if done == 0 && !is_last_error(ERROR_MORE_DATA) {
        return Err(io::Error::last_os_error());
    }
    Ok(got as usize / size_of::<u64>())
}

fn is_last_error(code: u32) -> bool {
    is_error(&io::Error::last_os_error(), code)
}

fn is_error(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// The beginning of a section, as words that all its processes share.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only ever read and written through atomics.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Send for Mapping {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps this many words of a section that is at least as long.
    #[expect(unsafe_code, reason = "the system returns an address")]
    fn new(section: &OwnedHandle, words: usize) -> io::Result<Self> {
        // A size that wraps would be a mapping shorter than its words; 0 would mean all.
        let size = words.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let section = section.as_raw_handle();
        // SAFETY: a new mapping at an address of the system's choice overlaps no other memory. The
        // call fails if the section is shorter.
        let view = unsafe { MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, size.max(1)) };
        let start = NonNull::new(view.Value.cast()).ok_or_else(|| {
            let error = io::Error::last_os_error();
            if is_error(&error, ERROR_ACCESS_DENIED) {
                return io::Error::new(io::ErrorKind::InvalidData, "this is no shared memory");
            }
            error
        })?;
        Ok(Self { start, words })
    }

    /// Returns the words.
    #[inline]
    #[expect(unsafe_code, reason = "an address becomes a slice")]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: this many words are mapped, page-aligned, for as long as the mapping lives; a
        // section can't shrink, so they are always there; all processes that share them use
        // atomics.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "the counterpart of mapping")]
    fn drop(&mut self) {
        let view = MEMORY_MAPPED_VIEW_ADDRESS { Value: self.start.as_ptr().cast() };
        // SAFETY: the memory was mapped there, and every borrow of its words has ended.
        unsafe { UnmapViewOfFile(view) };
    }
}

#[cfg(test)]
mod tests {
    use testing::Deadline;

    use super::*;
    use crate::shared::event_count::EventCount;
    use crate::shared::waiters::AtEventCount;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_wake_up_that_stood_for_two_is_handed_on_if_there_is_more() {
        let _deadline = Deadline::seconds(60);
        let opening = Opening::create(1 << 16, 1 << 20).unwrap();
        let word = AtomicU32::new(1);
        let system = AtEventCount { opening: &opening, number: 0 };
        let event_count = EventCount { word: &word, system, first_nap: LONG, nap: LONG };
        for there_is_more in [true, false] {
            // Two threads are about to sleep, and are notified: there is one token for both.
            word.store(1, Ordering::SeqCst);
            event_count.notify(|| false);
            event_count.notify(|| false);
            assert_eq!(word.load(Ordering::SeqCst), 2, "none slept");
            // The first thread finds something after its sleep; would the second be woken?
            let mut is_to_sleep = false;
            let look = |thorough: bool| {
                let has_slept = is_to_sleep && !thorough;
                is_to_sleep |= thorough;
                has_slept.then_some(())
            };
            assert_eq!(event_count.sleep(None, look, || there_is_more), Some(()));
            assert_eq!(word.load(Ordering::SeqCst), 3, "it will be notified");
            let at_most = if there_is_more { LONG } else { Duration::from_millis(1) };
            assert_eq!(opening.sleep(0, &word, 3, at_most), there_is_more);
        }
    }

    #[test]
    fn a_change_of_a_word_is_seen_by_all_threads_that_sleep_there() {
        let _deadline = Deadline::seconds(60);
        let block = Block::create(64).unwrap();
        for _ in 0..50 {
            let word = AtomicU32::new(0);
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while word.load(Ordering::Acquire) == 0 {
                            block.sleep(2, &word, 0, LONG);
                        }
                    });
                }
                thread::yield_now();
                word.store(1, Ordering::Release);
                block.wake(2, &word, 1);
            });
            assert_eq!(block.wake(2, &word, 1), 0);
        }
    }
}
