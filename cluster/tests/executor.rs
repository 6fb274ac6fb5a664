//! The executor, with workers on machines of this machine.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cluster::local::{LocalCluster, LocalWorker, test_server, test_server_with};
use cluster::{ClusterExecutor, Worker};
use futures_util::StreamExt;
use multiprocess::futures::{Executor, Future, FutureError, MapOptions, SubmitError, TaskError};
use multiprocess::tasks;
use tempfile::TempDir;
use testing::{Deadline, LONG, until};

multiprocess::test_entry!();

tasks![square, same, fail, pause, grow, mark, attempt, fail_once];

fn square(number: u64) -> u64 {
    number * number
}

fn same(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

fn grow(length: usize) -> Vec<u8> {
    vec![0; length]
}

fn fail(text: String) -> u64 {
    panic!("{text}");
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Leaves a mark in the file, and pauses.
fn mark((file, number, milliseconds): (PathBuf, u64, u64)) {
    let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{number}\n").as_bytes()).unwrap();
    pause(milliseconds);
}

/// Leaves a mark, and waits in its first attempt for the end of its process; returns the attempt.
fn attempt(file: PathBuf) -> u32 {
    let attempt = cluster::attempt();
    mark((file, attempt.into(), if attempt == 1 { 60_000 } else { 0 }));
    attempt
}

/// Leaves a mark, and panics.
fn fail_once(file: PathBuf) {
    mark((file, cluster::attempt().into(), 0));
    panic!("on purpose");
}

/// Returns the numbers of the marks in the file, sorted.
fn marks(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut marks: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    marks.sort_unstable();
    marks
}

/// Waits until the server keeps so many tasks, and removes them.
async fn purge(server: &str, tasks: u64) {
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.unwrap());
    let name = jetstream.stream_names().next().await.unwrap().unwrap();
    let stream = jetstream.get_stream_no_info(name).await.unwrap();
    let start = Instant::now();
    while stream.get_info().await.unwrap().state.messages != tasks {
        assert!(start.elapsed() < LONG, "there are not so many");
    }
    assert_eq!(stream.purge().await.unwrap().purged, tasks);
}

/// Returns a cluster of machines of one process each, and an executor for it, once all are there.
fn cluster(machines: usize) -> Option<(LocalCluster, ClusterExecutor)> {
    test_server()?;
    let cluster = LocalCluster::new(machines, 1).unwrap();
    let executor = ClusterExecutor::connect(&cluster.address()).unwrap();
    executor.wait_for_processes(machines, LONG).unwrap();
    Some((cluster, executor))
}

/// Waits until the call has begun.
fn wait_until_running<R>(future: &Future<R>) {
    let start = Instant::now();
    while !future.running() {
        assert!(start.elapsed() < LONG, "it doesn't begin");
        thread::yield_now();
    }
}

fn task_error<R: Sync>(future: &Future<R>) -> TaskError {
    future.exception_timeout(LONG).unwrap().cloned().unwrap()
}

/// Checks that a chunk of so many calls is done.
fn check_chunk(executor: &ClusterExecutor, calls: u64) {
    let futures = executor.submit_chunk(square, (0..calls).collect()).unwrap();
    assert_eq!(futures.len() as u64, calls);
    for (number, future) in (0..).zip(&futures) {
        assert_eq!(future.result_timeout(LONG), Ok(&(number * number)));
    }
}

#[test]
fn calls_have_their_results_one_by_one_and_in_chunks() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(2) else { return };
    assert_eq!(executor.submit(square, 7).unwrap().result_timeout(LONG), Ok(&49));
    for chunk in [1, 7, 50] {
        let options = MapOptions::default().chunksize(chunk).timeout(LONG);
        let squares = executor.map_with(options, square, 0..50).unwrap();
        let squares: Vec<u64> = squares.map(Result::unwrap).collect();
        assert_eq!(squares, (0..50).map(|it| it * it).collect::<Vec<_>>());
    }
    let failed = executor.submit(fail, String::from("on purpose")).unwrap();
    let error = failed.result_timeout(LONG).unwrap_err();
    let FutureError::Task(TaskError::Panicked { message }) = &error else { panic!("{error}") };
    assert!(message.contains("on purpose"), "{message}");
}

#[test]
fn large_arguments_and_results_come_in_parts() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(1) else { return };
    for length in [0, 500_000, 524_288, 1 << 20, 5_000_001] {
        let bytes: Vec<u8> = (0..length).map(|it: usize| (it * 7 % 251) as u8).collect();
        let future = executor.submit(same, bytes.clone()).unwrap();
        assert!(future.result_timeout(LONG).unwrap() == &bytes, "{length}");
    }
}

