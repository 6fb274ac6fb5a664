//! A measurement of how many workers are enough: the same tasks by 1, 2, 4, … workers, on threads
//! and on processes.

use std::hint::black_box;
use std::time::Duration;

use common::measure::interleaved;
use common::pretend::{pace, work};
use common::table::Table;
use common::text;
use common::time::{Spread, Stopwatch};
use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{Failure, cpu_count, tasks};
use prettytable::row;

/// The duration of a task, in seconds of the tutorial.
const TASK: f64 = 0.02;
/// Rounds of measurements; the median counts.
const ROUNDS: usize = 3;
/// The share of the best speedup that is enough: more would be a difference from run to run.
const ENOUGH: f64 = 0.9;

tasks![task];

/// Work of a task: rounds of computing, and tutorial seconds of waiting.
type Load = (u64, f64);

/// Tasks of several kinds, to be done by several numbers of workers.
pub(crate) struct Sweep {
    /// The number of cores.
    pub cores: usize,
    /// The number of tasks of each kind.
    pub count: usize,
    /// The names of the kinds.
    pub kinds: [String; 3],
    /// The part of its time that a task waits, for each kind.
    waiting: [f64; 3],
    loads: Vec<Load>,
    /// The sum of what the tasks of each kind return.
    sums: Vec<u64>,
}

/// The times of the tasks, for each kind.
pub(crate) struct Measured {
    /// The times of the plain program.
    pub alone: Vec<Spread>,
    /// The speedups by threads.
    pub threads: Vec<Speedups>,
    /// The speedups by processes.
    pub processes: Vec<Speedups>,
    /// True if every run had the results of the plain program.
    pub is_right: bool,
}

/// The speedup by so many workers for each kind of tasks.
pub(crate) type Speedups = (usize, Vec<f64>);

impl Sweep {
    /// Makes tasks that all take the same time and wait for these parts of it.
    pub(crate) fn new(kinds: [String; 3], waiting: [f64; 3]) -> Self {
        let cores = cpu_count();
        let count = (12 * cores).clamp(24, 256).max(4 * cores);
        let rounds = rounds_in(Self::task_time()) as f64;
        let load = |part: &f64| ((rounds * (1.0 - part)) as u64, TASK * part);
        let loads: Vec<Load> = waiting.iter().map(load).collect();
        let sums = loads.iter().map(|load| count as u64 * task(*load)).collect();
        Self { cores, count, kinds, waiting, loads, sums }
    }

    /// Returns how long a task takes.
    pub(crate) fn task_time() -> Duration {
        pace().real(TASK)
    }

    /// Measures for each number of workers the plain program, threads and processes, interleaved.
    pub(crate) fn measure(&self) -> Result<Measured, Failure> {
        let kinds = self.loads.len();
        let mut alone = vec![Vec::new(); kinds];
        let (mut threads, mut processes, mut is_right) = (Vec::new(), Vec::new(), true);
        for n in self.numbers() {
            let (by_threads, by_processes) =
                (ThreadPoolExecutor::new(n), ProcessPoolExecutor::new(n)?);
            // The first calls start the workers: that isn't the subject.
            self.sum(&by_threads, (1, TASK))?;
            self.sum(&by_processes, (1, TASK))?;
            let mut times = vec![Vec::new(); 3 * kinds];
            interleaved(ROUNDS, times.len(), |_, subject| {
                let (way, kind) = (subject / kinds, subject % kinds);
                let load = self.loads[kind];
                let watch = Stopwatch::start();
                let sum = match way {
                    0 => (0..self.count).map(|_| task(load)).sum(),
                    1 => self.sum(&by_threads, load)?,
                    _ => self.sum(&by_processes, load)?,
                };
                times[subject].push(watch.elapsed());
                is_right &= sum == self.sums[kind];
                Ok::<(), Failure>(())
            })?;
            let spreads: Vec<Spread> = times.iter().cloned().filter_map(Spread::of).collect();
            let speedup = |way: usize| {
                let seconds = |subject: usize| spreads[subject].median.as_secs_f64();
                (0..kinds).map(|kind| seconds(kind) / seconds(way * kinds + kind)).collect()
            };
            threads.push((n, speedup(1)));
            processes.push((n, speedup(2)));
            alone.iter_mut().zip(times).for_each(|(all, times)| all.extend(times));
        }
        let alone = alone.into_iter().filter_map(Spread::of).collect();
        Ok(Measured { alone, threads, processes, is_right })
    }

