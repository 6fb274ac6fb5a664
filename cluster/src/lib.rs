//! Executors whose calls run on several machines, by one `submit` for all of them.
//!
//! [`ClusterExecutor`] is an [`Executor`](multiprocess::futures::Executor) whose calls run on other
//! machines. Between them is a NATS server with JetStream. The client keeps each task until its
//! outcome is there, and says yes once to a worker that asks whether it may begin. So a task begins
//! at most once, and a lost machine costs only what had begun there.
//!
//! ```text
//!   client ── task ──▶ queue, for each build ── task ──▶ agent ── call ──▶ processes of its pool
//!          ◀──────────────── may I begin? ───────────────
//!          ──────────────── yes, once ──────────────────▶
//!          ◀──────────────── outcome, until answered ────
//! ```
//!
//! A program whose `main` calls [`main`](crate::main()) is a worker, too:
//! `my-program cluster-worker nats://head:4222`. [`local`] has a server and workers of a program's
//! own, for trying out and for tests.

#![forbid(unsafe_code)]

mod access;
mod address;
mod arguments;
mod attempt;
mod buffers;
mod build_id;
mod builder;
mod client;
mod connecting;
mod engine;
mod entry;
mod error;
mod executor;
mod garbage;
mod host_name;
#[cfg(any(test, fuzzing))]
pub mod hostile;
pub mod local;
mod pause;
mod presence;
mod protocol;
mod secret;
mod server_config;
mod tasks;
mod worker;

pub use attempt::attempt;
pub use builder::ClusterBuilder;
pub use entry::main;
pub use error::ConnectError;
pub use executor::{ClusterExecutor, TooFewProcesses};
pub use presence::Machine;
pub use secret::Secret;
pub use server_config::ServerConfig;
pub use worker::{Worker, WorkerBuilder};
