//! `amdahl plan`: when the tasks of a plan can be done, by which worker, and which tasks make it as
//! long as it is.

use std::process::ExitCode;

use amdahl::report::{PlanFile, PlanReport};
use clap::{ArgMatches, Command};
use common::lessons::Tool;
use common::text;

use super::{Refusal, count, finish, read, show};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let about = text!("The critical paths of a plan, and a schedule for so many workers");
    let details = text!(
        "The file:\n  \
           unit = \"days\"               # only for the labels\n  \
           [resources]                 # if tasks need any\n  \
           person = 1\n  \
           [[task]]\n  \
           name = \"walls\"\n  \
           duration = 3                # or optimistic, likely and pessimistic\n  \
           after = [\"foundation\"]      # what must have ended\n  \
           needs.person = 1            # what it holds while it lasts\n\n\
         With workers or resources the tasks are also laid out by list scheduling, the most urgent \
         first.\n\n"
    );
    super::command("plan", about, details)
        .arg(super::file(text!("The plan, a TOML file; - for standard input")))
        .arg(count("workers", "N", text!("Lay the tasks out for so many workers")))
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish("plan", found(arguments))
}

fn found(arguments: &ArgMatches) -> Result<String, Refusal> {
    let (name, text) = read(arguments)?;
    let plan = PlanFile::parse(&text).and_then(PlanFile::into_plan);
    let (plan, unit) = plan.map_err(|error| Refusal::input(&name, &error))?;
    let workers = arguments.get_one("workers").map(|workers: &u32| *workers as usize);
    show(arguments, &PlanReport::new(&plan, unit.as_deref(), workers))
}
