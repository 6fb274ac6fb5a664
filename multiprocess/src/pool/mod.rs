//! Pools of processes that lose nothing: what Python's `multiprocessing.Pool` is, in Rust.
//!
//! ```text
//!                      ┌──▶ worker 1 ──┐
//!   apply, map ──tasks─┼──▶ worker 2 ──┼─results──▶ apply, map
//!                      └──▶ worker 3 ✝ ┘
//!                           worker 4 takes its place; one task has an error
//! ```
//!
//! Python's pool waits for ever for the result of a worker that was killed, and starts workers for
//! ever whose initializer fails. Here each task ends: in its result or in an error that says what
//! happened.
//!
//! To read in this order: [`Pool`] (`pool.rs`, `builder.rs`); what its workers do (`worker.rs`) and what
//! they leave behind (`record.rs`); the engine that gives them their tasks (`engine.rs`, with `state.rs`, `jobs.rs`,
//! `claims.rs`), starts them (`places.rs`) and sees to it when they die (`manager.rs`); the messages between
//! them (`message.rs`); results that come later (`result.rs`, `sinks.rs`, `imap.rs`).

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
