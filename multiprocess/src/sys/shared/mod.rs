//! What only the operating system can do for queues and shared values: memory that processes share,
//! numbers that the kernel frees when their holder dies, sleep.
//!
//! | | Linux | macOS | Windows |
//! | --- | --- | --- | --- |
//! | words | memfd, sealed | `shm_open`, unlinked | section without a name |
//! | windows | in the same file | temporary file, unlinked | temporary file, sparse |
//! | number n | OFD lock on byte n | the same, in a file of locks | event of a name with n in it |
//! | sleep | futex | `os_sync_wait_on_address` | semaphore |
//!
//! The two traits say what each system's functions mean. Copies to and from the words differ by
//! processor (`copy.rs`).

mod copy;
mod found;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod plain;
mod reserve;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::process::ends::OwnedEnd;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(unix)]
pub(crate) use unix::{Mapping, at_exit, file_size_limit, lock_at_exit};
#[cfg(windows)]
use windows as system;
#[cfg(windows)]
pub(crate) use windows::{Mapping, at_exit, file_size_limit, lock_at_exit};

pub(crate) use copy::{load, store};
pub(crate) use found::Found;
pub(crate) use plain::{Lent, Parts, Plain, SharedWords};
pub(crate) use reserve::check_memory;
pub(crate) use system::{Block, Opening};

/// Memory that processes share: a fixed number of words, all 0 at first. The system frees it with
/// the last handle, however the holder ends. A [`Block`] can be handed to a new process.
pub(crate) trait SharedMemory: Sized {
    /// Creates a block of this many bytes.
    fn create(bytes: u64) -> io::Result<Self>;

    /// Reserves the memory of this range, in bytes, where the system hasn't done so yet: writing
    /// there never fails.
    fn reserve(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Maps the block's first words; fails if it has fewer.
    fn map(&self, words: usize) -> io::Result<Mapping>;

    /// Sleeps until woken at this word of the block, at most for the timeout, and not at all if the
    /// word has another value by now. May return spuriously.
    fn sleep(&self, index: usize, word: &AtomicU32, value: u32, timeout: Duration);

    /// Wakes at most this many of the threads that sleep at this word; returns how many there were.
    /// Where the system can't tell exactly, a thread that is about to sleep, or to leave, counts,
    /// too.
    fn wake(&self, index: usize, word: &AtomicU32, most: u32) -> usize;
}

/// A member's opening of a shared memory, and its number, which it has while it is alive.
///
/// A number is taken as long as any process has a handle to it, and free at once when the last
/// handle is closed, however the holder ends: so an [`Opening`] on its way to a new process has its
/// number already, and a killed participant has none any more.
pub(crate) trait Participation: Sized {
    /// Creates a new memory: `mapped` bytes, and a queue's windows behind them up to `size`, if
    /// that is more. The opening has no number yet. (Windows and event counts are there only
    /// together.)
    fn create(mapped: u64, size: u64) -> io::Result<Self>;

    /// Opens a queue that is nothing but this file; fails where a queue is more than a file.
    fn of_file(file: OwnedEnd) -> io::Result<Self>;

    /// Takes this number for this opening; returns false if another has it.
    fn become_number(&mut self, number: u16) -> io::Result<bool>;

    /// Opens the same memory once more, for another process, under the first of these numbers that
    /// is free.
    fn invite(&self, numbers: impl Iterator<Item = u16>) -> io::Result<Option<(Self, u16)>>;

    /// Runs the work while no opening has, or can get, this number; returns `None` if it is taken.
    /// If this process is killed meanwhile, the number is free again.
    fn while_locked<T>(&self, number: u16, work: impl FnOnce() -> T) -> io::Result<Option<T>>;

    /// Returns true if another opening has one of these numbers. Some systems ask for them one by
    /// one, up to `highest`: no number above was ever given.
    fn is_any_taken(&self, numbers: Range<u16>, highest: u16) -> io::Result<bool>;

    /// Returns the mapped part, at whose words threads can sleep.
    fn block(&self) -> &Block;

    /// Maps the memory's first words; fails if there are fewer.
    fn map(&self, words: usize) -> io::Result<Mapping>;

    /// Writes into a window.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads from a window; bytes that were never written are 0, or an error.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads from a window as much as the vector has capacity for, without clearing that first
    /// where the system can.
    fn fill_at(&self, bytes: &mut Vec<u8>, offset: u64) -> io::Result<()>;

