//! The queue, one step at a time: the library's own `ring.rs`, in memory that the page shows.
//!
//! ```text
//!   button ──▶ stage ──▶ call: what raw.rs and participant.rs do ──▶ ring.rs ──▶ words of memory
//!                │                                                                  │
//!   sentence ◀── text ◀───────────── the operations, with the words before and after
//! ```
//!
//! Nothing here decides what the ring does: a button makes one of the library's calls, or goes on
//! with it up to its next step, and the sentences are made of the words before and after. Beside
//! it stands a model of Python's queue, which is only drawn from that one's source.

mod call;
mod html;
mod play;
mod python;
mod python_view;
#[expect(dead_code, reason = "the library's file, of which the page needs only a part")]
#[path = "../../../../multiprocess/src/queue/ring.rs"]
mod ring;
mod stage;
#[cfg(test)]
mod steps;
mod text;
mod tour;
mod view;

pub use play::{PythonPlay, RingPlay};
