//! Lessons 一, 2.1 and 2.2: `cargo run -p process-basics`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about =
            text!("Programs and processes: start them, watch them, end them (§一, 2.1, 2.2)");
        common::lessons::run("process-basics", &about, lessons::ALL)
    })
}
