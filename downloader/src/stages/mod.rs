//! The tutorial's downloader: its stages, its scheduler, and the server that it is tried on.
//!
//! To read in this order: a stage and the ways to run it (`stage.rs`), the three (`steps.rs`), all
//! together (`scheduler.rs`), where the images come from (`server.rs`).

mod scheduler;
mod server;
mod stage;
mod steps;

pub use scheduler::{Scheduler, Times};
pub use server::{ImageServer, Images};
pub use stage::CalcType;
pub use steps::CONVOLUTIONS;
