//! Plain values in words that processes share: each part of them is lent to one thread at a time.
//!
//! ```text
//!   words      head │ part 0: values, rest of a line │ part 1: values, rest │ …
//!   this process    │ mark: 0, or the thread         │ mark                 │
//! ```
//!
//! A `&mut [T]` may exist only while nothing else reads or writes these values. Between the threads
//! of this process the marks see to that, which no other process can reach: so whatever becomes of
//! the shared memory, there are never two such slices in one process. Between processes the lock
//! must see to it that the caller takes before it borrows.
//!
//! # Memory ordering
//!
//! Setting a mark (Acquire) pairs with clearing it (Release): a thread sees what the last one has
//! written. Between processes the lock's word does the same.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytemuck::Pod;

/// Size of a cache line in bytes, and in words; parts begin on a new one.
pub(crate) const LINE: usize = 64;
const WORDS: usize = LINE / size_of::<AtomicU64>();

/// An owner of words, the same ones for as long as it lives.
pub(crate) trait SharedWords {
    /// Returns the words.
    fn words(&self) -> &[AtomicU64];
}

/// How the values lie: parts of nearly the same length, each of whole cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    length: usize,
    parts: usize,
    /// Number of words from one part to the next.
    stride: usize,
}

impl Parts {
    /// Lays out this many values of a type; `None` if there are more bytes than addresses, or a
    /// part would have no value.
    pub(crate) fn of<T>(length: usize, parts: usize) -> Option<Self> {
        if !(1..=length).contains(&parts) {
            return None;
        }
        let bytes = length.div_ceil(parts).checked_mul(size_of::<T>())?;
        let this = Self { length, parts, stride: bytes.div_ceil(LINE) * WORDS };
        (this.words()? <= isize::MAX as usize / size_of::<AtomicU64>()).then_some(this)
    }

    /// Returns the number of words that the parts take.
    pub(crate) fn words(self) -> Option<usize> {
        self.stride.checked_mul(self.parts)
    }

    pub(crate) fn length(self) -> usize {
        self.length
    }

    pub(crate) fn count(self) -> usize {
        self.parts
    }

    /// Returns the index of the part's first value; of the part behind the last, the length.
    pub(crate) fn start(self, part: usize) -> usize {
        let (each, left) = (self.length / self.parts, self.length % self.parts);
        part * each + part.min(left)
    }
}

/// True while a thread of this process has the part; on a line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Mark(AtomicBool);

/// Plain values of a type behind other words. Nothing else of this process reads or writes their
/// words.
#[derive(Debug)]
pub(crate) struct Plain<W, T> {
    owner: W,
    parts: Parts,
    /// Index of the first word of part 0.
    first: usize,
    marks: Box<[Mark]>,
    values: PhantomData<fn(T) -> T>,
}

impl<W: SharedWords, T: Pod> Plain<W, T> {
    const FITS: () = {
        assert!(size_of::<T>() > 0, "values of no size can't be shared");
        assert!(align_of::<T>() <= LINE, "values are aligned to 64 bytes at most");
    };

    /// Takes the words from `first` on, to the end, for values in these parts.
    ///
    /// # Errors
    /// If they are other words than the parts need, or there is no memory for the marks.
    pub(crate) fn new(owner: W, first: usize, parts: Parts) -> io::Result<Self> {
        let () = Self::FITS;
        let words = owner.words().get(first..).unwrap_or_default();
        let fits = Parts::of::<T>(parts.length, parts.parts) == Some(parts)
            && parts.words() == Some(words.len())
            && words.as_ptr().cast::<[AtomicU64; WORDS]>().addr() % LINE == 0;
        if !fits {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no array's memory"));
        }
        let mut marks = Vec::new();
        marks.try_reserve_exact(parts.parts).map_err(|_| io::ErrorKind::OutOfMemory)?;
        marks.resize_with(parts.parts, Mark::default);
        Ok(Self { owner, parts, first, marks: marks.into(), values: PhantomData })
    }

    /// Lends a part to the calling thread; returns `None` if a thread of this process has it.
    ///
    /// # Panics
    /// If there is no such part.
    pub(crate) fn lend(&self, part: usize) -> Option<Lent<'_, T>> {
        let mark = &self.marks[part].0;
        if mark.swap(true, Ordering::Acquire) {
            return None;
        }
        let words = &self.owner.words()[self.first + part * self.parts.stride..];
        let words = &words[..self.parts.stride];
        let length = self.parts.start(part + 1) - self.parts.start(part);
        // All words of the part may be accessed by this pointer, and written, as they are atomics.
        let values = NonNull::slice_from_raw_parts(NonNull::from(words).cast(), length);
        Some(Lent { values, mark, borrowed: PhantomData })
    }
}

impl<W, T> Plain<W, T> {
    pub(crate) fn owner(&self) -> &W {
        &self.owner
    }

    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }
}

/// A part that the thread has until this is dropped.
///
/// A pointer, not a reference: while `drop` runs, another thread may have the part already.
#[derive(Debug)]
pub(crate) struct Lent<'a, T> {
    values: NonNull<[T]>,
    mark: &'a AtomicBool,
    borrowed: PhantomData<&'a mut [T]>,
}

impl<T: Pod> Deref for Lent<'_, T> {
    type Target = [T];

    #[expect(unsafe_code, reason = "words become plain values")]
    fn deref(&self) -> &[T] {
        // SAFETY: the values lie in words that live as long as the lifetime lasts, at an address
        // that is aligned for them: `Plain::new` has checked both, and any bytes are a T. The mark
        // is set, and was by this thread alone, so no other slice of them exists in this process;
        // that no other process writes them is what the caller's lock is for.
        unsafe { self.values.as_ref() }
    }
}

