//! The tools beside the lessons: a downloader for real use, and a server to try it on.

use common::lessons::Tool;

mod ask;
mod content;
mod fetch;
mod folder;
mod get;
mod headers;
mod list;
mod names;
mod options;
mod outcome;
mod part;
mod patience;
mod progress;
mod proxy;
mod report;
mod retry;
mod room;
mod serve;
mod stop;
mod trouble;
mod trust;
mod work;

pub(crate) const ALL: &[Tool] = &[
    Tool { command: options::command, run: get::run },
    Tool { command: serve::command, run: serve::run },
];
