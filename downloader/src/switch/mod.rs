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
//! measured (`subject.rs`), how (`figures.rs`); what follows (`conclusion.rs`), and how it is shown
//! (`table.rs`, `plot.rs`, `json.rs`).

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
mod subject;
mod table;

pub use cell::{Cell, Who};
pub use channel::Channel;
#[doc(hidden)]
pub use conclusion::{TOKENS, conclusions};
pub use figures::{Comparison, Figures, Sample, Terms};
#[doc(hidden)]
pub use json::json;
pub use places::{Placement, Places};
#[doc(hidden)]
pub use plot::svg;
#[doc(hidden)]
pub use start::{Memory, memory};
pub use subject::{Subject, all};
#[doc(hidden)]
pub use table::{Shown, caches, controls, matrix, queues, start_up, tutorial};

/// The kind of build that was measured.
#[doc(hidden)]
pub const BUILD: &str = if cfg!(debug_assertions) { "debug build" } else { "release build" };
