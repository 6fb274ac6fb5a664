//! Lesson 2.4: `cargo run -p executors`.

#![forbid(unsafe_code)]

mod lessons;

use std::process::ExitCode;

use clap::{Arg, value_parser};

fn main() -> ExitCode {
    multiprocess::main(|| {
        let about = "The same code on threads and on processes (§2.4)";
        let help = "How far each call counts, 1000000000 in the tutorial \
                    [default: that, divided by the speed]";
        // Further, it would take a day.
        let number = value_parser!(u64).range(1..=10_u64.pow(13));
        let count = Arg::new("count").long("count").value_name("N").value_parser(number).help(help);
        common::lessons::run_with("executors", about, lessons::ALL, &[count], &[])
    })
}
