//! Lesson 五: `cargo run -p amdahl`. Tools: `cargo run -p amdahl -- plan --help`.

#![forbid(unsafe_code)]

mod lessons;
mod sweep;
mod tool;

use std::process::ExitCode;

use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("Plans, speedup laws, and what this machine really does (§五)");
        common::lessons::run_with("amdahl", &about, lessons::ALL, &[], tool::ALL)
    })
}
