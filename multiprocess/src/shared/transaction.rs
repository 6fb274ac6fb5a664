//! The transaction of a shared value: a change happens as a whole or not at all, because it is made
//! in a second copy, and one store says which copy is current.
//!
//! ```text
//!   version 6 is even:  ┌────────┬────────┐
//!   copy 0 is current ─▶│ copy 0 │ copy 1 │◀─ an update writes the other copy,
//!                       └────────┴────────┘   then stores version 7: now copy 1 is current
//!
//!   reader   version ──▶ copy ──▶ version: still the same? else once more
//!   writer   (with the writers' lock)  current copy ──▶ the other copy ──▶ version + 1
//! ```
//!
//! A writer that dies before the store of the version has changed nothing; the next one overwrites
//! whatever is in the other copy. After that store the change is complete. So there is nothing to
//! repair, and nothing to tell of. Readers take no lock, and no writer waits for them.
//!
//! # Memory ordering
//!
//! The words of the copies are read and written Relaxed. What orders them (*n* is a version,
//! and copy *n* the one that is current then, and at *n* + 2, *n* + 4 …):
//!
//! - **A reader of version *n* sees the whole copy *n*.** `commit` stores version *n* with Release,
//!   `get` loads it with Acquire: all words of the copy were written before.
//! - **A reader that has seen a word of a later copy notices.** The words of copy *n* change only
//!   in the update from *n* + 1 to *n* + 2, whose writer knows version *n* + 1. Its Release fence
//!   stands between taking the lock and the first word that it writes; the reader's Acquire fence
//!   between the last word that it reads and the second look at the version. If the reader has seen
//!   any of those words, the fences synchronise, so the second look finds *n* + 1 or more. Without
//!   the writer's fence its words could be seen before version *n* + 1, which another writer may
//!   have stored; without the reader's fence the second look could be made before the copy is read.
//! - **A writer sees the work of the one before.** The lock's Release and Acquire order them, so
//!   `begin` loads the version Relaxed, and the current copy can't change. If the one before died,
//!   the kernel orders them: it frees a dead process's number after the process's last access, and
//!   the heir has found the number free before it took the lock.
//! - **A thread that waits for a change doesn't sleep through one.** It makes the event count odd,
//!   and then looks at the version; the writer stores the version, and then looks at the event
//!   count. At least one of them must see the other's store. Usually a `SeqCst` fence on either
//!   side sees to that; here it is the lock's word, which the writer changes anyway. The one that
//!   waits changes it, too, by nothing, between store and look (`before_look`, AcqRel). The writer
//!   unlocks between store and look (Release), and adds an Acquire fence (`has_waiters`). One of
//!   the two changes comes first, and the other reads from it: all changes of this word are
//!   read-modify-writes, so also those that come between continue its release sequence. So the
//!   later one synchronises with the first.
//!
//! A version has 64 bits: it doesn't come back to *n* while a reader is looking.
//!
//! Large values are copied by a string move of the processor where that pays. Its loads come after
//! the first look and before the second, because loads aren't reordered with loads; its stores come
//! after the stores before it and before the version's, because a string move isn't reordered with
//! other stores (see `copy.rs`).

use std::marker::PhantomData;

use bytemuck::Pod;

use crate::shared::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use crate::sys::shared as sys;

/// Size from which a copy may be a string move, in bytes.
#[cfg(not(loom))]
const LONG: usize = 1 << 10;

/// A step before which a process may die in a test: a row of the table in `value.rs`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// V20: reading the current copy.
    Load = 120,
    /// V21: the third word of the other copy.
    StoreTheRest,
    /// V22: storing the version.
    Publish,
    /// V23: unlocking.
    Unlock,
    /// V24: notifying the threads that wait.
    Notify,
}

/// Dies here, if a test has chosen this step.
#[inline(always)]
pub(crate) fn reach(_step: Step) {
    #[cfg(all(test, not(loom)))]
    crate::crash::reach(_step as u32);
}

/// A version and two copies of a value, as a view of their words.
#[derive(Debug)]
pub(crate) struct TwoCopies<'a, T> {
    version: &'a AtomicU64,
    copies: &'a [AtomicU64],
    value: PhantomData<T>,
}

