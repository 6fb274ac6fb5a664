//! Kill torture: workers are killed and stopped at random instants. Each task has its right result,
//! or is the one that a killed worker ran; none runs twice; the pool stays whole; nothing is left.
//!
//! The long version, 60 s for each test:
//! `TORTURE_SECONDS=60 cargo test -p multiprocess --test pool-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::pool::{MapError, TaskError};
use multiprocess::queue::Words;
use multiprocess::{Pool, Queue, tasks};
use serde_bytes::ByteBuf;
use testing::{Deadline, Other, Random, Report, reports, start, stock};

multiprocess::test_entry!();
tasks![share, toil, meet_others, share_and_live, make_pools_for_ever];

/// Number of workers in each pool.
const WORKERS: usize = 3;

/// Tasks of a batch.
const BATCH: usize = 1000;

/// The words at the beginning: how many workers have begun, and the pids of the latest.
const PIDS: usize = 16;

/// Tests look for what is left in the whole process, so only one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

static SHARED: OnceLock<(Words, Queue<()>, Queue<()>)> = OnceLock::new();

/// Runs in each worker, as its initializer.
fn share(shared: (Words, Queue<()>, Queue<()>)) {
    let number = shared.0[0].fetch_add(1, Ordering::SeqCst) as usize;
    shared.0[1 + number % (PIDS - 1)].store(std::process::id().into(), Ordering::SeqCst);
    SHARED.set(shared).unwrap();
}

/// The bytes of this task, there and back: most are few, some are many.
fn payload(task: u64, large: bool, way: u64) -> ByteBuf {
    let mut random = Random(task << 1 | way << 40 | 1);
    let length = match random.below(200) {
        _ if !large => task % 20,
        0 => 1 << 20,
        1..=6 => 100_000,
        7..=40 => 300,
        _ => task % 20,
    };
    let length = length as usize + task as usize % 7;
    let page: Vec<u8> = (0..61_u64).flat_map(|index| (random.0 ^ index).to_le_bytes()).collect();
    let mut bytes = page.repeat(length / page.len() + 1);
    bytes.truncate(length);
    ByteBuf::from(bytes)
}

/// A task: counts that it runs, looks at its bytes, returns others.
fn toil((task, large, bytes): (u64, bool, ByteBuf)) -> (u64, ByteBuf) {
    SHARED.get().unwrap().0[PIDS + task as usize].fetch_add(1, Ordering::SeqCst);
    assert!(bytes == payload(task, large, 0), "corrupt");
    (task, payload(task, large, 1))
}

/// A task: returns when so many others are in it that each worker has one.
fn meet_others(_: u64) -> u32 {
    let (_, there, back) = SHARED.get().unwrap();
    there.put(()).unwrap();
    back.get().unwrap();
    std::process::id()
}

macro_rules! torture {
    ($($short:ident, $long:ident: $large:expr, $most_tasks:expr, $kills:expr;)+) => { $(
        #[test]
        fn $short() {
            torture($large, $most_tasks, $kills, Duration::from_millis(1800));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            torture($large, $most_tasks, $kills, Duration::from_secs(long()));
        }
    )+ };
}

torture! {
    tiny_tasks, long_tiny_tasks: false, None, true;
    tasks_of_all_sizes, long_tasks_of_all_sizes: true, None, true;
    workers_that_end_by_themselves_too, long_workers_that_end_by_themselves_too:
        true, Some(50), true;
    workers_that_are_only_stopped, long_workers_that_are_only_stopped: true, None, false;
}

fn long() -> u64 {
    std::env::var("TORTURE_SECONDS").map_or(60, |seconds| seconds.parse().unwrap())
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    std::env::var("TORTURE_SEED").map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap()) | 1
}

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    pools: u64,
    tasks: u64,
    killed: AtomicU64,
    stopped: AtomicU64,
    lost: u64,
    /// Number of lost tasks that had not begun when their worker was killed.
    not_begun: u64,
}

/// Rounds for so long: a pool, batches in all ways, while workers are killed.
fn torture(large: bool, most_tasks: Option<u64>, kills: bool, time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = seed();
    let mut random = Random(seed);
    let name = thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: TORTURE_SEED={seed}");
    let mut counts = Counts::default();
    let begun = Instant::now();
    let before = stock();
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60);
        let end = Instant::now() + (time / 3).min(Duration::from_secs(3));
        round(large, most_tasks, kills, end, &mut random, &mut counts);
        before.comes_back().unwrap();
    }
    println!("{name}: {:.1} s: {counts:?}", begun.elapsed().as_secs_f32());
    let killed = counts.killed.into_inner();
    assert!(counts.lost <= killed, "more lost than killed");
    assert!(!kills || killed > 0, "none was killed");
}

