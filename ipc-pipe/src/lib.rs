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
//! An end is handed to another process among the arguments of [`Process::new`]. Each has one owner,
//! so two writers can't mix their messages, and the end of file comes as soon as that owner has
//! dropped it, ended or died. (While another thread is just starting a process, it may come a moment
//! later: for that moment the kernel gives the new process a copy of every descriptor.)
//!
//! To read in this order: one direction (`one_way.rs`), both (`duplex.rs`). How a message lies on the
//! wire is told in [`process_basics::frame`].
//!
//! [`Process::new`]: process_basics::Process::new

#![forbid(unsafe_code)]

mod duplex;
mod one_way;
mod sys;

pub use duplex::{Connection, pipe};
pub use one_way::{Receiver, Sender, one_way};
pub use process_basics::frame::{Error, LIMIT};
pub use process_basics::wait;

/// The example in the README of the course.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
