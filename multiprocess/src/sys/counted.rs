//! [`Counted`]: a value that is set once, that handles look at, and that the last handle takes out.
//!
//! `Arc::get_mut` tells whether an `Arc` is the last one. But an executor holds a call for a moment
//! after its result is there, and its queue holds calls that another thread has run; neither looks
//! at the result. So those that do, the handles, are counted apart, and the call, its future and
//! its result can be one allocation.
//!
//! # Memory ordering
//!
//! - `set` stores SET with Release, after it wrote the value; a handle loads it with Acquire before
//!   it reads the value. Only the first exchange of EMPTY for SETTING succeeds, and publishes
//!   nothing: Relaxed.
//! - The count is what `Arc`'s own is. A handle is made from another one, which keeps the count
//!   above zero (Relaxed). It goes with Release, and the last one is found with Acquire, so what
//!   that does to the value comes after all that the others have read.

use std::cell::UnsafeCell;
use std::ops::Deref;
use std::panic::RefUnwindSafe;
use std::ptr::addr_eq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

const EMPTY: u8 = 0;
const SETTING: u8 = 1;
const SET: u8 = 2;

/// A value for its handles, beside what is shared with others, too.
pub(crate) struct Counted<T, S: ?Sized> {
    handles: AtomicUsize,
    progress: AtomicU8,
    value: UnsafeCell<Option<T>>,
    shared: S,
}

// SAFETY: the value is written by one thread, before any reads it (`progress`); read by those that
// have handles; and taken by one while no other handle is there (`handles`).
#[expect(unsafe_code, reason = "an UnsafeCell is not Sync by itself")]
unsafe impl<T: Send + Sync, S: Sync + ?Sized> Sync for Counted<T, S> {}

impl<T: RefUnwindSafe, S: ?Sized> RefUnwindSafe for Counted<T, S> {}

impl<T, S> Counted<T, S> {
    /// Makes a value to be set, and its first handle. `unsize` returns what it is given, as a type
    /// that may hide that of `S`.
    pub(crate) fn new<D: ?Sized>(
        shared: S,
        unsize: impl FnOnce(Arc<Self>) -> Arc<Counted<T, D>>,
    ) -> (Arc<Self>, Handle<T, D>) {
        let (handles, progress) = (AtomicUsize::new(1), AtomicU8::new(EMPTY));
        let counted = Arc::new(Self { handles, progress, value: UnsafeCell::new(None), shared });
        let same = unsize(Arc::clone(&counted));
        // The handle is counted already: in this value, not in another one.
        assert!(addr_eq(Arc::as_ptr(&counted), Arc::as_ptr(&same)), "unsized to another one");
        (counted, Handle(same))
    }
}

impl<T, S: ?Sized> Counted<T, S> {
    /// Sets the value; does nothing but drop it the second time.
    pub(crate) fn set(&self, value: T) {
        let exchanged =
            self.progress.compare_exchange(EMPTY, SETTING, Ordering::Relaxed, Ordering::Relaxed);
        if exchanged.is_ok() {
            // SAFETY: this comes once, and before SET nothing else touches the value.
            #[expect(unsafe_code, reason = "the exchange is what no type can tell")]
            unsafe {
                *self.value.get() = Some(value);
            }
            self.progress.store(SET, Ordering::Release);
        }
    }

    fn is_set(&self) -> bool {
        self.progress.load(Ordering::Acquire) == SET
    }
}

impl<T, S: ?Sized> Deref for Counted<T, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.shared
    }
}

/// A handle to a value.
pub(crate) struct Handle<T, S: ?Sized>(Arc<Counted<T, S>>);

