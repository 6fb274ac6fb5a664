//! [`Value`]: a value that changes as a whole or not at all, whichever process is killed.
//!
//! ```text
//!   words:  lock (a line) │ version, writer, changed, – │ copy 0 │ copy 1
//!                             │       │        │
//!                             │       │        └ event count of the threads that wait for a change
//!                             │       └ the thread that holds the lock
//!                             └ which copy is current: see `transaction.rs`
//!
//!   update   lock ──▶ change the other copy ──▶ version + 1 ──▶ unlock ──▶ notify
//!   get      read the current copy, no lock
//! ```
//!
//! The lock orders writers, and nothing else: what it guards is whole at every instant. So a death
//! with the lock in hand isn't told to the next writer; the lock is only freed from the dead.
//!
//! # A death at each step
//!
//! | | the writer dies | the value | the others |
//! | --- | --- | --- | --- |
//! | V1 | before it has the lock | old | nothing is left |
//! | V2 | with the lock | old | readers go on at once, the next writer within 100 ms (L2) |
//! | V20 | before it has read the current copy | old | the same |
//! | V21 | in the middle of the other copy | old | the same; that copy is overwritten |
//! | V22 | with the other copy written | old | the same |
//! | V23 | with the version stored, and the lock | new | the same; waiting threads: as V24 |
//! | V12 | unlocked, before it wakes the next writer | new | that one naps on (L12) |
//! | V24 | unlocked, before it notifies | new | waiting threads look after their nap |
//! | V15 | and its number is given away | | the invitation frees the lock (L15) |
//!
//! The L rows are those of `lock_word.rs`. Naps last 1 ms at first, and at most 100 ms.
//!
//! A reader has nothing to leave behind. A thread that waits leaves the event count odd, which
//! costs a later writer one wake-up in vain.
//!
//! # Memory ordering
//!
//! Copies, version and event count have the order of `transaction.rs`, and the lock that of
//! `lock_word.rs`.
//!
//! `writer` is Relaxed: a thread compares it with its own number only. It finds that number there
//! if it holds the lock, because it has stored it itself and no other thread has since; and in no
//! other case, because it has stored 0 before it unlocked.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytemuck::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::deadline::deadline;
use crate::shared::lock_word::{LOCK_WORDS, LockWord};
use crate::shared::members::{self, Members};
use crate::shared::this_thread::this_thread;
use crate::shared::transaction::{Step, TwoCopies, before_look, has_waiters, reach};
use crate::shared::waiters::{AtWord, Waiters};
use crate::spin::{Spin, Waits};

/// Indices of the words.
const LOCK: usize = 0;
const VERSION: usize = LOCK_WORDS;
const WRITER: usize = VERSION + 1;
const CHANGED: usize = VERSION + 2;
/// Small copies lie in the version's cache line, at an even word.
const COPIES: usize = VERSION + 4;

/// Size of the largest value, in bytes.
const LARGEST: usize = 64 << 10;

