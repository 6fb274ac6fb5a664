//! The critical paths, one after the other: with n tasks there can be 2ⁿᐟ² of them and more.

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
/// let paths: Vec<Vec<u32>> = timetable.critical_paths().collect();
/// assert_eq!(paths, [[0, 2]], "boil, brew");
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
    /// Returns all the paths that take as long as the whole, one after the other. There may be more
    /// than anybody can read: [`CriticalPaths::count_all`] counts them.
    ///
    /// ```
    /// use amdahl::{Plan, Task};
    ///
    /// let shop = Task::new("shop", 3.0, &[]);
    /// let table = Task::new("lay the table", 1.0, &[]);
    /// let eat = Task::new("eat", 2.0, &["shop", "lay the table"]);
    /// let plan = Plan::new(vec![shop, table, eat], Default::default())?;
    /// let paths: Vec<Vec<u32>> = plan.timetable().critical_paths().take(10).collect();
    /// assert_eq!(paths, [[0, 2]]);
    /// # Ok::<(), amdahl::PlanError>(())
    /// ```
    #[must_use]
    pub fn critical_paths(&self) -> CriticalPaths<'_> {
        CriticalPaths { timetable: self, starts: 0..self.tasks.len() as u32, way: Vec::new() }
    }
}

impl CriticalPaths<'_> {
    /// How many there are, without making them; [`u64::MAX`] if there are that many or more. Those
    /// that were already taken count, too.
    ///
    /// ```
    /// use amdahl::{Plan, Task};
    ///
    /// // Two that take equally long, forty times in a row: 2⁴⁰ critical paths.
    /// let mut tasks = vec![Task::new("0", 0.0, &[])];
    /// for step in 1..=40 {
    ///     let [left, right] = ["a", "b"].map(|side| format!("{step}{side}"));
    ///     tasks.push(Task::new(&left, 1.0, &[&(step - 1).to_string()]));
    ///     tasks.push(Task::new(&right, 1.0, &[&(step - 1).to_string()]));
    ///     tasks.push(Task::new(&step.to_string(), 0.0, &[&left, &right]));
    /// }
    /// let plan = Plan::new(tasks, Default::default())?;
    /// assert_eq!(plan.timetable().critical_paths().count_all(), 1 << 40);
    /// # Ok::<(), amdahl::PlanError>(())
    /// ```
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

    /// Depth first, on a stack of our own. There are no dead ends: what a critical task is the latest
    /// possible predecessor of is critical, too, down to a task that nobody waits for.
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
