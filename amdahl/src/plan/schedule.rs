//! List scheduling: which worker does which task when, with limited workers and resources.
//!
//! Whenever a worker or a resource is free, the first task of a list that can begin does. The list
//! here is sorted by the latest start: what is most urgent for the whole goes first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{Plan, Timetable};

/// A task that is about to begin: there is an example at [`Dispatcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The task's number.
    pub task: u32,
    /// Its worker's number, from 0; `None` where workers aren't limited, or the task takes no time.
    pub worker: Option<usize>,
}

/// The choice of the task that may begin next. A dispatcher has no clock: it is told when a task
/// has ended, by a simulation ([`Plan::schedule`]) or by what really happens ([`Plan::run`]).
///
/// ```
/// use amdahl::{Dispatcher, Plan, Start, Task};
///
/// let shop = Task::new("shop", 3.0, &[]);
/// let cook = Task::new("cook", 2.0, &["shop"]);
/// let table = Task::new("lay the table", 1.0, &[]);
/// let plan = Plan::new(vec![shop, cook, table], Default::default())?;
/// let mut dispatcher = Dispatcher::new(&plan, Some(1));
/// // What is most urgent goes first, and the one worker is busy.
/// assert_eq!(dispatcher.start(), Some(Start { task: 0, worker: Some(0) }));
/// assert_eq!(dispatcher.start(), None);
/// dispatcher.end(0);
/// assert_eq!(dispatcher.start(), Some(Start { task: 1, worker: Some(0) }));
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Debug)]
pub struct Dispatcher<'plan> {
    plan: &'plan Plan,
    /// Each task's rank in the list, and the task of each rank.
    rank: Vec<u32>,
    ranked: Vec<u32>,
    waits_for: Vec<u32>,
    /// The tasks that wait for no other, by their needs: if one task of a kind doesn't fit, none
    /// does.
    ready: Vec<BinaryHeap<Reverse<u32>>>,
    /// Milestones that can be reached: they take no time, so they hold no worker and no resource.
    milestones: Vec<u32>,
    free: Vec<u32>,
    idle: Option<Workers>,
    at_work: Vec<Option<usize>>,
}

/// Idle workers: those that have worked before, and the fresh ones from `fresh` to `all`.
#[derive(Debug)]
struct Workers {
    idle: BinaryHeap<Reverse<usize>>,
    fresh: usize,
    all: usize,
}

impl<'plan> Dispatcher<'plan> {
    /// Makes a dispatcher with all workers idle and no task begun; with `None` there are always
    /// enough workers.
    #[must_use]
    pub fn new(plan: &'plan Plan, workers: Option<usize>) -> Self {
        Self::by_urgency(plan, &plan.timetable(), workers)
    }

    fn by_urgency(plan: &'plan Plan, timetable: &Timetable<'_>, workers: Option<usize>) -> Self {
        let tasks = plan.names.len();
        let latest = |task: &u32| timetable.tasks[*task as usize].latest_start;
        let mut ranked: Vec<u32> = (0..tasks as u32).collect();
        ranked.sort_by(|a, b| latest(a).total_cmp(&latest(b)));
        let mut rank = vec![0; tasks];
        for (place, task) in ranked.iter().enumerate() {
            rank[*task as usize] = place as u32;
        }
        let mut new = Self {
            plan,
            rank,
            ranked,
            waits_for: plan.graph.waits_for(),
            ready: plan.needs.iter().map(|_| BinaryHeap::new()).collect(),
            milestones: Vec::new(),
            free: plan.resources.iter().map(|(_, amount)| *amount).collect(),
            idle: workers.map(|all| Workers { idle: BinaryHeap::new(), fresh: 0, all }),
            at_work: vec![None; if workers.is_some() { tasks } else { 0 }],
        };
        for task in 0..tasks as u32 {
            if new.waits_for[task as usize] == 0 {
                new.is_ready(task);
            }
        }
        new
    }

    fn is_ready(&mut self, task: u32) {
        if self.plan.durations[task as usize] == 0.0 {
            self.milestones.push(task);
        } else {
            let needs = self.plan.needs_of[task as usize] as usize;
            self.ready[needs].push(Reverse(self.rank[task as usize]));
        }
    }

    /// Returns the next task that may begin now, each task once; `None` if none may until one that
    /// has begun is [ended](Self::end), or all have begun. Python: `TopologicalSorter.get_ready`,
    /// which gives them all together.
    pub fn start(&mut self) -> Option<Start> {
        if let Some(task) = self.milestones.pop() {
            return Some(Start { task, worker: None });
        }
        if self.idle.as_ref().is_some_and(|workers| !workers.has_one()) {
            return None;
        }
        let (free, needs) = (&self.free, &self.plan.needs);
        let fits = |kind: usize| needs[kind].iter().all(|(which, amount)| free[*which] >= *amount);
        let tops = self.ready.iter().enumerate();
        let tops = tops.filter_map(|(kind, ready)| Some((ready.peek()?.0, kind)));
        let (rank, kind) = tops.filter(|(_, kind)| fits(*kind)).min()?;
        self.ready[kind].pop();
        for &(which, amount) in &self.plan.needs[kind] {
            self.free[which] -= amount;
        }
        let task = self.ranked[rank as usize];
        let worker = self.idle.as_mut().and_then(Workers::take);
        if worker.is_some() {
            self.at_work[task as usize] = worker;
        }
        Some(Start { task, worker })
    }

