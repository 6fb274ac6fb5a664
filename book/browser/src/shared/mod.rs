//! What the queue's ring finds under this name in the library, too.

pub(crate) mod atomic;
