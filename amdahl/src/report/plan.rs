//! What `amdahl plan` says: when the tasks of a plan can be done, by which worker, and which tasks
//! make it as long as it is.

use common::drawing;
use common::output::escaped;
use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::{Report, gantt, number};
use crate::{Plan, Schedule, Times, Timetable};

/// The most critical paths in JSON, and the most names in all of them.
const PATHS: usize = 1000;
const NAMES: usize = 1_000_000;
/// The most critical paths, names of each, and tasks in text, which is for reading.
const PATHS_SHOWN: usize = 10;
const NAMES_SHOWN: usize = 20;
const TASKS_SHOWN: usize = 1000;

/// A plan's timetable and, if workers or resources are limited, its schedule; see
/// [`report`](super).
#[derive(Debug)]
pub struct PlanReport<'a> {
    plan: &'a Plan,
    unit: Option<&'a str>,
    workers: Option<usize>,
    /// The times of the tasks.
    pub timetable: Timetable<'a>,
    /// The schedule for these workers and the plan's resources; `None` if neither are limited.
    pub schedule: Option<Schedule>,
    /// The most critical paths in JSON; at first 1,000.
    pub paths: usize,
}

impl<'a> PlanReport<'a> {
    /// Computes the timetable, and the schedule for this number of workers (`None`: enough). The
    /// unit of time is for labels.
    ///
    /// # Panics
    /// If there are 0 workers and something to do.
    #[must_use]
    pub fn new(plan: &'a Plan, unit: Option<&'a str>, workers: Option<usize>) -> Self {
        let is_limited = workers.is_some() || !plan.resources().is_empty();
        let schedule = is_limited.then(|| plan.schedule(workers));
        Self { plan, unit, workers, timetable: plan.timetable(), schedule, paths: PATHS }
    }
}

impl Report for PlanReport<'_> {
    fn text(&self, columns: usize) -> String {
        shown(self, columns)
    }

    fn json(&self) -> String {
        super::json(&Found::of(self))
    }

    fn svg(&self) -> Result<String, drawing::Error> {
        gantt::svg(self.plan, &self.timetable, self.schedule.as_ref(), self.unit)
    }
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
    fn of(report: &'a PlanReport<'_>) -> Self {
        let PlanReport { plan, workers, timetable, schedule, .. } = report;
        let mut critical_paths = Vec::new();
        let mut names = 0;
        for path in timetable.critical_paths().take(report.paths) {
            names += path.len();
            critical_paths.push(named(plan, &path).collect());
            if names >= NAMES {
                break;
            }
        }
        let left_out = timetable.critical_paths().count_all() - critical_paths.len() as u64;
        let tasks = plan.names().iter().zip(&timetable.tasks);
        let schedule = schedule.as_ref().map(|schedule| FoundSchedule {
            makespan: schedule.makespan,
            workers: *workers,
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

fn shown(report: &PlanReport<'_>, columns: usize) -> String {
    let PlanReport { plan, unit, workers, timetable, schedule, .. } = report;
    let unit = escaped(unit.unwrap_or(""));
    let long = |time: f64| format!("{} {unit}", number(time)).trim_end().to_owned();
    let mut text = times(plan, timetable, columns);
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
    text + &format!("{table:columns$}{}", left_out(plan))
}

/// Writes a line for the tasks that a table leaves out.
fn left_out(plan: &Plan) -> String {
    match plan.names().len().saturating_sub(TASKS_SHOWN) {
        0 => String::new(),
        more => text!(" … and {} more tasks; --json has all", more) + "\n",
    }
}

fn times(plan: &Plan, timetable: &Timetable<'_>, columns: usize) -> String {
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
    format!("{table:columns$}{}", left_out(plan))
}
