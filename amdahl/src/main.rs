//! Lesson 五: `cargo run -p amdahl`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

fn main() -> ExitCode {
    process_basics::main(|| {
        let about = "Plans, speedup laws, and what this machine really does (§五)";
        common::lessons::run("amdahl", about, lessons::ALL)
    })
}
