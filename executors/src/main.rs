//! Lesson 2.4: `cargo run -p executors`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use common::arguments::{number, option};
use common::text;

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = text!("The same code on threads and on processes (§2.4)");
        let help = text!(
            "How far each call counts, {} in the tutorial [default: that, divided by the speed]",
            1_000_000_000
        );
        // A longer count would take a day.
        let count = option("count", "N", help).value_parser(number(1..=10_u64.pow(13)));
        common::lessons::run_with("executors", &about, lessons::ALL, &[count], &[])
    })
}
