//! `amdahl measure`: how much faster a command is when it is told to use more workers.

use std::process::ExitCode;
use std::time::Duration;

use amdahl::report::MeasureReport;
use clap::{Arg, ArgMatches, Command};
use common::cores;
use common::files::reason;
use common::lessons::Tool;
use common::measure::interleaved;
use common::text;
use indicatif::{ProgressBar, ProgressStyle};

use super::runs::Runs;
use super::{Refusal, count, finish, show_in, svg};

pub(super) const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let about = text!("The speedup of a command by more workers, measured here and now");
    let details = text!(
        "The n in braces is replaced by 1, 2, 4, … and so on. The command should do the same work \
         each time.\n\n\
         Ctrl-C ends the command, too; the exit code is 130 then.\n\n"
    );
    let name = text!("COMMAND");
    // In a usage, because in the other texts of a help {n} is the end of a line for clap.
    let usage = format!(
        "amdahl measure [OPTIONS] -- <{name}>...\n       \
                amdahl measure -- xz --threads={{n}} -kc big.tar"
    );
    let command =
        text!("The command, with an n in braces where it is told how many workers to use");
    let command = Arg::new("command").value_name(name).help(command);
    let repeats = text!("How often each number of workers is measured");
    super::command("measure", about, details)
        .arg(count("max", "N", text!("The most workers [default: twice the cores]")))
        .arg(count("repeats", "R", repeats).default_value("3"))
        .arg(command.num_args(1..).last(true).required(true))
        .override_usage(usage)
}

fn run(arguments: &ArgMatches) -> ExitCode {
    finish("measure", found(arguments))
}

fn found(arguments: &ArgMatches) -> Result<String, Refusal> {
    let command: Vec<&String> = arguments.get_many("command").unwrap_or_default().collect();
    if !command.iter().any(|word| word.contains("{n}")) {
        let text = text!("the command has no {}: where is it told how many workers to use?", "{n}");
        return Err(Refusal::wrong(text));
    }
    let cores = cores::usable().map_err(|error| Refusal::failed(reason(&error)))?.len() as u32;
    let max = *arguments.get_one("max").unwrap_or(&cores.saturating_mul(2));
    let repeats = *arguments.get_one("repeats").unwrap_or(&3);
    // Before anything is measured in vain.
    let svg = svg(arguments)?;
    let times = times(&command, max, repeats)?;
    show_in(arguments, svg, &MeasureReport::new(&command, cores, times))
}

/// Runs the command with 1, 2, 4, … workers, in turns, and returns its times with each.
fn times(
    command: &[&String],
    max: u32,
    repeats: u32,
) -> Result<Vec<(u32, Vec<Duration>)>, Refusal> {
    let doublings = (0..u32::BITS).map(|power| 1 << power).take_while(|n| *n <= max);
    let mut times: Vec<(u32, Vec<Duration>)> = doublings.map(|n| (n, Vec::new())).collect();
    let mut runs = Runs::new()?;
    let bar = ProgressBar::new(u64::from(repeats) * times.len() as u64);
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}");
    bar.set_style(style.map_err(Refusal::failed)?);
    interleaved(repeats as usize, times.len(), |_, place| {
        let (n, times) = &mut times[place];
        bar.set_message(format!("n = {n}"));
        let words = command.iter().map(|word| word.replace("{n}", &n.to_string()));
        times.push(runs.time(&words.collect::<Vec<String>>())?);
        bar.inc(1);
        Ok::<(), Refusal>(())
    })?;
    bar.finish_and_clear();
    Ok(times)
}
