//! An image downloader on threads and on processes.
//! Lesson 四: `cargo run -p downloader`; the tool: `cargo run -p downloader -- get --help`.

#![forbid(unsafe_code)]

mod lessons;
mod tool;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("An image downloader, and what a switch costs (§四)");
        let options = lessons::options();
        common::lessons::run_with("downloader", &about, lessons::ALL, &options, tool::ALL)
    })
}
