//! Lesson 2.3: `cargo run -p pools`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("Pools: a few workers for many tasks (§2.3)");
        common::lessons::run("pools", &about, lessons::ALL)
    })
}
