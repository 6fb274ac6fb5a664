//! Which task waits for which: adjacency lists in both directions, in compressed rows.

/// The graph of a [`Plan`](crate::Plan), without names and durations: tasks numbered from 0, and
/// what each waits for. Python: `graphlib.TopologicalSorter`.
///
/// ```
/// use amdahl::Graph;
///
/// let graph = Graph::new(3, vec![(2, 1), (0, 1)]);
/// assert_eq!(graph.predecessors(1), [0, 2]);
/// assert_eq!(graph.successors(2), [1]);
/// assert_eq!(graph.waits_for(), [0, 2, 0]);
/// assert_eq!(graph.order(), Ok(vec![0, 2, 1]));
///
/// let mut cycle = Graph::new(3, vec![(0, 1), (1, 0), (1, 2)]).order().unwrap_err();
/// cycle.sort();
/// assert_eq!(cycle, [0, 1]);
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    predecessors: Rows,
    successors: Rows,
}

/// A list for each task, one behind the other (compressed sparse rows): the list of task `t` is
/// `items[starts[t]..starts[t + 1]]`.
#[derive(Clone, Debug)]
struct Rows {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Graph {
    /// Builds the graph of this many tasks with these edges: (task that must end, task that waits
    /// for it). An edge that is given twice counts once. There may be cycles:
    /// [`order`](Self::order) finds them.
    ///
    /// # Panics
    /// If an edge names a task that isn't there, or there are 2³² edges or more.
    #[must_use]
    pub fn new(tasks: usize, mut edges: Vec<(u32, u32)>) -> Self {
        edges.sort_unstable();
        edges.dedup();
        assert!(u32::try_from(edges.len()).is_ok(), "edges are numbered with 32 bits");
        let successors = Rows::new(tasks, edges.iter().copied());
        let predecessors = Rows::new(tasks, edges.into_iter().map(|(before, task)| (task, before)));
        Self { predecessors, successors }
    }

    /// Returns how many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.predecessors.starts.len() - 1
    }

    /// Returns true if there is no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the tasks that a task waits for, the smallest number first.
    ///
    /// # Panics
    /// If there is no such task.
    #[must_use]
    pub fn predecessors(&self, task: u32) -> &[u32] {
        self.predecessors.row(task)
    }

    /// Returns the tasks that wait for a task, the smallest number first.
    ///
    /// # Panics
    /// If there is no such task.
    #[must_use]
    pub fn successors(&self, task: u32) -> &[u32] {
        self.successors.row(task)
    }

    /// Returns how many others each task waits for, in the order of their numbers.
    #[must_use]
    pub fn waits_for(&self) -> Vec<u32> {
        self.predecessors.starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Returns the tasks in a topological order: each comes after all that it waits for.
    ///
    /// Kahn's method (*Topological sorting of large networks*, 1962): take a task that waits for
    /// none, cross it out everywhere, go on. Python:
    /// `graphlib.TopologicalSorter(…).static_order()`.
    ///
    /// # Errors
    /// The tasks of a cycle, each waited for by the next and the last by the first.
    pub fn order(&self) -> Result<Vec<u32>, Vec<u32>> {
        let mut waits_for = self.waits_for();
        let mut order = Vec::with_capacity(self.len());
        order.extend((0..self.len() as u32).filter(|task| waits_for[*task as usize] == 0));
        let mut done = 0;
        while let Some(&task) = order.get(done) {
            done += 1;
            for &next in self.successors(task) {
                waits_for[next as usize] -= 1;
                if waits_for[next as usize] == 0 {
                    order.push(next);
                }
            }
        }
        if done == self.len() { Ok(order) } else { Err(self.cycle(&waits_for)) }
    }

    /// Returns the graph with each task numbered by its position in this order of all tasks.
    ///
    /// In a topological order every neighbour is then on the same side, and a pass over the tasks
    /// reads and writes memory from one end to the other.
    pub(super) fn renumbered(&self, order: &[u32]) -> Self {
        let mut positions = vec![0; order.len()];
        for (task, position) in order.iter().zip(0..) {
            positions[*task as usize] = position;
        }
        Self {
            predecessors: self.predecessors.renumbered(order, &positions),
            successors: self.successors.renumbered(order, &positions),
        }
    }

    /// Finds a cycle among the tasks that still wait: each has a predecessor that still waits, too,
    /// so a walk from task to predecessor comes to a task for the second time.
    fn cycle(&self, waits_for: &[u32]) -> Vec<u32> {
        let stuck = |task: &&u32| waits_for[**task as usize] > 0;
        let mut met = vec![None; self.len()];
        let mut way = Vec::new();
        let mut task = waits_for.iter().position(|waits| *waits > 0).unwrap_or(0) as u32;
        while met[task as usize].is_none() {
            met[task as usize] = Some(way.len());
            way.push(task);
            let before = self.predecessors(task).iter().find(stuck);
            task = *before.expect("a task that still waits has a predecessor that does");
        }
        way.drain(..met[task as usize].unwrap_or(0));
        way.reverse();
        way
    }
}

impl Rows {
    fn new(tasks: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; tasks + 1];
        for (task, _) in edges.clone() {
            starts[task as usize + 1] += 1;
        }
        for task in 0..tasks {
            starts[task + 1] += starts[task];
        }
        let mut ends = starts.clone();
        let mut items = vec![0; starts[tasks] as usize];
        for (task, item) in edges {
            items[ends[task as usize] as usize] = item;
            ends[task as usize] += 1;
        }
        Self { starts, items }
    }

    fn renumbered(&self, order: &[u32], positions: &[u32]) -> Self {
        let mut starts = Vec::with_capacity(self.starts.len());
        let mut items = Vec::with_capacity(self.items.len());
        starts.push(0);
        for task in order {
            items.extend(self.row(*task).iter().map(|item| positions[*item as usize]));
            starts.push(items.len() as u32);
        }
        Self { starts, items }
    }

    fn row(&self, task: u32) -> &[u32] {
        let task = task as usize;
        &self.items[self.starts[task] as usize..self.starts[task + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_comes_after_all_that_it_waits_for() {
        let graph = Graph::new(4, vec![(3, 0), (0, 1), (3, 1), (1, 2), (3, 0)]);
        assert_eq!(graph.order(), Ok(vec![3, 0, 1, 2]));
        assert_eq!((graph.predecessors(1), graph.successors(3)), (&[0, 3][..], &[0, 1][..]));
    }

    #[test]
    fn a_cycle_is_told_without_what_leads_to_it_or_comes_after_it() {
        let graph = Graph::new(6, vec![(5, 1), (1, 2), (2, 3), (3, 1), (3, 4), (4, 0)]);
        let mut cycle = graph.order().unwrap_err();
        let smallest = cycle.iter().position(|task| *task == 1).unwrap();
        cycle.rotate_left(smallest);
        assert_eq!(cycle, [1, 2, 3]);
        assert_eq!(Graph::new(1, vec![(0, 0)]).order(), Err(vec![0]));
    }
}
