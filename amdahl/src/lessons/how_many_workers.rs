//! You'll see the same tasks done by one worker up to four for each core, on threads and on
//! processes: how many are enough depends on how much of its time a task waits.
//!
//! ```python
//! for n in range(1, 4 * os.cpu_count() + 1):
//!     with ProcessPoolExecutor(n) as executor:      # and ThreadPoolExecutor(n)
//!         start = time.perf_counter()
//!         list(executor.map(task, tasks))
//!         print(n, serial / (time.perf_counter() - start))
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use amdahl::laws;
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::table::Table;
use common::time::{Pace, Spread, Stopwatch, show};
use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{cpu_count, tasks};
use prettytable::{Row, row};

/// The duration of a task, in seconds of the tutorial.
const TASK: f64 = 0.02;
/// The kinds of tasks, and which part of each is waiting.
const KINDS: [(&str, f64); 3] = [("CPU-bound", 0.0), ("half-and-half", 0.5), ("I/O-bound", 0.75)];
const REPEATS: usize = 2;
/// The share of the best speedup that is enough: more would be a difference from run to run.
const ENOUGH: f64 = 0.9;

pub(crate) const LESSON: Lesson = Lesson {
    name: "how-many-workers",
    section: "5.2",
    question: ("开多少个工作者最合适？", "How many workers are right?"),
    remember: (
        "计算为主，几个核就开几个；等待为主，开 N·(1 + 等待/计算) 个。再量一量。",
        "Computing: one for each core. Waiting: N·(1 + wait/compute). Then measure.",
    ),
    tell,
};

tasks![task];

/// The work of a task: rounds of computing, and tutorial seconds of waiting.
type Load = (u64, f64, Pace);

fn tell(story: &Story) -> Told {
    let cores = cpu_count();
    let count = (12 * cores).clamp(24, 256).max(4 * cores);
    let pace = story.pace();
    let rounds = rounds_in(pace.real(TASK));
    let loads = KINDS.map(|(_, waiting)| -> Load {
        ((rounds as f64 * (1.0 - waiting)) as u64, TASK * waiting, pace)
    });
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    story.varies(format!(
        "N = {cores} cores; {count} tasks of {} each ({build} build)",
        show(pace.real(TASK))
    ));
    story.event("parent", "does the tasks by itself, and has them done by n workers, in turns");
    let sums = loads.map(|load| count as u64 * task(load));
    let mut alone: [Vec<Duration>; 3] = Default::default();
    let mut all = Vec::new();
    let mut right = true;
    for n in numbers(cores) {
        for (load, times) in loads.iter().zip(&mut alone) {
            let watch = Stopwatch::start();
            black_box((0..count).map(|_| task(*load)).sum::<u64>());
            times.push(watch.elapsed());
        }
        let (threads, same) = sweep(&ThreadPoolExecutor::new(n), &loads, count, &sums)?;
        let (processes, too) = sweep(&ProcessPoolExecutor::new(n)?, &loads, count, &sums)?;
        right &= same && too;
        all.push((n, [threads, processes]));
    }
    let alone = alone.map(Spread::of);
    for ((kind, _), times) in KINDS.iter().zip(alone.iter().flatten()) {
        story.varies(format!("by itself, {kind}: {times}"));
    }
    let serial: Vec<f64> = alone.iter().flatten().map(|times| times.median.as_secs_f64()).collect();
    let speedups = |(n, both): (usize, [Vec<Duration>; 2])| {
        let speedup = |(serial, time): (&f64, Duration)| serial / time.as_secs_f64();
        (n, both.map(|times| serial.iter().zip(times).map(speedup).collect::<Vec<f64>>()))
    };
    let all: Vec<(usize, [Vec<f64>; 2])> = all.into_iter().map(speedups).collect();
    story.ok("every run has the same results as the plain program", right)?;
    story.varies("speedup by n workers (t: threads, p: processes)");
    let heads = row![
        r->"n", r->"CPU t", r->"CPU p", r->"half t", r->"half p", r->"I/O t", r->"I/O p", "note"
    ];
    let mut table = Table::new(heads);
    for (n, [t, p]) in &all {
        let cells = [t[0], p[0], t[1], p[1], t[2], p[2]].map(|speedup| format!("{speedup:.2}"));
        let [a, b, c, d, e, f] = cells;
        table.add_row(row![r->n, r->a, r->b, r->c, r->d, r->e, r->f, mark(*n, cores)]);
    }
    story.varying_figure(&table);
    story.varies(format!(
        "How many are enough: the fewest with {:.0} % of the best speedup. Beside it, what the \
         advice gives: N+1, 2N+1, and by the rule N·(1 + wait/compute).",
        100.0 * ENOUGH
    ));
    let heads = row![
        "", r->"enough", r->"speedup", r->"efficiency", r->"Karp–Flatt",
        r->"N+1", r->"2N+1", r->"rule"
    ];
    let mut table = Table::new(heads);
    for (place, (kind, (_, waiting))) in ["CPU", "half", "I/O"].iter().zip(KINDS).enumerate() {
        // wait/compute is what the kinds were made of.
        let rule = (cores as f64 / (1.0 - waiting)).round() as usize;
        for (side, name) in ["t", "p"].iter().enumerate() {
            let of: Vec<(usize, f64)> =
                all.iter().map(|(n, both)| (*n, both[side][place])).collect();
            table.add_row(conclusion(&format!("{kind} {name}"), &of, cores, rule)?);
        }
    }
    story.varying_figure(&table);
    Ok(())
}

