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
mod call_error;
mod client;
mod connections;
mod counter;
pub(crate) mod exposed;
mod item;
mod list;
mod listener;
mod manager;
mod map;
mod namespace;
mod nesting;
mod proxy;
mod request;
mod server;

pub use address::{Address, AddressError};
pub use call_error::CallError;
pub use client::Client;
pub use counter::Counter;
pub use exposed::{ByMut, ByRef, Method};
pub use list::List;
pub use listener::Listener;
pub use manager::Manager;
pub use map::Map;
pub use namespace::Namespace;
pub use proxy::Proxy;