/// A value between processes: plain data of at most 64 KiB. Python: `multiprocessing.Value`, and a
/// `Condition` to go with it.
///
/// It changes as a whole or not at all. A process that is killed in the middle of an update has
/// changed nothing; no other process waits for it, and none ever sees half of an update. Reading
/// takes no lock.
///
/// A clone is the same value, and so is one that a new process gets among its arguments.
///
/// ```
/// use multiprocess::shared::{Pod, Value, Zeroable};
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![make_frames];
///
/// #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
/// #[bytemuck(crate = "multiprocess::shared")]
/// #[repr(C)]
/// struct Stock {
///     wheels: u64,
///     frames: u64,
/// }
///
/// fn make_frames(stock: Value<Stock>) {
///     stock.update(|stock| stock.frames += 3);
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Failure> {
/// let stock = Value::new(Stock { wheels: 10, frames: 0 })?;
/// let mut maker = Process::new(make_frames, stock.clone());
/// maker.start()?;
///
/// // A bicycle is taken when there is all that it needs.
/// stock.wait_until(|stock| stock.frames >= 1 && stock.wheels >= 2, None);
/// let left = stock.update(|stock| {
///     stock.frames -= 1;
///     stock.wheels -= 2;
///     *stock
/// });
/// assert_eq!(left, Stock { wheels: 8, frames: 2 });
/// assert_eq!(stock.get(), left);
/// maker.join()?;
/// # Ok(()) }) }
/// ```
///
/// # What fits
///
/// [`Pod`], plain old data: numbers, arrays of them, and structs of both in which no byte is
/// unused. A struct derives it with `Zeroable`; these three lines stand above it, and no further
/// dependency is needed:
///
/// ```
/// # use multiprocess::shared::{Pod, Zeroable};
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "multiprocess::shared")]
/// #[repr(C)]
/// # struct Point { x: f64, y: f64 }
/// ```
///
/// **Why no `String`?** A `String` is an address, and what lies there is the memory of one process:
/// at the same address of another lies something else. And plain data has a meaning whatever its
/// bits are. So a text has its room in the value: `[u8; 32]`. A `bool` and a `char` don't fit
/// either, as not all bits are one; a `u8` and a `u32` do.
///
/// ```compile_fail,E0277
/// # // VALUE-B05
/// # use multiprocess::shared::Value;
/// let name: Value<String> = Value::new(String::from("bicycle"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// **Why no more than 64 KiB?** Each update copies the whole value twice, and each `get` once. An
/// `Array` is locked in parts, and changed in place. A larger type doesn't compile:
///
/// ```compile_fail,E0080
/// # use multiprocess::shared::Value;
/// let table = Value::new([0_u64; 10_000])?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Deaths
///
/// A process that ends in the middle of an update, however it ends, is made up for by the next
/// update, within 100 ms. One that is stopped there is alive: updates wait until it goes on, and
/// readers don't.
///
/// `Debug` shows the value, and which process is updating it.
#[derive(Clone)]
pub struct Value<T: Pod> {
    shared: Arc<Shared>,
    value: PhantomData<fn(T) -> T>,
}

struct Shared {
    members: Members,
    /// What this process remembers of its waits for the lock, and for changes.
    lock_spin: Spin,
    changed_spin: Spin,
}

impl<T: Pod> Value<T> {
    const FITS: () = assert!(
        size_of::<T>() <= LARGEST,
        "a Value has at most 64 KiB, because each update copies it: take an Array, which is \
         locked in parts and changed in place"
    );

    /// Number of words.
    const WORDS: usize = COPIES + 2 * TwoCopies::<T>::WORDS;

    /// Makes a value. Python: `Value(typecode, value)`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new(value: T) -> io::Result<Self> {
        let new = Self::of(Members::create(Self::WORDS)?);
        let (update, _) = new.copies().begin();
        new.copies().commit(update, &value);
        Ok(new)
    }

    fn of(members: Members) -> Self {
        let () = Self::FITS;
        let (lock_spin, changed_spin) = (Spin::default(), Spin::default());
        Self { shared: Arc::new(Shared { members, lock_spin, changed_spin }), value: PhantomData }
    }

    fn copies(&self) -> TwoCopies<'_, T> {
        let words = &self.shared.members.words()[..Self::WORDS];
        TwoCopies::new(&words[VERSION], &words[COPIES..])
    }

    /// Returns the value. Takes no lock, and never waits: if an update is completed meanwhile, it
    /// reads again. Python: `value.value`.
    #[must_use]
    pub fn get(&self) -> T {
        self.copies().get()
    }

    /// Changes the value, and returns what `change` does. Python: `with value.get_lock():
    /// value.value += 1`.
    ///
    /// The other processes see the value before or after the change, and nothing in between; so
    /// does [`get`](Self::get), in this thread, too, as long as `change` runs. If `change` panics,
    /// or the process ends, nothing is changed.
    ///
    /// Updates come one after another, in all processes: keep `change` short, and let it wait for
    /// nothing that needs an update of this value.
    ///
    /// # Panics
    /// If the calling thread is updating this value already: it would wait for itself.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let writer = self.shared.lock();
        let (update, mut value) = self.copies().begin();
        let result = change(&mut value);
        self.copies().commit(update, &value);
        drop(writer);
        reach(Step::Notify);
        if has_waiters(self.shared.members.half(CHANGED)) {
            self.shared.waiters().notify_all();
        }
        result
    }

    /// Waits until `is_so` returns true of the value, and returns that value; `None` if it hasn't
    /// come true within the timeout, or `None` for no limit. Python: `Condition.wait_for`.
    ///
    /// `is_so` is asked after every update, of a copy, and no lock is held: by the time that this
    /// method returns, the value may be another. To take what was waited for, look again in the
    /// update:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::shared::Value;
    /// # fn main() -> std::io::Result<()> {
    /// let wheels = Value::new(3_u32)?;
    /// let taken = loop {
    ///     if wheels.wait_until(|wheels| *wheels >= 2, Duration::from_secs(1)).is_none() {
    ///         break 0;
    ///     }
    ///     let taken = wheels.update(|wheels| match wheels.checked_sub(2) {
    ///         Some(left) => { *wheels = left; 2 }
    ///         None => 0,
    ///     });
    ///     if taken > 0 {
    ///         break taken;
    ///     }
    /// };
    /// assert_eq!((taken, wheels.get()), (2, 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If it would wait, and the calling thread is updating this value: no other can until it is
    /// done.
    pub fn wait_until(
        &self,
        mut is_so: impl FnMut(&T) -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Option<T> {
        let timeout = timeout.into();
        let deadline = deadline(timeout);
        let mut look = || Some(self.get()).filter(|value| is_so(value));
        let found = look();
        if found.is_some() || timeout == Some(Duration::ZERO) {
            return found;
        }
        assert!(
            !self.shared.is_updating_here(),
            "a thread can't wait for a value inside of its update: no other can change it meanwhile"
        );
        let look = |is_last: bool| {
            if is_last {
                before_look(self.shared.members.half(LOCK));
            }
            look()
        };
        self.shared.waiters().wait(deadline, Waits::One, look, || true)
    }
}