#[test]
fn a_chunk_of_any_length_is_done() {
    let _deadline = Deadline::seconds(300);
    let Some((_cluster, executor)) = cluster(1) else { return };
    check_chunk(&executor, 70_000);
}

#[test]
fn a_chunk_whose_lengths_do_not_fit_beside_its_arguments_is_done() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server_with("jetstream {}\nmax_payload: 64KB\n") else { return };
    let worker = Worker::builder().server(server.address()).processes(1);
    let _worker = LocalWorker::start(worker).unwrap();
    let executor = ClusterExecutor::connect(&server.address()).unwrap();
    check_chunk(&executor, 6000);
    let lengths = [59_000, 61_000, 64_000, 65_000, 66_000, 200_000];
    for length in lengths.into_iter().chain((0..40).map(|it| 59_500 + 200 * it)) {
        let bytes = vec![7; length];
        let future = executor.submit(same, bytes.clone()).unwrap();
        assert!(future.result_timeout(LONG).unwrap() == &bytes, "{length}");
    }
    let calls = vec![vec![7; 10]; 5500];
    for future in executor.submit_chunk(same, calls).unwrap() {
        assert_eq!(future.result_timeout(LONG).unwrap(), &[7; 10]);
    }
}

#[test]
fn a_cancelled_call_never_runs_and_the_executor_waits_for_the_others() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(1) else { return };
    let first = executor.submit(pause, 300).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("marks");
    let mark_one = |number| executor.submit(mark, (file.clone(), number, 0)).unwrap();
    let others: Vec<_> = (0..10).map(mark_one).collect();
    let (cancelled, kept): (Vec<u64>, Vec<u64>) =
        (0..10).partition(|number| number % 3 > 0 && others[*number as usize].cancel());
    assert!(cancelled.len() > 4, "{cancelled:?}");
    executor.shutdown(true, false);
    assert!(first.done() && others.iter().all(|it| it.done()));
    assert_eq!(marks(&file), kept);
}

#[test]
fn a_killed_agent_costs_the_call_that_had_begun_there_and_is_named() {
    let _deadline = Deadline::seconds(120);
    let Some((mut cluster, executor)) = cluster(1) else { return };
    let lost = executor.submit(pause, 60_000).unwrap();
    let next = executor.submit(square, 3).unwrap();
    wait_until_running(&lost);
    cluster.workers()[0].kill_agent().unwrap();
    let error = task_error(&lost);
    let TaskError::WorkerDied { end, exitcode } = &error else { panic!("{error}") };
    assert!(end.contains("machine-a's agent was killed by signal 9"), "{end}");
    assert_eq!(*exitcode, Some(-9));
    // The keeper starts another agent.
    assert_eq!(next.result_timeout(LONG), Ok(&9));
}

#[test]
fn with_retries_a_killed_agents_call_runs_again_but_not_one_that_panicked() {
    let _deadline = Deadline::seconds(120);
    let Some((mut cluster, _)) = cluster(1) else { return };
    let builder = ClusterExecutor::builder().server(cluster.address());
    let executor = builder.retries(1).connect().unwrap();
    let folder = TempDir::new().unwrap();
    let [killed, failed] = ["killed", "failed"].map(|name| folder.path().join(name));
    let again = executor.submit(attempt, killed.clone()).unwrap();
    until("the first attempt has begun", || marks(&killed) == [1]);
    // Its keeper starts another one.
    cluster.workers()[0].kill_agent().unwrap();
    assert_eq!(again.result_timeout(LONG), Ok(&2));
    assert_eq!(marks(&killed), [1, 2]);
    let once = executor.submit(fail_once, failed.clone()).unwrap();
    assert!(matches!(task_error(&once), TaskError::Panicked { .. }));
    executor.shutdown(true, false);
    assert_eq!(marks(&failed), [1]);
}

#[test]
fn a_killed_server_costs_no_call() {
    let _deadline = Deadline::seconds(120);
    let Some((cluster, executor)) = cluster(2) else { return };
    let futures: Vec<_> = (0..100).map(|_| executor.submit(pause, 5).unwrap()).collect();
    futures[20].result_timeout(LONG).unwrap();
    cluster.server().kill().unwrap();
    let later: Vec<_> = (0..100).map(|it| executor.submit(square, it).unwrap()).collect();
    cluster.server().restart().unwrap();
    futures.iter().for_each(|future| assert_eq!(future.result_timeout(LONG), Ok(&())));
    assert!(later.iter().all(|future| future.result_timeout(LONG).is_ok()));
}

