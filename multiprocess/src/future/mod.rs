//! Executors and futures: the same code on threads and on processes. What Python's
//! `concurrent.futures` is, in Rust.
//!
//! ```text
//!                     ┌──▶ ThreadPoolExecutor:   threads of this process  ──┐
//!   submit(f, a) ─────┤                                                     ├──▶ Promise
//!        │            └──▶ ProcessPoolExecutor:  the engine of `pool`     ──┘      ║ one
//!        ▼                                                                         ║ completion
//!     Future ◀═════════════════════════════════════════════════════════════════════╝
//!        result, cancel, add_done_callback, .await;  wait, as_completed
//! ```
//!
//! To read in this order: the trait [`Executor`] (`executor.rs`) with its [`Map`] (`map.rs`); the
//! two ends of a result, [`Future`] and [`Promise`] (`future.rs`, `awaiting.rs`, `promise.rs`), and
//! [`Control`] for executors of other crates (`control.rs`); the one way in which a future
//! completes, also that of a pool's result (`completion.rs`, `progress.rs`, `callbacks.rs`);
//! waiting for several futures
//! ([`wait`], [`as_completed`], `waiting.rs`, `waiter.rs`); the executors: of threads
//! (`threads.rs`, `thread_calls.rs`) and of processes (`pool/executor.rs`). Used by both: errors
//! (`error.rs`, `task_error.rs`), panics of tasks (`panics.rs`), the wait at the program's end
//! (`at_exit.rs`).

pub(crate) mod at_exit;
mod awaiting;
pub(crate) mod callbacks;
pub(crate) mod completion;
mod control;
pub(crate) mod error;
pub(crate) mod executor;
pub(crate) mod future;
mod map;
pub(crate) mod panics;
pub(crate) mod progress;
pub(crate) mod promise;
mod task_error;
mod thread_calls;
mod threads;
mod waiter;
mod waiting;

pub use callbacks::together;
pub use control::{Control, Kept};
pub use error::{BuildError, FutureError, InvalidState, SubmitError, Unfinished};
pub use executor::Executor;
pub use future::Future;
pub use map::{Map, MapOptions};
pub use promise::Promise;
pub use task_error::TaskError;
pub use threads::{ThreadPoolBuilder, ThreadPoolExecutor};
pub use waiting::{AsCompleted, ReturnWhen, Waited, as_completed, wait};
