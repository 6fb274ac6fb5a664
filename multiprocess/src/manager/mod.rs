//! Connections between programs that aren't parent and child. Python:
//! `multiprocessing.connection`.
//!
//! ```text
//!   Listener::new()  ◀── Client::connect(address)      any program of the same user
//!        │ accept()            │
//!   Client<S, R> ◀═══════▶ Client<R, S>
//! ```
//!
//! To read in this order: addresses (`address.rs`), listeners (`listener.rs`), the two ends of a
//! connection (`client.rs`). What each system does for them is told in `sys/socket`.

mod address;
mod client;
mod listener;

pub use address::{Address, AddressError};
pub use client::Client;
pub use listener::Listener;
