//! What a switch costs: the same token over the same transport, between threads and between
//! processes. The lesson prints a [`Study`].
//!
//! ```text
//!   subjects ──▶ `common::measure`: rounds of samples ──▶ figures ──▶ conclusions
//!      │                                                     │
//!      ├─ a round trip: execution × transport × placement    └─▶ tables, chart, JSON
//!      └─ start-up, serialisation, `perf bench`
//! ```
//!
//! To read in this order: what is measured (`subject.rs`, `start.rs`), its samples (`figures.rs`),
//! what follows (`conclusion.rs`), how it is shown (`table.rs`, `chart.rs`), and the report of it
//! all (`study.rs`).

mod chart;
mod conclusion;
mod figures;
mod start;
mod study;
mod subject;
mod table;

pub use study::{Outputs, Study, tokens};
pub use table::tutorial;

use common::text;

/// Returns the kind of build that is measured, in the reader's language.
#[must_use]
pub fn build() -> String {
    if cfg!(debug_assertions) { text!("debug build") } else { text!("release build") }
}
