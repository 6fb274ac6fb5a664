//! Lesson 2.5: `cargo run -p cluster`; the tools: `cargo run -p cluster -- server-config --help`.

#![forbid(unsafe_code)]

mod lessons;
mod tool;

use std::env;
use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    cluster::main(|| {
        let mut arguments = env::args_os().skip(1);
        // Its help is that of its own, not that of a tool.
        if arguments.next().is_some_and(|first| first == "worker") {
            return cluster::Worker::command(arguments);
        }
        let about = text!("More than one machine: the same submit over a network (§2.5)");
        common::lessons::run_with("cluster", &about, lessons::ALL, &[], tool::ALL)
    })
}
