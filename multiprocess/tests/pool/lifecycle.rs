//! How pools end: closed, terminated, dropped, forgotten, interrupted, or killed.
//!
//! Our types leave no room for `with` (POOL-18, POOL-19): it is the pool's scope here, so dropping
//! it and using it after `terminate` stand for that.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
#[cfg(unix)]
use std::io::Read;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::pool::{Error, TaskError};
use multiprocess::{Pool, Queue, tasks};
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group, setpgid};
#[cfg(target_os = "linux")]
use testing::descriptors;
use testing::{
    Deadline, LONG, Other, Report, Stage, alone, count, hold, kill, leaves_nothing, pid_of_worker,
    reports, start,
};

multiprocess::test_entry!();

/// Processes that stay who they are.
fn others(pids: &[u32]) -> Vec<Other> {
    pids.iter().map(|pid| Other::of(*pid).unwrap()).collect()
}

fn all_ended(others: &[Other]) -> bool {
    others.iter().all(|other| other.ends_within(Duration::ZERO))
}

/// POOL-B10, POOL-19
#[test]
fn a_terminated_pool_fails_what_is_outstanding_at_once_and_takes_nothing() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1000);
    let pool = stage.pool(2);
    let workers = others(&pool.worker_pids());
    let held = pool.map_async(hold, 0..2).unwrap();
    let waiting = pool.map_async(count, 2..1000).unwrap();
    let one = pool.apply_async(count, 1).unwrap();
    stage.next_waiting();
    // The gate stays shut: what waited for the tasks would wait for ever.
    pool.terminate();
    let errors = [held.get().unwrap_err(), waiting.get().unwrap_err()];
    for error in errors {
        assert!(matches!(error.error, Error::Task(TaskError::Terminated)), "{error}");
        assert!(error.results.iter().all(|result| *result == Err(TaskError::Terminated)));
    }
    assert_eq!(one.get(), Err(TaskError::Terminated));
    pool.terminate();
    pool.join().unwrap();
    pool.terminate();
    pool.close();
    pool.join().unwrap();
    assert!(all_ended(&workers));
    assert!(matches!(pool.map_async(count, 0..3), Err(Error::NotRunning)));
    assert!(matches!(pool.apply(count, 0), Err(Error::NotRunning)));
    assert!(matches!(pool.imap(count, 0..3), Err(Error::NotRunning)));
    assert!(matches!(pool.map(count, 0..3).unwrap_err().error, Error::NotRunning));
    assert!(stage.all_begun()[2..].iter().all(|begun| *begun == 0));
}

/// POOL-18
#[test]
fn to_drop_a_pool_is_to_terminate_it() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let pool = stage.pool(2);
    let workers = others(&pool.worker_pids());
    let results = [0, 1, 2].map(|task| pool.apply_async(hold, task).unwrap());
    stage.next_waiting();
    // The gate stays shut.
    drop(pool);
    assert!(all_ended(&workers));
    assert!(results.iter().all(|result| result.get() == Err(TaskError::Terminated)));
}

#[test]
fn a_closed_pool_takes_nothing_more_and_does_what_it_has() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2000);
    let pool = stage.pool(2);
    assert!(matches!(pool.join(), Err(Error::StillRunning)));
    let workers = others(&pool.worker_pids());
    let held = pool.apply_async(hold, 0).unwrap();
    let results = pool.map_async(count, 1..2000).unwrap();
    pool.close();
    assert!(matches!(pool.apply(count, 0), Err(Error::NotRunning)));
    thread::scope(|scope| {
        let join = scope.spawn(|| pool.join());
        stage.next_waiting();
        assert!(
            !workers[0].ends_within(Duration::from_millis(50))
                || !workers[1].ends_within(Duration::ZERO)
        );
        stage.open(1);
        join.join().unwrap().unwrap();
    });
    assert!(all_ended(&workers));
    assert!(held.ready() && results.ready());
    assert_eq!((held.get(), results.get().unwrap().len()), (Ok(0), 1999));
    assert_eq!(stage.all_begun(), [1; 2000]);
}

#[test]
fn a_closed_pool_replaces_workers_as_long_as_there_is_something_to_do() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(20);
    let pool = stage.builder(2).max_tasks_per_child(1).build().unwrap();
    let held = pool.apply_async(hold, 0).unwrap();
    let results = (1..20).map(|task| pool.apply_async(count, task).unwrap()).collect::<Vec<_>>();
    pool.close();
    kill(stage.next_waiting().1);
    assert!(matches!(held.get(), Err(TaskError::WorkerDied { .. })));
    pool.join().unwrap();
    assert!(results.iter().all(|result| result.get().is_ok()));
    assert_eq!(pool.worker_pids(), [0; 0]);
}

