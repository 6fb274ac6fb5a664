//! A plan: tasks, how long each takes, and which must end before it begins (统筹方法).

mod critical;
mod error;
mod graph;
mod schedule;
mod timetable;

use std::collections::{BTreeMap, HashMap};

pub use critical::CriticalPaths;
pub use error::PlanError;
pub use graph::Graph;
pub use schedule::{Dispatcher, Placement, Schedule, Start};
pub use timetable::{Times, Timetable};

/// A task as it is written down: a row of the tutorial's table of tasks.
///
/// ```
/// use amdahl::Task;
///
/// let brew = Task {
///     name: "brew".into(),
///     duration: 1.0,
///     after: vec!["boil the water".into()],
///     needs: [("pot".into(), 1)].into(),
/// };
/// assert_eq!(brew, Task::new("brew", 1.0, &["boil the water"]).needing("pot", 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// The name by which other tasks wait for it; no two tasks have the same.
    pub name: String,
    /// The duration in the plan's unit; 0 for a milestone.
    pub duration: f64,
    /// The names of the tasks that must end before it begins.
    pub after: Vec<String>,
    /// The resources that it holds while it lasts, and how many of each.
    pub needs: BTreeMap<String, u32>,
}

impl Task {
    /// Makes a task of this duration, in the plan's unit, that waits for these tasks. Nothing is
    /// checked before [`Plan::new`].
    #[must_use]
    pub fn new(name: &str, duration: f64, after: &[&str]) -> Self {
        let after = after.iter().map(|name| (*name).to_owned()).collect();
        Self { name: name.to_owned(), duration, after, needs: BTreeMap::new() }
    }

    /// Makes the task hold this amount of a resource while it lasts. A timetable ignores resources,
    /// a schedule doesn't.
    ///
    /// ```
    /// use amdahl::{Plan, Task};
    ///
    /// let boil = |name| Task::new(name, 15.0, &[]).needing("stove", 1);
    /// let resources = [("stove".to_owned(), 1)].into();
    /// let plan = Plan::new(vec![boil("water"), boil("soup")], resources)?;
    /// assert_eq!(plan.timetable().makespan, 15.0);
    /// // There is one stove: one after the other.
    /// assert_eq!(plan.schedule(None).makespan, 30.0);
    /// # Ok::<(), amdahl::PlanError>(())
    /// ```
    #[must_use]
    pub fn needing(mut self, resource: &str, amount: u32) -> Self {
        self.needs.insert(resource.to_owned(), amount);
        self
    }
}

/// Returns the expected duration of a task from its optimistic, most likely and pessimistic
/// durations: (o + 4m + p) / 6 (Malcolm and others, *Application of a technique for research and
/// development program evaluation*, 1959: PERT).
///
/// ```
/// assert_eq!(amdahl::three_point(2.0, 3.0, 10.0), 4.0);
/// ```
#[must_use]
pub fn three_point(optimistic: f64, likely: f64, pessimistic: f64) -> f64 {
    (optimistic + 4.0 * likely + pessimistic) / 6.0
}

/// Tasks that can be done: each name is there once, and no task waits for itself, directly or by
/// way of others.
///
/// Tasks are numbered from 0 in the order in which they were given. Durations have whatever unit
/// the tasks have: all times here are in it. The file that the tool `plan` reads has the same
/// parts: `cargo run -p amdahl -- plan --help`.
///
/// ```
/// use amdahl::{Plan, Task};
///
/// let boil = Task::new("boil", 3.0, &[]);
/// let wash = Task::new("wash", 1.0, &[]);
/// let brew = Task::new("brew", 1.0, &["boil", "wash"]);
/// let plan = Plan::new(vec![boil, wash, brew], Default::default())?;
/// assert_eq!((plan.work(), plan.timetable().makespan), (5.0, 4.0));
/// assert_eq!(plan.names(), ["boil", "wash", "brew"]);
/// assert_eq!(plan.graph().predecessors(2), [0, 1]);
/// # Ok::<(), amdahl::PlanError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    names: Vec<String>,
    durations: Vec<f64>,
    graph: Graph,
    /// The tasks in topological order: each comes after all that it waits for.
    order: Vec<u32>,
    /// The graph with the tasks numbered by their positions in the order.
    ordered: Graph,
    resources: Vec<(String, u32)>,
    /// The distinct needs, each a list of (resource, amount); `needs_of` has each task's index
    /// here.
    needs: Vec<Vec<(usize, u32)>>,
    needs_of: Vec<u32>,
}

