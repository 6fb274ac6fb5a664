//! [`Array`]: plain values in place, in parts with a lock each.
//!
//! ```text
//!   words   lock of part 0 │ lock of part 1 │ … │ values of part 0, rest │ values of part 1, …
//!           a cache line     a cache line         whole cache lines        whole cache lines
//! ```
//!
//! A part is a slice for the process that has its lock. So all changes are made in place, and a
//! process that dies in the middle leaves some of them: that is what the next holder is told. Any
//! bits are a `T` ([`Pod`]), so a half-changed part holds odd numbers at worst.
//!
//! There is no way to a value but by its part's lock. An atomic access beside the slice of another
//! process would be a data race: for atomics there is [`Words`](crate::shared::Words).
//!
//! # A death at each step
//!
//! The locks are those of [`Lock`](crate::shared::Lock), one for each part, and so are the steps
//! (`lock_word.rs`). Between them and the values there is no step: this process's own mark that a
//! thread has the part (`sys/shared/plain.rs`) dies with it. A new member's number is freed from
//! all locks before it is used.
//!
//! # Memory ordering
//!
//! The part's lock orders all accesses to its values: see `lock_word.rs`.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytemuck::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::deadline::deadline;
use crate::shared::LockError;
use crate::shared::lock_error::sealed::Recover;
use crate::shared::lock_word::{LOCK_WORDS, LockWord};
use crate::shared::members::{self, Members};
use crate::shared::this_thread::this_thread;
use crate::spin::Spin;
use crate::sys::shared::{Lent, Parts, Plain, SharedWords};

/// Number of held parts that `Debug` lists.
const LISTED: usize = 8;