    /// Frees the memory of this range of the windows, where the system can.
    fn punch(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Returns the offset of the first unwritten byte from `offset` on; if the system can't tell,
    /// an offset behind which nothing was written.
    fn hole_after(&self, offset: u64) -> io::Result<u64>;

    /// Sleeps until woken at this event count, at most for the timeout, and not at all if the word
    /// has another value by now. May return spuriously.
    ///
    /// Returns true if the thread has consumed a wake-up that may stand for several: then it must
    /// pass it on, because other threads may sleep on though there is something for them.
    fn sleep(&self, event_count: usize, word: &AtomicU32, value: u32, timeout: Duration) -> bool;

    /// Wakes at most this many of the threads that sleep at this event count. Returns how many
    /// there were, or one more; 0 only if none sleeps, and a thread that is about to sleep sees
    /// another value of the word, or finds a wake-up there.
    fn wake(&self, event_count: usize, word: &AtomicU32, most: u32) -> usize;
}

/// Returns the lower half of a shared word, which must not be used as a whole then.
#[inline]
#[expect(unsafe_code, reason = "two sizes of atomics share a word")]
pub(crate) fn half(word: &AtomicU64) -> &AtomicU32 {
    let index = usize::from(cfg!(target_endian = "big"));
    // SAFETY: the half lies inside the word and is aligned, and both are atomics.
    unsafe { &*std::ptr::from_ref(word).cast::<AtomicU32>().add(index) }
}

/// Wakes threads one by one until there is none; returns how many there were. Ends also if the
/// first ones are back before the last is woken.
#[cfg(not(target_os = "linux"))]
fn wake_each(most: u32, wake_one: impl Fn() -> bool) -> usize {
    const ENOUGH: u32 = 1 << 12;
    (0..most.min(ENOUGH)).take_while(|_| wake_one()).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Instant;

    use testing::Deadline;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const MAPPED: u64 = 1 << 16;
    const WINDOW: u64 = 1 << 20;

    /// Creates a queue's memory with windows of a mebibyte, opened by number 1.
    fn opening() -> Opening {
        let mut opening = Opening::create(MAPPED, MAPPED + 64 * WINDOW).unwrap();
        assert!(opening.become_number(1).unwrap());
        opening
    }

    #[test]
    fn a_number_is_taken_until_its_opening_goes_and_ones_own_is_no_others() {
        let first = opening();
        let taken = |by: &Opening, number| by.is_any_taken(number..number + 1, 9).unwrap();
        assert!(!first.is_any_taken(1..10, 9).unwrap());
        let (second, number) = first.invite(1..10).unwrap().unwrap();
        assert_eq!(number, 2);
        assert!(first.is_any_taken(1..10, 9).unwrap() && taken(&first, 2) && !taken(&first, 3));
        assert!(second.is_any_taken(1..10, 9).unwrap() && taken(&second, 1));
        assert_eq!(first.while_locked(2, || ()).unwrap(), None);
        drop(second);
        assert!(!first.is_any_taken(1..10, 9).unwrap());
        assert_eq!(first.invite(1..10).unwrap().unwrap().1, 2);
        assert!(first.invite(1..2).unwrap().is_none(), "no number is left");
    }

    #[test]
    fn a_locked_number_is_given_to_no_opening_and_free_afterwards() {
        let (first, _deadline) = (opening(), Deadline::seconds(60));
        let (other, _) = first.invite(7..8).unwrap().unwrap();
        let seen = first.while_locked(2, || {
            let refused = other.while_locked(2, || ()).unwrap().is_none();
            let (_third, number) = other.invite(2..10).unwrap().unwrap();
            (refused, number, other.is_any_taken(2..3, 9).unwrap())
        });
        assert_eq!(seen.unwrap(), Some((true, 3, true)));
        assert_eq!(other.while_locked(2, || 5).unwrap(), Some(5));
    }

    #[test]
    fn of_many_that_lock_a_number_and_ask_for_it_one_has_it_at_a_time() {
        let (first, _deadline) = (opening(), Deadline::seconds(60));
        let (busy, done) = (AtomicBool::new(false), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                let (mine, _) = first.invite(3..10).unwrap().unwrap();
                let (busy, done) = (&busy, &done);
                scope.spawn(move || {
                    while done.load(Ordering::Relaxed) < 100 {
                        let locked = mine.while_locked(2, || {
                            assert!(!busy.swap(true, Ordering::AcqRel), "another has it");
                            thread::yield_now();
                            busy.store(false, Ordering::Release);
                        });
                        done.fetch_add(locked.unwrap().map_or(0, |()| 1), Ordering::Relaxed);
                    }
                });
            }
            while done.load(Ordering::Relaxed) < 100 {
                first.is_any_taken(2..3, 9).unwrap();
            }
        });
        assert!(!first.is_any_taken(2..3, 9).unwrap());
    }

