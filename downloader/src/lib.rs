//! An image downloader in stages, each of which runs on one thread, on several, or on processes;
//! and the server that it is tried on.
//!
//! ```text
//!                   network                CPU                    disk
//!   addresses ──▶ Downloader ──pixels──▶ Hasher ──MD5, pixels──▶ Storager ──▶ MD5.png, MD5.jpg
//!                     ▲
//!                     └── ImageServer, a process of its own
//! ```
//!
//! To read in this order: a stage and the ways to run it ([`CalcType`], `stage.rs`), the three
//! (`stages.rs`), all together ([`Scheduler`], `scheduler.rs`), pixels ([`Picture`], `picture.rs`),
//! files as pixels (`decode.rs`, `jpeg.rs`, `png.rs`), where the images come from ([`ImageServer`],
//! `server.rs`). [`switch`] is what the lesson `switch-cost` measures with.
//!
//! To get a list of images on the disk, take the tool: `cargo run -p downloader -- get --help`.

mod decode;
mod jpeg;
mod picture;
mod png;
mod scheduler;
mod server;
mod stage;
mod stages;
pub mod switch;

pub use decode::has_end;
pub use picture::{Limits, Picture, convolve, hex, md5_hex};
pub use scheduler::{Scheduler, Times};
pub use server::{ImageServer, Images};
pub use stage::CalcType;
pub use stages::CONVOLUTIONS;

#[cfg(test)]
multiprocess::test_entry!();
