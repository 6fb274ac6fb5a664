//! A plan's order and all its times, beside petgraph's order and longest path in the same graph.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;

use amdahl::{Plan, Task};
use common::measure::{Benchmark, Budget, Peer, Unit};
use multiprocess::Failure;
use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::{OURS, seconds_each};

/// The number of earlier tasks that each task waits for.
const EDGES: u64 = 3;

pub(super) fn rows() -> Vec<Benchmark> {
    [10_000, 100_000, 1_000_000].map(row).into()
}

fn row(tasks: u64) -> Benchmark {
    let graphs: Rc<OnceCell<Result<Graphs, Failure>>> = Rc::default();
    let peer = |name: &str, longest: fn(&Graphs) -> Result<f64, Failure>| {
        let graphs = Rc::clone(&graphs);
        Peer::new(name, move |budget| {
            let graphs = graphs.get_or_init(|| Graphs::new(tasks)).as_ref();
            measure(graphs.map_err(Clone::clone)?, budget, longest)
        })
    };
    Benchmark::new(
        format!("plan-order-{tasks}"),
        format!(
            "order and times of a plan of {tasks} tasks; petgraph: order and longest path only"
        ),
        Unit::Time,
        vec![peer(OURS, ours), peer("petgraph", theirs)],
    )
}

/// Two forms of the same graph: a plan, and petgraph's.
struct Graphs {
    plan: Plan,
    theirs: DiGraph<f64, ()>,
    longest: f64,
}

impl Graphs {
    fn new(tasks: u64) -> Result<Self, Failure> {
        let written = written(tasks);
        let theirs = graph(&written);
        let plan = Plan::new(written, Default::default()).map_err(Failure::new)?;
        let longest = plan.timetable().makespan;
        Ok(Self { plan, theirs, longest })
    }
}

/// Returns the seconds for one run; both must find a longest path of the same length.
fn measure(
    graphs: &Graphs,
    budget: &Budget,
    longest: fn(&Graphs) -> Result<f64, Failure>,
) -> Result<f64, Failure> {
    seconds_each(budget.seconds, 1, || {
        let found = longest(graphs)?;
        // The same sums in another order are rounded in another way.
        if (found - graphs.longest).abs() > 1e-9 * graphs.longest {
            return Err(Failure::new(format!("{found} isn't {}", graphs.longest)));
        }
        Ok(())
    })
}

fn ours(graphs: &Graphs) -> Result<f64, Failure> {
    let order = graphs.plan.graph().order();
    black_box(order).map_err(|_| Failure::new("a circle"))?;
    Ok(black_box(graphs.plan.timetable()).makespan)
}

fn theirs(graphs: &Graphs) -> Result<f64, Failure> {
    let graph = &graphs.theirs;
    let order = toposort(graph, None).map_err(|_| Failure::new("a circle"))?;
    let mut finish = vec![0.0_f64; graph.node_count()];
    for task in order {
        let before = graph.neighbors_directed(task, Direction::Incoming);
        let start = before.fold(0.0, |start: f64, before| start.max(finish[before.index()]));
        finish[task.index()] = start + graph[task];
    }
    Ok(black_box(finish).into_iter().fold(0.0, f64::max))
}

/// Makes up tasks, the same each time, written down in no order.
fn written(tasks: u64) -> Vec<Task> {
    let name = |number: u64| format!("task {number}");
    let mut random = SmallRng::seed_from_u64(42);
    let mut all: Vec<Task> = (0..tasks)
        .map(|number| {
            let edges = if number == 0 { 0 } else { EDGES };
            let after: Vec<String> =
                (0..edges).map(|_| name(random.random_range(0..number))).collect();
            let duration = f64::from(random.random_range(0..1000)) / 10.0;
            Task { name: name(number), duration, after, ..Task::default() }
        })
        .collect();
    all.shuffle(&mut random);
    all
}

fn graph(tasks: &[Task]) -> DiGraph<f64, ()> {
    let mut graph = DiGraph::new();
    let nodes: Vec<_> = tasks.iter().map(|task| graph.add_node(task.duration)).collect();
    let names = tasks.iter().map(|task| task.name.as_str());
    let numbers: HashMap<&str, _> = names.zip(nodes.iter().copied()).collect();
    for (task, node) in tasks.iter().zip(nodes) {
        for before in &task.after {
            graph.update_edge(numbers[before.as_str()], node, ());
        }
    }
    graph
}
