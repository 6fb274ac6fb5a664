//! Typed messages between processes, over the kernel's own pipes: what Python's
//! `multiprocessing.Pipe` is, in Rust.
//!
//! ```text
//!   one_way::<T>()      Sender<T> ═══ kernel pipe ═══▶ Receiver<T>
//!
//!   pipe::<S, R>()      Connection<S, R>            Connection<R, S>
//!                        ├ Sender<S>   ═══════════▶ Receiver<S> ┤
//!                        └ Receiver<R> ◀═══════════ Sender<R>   ┘
//! ```
//!
//! An end is handed to another process among the arguments of [`Process::new`]. Each end has one
//! owner, so two writers can't mix their messages, and the end of file comes as soon as that owner
//! has dropped the end, ended or died. (While another thread is starting a process, the end of file
//! may come a moment later: for that moment the new process has a copy of every descriptor.)
//!
//! To read in this order: one direction (`one_way.rs`), both (`duplex.rs`). How a message lies on
//! the wire is told in [`crate::process::frame`].
//!
//! [`Process::new`]: crate::process::Process::new

mod duplex;
mod one_way;

pub use crate::process::frame::{Error, LIMIT};
pub use duplex::{Connection, pipe};
pub use one_way::{Receiver, Sender, one_way};
