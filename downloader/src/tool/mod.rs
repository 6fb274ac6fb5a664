//! The tools beside the lessons: a downloader for real use, and a server to try it on.
//!
//! Each module of the downloader uses those beside it and below it, none above:
//!
//! ```text
//!   get ─── interrupt · progress                   a run, from its options to its exit code
//!    │
//!   pipeline ─── list · frontier · group_commit    threads, and the queues between them
//!    │
//!   attempt ─── output_dir                         requests, until a file is whole
//!    │
//!   download ─── partial · content · report        a URL on its way: what came, what became of it
//!    │
//!   client ─── redirect · response · trust         one request after another
//!    │
//!   connect · proxy · resolver · retry
//! ```
//!
//! All use `options`, `error` and `message`. `serve` stands alone.

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
