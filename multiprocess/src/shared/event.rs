//! [`Event`]: a flag that threads of several processes wait for.
//!
//! ```text
//!   words:  number of changes: set if odd | … | event count
//!           0                                   8
//! ```
//!
//! No lock is held by any of the functions. To ask is one load; to set is one change of one word
//! (`event_word.rs`), and a wake-up of those that sleep at the event count.
//!
//! # A death at each step
//!
//! | the dead process | the last that it did | what is left | what the others see |
//! | --- | --- | --- | --- |
//! | asks | anything | nothing | nothing |
//! | sets | nothing yet | unset | nothing |
//! | | set, and woke no thread | set, and sleepers | a sleeper looks after its nap |
//! | clears | nothing yet | set | nothing |
//! | | cleared | unset | nothing |
//! | waits | announced that it sleeps, or slept | an odd event count | a wake-up in vain |
//!
//! Naps last 1 ms at first, and twice as long each time, up to 100 ms.
//!
//! # In a signal handler
//!
//! A handler interrupts a thread between any two of its steps, and the thread goes on only after
//! it. So a handler must not wait for anything that the thread may have: it takes no lock, and no
//! memory from the allocator. [`Event::set`] is an atomic read-modify-write, a fence, a load of the
//! event count, and, if that is odd, a compare-exchange and a system call that wakes. Nothing in it
//! allocates, locks or panics, and other threads, processes, deaths can't keep it: the
//! compare-exchange fails only if another thread has changed the event count meanwhile, which means
//! that this thread has made progress.
//!
//! The interrupted thread may be at any step of its own call:
//!
//! - of a wait: it finds the event set in its next look, or the event count changed, so that it
//!   doesn't sleep; the handler itself ends a sleep;
//! - of a set: both have the same effect, and each wakes all that sleep at the time of its
//!   wake-up;
//! - of a clear: its compare-exchange fails and is done again, or the set came first.
//!
//! On Linux `errno` stays as it was. On macOS the wake-up may change it, as most functions that are
//! allowed in a handler do; a handler that is written by hand keeps it for the interrupted thread.
//!
//! # Memory ordering
//!
//! That of the word stands in `event_word.rs`, that of the event count in `event_count.rs`: the
//! word is changed, then the event count is looked at, with a fence between the two; and a sleeper
//! makes the event count odd before it looks at the word.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::deadline::deadline;
use crate::shared::event_word::EventWord;
use crate::shared::members::{self, Members};
use crate::shared::waiters::{AtWord, Waiters};
use crate::spin::{Spin, Waits};

/// Index of the event's word.
const WORD: usize = 0;
/// Index of the event count at which threads sleep: on another cache line, because threads that
/// wait change it, and threads that only ask needn't notice.
const EVENT_COUNT: usize = 8;
/// Number of words.
const WORDS: usize = EVENT_COUNT + 1;

/// A flag that threads of several processes wait for: one sets it, and all that wait go on. Python:
/// `multiprocessing.Event`.
///
/// A killed process leaves nothing behind, whatever it was doing to the event: neither asking,
/// setting, clearing nor waiting takes a lock. (In Python a process that is killed while it asks or
/// waits can make all others hang.)
///
/// A clone is the same event. It can be handed to a new process among its arguments.
///
/// ```
/// use multiprocess::shared::Event;
///
/// let lights_out = Event::new()?;
/// let seen = lights_out.clone();
/// let sleeper = std::thread::spawn(move || seen.wait());
/// lights_out.set();
/// sleeper.join().expect("it doesn't panic");
/// assert!(lights_out.is_set());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Shared>);

struct Shared {
    members: Members,
    /// What this process remembers of its waits.
    spin: Spin,
}

impl Event {
    /// Makes an event that isn't set. Python: `Event()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Members::create(WORDS).map(Self::of)
    }

    fn of(members: Members) -> Self {
        Self(Arc::new(Shared { members, spin: Spin::new() }))
    }

    fn word(&self) -> EventWord<'_> {
        EventWord(&self.0.members.words()[WORD])
    }

    fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.0.members.waiters(EVENT_COUNT, &self.0.spin)
    }

    /// Sets the event: all threads that wait go on, and those that wait later don't wait. Never
    /// waits, and may be called in a signal handler. Python: `set()`.
    pub fn set(&self) {
        reach(Step::Setting);
        self.word().set();
        reach(Step::Set);
        self.waiters().notify_all();
    }

    /// Clears the event: threads wait from now on. Threads that wait since before it was set go on
    /// all the same. Python: `clear()`.
    pub fn clear(&self) {
        reach(Step::Clearing);
        self.word().clear();
        reach(Step::Cleared);
    }

    /// Returns true if the event is set. Python: `is_set()`.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.word().is_set()
    }

    /// Waits until the event is set; returns at once if it is. Returns also if it was set and
    /// cleared again meanwhile. Python: `wait()`.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits in the same way, at most for the timeout; returns true if the event is set, or was
    /// meanwhile. Python: `wait(timeout)`.
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline(timeout))
    }

    /// Waits until the deadline, or for ever; returns true if the event is set, or was meanwhile.
    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let before = self.word().changes();
        if !before.is_multiple_of(2) {
            return true;
        }
        let look = |_| (self.word().changes() != before).then_some(());
        self.waiters().wait(deadline, Waits::One, look, || true).is_some()
    }
}

/// A step after which a process may die.
#[cfg_attr(test, derive(Debug, serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// About to set the event.
    Setting = 500,
    /// The event is set, and no thread was woken.
    Set,
    /// About to clear the event.
    Clearing,
    /// The event is cleared.
    Cleared,
}

/// Marks a step. In tests a process may die here.
fn reach(_step: Step) {
    #[cfg(test)]
    crate::crash::reach(_step as u32);
}

/// Says whether it is set: `Event(set)`, `Event(unset)`.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "Event(set)" } else { "Event(unset)" })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A dead process leaves nothing behind.
        members::serialize(&self.0.members, |_| (), serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members::deserialize(WORDS, deserializer).map(Self::of)
    }
}

#[cfg(test)]
mod step_by_step;
