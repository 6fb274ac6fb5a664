//! `amdahl law`: what n workers can give, if a fraction p of the work can be shared.

use std::process::ExitCode;

use amdahl::report::LawReport;
use clap::{ArgMatches, Command};
use common::arguments::{number, option};
use common::lessons::Tool;
use common::text;

use super::{Refusal, finish, show};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let p = text!("The fraction of the work that can be shared: 0.95, or 25/31");
    let p = option("p", "P", p).required(true).value_parser(LawReport::fraction);
    let n = option("n", "N,N,…", text!("The numbers of workers")).value_delimiter(',');
    let n = n.default_value("1,2,4,8,16,32,64").value_parser(number(1..=u64::MAX));
    let about = text!("Amdahl's and Gustafson's speedup by n workers");
    super::command("law", about, String::new()).arg(p).arg(n)
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish("law", found(arguments))
}

fn found(arguments: &ArgMatches) -> Result<String, Refusal> {
    let p = *arguments.get_one::<f64>("p").unwrap_or(&0.0);
    let numbers: Vec<u64> = arguments.get_many("n").unwrap_or_default().copied().collect();
    show(arguments, &LawReport::new(p, &numbers).map_err(Refusal::wrong)?)
}
