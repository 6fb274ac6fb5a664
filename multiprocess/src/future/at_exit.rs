//! Waiting at the program's end for executors of processes and of threads.
//!
//! An executor that is dropped waits for its calls, as Python's `with` does: in Rust the end of a
//! scope is where that is expected. After `shutdown(false, …)` the calls are run all the same, and
//! the program's end waits for them.

use std::mem::take;
use std::sync::{Mutex, Once, PoisonError, Weak};

/// An executor that the program waits for at its end, if it is still there.
pub(crate) trait Awaited: Send + Sync {
    /// Takes no more calls, and returns when all are done.
    fn finish(&self);
}

static AWAITED: Mutex<Vec<Weak<dyn Awaited>>> = Mutex::new(Vec::new());

/// Registers an executor to be waited for at the program's end: before the earlier ones, which it
/// may need to finish.
pub(crate) fn wait_at_exit(awaited: Weak<dyn Awaited>) {
    static ONCE: Once = Once::new();
    let all = || AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = all();
    known.retain(|awaited| awaited.strong_count() > 0);
    known.push(awaited);
    drop(known);
    ONCE.call_once(|| {
        crate::process::at_exit(move || {
            let known = take(&mut *all());
            known.iter().rev().filter_map(Weak::upgrade).for_each(|awaited| awaited.finish());
        });
    });
}
