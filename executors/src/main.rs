//! Lesson 2.4: `cargo run -p executors`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

fn main() -> ExitCode {
    process_basics::main(|| {
        let about = "The same code on threads and on processes (§2.4)";
        common::lessons::run("executors", about, lessons::ALL)
    })
}
