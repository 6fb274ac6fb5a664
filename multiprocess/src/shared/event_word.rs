//! The word of an event: how often it has changed. It is set if that is an odd number.
//!
//! ```text
//!   0 ──set──▶ 1 ──clear──▶ 2 ──set──▶ 3 …        set while set, clear while unset: no change
//! ```
//!
//! A thread that waits remembers the even number that it found. Any other number means that the
//! event was set since, even if it is unset by now: with a flag instead of a number, a thread that
//! sleeps while the event is set and cleared again would see nothing.
//!
//! # Memory ordering
//!
//! Each change is a Release, each look an Acquire: a thread that has waited sees what was done
//! before the event was set. All changes are read-modify-writes, which keep a release sequence
//! going: so the thread also sees that if the event was cleared, and set again, before its look.
//! In the same way a thread that finds the event unset sees what was done before it was cleared.

use crate::shared::atomic::{AtomicU64, Ordering};

/// The state of an event, as a view of its word.
#[derive(Clone, Copy)]
pub(crate) struct EventWord<'a>(pub(crate) &'a AtomicU64);

impl EventWord<'_> {
    /// Returns the number of changes.
    pub(crate) fn changes(self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn is_set(self) -> bool {
        !self.changes().is_multiple_of(2)
    }

    /// Makes it set: in one step, which never has to be repeated.
    pub(crate) fn set(self) {
        self.0.fetch_or(1, Ordering::Release);
    }

    /// Makes it unset.
    pub(crate) fn clear(self) {
        let to_even = |changes: u64| (!changes.is_multiple_of(2)).then(|| changes.wrapping_add(1));
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, to_even);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_several_sets_or_clears_is_a_change() {
        let word = AtomicU64::new(u64::MAX - 1);
        let event = EventWord(&word);
        for (change, is_set) in [(u64::MAX, true), (0, false), (1, true)] {
            for _ in 0..3 {
                if is_set {
                    event.set()
                } else {
                    event.clear()
                }
                assert_eq!((event.changes(), event.is_set()), (change, is_set));
            }
        }
    }
}

/// The word and the event count, in every interleaving.
#[cfg(all(test, loom))]
mod in_every_order {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::shared::atomic::AtomicU32;
    use crate::shared::event_count::in_every_order::System;

    struct Event {
        word: AtomicU64,
        event_count: AtomicU32,
        system: System,
        /// Accessed before the event is set by one of two threads, and after a wait.
        guards: [UnsafeCell<()>; 2],
    }

    // SAFETY: the guards hold nothing; loom only watches the accesses to them.
    #[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
    unsafe impl Sync for Event {}

    impl Event {
        fn word(&self) -> EventWord<'_> {
            EventWord(&self.word)
        }

        fn set(&self) {
            self.word().set();
            self.system.event_count(&self.event_count).notify_all();
        }

        /// Waits until the event has changed from this number.
        fn wait(&self, before: u64) {
            let look = |_| (self.word().changes() != before).then_some(());
            self.system.event_count(&self.event_count).sleep(None, look, || true).unwrap();
        }
    }

    fn model(run: impl Fn(Arc<Event>) + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            run(Arc::new(Event {
                word: AtomicU64::new(0),
                event_count: AtomicU32::new(0),
                system: System::new(true),
                guards: [UnsafeCell::new(()), UnsafeCell::new(())],
            }));
        });
    }

    fn spawn(
        event: &Arc<Event>,
        run: impl FnOnce(&Event) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let event = Arc::clone(event);
        thread::spawn(move || run(&event))
    }

    #[test]
    fn all_that_wait_go_on_although_the_event_is_cleared_at_once() {
        model(|event| {
            let waiters = [(); 2].map(|()| {
                spawn(&event, |event| {
                    event.wait(0);
                    event.guards[0].with(|_| ());
                })
            });
            event.guards[0].with_mut(|_| ());
            event.set();
            event.word().clear();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            assert!(!event.word().is_set());
        });
    }

    #[test]
    fn a_thread_that_sees_the_second_set_sees_what_was_done_before_the_first() {
        model(|event| {
            let setter = spawn(&event, |event| {
                event.guards[0].with_mut(|_| ());
                event.set();
                event.word().clear();
            });
            let other = spawn(&event, |event| {
                event.guards[1].with_mut(|_| ());
                event.set();
            });
            event.wait(0);
            if event.word().changes() == 3 {
                event.guards.iter().for_each(|guard| guard.with(|_| ()));
            }
            [setter, other].into_iter().for_each(|setter| setter.join().unwrap());
        });
    }
}