impl<T> Clone for TwoCopies<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TwoCopies<'_, T> {}

/// An update that has begun. Dropped, it has changed nothing.
#[derive(Debug)]
#[must_use]
pub(crate) struct Update {
    /// The version that it is going to replace.
    before: u64,
}

impl<'a, T: Pod> TwoCopies<'a, T> {
    /// Number of words of one copy.
    pub(crate) const WORDS: usize = size_of::<T>().div_ceil(size_of::<u64>());

    /// Makes a view of these words: the version, and both copies, one behind the other.
    pub(crate) fn new(version: &'a AtomicU64, copies: &'a [AtomicU64]) -> Self {
        Self { version, copies, value: PhantomData }
    }

    /// Returns the copy that is current at this version.
    fn copy(self, version: u64) -> &'a [AtomicU64] {
        // The parity alone counts: also a damaged version names one of the copies.
        &self.copies[(version & 1) as usize * Self::WORDS..][..Self::WORDS]
    }

    /// Returns the value. Looks again if an update was completed meanwhile.
    pub(crate) fn get(self) -> T {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let value = load(self.copy(before), shared);
            // Pairs with the fence in `other`.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == before {
                return value;
            }
        }
    }

    /// Begins an update, and returns the value to change. Only the holder of the writers' lock may
    /// call this and the following ones.
    pub(crate) fn begin(self) -> (Update, T) {
        let before = unshared(self.version);
        reach(Step::Load);
        (Update { before }, load(self.copy(before), unshared))
    }

    /// Returns the words of the copy that isn't current, to be written.
    fn other(self, update: &Update) -> &'a [AtomicU64] {
        // A reader that sees any word written from here on sees the version `before`, too, and so
        // knows that the copy it was reading isn't current any more.
        fence(Ordering::Release);
        self.copy(update.before.wrapping_add(1))
    }

    /// Writes the new value into the other copy.
    fn write(self, update: &Update, value: &T) {
        store(self.other(update), value);
    }

    /// Makes the other copy the current one.
    fn publish(self, update: Update) {
        self.version.store(update.before.wrapping_add(1), Ordering::Release);
    }

    /// Ends an update: from now on this is the value.
    pub(crate) fn commit(self, update: Update, value: &T) {
        self.write(&update, value);
        reach(Step::Publish);
        self.publish(update);
        reach(Step::Unlock);
    }
}

/// Orders what a thread does that waits: what it has stored is seen by each writer that unlocks
/// later, and what each writer stored that has unlocked is seen by the look that follows.
pub(crate) fn before_look(lock: &AtomicU32) {
    lock.fetch_or(0, Ordering::AcqRel);
}

/// Returns true if a thread may be waiting for a change: the event count is odd. For a writer that
/// has just unlocked.
#[inline]
pub(crate) fn has_waiters(event_count: &AtomicU32) -> bool {
    // Pairs with `before_look`.
    fence(Ordering::Acquire);
    !event_count.load(Ordering::Relaxed).is_multiple_of(2)
}

