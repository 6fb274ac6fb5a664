//! Lesson 2.3: `cargo run -p pools`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = "Pools of processes that lose nothing (§2.3)";
        common::lessons::run("pools", about, lessons::ALL)
    })
}
