//! Functions that run in operating-system processes of their own: what Python's
//! `multiprocessing.Process` is, in Rust.
//!
//! ```text
//!              the same executable, started twice
//!
//!   main(|| …)                                  main(|| …)
//!     │                                           │  a child: the closure is not run
//!     │ Process::new(worker, 1).start() ────────▶ │  worker(1)
//!     │        control line: task, arguments,     │
//!     │        descriptors                        │
//!     │ join() ◀───────────────────────────────── │  returns: exit code 0
//!     ▼        sentinel: it has ended             ▼
//! ```
//!
//! A child is never a fork: it begins at `main` with nothing but its arguments. So nothing is
//! shared by accident, and threads are no danger. Daemons end when their parent does, also when it
//! is killed; other children are waited for at the end of the program, and outlive it only if it is
//! killed.
//!
//! **Why not a fork.** A fork copies one thread of many, and every lock as it stands at that
//! moment: where a program has threads, the child hangs (with rayon, or with `println!` if another
//! thread was just printing). It copies every descriptor, too, so that pipes stay open which
//! everybody believes closed. For the same reason a child inherits no descriptors but standard
//! output and standard error.
//!
//! To read in this order: [`Process`] (`process.rs`), how a program begins and ends (`entry.rs`),
//! the list of functions (`task.rs`), a started child (`child.rs`), the control line to it
//! (`control.rs`), descriptors among the arguments ([`handover`]), the frames on every stream
//! ([`frame`]). Each short, and read when one meets it: exit codes (`exit.rs`), what `main`'s body
//! may return (`outcome.rs`), the names and the parents of processes (`current.rs`), a child's
//! title in `ps` (`title.rs`), waiting for several things at once (`wait.rs`), a start signal
//! (`gate.rs`).

mod child;
mod codec;
pub(crate) mod control;
mod current;
pub mod ends;
pub(crate) mod entry;
mod error;
pub(crate) mod exit;
pub mod frame;
mod gate;
pub mod handover;
mod outcome;
mod process;
pub(crate) mod task;
mod title;
mod wait;

pub use control::Arguments;
pub use current::{CurrentProcess, ParentProcess, current_process, parent_process};
pub use entry::{at_exit, end_with_parent, ignore_interrupts, main};
pub use error::Error;
pub use exit::{Exit, Failure, ending, signal_name};
pub use gate::{Gate, Waiting};
pub use outcome::Outcome;
pub use process::{Process, Run, active_children, cpu_count};
pub use task::FunctionId;
pub use wait::wait;
