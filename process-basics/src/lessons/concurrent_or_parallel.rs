//! Six tasks that only compute: on one core they take turns, on several they run at the same time.
//!
//! ```python
//! def task():
//!     while time.process_time() < 1: pass      # computes, never waits
//! os.sched_setaffinity(0, {0})                 # one core, or all
//! for i in range(6): Process(target=task).start()
//! ```

use std::time::Duration;

use common::cores::{self, compute};
use common::pretend::{hold_children, pace, wait_while_held};
use common::time::{cpu_tick, show};
use common::timeline::{Interval, Timeline};
use common::{check, note, say, text};
use multiprocess::{Failure, Process, Queue, tasks};

const TASKS: usize = 6;

/// The part of the time that is drawn: short enough for the turns to be seen.
const DRAWN: Duration = Duration::from_millis(60);

/// The number of a task, and when it was on a core.
type Computed = (usize, Vec<Interval>);

tasks![task];

pub(crate) fn main() -> Result<(), Failure> {
    let cores = cores::usable()?;
    if cores::can_bind() {
        say!("binds six tasks to one core and lets them begin together");
        let time = run(Some(cores[0]))?;
        let computed = pace().real(1.0).saturating_sub(cpu_tick()) * TASKS as u32;
        check!(computed <= time, "one core took at least as long as all their computing together");
    } else {
        note!("this system can't bind a process to a core, so there is one picture only");
    }
    say!("starts six more, which may use every core");
    run(None)?;
    if cores.len() == 1 {
        note!("there is only one core here, so both pictures show the same");
    }
    Ok(())
}

/// Runs the tasks on this core or on all, draws when each computed, and returns the time for all.
fn run(core: Option<usize>) -> Result<Duration, Failure> {
    let results = Queue::unbounded()?;
    let held = hold_children()?;
    let mut tasks = Vec::new();
    for number in 1..=TASKS {
        let mut process = Process::new(task, (number, core, results.clone()));
        process.start()?;
        tasks.push(process);
    }
    held.wait_for(TASKS)?;
    held.release();
    let mut rows = tasks.iter().map(|_| results.get()).collect::<Result<Vec<_>, _>>()?;
    rows.sort_unstable();
    tasks.iter().try_for_each(Process::join)?;
    let mut timeline = Timeline::default();
    for (number, computed) in rows {
        timeline.row(text!("task {}", number), computed);
    }
    let (begin, end) = timeline.whole();
    note!("the first {} of {}:", show(DRAWN.min(end - begin)), show(end - begin));
    common::narrator::varying_figure(timeline.first(DRAWN));
    Ok(end - begin)
}

/// Runs in each child: computes for a second, and tells when it was on a core.
fn task((number, core, results): (usize, Option<usize>, Queue<Computed>)) -> Result<(), Failure> {
    if let Some(core) = core {
        cores::bind_to(&[core])?;
    }
    wait_while_held();
    results.put((number, compute(pace().real(1.0))))?;
    Ok(())
}