impl Shared {
    #[inline]
    fn word(&self) -> LockWord<'_> {
        LockWord::new(&self.members, LOCK)
    }

    /// Returns the threads that wait for a change.
    #[cold]
    fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.members.waiters(CHANGED, &self.changed_spin)
    }

    /// Returns the word that has the number of the thread that holds the lock.
    #[inline]
    fn writer(&self) -> &AtomicU64 {
        &self.members.words()[WRITER]
    }

    /// Returns true if the calling thread holds the lock, by this handle or another.
    #[inline]
    fn is_updating_here(&self) -> bool {
        self.writer().load(Ordering::Relaxed) == this_thread()
    }

    /// Takes the lock.
    #[inline]
    fn lock(&self) -> Writer<'_> {
        if !self.word().try_lock_whole() {
            self.lock_slowly();
        }
        self.writer().store(this_thread(), Ordering::Relaxed);
        Writer(self)
    }

    /// Waits for the lock, and frees it from the dead.
    #[cold]
    fn lock_slowly(&self) {
        assert!(
            !self.is_updating_here(),
            "this thread is updating the value already, and would wait for itself: do both in one \
             update, or read by `get`"
        );
        let deaths = loop {
            if let Some(deaths) = self.word().lock_slowly(&self.lock_spin, None) {
                break deaths;
            }
        };
        if deaths > 0 {
            // A dead writer has changed nothing, or all: there is nothing to tell.
            self.word().recover();
        }
    }
}

/// The writers' lock, held as long as this lives.
struct Writer<'a>(&'a Shared);

impl Drop for Writer<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.writer().store(0, Ordering::Relaxed);
        self.0.word().unlock_whole();
    }
}

impl<T: Pod> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bury = |dead| self.shared.word().bury(dead);
        members::serialize(&self.shared.members, bury, serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = members::deserialize(0, deserializer)?;
        if members.words().len() != Self::WORDS {
            return Err(de::Error::custom("the value that was sent has another size"));
        }
        Ok(Self::of(members))
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = f.debug_struct("Value");
        value.field("value", &self.get()).field("lock", &Holder(&self.shared)).finish()
    }
}

/// Names the thread or process that holds the writers' lock.
struct Holder<'a>(&'a Shared);

