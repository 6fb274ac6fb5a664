//! A pool at the limits: of descriptors, of sizes, of numbers.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;

use common::stock::Stock;
use multiprocess::pool::Error;
#[cfg(unix)]
use multiprocess::pool::TaskError;
use multiprocess::{Pool, tasks};
use testing::{Deadline, Stage, alone, count, hold, limit_descriptors, text};
#[cfg(unix)]
use testing::{Other, children, descriptors, pid_of_worker, stock, until};

multiprocess::test_entry!();
tasks![square, length, grow];

fn square(number: u64) -> u64 {
    number * number
}

fn length(text: String) -> usize {
    text.len()
}

fn grow(length: usize) -> String {
    text(length, length)
}

tasks![queue_many];
#[cfg(unix)]
tasks![start_with_few_descriptors, replace_without_descriptors];

/// Runs in the child.
fn queue_many((): ()) {
    limit_descriptors(256);
    let stage = Stage::new(10_002);
    let pool = stage.pool(2);
    let held = pool.map_async(hold, 0..2).unwrap();
    // Its threads are still beginning.
    let before = Stock::with_threads_like(&[]).unwrap();
    #[cfg(unix)]
    let open = descriptors();
    let results: Vec<_> = (2..10_002).map(|task| pool.apply_async(count, task).unwrap()).collect();
    #[cfg(unix)]
    assert_eq!(descriptors(), open);
    before.comes_back().unwrap();
    stage.next_waiting();
    stage.open(2);
    for (task, result) in (2..).zip(results) {
        assert_eq!(result.get(), Ok(task));
    }
    assert_eq!(held.get().unwrap(), [0, 1]);
    assert_eq!(stage.all_begun(), vec![1; 10_002]);
}

/// How often this process has gone to sleep.
#[cfg(target_os = "linux")]
fn sleeps(pid: u32) -> u64 {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += count.unwrap().trim().parse::<u64>().unwrap();
    }
    sum
}

#[cfg(target_os = "linux")]
#[test]
fn the_workers_of_an_idle_pool_are_not_woken() {
    let _deadline = Deadline::seconds(120);
    let pool = Pool::new(8).unwrap();
    assert_eq!(pool.map(square, 1..=3).unwrap(), [1, 4, 9]);
    let all = || pool.worker_pids().into_iter().map(sleeps).sum::<u64>();
    until("a second without a wake-up", || {
        let before = all();
        std::thread::sleep(std::time::Duration::from_secs(1));
        all() == before
    });
    assert_eq!(pool.map(square, 1..=3).unwrap(), [1, 4, 9]);
}

#[test]
fn ten_thousand_tasks_wait_with_few_descriptors() {
    alone(queue_many);
}

/// Only Linux tells how much memory a queue has.
#[test]
#[cfg(target_os = "linux")]
fn tasks_that_wait_are_not_all_in_the_memory_of_the_queue() {
    alone(queue_much);
}

#[cfg(target_os = "linux")]
tasks![queue_much];

/// Runs in the child: 200 MiB wait, the queue has room for 32.
#[cfg(target_os = "linux")]
fn queue_much((): ()) {
    let stage = Stage::new(1);
    let pool = stage.pool(1);
    let held = pool.apply_async(hold, 0).unwrap();
    stage.next_waiting();
    let results = pool.imap(length, (0..200).map(|seed| text(seed, 1 << 20))).unwrap();
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let queues = paths.filter(|path| {
        let target = std::fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().contains("memfd:queue")
    });
    let sizes = queues.map(|path| std::fs::metadata(path).unwrap().blocks() * 512);
    let largest = sizes.max().unwrap() >> 20;
    assert!((1..40).contains(&largest), "{largest} MiB");
    stage.open(1);
    assert_eq!(held.get(), Ok(0));
    assert!(results.map(Result::unwrap).eq([1 << 20; 200]));
}

#[test]
fn more_workers_than_there_is_memory_for_are_an_error() {
    let _deadline = Deadline::seconds(60);
    assert!(matches!(Pool::new(usize::MAX), Err(Error::System(_))));
}

#[test]
fn a_chunk_may_be_larger_than_any_input() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    // What is ahead of the results is counted in items: the product must not wrap to none.
    for chunk in [1 << 58, usize::MAX] {
        let mut numbers = 0..10;
        let unknown = std::iter::from_fn(|| numbers.next());
        let squares = pool.imap_chunked(square, unknown, chunk).unwrap();
        assert!(squares.map(Result::unwrap).eq((0..10).map(|number| number * number)));
        assert_eq!(pool.map_chunked(square, 0..3, chunk).unwrap(), [0, 1, 4]);
    }
}

#[test]
fn a_million_single_tasks_have_right_results() {
    let _deadline = Deadline::seconds(120);
    let count = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    let pool = Pool::new(3).unwrap();
    let results = pool.map_chunked(square, 0..count, 1).unwrap();
    assert_eq!(results.len() as u64, count);
    assert!((0..).zip(results).all(|(number, result)| result == number * number));
}

