//! Processes, pipes, queues, pools and executors: what Python's `multiprocessing` and
//! `concurrent.futures` are, in Rust, and no kill breaks them.
//!
//! ```
//! use std::process::ExitCode;
//!
//! use multiprocess::{Failure, Pool, Process, Queue, tasks};
//!
//! tasks![greet, square];
//!
//! fn greet(queue: Queue<String>) -> Result<(), Failure> {
//!     queue.put("hello from another process".to_owned())?;
//!     Ok(())
//! }
//!
//! fn square(number: u64) -> u64 {
//!     number * number
//! }
//!
//! fn main() -> ExitCode {
//!     multiprocess::main(|| -> Result<(), Failure> {
//!         let queue = Queue::bounded(10)?;
//!         let mut child = Process::new(greet, queue.clone());
//!         child.start()?;
//!         assert_eq!(queue.get()?, "hello from another process");
//!         child.join()?;
//!
//!         let pool = Pool::new(4)?;
//!         assert_eq!(pool.map(square, 1..=4)?, [1, 4, 9, 16]);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Each module uses only those above it:
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`output`] | printing that survives closed pipes |
//! | [`process`] | [`main`], [`tasks!`], [`Process`], exit codes, what a process may be given |
//! | [`pipe`](mod@pipe) | [`pipe()`], [`Connection`], [`Sender`], [`Receiver`] |
//! | [`shared`] | values, arrays and locks that processes share |
//! | [`queue`] | [`Queue`] |
//! | [`manager`] | server processes that own values; connections between any programs |
//! | [`futures`] | `concurrent.futures`: futures, and executors of threads and of processes |
//! | [`pool`] | [`Pool`] |
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "loom checks some files alone"))]

#[cfg(all(test, not(loom)))]
mod crash;
mod deadline;
#[cfg(not(loom))]
mod future;
#[cfg(not(loom))]
pub mod manager;
#[cfg(not(loom))]
pub mod output;
#[cfg(not(loom))]
pub mod pipe;
#[cfg(not(loom))]
pub mod pool;
#[cfg(not(loom))]
pub mod process;
#[cfg(loom)]
#[path = "future/progress.rs"]
mod progress;
pub mod queue;
pub mod shared;
#[cfg(not(loom))]
mod spin;
#[cfg(not(loom))]
mod sys;

#[cfg(not(loom))]
pub use crate::pipe::{Connection, Receiver, Sender, one_way, pipe};
#[cfg(not(loom))]
pub use crate::pool::{AsyncResult, Imap, Pool};
#[cfg(not(loom))]
pub use crate::process::{
    CurrentProcess, Exit, Failure, Gate, ParentProcess, Process, Run, Waiting, active_children,
    at_exit, cpu_count, current_process, end_with_parent, ignore_interrupts, main, parent_process,
    wait,
};
#[cfg(not(loom))]
pub use crate::queue::Queue;

/// Futures and executors: Python's `concurrent.futures`.
#[cfg(not(loom))]
pub mod futures {
    #[doc(inline)]
    pub use crate::future::*;
    #[doc(inline)]
    pub use crate::pool::{ProcessPoolBuilder, ProcessPoolExecutor};
}

/// What the macros expand to; not for use by hand.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use inventory;

    pub use crate::manager::exposed::{Answered, Exposed, IsNothing, IsSomething, invoke, name_of};
    pub use crate::process::entry::{TestEntry, run_if_child};
    pub use crate::process::exit::{
        ExitOfDebugResult, ExitOfResult, ExitOfSilentResult, ExitOfValue, Returned,
    };
    pub use crate::process::task::{Call, Take, TakesReference, TakesValue, Task, call, key_of};
}

/// The programs of the guide for those who port code from Python, and those of the first pages,
/// are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../docs/porting.md")]
#[doc = include_str!("../../README.md")]
struct Pages;
