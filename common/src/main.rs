//! Prints the course's table of contents: `cargo run`.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use common::contents::Contents;
use common::narrator::{columns, wrapped};

fn main() -> io::Result<()> {
    let text = format!(
        "Processes in Rust: a course that runs. Every lesson starts real processes.\n\n\
         {Contents}\n\
         Without a lesson's name, `cargo run -p ipc-pipe` tells all lessons of a crate.\n\
         `-- --list` prints their names, `-- --speed 1` keeps the tutorial's own pace.\n"
    );
    let lines = text.lines().flat_map(|line| wrapped(line, columns(), 0));
    let text: String = lines.map(|line| line + "\n").collect();
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
