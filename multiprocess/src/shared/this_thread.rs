//! The number of a thread, by which shared memory names the thread that holds a lock.
//!
//! Not its address or the system's id, which a later thread may have, too: a thread that forgets a
//! guard and ends would leave the lock to that one.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Returns a random number of the calling thread, so that no two threads of whatever processes have
/// the same: a multiple of 8, not 0.
#[inline]
pub(crate) fn this_thread() -> u64 {
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }

    #[cold]
    fn drawn() -> u64 {
        // The state is random: two threads have one number with a chance of 2⁻⁶¹.
        let number = RandomState::new().hash_one(std::process::id()) & !7 | 8;
        NUMBER.set(number);
        number
    }

    match NUMBER.get() {
        0 => drawn(),
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_thread_has_a_number_of_its_own() {
        let [here, again] = [this_thread(), this_thread()];
        let there = thread::spawn(this_thread).join().unwrap();
        assert!(here == again && here != there && here != 0 && there != 0);
        assert!(here.is_multiple_of(8) && there.is_multiple_of(8));
    }
}