impl fmt::Debug for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(shared) = self;
        let word = shared.word();
        match word.holder() {
            Some(_) if shared.is_updating_here() => f.write_str("held by this thread"),
            Some(holder) if holder == shared.members.me() => {
                f.write_str("held by another thread of this process")
            }
            _ => word.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use testing::{Deadline, LONG, until};

    use super::*;
    use crate::crash;
    use crate::shared::Words;
    use crate::shared::lock_word::Step as LockStep;
    use crate::{Process, tasks};

    crate::test_entry!();
    tasks![set_and_die, wait_set_and_die, have];

    /// Long enough that a copy has a middle.
    type Five = [u64; 5];

    const OLD: Five = [1; 5];
    const NEW: Five = [7; 5];

    /// Runs in the child, which dies at this step.
    fn set_and_die((value, step): (Value<Five>, u32)) {
        crash::at(step);
        value.update(|value| *value = NEW);
        crash::nowhere();
    }

    /// Runs in the child, which dies at this step when it has been told to.
    fn wait_set_and_die((value, words, step): (Value<Five>, Words, u32)) {
        value.update(|value| {
            words[0].store(1, Ordering::Release);
            while words[1].load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            crash::at(step);
            *value = NEW;
        });
        crash::nowhere();
    }

    /// Runs in the child, which only has the value.
    fn have(_: Value<Five>) {}

    fn is_killed_at(step: u32, value: &Value<Five>) {
        let mut process = Process::new(set_and_die, (value.clone(), step));
        process.start().unwrap();
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(-9), "step {step}");
    }

    /// Makes one more handle on the value, as a process gets that is given it twice.
    fn another_handle<T: Pod>(value: &Value<T>) -> Value<T> {
        let members = &value.shared.members;
        let (opening, number) = members.invite(|_| ()).unwrap();
        Value::of(Members::attach(opening, number, members.all_words().len()).unwrap())
    }

    fn panics(run: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast_ref::<&str>().unwrap()).to_owned(),
        }
    }

    /// A row of the table above.
    struct Row {
        name: &'static str,
        step: u32,
        /// The value that the others see.
        seen: Five,
        /// True if the dead process holds the lock.
        holds: bool,
    }

    const fn row(name: &'static str, step: u32, seen: Five, holds: bool) -> Row {
        Row { name, step, seen, holds }
    }

    const ROWS: [Row; 9] = [
        row("V1", LockStep::Begun as u32, OLD, false),
        row("V2", LockStep::Taken as u32, OLD, true),
        row("V20", Step::Load as u32, OLD, true),
        row("V21", Step::StoreTheRest as u32, OLD, true),
        row("V22", Step::Publish as u32, OLD, true),
        row("V23", Step::Unlock as u32, NEW, true),
        row("V23, in the lock", LockStep::Leaving as u32, NEW, true),
        row("V12", LockStep::Unlocked as u32, NEW, false),
        row("V24", Step::Notify as u32, NEW, false),
    ];

    #[test]
    fn a_writer_that_dies_at_any_step_has_changed_nothing_or_all_and_stops_no_other() {
        let _deadline = Deadline::seconds(300);
        for Row { name, step, seen, holds } in ROWS {
            let value = Value::new(OLD).unwrap();
            // This thread was the last writer, and must not take itself for the present one.
            value.update(|_| ());
            is_killed_at(step, &value);
            assert_eq!(value.get(), seen, "{name}");
            let told = format!("{value:?}");
            assert_eq!(told.contains("which is dead"), holds, "{name}: {told}");
            assert_eq!(told.contains("lock: free"), !holds, "{name}: {told}");
            let before = value.update(|value| std::mem::replace(value, [9; 5]));
            assert_eq!((before, value.get()), (seen, [9; 5]), "{name}");
            assert!(format!("{value:?}").contains("lock: free"), "{name}");
            // From one copy into the other, and back.
            (0..3).for_each(|_| value.update(|value| value[4] += 1));
            assert_eq!(value.get(), [9, 9, 9, 9, 12], "{name}");
        }
    }

    #[test]
    fn a_writer_that_waits_for_one_that_dies_goes_on() {
        let _deadline = Deadline::seconds(300);
        // The other steps come before the change is made.
        for Row { name, step, seen, .. } in ROWS.into_iter().skip(3) {
            let (value, words) = (Value::new(OLD).unwrap(), Words::new(2).unwrap());
            let mut process = Process::new(wait_set_and_die, (value.clone(), words.clone(), step));
            process.start().unwrap();
            until("the child is in its update", || words[0].load(Ordering::Acquire) == 1);
            words[1].store(1, Ordering::Release);
            let after = value.update(|value| {
                value[0] += 1;
                *value
            });
            assert_eq!((after[0], after[4]), (seen[0] + 1, seen[4]), "{name}");
            process.join().unwrap();
            assert_eq!((process.exitcode(), value.get()), (Some(-9), after), "{name}");
        }
    }

    #[test]
    fn a_thread_that_waits_sees_what_a_writer_changed_that_died_before_it_notified() {
        let _deadline = Deadline::seconds(120);
        for Row { name, step, .. } in ROWS.into_iter().filter(|row| row.seen == NEW) {
            let value = Value::new(OLD).unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| value.wait_until(|value| *value == NEW, LONG));
                is_killed_at(step, &value);
                assert_eq!(waiting.join().unwrap(), Some(NEW), "{name}");
            });
        }
    }

    #[test]
    fn an_update_notifies_the_threads_that_wait() {
        let _deadline = Deadline::seconds(120);
        let value = Value::new(1).unwrap();
        let event_count = || value.shared.members.half(CHANGED).load(Ordering::SeqCst);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| value.wait_until(|number| *number == 3, LONG));
            for _ in 0..2 {
                until("the thread waits", || event_count() % 2 == 1);
                let before = event_count();
                value.update(|number| *number += 1);
                // The one that notifies makes it even; it never comes back to a former number.
                assert_ne!(event_count(), before);
            }
            assert_eq!(waiting.join().unwrap(), Some(3));
        });
    }

    /// Row V15.
    #[test]
    fn a_dead_writers_number_is_given_to_a_new_process_without_the_lock() {
        let _deadline = Deadline::seconds(120);
        let value = Value::new(OLD).unwrap();
        is_killed_at(LockStep::Taken as u32, &value);
        assert!(value.shared.word().holder().is_some());
        let mut process = Process::new(have, value.clone());
        process.start().unwrap();
        assert_eq!(value.shared.word().holder(), None, "it was freed for the new process");
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
        value.update(|value| value[0] += 1);
        assert_eq!(value.get(), [2, 1, 1, 1, 1]);
    }

    #[test]
    fn a_panic_in_an_update_changes_nothing_and_is_not_told() {
        let value = Value::new(OLD).unwrap();
        let told = panics(|| {
            value.update(|value| {
                *value = NEW;
                panic!("as it should");
            });
        });
        assert_eq!((told.as_str(), value.get()), ("as it should", OLD));
        assert_eq!(value.update(|value| value[0]), 1);
    }

    #[test]
    fn an_update_inside_of_another_panics_instead_of_waiting_by_every_handle() {
        let _deadline = Deadline::seconds(120);
        let value = Value::new(1).unwrap();
        for other in [value.clone(), another_handle(&value)] {
            let told = panics(|| {
                value.update(|number| {
                    *number = 2;
                    other.update(|number| *number = 3);
                });
            });
            assert!(told.contains("is updating the value already"), "{told}");
            assert_eq!(other.get(), 1);
            other.update(|number| *number += 1);
            let told = panics(|| {
                value.update(|_| other.wait_until(|number| *number == 5, None));
            });
            assert!(told.contains("can't wait for a value inside of its update"), "{told}");
            value.update(|number| *number -= 1);
        }
    }

    #[test]
    fn an_update_by_another_thread_waits_and_does_not_panic() {
        let _deadline = Deadline::seconds(120);
        let value = Value::new(1).unwrap();
        let other = another_handle(&value);
        thread::scope(|scope| {
            value.update(|number| {
                for handle in [&value, &other] {
                    scope.spawn(|| handle.update(|number| *number *= 2));
                }
                while !format!("{value:?}").contains("held by this thread") {}
                *number += 2;
            });
        });
        assert_eq!(value.get(), 12);
    }

    #[test]
    fn inside_of_an_update_the_old_value_is_read_and_found_by_a_wait_that_need_not_wait() {
        let value = Value::new(1).unwrap();
        value.update(|number| {
            *number = 2;
            assert_eq!(value.get(), 1);
            assert_eq!(value.wait_until(|number| *number == 1, None), Some(1));
            assert_eq!(value.wait_until(|number| *number == 2, Duration::ZERO), None);
        });
        assert_eq!(value.get(), 2);
    }
}
