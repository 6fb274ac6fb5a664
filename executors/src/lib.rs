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

mod callbacks;
mod completion;
mod error;
mod executor;
mod future;
mod map;
mod process_calls;
mod processes;
mod promise;
mod thread_calls;
mod threads;
mod waiting;

pub use error::{BuildError, FutureError, InvalidState, SubmitError, Unfinished};
pub use executor::Executor;
pub use future::Future;
pub use map::{Map, MapOptions};
/// Why a call has no result.
pub use pools::TaskError;
pub use processes::{ProcessPoolBuilder, ProcessPoolExecutor};
pub use promise::Promise;
pub use threads::{ThreadPoolBuilder, ThreadPoolExecutor};
pub use waiting::{AsCompleted, ReturnWhen, Waited, as_completed, wait};

/// The programs of the guide for who ports code from Python, and the one of the first page, are
/// tests, too.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
#[doc = include_str!("../../README.md")]
struct Pages;
