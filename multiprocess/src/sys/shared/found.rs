//! [`Found`]: a word of a mapping, found once.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What keeps a word mapped, and the word: at hand without the way through the mapping and its
/// bounds checks. For paths of a few nanoseconds.
pub(crate) struct Found<T> {
    owner: Arc<T>,
    word: NonNull<AtomicU32>,
}

// SAFETY: an `Arc` and a reference could be sent and shared just so.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl<T: Send + Sync> Send for Found<T> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl<T: Send + Sync> Sync for Found<T> {}

impl<T> Found<T> {
    /// Finds a word in what the owner has.
    pub(crate) fn new(owner: T, find: impl for<'a> FnOnce(&'a T) -> &'a AtomicU32) -> Self {
        let owner = Arc::new(owner);
        let word = NonNull::from(find(&owner));
        Self { owner, word }
    }

    /// Returns the word.
    #[inline]
    #[expect(unsafe_code, reason = "an address becomes a reference again")]
    pub(crate) fn word(&self) -> &AtomicU32 {
        // SAFETY: the word was found through a shared reference to the owner, and for as long as
        // such a reference could last: the `Arc` is never used to move or change the owner, which
        // lives at least as long as `self`.
        unsafe { self.word.as_ref() }
    }
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner), word: self.word }
    }
}

impl<T> Deref for Found<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.owner
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn clones_find_the_same_word_also_elsewhere_and_when_the_first_is_gone() {
        let first = Found::new([AtomicU32::new(5), AtomicU32::new(7)], |words| &words[1]);
        let second = first.clone();
        first.word().store(8, Ordering::Relaxed);
        drop(first);
        let seen = std::thread::spawn(move || {
            let moved = Box::new(second);
            (moved.word().load(Ordering::Relaxed), moved[1].load(Ordering::Relaxed))
        });
        assert_eq!(seen.join().unwrap(), (8, 8));
    }
}
