//! What processes can share: values, arrays, locks that no kill can wedge. Python: `Value`,
//! `Array`, `Lock` and the other classes for synchronization, `shared_memory`.

#[cfg(not(loom))]
mod array;
pub(crate) mod atomic;
#[cfg(not(loom))]
mod died;
pub(crate) mod event_count;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
mod lock_error;
#[cfg(not(loom))]
mod lock_word;
#[cfg(not(loom))]
pub(crate) mod members;
#[cfg(not(loom))]
pub(crate) mod waiters;
#[cfg(not(loom))]
mod words;

#[cfg(not(loom))]
pub use array::{Array, PartGuard};
#[cfg(not(loom))]
pub use died::Died;
#[cfg(not(loom))]
pub use lock::{Lock, LockGuard};
#[cfg(not(loom))]
pub use lock_error::{LockError, Recover};
#[cfg(not(loom))]
pub use words::Words;
