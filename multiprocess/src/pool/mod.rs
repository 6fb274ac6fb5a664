//! Pools of processes that lose no more than the item that a killed worker was at: what Python's
//! `multiprocessing.Pool` is, in Rust.
//!
//! ```text
//!                      ┌──▶ worker 1 ──┐
//!   apply, map ──tasks─┼──▶ worker 2 ──┼─results──▶ apply, map
//!                      └──▶ worker 3 ✝ ┘
//!                           worker 4 replaces it; one item ends in an error
//! ```
//!
//! Python's pool waits forever for the result of a worker that was killed, and restarts without end
//! workers whose initializer fails. Here each task ends: in its result or in an error that says
//! what happened.
//!
//! To read in this order: [`Pool`] (`pool.rs`; `builder.rs` and `settings.rs`); the tasks and
//! reports on the wire, and the sink of their results (`message.rs`); what a worker does, and the
//! record it leaves if it dies (`worker.rs`); the flags that decide between start and cancellation
//! (`claims.rs`); what becomes of each task (`ledger.rs`), decided without a lock or a process; the
//! worker slots (`slots.rs`); the engine, which has the locks, queues and processes (`engine.rs`),
//! the thread that handles reports and deaths (`manager.rs`), and the handle that starts and ends
//! both (`owner.rs`); the sinks (`result.rs`, `many.rs`, `imap.rs`); [`ProcessPoolExecutor`], the
//! same engine behind futures (`executor.rs`).

mod builder;
mod claims;
mod engine;
mod error;
mod executor;
mod imap;
mod ledger;
mod manager;
mod many;
mod message;
mod owner;
mod pool;
mod result;
mod settings;
mod slots;
mod worker;

pub use crate::future::TaskError;
pub use builder::{Builder, ProcessPoolBuilder};
pub use error::{Error, MapError};
pub use executor::ProcessPoolExecutor;
pub use imap::Imap;
#[cfg(fuzzing)]
pub use message::read_any;
pub use pool::Pool;
pub use result::AsyncResult;
