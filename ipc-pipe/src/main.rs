//! Lessons 三 and 3.1: `cargo run -p ipc-pipe`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("Nothing is shared between processes; pipes carry messages (§三, 3.1)");
        common::lessons::run("ipc-pipe", &about, lessons::ALL)
    })
}