fn round(
    large: bool,
    most_tasks: Option<u64>,
    kills: bool,
    end: Instant,
    random: &mut Random,
    counts: &mut Counts,
) {
    let shared = (
        Words::new(PIDS + BATCH).unwrap(),
        Queue::bounded(100).unwrap(),
        Queue::bounded(100).unwrap(),
    );
    let (words, there, back) = shared.clone();
    let mut pool = Pool::builder().processes(WORKERS).initializer(share, shared);
    if let Some(most) = most_tasks {
        pool = pool.max_tasks_per_child(most);
    }
    let pool = pool.build().unwrap();
    counts.pools += 1;
    let stop = AtomicBool::new(false);
    let (mut tasks, mut lost, mut not_begun) = (0, 0, 0);
    let [killed, stopped] = [&counts.killed, &counts.stopped];
    thread::scope(|scope| {
        let (pool, words, stop) = (&pool, &words, &stop);
        let mut killers = Random(random.next() | 1);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // Any instant will do: this sleep isn't a wait for something.
                thread::sleep(Duration::from_micros(killers.below(8000)));
                disturb(pool, words, kills, &mut killers, killed, stopped);
            }
        });
        let work = std::panic::AssertUnwindSafe(|| {
            while Instant::now() < end {
                words[PIDS..].iter().for_each(|word| word.store(0, Ordering::SeqCst));
                let way = random.below(7);
                for (task, result) in (0..).zip(batch(pool, large, way)) {
                    let runs = words[PIDS + task].load(Ordering::SeqCst);
                    tasks += 1;
                    match result {
                        Ok((number, bytes)) => {
                            let number = number as usize;
                            let right = payload(task as u64, large, 1);
                            assert!(number == task && bytes == right, "{task}: {number}");
                            assert_eq!(runs, 1, "task {task} of way {way}");
                        }
                        Err(TaskError::WorkerDied { exitcode, end }) => {
                            assert_eq!(exitcode, Some(-9), "{end}");
                            assert!(runs <= 1, "task {task} of way {way} ran {runs} times");
                            lost += 1;
                            not_begun += 1 - runs;
                        }
                        Err(error) => panic!("task {task} of way {way}: {error}"),
                    }
                }
            }
        });
        let worked = std::panic::catch_unwind(work);
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
    counts.tasks += tasks;
    counts.lost += lost;
    counts.not_begun += not_begun;
    assert!(counts.lost <= counts.killed.load(Ordering::Relaxed), "{counts:?}");
    // All its workers live: each has a task at the same time as the others.
    let met: Vec<_> =
        (0..WORKERS as u64).map(|task| pool.apply_async(meet_others, task).unwrap()).collect();
    (0..WORKERS).for_each(|_| there.get_timeout(testing::LONG).unwrap());
    (0..WORKERS).for_each(|_| back.put(()).unwrap());
    // One may still have been on its way to die when the last task had ended.
    let met: std::collections::BTreeSet<u32> =
        met.into_iter().map(|result| result.get().unwrap()).collect();
    assert_eq!(met.len(), WORKERS);
    if random.below(2) == 0 {
        pool.close();
        pool.join().unwrap();
    }
}

/// Kills a worker, or stops it for a moment. Seldom one that has hardly begun: twenty of them in a
/// row are a reason to give up.
fn disturb(
    pool: &Pool,
    words: &Words,
    kills: bool,
    random: &mut Random,
    killed: &AtomicU64,
    stopped: &AtomicU64,
) {
    let mut pids = pool.worker_pids();
    if random.below(8) > 0 {
        let has_begun = |pid: &u32| {
            words[1..PIDS].iter().any(|word| word.load(Ordering::SeqCst) == u64::from(*pid))
        };
        pids.retain(has_begun);
    }
    if pids.is_empty() {
        return;
    }
    let pid = pids[random.below(pids.len() as u64) as usize];
    let Some(worker) = Other::of(pid) else { return };
    // Its number may have become somebody else's before we got hold of it.
    if !pool.worker_pids().contains(&pid) || !testing::children().contains(&pid) {
        return;
    }
    if random.below(4) > 0 && kills {
        if worker.kill() {
            killed.fetch_add(1, Ordering::Relaxed);
        }
    } else if worker.stop() {
        thread::sleep(Duration::from_micros(random.below(3000)));
        if kills && random.below(2) == 0 && worker.kill() {
            killed.fetch_add(1, Ordering::Relaxed);
        }
        worker.go_on();
        stopped.fetch_add(1, Ordering::Relaxed);
    }
}

