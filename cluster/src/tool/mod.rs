//! The tools beside the lessons.

use common::lessons::Tool;

mod server_config;
mod worker;

pub(crate) const ALL: &[Tool] = &[server_config::TOOL, worker::TOOL];
