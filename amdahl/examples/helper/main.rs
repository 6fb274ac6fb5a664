//! Exercise: a helper. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：帮手。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::env;

use amdahl::{Plan, PlanError, Task};
use common::text;
use multiprocess::Failure;

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let mut arguments = env::args().skip(1).peekable();
        let best_help = match arguments.next_if_eq("--solution") {
            Some(_) => solution::best_help,
            None => yours::best_help,
        };
        let tasks = arguments.map(|text| task(&text)).collect::<Result<Vec<_>, _>>()?;
        let alone = makespan(tasks.clone())?;
        println!("{}", text!("without help: {}", alone));
        match best_help(&tasks)? {
            Some((name, makespan)) => println!("{}", text!("with help at {}: {}", name, makespan)),
            None => println!("{}", text!("no help is of use")),
        }
        Ok(())
    })
}

/// Returns how long the whole takes.
fn makespan(tasks: Vec<Task>) -> Result<f64, PlanError> {
    Ok(Plan::new(tasks, Default::default())?.timetable().makespan)
}

/// Reads a task of the command line: `paint=1:windows,doors` takes 1 and waits for two others.
fn task(text: &str) -> Result<Task, Failure> {
    let missing = || Failure::new(format!("{text}: a task is written name=duration:after,after"));
    let (name, rest) = text.split_once('=').ok_or_else(missing)?;
    let (duration, after) = rest.split_once(':').unwrap_or((rest, ""));
    let after: Vec<&str> = after.split(',').filter(|name| !name.is_empty()).collect();
    Ok(Task::new(name, duration.parse()?, &after))
}