/// Stores a value into words, as many as there are.
fn store<T: Pod>(words: &[AtomicU64], value: &T) {
    let bytes = bytemuck::bytes_of(value);
    #[cfg(not(loom))]
    if size_of::<T>() >= LONG {
        return sys::store(words, bytes);
    }
    let (whole, rest) = bytes.as_chunks();
    for (index, (word, eight)) in words.iter().zip(whole).enumerate() {
        if index == 2 {
            reach(Step::StoreTheRest);
        }
        word.store(u64::from_ne_bytes(*eight), Ordering::Relaxed);
    }
    if let (Some(word), false) = (words.get(whole.len()), rest.is_empty()) {
        let mut eight = [0; size_of::<u64>()];
        eight[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
    }
}

/// Loads a word that another thread may be storing.
#[inline]
fn shared(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Loads a word that no other thread can be storing: the calling one has the writers' lock.
#[inline]
fn unshared(word: &AtomicU64) -> u64 {
    #[cfg(not(loom))]
    return word.load(Ordering::Relaxed);
    // Fails the test if another thread does store it. Nor is this a load for loom's search for
    // races, which compares a store with the latest access alone: if that were the writer's own,
    // loom would not try the store before the readers' loads.
    #[cfg(loom)]
    #[expect(unsafe_code, reason = "loom's own check")]
    // SAFETY: loom looks for other threads' stores.
    unsafe {
        word.unsync_load()
    }
}

/// Loads a value from words, each as `load_word` does.
fn load<T: Pod>(words: &[AtomicU64], load_word: impl Fn(&AtomicU64) -> u64) -> T {
    let mut value = T::zeroed();
    let bytes = bytemuck::bytes_of_mut(&mut value);
    #[cfg(not(loom))]
    if size_of::<T>() >= LONG {
        sys::load(words, bytes);
        return value;
    }
    let (whole, rest) = bytes.as_chunks_mut();
    for (word, eight) in words.iter().zip(&mut *whole) {
        *eight = load_word(word).to_ne_bytes();
    }
    if let (Some(word), false) = (words.get(whole.len()), rest.is_empty()) {
        let eight = load_word(word).to_ne_bytes();
        rest.copy_from_slice(&eight[..rest.len()]);
    }
    value
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(u64::MAX)).collect()
    }

    fn values_come_back<T: Pod + PartialEq + std::fmt::Debug>(first: T, second: T) {
        let words = words(1 + 2 * TwoCopies::<T>::WORDS);
        words[0].store(0, Ordering::Relaxed);
        let copies = TwoCopies::<T>::new(&words[0], &words[1..]);
        let (update, _) = copies.begin();
        copies.commit(update, &first);
        assert_eq!(copies.get(), first);
        let (update, before) = copies.begin();
        assert_eq!(before, first);
        copies.write(&update, &second);
        assert_eq!(copies.get(), first, "the version isn't stored yet");
        copies.publish(update);
        assert_eq!(copies.get(), second);
        let (_dropped, before) = copies.begin();
        assert_eq!((before, copies.get()), (second, second));
    }

    #[test]
    fn values_of_any_size_come_back_from_either_copy() {
        values_come_back((), ());
        values_come_back(1_u8, 2);
        values_come_back([1_u8; 3], [2; 3]);
        values_come_back([1_u16; 4], [2; 4]);
        values_come_back([1_u8; 9], [2; 9]);
        values_come_back(1_u128, u128::MAX);
        values_come_back(0.5, -0.0);
        values_come_back([1_u64; 5], [2; 5]);
        values_come_back([1_u8; LONG - 1], [2; LONG - 1]);
        values_come_back([1_u8; LONG + 1], [2; LONG + 1]);
        values_come_back([1_u64; 200], [2; 200]);
    }

    #[test]
    fn the_last_version_is_followed_by_the_first() {
        let words = words(3);
        words[2].store(8, Ordering::Relaxed);
        let copies = TwoCopies::<u64>::new(&words[0], &words[1..]);
        let (update, before) = copies.begin();
        assert_eq!(before, 8);
        copies.commit(update, &9);
        assert_eq!((copies.get(), words[0].load(Ordering::Relaxed)), (9, 0));
    }
}

/// Writers and readers in every interleaving.
#[cfg(all(test, loom))]
mod in_every_order {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// Two words, which every value here has alike.
    type Pair = [u64; 2];

    /// The writers' lock.
    #[derive(PartialEq)]
    enum Lock {
        Free,
        Held,
        /// Held by a dead thread, as the kernel would tell.
        HeldByDead,
    }

    struct Shared {
        lock: Mutex<Lock>,
        changed: Condvar,
        version: AtomicU64,
        copies: [AtomicU64; 4],
    }