/// A fixed number of plain values that processes share, all 0 at first, to be read and written in
/// place. Python: `Array`, `RawArray`, and `SharedMemory` with a numpy array on it.
///
/// The values lie in one or several parts of nearly equal size. A part's lock is the only way to
/// its values: it gives a slice. A clone is the same array, and so is one that a new process gets
/// among its arguments. The memory has no name, and is freed with the last handle, however its
/// process ends.
///
/// ```
/// use multiprocess::shared::{Array, LockError};
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![fill];
///
/// /// Fills its part with square numbers.
/// fn fill((squares, part): (Array<u64>, usize)) {
///     let numbers = squares.range(part);
///     let mut mine = squares.lock(part).unwrap_or_else(LockError::recover);
///     for (square, number) in mine.iter_mut().zip(numbers) {
///         *square = (number * number) as u64;
///     }
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Failure> {
/// let squares = Array::in_parts(1000, 2)?;
/// let mut halves = [0, 1].map(|part| Process::new(fill, (squares.clone(), part)));
/// for half in &mut halves {
///     half.start()?;
/// }
/// for half in &halves {
///     half.join()?;
/// }
/// let second = squares.lock(1).unwrap_or_else(LockError::recover);
/// assert_eq!((squares.range(1), second[499]), (500..1000, 999 * 999));
/// # Ok(()) }) }
/// ```
///
/// # Values
///
/// Any type does that has plain bytes ([`Pod`]): numbers, arrays of them, and structs that derive
/// it. Its alignment is 64 bytes at most. Values of no size don't compile:
///
/// ```compile_fail,E0080
/// multiprocess::shared::Array::<[u8; 0]>::new(5)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Nor does a `String`, whose bytes point into the memory of one process:
///
/// ```compile_fail,E0277
/// multiprocess::shared::Array::<String>::new(5)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Deaths
///
/// A process that is killed, or panics, while it has a part may have changed half of it. The next
/// holder of that part is told so, and which process it was; other parts are not concerned. Each
/// next holder is told again, until one says by [`LockError::recover`] that the part is whole. For
/// values that are never half changed there is [`Value`](crate::shared::Value).
///
/// A process that is stopped is not dead: it keeps its part, and the others wait. So does a guard
/// that is [forgotten](std::mem::forget), until its process ends or drops the last clone of this
/// handle: then the death of the process is told, though it lives.
///
/// # Several parts
///
/// Two processes that each have a part and wait for the other's wait for ever. Take parts in rising
/// order everywhere.
pub struct Array<T>(Arc<Shared<T>>);

struct Shared<T> {
    values: Plain<Members, T>,
    spin: Spin,
}

/// A part that was taken, perhaps from the dead.
type Locked<'a, T> = Result<PartGuard<'a, T>, LockError<PartGuard<'a, T>>>;

/// What a form that may end without the part returns.
type Tried<'a, T> = Result<Option<PartGuard<'a, T>>, LockError<PartGuard<'a, T>>>;

impl SharedWords for Members {
    fn words(&self) -> &[AtomicU64] {
        Members::words(self)
    }
}

impl<T: Pod> Array<T> {
    /// Makes an array of this many values, all 0, in one part. Python: `Array(type, length)`.
    ///
    /// All its memory is taken at once, so that it can't run out later.
    ///
    /// # Errors
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): there would be no value.
    /// - [`OutOfMemory`](io::ErrorKind::OutOfMemory): the system, or a control group of this
    ///   process, hasn't so much memory to spare.
    /// - [`FileTooLarge`](io::ErrorKind::FileTooLarge): the process may have no file of that size
    ///   (`ulimit -f`), nor a shared memory.
    /// - Others: the system has no descriptors left.
    pub fn new(length: usize) -> io::Result<Self> {
        Self::in_parts(length, 1)
    }

    /// Makes an array of this many values, all 0, in this many parts, which can be locked one by
    /// one. If the parts can't be equal, the first ones have one value more.
    ///
    /// Each part takes whole cache lines of 64 bytes, and one more for its lock.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`InvalidInput`](io::ErrorKind::InvalidInput) also if there would be
    /// no part, or a part without a value.
    pub fn in_parts(length: usize, parts: usize) -> io::Result<Self> {
        let refused = match (length, parts) {
            (0, _) => "an array needs at least one value".to_owned(),
            (_, 0) => "an array needs at least one part".to_owned(),
            _ if parts > length => {
                format!("{parts} parts are too many for an array of {length} values")
            }
            _ => String::new(),
        };
        if !refused.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
        }
        let layout = Parts::of::<T>(length, parts);
        let words = layout.and_then(|layout| layout.words()?.checked_add(parts * LOCK_WORDS));
        let (Some(layout), Some(words)) = (layout, words) else {
            let size = size_of::<T>();
            let message = format!("no memory holds {length} values of {size} bytes");
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, message));
        };
        Self::of(Members::create(words)?, layout)
    }

    fn of(members: Members, layout: Parts) -> io::Result<Self> {
        let values = Plain::new(members, layout.count().saturating_mul(LOCK_WORDS), layout)?;
        Ok(Self(Arc::new(Shared { values, spin: Spin::default() })))
    }

    /// Waits for a part, and has it as long as the guard lives. Python: `with array.get_lock():`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died while it had the part.
    ///
    /// # Panics
    /// If there is no such part, or if this thread has it already: it would wait for itself.
    #[inline]
    pub fn lock(&self, part: usize) -> Result<PartGuard<'_, T>, LockError<PartGuard<'_, T>>> {
        // The usual way, without the moves of the other ones' results.
        if self.word(part).try_lock_whole()
            && let Some(guard) = self.whole(part)
        {
            return Ok(guard);
        }
        self.lock_slowly(part)
    }

    #[cold]
    fn lock_slowly(&self, part: usize) -> Locked<'_, T> {
        let locked = self.lock_until(part, None);
        locked.unwrap_or_else(|| unreachable!("there is no deadline"))
    }

    /// Takes a part if no live process has it; `None` if one does, or this thread. Python:
    /// `array.get_lock().acquire(block=False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died while it had the part.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn try_lock(&self, part: usize) -> Tried<'_, T> {
        let deaths = self.word(part).try_lock_thoroughly();
        deaths.and_then(|deaths| self.guard(part, deaths)).transpose()
    }

    /// Waits for a part, at most for the timeout; `None` if another process has it then, or this
    /// thread. Python: `array.get_lock().acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died while it had the part.
    ///
    /// # Panics
    /// If there is no such part, or if this thread has it already, and would wait for itself longer
    /// than there are instants: for `Duration::MAX`.
    pub fn lock_timeout(&self, part: usize, timeout: Duration) -> Tried<'_, T> {
        self.lock_until(part, deadline(timeout)).transpose()
    }

    fn lock_until(&self, part: usize, deadline: Option<Instant>) -> Option<Locked<'_, T>> {
        let mut deaths = self.word(part).try_lock();
        loop {
            let guard = deaths.and_then(|deaths| self.guard(part, deaths));
            if guard.is_some() {
                return guard;
            }
            assert!(
                deadline.is_some() || !self.word(part).is_this_threads(0),
                "this thread has part {part} of the array already, and would wait for itself"
            );
            deaths = Some(self.word(part).lock(&self.0.spin, deadline)?);
        }
    }

    /// Returns the guard of a part whose lock this thread has taken.
    ///
    /// Returns `None` if a thread of this process has the part, because damaged memory has let this
    /// one in, too. Now the lock is held by this process again, as it should be, until that thread
    /// unlocks.
    #[inline]
    fn whole(&self, part: usize) -> Option<PartGuard<'_, T>> {
        let lent = self.0.values.lend(part)?;
        self.word(part).thread().store(this_thread(), Ordering::Relaxed);
        let held = Held { word: self.word(part), was_panicking: thread::panicking() };
        Some(PartGuard { lent, held, part })
    }

    /// Returns the same with what is to be told.
    fn guard(&self, part: usize, deaths: u32) -> Option<Locked<'_, T>> {
        let guard = self.whole(part)?;
        Some(match deaths {
            0 => Ok(guard),
            deaths => {
                let died = guard.held.word.died(deaths);
                Err(LockError::new(guard, died))
            }
        })
    }
}

