//! The same `submit` on several machines.

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
mod presence;
mod protocol;
mod secret;
mod server_config;
mod tasks;
mod worker;

pub use error::ConnectError;
pub use secret::Secret;
pub use server_config::ServerConfig;
