//! [`Progress`]: what became of a future so far, in one byte.
//!
//! Most futures are begun and finished before any thread cares. So both are one compare-exchange
//! each, as long as the future is not *watched*: until a thread takes the lock of the future, to
//! cancel it, to sleep or to leave something there that is to be notified. That sets a bit, for
//! good, and with this bit each change is made under the lock.
//!
//! # Memory ordering
//!
//! - **Outcome.** `finish` and `set` store with Release, after the outcome was written: a thread
//!   that loads with Acquire, and sees the future done, sees the outcome.
//! - **Watching.** All threads see one order of the changes of this byte, and a read-modify-write
//!   sees the latest. Either `watch` finds the future finished, with Acquire, as above; or the
//!   exchange in `finish` fails because of the bit. Its thread then takes the lock, behind the
//!   watching thread, which set the bit under the lock, and finds what that one left there. So no
//!   notification is lost, and nothing needs `SeqCst`.
//!   (`watch` after `finish` is a read-modify-write, so it continues the release sequence. A thread
//!   that finds the bit set holds the lock under which all later changes are made.)
//! - **Beginning.** `begin` publishes nothing (Relaxed). The thread that begins a call has all that
//!   the call needs from the queue, or the handle of the future, by which it came to the call.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Pending,
    Running,
    Cancelled,
    Finished,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }
}

/// Bits of the phase.
const PHASE: u8 = 0b11;
/// Bit that is set while a thread runs callbacks.
const CALLING: u8 = 0b100;
/// Bit that is set once all changes are made under the future's lock.
const WATCHED: u8 = 0b1000;

/// The progress of a future, as seen at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress(u8);

impl Progress {
    pub(crate) fn phase(self) -> Phase {
        const PHASES: [Phase; 4] =
            [Phase::Pending, Phase::Running, Phase::Cancelled, Phase::Finished];
        PHASES[usize::from(self.0 & PHASE)]
    }

    pub(crate) fn is_done(self) -> bool {
        matches!(self.phase(), Phase::Cancelled | Phase::Finished)
    }

    pub(crate) fn is_calling(self) -> bool {
        self.0 & CALLING != 0
    }

    /// Returns true if the future is done, and no callback is running.
    pub(crate) fn is_settled(self) -> bool {
        self.is_done() && !self.is_calling()
    }
}

/// The progress of a future that goes on.
pub(crate) struct AtomicProgress(AtomicU8);

impl AtomicProgress {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Phase::Pending as u8))
    }

    #[inline]
    pub(crate) fn load(&self) -> Progress {
        Progress(self.0.load(Ordering::Acquire))
    }

    /// Makes a pending future run, unless it is watched; returns true if so.
    #[inline]
    pub(crate) fn begin(&self) -> bool {
        self.exchange(Phase::Pending, Phase::Running, Ordering::Relaxed)
    }

    /// Finishes a running future, unless it is watched; returns true if so.
    #[inline]
    pub(crate) fn finish(&self) -> bool {
        self.exchange(Phase::Running, Phase::Finished, Ordering::Release)
    }

    #[inline]
    fn exchange(&self, from: Phase, to: Phase, order: Ordering) -> bool {
        self.0.compare_exchange(from as u8, to as u8, order, Ordering::Relaxed).is_ok()
    }

    /// From here on all changes are made under the lock, which the caller holds.
    pub(crate) fn watch(&self) {
        if self.0.load(Ordering::Acquire) & WATCHED == 0 {
            self.0.fetch_or(WATCHED, Ordering::Acquire);
        }
    }

    /// Sets the progress of a watched future. The caller holds the lock.
    pub(crate) fn set(&self, phase: Phase, is_calling: bool) {
        let calling = if is_calling { CALLING } else { 0 };
        self.0.store(phase as u8 | calling | WATCHED, Ordering::Release);
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test --release -p multiprocess --lib`
#[cfg(all(test, loom))]
mod in_every_order {
    use loom::cell::UnsafeCell;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;

    /// A future, as far as its progress counts.
    struct Core {
        progress: AtomicProgress,
        /// Number of threads to notify.
        waiting: Mutex<u32>,
        outcome: UnsafeCell<u32>,
    }

    // SAFETY: the outcome is written before the future is finished, and read after. Whether that
    // is so loom checks.
    #[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
    unsafe impl Sync for Core {}

    impl Core {
        fn write(&self, outcome: u32) {
            // SAFETY: see above.
            #[expect(unsafe_code, reason = "loom's cells give pointers")]
            self.outcome.with_mut(|it| unsafe { *it = outcome });
        }

        fn read(&self) -> u32 {
            // SAFETY: see above.
            #[expect(unsafe_code, reason = "loom's cells give pointers")]
            self.outcome.with(|it| unsafe { *it })
        }

        /// Begins and finishes the future, unless it is cancelled; returns how many it notified.
        fn run(&self) -> Option<u32> {
            if !self.progress.begin() {
                let _waiting = self.waiting.lock().unwrap();
                self.progress.watch();
                if self.progress.load().phase() != Phase::Pending {
                    return None;
                }
                self.progress.set(Phase::Running, false);
            }
            self.write(7);
            if self.progress.finish() {
                return Some(0);
            }
            let mut waiting = self.waiting.lock().unwrap();
            self.progress.watch();
            self.progress.set(Phase::Finished, false);
            Some(std::mem::take(&mut *waiting))
        }

        /// Waits, unless the future is done; returns true if it waits.
        fn wait(&self) -> bool {
            let mut waiting = self.waiting.lock().unwrap();
            self.progress.watch();
            if self.progress.load().phase() == Phase::Finished {
                assert_eq!(self.read(), 7);
                return false;
            }
            *waiting += 1;
            true
        }

        fn cancel(&self) -> bool {
            let _waiting = self.waiting.lock().unwrap();
            self.progress.watch();
            let is_pending = self.progress.load().phase() == Phase::Pending;
            if is_pending {
                self.progress.set(Phase::Cancelled, false);
            }
            is_pending
        }
    }

    fn core() -> Arc<Core> {
        Arc::new(Core {
            progress: AtomicProgress::new(),
            waiting: Mutex::new(0),
            outcome: UnsafeCell::new(0),
        })
    }

    #[test]
    fn who_waits_is_notified_or_sees_the_outcome() {
        loom::model(|| {
            let core = core();
            let waits = [(); 2].map(|()| {
                let core = Arc::clone(&core);
                thread::spawn(move || core.wait())
            });
            let at_once = core.run().unwrap();
            let waits = waits.map(|thread| u32::from(thread.join().unwrap()));
            assert_eq!(waits.into_iter().sum::<u32>(), at_once);
        });
    }

    #[test]
    fn who_sees_the_future_done_without_the_lock_sees_the_outcome() {
        loom::model(|| {
            let core = core();
            let other = Arc::clone(&core);
            let looks = thread::spawn(move || {
                if other.progress.load().is_done() {
                    assert_eq!(other.read(), 7);
                }
            });
            let other = Arc::clone(&core);
            let waits = thread::spawn(move || other.wait());
            core.run().unwrap();
            looks.join().unwrap();
            waits.join().unwrap();
        });
    }

    #[test]
    fn a_future_is_cancelled_or_run() {
        loom::model(|| {
            let core = core();
            let threads = [(); 2].map(|()| {
                let core = Arc::clone(&core);
                thread::spawn(move || core.cancel())
            });
            let ran = core.run().is_some();
            let cancelled = threads.map(|thread| thread.join().unwrap());
            assert_ne!(ran, cancelled.contains(&true));
            assert_ne!(cancelled, [true, true]);
        });
    }
}