impl<T> Array<T> {
    /// Returns the number of values, in all parts. Python: `len(array)`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values.parts().length()
    }

    /// Returns false: an array has at least one value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of parts.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.0.values.parts().count()
    }

    /// Returns the range of the values, of all those of the array, that a part has.
    ///
    /// # Panics
    /// If there is no such part.
    #[must_use]
    pub fn range(&self, part: usize) -> Range<usize> {
        self.check(part);
        let layout = self.0.values.parts();
        layout.start(part)..layout.start(part + 1)
    }

    fn check(&self, part: usize) {
        let parts = self.parts();
        assert!(part < parts, "there is no part {part}: the array has {parts}, from 0");
    }

    /// Returns the lock of a part.
    fn word(&self, part: usize) -> LockWord<'_> {
        self.check(part);
        LockWord::new(self.0.values.owner(), part * LOCK_WORDS)
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Tells the size, and which process has which part.
impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = (0..self.parts()).filter(|part| self.word(*part).holder().is_some());
        let held: Vec<usize> = held.take(LISTED + 1).collect();
        write!(f, "Array({} values, {} parts", self.len(), self.parts())?;
        for part in held.iter().take(LISTED) {
            write!(f, ", part {part} {:?}", self.word(*part))?;
        }
        f.write_str(if held.len() > LISTED { ", …)" } else { ")" })
    }
}

impl<T> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Invited<'a, T>(&'a Array<T>);
        impl<T> Serialize for Invited<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bury = |dead| (0..self.0.parts()).for_each(|part| self.0.word(part).bury(dead));
                members::serialize(self.0.0.values.owner(), bury, serializer)
            }
        }
        (Invited(self), self.len(), self.parts(), size_of::<T>()).serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Invited(Members);
        impl<'de> Deserialize<'de> for Invited {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                members::deserialize(0, input).map(Self)
            }
        }
        type Sent = (Invited, usize, usize, usize);
        let (Invited(members), length, parts, its) = Sent::deserialize(deserializer)?;
        let mine = size_of::<T>();
        let layout = Parts::of::<T>(length, parts).filter(|_| its == mine);
        let layout = layout.ok_or_else(|| {
            de::Error::custom(format!("this is no array of values of {mine} bytes, but of {its}"))
        })?;
        Self::of(members, layout).map_err(de::Error::custom)
    }
}

