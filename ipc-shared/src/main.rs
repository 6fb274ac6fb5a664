//! Lesson 三: `cargo run -p ipc-shared`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("What processes can share, and how they take turns at it (§三)");
        common::lessons::run("ipc-shared", &about, lessons::ALL)
    })
}
