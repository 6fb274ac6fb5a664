//! Running done-callbacks: a panic ends one callback alone, and a chain of callbacks, however long,
//! needs a bounded part of the stack.
//!
//! ```text
//!   set_result ▶ callback ▶ set_result ▶ callback ▶ … 64 deep ▶ set_result ──▶ LATER
//!                                                       └────── runs LATER till it is empty
//! ```
//!
//! Python's chain breaks at the limit of recursion: of 5,000 futures 333 end. Where many futures
//! end at once (`shutdown`, `terminate_workers`, a broken executor of threads), all are ended
//! before the first callback runs; so it may ask for any of them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Write;
use std::mem::forget;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Function that is called with a future that is done.
pub(crate) type Callback<F> = Box<dyn FnOnce(&F) + Send>;

/// Maximum number of callbacks that run inside each other.
const MAX_DEPTH: u32 = 64;

thread_local! {
    /// Number of callbacks running in this thread, one inside the other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Deferred callbacks, which would be deeper.
    static LATER: RefCell<VecDeque<Box<dyn FnOnce()>>> = const { RefCell::new(VecDeque::new()) };
    /// True while this thread wakes a task: code that runs in there must not wait.
    static IS_WAKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs the callbacks of a future: now, or if they would be too deep, when the deepest have
/// returned.
pub(crate) fn in_turn(callbacks: impl FnOnce() + 'static) {
    let depth = DEPTH.get();
    if depth >= MAX_DEPTH {
        return LATER.with_borrow_mut(|later| later.push_back(Box::new(callbacks)));
    }
    DEPTH.set(depth + 1);
    waking(false, callbacks);
    if depth + 1 == MAX_DEPTH {
        run_later(MAX_DEPTH);
    }
    DEPTH.set(depth);
}

/// Ends several futures, for those who write an executor. Their callbacks run when all have been
/// ended, so they may wait for each of them. A panic of `end_them` ends here.
///
/// ```
/// use multiprocess::futures::{Promise, together};
///
/// let ((first, one), (second, two)) = (Promise::new(), Promise::new());
/// let sees = two.clone();
/// one.add_done_callback(move |_| assert_eq!(sees.result(), Ok(&2)));
/// together(|| {
///     let _ = first.set_result(1);
///     let _ = second.set_result(2);
/// });
/// ```
pub fn together(end_them: impl FnOnce()) {
    let depth = DEPTH.replace(MAX_DEPTH);
    contained(end_them);
    run_later(MAX_DEPTH.min(depth + 1));
    DEPTH.set(depth);
}

fn run_later(depth: u32) {
    // At the thread's end the queue may be gone.
    let next = || LATER.try_with(|later| later.borrow_mut().pop_front()).ok().flatten();
    while let Some(callbacks) = next() {
        DEPTH.set(depth);
        waking(false, callbacks);
    }
}

/// Wakes the tasks that await a future.
pub(crate) fn wake(wakers: Vec<(NonZeroU64, Waker)>) {
    wakers.into_iter().for_each(|(_, waker)| waking(true, || waker.wake()));
}

pub(crate) fn is_waking() -> bool {
    IS_WAKING.get()
}

/// Runs code that includes users' code; `is_waking` is true if it wakes a task.
pub(crate) fn waking(is_waking: bool, work: impl FnOnce()) {
    let before = IS_WAKING.replace(is_waking);
    contained(work);
    IS_WAKING.set(before);
}

/// Runs code that includes users' code, or drops users' values; a panic ends there.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) {
    let done = catch_unwind(AssertUnwindSafe(|| drop(work())));
    // Dropping a panic's payload may panic, too.
    done.unwrap_or_else(forget);
}

/// Calls a callback; a panic is printed, and ends there.
pub(crate) fn call<F: Debug>(callback: Callback<F>, future: &F) {
    let called = catch_unwind(AssertUnwindSafe(|| callback(future)));
    called.unwrap_or_else(|panic| {
        forget(panic);
        // `eprintln!` would panic if stderr is closed. The text is Python's.
        let _ = writeln!(std::io::stderr(), "exception calling callback for {future:?}");
    });
}
