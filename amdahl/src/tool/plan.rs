//! `amdahl plan`: when the tasks of a plan can be done, by which worker, and which tasks make it as
//! long as it is.

use std::process::ExitCode;

use amdahl::{Plan, Schedule, Times, Timetable};
use clap::{ArgMatches, Command};
use common::lessons::Tool;
use common::narrator::columns;
use common::output::escaped;
use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::{Refusal, count, draw, finish, gantt, number, plan_file, read};

pub(super) const TOOL: Tool = Tool { command, run };

/// The most critical paths in JSON, and the most names in all of them.
const PATHS: usize = 1000;
const NAMES: usize = 1_000_000;
/// The most critical paths, names of each, and tasks in text, which is for reading.
const PATHS_SHOWN: usize = 10;
const NAMES_SHOWN: usize = 20;
const TASKS_SHOWN: usize = 1000;

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
    let (file, text) = read(arguments)?;
    let (plan, unit) = plan_file::parse(&file, &text)?;
    let workers = arguments.get_one("workers").map(|workers: &u32| *workers as usize);
    let timetable = plan.timetable();
    let limited = workers.is_some() || !plan.resources().is_empty();
    let schedule = limited.then(|| plan.schedule(workers));
    let picture = || gantt::svg(&plan, &timetable, schedule.as_ref(), unit.as_deref());
    draw(arguments, picture)?;
    if arguments.get_flag("json") {
        return super::json(&Found::of(&plan, &timetable, workers, schedule.as_ref()));
    }
    Ok(shown(&plan, &timetable, workers, schedule.as_ref(), unit.as_deref()))
}

#[derive(Serialize)]
struct Found<'a> {
    makespan: f64,
    work: f64,
    span: f64,
    critical_paths: Vec<Vec<&'a str>>,
    /// Only there if some are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    critical_paths_left_out: Option<u64>,
    tasks: Vec<FoundTask<'a>>,
    schedule: Option<FoundSchedule<'a>>,
}

#[derive(Serialize)]
struct FoundTask<'a> {
    name: &'a str,
    #[serde(flatten)]
    times: Times,
}

#[derive(Serialize)]
struct FoundSchedule<'a> {
    makespan: f64,
    workers: Option<usize>,
    at_least: f64,
    at_most: f64,
    tasks: Vec<FoundPlacement<'a>>,
}

#[derive(Serialize)]
struct FoundPlacement<'a> {
    name: &'a str,
    start: f64,
    finish: f64,
    worker: Option<usize>,
}

impl<'a> Found<'a> {
    fn of(
        plan: &'a Plan,
        timetable: &Timetable<'a>,
        workers: Option<usize>,
        schedule: Option<&Schedule>,
    ) -> Self {
        let mut critical_paths = Vec::new();
        let mut names = 0;
        for path in timetable.critical_paths().take(PATHS) {
            names += path.len();
            critical_paths.push(named(plan, &path).collect());
            if names >= NAMES {
                break;
            }
        }
        let left_out = timetable.critical_paths().count_all() - critical_paths.len() as u64;
        let tasks = plan.names().iter().zip(&timetable.tasks);
        let schedule = schedule.map(|schedule| FoundSchedule {
            makespan: schedule.makespan,
            workers,
            at_least: schedule.at_least,
            at_most: schedule.at_most,
            tasks: in_order(schedule)
                .map(|task| {
                    let placed = schedule.tasks[task];
                    let worker = placed.worker.map(|worker| worker + 1);
                    let (start, finish) = (placed.start, placed.finish);
                    FoundPlacement { name: &plan.names()[task], start, finish, worker }
                })
                .collect(),
        });
        Self {
            makespan: timetable.makespan,
            work: timetable.work,
            span: timetable.makespan,
            critical_paths,
            critical_paths_left_out: (left_out > 0).then_some(left_out),
            tasks: tasks.map(|(name, times)| FoundTask { name, times: *times }).collect(),
            schedule,
        }
    }
}