    /// Marks a task that had begun as ended: its worker and what it held are free, and tasks that
    /// waited only for it may begin. Python: `TopologicalSorter.done`.
    ///
    /// # Panics
    /// If there is no such task. Ending a task that had not begun, or ending it twice, makes
    /// nonsense of what follows, and may panic.
    pub fn end(&mut self, task: u32) {
        if self.plan.durations[task as usize] > 0.0 {
            for &(which, amount) in &self.plan.needs[self.plan.needs_of[task as usize] as usize] {
                self.free[which] += amount;
            }
        }
        let worker = self.at_work.get_mut(task as usize).and_then(Option::take);
        if let (Some(workers), Some(worker)) = (&mut self.idle, worker) {
            workers.idle.push(Reverse(worker));
        }
        for &next in self.plan.graph.successors(task) {
            self.waits_for[next as usize] -= 1;
            if self.waits_for[next as usize] == 0 {
                self.is_ready(next);
            }
        }
    }
}

impl Workers {
    fn has_one(&self) -> bool {
        !self.idle.is_empty() || self.fresh < self.all
    }

    fn take(&mut self) -> Option<usize> {
        let known = self.idle.pop().map(|Reverse(worker)| worker);
        known.or_else(|| {
            self.fresh += 1;
            Some(self.fresh - 1)
        })
    }
}

/// The span of time in which a task is done, and its worker: there is an example at [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Placement {
    /// The time when it begins, in the plan's unit, from 0.
    pub start: f64,
    /// The time when it ends, likewise.
    pub finish: f64,
    /// The worker's number, from 0; `None` where workers aren't limited, or the task takes no time.
    pub worker: Option<usize>,
}

/// A plan laid out for limited workers and resources. Made by [`Plan::schedule`]; times are in the
/// plan's unit.
///
/// ```
/// use amdahl::{Plan, Task};
///
/// let tasks = ["a", "b", "c"].map(|name| Task::new(name, 2.0, &[]));
/// let plan = Plan::new(tasks.into(), Default::default())?;
/// let two = plan.schedule(Some(2));
/// assert_eq!((two.at_least, two.makespan, two.at_most), (3.0, 4.0, 4.0));
/// assert_eq!((two.tasks[2].start, two.tasks[2].finish), (2.0, 4.0));
/// assert_eq!(plan.schedule(None).makespan, 2.0);
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The placement of each task, in the order of their numbers.
    pub tasks: Vec<Placement>,
    /// The duration of the whole: T_P with P workers.
    pub makespan: f64,
    /// A lower bound for every schedule: the span, or work / P for P workers, or what has to go
    /// through a resource.
    pub at_least: f64,
    /// An upper bound for every list schedule; see [`Plan::schedule`].
    pub at_most: f64,
}

/// A task's end in the simulation's future, ordered so that the earliest is the greatest.
#[derive(PartialEq)]
struct End(f64, u32);

impl Eq for End {}

impl Ord for End {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Plan {
    /// Lays the plan out for this number of workers (`None`: enough) and its resources.
    ///
    /// The bounds are Graham's (*Bounds on multiprocessing timing anomalies*, 1969): with P workers
    /// max(T₁/P, T∞) ≤ T_P ≤ T₁/P + (1 − 1/P)·T∞. At any time either all tasks that can begin are
    /// running, which is at most T∞ long, or all workers are busy. For a resource the same argument
    /// holds: a task that could begin waits only while more than `amount − its need` are held. So
    /// each resource adds the sum of amount held × duration of its tasks, divided by
    /// `amount − largest need + 1`. And since a worker is always busy, T_P is never longer than T₁.
    ///
    /// # Panics
    /// If there are 0 workers and something to do.
    #[must_use]
    pub fn schedule(&self, workers: Option<usize>) -> Schedule {
        let timetable = self.timetable();
        let mut tasks = vec![Placement::default(); self.names.len()];
        let mut dispatcher = Dispatcher::by_urgency(self, &timetable, workers);
        let mut at_work = BinaryHeap::new();
        let mut now = 0.0;
        let mut begun = 0;
        loop {
            while let Some(Start { task, worker }) = dispatcher.start() {
                let finish = now + self.durations[task as usize];
                tasks[task as usize] = Placement { start: now, finish, worker };
                at_work.push(End(finish, task));
                begun += 1;
            }
            let Some(End(finish, task)) = at_work.pop() else { break };
            now = finish;
            dispatcher.end(task);
            while at_work.peek().is_some_and(|End(finish, _)| *finish <= now) {
                at_work.pop().into_iter().for_each(|End(_, task)| dispatcher.end(task));
            }
        }
        assert_eq!(begun, tasks.len(), "with a worker, every task begins some time");
        let (at_least, at_most) = self.bounds(&timetable, workers);
        Schedule { tasks, makespan: now, at_least, at_most }
    }

    fn bounds(&self, timetable: &Timetable<'_>, workers: Option<usize>) -> (f64, f64) {
        let (work, span) = (timetable.work, timetable.makespan);
        let share = |all: f64| workers.map_or(0.0, |workers| all / workers as f64);
        let (mut at_least, mut at_most) = (span.max(share(work)), span + share(work - span));
        let mut held = vec![0.0; self.resources.len()];
        let mut largest = vec![0; self.resources.len()];
        for (needs, duration) in self.needs_of.iter().zip(&self.durations) {
            for &(which, amount) in &self.needs[*needs as usize] {
                held[which] += f64::from(amount) * duration;
                largest[which] = amount.max(largest[which]);
            }
        }
        for (which, (_, amount)) in self.resources.iter().enumerate() {
            if held[which] > 0.0 {
                at_least = at_least.max(held[which] / f64::from(*amount));
                at_most += held[which] / f64::from(amount - largest[which] + 1);
            }
        }
        (at_least, at_most.min(work))
    }
}
