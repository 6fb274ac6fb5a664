//! A server and workers of one's own on this machine, for trying out and for tests.
//!
//! ```text
//!   this program ── pipe ──▶ keeper (a process of the same executable)
//!                              └─ nats-server, in a temporary folder, on 127.0.0.1
//! ```
//!
//! The pipe closes with the [`LocalServer`], and when this program ends in whatever way. Then the
//! keeper kills the server and removes the folder. Only a SIGKILL of the keeper itself leaves both.

mod cable;
mod keeper;
mod server;
mod test_server;
mod worker;

pub use cable::Cable;
pub use keeper::LocalError;
pub use server::LocalServer;
#[doc(hidden)]
pub use test_server::{test_server, test_server_with};
pub use worker::{LocalCluster, LocalWorker};
