//! Done-callbacks, wherever a future ends: a panic costs that callback alone, and a chain of them,
//! however long, no more of the stack than a short one.
//!
//! ```text
//!   set_result ▶ callback ▶ set_result ▶ callback ▶ … 64 deep ▶ set_result ──▶ this thread's queue
//!                                                       └─────────── runs what is in it, till it is empty
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::Write;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// What is called with a future that is done.
pub(crate) type Callback<F> = Box<dyn FnOnce(&F) + Send>;

/// Maximum number of callbacks that run inside each other.
const DEEPEST: u32 = 64;

thread_local! {
    /// Number of callbacks under way in this thread, one inside the other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The callbacks that would be deeper.
    static LATER: RefCell<VecDeque<Box<dyn FnOnce()>>> = const { RefCell::new(VecDeque::new()) };
    /// Whether this thread is waking a task just now: it only passes by there, and won't wait.
    static IS_WAKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs the callbacks of a future: now, or if they would be too deep, when the deepest have
/// returned.
pub(crate) fn in_turn(callbacks: impl FnOnce() + 'static) {
    let depth = DEPTH.get();
    if depth >= DEEPEST {
        return LATER.with_borrow_mut(|later| later.push_back(Box::new(callbacks)));
    }
    DEPTH.set(depth + 1);
    waking(false, callbacks);
    if depth + 1 == DEEPEST {
        run_later(DEEPEST);
    }
    DEPTH.set(depth);
}

/// Ends several futures. Their callbacks run when all have been ended, and so may wait for each of
/// them.
pub(crate) fn together(end_them: impl FnOnce()) {
    let depth = DEPTH.replace(DEEPEST);
    contained(end_them);
    run_later(DEEPEST.min(depth + 1));
    DEPTH.set(depth);
}

fn run_later(depth: u32) {
    // At the end of the thread it may be gone.
    let next = || LATER.try_with(|later| later.borrow_mut().pop_front()).ok().flatten();
    while let Some(callbacks) = next() {
        DEPTH.set(depth);
        waking(false, callbacks);
    }
}

/// Wakes the tasks that await a future.
pub(crate) fn wake(wakers: Vec<(u64, Waker)>) {
    wakers.into_iter().for_each(|(_, waker)| waking(true, || waker.wake()));
}

pub(crate) fn is_waking() -> bool {
    IS_WAKING.get()
}

/// Does what users' code is part of, which may wait for a future or, while it wakes a task, won't.
pub(crate) fn waking(is_waking: bool, work: impl FnOnce()) {
    let before = IS_WAKING.replace(is_waking);
    contained(work);
    IS_WAKING.set(before);
}

/// Does this; if it panics, because of what users give or of what is dropped with it, that ends it
/// and nothing else.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) {
    let done = catch_unwind(AssertUnwindSafe(|| drop(work())));
    // What a panic carries may panic when it is dropped.
    done.unwrap_or_else(forget);
}

/// Calls a callback; a panic ends it and nothing else.
pub(crate) fn call<F: Debug>(callback: Callback<F>, future: &F) {
    let called = catch_unwind(AssertUnwindSafe(|| callback(future)));
    called.unwrap_or_else(|panic| {
        forget(panic);
        // Not by `eprintln!`: it panics if nobody reads it. Python says the same.
        let _ = writeln!(std::io::stderr(), "exception calling callback for {future:?}");
    });
}
