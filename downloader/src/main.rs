//! Lesson 四: `cargo run -p downloader`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

fn main() -> ExitCode {
    process_basics::main(|| {
        let about = "An image downloader, and what a switch costs (§四)";
        common::lessons::run_with("downloader", about, lessons::ALL, &lessons::options(), &[])
    })
}