    #[test]
    fn no_two_openings_get_one_number_and_two_queues_have_nothing_in_common() {
        let (first, stranger) = (opening(), opening());
        let invite = || {
            let invited = (0..20).map(|_| first.invite(1..100).unwrap().unwrap());
            invited.collect::<Vec<_>>()
        };
        let all: Vec<_> = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(invite));
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let numbers: BTreeSet<u16> = all.iter().map(|(_, number)| *number).collect();
        assert!(numbers.into_iter().eq(2..82));
        assert!(!stranger.is_any_taken(1..100, 99).unwrap());
        assert_eq!(stranger.invite(1..100).unwrap().unwrap().1, 2);
    }

    #[test]
    fn all_openings_share_the_words_and_the_windows() {
        let first = opening();
        let (second, _) = first.invite(1..10).unwrap().unwrap();
        let (here, there) = (first.map(1024).unwrap(), second.map(8).unwrap());
        here.words()[7].store(42, Ordering::Release);
        assert_eq!(there.words()[7].load(Ordering::Acquire), 42);
        assert_eq!(here.words()[1023].load(Ordering::Acquire), 0);
        let message: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        second.write_all_at(&message, MAPPED + 40 * WINDOW).unwrap();
        let mut back = vec![0; message.len()];
        first.read_exact_at(&mut back, MAPPED + 40 * WINDOW).unwrap();
        assert!(back == message);
    }

    #[test]
    fn more_words_than_there_are_can_not_be_mapped() {
        let opening = opening();
        // On Windows a section's size is that of whole pages.
        for words in [(MAPPED + 64 * WINDOW) as usize, 1 << 60, usize::MAX / 8 + 2, usize::MAX] {
            assert!(opening.map(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_hole_begins_behind_what_was_written_and_where_it_was_taken_away() {
        let (opening, start) = (opening(), MAPPED + 3 * WINDOW);
        assert_eq!(opening.hole_after(start).unwrap(), start);
        opening.write_all_at(&vec![7; 300_000], start).unwrap();
        let end = opening.hole_after(start).unwrap();
        assert!(end >= start + 300_000 && end <= start + WINDOW, "{end}");
        assert_eq!(opening.hole_after(start + WINDOW).unwrap(), start + WINDOW);
        let punched = opening.punch(start, WINDOW);
        // Wine, and file systems without holes, can't.
        assert!(punched.is_ok() || cfg!(windows), "{punched:?}");
        if punched.is_ok() {
            let mut byte = [1];
            opening.read_exact_at(&mut byte, start).unwrap();
            assert_eq!(byte, [0]);
        }
    }

    #[test]
    fn a_sleep_at_a_word_of_another_value_returns_at_once() {
        let (opening, word, _deadline) = (opening(), AtomicU32::new(0), Deadline::seconds(60));
        assert!(!opening.sleep(0, &word, 1, LONG));
        let (block, begun) = (Block::create(64).unwrap(), Instant::now());
        let mapping = block.map(8).unwrap();
        block.sleep(3, half(&mapping.words()[3]), 1, LONG);
        // And one at a word of that value lasts.
        block.sleep(3, half(&mapping.words()[3]), 0, Duration::from_millis(5));
        opening.sleep(0, half(&mapping.words()[0]), 0, Duration::from_millis(5));
        assert!(begun.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn all_threads_that_sleep_at_a_bell_are_woken_by_another_opening() {
        let (first, _deadline) = (opening(), Deadline::seconds(60));
        let (second, _) = first.invite(1..10).unwrap().unwrap();
        let mapping = first.map(8).unwrap();
        let word = half(&mapping.words()[0]);
        thread::scope(|scope| {
            let sleepers = [(); 3].map(|()| {
                scope.spawn(|| {
                    while word.load(Ordering::Acquire) == 0 {
                        first.sleep(1, word, 0, LONG);
                    }
                })
            });
            word.store(1, Ordering::Release);
            while !sleepers.iter().all(thread::ScopedJoinHandle::is_finished) {
                second.wake(1, word, i32::MAX.cast_unsigned());
            }
        });
        // No thread sleeps any more: `wake` says so at once, or after one wake-up that is left
        // over.
        second.wake(1, word, 1);
        assert_eq!(second.wake(1, word, 1), 0);
    }
}