    impl Shared {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                lock: Mutex::new(Lock::Free),
                changed: Condvar::new(),
                version: AtomicU64::new(0),
                copies: std::array::from_fn(|_| AtomicU64::new(0)),
            })
        }

        fn copies(&self) -> TwoCopies<'_, Pair> {
            TwoCopies::new(&self.version, &self.copies)
        }

        fn lock(&self) {
            let mut lock = self.lock.lock().unwrap();
            while *lock == Lock::Held {
                lock = self.changed.wait(lock).unwrap();
            }
            *lock = Lock::Held;
        }

        /// Ends the holder's possession of the lock.
        fn leave(&self, lock: Lock) {
            *self.lock.lock().unwrap() = lock;
            self.changed.notify_one();
        }

        fn add(&self, number: u64) {
            self.lock();
            let (update, [a, b]) = self.copies().begin();
            assert_eq!(a, b, "a writer sees half an update");
            self.copies().commit(update, &[a + number, b + number]);
            self.leave(Lock::Free);
        }

        fn get(&self) -> u64 {
            let [a, b] = self.copies().get();
            assert_eq!(a, b, "a reader sees half an update");
            a
        }
    }

    fn model(run: impl Fn(Arc<Shared>) + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        // Of all interleavings those with at most so many preemptions: the others take hours.
        model.preemption_bound = Some(3);
        model.check(move || run(Shared::new()));
    }

    fn spawn(
        shared: &Arc<Shared>,
        run: impl FnOnce(&Shared) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || run(&shared))
    }

    #[test]
    fn a_reader_sees_one_whole_value_after_another() {
        model(|shared| {
            let writer = spawn(&shared, |shared| (0..3).for_each(|_| shared.add(1)));
            let [first, second] = [shared.get(), shared.get()];
            assert!(first <= second && second <= 3, "{first}, then {second}");
            writer.join().unwrap();
            assert_eq!(shared.get(), 3);
        });
    }

    #[test]
    fn a_reader_beside_two_writers_sees_whole_values_and_no_update_is_lost() {
        model(|shared| {
            let writers = [1, 10].map(|number| spawn(&shared, move |shared| shared.add(number)));
            let seen = shared.get();
            assert!([0, 1, 10, 11].contains(&seen), "{seen}");
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            assert_eq!(shared.get(), 11);
        });
    }

    /// How far a writer has come when it dies.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Death {
        WithTheLock,
        Begun,
        HalfWritten,
        Written,
        Published,
    }

    fn die(shared: &Shared, death: Death) {
        shared.lock();
        if death != Death::WithTheLock {
            let (update, [a, b]) = shared.copies().begin();
            let value = [a + 1, b + 1];
            match death {
                Death::WithTheLock | Death::Begun => {}
                Death::HalfWritten => store(&shared.copies().other(&update)[..1], &value),
                Death::Written => shared.copies().write(&update, &value),
                Death::Published => shared.copies().commit(update, &value),
            }
        }
        shared.leave(Lock::HeldByDead);
    }

    #[test]
    fn a_writer_that_dies_at_any_step_has_changed_nothing_or_all() {
        use Death::{Begun, HalfWritten, Published, WithTheLock, Written};
        for death in [WithTheLock, Begun, HalfWritten, Written, Published] {
            model(move |shared| {
                let changed = u64::from(death == Published);
                let dying = spawn(&shared, move |shared| die(shared, death));
                let heir = spawn(&shared, |shared| shared.add(10));
                let seen = shared.get();
                assert!([0, changed, 10, 10 + changed].contains(&seen), "{death:?}: {seen}");
                dying.join().unwrap();
                heir.join().unwrap();
                assert_eq!(shared.get(), 10 + changed, "{death:?}");
            });
        }
    }

    /// A lock as far as it orders: the one that waits has the other member's number.
    #[test]
    fn a_thread_that_waits_sees_the_change_or_the_writer_sees_the_thread() {
        struct Words {
            lock: AtomicU32,
            event_count: AtomicU32,
            version: AtomicU64,
        }
        loom::model(|| {
            let zero = || AtomicU32::new(0);
            let (lock, event_count, version) = (zero(), zero(), AtomicU64::new(0));
            let words = Arc::new(Words { lock, event_count, version });
            let writer = {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    words
                        .lock
                        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                        .unwrap();
                    words.version.store(1, Ordering::Release);
                    words.lock.swap(0, Ordering::Release);
                    has_waiters(&words.event_count)
                })
            };
            words.event_count.fetch_or(1, Ordering::Relaxed);
            before_look(&words.lock);
            let is_changed = words.version.load(Ordering::Acquire) == 1;
            assert!(writer.join().unwrap() || is_changed);
        });
    }
}
