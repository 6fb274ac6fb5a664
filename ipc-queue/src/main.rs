//! Lesson 3.2: `cargo run -p ipc-queue`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("A queue between processes that no kill can break (§3.2)");
        common::lessons::run("ipc-queue", &about, lessons::ALL)
    })
}
