//! An event is set in a signal handler of the very thread that waits for it, clears or sets it. To
//! send a signal to one thread is possible on Linux only.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{hint, thread};

use multiprocess::shared::Event;
use multiprocess::tasks;
use signal_hook::consts::SIGUSR1;
use testing::{Random, Signal, alone, signal_thread, thread_id};

multiprocess::test_entry!();
tasks![wait_set_and_clear];

static EVENT: OnceLock<Event> = OnceLock::new();

/// How often the handler has set the event.
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "a handler may do but little")]
fn set_in_handler() {
    EVENT.get_or_init(|| Event::new().unwrap());
    let handler = || {
        if let Some(event) = EVENT.get() {
            event.set();
        }
        HANDLED.fetch_add(1, Ordering::SeqCst);
    };
    // SAFETY: atomics alone, and `Event::set`, which is what this tests.
    unsafe { signal_hook::low_level::register(SIGUSR1, handler) }.unwrap();
}

/// Runs in a process of its own.
fn wait_set_and_clear((): ()) {
    set_in_handler();
    let event = EVENT.get().unwrap();
    let (me, ends) = (i32::try_from(thread_id()).unwrap(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(1);
            while !ends.load(Ordering::SeqCst) {
                let handled = HANDLED.load(Ordering::SeqCst);
                // At once, while the thread is at work, or when it has fallen asleep.
                match random.below(3) {
                    0 => {}
                    1 => (0..random.below(3000)).for_each(|_| hint::spin_loop()),
                    _ => thread::sleep(Duration::from_micros(random.below(300))),
                }
                signal_thread(me, Signal::USR1);
                while HANDLED.load(Ordering::SeqCst) == handled {
                    thread::yield_now();
                }
            }
        });
        for round in 0..2000 {
            // Only the handler sets it.
            event.wait();
            event.clear();
            if round % 8 == 0 {
                // Both do.
                for _ in 0..100 {
                    event.set();
                    event.clear();
                }
            }
        }
        ends.store(true, Ordering::SeqCst);
    });
    event.set();
    assert!(event.is_set() && HANDLED.load(Ordering::SeqCst) > 100);
    event.clear();
    assert!(!event.wait_timeout(Duration::from_millis(1)));
}

/// EVENT-B04
#[test]
fn a_handler_sets_the_event_for_which_its_own_thread_waits() {
    alone(wait_set_and_clear);
}
