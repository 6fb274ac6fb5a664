//! The critical paths, one after the other: n tasks can have 2ⁿᐟ² of them and more.

use super::timetable::Timetable;

/// Gives the critical paths one by one, each as the numbers of its tasks. Made by
/// [`Timetable::critical_paths`].
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
/// let paths: Vec<Vec<u32>> = timetable.critical_paths().take(10).collect();
/// assert_eq!(paths, [[0, 2]], "boil, brew");
/// assert_eq!(timetable.critical_paths().count_all(), 1);
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Debug)]
pub struct CriticalPaths<'a> {
    timetable: &'a Timetable<'a>,
    /// Where the next path may begin.
    starts: std::ops::Range<u32>,
    /// The tasks of the path being made, each with how many of its successors were looked at.
    way: Vec<(u32, usize)>,
}

impl Timetable<'_> {
    /// Returns all the paths that take as long as the whole, one after the other. There may be too
    /// many to list: [`CriticalPaths::count_all`] counts them.
    #[must_use]
    pub fn critical_paths(&self) -> CriticalPaths<'_> {
        CriticalPaths { timetable: self, starts: 0..self.tasks.len() as u32, way: Vec::new() }
    }
}

impl CriticalPaths<'_> {
    /// Counts all critical paths without making them, also those that were already taken;
    /// [`u64::MAX`] if there are that many or more. Takes time in proportion to the tasks and what
    /// they wait for.
    #[must_use]
    pub fn count_all(&self) -> u64 {
        let plan = self.timetable.plan;
        let mut from_here = vec![0_u64; self.timetable.tasks.len()];
        let mut all = 0_u64;
        for &task in plan
            .order
            .iter()
            .rev()
            .filter(|task| self.timetable.tasks[**task as usize].is_critical())
        {
            let successors = plan.graph.successors(task);
            let next = successors.iter().filter(|next| self.timetable.leads(task, **next));
            let ways = next.fold(0_u64, |sum, next| sum.saturating_add(from_here[*next as usize]));
            from_here[task as usize] = if successors.is_empty() { 1 } else { ways };
            if plan.graph.predecessors(task).is_empty() {
                all = all.saturating_add(from_here[task as usize]);
            }
        }
        all
    }
}

impl Iterator for CriticalPaths<'_> {
    type Item = Vec<u32>;

    /// Searches depth first, on a stack of its own. There are no dead ends: a critical task either
    /// has no successor or leads to a critical one.
    fn next(&mut self) -> Option<Vec<u32>> {
        let graph = &self.timetable.plan.graph;
        loop {
            let Some(&mut (task, ref mut looked)) = self.way.last_mut() else {
                let is_start = |task: u32| graph.predecessors(task).is_empty();
                let mut starts = self.starts.clone();
                let start = starts.find(|task| {
                    is_start(*task) && self.timetable.tasks[*task as usize].is_critical()
                })?;
                self.starts = starts;
                self.way.push((start, 0));
                continue;
            };
            let successors = graph.successors(task);
            let from = *looked;
            *looked += 1;
            if successors.is_empty() && from == 0 {
                return Some(self.way.iter().map(|(task, _)| *task).collect());
            }
            match successors.get(from) {
                Some(&next) if self.timetable.leads(task, next) => self.way.push((next, 0)),
                Some(_) => {}
                None => {
                    self.way.pop();
                }
            }
        }
    }
}
