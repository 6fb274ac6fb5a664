//! `cargo run --release -p bench`: this project and its peers, side by side in one run.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == bench::END_AT_ONCE) {
        return ExitCode::SUCCESS;
    }
    // Both crates start this program again for a child; each knows its own.
    procspawn::init();
    multiprocess::main(bench::run)
}
