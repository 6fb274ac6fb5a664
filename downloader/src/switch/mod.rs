//! What a switch costs: the same token over the same channel, between threads and between
//! processes.
//!
//! A [`Cell`] measures a single figure; the lesson takes [`all`] and tells what follows.
//!
//! ```text
//!   subjects ──▶ rounds: a sample of each, in an order that changes ──▶ figures ──▶ conclusions
//!      │                                                                  │
//!      ├─ a cell: who × channel × placement (`cell.rs`, `part.rs`)        ├─▶ tables, JSON
//!      └─ start-up, serialisation, `perf bench`                           └─▶ plot
//! ```
//!
//! To read in this order: the channels (`channel.rs`), what an end does (`part.rs`), whether
//! threads or processes hold the ends (`cell.rs`), where they run (`places.rs`); everything that is
//! measured (`subject.rs`), how (`figures.rs`); what follows (`conclusion.rs`), how it is shown
//! (`table.rs`, `plot.rs`, `json.rs`), and the lesson's report of it all (`study.rs`).

mod cell;
mod channel;
mod conclusion;
mod figures;
mod json;
mod part;
#[doc(hidden)]
pub mod perf;
mod places;
mod plot;
mod start;
mod study;
mod subject;
mod table;

pub use cell::{Cell, Who};
pub use channel::Channel;
pub use figures::{Comparison, Figures, Sample, Terms};
pub use places::{Placement, Places};
#[doc(hidden)]
pub use start::{Memory, memory};
#[doc(hidden)]
pub use study::{Outputs, Study, tokens};
pub use subject::{Subject, all};
#[doc(hidden)]
pub use table::{Shown, tutorial};

use common::text;

use json::json;
use plot::svg;

/// Returns the kind of build that is measured, in the reader's language.
#[doc(hidden)]
#[must_use]
pub fn build() -> String {
    if cfg!(debug_assertions) { text!("debug build") } else { text!("release build") }
}
