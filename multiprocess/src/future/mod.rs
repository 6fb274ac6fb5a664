//! Executors and futures: the same code on threads and on processes. What Python's
//! `concurrent.futures` is, in Rust.
//!
//! ```text
//!                     ┌──▶ ThreadPoolExecutor:   threads of this process  ──┐
//!   submit(f, a) ─────┤                                                     ├──▶ Promise
//!        │            └──▶ ProcessPoolExecutor:  the engine of `pools`    ──┘      ║ one
//!        ▼                                                                         ║ completion
//!     Future ◀═════════════════════════════════════════════════════════════════════╝
//!        result, cancel, add_done_callback, .await;  wait, as_completed
//! ```
//!
//! To read in this order: the trait ([`Executor`], `executor.rs`) with its [`Map`]; [`Future`] and
//! [`Promise`] (`future.rs`, `promise.rs`), and where each result passes by (`completion.rs`,
//! `callbacks.rs`); several of them ([`wait`], [`as_completed`], `waiting.rs`); who does the work
//! (`threads.rs` with `thread_calls.rs`, `processes.rs` with `process_calls.rs`).

pub(crate) mod at_exit;
pub(crate) mod callbacks;
pub(crate) mod completion;
pub(crate) mod error;
pub(crate) mod executor;
pub(crate) mod future;
mod map;
pub(crate) mod panics;
pub(crate) mod promise;
mod task_error;
mod thread_calls;
mod threads;
mod waiter;
mod waiting;

pub use error::{BuildError, FutureError, InvalidState, SubmitError, Unfinished};
pub use executor::Executor;
pub use future::Future;
pub use map::{Map, MapOptions};
pub use promise::Promise;
/// Why a call has no result.
pub use task_error::TaskError;
pub use threads::{ThreadPoolBuilder, ThreadPoolExecutor};
pub use waiting::{AsCompleted, ReturnWhen, Waited, as_completed, wait};
