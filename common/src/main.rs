//! Prints the course's table of contents: `cargo run`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use common::contents::Contents;
use common::narrator::{columns, wrapped};
use common::output;

fn main() -> ExitCode {
    let text = format!(
        "Processes in Rust: a course that runs. Every lesson starts real processes.\n\n\
         {Contents}\n\
         Without a lesson's name, `cargo run -p ipc-pipe` tells all lessons of a crate.\n\
         `-- --list` prints their names, `-- --speed 1` keeps the tutorial's own pace.\n"
    );
    let lines = text.lines().flat_map(|line| wrapped(line, columns(), 0));
    let text: String = lines.map(|line| line + "\n").collect();
    output::print(&text);
    output::checked(ExitCode::SUCCESS)
}