#[test]
fn calls_that_the_server_forgets_are_done_each_once() {
    let _deadline = Deadline::seconds(120);
    let Some((cluster, executor)) = cluster(2) else { return };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("marks");
    let mark_one = |number, pause| executor.submit(mark, (file.clone(), number, pause)).unwrap();
    let mut futures = vec![mark_one(0, 3000), mark_one(1, 3000)];
    futures.iter().for_each(wait_until_running);
    futures.extend((2..40).map(|number| mark_one(number, 0)));
    let net = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    net.block_on(purge(&cluster.address(), 38));
    futures.iter().for_each(|future| assert_eq!(future.result_timeout(LONG), Ok(&())));
    assert_eq!(marks(&file), (0..40).collect::<Vec<_>>());
}

#[test]
fn without_a_server_for_too_long_all_futures_end() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let limit = Some(Duration::from_secs(1));
    let builder = ClusterExecutor::builder().server(server.address()).give_up_after(limit);
    let executor = builder.connect().unwrap();
    let futures = [1, 2].map(|it| executor.submit(square, it).unwrap());
    server.kill().unwrap();
    for future in &futures {
        let error = task_error(future);
        assert!(matches!(&error, TaskError::Broken(why) if why.contains("no server")), "{error}");
    }
    assert!(matches!(executor.submit(square, 3), Err(SubmitError::Broken(_))));
}

#[test]
fn a_callback_can_not_wait_for_another_call() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(1) else { return };
    let first = executor.submit(pause, 300).unwrap();
    let second = executor.submit(pause, 60_000).unwrap();
    let (sender, outcomes) = mpsc::channel();
    let waited_for = second.clone();
    first.add_done_callback(move |_| drop(sender.send(waited_for.result().copied())));
    assert_eq!(outcomes.recv_timeout(LONG), Ok(Err(FutureError::Deadlock)));
    executor.shutdown(false, true);
}

#[test]
fn arguments_and_results_above_the_limit_are_told_with_both_numbers() {
    let _deadline = Deadline::seconds(120);
    let Some((cluster, _)) = cluster(1) else { return };
    let builder = ClusterExecutor::builder().server(cluster.address());
    let executor = builder.most_bytes(1000).connect().unwrap();
    let both = |error: TaskError| error.to_string().contains("1000");
    let sent = executor.submit(same, vec![1; 2000]).unwrap();
    assert!(matches!(task_error(&sent), TaskError::ArgumentsNotSent(_)) && both(task_error(&sent)));
    // Together they are above it, but each goes alone.
    for future in executor.submit_chunk(same, vec![vec![1; 600]; 2]).unwrap() {
        assert_eq!(future.result_timeout(LONG).unwrap(), &[1; 600]);
    }
    let received = executor.submit(grow, 2000).unwrap();
    let error = task_error(&received);
    assert!(matches!(error, TaskError::ResultNotSent(_)) && both(error));
    assert_eq!(executor.submit(square, 2).unwrap().result_timeout(LONG), Ok(&4));
}

#[test]
fn submit_waits_while_too_many_calls_wait() {
    let _deadline = Deadline::seconds(120);
    let Some(server) = test_server() else { return };
    let builder = ClusterExecutor::builder().server(server.address()).most_waiting(2);
    let executor = builder.connect().unwrap();
    let futures = [1, 2].map(|it| executor.submit(square, it).unwrap());
    let (sender, submitted) = mpsc::channel();
    thread::scope(|scope| {
        let (executor, sender) = (&executor, sender);
        let third = scope.spawn(move || {
            let third = executor.submit(square, 3).unwrap();
            sender.send(()).unwrap();
            third
        });
        let early = submitted.recv_timeout(Duration::from_millis(300));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
        assert!(futures[0].cancel());
        assert_eq!(submitted.recv_timeout(LONG), Ok(()));
        assert!(third.join().unwrap().cancel());
    });
    executor.shutdown(true, true);
    assert!(futures[1].cancelled());
}

#[test]
fn a_client_that_leaves_takes_no_waiting_call_of_another_along() {
    let _deadline = Deadline::seconds(120);
    let Some((cluster, leaves)) = cluster(1) else { return };
    let stays = ClusterExecutor::connect(&cluster.address()).unwrap();
    stays.wait_for_processes(1, LONG).unwrap();
    let busy = leaves.submit(pause, 300).unwrap();
    let cancelled: Vec<_> = (0..20).map(|it| leaves.submit(square, it).unwrap()).collect();
    let others: Vec<_> = (0..5).map(|it| stays.submit(square, it).unwrap()).collect();
    leaves.shutdown(true, true);
    assert!(busy.done() && cancelled.iter().all(|it| it.done()));
    // The worker finds nobody who wants the cancelled calls, and clears them away.
    for (number, call) in (0..).zip(&others) {
        assert_eq!(call.result_timeout(LONG), Ok(&(number * number)));
    }
}
