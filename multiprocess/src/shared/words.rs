//! Words that processes share.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::sys::shared::{self as sys, Block, Mapping, SharedMemory};

/// Words of 64 bits that processes share, all 0 at first. Like a queue, they can be handed to a new
/// process among its arguments. A clone is the same words. Python:
/// `multiprocessing.RawArray("Q", count)`.
///
/// ```
/// use std::sync::atomic::Ordering;
/// use std::time::Duration;
///
/// let words = multiprocess::queue::Words::new(3)?;
/// let sleeper = words.clone();
/// let sleeper = std::thread::spawn(move || {
///     while sleeper[2].load(Ordering::Acquire) == 0 {
///         sleeper.sleep_while(2, 0, Duration::from_secs(1));
///     }
/// });
/// words[2].store(7, Ordering::Release);
/// words.wake(2, 1);
/// sleeper.join().expect("it doesn't panic");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Words(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mapping: Mapping,
    block: Block,
}

impl Words {
    /// Makes this many words, all of them 0. Python: `RawArray("Q", count)`. The system has
    /// reserved their memory: writing there never fails.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for them.
    pub fn new(count: usize) -> io::Result<Self> {
        let bytes = count.saturating_mul(size_of::<AtomicU64>()) as u64;
        sys::check_memory(bytes)?;
        let block = Block::create(bytes)?;
        block.reserve(0, bytes)?;
        Self::open(block, count)
    }

    fn open(block: Block, count: usize) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared { mapping: block.map(count)?, block })))
    }

    /// Sleeps at the word with this index until [woken](Self::wake), but no longer than `at_most`,
    /// and not at all if the lower half of the word has another value by now. A signal ends the
    /// sleep, too: look again.
    ///
    /// # Panics
    /// If there is no such word.
    pub fn sleep_while(&self, index: usize, lower_half: u32, at_most: Duration) {
        self.0.block.sleep(index, sys::half(&self[index]), lower_half, at_most);
    }

    /// Wakes at most this many of the threads that sleep at the word with this index, in any
    /// process; returns how many there were. On Windows more may be woken, and a thread that is
    /// just about to sleep there, or to leave, is counted, too.
    ///
    /// # Panics
    /// If there is no such word.
    pub fn wake(&self, index: usize, most: u32) -> usize {
        self.0.block.wake(index, sys::half(&self[index]), most)
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        self.0.mapping.words()
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sent<'a>(&'a Block, usize);
        Sent(&self.0.block, self.len()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Received(Block, usize);
        let Received(block, count) = Received::deserialize(deserializer)?;
        let opened = Self::open(block, count);
        opened.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_sleeps_at_a_word_is_woken_and_who_comes_late_does_not_sleep() {
        let _deadline = testing::Deadline::seconds(60);
        let words = Words::new(2).unwrap();
        let sleeper = words.clone();
        let sleeper = thread::spawn(move || {
            while sleeper[1].load(Ordering::Acquire) == 0 {
                sleeper.sleep_while(1, 0, LONG);
            }
        });
        assert_eq!(words.wake(0, 1), 0, "nobody sleeps at the other word");
        // The thread has gone to sleep once there is one to be woken.
        while words.wake(1, 1) == 0 {
            thread::yield_now();
        }
        words[1].store(7, Ordering::Release);
        words.wake(1, 1);
        sleeper.join().unwrap();
        words.sleep_while(1, 0, LONG);
    }

    #[test]
    fn more_words_than_there_is_memory_are_an_error() {
        // Some of these numbers would wrap to a few bytes.
        for count in [1 << 60, usize::MAX / 8 + 2, usize::MAX] {
            assert!(Words::new(count).is_err(), "{count}");
        }
        let block = Block::create(64).unwrap();
        assert!(block.map(usize::MAX / 8 + 2).is_err());
    }
}
