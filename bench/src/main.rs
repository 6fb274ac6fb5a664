//! `cargo run --release -p bench`: this project and its peers, side by side in one run.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // Both crates start this program again for a child; each knows its own.
    procspawn::init();
    process_basics::main(bench::run)
}