/// Returns the numbers of workers to try: 1, 2, 4, … and the recommended ones.
fn numbers(cores: usize) -> Vec<usize> {
    let doublings = (0..).map(|power| 1 << power).take_while(|n| *n < cores);
    let advice = [cores, cores + 1, 2 * cores, 2 * cores + 1, 4 * cores];
    let mut numbers: Vec<usize> = doublings.chain(advice).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn mark(n: usize, cores: usize) -> String {
    let names = [
        (cores, "N"),
        (cores + 1, "N+1"),
        (2 * cores, "rule, half"),
        (2 * cores + 1, "2N+1"),
        (4 * cores, "rule, I/O"),
    ];
    let names = names.iter().filter(|name| name.0 == n);
    let beyond = if n > cores { "> cores" } else { "" };
    names.fold(beyond.to_owned(), |mark, (_, name)| format!("{mark} {name}").trim().to_owned())
}

/// Measures the time for each load; returns also whether all results are right.
fn sweep(
    executor: &impl Executor,
    loads: &[Load],
    count: usize,
    sums: &[u64],
) -> Result<(Vec<Duration>, bool), Box<dyn Error>> {
    let once = |load: Load| -> Result<u64, Box<dyn Error>> {
        let mut sum = 0;
        for result in executor.map(task, vec![load; count])? {
            sum += result?;
        }
        Ok(sum)
    };
    // The first time starts the workers: that isn't the subject.
    once(loads[loads.len() - 1])?;
    let (mut times, mut right) = (Vec::new(), true);
    for (load, expected) in loads.iter().zip(sums) {
        let mut all = Vec::new();
        for _ in 0..=REPEATS {
            let watch = Stopwatch::start();
            right &= once(*load)? == *expected;
            all.push(watch.elapsed());
        }
        times.extend(Spread::of(all).map(|spread| spread.median));
    }
    Ok((times, right))
}

/// Makes the row of one kind: how many workers are enough, and what the recommended numbers give.
fn conclusion(
    kind: &str,
    figures: &[(usize, f64)],
    cores: usize,
    rule: usize,
) -> Result<Row, laws::DomainError> {
    let best = figures.iter().map(|(_, speedup)| *speedup).fold(0.0, f64::max);
    let enough = figures.iter().find(|(_, speedup)| *speedup >= ENOUGH * best);
    let (enough, speedup) = *enough.unwrap_or(&(1, 1.0));
    let efficiency = format!("{:.0} %", 100.0 * laws::efficiency(speedup, enough as f64)?);
    // One worker shows no serial fraction.
    let serial = laws::karp_flatt(speedup, enough as f64);
    let serial = serial.map_or(String::new(), |serial| format!("{serial:.2}"));
    let with = |n: usize| {
        let found = figures.iter().find(|(tried, _)| *tried == n);
        format!("{:.2}", found.map_or(1.0, |found| found.1))
    };
    let [one_more, twice, rule] = [cores + 1, 2 * cores + 1, rule].map(with);
    let speedup = format!("{speedup:.2}");
    Ok(row![kind, r->enough, r->speedup, r->efficiency, r->serial, r->one_more, r->twice, r->rule])
}

/// Runs in the worker: computes, and then waits.
fn task((rounds, wait, pace): Load) -> u64 {
    let computed = compute(rounds);
    if wait > 0.0 {
        pace.work(wait);
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
