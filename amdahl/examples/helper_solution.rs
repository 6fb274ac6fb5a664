//! The solution of the exercise in `helper.rs`.

use std::env;

use amdahl::{Plan, PlanError, Task};
use multiprocess::Failure;

fn main() -> Result<(), Failure> {
    let tasks = env::args().skip(1).map(|text| task(&text)).collect::<Result<Vec<_>, _>>()?;
    let alone = makespan(tasks.clone())?;
    println!("without help: {alone}");
    match best_help(&tasks)? {
        Some((name, makespan)) => println!("with help at {name}: {makespan}"),
        None => println!("no help is of use"),
    }
    Ok(())
}

/// The task at which a helper is of most use, who halves the time of one; the first, if there are
/// several. And how long the whole takes then. `None` if it takes no less.
fn best_help(tasks: &[Task]) -> Result<Option<(String, f64)>, Failure> {
    let mut shortest = makespan(tasks.to_vec())?;
    let mut best = None;
    for (place, task) in tasks.iter().enumerate() {
        let mut helped = tasks.to_vec();
        helped[place].duration /= 2.0;
        let makespan = makespan(helped)?;
        if makespan < shortest {
            shortest = makespan;
            best = Some((task.name.clone(), makespan));
        }
    }
    Ok(best)
}

/// How long the whole takes.
fn makespan(tasks: Vec<Task>) -> Result<f64, PlanError> {
    Ok(Plan::new(tasks, Default::default())?.timetable().makespan)
}

/// A task as the command line has it: `paint=1:windows,doors` takes 1 and waits for two others.
fn task(text: &str) -> Result<Task, Failure> {
    let missing = || Failure::new(format!("{text}: a task is written name=duration:after,after"));
    let (name, rest) = text.split_once('=').ok_or_else(missing)?;
    let (duration, after) = rest.split_once(':').unwrap_or((rest, ""));
    let after: Vec<&str> = after.split(',').filter(|name| !name.is_empty()).collect();
    Ok(Task::new(name, duration.parse()?, &after))
}
