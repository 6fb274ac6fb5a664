//! Deaths at chosen steps, for tests: a process kills itself when it comes to the step.

use std::sync::atomic::{AtomicU32, Ordering};

/// No step has this number.
const NONE: u32 = u32::MAX;

static STEP: AtomicU32 = AtomicU32::new(NONE);

/// Has this process die when it comes to the step of this number.
pub(crate) fn at(step: u32) {
    STEP.store(step, Ordering::SeqCst);
}

/// Lets this process live on.
pub(crate) fn nowhere() {
    at(NONE);
}

/// Dies if this is the step.
pub(crate) fn reach(step: u32) {
    if STEP.load(Ordering::Relaxed) == step {
        testing::signal_self(testing::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}
