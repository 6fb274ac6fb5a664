//! A process's handle on a queue: shared by its threads, with the memory where an unbounded
//! queue's items wait for a slot.
//!
//! ```text
//!   thread 1: put ──▶ ┌───────────┐ a slot is free, nothing waits ──▶ slot
//!   thread 2: put ──▶ │  handle   │ else ──▶ overflow ──▶ feeder thread ──▶ slot
//!                     └───────────┘                 └──▶ last drop, exit ──▶ left behind
//! ```
//!
//! A process ends in the way that runs destructors, or by [`std::process::exit`], which doesn't and
//! leaves other threads running: both leave waiting items behind. A kill or an abort can't.
//!
//! The C library's `atexit` calls us for that, on Windows the loader.
//!
//! # Lock order
//!
//! `overflow`, then either `FED` or the locks of the participant; `overflow` is never locked while
//! `FED` is held. When the process exits, another thread may hold either: see `sys::lock_at_exit`.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use std::{mem, process, thread};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::queue::error::Error;
use crate::queue::memory::{Kind, MOST};
use crate::queue::participant::Participant;
use crate::queue::raw::{Failed, Until};
use crate::queue::ring::Owner;
use crate::sys::shared::{self as sys, Opening};

/// Interval at which a wait for the feeder checks that another handle is left.
const LOOK: Duration = Duration::from_millis(100);

/// Id of the process that has registered its exit function: a fork's copy has another.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// Queues that have had a feeder, for the exit of this process.
static FED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// True once this process exits, and feeds no more items. Set before `FED` is read, so a put that
/// registers too late sees it.
static EXITING: AtomicBool = AtomicBool::new(false);

/// A handle on a queue; the clones in one process share a participant.
pub(crate) struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    participant: Participant,
    /// Id of the process that made this, to tell it from a fork's copy.
    process: u32,
    /// Number of handles in this process, without the feeder's.
    handles: AtomicUsize,
    overflow: Mutex<Overflow>,
    /// Signalled when the overflow has become empty.
    flushed: Condvar,
}

/// Items that have found no slot.
#[derive(Default)]
struct Overflow {
    messages: VecDeque<Box<[u8]>>,
    /// True while a feeder is running, which it is as long as there are messages.
    feeding: bool,
    /// True if the end of the process may lose the messages.
    cancelled: bool,
    /// True while messages are being left behind: the feeder would put later ones before them.
    leaving: bool,
}

impl Overflow {
    /// Removes the first messages, which wait no more.
    fn forget(&mut self, count: usize, participant: &Participant) {
        self.messages.drain(..count);
        participant.count_waiting(-i64::try_from(count).unwrap_or(0));
    }
}

impl Handle {
    /// Creates a queue.
    pub(crate) fn create(capacity: usize, kind: Kind) -> Result<Self, Error> {
        match u32::try_from(capacity) {
            Ok(0) => Err(Error::NoPlaces),
            Ok(capacity) if capacity <= MOST => {
                Participant::create(capacity, kind).map(Self::new).map_err(Error::System)
            }
            _ => Err(Error::TooManyPlaces { places: capacity, most: MOST }),
        }
    }

    /// Takes part through an opening that has this number.
    pub(crate) fn open(opening: Opening, number: Owner) -> io::Result<Self> {
        Participant::attach(opening, number).map(Self::new)
    }