#[test]
fn a_worker_killed_when_there_is_nothing_to_do_is_replaced() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2);
    let pool = stage.pool(2);
    for _ in 0..3 {
        let before = pool.worker_pids();
        kill(before[0]);
        testing::until("another takes its place", || {
            let now = pool.worker_pids();
            now.len() == 2 && !now.contains(&before[0])
        });
        assert!(pool.worker_pids().contains(&before[1]));
    }
    // Both work.
    let results = pool.map_async(hold, 0..2).unwrap();
    assert_ne!(stage.next_waiting().1, stage.next_waiting().1);
    stage.open(2);
    assert_eq!(results.get().unwrap(), [0, 1]);
    pool.worker_pids().into_iter().for_each(kill);
    pool.close();
    pool.join().unwrap();
}

tasks![leave_a_pool_in_a_static, leave_a_busy_pool, exit_with_a_busy_pool];

static POOL: OnceLock<Pool> = OnceLock::new();

/// Runs in the child.
fn leave_a_pool_in_a_static(alive: Report) {
    let builder = Pool::builder().processes(2).initializer(live, alive);
    let pool = POOL.get_or_init(|| builder.build().unwrap());
    assert_eq!(pool.map(pid_of_worker, 0..10).unwrap().len(), 10);
}

tasks![live];

static ALIVE: OnceLock<Report> = OnceLock::new();

/// Runs in each worker.
fn live(alive: Report) {
    ALIVE.set(alive).unwrap();
}

/// POOL-28
#[test]
fn a_program_whose_pool_is_in_a_static_ends() {
    let _deadline = Deadline::seconds(60);
    let (lives, alive) = reports();
    let program = start(leave_a_pool_in_a_static, alive);
    program.join().unwrap();
    assert_eq!(program.exitcode(), Some(0));
    lives.end();
}

/// Runs in the child.
fn leave_a_busy_pool((stage, pids, alive, way): (Stage, Queue<u32>, Report, u64)) {
    let pool = stage.pool(2);
    let watched = Pool::builder().processes(2).initializer(live, alive).build().unwrap();
    watched.apply(pid_of_worker, 0).unwrap();
    let result = pool.apply_async(hold, 0).unwrap();
    result.on_result(|_| ());
    pids.put(stage.next_waiting().1).unwrap();
    if way == 0 {
        POOL.set(pool).ok().unwrap();
        std::mem::forget(watched);
    }
}

/// POOL-B16
#[test]
fn a_program_ends_at_once_while_its_pool_runs_a_task() {
    let _deadline = Deadline::seconds(60);
    for way in 0..2 {
        let (lives, alive) = reports();
        let (stage, pids) = (Stage::new(1), Queue::bounded(1).unwrap());
        let program = start(leave_a_busy_pool, (stage, pids.clone(), alive, way));
        let worker = Other::of(pids.get_timeout(LONG).unwrap());
        // The gate stays shut.
        assert!(program.join_timeout(LONG).unwrap());
        assert_eq!(program.exitcode(), Some(0));
        lives.end();
        assert!(worker.is_none_or(|worker| worker.ends_within(Duration::ZERO)));
    }
}

/// Runs in the child.
fn exit_with_a_busy_pool((stage, alive): (Stage, Report)) {
    let pool = stage.pool(2);
    let watched = Pool::builder().processes(2).initializer(live, alive).build().unwrap();
    watched.apply(pid_of_worker, 0).unwrap();
    let _result = pool.apply_async(hold, 0).unwrap();
    loop {
        thread::park();
    }
}

/// POOL-B18
#[test]
fn the_workers_of_a_killed_parent_end_at_once() {
    let _deadline = Deadline::seconds(60);
    let (lives, alive) = reports();
    let stage = Stage::new(1);
    let program = start(exit_with_a_busy_pool, (stage.clone(), alive));
    let (_, worker) = stage.next_waiting();
    let worker = Other::of(worker).unwrap();
    program.kill().unwrap();
    program.join().unwrap();
    assert!(worker.ends_within(LONG), "the one with a task, whose gate stays shut");
    // Those without one.
    lives.end();
}

#[cfg(unix)]
tasks![be_interrupted];

/// Runs in the child: has a pool in a process group of its own, and is interrupted with it.
#[cfg(unix)]
fn be_interrupted((stage, pids): (Stage, Queue<u32>)) {
    setpgid(None, None).unwrap();
    let (mut interrupted, sender) = UnixStream::pair().unwrap();
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, sender).unwrap();
    let pool = stage.pool(2);
    let held = pool.apply_async(hold, 0).unwrap();
    assert_eq!(pool.map_chunked(pid_of_worker, 0..100, 1).unwrap().len(), 100);
    let workers = pool.worker_pids();
    pids.put(std::process::id()).unwrap();
    interrupted.read_exact(&mut [0]).unwrap();
    // The workers are as they were.
    stage.open(1);
    assert_eq!(held.get(), Ok(0));
    assert_eq!(pool.map_chunked(pid_of_worker, 0..100, 1).unwrap().len(), 100);
    assert_eq!(pool.worker_pids(), workers);
    pool.terminate();
    pool.join().unwrap();
}

