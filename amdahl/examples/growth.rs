//! How time and memory grow with a plan, and how they compare with petgraph on the same graph.
//!
//! `cargo run --release -p amdahl --example growth [TASKS…]`

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

use amdahl::{Plan, Task};
use common::testing::Random;
use common::time::{Spread, Stopwatch, show};
use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

/// Each task waits for so many of those before it.
const EDGES: u64 = 3;
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<_>, _>>()?;
    let sizes = if given.is_empty() { vec![1_000, 10_000, 100_000, 1_000_000] } else { given };
    println!("median (from – to) of {ROUNDS} rounds; {EDGES} predecessors each");
    sizes.into_iter().try_for_each(measure)
}

fn measure(tasks: u64) -> Result<(), Box<dyn Error>> {
    let before = memory()?;
    let plan = Plan::new(written(tasks), Default::default())?;
    let timetable = plan.timetable();
    let held = memory()?.saturating_sub(before);
    println!("\n{tasks} tasks: plan and times hold about {held} KiB");
    drop(timetable);

    let graph = theirs(&written(tasks));
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let (given, same) = (written(tasks), written(tasks));
        let (built, ours) = timed(|| Plan::new(given, Default::default()));
        let (ordered, order) = timed(|| plan.graph().order());
        let (found, passes) = timed(|| plan.timetable());
        let (other, building) = timed(|| theirs(&same));
        let (span, theirs) = timed(|| longest(&graph));
        assert!((span - found.makespan).abs() <= 1e-9 * span, "both have found the same");
        black_box((built?, ordered.is_ok(), other));
        ratios[0].push((order + passes).as_secs_f64() / theirs.as_secs_f64());
        ratios[1].push((ours + passes).as_secs_f64() / (building + theirs).as_secs_f64());
        for (times, time) in times.iter_mut().zip([ours, order, passes, building, theirs]) {
            times.push(time);
        }
    }
    let names = [
        "names to plan",
        "order",
        "all times",
        "petgraph: names to graph",
        "petgraph: toposort, longest path",
    ];
    for (name, times) in names.iter().zip(times) {
        let spread = Spread::of(times).ok_or("no round")?;
        println!(
            "  {name:<33} {:>9} ({} – {})",
            show(spread.median),
            show(spread.min),
            show(spread.max)
        );
    }
    for (name, mut ratios) in ["order and all times", "all from names on"].iter().zip(ratios) {
        ratios.sort_unstable_by(f64::total_cmp);
        let [first, middle, last] = [0, ROUNDS / 2, ROUNDS - 1].map(|place| ratios[place]);
        println!("  {name:<33} {middle:.2} times petgraph ({first:.2} – {last:.2})");
    }
    let (schedule, time) = timed(|| plan.schedule(Some(8)));
    println!(
        "  a schedule for 8 workers          {:>9}, makespan {:.0}",
        show(time),
        schedule.makespan
    );
    Ok(())
}

/// The same tasks each time, written down in no order.
fn written(tasks: u64) -> Vec<Task> {
    let mut random = Random(42);
    let mut all: Vec<Task> = (0..tasks)
        .map(|number| {
            let edges = if number == 0 { 0 } else { EDGES };
            let after: Vec<String> = (0..edges).map(|_| name(random.below(number))).collect();
            let duration = random.below(1000) as f64 / 10.0;
            Task { name: name(number), duration, after, ..Task::default() }
        })
        .collect();
    for place in (1..all.len()).rev() {
        all.swap(place, random.below(place as u64 + 1) as usize);
    }
    all
}

fn name(number: u64) -> String {
    format!("task {number}")
}

fn theirs(tasks: &[Task]) -> DiGraph<f64, ()> {
    let mut graph = DiGraph::new();
    let node = |task: &Task| graph.add_node(task.duration);
    let nodes: Vec<_> = tasks.iter().map(node).collect();
    let names = tasks.iter().map(|task| task.name.as_str());
    let numbers: HashMap<&str, _> = names.zip(nodes.iter().copied()).collect();
    for (task, node) in tasks.iter().zip(nodes) {
        for before in &task.after {
            graph.update_edge(numbers[before.as_str()], node, ());
        }
    }
    graph
}

/// Only how long the longest path is.
fn longest(graph: &DiGraph<f64, ()>) -> f64 {
    let order = toposort(graph, None).unwrap_or_default();
    let mut finish = vec![0.0_f64; graph.node_count()];
    for task in order {
        let before = graph.neighbors_directed(task, Direction::Incoming);
        let start = before.fold(0.0, |start: f64, before| start.max(finish[before.index()]));
        finish[task.index()] = start + graph[task];
    }
    finish.into_iter().fold(0.0, f64::max)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let watch = Stopwatch::start();
    let done = black_box(work());
    (done, watch.elapsed())
}

/// What this process has in memory now, in KiB.
fn memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.ok_or("the system doesn't say how much memory is in use")?.parse()?)
}