    fn new(participant: Participant) -> Self {
        let shared = Shared {
            participant,
            process: process::id(),
            handles: AtomicUsize::new(1),
            overflow: Mutex::default(),
            flushed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn participant(&self) -> &Participant {
        &self.shared.participant
    }

    pub(crate) fn get<T>(
        &self,
        until: Until,
        record: impl FnOnce(u64, &[u8]),
        taken: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failed> {
        let alone = || self.is_alone() && !self.shared.overflow().feeding;
        self.participant().get(until, alone, record, taken)
    }

    /// Puts a message; returns its sequence number, if it is in a slot already.
    pub(crate) fn put(&self, message: &[u8], until: Until) -> Result<Option<u64>, Failed> {
        let participant = self.participant();
        if participant.is_bounded() {
            return participant.put(message, until, || self.is_alone()).map(Some);
        }
        participant.check_length(message)?;
        let mut overflow = self.shared.overflow();
        if overflow.messages.is_empty() && !EXITING.load(Ordering::Acquire) {
            match participant.put(message, Until::Now, || false) {
                Err(Failed::Blocked) => {}
                done => return done.map(Some),
            }
        }
        if !overflow.feeding {
            let shared = Arc::clone(&self.shared);
            leave_behind_at_exit(&shared);
            let feeder = thread::Builder::new().name(String::from("queue-feeder"));
            feeder.spawn(move || shared.feed()).map_err(Failed::System)?;
            overflow.feeding = true;
        }
        overflow.messages.push_back(message.into());
        participant.count_waiting(1);
        if EXITING.load(Ordering::Acquire) {
            self.shared.leave_behind(overflow);
        }
        Ok(None)
    }

    pub(crate) fn cancel_join_thread(&self) {
        self.shared.overflow().cancelled = true;
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        let mut overflow = self.shared.overflow();
        while !overflow.messages.is_empty() {
            if self.is_last() && self.participant().is_last_to_get() {
                return Err(Error::Disconnected);
            }
            let waited = self.shared.flushed.wait_timeout(overflow, LOOK);
            overflow = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    pub(crate) fn join(&self) -> Result<u64, Error> {
        // A running feeder will put an item into a free slot, or has just done so.
        let stuck = || self.participant().ring().count().1 > 0 || !self.shared.overflow().feeding;
        self.participant().join(|| self.is_alone() && stuck())
    }

    /// Returns true if there is no other handle, in this process or another.
    fn is_alone(&self) -> bool {
        self.is_last() && self.participant().is_alone()
    }

    /// Returns true if there is no other handle in this process.
    fn is_last(&self) -> bool {
        self.shared.handles.load(Ordering::Acquire) <= 1
    }
}

/// Registers a queue whose waiting items are left behind when this process exits.
fn leave_behind_at_exit(shared: &Arc<Shared>) {
    PROCESS.get_or_init(|| {
        sys::at_exit(exit, end_of_main);
        process::id()
    });
    let mut fed = FED.lock().unwrap_or_else(PoisonError::into_inner);
    let this = Arc::downgrade(shared);
    fed.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&this));
    fed.push(this);
}

/// Leaves waiting items behind at the exit of this process, where only this thread is sure to go
/// on.
extern "C" fn exit() {
    // A fork's copy may have the locks in any state, and has nothing to leave behind.
    if PROCESS.get() != Some(&process::id()) {
        return;
    }
    EXITING.store(true, Ordering::Release);
    // `FED` is unlocked before `overflow` is locked: a put that registers locks them the other way.
    let fed = sys::lock_at_exit(&FED).map(|mut fed| mem::take(&mut *fed)).unwrap_or_default();
    for shared in fed.iter().filter_map(Weak::upgrade) {
        shared.participant.leave();
        if let Some(overflow) = sys::lock_at_exit(&shared.overflow) {
            shared.leave_behind(overflow);
        }
    }
}

/// Leaves waiting items behind after the body of `multiprocess::main`, or a child's function; the
/// process may still go on. For systems that don't always call [`exit`].
fn end_of_main() {
    let fed: Vec<_> = FED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for shared in fed.iter().filter_map(Weak::upgrade) {
        if !shared.participant.is_last_to_get() {
            shared.leave_behind(shared.overflow());
        }
    }
}

impl Shared {
    fn overflow(&self) -> MutexGuard<'_, Overflow> {
        self.overflow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves all waiting items behind, if another process could get them.
    fn leave_behind(&self, mut overflow: MutexGuard<'_, Overflow>) {
        let participant = &self.participant;
        let mut has_left = false;
        overflow.leaving = true;
        while let Some(first) = overflow.messages.front() {
            let waiting = overflow.messages.len();
            if overflow.cancelled {
                overflow.forget(waiting, participant);
            } else if participant.is_last_to_get() {
                overflow.forget(waiting, participant);
                // Not by `eprintln!`, which panics if standard error is closed.
                let _ = writeln!(
                    io::stderr(),
                    "a queue was dropped with {waiting} items in it that nobody was left to get"
                );
            } else if let Ok(left @ 1..) = participant.leave_behind(&overflow.messages) {
                overflow.forget(left, participant);
                has_left = true;
            } else if !has_left && participant.put(first, Until::Now, || false).is_ok() {
                overflow.forget(1, participant);
            } else {
                // Another process is leaving its items, or there is no memory now: try again.
                let waited = self.flushed.wait_timeout(overflow, LOOK);
                overflow = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        overflow.leaving = false;
        drop(overflow);
        // The feeder may be waiting for a slot, and keeps this participant alive.
        participant.room().notify_all();
    }

    /// Puts waiting items into slots, in order, until none is left: the feeder thread.
    fn feed(&self) {
        loop {
            let mut overflow = self.overflow();
            if overflow.leaving {
                overflow.feeding = false;
                return;
            }
            // Under the lock, so that an item either waits here or is in a slot for all observers.
            let put = match overflow.messages.front() {
                Some(message) => self.participant.put(message, Until::Now, || false).map(|_| ()),
                None => Ok(()),
            };
            match put {
                Err(Failed::Blocked) => {
                    drop(overflow);
                    self.participant.wait_for_room(|| self.overflow().messages.is_empty());
                    continue;
                }
                Err(Failed::System(_) | Failed::TooLong { .. }) => {
                    // No memory, or a limit of file sizes: that may change.
                    drop(overflow);
                    thread::sleep(LOOK);
                    continue;
                }
                _ => {}
            }
            if overflow.messages.pop_front().is_some() {
                self.participant.count_waiting(-1);
            }
            if overflow.messages.is_empty() {
                overflow.feeding = false;
                self.flushed.notify_all();
                return;
            }
        }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Leaves waiting items behind with the last handle of a process, if another could get them.
impl Drop for Handle {
    fn drop(&mut self) {
        let shared = &self.shared;
        if shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 && shared.process == process::id() {
            shared.participant.leave();
            shared.leave_behind(shared.overflow());
        }
    }
}

/// A queue on its way to a new process, with the number it has there.
#[derive(Serialize, Deserialize)]
struct Invitation {
    opening: Opening,
    number: Owner,
}

fn refuse(reason: io::Error) -> String {
    format!("a queue can't be handed over: {reason}")
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let invited = self.participant().invite();
        let (opening, number) = invited.map_err(refuse).map_err(ser::Error::custom)?;
        Invitation { opening, number }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Invitation { opening, number } = Invitation::deserialize(deserializer)?;
        Self::open(opening, number).map_err(refuse).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "participant {}", self.participant().me())
    }
}
