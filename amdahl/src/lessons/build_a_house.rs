//! A house is planned: what must wait for what decides how long it takes, and one task may be late.
//!
//! ```python
//! days = {"foundation": 5, "walls": 3, "windows": 2, "paint": 1, "material": 1}
//! before = {"walls": ["foundation", "material"], "windows": ["walls"], "paint": ["windows"]}
//! def finish(task):
//!     return days[task] + max((finish(t) for t in before.get(task, [])), default=0)
//! print(sum(days.values()), max(map(finish, days)))  # 12, 11
//! ```

use amdahl::examples;
use common::narrator::{figure, varying_figure};
use common::table::Table;
use common::timeline::Timeline;
use common::{check, note, say, text};
use multiprocess::Failure;
use multiprocess::futures::ProcessPoolExecutor;
use prettytable::row;

use super::slept;

pub(crate) fn main() -> Result<(), Failure> {
    let (plan, _) = examples::house().into_plan()?;
    say!("computes when each task can be done, and when it must be");
    let timetable = plan.timetable();
    let mut table = Table::new(row![
        text!("task"), r->text!("days"), r->text!("earliest"), r->text!("latest"), r->text!("slack")
    ]);
    for ((name, days), times) in plan.names().iter().zip(plan.durations()).zip(&timetable.tasks) {
        let earliest = format!("{} – {}", times.earliest_start, times.earliest_finish);
        let latest = format!("{} – {}", times.latest_start, times.latest_finish);
        table.add_row(row![name, r->days, r->earliest, r->latest, r->times.slack]);
    }
    figure(table);
    check!(timetable.work == 12.0, "one after the other the tasks take 12 days");
    check!(timetable.makespan == 11.0, "planned, they take 11");
    let paths: Vec<Vec<u32>> = timetable.critical_paths().collect();
    check!(paths == [[0, 1, 2, 3]], "all but the material are the critical path");
    check!(timetable.tasks[4].slack == 4.0, "the material may be four days late");
    let best = timetable.best_speedup();
    check!(best == 12.0 / 11.0, "however many build it, it is at most 12/11 times as fast");

    say!("has it done by two builders");
    let builders = ProcessPoolExecutor::new(2)?;
    let days = |task: u32| plan.durations()[task as usize];
    let times = plan.run(None, &builders, slept::work, days)?;
    let mut timeline = Timeline::default();
    for (name, time) in plan.names().iter().zip(&times) {
        timeline.row(name, [*time]);
    }
    varying_figure(timeline);
    let measured = slept::check(&plan, &times, timetable.makespan)?;
    note!("measured {} days of {} each", format_args!("{measured:.2}"), slept::unit());
    Ok(())
}
