//! The critical path method (Kelley and Walker, *Critical-path planning and scheduling*, 1959):
//! forward for the earliest times, backward for the latest.

use serde::Serialize;

use super::Plan;

/// The times at which a task can begin and end, and must if the whole shall take no longer; in the
/// plan's unit, from 0.
///
/// ```
/// # use amdahl::{Plan, Task};
/// # let tasks = vec![
/// #     Task::new("boil", 3.0, &[]), Task::new("wash", 1.0, &[]),
/// #     Task::new("brew", 1.0, &["boil", "wash"])
/// # ];
/// # let plan = Plan::new(tasks, Default::default())?;
/// // To boil takes 3, to wash 1; to brew, after both, 1.
/// let wash = plan.timetable().tasks[1];
/// assert_eq!((wash.earliest_start, wash.earliest_finish), (0.0, 1.0));
/// assert_eq!((wash.latest_start, wash.latest_finish, wash.slack), (2.0, 3.0, 2.0));
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// The end of the last task that it waits for; 0 if there is none.
    #[serde(rename = "es")]
    pub earliest_start: f64,
    /// The earliest start, and its duration.
    #[serde(rename = "ef")]
    pub earliest_finish: f64,
    /// The latest finish, less its duration.
    #[serde(rename = "ls")]
    pub latest_start: f64,
    /// The first of the latest starts of the tasks that wait for it; the makespan if none does.
    #[serde(rename = "lf")]
    pub latest_finish: f64,
    /// The delay that doesn't delay the whole: latest less earliest start. Exactly 0
    /// for a critical task.
    pub slack: f64,
    /// The delay that doesn't delay any other task; never more than the slack.
    #[serde(rename = "free")]
    pub free_slack: f64,
}

impl Times {
    /// Returns true if the whole takes longer when this task does: it has no slack.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.slack == 0.0
    }
}

/// The times of all tasks of a plan, with as many workers as can be of use. Made by
/// [`Plan::timetable`].
///
/// ```
/// # use amdahl::{Plan, Task};
/// # let tasks = vec![
/// #     Task::new("boil", 3.0, &[]), Task::new("wash", 1.0, &[]),
/// #     Task::new("brew", 1.0, &["boil", "wash"])
/// # ];
/// # let plan = Plan::new(tasks, Default::default())?;
/// // To boil takes 3, to wash 1; to brew, after both, 1.
/// let timetable = plan.timetable();
/// assert_eq!((timetable.work, timetable.makespan), (5.0, 4.0));
/// assert_eq!(timetable.tasks.iter().filter(|times| times.is_critical()).count(), 2);
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timetable<'plan> {
    pub(super) plan: &'plan Plan,
    /// The times of each task, in the order of their numbers.
    pub tasks: Vec<Times>,
    /// The duration of the whole: the longest path, also called the span, T∞.
    pub makespan: f64,
    /// The time it takes one worker to do everything: T₁.
    pub work: f64,
    /// Differences up to this are rounding errors.
    rounding: f64,
}

/// The times at which a task can begin, and must.
struct Starts {
    earliest: f64,
    latest: f64,
}

impl<'plan> Timetable<'plan> {
    pub(super) fn of(plan: &'plan Plan) -> Self {
        let Plan { order, ordered, .. } = plan;
        // By the tasks' positions in the order, in which both passes go through the memory.
        let mut finishes = Vec::with_capacity(order.len());
        let mut starts = Vec::with_capacity(order.len());
        for (&task, position) in order.iter().zip(0..) {
            let before = ordered.predecessors(position).iter();
            let start =
                before.fold(0.0, |start: f64, before| start.max(finishes[*before as usize]));
            finishes.push(start + plan.durations[task as usize]);
            starts.push(Starts { earliest: start, latest: 0.0 });
        }
        let makespan = finishes.iter().copied().fold(0.0, f64::max);
        let rounding = rounding(order.len(), makespan);
        let mut tasks = vec![Times::default(); order.len()];
        for (&task, position) in order.iter().zip(0..order.len() as u32).rev() {
            let (mut finish, mut free) = (makespan, makespan);
            for &next in ordered.successors(position) {
                finish = finish.min(starts[next as usize].latest);
                free = free.min(starts[next as usize].earliest);
            }
            let at = position as usize;
            let (earliest_start, earliest_finish) = (starts[at].earliest, finishes[at]);
            let slack = finish - earliest_finish;
            // Nothing but rounding counts as none: the latest times are then exactly the earliest.
            let slack = if slack <= rounding { 0.0 } else { slack };
            starts[at].latest = earliest_start + slack;
            tasks[task as usize] = Times {
                earliest_start,
                earliest_finish,
                latest_start: earliest_start + slack,
                latest_finish: earliest_finish + slack,
                slack,
                free_slack: (free - earliest_finish).clamp(0.0, slack),
            };
        }
        Self { plan, tasks, makespan, work: plan.work(), rounding }
    }

    /// Returns the best speedup that any number of workers can give: work / span; 1 for a plan of
    /// milestones only, which has nothing to speed up.
    #[must_use]
    pub fn best_speedup(&self) -> f64 {
        if self.makespan > 0.0 { self.work / self.makespan } else { 1.0 }
    }

    /// Returns true if a critical path leads from a task to one that waits for it: both are
    /// critical, and there is no time between them. Only asked for two such tasks.
    ///
    /// ```
    /// use amdahl::{Plan, Task};
    ///
    /// let tasks = [("a", &[][..]), ("b", &["a"]), ("c", &["a", "b"])];
    /// let tasks = tasks.map(|(name, after)| Task::new(name, 1.0, after));
    /// let plan = Plan::new(tasks.into(), Default::default())?;
    /// let timetable = plan.timetable();
    /// assert!(timetable.leads(0, 1) && timetable.leads(1, 2));
    /// // All three are critical, but c has to wait for b after a.
    /// assert!(!timetable.leads(0, 2));
    /// # Ok::<(), amdahl::PlanError>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such task.
    #[must_use]
    pub fn leads(&self, task: u32, next: u32) -> bool {
        let [task, next] = [task, next].map(|task| &self.tasks[task as usize]);
        let gap = next.earliest_start - task.earliest_finish;
        task.is_critical() && next.is_critical() && gap <= self.rounding
    }
}

/// Returns how much two sums of this many tasks, equal without rounding, can differ by it.
///
/// A sum of k numbers is wrong by less than k times half the machine's epsilon times itself; here
/// are two, one from either end. It is doubled for the durations, which were rounded when they were
/// read.
fn rounding(tasks: usize, makespan: f64) -> f64 {
    2.0 * (tasks as f64 + 1.0) * f64::EPSILON * makespan
}