impl Plan {
    /// Makes the plan of these tasks, in any order, which share these resources: a name, and how
    /// many there are of it.
    ///
    /// # Errors
    /// The first reason why these tasks are no plan: [`PlanError`] has a variant for each.
    pub fn new(tasks: Vec<Task>, resources: BTreeMap<String, u32>) -> Result<Self, PlanError> {
        if tasks.is_empty() {
            return Err(PlanError::Empty);
        }
        let edges = edges(&tasks)?;
        for (task, Task { name, duration, .. }) in tasks.iter().enumerate() {
            if !(duration.is_finite() && *duration >= 0.0) {
                let (name, duration) = (name.clone(), *duration);
                return Err(PlanError::Duration { task, name, duration });
            }
        }
        if tasks.iter().map(|task| task.duration).sum::<f64>().is_infinite() {
            return Err(PlanError::TooLong);
        }
        let resources: Vec<(String, u32)> = resources.into_iter().collect();
        let (needs, needs_of) = needs(&tasks, &resources)?;
        let graph = Graph::new(tasks.len(), edges);
        let order = graph.order().map_err(|cycle| PlanError::Cycle {
            task: cycle[0] as usize,
            names: cycle.iter().map(|task| tasks[*task as usize].name.clone()).collect(),
        })?;
        let ordered = graph.renumbered(&order);
        let (names, durations) = tasks.into_iter().map(|task| (task.name, task.duration)).unzip();
        Ok(Self { names, durations, graph, order, ordered, resources, needs, needs_of })
    }

    /// Returns the names of the tasks, in the order of their numbers.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns how long each task takes, in the plan's unit, in the order of their numbers.
    #[must_use]
    pub fn durations(&self) -> &[f64] {
        &self.durations
    }

    /// Returns the graph: which task waits for which.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the resources by name, and how many there are of each.
    #[must_use]
    pub fn resources(&self) -> &[(String, u32)] {
        &self.resources
    }

    /// Returns the time that one worker takes for everything: T₁, the sum of the durations.
    #[must_use]
    pub fn work(&self) -> f64 {
        self.durations.iter().sum()
    }

    /// Computes when each task can begin and end, and when it must; resources don't count here.
    /// Takes time in proportion to the tasks and what they wait for.
    #[must_use]
    pub fn timetable(&self) -> Timetable<'_> {
        Timetable::of(self)
    }
}

/// Returns the edges: (task that must end, task that waits for it).
fn edges(tasks: &[Task]) -> Result<Vec<(u32, u32)>, PlanError> {
    let mut numbers: HashMap<&str, u32> = HashMap::with_capacity(tasks.len());
    for (number, Task { name, .. }) in tasks.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(PlanError::Nameless { task: number });
        }
        if let Some(first) = numbers.insert(name, number as u32) {
            let (first, name) = (first as usize, name.clone());
            return Err(PlanError::Duplicate { task: number, first, name });
        }
    }
    let mut edges = Vec::with_capacity(tasks.iter().map(|task| task.after.len()).sum());
    for (number, Task { name, after, .. }) in tasks.iter().enumerate() {
        for before in after {
            let Some(number_before) = numbers.get(before.as_str()) else {
                let (name, after) = (name.clone(), before.clone());
                let meant = error::alike(&after, tasks.iter().map(|task| task.name.as_str()));
                return Err(PlanError::Unknown { task: number, name, after, meant });
            };
            edges.push((*number_before, number as u32));
        }
    }
    Ok(edges)
}

type Needs = (Vec<Vec<(usize, u32)>>, Vec<u32>);

/// Returns the distinct needs, and each task's index among them.
fn needs(tasks: &[Task], resources: &[(String, u32)]) -> Result<Needs, PlanError> {
    let mut different = vec![Vec::new()];
    let mut known = HashMap::from([(Vec::new(), 0)]);
    let mut of_task = Vec::with_capacity(tasks.len());
    for (task, Task { name, needs, .. }) in tasks.iter().enumerate() {
        let mut list = Vec::new();
        for (resource, &amount) in needs {
            let place = resources.iter().position(|(name, _)| name == resource);
            let there = place.map_or(0, |place| resources[place].1);
            match place {
                Some(place) if amount <= there => list.push((place, amount)),
                _ => {
                    let (name, resource) = (name.clone(), resource.clone());
                    let names = resources.iter().map(|(name, _)| name.as_str());
                    let meant = error::alike(&resource, names).filter(|_| place.is_none());
                    return Err(PlanError::Resource { task, name, resource, amount, there, meant });
                }
            }
        }
        let number = *known.entry(list).or_insert_with_key(|list| {
            different.push(list.clone());
            different.len() as u32 - 1
        });
        of_task.push(number);
    }
    Ok((different, of_task))
}
