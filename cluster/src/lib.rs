//! Executors whose calls run on several machines: one `submit` for all of them.

#![forbid(unsafe_code)]

mod access;
mod address;
mod attempt;
mod build_id;
mod builder;
mod client;
mod engine;
mod entry;
mod error;
mod executor;
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
