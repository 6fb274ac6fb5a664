//! Managers, whose server owns values on which other processes call functions, and the connections
//! between programs that aren't parent and child on which they stand. Python:
//! `multiprocessing.managers`, `multiprocessing.connection`.
//!
//! ```text
//!   Manager ──▶ server: states, of any types       Listener::new() ◀── Client::connect(address)
//!                  ▲ call(function, arguments)          │ accept()            │
//!   Proxy ═════════╛ from any process and thread   Client<S, R> ◀═══════▶ Client<R, S>
//! ```
//!
//! To read in this order: addresses (`address.rs`), listeners (`listener.rs`), the two ends of a
//! connection (`client.rs`); then the list of functions (`exposed.rs`), what is sent
//! (`request.rs`), proxies (`proxy.rs`), the server (`server.rs`), its owner (`manager.rs`), and
//! the ready-made states. What each system does for connections is told in `sys/socket`.
//!
//! What plain data is, such as numbers, structs of them and arrays, lies better in shared memory:
//! [`shared`](crate::shared). A call costs 5 to 40 microseconds, a shared value a thousandth of
//! that.

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