fn named<'a>(plan: &'a Plan, path: &[u32]) -> impl Iterator<Item = &'a str> {
    path.iter().map(|task| plan.names()[*task as usize].as_str())
}

/// Returns the tasks in the order in which they begin.
fn in_order(schedule: &Schedule) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..schedule.tasks.len()).collect();
    order.sort_by(|a, b| schedule.tasks[*a].start.total_cmp(&schedule.tasks[*b].start));
    order.into_iter()
}

fn shown(
    plan: &Plan,
    timetable: &Timetable<'_>,
    workers: Option<usize>,
    schedule: Option<&Schedule>,
    unit: Option<&str>,
) -> String {
    let unit = escaped(unit.unwrap_or(""));
    let long = |time: f64| format!("{} {unit}", number(time)).trim_end().to_owned();
    let mut text = times(plan, timetable);
    let (makespan, work) = (long(timetable.makespan), long(timetable.work));
    let best = number(timetable.best_speedup());
    text += &(text!("makespan {}, work {}: best speedup {}", makespan, work, best) + "\n");
    let all = timetable.critical_paths().count_all();
    for path in timetable.critical_paths().take(PATHS_SHOWN) {
        let mut names: Vec<String> = named(plan, &path).take(NAMES_SHOWN).map(escaped).collect();
        if path.len() > NAMES_SHOWN {
            names.push(text!("({} more)", path.len() - NAMES_SHOWN));
        }
        text += &(text!("critical path: {}", names.join(" → ")) + "\n");
    }
    if all > PATHS_SHOWN as u64 {
        let more = all - PATHS_SHOWN as u64;
        text += &match all {
            u64::MAX => text!("more than {} more critical paths", more),
            _ => text!("and {} more critical paths", more),
        };
        text += "\n";
    }
    let Some(schedule) = schedule else { return text };
    let with = match workers {
        Some(1) => text!("1 worker"),
        Some(workers) => text!("{} workers", workers),
        None => text!("these resources"),
    };
    let (least, most) = (number(schedule.at_least), long(schedule.at_most));
    let makespan = long(schedule.makespan);
    let with = text!("with {}: {}, of {} to {} (Graham)", with, makespan, least, most);
    text += &format!("\n{with}\n");
    let mut table = Table::new(row![
        text!("task"), r->text!("start"), r->text!("finish"), r->text!("worker")
    ]);
    for task in in_order(schedule).take(TASKS_SHOWN) {
        let placed = schedule.tasks[task];
        let worker = placed.worker.map_or(String::new(), |worker| (worker + 1).to_string());
        let (start, finish) = (number(placed.start), number(placed.finish));
        table.add_row(row![escaped(&plan.names()[task]), r->start, r->finish, r->worker]);
    }
    text + &format!("{table:columns$}{}", left_out(plan), columns = columns())
}

/// Writes a line for the tasks that a table leaves out.
fn left_out(plan: &Plan) -> String {
    match plan.names().len().saturating_sub(TASKS_SHOWN) {
        0 => String::new(),
        more => text!(" … and {} more tasks; --json has all", more) + "\n",
    }
}

fn times(plan: &Plan, timetable: &Timetable<'_>) -> String {
    let mut table = Table::new(row![
        text!("task"), r->text!("takes"), r->text!("early"), r->text!("to"), r->text!("late"),
        r->text!("to"), r->text!("slack"), r->text!("free"), ""
    ]);
    for (task, times) in timetable.tasks.iter().enumerate().take(TASKS_SHOWN) {
        let critical = if times.is_critical() { text!("critical") } else { String::new() };
        table.add_row(row![
            escaped(&plan.names()[task]),
            r->number(plan.durations()[task]),
            r->number(times.earliest_start),
            r->number(times.earliest_finish),
            r->number(times.latest_start),
            r->number(times.latest_finish),
            r->number(times.slack),
            r->number(times.free_slack),
            critical
        ]);
    }
    format!("{table:columns$}{}", left_out(plan), columns = columns())
}
