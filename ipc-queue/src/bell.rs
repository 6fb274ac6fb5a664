//! Waiting: who finds nothing to do sleeps at a bell, and who makes something to do rings it.
//!
//! ```text
//!   sleeper                              ringer
//!   says "somebody sleeps"               does its work
//!   looks once more ◀──── or ──────────▶ sees "somebody sleeps": wakes one
//!   sleeps, 100 ms at most               nobody woke? says "nobody sleeps", wakes one more
//! ```
//!
//! Of the two who cross, one sees the other. Whoever is killed here leaves nothing behind but a
//! "somebody sleeps", which the next ring takes back, or a wake-up that went to the dead, which
//! costs the others 100 ms.

use std::hint::spin_loop;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::sys::{sleep, wake};

/// The longest sleep before looking again.
const NAP: Duration = Duration::from_millis(100);

/// How often to look before sleeping, if others can work meanwhile: after a first pause, and then
/// each time after twice the last one. Who looks all the time takes the slot's cache line away from
/// who is filling it. Measured with first pauses of 1, 64 and 256: 4.6, 10.1 and 11.7 million items
/// a second from one to one; there and back 0.7, 1.6 and 5 µs.
const LOOKS: u32 = 3;
const FIRST_PAUSE: u32 = 256;

static SPINS: LazyLock<u32> = LazyLock::new(|| {
    let others = available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if others { LOOKS } else { 0 }
});

pub(crate) struct Bell<'a>(pub(crate) &'a AtomicU32);

impl Bell<'_> {
    /// Wakes one who sleeps here, if there is one.
    pub(crate) fn ring(&self, more: impl FnOnce() -> bool) {
        // What was done before, others see before we look whether they sleep.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == 0 {
            return;
        }
        // What was done earlier behind an obstacle woke somebody in vain: now there is more to do.
        let most = if more() { i32::MAX.cast_unsigned() } else { 1 };
        if wake(self.0, most) == 0 {
            self.0.store(0, Ordering::SeqCst);
            // Some may have gone to sleep between the two, and nobody would ring for them.
            wake(self.0, i32::MAX.cast_unsigned());
        }
    }

    /// Wakes all.
    pub(crate) fn ring_for_all(&self) {
        fence(Ordering::SeqCst);
        if self.0.swap(0, Ordering::SeqCst) != 0 {
            wake(self.0, i32::MAX.cast_unsigned());
        }
    }

    /// Looks until there is something, or the deadline has passed. The last look before each sleep
    /// is a thorough one.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(bool) -> Option<T>,
    ) -> Option<T> {
        for look_number in 0..*SPINS {
            for _ in 0..FIRST_PAUSE << look_number {
                spin_loop();
            }
            if let Some(found) = look(false) {
                return Some(found);
            }
        }
        loop {
            self.0.store(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if let Some(found) = look(true) {
                return Some(found);
            }
            let left =
                deadline.map_or(NAP, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            sleep(self.0, 1, left.min(NAP));
            if let Some(found) = look(false) {
                return Some(found);
            }
        }
    }
}