type Done = (u64, ByteBuf);

/// A batch of tasks in one of the ways to call: what came of each.
fn batch(pool: &Pool, large: bool, way: u64) -> Vec<Result<Done, TaskError>> {
    let items = || (0..BATCH as u64).map(|task| (task, large, payload(task, large, 0)));
    let all = |mapped: Result<Vec<Done>, MapError<Done>>| match mapped {
        Ok(results) => results.into_iter().map(Ok).collect(),
        Err(error) => {
            assert_eq!(error.results.len(), BATCH, "{error}");
            error.results
        }
    };
    let results: Vec<Result<Done, TaskError>> = match way {
        0 => all(pool.map_chunked(toil, items(), 1)),
        1 => all(pool.map(toil, items())),
        2 => all(pool.map_chunked(toil, items(), 7)),
        3 => pool.imap(toil, items()).unwrap().collect(),
        4 => pool.imap_chunked(toil, items().chain(no_end()), 10).unwrap().collect(),
        5 => {
            let mut sorted: Vec<Option<Result<Done, TaskError>>> =
                (0..BATCH).map(|_| None).collect();
            let mut lost = Vec::new();
            for result in pool.imap_unordered_chunked(toil, items(), 10).unwrap() {
                match result {
                    Ok(done) => {
                        let place = &mut sorted[done.0 as usize];
                        assert!(place.is_none(), "{} came twice", done.0);
                        *place = Some(Ok(done));
                    }
                    error => lost.push(error),
                }
            }
            // Which they were is told by what is missing.
            sorted.into_iter().map(|place| place.unwrap_or_else(|| lost.pop().unwrap())).collect()
        }
        _ => {
            let results: Vec<_> =
                items().map(|item| pool.apply_async(toil, item).unwrap()).collect();
            results.into_iter().map(|result| result.get()).collect()
        }
    };
    assert_eq!(results.len(), BATCH);
    results
}

/// Nothing, but nobody knows how much of it.
fn no_end<T>() -> impl Iterator<Item = T> {
    std::iter::repeat(()).map_while(|()| None)
}

// ------------------------------------------------------------------------ the parent is killed

static ALIVE: OnceLock<Report> = OnceLock::new();

/// Runs in each worker, as its initializer.
fn share_and_live((words, there, back, alive): (Words, Queue<()>, Queue<()>, Report)) {
    share((words, there, back));
    ALIVE.set(alive).unwrap();
}

/// Runs in the child, until it or its parent is killed.
fn make_pools_for_ever((ready, alive): (Queue<()>, Report)) {
    multiprocess::end_with_parent().unwrap();
    let words = Words::new(PIDS + BATCH).unwrap();
    let queue = || Queue::bounded(100).unwrap();
    let shared = (words, queue(), queue(), alive);
    let builder = Pool::builder().processes(WORKERS).initializer(share_and_live, shared);
    ready.put(()).unwrap();
    let pool = builder.max_tasks_per_child(300).build().unwrap();
    for way in (0..7).cycle() {
        batch(&pool, true, way);
    }
}

/// Parents for so long, each killed at some instant.
fn kill_parents(time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Random(seed());
    let begun = Instant::now();
    let (mut killed, mut longest) = (0, Duration::ZERO);
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60);
        let (lives, alive) = reports();
        let ready = Queue::bounded(1).unwrap();
        let parent = start(make_pools_for_ever, (ready.clone(), alive));
        ready.get_timeout(testing::LONG).unwrap();
        // Any instant will do: this sleep isn't a wait for something.
        let most = if random.below(2) == 0 { 10_000 } else { 300_000 };
        thread::sleep(Duration::from_micros(random.below(most)));
        parent.kill().unwrap();
        parent.join().unwrap();
        longest = longest.max(lives.end());
        killed += 1;
    }
    println!("{killed} parents killed, the last worker gone after {longest:?} at most");
}

#[test]
fn workers_of_killed_parents() {
    kill_parents(Duration::from_millis(1500));
}

#[test]
#[ignore = "long: hundreds of kills"]
fn long_workers_of_killed_parents() {
    kill_parents(Duration::from_secs(long()));
}
