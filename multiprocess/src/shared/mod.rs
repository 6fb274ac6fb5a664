//! What processes can share: values, arrays, locks that no kill can wedge. Python: `Value`,
//! `Array`, `Lock` and the other classes for synchronization, `shared_memory`.

#[cfg(not(loom))]
mod array;
pub(crate) mod atomic;
#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod broken;
#[cfg(not(loom))]
mod condition;
#[cfg(all(test, not(loom)))]
pub(crate) mod crash;
#[cfg(not(loom))]
mod died;
#[cfg(not(loom))]
mod event;
pub(crate) mod event_count;
mod event_word;
#[cfg(not(loom))]
mod full;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
mod lock_error;
#[cfg(not(loom))]
mod lock_handle;
mod lock_word;
#[cfg(not(loom))]
pub(crate) mod members;
#[cfg(not(loom))]
mod permit;
#[cfg(not(loom))]
mod permits;
#[cfg(not(loom))]
mod reentrant;
#[cfg(not(loom))]
mod round;
#[cfg(not(loom))]
mod semaphore;
mod slots;
mod transaction;
#[cfg(not(loom))]
mod value;
#[cfg(not(loom))]
pub(crate) mod waiters;
#[cfg(not(loom))]
mod wakeups;
#[cfg(not(loom))]
mod words;

#[cfg(not(loom))]
pub use array::{Array, PartGuard};
#[cfg(not(loom))]
pub use barrier::{Barrier, Seat};
#[cfg(not(loom))]
pub use broken::{Broken, Passed};
#[cfg(not(loom))]
pub use bytemuck::{Pod, Zeroable};
#[cfg(not(loom))]
pub use condition::{Condition, ConditionGuard};
#[cfg(not(loom))]
pub use died::Died;
#[cfg(not(loom))]
pub use event::Event;
#[cfg(not(loom))]
pub use full::Full;
#[cfg(not(loom))]
pub use lock::{Lock, LockGuard};
#[cfg(not(loom))]
pub use lock_error::{LockError, Recover};
#[cfg(not(loom))]
pub use permit::Permit;
#[cfg(not(loom))]
pub use reentrant::{ReentrantLock, ReentrantLockGuard};
#[cfg(not(loom))]
pub use semaphore::Semaphore;
#[cfg(not(loom))]
pub use value::Value;
#[cfg(not(loom))]
pub use words::Words;
