//! Hua Luogeng's tea, made in three ways by one person with one stove: in 16 minutes, if the water
//! boils while the rest is washed.
//!
//! ```python
//! with ProcessPoolExecutor(2) as hands:            # the person, the stove
//!     wash_kettle(); boiling = hands.submit(boil)
//!     wash_pot(); wash_cups(); fetch_leaves()
//!     boiling.result(); brew()                     # 16 minutes, not 20
//! ```

use amdahl::{Plan, PlanError, examples};
use common::narrator::{figure, varying_figure};
use common::table::Table;
use common::timeline::Timeline;
use common::{check, note, say, text};
use multiprocess::Failure;
use multiprocess::futures::ProcessPoolExecutor;
use prettytable::row;

use super::slept;

/// The tasks' places in the plan.
const KETTLE: usize = 0;
const BOIL: usize = 1;
const REST: [usize; 3] = [2, 3, 4];

pub(crate) fn main() -> Result<(), Failure> {
    say!("lists what a person with a stove has to do");
    let plan = tea(1, &[], &[])?;
    let mut table = Table::new(row![text!("task"), r->text!("minutes"), text!("after")]);
    for (task, (name, minutes)) in (0..).zip(plan.names().iter().zip(plan.durations())) {
        let after = plan.graph().predecessors(task).iter().map(|task| (task + 1).to_string());
        let after = after.collect::<Vec<_>>().join(", ");
        table.add_row(row![format!("{} {name}", task + 1), r->minutes, after]);
    }
    figure(table);
    let hands = ProcessPoolExecutor::new(2)?;
    // In ways 2 and 3 some tasks wait, without need, for others.
    for (way, (tasks, before), minutes) in [
        (text!("way 1: the kettle first, the rest while it boils"), (&[][..], &[][..]), 16),
        (text!("way 2: the rest first, then the kettle"), (&[KETTLE], &REST), 20),
        (text!("way 3: the kettle first, the rest when it has boiled"), (&REST, &[BOIL]), 20),
    ] {
        say!("takes {}", way);
        let plan = tea(1, tasks, before)?;
        let computed = plan.schedule(None).makespan;
        check!(computed == f64::from(minutes), "computed: {} minutes", minutes);
        let minutes = |task: u32| plan.durations()[task as usize];
        let times = plan.run(None, &hands, slept::work, minutes)?;
        let mut timeline = Timeline::default();
        let person = [('1', KETTLE), ('3', REST[0]), ('4', REST[1]), ('5', REST[2])];
        timeline.marked_row(text!("person"), person.map(|(mark, task)| (mark, times[task])));
        timeline.marked_row(text!("stove"), [('2', times[BOIL])]);
        varying_figure(timeline);
        let measured = slept::check(&plan, &times, computed)?;
        note!("measured {} minutes", format_args!("{measured:.2}"));
    }
    let guests = tea(5, &[], &[])?.schedule(None).makespan;
    check!(guests == 16.0, "five persons need 16 minutes, too: the water takes its time");
    Ok(())
}

/// Plans the tea for so many persons; each of these tasks waits also for all of `before`.
fn tea(persons: u32, waiting: &[usize], before: &[usize]) -> Result<Plan, PlanError> {
    let mut file = examples::tea();
    file.resources.insert(text!("person"), persons);
    let before: Vec<String> = before.iter().map(|task| file.tasks[*task].name.clone()).collect();
    waiting.iter().for_each(|task| file.tasks[*task].after.extend(before.clone()));
    Plan::new(file.tasks, file.resources)
}