    /// Has an executor do the tasks of a kind, and returns the sum of their results.
    fn sum(&self, executor: &impl Executor, load: Load) -> Result<u64, Failure> {
        Ok(executor.map(task, vec![load; self.count])?.sum::<Result<u64, _>>()?)
    }

    /// Returns the numbers of workers to try: 1, 2, 4, … and the recommended ones.
    fn numbers(&self) -> Vec<usize> {
        let doublings = (0..).map(|power| 1 << power).take_while(|n| *n < self.cores);
        let mut numbers: Vec<usize> = doublings.chain(self.advice().map(|(n, _)| n)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Returns the numbers of workers that are recommended for N cores, and how they are written.
    fn advice(&self) -> [(usize, &'static str); 5] {
        let n = self.cores;
        [(n, "N"), (n + 1, "N+1"), (2 * n, "2N"), (2 * n + 1, "2N+1"), (4 * n, "4N")]
    }

    /// Makes a table of these speedups, with the fewest workers that are enough, and what the rule
    /// says: N·(1 + wait/compute).
    pub(crate) fn table(&self, all: &[Speedups]) -> Table {
        let [a, b, c] = &self.kinds;
        let mut table = Table::new(row!["n", r->a, r->b, r->c]);
        for (n, speedups) in all {
            let [a, b, c] = [0, 1, 2].map(|kind| format!("{:.2}", speedups[kind]));
            table.add_row(row![self.label(*n), r->a, r->b, r->c]);
        }
        let [a, b, c] = [0, 1, 2].map(|kind| enough(all, kind).unwrap_or(1));
        table.add_row(row![text!("enough"), r->a, r->b, r->c]);
        let [a, b, c] = self.waiting.map(|part| (self.cores as f64 / (1.0 - part)).round());
        table.add_row(row![text!("rule"), r->a, r->b, r->c]);
        table
    }

    /// Writes a number of workers, and which recommendation it is: `3 = N+1`.
    fn label(&self, n: usize) -> String {
        let name = self.advice().into_iter().find(|(advised, _)| *advised == n);
        name.map_or(n.to_string(), |(_, name)| format!("{n} = {name}"))
    }
}

/// Returns the fewest workers with nearly the best speedup for a kind of tasks.
fn enough(all: &[Speedups], kind: usize) -> Option<usize> {
    let best = all.iter().map(|(_, speedups)| speedups[kind]).fold(0.0, f64::max);
    all.iter().find(|(_, speedups)| speedups[kind] >= ENOUGH * best).map(|(n, _)| *n)
}

/// Runs in a worker: computes, and then waits.
fn task((rounds, waiting): Load) -> u64 {
    let computed = compute(rounds);
    if waiting > 0.0 {
        work(waiting);
    }
    computed % 1000
}

/// Computes something that no compiler can shorten.
fn compute(rounds: u64) -> u64 {
    (0..rounds).fold(1, |sum: u64, _| {
        black_box(sum).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
    })
}

/// Returns how many rounds of [`compute`] take this time here, undisturbed.
fn rounds_in(time: Duration) -> u64 {
    const TRIED: u64 = 20_000;
    let spread = Spread::of_repeats(20, || {
        black_box(compute(TRIED));
    });
    (TRIED as f64 * time.as_secs_f64() / spread.min.as_secs_f64()).ceil() as u64
}