#[test]
fn results_and_arguments_of_all_sizes_pass() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    let around = |size: usize| size - 9..size + 9;
    let sizes: Vec<usize> =
        (0..300).chain(around(512)).chain(around(4096)).chain(around(1 << 16)).collect();
    let grown = pool.map_chunked(grow, sizes.clone(), 1).unwrap();
    assert!(sizes.iter().zip(&grown).all(|(size, grown)| text(*size, *size) == *grown));
    assert_eq!(pool.map_chunked(length, grown.clone(), 1).unwrap(), sizes);
    assert_eq!(pool.map(length, grown).unwrap(), sizes);
    // Together far more than may be on its way at once.
    let large = [1 << 20, 8 << 20, 300, 33 << 20, 20 << 20, 5 << 20, 0, 40 << 20];
    let grown = pool.map_chunked(grow, large, 1).unwrap();
    assert_eq!(pool.map_chunked(length, grown.clone(), 1).unwrap(), large);
    assert_eq!(pool.imap(length, grown).unwrap().map(Result::unwrap).collect::<Vec<_>>(), large);
}

#[test]
fn a_short_task_never_waits_behind_a_long_one_while_a_worker_is_idle() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2000);
    let pool = stage.pool(2);
    let long = pool.apply_async(hold, 0).unwrap();
    let short: Vec<_> = (1..1000).map(|task| pool.apply_async(count, task).unwrap()).collect();
    for (task, result) in (1..).zip(short) {
        assert_eq!(result.get(), Ok(task));
    }
    assert_eq!(pool.map_chunked(count, 1000..2000, 1).unwrap().len(), 1000);
    assert_eq!(pool.map(count, 1..1000).unwrap().len(), 999);
    assert_eq!(pool.imap(count, 1..1000).unwrap().count(), 999);
    assert!(!long.ready());
    // In one job with it, it comes last.
    stage.open(1);
    assert_eq!(long.get(), Ok(0));
    let mut second = pool.imap_unordered(mixed, 0..500).unwrap().map(Result::unwrap);
    for _ in 1..500 {
        assert_ne!(second.next(), Some(0));
    }
    stage.open(1);
    assert_eq!(second.next(), Some(0));
}

tasks![mixed];

/// A task: the first is long, the others are not.
fn mixed(task: u64) -> u64 {
    if task == 0 { hold(task) } else { count(task) }
}

/// Runs in the child: with one descriptor more each time, until it works.
#[cfg(unix)]
fn start_with_few_descriptors((): ()) {
    Pool::new(2).unwrap().apply(pid_of_worker, 0).unwrap();
    let before = stock();
    let open = descriptors().len() as u64;
    let mut failed = 0;
    let pool = loop {
        limit_descriptors(open + failed);
        let made = Pool::new(5);
        limit_descriptors(1000);
        match made {
            Ok(pool) => break pool,
            Err(error) => {
                assert!(matches!(error, Error::Start(_) | Error::System(_)), "{error}");
                let text = error.to_string();
                assert!(!text.contains("pools::"), "{text}");
                assert!(text.matches("can't be started").count() < 2, "{text}");
                assert_eq!(children(), [0; 0], "after {failed} failures: {error}");
                failed += 1;
            }
        }
        before.comes_back().unwrap();
    };
    // Two for each worker at least: so some had been started each time.
    assert!((10..100).contains(&failed), "{failed}");
    drop(pool);
    before.comes_back().unwrap();
}

/// POOL-30
#[test]
#[cfg(unix)]
fn a_pool_whose_last_workers_can_not_be_started_is_an_error_and_ends_the_others() {
    alone(start_with_few_descriptors);
}

/// Number of descriptors that are open anyway: none can be opened, but one can still be waited for.
/// (With a limit of 0 `poll` is an error, and a thread that has not begun to wait for its worker's
/// end takes it for ended.)
#[cfg(unix)]
const STANDARD: u64 = 3;

/// Runs in the child.
#[cfg(unix)]
fn replace_without_descriptors((): ()) {
    let stage = Stage::new(100);
    let pool = stage.pool(2);
    let held = pool.map_async(hold, 0..2).unwrap();
    let waiting = pool.map_async(count, 2..100).unwrap();
    let [(task, pid), _] = [(); 2].map(|()| stage.next_waiting());
    let worker = Other::of(pid).unwrap();
    limit_descriptors(STANDARD);
    worker.kill();
    until("one worker is left", || pool.worker_pids().len() == 1);
    stage.open(1);
    let error = held.get().unwrap_err();
    assert!(matches!(error.results[task as usize], Err(TaskError::WorkerDied { .. })), "{error}");
    assert!(waiting.get().unwrap().into_iter().eq(2..100), "the other goes on");
    limit_descriptors(1000);
    until("a worker has taken the place", || pool.worker_pids().len() == 2);
    assert_eq!(pool.apply(count, 0).unwrap(), 0);

    let held = pool.map_async(hold, 0..2).unwrap();
    let waiting = pool.map_async(count, 2..100).unwrap();
    let workers = [(); 2].map(|()| Other::of(stage.next_waiting().1).unwrap());
    limit_descriptors(STANDARD);
    workers.iter().for_each(|worker| assert!(worker.kill()));
    held.get().unwrap_err();
    let error = waiting.get().unwrap_err();
    assert!(matches!(error.error, Error::Task(TaskError::Broken(_))), "{error}");
    assert!(matches!(pool.apply(count, 0), Err(Error::Broken(_))));
    pool.join().unwrap();
    limit_descriptors(1000);
    assert_eq!(children(), [0; 0]);
}

#[test]
#[cfg(unix)]
fn a_worker_that_cannot_be_replaced_now_is_replaced_later_and_without_any_the_pool_gives_up() {
    alone(replace_without_descriptors);
}
