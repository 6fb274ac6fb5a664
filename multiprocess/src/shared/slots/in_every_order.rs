//! The slots in every interleaving, alone and with the event count.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::shared::atomic::AtomicU32;
use crate::shared::event_count::in_every_order::System;

struct Semaphore {
    slots: Vec<AtomicU64>,
    event_count: AtomicU32,
    system: System,
    /// A guard for each slot, accessed by its holder: loom fails the test if two do that at once.
    guards: Vec<UnsafeCell<()>>,
}

// SAFETY: the guards hold nothing; loom only watches the accesses to them.
#[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn slots(&self, me: Member) -> Slots<'_> {
        Slots::new(&self.slots, me)
    }

    fn use_permit(&self, slot: usize) {
        self.guards[slot].with_mut(|_| ());
    }

    fn wait(&self, me: Member) -> usize {
        let look = |thorough| {
            let slots = self.slots(me);
            if thorough { slots.take_any(0) } else { slots.take(0).ok() }
        };
        let event_count = self.system.event_count(&self.event_count);
        event_count.sleep(None, look, || self.slots(me).free() > 0).unwrap()
    }

    fn notify(&self, me: Member) {
        let event_count = self.system.event_count(&self.event_count);
        event_count.notify(|| self.slots(me).has_several_free());
    }

    fn give_back(&self, me: Member, slot: usize) {
        self.slots(me).give_back(slot);
        self.notify(me);
    }

    fn wait_and_give_back(&self, me: Member) {
        let slot = self.wait(me);
        self.use_permit(slot);
        self.give_back(me, slot);
    }
}

fn model(permits: usize, room: usize, run: impl Fn(Arc<Semaphore>) + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // With three, the tests find no more and take a minute.
    model.preemption_bound = Some(2);
    model.check(move || {
        let semaphore = Semaphore {
            slots: (0..room).map(|_| AtomicU64::new(0)).collect(),
            event_count: AtomicU32::new(0),
            system: System::new(true),
            guards: (0..room).map(|_| UnsafeCell::new(())).collect(),
        };
        semaphore.slots(1).begin_with(permits);
        run(Arc::new(semaphore));
    });
}

fn spawn(
    semaphore: &Arc<Semaphore>,
    run: impl FnOnce(&Semaphore) + Send + 'static,
) -> thread::JoinHandle<()> {
    let semaphore = Arc::clone(semaphore);
    thread::spawn(move || run(&semaphore))
}

#[test]
fn a_permit_is_in_one_hand_at_a_time_and_all_that_wait_get_it() {
    model(1, 1, |semaphore| {
        let others = [2, 3].map(|me| spawn(&semaphore, move |it| it.wait_and_give_back(me)));
        semaphore.wait_and_give_back(1);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(semaphore.slots(1).free(), 1);
    });
}

#[test]
fn a_permit_is_found_although_another_moves_about() {
    model(2, 2, |semaphore| {
        // One of two permits, at any time.
        let other = spawn(&semaphore, |semaphore| {
            for first in [0, 1, 0] {
                let slot = semaphore.slots(2).take(first).unwrap();
                semaphore.use_permit(slot);
                semaphore.slots(2).give_back(slot);
            }
        });
        let slot = semaphore.slots(1).take_any(0).expect("one is free all the time");
        semaphore.use_permit(slot);
        other.join().unwrap();
    });
}

#[test]
fn the_permits_of_a_dead_process_come_back_once_each() {
    model(2, 2, |semaphore| {
        let dead = [0, 1].map(|first| semaphore.slots(9).take(first).unwrap());
        dead.into_iter().for_each(|slot| semaphore.use_permit(slot));
        let other = spawn(&semaphore, |semaphore| semaphore.wait_and_give_back(2));
        // One at a time may bury: it has locked the number.
        assert!(semaphore.slots(1).bury(9));
        semaphore.system.event_count(&semaphore.event_count).notify_all();
        semaphore.wait_and_give_back(1);
        other.join().unwrap();
        assert_eq!(semaphore.slots(1).free(), 2);
    });
}

#[test]
fn an_added_permit_is_got_and_consumed_with_what_was_done_before() {
    model(0, 2, |semaphore| {
        let consumers = [2, 3].map(|me| {
            spawn(&semaphore, move |semaphore| {
                let slot = semaphore.wait(me);
                semaphore.use_permit(slot);
                semaphore.slots(me).consume(slot);
            })
        });
        semaphore.guards.iter().for_each(|guard| guard.with_mut(|_| ()));
        assert!(semaphore.slots(1).add(2, 0).is_some());
        semaphore.system.event_count(&semaphore.event_count).notify_all();
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
        assert_eq!(semaphore.slots(1).taken_up(), 0);
    });
}