/// A part of an [`Array`]: a slice of its values, whose lock is held as long as this lives.
///
/// It belongs to the thread that has taken it:
///
/// ```compile_fail,E0277
/// let array = multiprocess::shared::Array::<u8>::new(5)?;
/// let part = array.try_lock(0);
/// std::thread::scope(|scope| scope.spawn(|| drop(part)).join().is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The values can't be reached once it is dropped. (Python: a numpy array on a closed
/// `SharedMemory` crashes the process.)
///
/// ```compile_fail,E0505
/// # // SHM-B05
/// let array = multiprocess::shared::Array::<u8>::new(5)?;
/// let mut part = array.lock(0).unwrap();
/// let first = &mut part[0];
/// drop(part);
/// *first = 1;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped at once, it unlocks at once"]
pub struct PartGuard<'a, T> {
    // First given back in this process, then unlocked for all.
    lent: Lent<'a, T>,
    held: Held<'a>,
    part: usize,
}

/// The part's lock, which this thread holds.
struct Held<'a> {
    word: LockWord<'a>,
    was_panicking: bool,
}

impl<T> PartGuard<'_, T> {
    /// Returns the number of the part.
    #[must_use]
    pub fn part(&self) -> usize {
        self.part
    }
}

impl<T: Pod> Deref for PartGuard<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.lent
    }
}

impl<T: Pod> DerefMut for PartGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.lent
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for PartGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {} {:?}", self.part, &**self)
    }
}

impl<T> Recover for PartGuard<'_, T> {
    fn recover(&self) {
        self.held.word.recover();
    }

    fn guarded(&self) -> String {
        format!("part {} of an array", self.part)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            self.word.spoil();
        }
        self.word.thread().store(0, Ordering::Relaxed);
        self.word.unlock();
    }
}

#[cfg(test)]
mod tests {
    use crate::process::ends::OwnedEnd;
    use crate::process::{frame, handover};

    use super::*;

    /// Serialises an array as an argument of a new process.
    fn sent<T: Pod>(array: &Array<T>) -> (Vec<u8>, Vec<OwnedEnd>) {
        let mut bytes = Vec::new();
        let (done, ends) = handover::collect(|| frame::encode_body(array, &mut bytes));
        done.unwrap();
        (bytes, ends)
    }

    fn received<T: Pod>((bytes, ends): (Vec<u8>, Vec<OwnedEnd>)) -> Result<Array<T>, frame::Error> {
        handover::supply(ends, || frame::decode(&bytes))
    }

    /// SHM-16
    #[test]
    fn a_handle_takes_as_many_bytes_however_large_the_array_is() {
        let length = |length, parts| sent(&Array::<u8>::in_parts(length, parts).unwrap()).0.len();
        // Numbers may take some bytes more if they are larger.
        assert!(length(1 << 20, 1000) <= length(10, 1) + 16);
    }

    #[test]
    fn each_invitation_is_a_member_of_its_own_and_its_end_is_a_death() {
        let _deadline = testing::Deadline::seconds(60);
        let array = Array::<u64>::in_parts(10, 2).unwrap();
        let other = received::<u64>(sent(&array)).unwrap();
        let mut part = other.lock(1).unwrap();
        part[4] = 7;
        assert!(array.try_lock(1).unwrap().is_none());
        assert_eq!(array.lock(0).unwrap().len(), 5);
        std::mem::forget(part);
        drop(other);
        let mut told = array.lock(1).unwrap_err();
        assert_eq!((told.died().deaths, told.get_mut()[4]), (1, 7));
        // The number is given again, and what is left of its predecessor has no effect.
        let next = received::<u64>(sent(&array)).unwrap();
        assert!(next.try_lock(1).unwrap().is_none());
        drop(told.recover());
        drop(next.lock(1).unwrap());
        std::mem::forget(next.lock(0).unwrap());
        drop(next);
        let on_its_way = sent(&array);
        assert_eq!(array.try_lock(0).unwrap_err().died().deaths, 1, "the number lives again");
        drop(on_its_way);
    }

    #[test]
    fn values_of_another_size_are_refused_on_arrival() {
        let array = Array::<u64>::in_parts(100, 3).unwrap();
        for error in [
            received::<u8>(sent(&array)).unwrap_err(),
            received::<[u64; 2]>(sent(&array)).unwrap_err(),
        ] {
            assert!(error.to_string().contains("but of 8"), "{error}");
        }
        received::<f64>(sent(&array)).unwrap();
    }
}
