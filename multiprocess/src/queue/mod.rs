//! A queue between processes that no kill can break: what Python's `multiprocessing.Queue`,
//! `JoinableQueue` and `SimpleQueue` are, in Rust.
//!
//! ```text
//!   producer A ──put──▶ ┌───────────────────────────────┐ ──get──▶ consumer C
//!                       │ one piece of memory, shared   │
//!   producer B ──put──▶ │ by all; no process owns it    │ ──get──▶ consumer D   ✝ killed
//!                       └───────────────────────────────┘
//! ```
//!
//! Python's queue is a pipe and locks: a process that is killed while it holds a lock stops all
//! others. Here there is no lock to hold. Each claimed slot of a ring names its owner, the kernel
//! knows whether the owner is alive, and any participant repairs what a dead one has left.
//!
//! **Why nothing simpler.** A pipe takes a long message in pieces, so a producer killed in the
//! middle leaves half of one, with the next right behind it; a short message costs two system
//! calls (on two cores a bare pipe takes 2.4 million numbers a second, the ring 20 million). A
//! lock in shared memory, a semaphore, a token in a pipe: each goes with the process that is
//! killed. Robust mutexes tell of that, but the condition variable that one needs with them hung
//! after the second killed waiter. A process in the middle is one more that can be killed, and
//! each item goes two ways.
//!
//! **What a death can still cost**: the item that the process had got; up to 100 ms, if it was the
//! one that was woken; and in the count that `join` returns an item may appear that is delivered
//! again, if the consumer died between counting it as held and freeing its slot.
//!
//! The layers, each in one file, from the middle outwards: the ring over atomic words (`ring.rs`),
//! the memory it lies in (`memory.rs`), with areas for large items (`areas.rs`), what processes
//! leave behind (`spill.rs`), the participants and what their death leaves (`participant.rs`), all
//! together putting and getting bytes (`raw.rs`); on that the handle of a process (`handle.rs`) and
//! the typed `Queue` (`queue.rs`). As a base for others, such as a pool, there is also `ByteQueue`
//! (`bytes.rs`). The numbers of participants and how they wait come from `shared`.
//!
//! Under `--cfg loom` there is only the ring, for loom to try its interleavings:
//! `RUSTFLAGS="--cfg loom" cargo test --release -p multiprocess --lib`.

#[cfg(not(loom))]
mod areas;
#[cfg(not(loom))]
mod batching;
#[cfg(not(loom))]
mod bytes;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod participant;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod raw;
mod ring;
#[cfg(not(loom))]
mod spill;

#[cfg(not(loom))]
pub use crate::shared::Words;
#[cfg(not(loom))]
pub use bytes::ByteQueue;
#[cfg(not(loom))]
pub use error::{Error, GetError, PutError};
#[cfg(not(loom))]
pub use queue::Queue;
#[cfg(not(loom))]
pub(crate) use raw::MAX_REUSED;
