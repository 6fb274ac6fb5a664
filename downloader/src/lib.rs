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
//! Three parts, of which none uses another: the tutorial's stages and [`Scheduler`] (`stages`);
//! what the lesson `switch-cost` tells ([`switch`]); the tool (`tool`, of the program). The first
//! and the last decode files to pixels by [`Picture`] (`picture`).
//!
//! To get a list of images on the disk, take the tool: `cargo run -p downloader -- get --help`.

mod picture;
mod stages;
pub mod switch;

pub use picture::{Limits, Picture, convolve, has_end, hex, md5_hex};
pub use stages::{CONVOLUTIONS, CalcType, ImageServer, Images, Scheduler, Times};

#[cfg(test)]
multiprocess::test_entry!();
