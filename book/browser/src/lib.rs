//! What the book's pages compute in the browser, compiled to WebAssembly.
//!
//! | module | page |
//! | --- | --- |
//! | `plans` | a plan's chart, network and critical path |
//! | `laws` | the laws of speedup, and the fit of measurements |
//! | `queue` | the ring of the queue, one step at a time |
//!
//! `answer` is what the first two return.

mod answer;
mod cells;
mod language;
pub mod laws;
pub mod plans;
pub mod queue;
mod shared;