impl<T, S: ?Sized> Handle<T, S> {
    /// Returns the value, if it is set and was not taken.
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.0.is_set() {
            return None;
        }
        // SAFETY: nothing writes the value after SET but `take`, which needs the only handle, and
        // not while it lends the value.
        #[expect(unsafe_code, reason = "the count of handles is what no type can tell")]
        unsafe { &*self.0.value.get() }.as_ref()
    }

    /// Takes the value, if it is set and this is the only handle.
    pub(crate) fn take(&mut self) -> Option<T> {
        if self.is_last() { self.take_as_last() } else { None }
    }

    /// Takes the value, if it is set. For the last handle alone.
    fn take_as_last(&mut self) -> Option<T> {
        if !self.0.is_set() {
            return None;
        }
        // SAFETY: the value was set, so `set` doesn't touch it any more. All other handles are
        // gone, as both callers have made sure, and this one, borrowed mutably, is neither cloned
        // meanwhile nor lends the value.
        #[expect(unsafe_code, reason = "the count of handles is what no type can tell")]
        unsafe { &mut *self.0.value.get() }.take()
    }

    fn is_last(&self) -> bool {
        self.0.handles.load(Ordering::Acquire) == 1
    }

    pub(crate) fn counted(&self) -> &Arc<Counted<T, S>> {
        &self.0
    }
}

impl<T, S: ?Sized> Clone for Handle<T, S> {
    fn clone(&self) -> Self {
        let counted = Arc::clone(&self.0);
        // Can't overflow: the count of the `Arc` would have before.
        counted.handles.fetch_add(1, Ordering::Relaxed);
        Self(counted)
    }
}

/// The last handle takes the value along, whoever still holds the rest.
impl<T, S: ?Sized> Drop for Handle<T, S> {
    fn drop(&mut self) {
        // Where there is no other handle, none will count this one any more.
        if self.is_last() || self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(self.take_as_last());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn counted<T>() -> (Arc<Counted<T, ()>>, Handle<T, ()>) {
        Counted::new((), |counted| counted)
    }

    #[test]
    fn a_value_is_set_once_and_taken_by_the_last_handle_though_others_hold_the_rest() {
        let (counted, mut handle) = counted();
        assert!(handle.get().is_none() && handle.take().is_none());
        counted.set(Box::new(1));
        counted.set(Box::new(2));
        assert_eq!(handle.get().map(|one| **one), Some(1));
        let mut other = handle.clone();
        assert_eq!((other.take(), handle.take()), (None, None));
        drop(handle);
        assert_eq!(other.take(), Some(Box::new(1)));
        assert!(other.get().is_none() && other.take().is_none());
        counted.set(Box::new(3));
        assert_eq!(other.get(), None);
    }

    #[test]
    #[should_panic = "unsized to another one"]
    fn a_first_handle_is_no_handle_to_another_value() {
        let (other, _handle) = counted::<u8>();
        Counted::new((), |_| other);
    }

    #[test]
    fn the_last_handle_takes_the_value_along() {
        let (counted, handle) = counted();
        let token = Arc::new(());
        counted.set(Arc::clone(&token));
        drop(handle.clone());
        assert_eq!(Arc::strong_count(&token), 2);
        drop(handle);
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn of_several_threads_that_look_and_let_go_one_takes_the_value() {
        let rounds = if cfg!(miri) { 20 } else { 2000 };
        for round in 0..rounds {
            let (counted, handle) = counted::<Arc<u64>>();
            let value = Arc::new(round);
            let handles = [handle.clone(), handle.clone(), handle];
            let begin = Barrier::new(handles.len() + 1);
            let begin = &begin;
            let taken: usize = thread::scope(|scope| {
                let threads = handles.map(|mut handle| {
                    scope.spawn(move || {
                        begin.wait();
                        while !handle.counted().is_set() {
                            thread::yield_now();
                        }
                        // Nothing takes it while this handle is there.
                        assert_eq!(handle.get().map(|value| **value), Some(round));
                        handle.take().map_or(0, |value| {
                            assert_eq!(*value, round);
                            1
                        })
                    })
                });
                begin.wait();
                counted.set(Arc::clone(&value));
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert!(taken <= 1);
            // Taken, or gone with the last of the handles.
            assert_eq!(Arc::strong_count(&value), 1);
        }
    }
}