impl<T: Pod> DerefMut for Lent<'_, T> {
    #[expect(unsafe_code, reason = "words become plain values")]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and this guard is borrowed for as long as the slice lives.
        unsafe { self.values.as_mut() }
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        self.mark.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Words on cache lines, as a mapping has them.
    #[derive(Debug)]
    struct Lines(Vec<AtomicU64>);

    impl Lines {
        fn new(words: usize) -> Self {
            Self((0..words + WORDS).map(|_| AtomicU64::new(0)).collect())
        }
    }

    impl SharedWords for Lines {
        fn words(&self) -> &[AtomicU64] {
            let start = self.0.as_ptr().align_offset(LINE);
            &self.0[start..start + self.0.len() - WORDS]
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(64))]
    struct Wide([u64; 8]);

    /// Makes values behind one line of other words.
    fn plain<T: Pod>(length: usize, parts: usize) -> Plain<Lines, T> {
        let layout = Parts::of::<T>(length, parts).unwrap();
        let lines = Lines::new(WORDS + layout.words().unwrap());
        Plain::new(lines, WORDS, layout).unwrap()
    }

    /// Adds to each value of each part.
    fn count_all<T: Pod>(plain: &Plain<Lines, T>, add: fn(&mut T)) {
        for part in 0..plain.parts().count() {
            let mut lent = plain.lend(part).unwrap();
            let range = plain.parts().start(part)..plain.parts().start(part + 1);
            assert_eq!(lent.len(), range.len());
            lent.iter_mut().for_each(add);
        }
    }

    #[test]
    fn values_of_any_alignment_are_shared_by_the_threads_that_have_them_in_turn() {
        for (length, parts) in [(1, 1), (5, 2), (70, 3), (9, 9)] {
            let (bytes, numbers, wide) =
                (plain::<u8>(length, parts), plain(length, parts), plain(length, parts));
            for _ in 0..3 {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        count_all(&bytes, |byte| *byte += 1);
                        count_all(&numbers, |number: &mut f64| *number += 0.5);
                        count_all(&wide, |wide: &mut Wide| wide.0[7] += 1);
                    });
                });
            }
            for part in 0..parts {
                assert!(bytes.lend(part).unwrap().iter().all(|byte| *byte == 3));
                assert!(numbers.lend(part).unwrap().iter().all(|number| *number == 1.5));
                assert!(wide.lend(part).unwrap().iter().all(|wide| wide.0[7] == 3));
            }
        }
    }

    #[test]
    fn a_part_is_lent_to_one_thread_and_the_words_before_it_can_be_used_meanwhile() {
        let plain = plain::<u32>(10, 2);
        let mut first = plain.lend(0).unwrap();
        assert!(plain.lend(0).is_none());
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(plain.lend(0).is_none());
                plain.owner().words()[3].store(7, Ordering::Relaxed);
                plain.lend(1).unwrap()[4] = 5;
            });
            first[4] = 4;
        });
        assert_eq!(plain.owner().words()[3].load(Ordering::Relaxed), 7);
        let second = plain.lend(1).unwrap();
        assert_eq!((first[4], second[4]), (4, 5));
        drop((first, second));
        assert!(plain.lend(0).is_some());
    }

    #[test]
    fn threads_that_want_one_part_have_it_one_after_another() {
        let plain = plain::<u64>(3, 1);
        let add = || {
            for _ in 0..20 {
                let mut lent = loop {
                    match plain.lend(0) {
                        Some(lent) => break lent,
                        None => thread::yield_now(),
                    }
                };
                lent[1] += 1;
            }
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(add))));
        assert_eq!(plain.lend(0).unwrap()[1], 60);
    }

    #[test]
    fn parts_differ_by_one_value_at_most_and_are_all_values_together() {
        for (length, parts) in [(1, 1), (10, 3), (11, 3), (12, 3), (1000, 7), (5, 5)] {
            let layout = Parts::of::<u16>(length, parts).unwrap();
            let lengths: Vec<usize> =
                (0..parts).map(|part| layout.start(part + 1) - layout.start(part)).collect();
            assert_eq!(lengths.iter().sum::<usize>(), length);
            let (least, most) = (length / parts, length.div_ceil(parts));
            assert!(lengths.iter().all(|length| [least, most].contains(length)), "{lengths:?}");
            assert_eq!(layout.start(parts), length);
        }
    }

    #[test]
    fn layouts_that_can_not_be_are_none() {
        for (length, parts) in [(0, 0), (0, 1), (5, 0), (5, 6), (1, usize::MAX)] {
            assert_eq!(Parts::of::<u64>(length, parts), None, "{length}, {parts}");
        }
        for length in [usize::MAX, usize::MAX / 8, usize::MAX / 16 + 1, isize::MAX as usize / 8] {
            assert_eq!(Parts::of::<u64>(length, 1), None, "{length}");
            assert_eq!(Parts::of::<u64>(length, length), None, "{length}");
        }
        assert!(Parts::of::<u64>(1 << 40, 1 << 20).is_some());
    }

    #[test]
    fn words_of_another_number_or_other_parts_are_refused() {
        let layout = Parts::of::<u64>(100, 2).unwrap();
        let words = layout.words().unwrap();
        for there in [0, WORDS, words, words + WORDS - 1, words + WORDS + 1] {
            assert!(Plain::<_, u64>::new(Lines::new(there), WORDS, layout).is_err(), "{there}");
        }
        let lines = || Lines::new(WORDS + words);
        assert!(Plain::<_, u64>::new(lines(), WORDS + 1, layout).is_err());
        assert!(Plain::<_, [u64; 2]>::new(lines(), WORDS, layout).is_err());
        assert!(Plain::<_, u64>::new(lines(), WORDS, layout).is_ok());
    }
}
