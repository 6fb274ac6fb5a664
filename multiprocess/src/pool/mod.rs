//! Pools of processes that lose no more than the task of a killed worker: what Python's
//! `multiprocessing.Pool` is, in Rust.
//!
//! ```text
//!                      ┌──▶ worker 1 ──┐
//!   apply, map ──tasks─┼──▶ worker 2 ──┼─results──▶ apply, map
//!                      └──▶ worker 3 ✝ ┘
//!                           worker 4 replaces it; one task ends in an error
//! ```
//!
//! Python's pool waits forever for the result of a worker that was killed, and restarts without end
//! workers whose initializer fails. Here each task ends: in its result or in an error that says
//! what happened.
//!
//! To read in this order: [`Pool`] (`pool.rs`, `builder.rs`); the tasks and reports on the wire
//! (`message.rs`); what a worker does (`worker.rs`), the record it leaves if it dies (`intent.rs`),
//! and the flags that decide between start and cancellation (`claims.rs`); the engine (`engine.rs`,
//! `settings.rs`) with the state under its lock (`state.rs`, `shared.rs`), its starts of workers
//! (`starts.rs`) and the thread that handles reports and deaths (`manager.rs`); where results go
//! (`sink.rs`, `sinks.rs`, `result.rs`, `imap.rs`); [`ProcessPoolExecutor`], the same engine behind
//! futures (`executor.rs`, `executor_calls.rs`).

mod builder;
mod claims;
mod engine;
mod error;
mod executor;
mod executor_calls;
mod imap;
mod intent;
mod manager;
mod message;
mod pool;
mod result;
mod settings;
mod shared;
mod sink;
mod sinks;
mod starts;
mod state;
mod worker;

pub use crate::future::TaskError;
pub use builder::Builder;
pub use error::{Error, MapError};
pub use executor::{ProcessPoolBuilder, ProcessPoolExecutor};
pub use imap::Imap;
#[cfg(fuzzing)]
pub use message::read_any;
pub use pool::Pool;
pub use result::AsyncResult;
