//! Lesson 2.5: `cargo run -p cluster`; the tools: `cargo run -p cluster -- server-config --help`.

#![forbid(unsafe_code)]

mod lessons;
mod tool;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    cluster::main(|| {
        let about = text!("More than one machine: the same submit over a network (§2.5)");
        common::lessons::run_with("cluster", &about, lessons::ALL, &[], tool::ALL)
    })
}
