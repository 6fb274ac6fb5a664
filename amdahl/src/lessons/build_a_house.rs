//! You'll see a house planned: what must wait for what decides how long it takes, and one task may
//! be late.
//!
//! ```python
//! before = {"walls": ["foundation", "material"], "windows": ["walls"], "paint": ["windows"]}
//! def finish(task):
//!     return days[task] + max((finish(t) for t in before.get(task, [])), default=0)
//! max(map(finish, days)), sum(days.values())        # 11, 12
//! ```

use amdahl::{Plan, Task};
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::table::Table;
use common::timeline::Timeline;
use multiprocess::futures::ProcessPoolExecutor;
use prettytable::row;

use super::slept;

pub(crate) const LESSON: Lesson = Lesson {
    name: "build-a-house",
    section: "5.1",
    question: (
        "盖一座房子要十二天的活，最快几天盖好？",
        "A house is twelve days of work: in how many days can it stand?",
    ),
    remember: (
        "关键路径有多长，工期就有多长；别的任务有时差，可以晚一点。",
        "The critical path sets the length; other tasks have slack and may be late.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let tasks = vec![
        Task::new("foundation", 5.0, &[]),
        Task::new("material", 1.0, &[]),
        Task::new("walls", 3.0, &["foundation", "material"]),
        Task::new("windows", 2.0, &["walls"]),
        Task::new("paint", 1.0, &["windows"]),
    ];
    let plan = Plan::new(tasks, Default::default())?;
    let timetable = plan.timetable();
    story.event("planner", "computes when each task can be done, and when it must be");
    let mut table = Table::new(row!["task", r->"days", r->"earliest", r->"latest", r->"slack"]);
    for ((name, days), times) in plan.names().iter().zip(plan.durations()).zip(&timetable.tasks) {
        let earliest = format!("{} – {}", times.earliest_start, times.earliest_finish);
        let latest = format!("{} – {}", times.latest_start, times.latest_finish);
        table.add_row(row![name, r->days, r->earliest, r->latest, r->times.slack]);
    }
    story.figure(&table);
    story.ok("one after the other it takes 12 days", timetable.work == 12.0)?;
    story.ok("planned it takes 11", timetable.makespan == 11.0)?;
    let paths: Vec<Vec<u32>> = timetable.critical_paths().collect();
    story.ok("foundation, walls, windows, paint are the critical path", paths == [[0, 2, 3, 4]])?;
    story.ok("the material may be four days late", timetable.tasks[1].slack == 4.0)?;
    let best = timetable.best_speedup();
    story.ok("however many build it, it is at most 12/11 times as fast", best == 12.0 / 11.0)?;

    story.event("planner", "has two builders do it, ten milliseconds a day at the usual speed");
    let builders = ProcessPoolExecutor::new(2)?;
    let times = slept::really(story, &plan, &builders)?;
    let mut timeline = Timeline::default();
    for (name, time) in plan.names().iter().zip(&times) {
        timeline.row(name, [*time]);
    }
    story.varying_figure(timeline);
    slept::check(story, &plan, &times, timetable.makespan)?;
    story.varies(format!("measured {:.2} days", slept::makespan(story, &times)));
    Ok(())
}
