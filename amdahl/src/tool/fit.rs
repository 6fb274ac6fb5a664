//! `amdahl fit`: the Universal Scalability Law that fits measurements best.

use std::process::ExitCode;

use amdahl::report::FitReport;
use clap::{ArgMatches, Command};
use common::lessons::Tool;
use common::text;

use super::{Refusal, finish, read, show};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let about = text!("The law of scalability (Gunther's) that fits measurements");
    let details = text!(
        "The file has a line for each measurement: how many workers, how much they did.\n  \
           n,throughput\n  \
           1,64.9\n  \
           18,995.9\n\
         Other columns may be there, too; without a heading there are just these two. Instead of \
         n: threads, workers, processes, cores, concurrency, clients; instead of throughput: x, \
         rate, ops, rps, qps, speed; a unit may follow, as in n [workers], throughput (MB/s), \
         ops_per_s. What spreadsheets write is read: quotes, semicolons or tabs, decimal commas, \
         thousands set apart by points, commas, blanks or apostrophes. A number that can be read \
         in two ways is an error. # begins a comment.\n\n"
    );
    let file = super::file(text!("The measurements, a CSV file; - for standard input"));
    super::command("fit", about, details).arg(file)
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish("fit", found(arguments))
}

fn found(arguments: &ArgMatches) -> Result<String, Refusal> {
    let (name, text) = read(arguments)?;
    let report = FitReport::of_csv(&text).map_err(|error| Refusal::input(&name, &error))?;
    show(arguments, &report)
}
