//! The tools beside the lessons: a downloader for real use, and a server to try it on.
//!
//! Each module of the downloader uses only those below it, along the lines:
//!
//! ```text
//!                     get ─── options · interrupt · progress · report
//!                      │
//!                   pipeline ─── list · frontier · group_commit · content
//!                      │
//!                   attempt ─── download · partial · output_dir
//!                      │
//!                   client ─── response · redirect · retry
//!                      │
//!       resolver · proxy · connect · trust                          error: what all of them return
//! ```
//!
//! `serve` stands alone.

use common::lessons::Tool;

mod attempt;
mod client;
mod connect;
mod content;
mod download;
mod error;
mod frontier;
mod get;
mod group_commit;
mod interrupt;
mod list;
mod message;
mod options;
mod output_dir;
mod partial;
mod pipeline;
mod progress;
mod proxy;
mod redirect;
mod report;
mod resolver;
mod response;
mod retry;
mod serve;
mod trust;

pub(crate) const ALL: &[Tool] = &[
    Tool { command: options::command, run: get::run },
    Tool { command: serve::command, run: serve::run },
];