/// POOL-B17
#[test]
#[cfg(unix)]
fn ctrl_c_goes_to_the_parent_who_decides_and_ends_cleanly() {
    let _deadline = Deadline::seconds(60);
    let (stage, pids) = (Stage::new(1), Queue::bounded(1).unwrap());
    let program = start(be_interrupted, (stage, pids.clone()));
    let group = pids.get_timeout(LONG).unwrap();
    kill_process_group(Pid::from_raw(group.cast_signed()).unwrap(), Signal::INT).unwrap();
    program.join().unwrap();
    assert_eq!(program.exitcode(), Some(0));
}

#[cfg(target_os = "linux")]
tasks![descriptors_of_worker, look_at_descriptors];

/// A task.
#[cfg(target_os = "linux")]
fn descriptors_of_worker(task: u64) -> Vec<String> {
    testing::begin(task);
    testing::stage().pass();
    descriptors()
}

/// Runs in the child: what its workers have open.
#[cfg(target_os = "linux")]
fn look_at_descriptors((): ()) {
    let stranger = std::fs::File::open("/proc/self/status").unwrap();
    // Without the flag that closes it when another program begins.
    let stranger = rustix::io::dup(&stranger).unwrap();
    rustix::io::fcntl_setfd(&stranger, rustix::io::FdFlags::empty()).unwrap();
    let stage = Stage::new(100);
    let pool = stage.pool(5);
    let mut all = BTreeSet::new();
    for _ in 0..4 {
        let result = pool.map_async(descriptors_of_worker, 0..5).unwrap();
        let workers: Vec<u32> = (0..5).map(|_| stage.next_waiting().1).collect();
        stage.open(5);
        for descriptors in result.get().unwrap() {
            assert!(!descriptors.iter().any(|one| one.contains("status")), "{descriptors:?}");
            assert!(!descriptors.iter().any(|one| one.contains("pidfd")), "{descriptors:?}");
            let kinds = descriptors.iter().map(|one| one.split(':').take(2).collect::<String>());
            let kinds: Vec<String> = kinds
                .map(|kind| kind.chars().filter(|letter| !letter.is_ascii_digit()).collect())
                .collect();
            all.insert(kinds);
        }
        // Their successors have no more.
        workers.into_iter().take(3).for_each(kill);
        testing::until("the pool is whole", || pool.worker_pids().len() == 5);
    }
    assert_eq!(all.len(), 1, "not all the same: {all:?}");
}

/// Only Linux tells what a descriptor is.
#[test]
#[cfg(target_os = "linux")]
fn workers_have_all_the_same_descriptors_and_none_of_somebody_elses() {
    let _deadline = Deadline::seconds(60);
    let program = start(look_at_descriptors, ());
    program.join().unwrap();
    assert_eq!(program.exitcode(), Some(0));
}

tasks![leave_nothing];

/// Runs in the child: one pool after the other, ended in all ways.
fn leave_nothing((): ()) {
    let stage = Stage::new(100);
    let round = |round: usize| {
        let pool = stage.pool(1 + round % 3);
        pool.map_chunked(count, 0..10, 1).unwrap();
        let result = match round % 2 {
            0 => Some(pool.apply_async(hold, 10).unwrap()),
            _ => None,
        };
        if round % 5 == 1 {
            kill(pool.worker_pids()[0]);
        }
        match round % 4 {
            0 => {}
            1 => {
                pool.close();
                pool.join().unwrap();
            }
            2 => {
                // Killed before it had begun, it would never be there.
                if round % 5 != 1 {
                    stage.next_waiting();
                }
                pool.terminate();
            }
            _ => drop(pool.imap(count, 11..).unwrap()),
        }
        drop(pool);
        drop(result);
        while !stage.nobody_waits() {
            stage.next_waiting();
        }
    };
    // In Wine a start takes a hundred times as long.
    leaves_nothing(if cfg!(windows) { 60 } else { 300 }, round);
}

#[test]
fn hundreds_of_pools_leave_nothing_behind() {
    alone(leave_nothing);
}

tasks![take];

/// An argument that can't be serialised, as it turns out once the pool is closed.
struct Late(std::sync::mpsc::Receiver<()>);

impl serde::Serialize for Late {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        self.0.recv().unwrap();
        Err(serde::ser::Error::custom("too late"))
    }
}

impl<'de> serde::Deserialize<'de> for Late {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        unreachable!("none can be sent")
    }
}

fn take(_: Late) {}

/// The end of that task is no report that would wake the pool.
#[test]
fn a_closed_pool_ends_at_once_when_its_last_task_turns_out_to_have_no_message() {
    let _deadline = Deadline::seconds(60);
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let pool = Pool::new(1).unwrap();
        pool.apply(pid_of_worker, 0).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let task = scope.spawn(|| pool.apply(take, Late(receiver)));
            // Any instant will do after which the job is open: most often this one.
            thread::sleep(Duration::from_millis(30));
            pool.close();
            thread::sleep(Duration::from_millis(30));
            let begun = Instant::now();
            sender.send(()).unwrap();
            assert!(task.join().unwrap().is_err());
            pool.join().unwrap();
            fastest = fastest.min(begun.elapsed());
        });
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}
