//! What the program waits for at its end: the engines of executors, and executors of threads.

use std::mem::take;
use std::sync::{Mutex, Once, PoisonError, Weak};

/// What the program waits for at its end, if it is still there then.
pub(crate) trait Awaited: Send + Sync {
    /// Takes no more; returns when all is done that was submitted.
    fn finish(&self);
}

static AWAITED: Mutex<Vec<Weak<dyn Awaited>>> = Mutex::new(Vec::new());

/// Sees to it that the program waits for this, before it does for those that were there before: they may be
/// needed to finish it.
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
