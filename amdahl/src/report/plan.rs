//! What `amdahl plan` says: when the tasks of a plan can be done, by which worker, and which tasks
//! make it as long as it is.

use common::drawing;
use common::output::escaped;
use common::table::Table;
use common::text;
use prettytable::{Row, cell, row};
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
        Self { plan, unit, workers, timetable: plan.timetable(), schedule }
    }

    /// Says how long the whole takes, and names its critical paths: a line for each.
    #[must_use]
    pub fn summary(&self) -> String {
        let (makespan, work) = (self.long(self.timetable.makespan), self.long(self.timetable.work));
        let best = number(self.timetable.best_speedup());
        let mut text = text!("makespan {}, work {}: best speedup {}", makespan, work, best) + "\n";
        let all = self.timetable.critical_paths().count_all();
        for path in self.timetable.critical_paths().take(PATHS_SHOWN) {
            let names = named(self.plan, &path).take(NAMES_SHOWN);
            let mut names: Vec<String> = names.map(escaped).collect();
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
        text
    }

    /// Says how long the schedule takes, and how long any would; `None` if there is none.
    #[must_use]
    pub fn schedule_summary(&self) -> Option<String> {
        let Schedule { makespan, at_least, at_most, .. } = self.schedule.as_ref()?;
        let with = match self.workers {
            Some(1) => text!("1 worker"),
            Some(workers) => text!("{} workers", workers),
            None => text!("these resources"),
        };
        let (makespan, least, most) =
            (self.long(*makespan), number(*at_least), self.long(*at_most));
        Some(text!("with {}: {}, of {} to {} (Graham)", with, makespan, least, most))
    }

    /// Writes a row of the timetable: how long the task takes; from when to when at the earliest,
    /// at the latest; slack, free slack; whether it is critical.
    ///
    /// # Panics
    /// If there is no such task.
    #[must_use]
    pub fn times(&self, task: usize) -> [String; 8] {
        let times = self.timetable.tasks[task];
        let critical = if times.is_critical() { text!("critical") } else { String::new() };
        [
            number(self.plan.durations()[task]),
            number(times.earliest_start),
            number(times.earliest_finish),
            number(times.latest_start),
            number(times.latest_finish),
            number(times.slack),
            number(times.free_slack),
            critical,
        ]
    }

    /// Writes a row of the schedule: from when to when the task lasts, and which worker does it.
    /// `None` if there is no schedule.
    ///
    /// # Panics
    /// If there is no such task.
    #[must_use]
    pub fn placement(&self, task: usize) -> Option<[String; 3]> {
        let placed = self.schedule.as_ref()?.tasks[task];
        let worker = placed.worker.map_or(String::new(), |worker| (worker + 1).to_string());
        Some([number(placed.start), number(placed.finish), worker])
    }

    /// Writes a time with its unit.
    fn long(&self, time: f64) -> String {
        let unit = escaped(self.unit.unwrap_or_default());
        format!("{} {unit}", number(time)).trim_end().to_owned()
    }

    /// Writes the tasks' names, each with its cells, as a table.
    fn table<const N: usize>(
        &self,
        titles: Row,
        tasks: impl Iterator<Item = usize>,
        cells: impl Fn(usize) -> [String; N],
        columns: usize,
    ) -> String {
        let mut table = Table::new(titles);
        for task in tasks.take(TASKS_SHOWN) {
            let mut row = row![escaped(&self.plan.names()[task])];
            cells(task).iter().for_each(|cell| row.add_cell(cell!(r->cell)));
            table.add_row(row);
        }
        let left_out = match self.plan.names().len().saturating_sub(TASKS_SHOWN) {
            0 => String::new(),
            more => text!(" … and {} more tasks; --json has all", more) + "\n",
        };
        format!("{table:columns$}{left_out}")
    }
}

impl Report for PlanReport<'_> {
    fn text(&self, columns: usize) -> String {
        let titles = row![
            text!("task"), r->text!("takes"), r->text!("early"), r->text!("to"), r->text!("late"),
            r->text!("to"), r->text!("slack"), r->text!("free"), ""
        ];
        let all = 0..self.plan.names().len();
        let mut text = self.table(titles, all, |task| self.times(task), columns) + &self.summary();
        if let (Some(schedule), Some(summary)) = (&self.schedule, self.schedule_summary()) {
            let titles = row![
                text!("task"), r->text!("start"), r->text!("finish"), r->text!("worker")
            ];
            let cells = |task| self.placement(task).unwrap_or_default();
            let table = self.table(titles, in_order(schedule), cells, columns);
            text += &format!("\n{summary}\n{table}");
        }
        text
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
        for path in timetable.critical_paths().take(PATHS) {
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
