//! What processes can share: values, arrays, locks that no kill can wedge.
//!
//! ```text
//!   process A                    memory without a name                     process B
//!   ┌───────┐    ┌─────────────────────────────────────────────────┐      ┌───────┐
//!   │ value ├───▶│ members: who takes part, each with a number     │◀─────┤ value │
//!   └───────┘    │ lock: number of its holder ┃ version ┃ 2 copies │      └───────┘
//!                └─────────────────────────────────────────────────┘
//! ```
//!
//! | | what it is | Python |
//! | --- | --- | --- |
//! | [`Value`] | plain data that changes whole or not at all; reading takes no lock | `Value` |
//! | [`Array`] | plain data in place, in parts with a lock each | `Array`, `shared_memory` |
//! | [`Words`] | atomics | `RawArray`, `RawValue` |
//! | [`Lock`], [`ReentrantLock`] | one thread at a time, of all processes | `Lock`, `RLock` |
//! | [`Condition`] | a lock whose holders can wait to be notified | `Condition` |
//! | [`Semaphore`] | a fixed number of permits | `Semaphore`, `BoundedSemaphore` |
//! | [`Event`] | a flag to wait for | `Event` |
//! | [`Barrier`] | seats, of which none goes on before all are there | `Barrier` |
//!
//! All of them are arguments of new processes and of initializers of pools, and go over a
//! connection of a [`Client`](crate::manager::Client). None has a name in the file system: the
//! kernel frees the memory with the last handle. In a process each takes one mapping, and one
//! descriptor: two on macOS, where memory without a name can't be opened once more, and so can't
//! have the locks that tell who is alive.
//!
//! **When a process dies** that held a lock, a part or a permit, the next one gets it, within at
//! most 100 ms, and is told of the death ([`LockError`], [`Died`]), because what the lock guards
//! may be half changed. A `Value` needs none of that.
//!
//! Read in this order: who takes part and is alive (`members.rs`), sleeping and waking
//! (`event_count.rs`, `waiters.rs`), the lock in one word (`lock_word.rs`, `lock_handle.rs`); then
//! each type. What can be stated without a system is in files of its own, which loom tries in every
//! interleaving: `lock_word.rs`, `transaction.rs` (of a value), `slot.rs` and `slots.rs` (of a
//! semaphore), `event_word.rs`, `event_count.rs`. Under `--cfg loom` there are only these.

#[cfg(not(loom))]
mod array;
pub(crate) mod atomic;
#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod broken;
#[cfg(not(loom))]
mod condition;
#[cfg(not(loom))]
mod condition_guard;
#[cfg(not(loom))]
mod condition_handle;
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
mod seat;
#[cfg(not(loom))]
mod semaphore;
mod slot;
mod slots;
#[cfg(not(loom))]
mod table;
#[cfg(not(loom))]
mod this_thread;
mod transaction;
#[cfg(not(loom))]
mod value;
#[cfg(not(loom))]
pub(crate) mod waiters;
#[cfg(not(loom))]
mod wakeups;
#[cfg(all(test, not(loom)))]
mod woken;
#[cfg(not(loom))]
mod words;

#[cfg(not(loom))]
pub use array::{Array, PartGuard};
#[cfg(not(loom))]
pub use barrier::Barrier;
#[cfg(not(loom))]
pub use broken::{Broken, Passed};
#[cfg(not(loom))]
pub use bytemuck::{Pod, Zeroable};
#[cfg(not(loom))]
pub use condition::Condition;
#[cfg(not(loom))]
pub use condition_guard::ConditionGuard;
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
pub use seat::Seat;
#[cfg(not(loom))]
pub use semaphore::Semaphore;
#[cfg(not(loom))]
pub use value::Value;
#[cfg(not(loom))]
pub use words::Words;
