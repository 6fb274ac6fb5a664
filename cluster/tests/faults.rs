//! Faults: whatever is killed, stopped or cut off, no task begins twice, none hangs, only what had
//! begun is lost, and each loss is named.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use cluster::{ClusterExecutor, Worker};
use multiprocess::futures::{Executor, Future, ReturnWhen, wait};
use multiprocess::tasks;
use support::{Client, Mark, OUTCOME, Scene, agent, submit, wait_for};
use testing::{LONG, Other, own_program};

multiprocess::test_entry!();
tasks![attempt_at];

/// Silence that no test waits for.
const NEVER: Duration = Duration::from_secs(3600);

/// Silence that a test waits for.
const SOON: Duration = Duration::from_secs(1);

/// Returns the number of the attempt, after leaving a mark for it.
fn attempt_at(mark: Mark) -> u32 {
    support::mark(Mark { number: u64::from(cluster::attempt()), ..mark });
    cluster::attempt()
}

/// Waits until one of the futures is done.
fn first_done(futures: &[Future<u64>]) {
    let waited = wait(futures, OUTCOME, ReturnWhen::FirstCompleted);
    assert!(!waited.done.is_empty(), "none is done");
}

/// A killed agent is told by its keeper, not by its silence, and the keeper starts another one.
#[test]
fn a_killed_agent_costs_what_had_begun_there_and_its_keeper_says_so() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a", "b"], NEVER) else { return };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    scene.wait_for_runs(2);
    let killed = agent(&executor, "a").unwrap();
    assert!(killed.kill());
    first_done(&futures);
    scene.gate.open();
    let outcomes = scene.outcomes(&futures);
    let end = "a's agent was killed by signal 9 (SIGKILL)".to_owned();
    assert_eq!(outcomes.died, [(end, Some(-9))]);
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (19, 20));
    wait_for(&executor, 2);
    assert!(killed.ends_within(LONG), "another one is there");
}

#[test]
fn a_killed_keeper_takes_its_agent_and_processes_along_and_is_missed_by_its_silence() {
    let Some((scene, [machine, _other], executor)) = Scene::opened(120, ["a", "b"], SOON) else {
        return;
    };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    let runs = scene.wait_for_runs(2);
    let (agent_of_a, agent_of_b) = (agent(&executor, "a").unwrap(), agent(&executor, "b").unwrap());
    machine.kill().unwrap();
    assert!(agent_of_a.ends_within(LONG));
    first_done(&futures);
    let pids = runs.values().flatten().filter_map(|pid| Other::of(*pid));
    let left = pids.filter(|process| !process.ends_within(Duration::ZERO)).count();
    assert_eq!(left, 1, "the process of b");
    assert!(!agent_of_b.ends_within(Duration::ZERO));
    scene.gate.open();
    let outcomes = scene.outcomes(&futures);
    let [(end, None)] = &outcomes.died[..] else { panic!("{outcomes:?}") };
    assert!(end.starts_with("no sign of life of a ("), "{end}");
    assert!(end.ends_with(" for 1s; it may still be running there"), "{end}");
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (19, 20));
}

#[test]
fn a_killed_process_of_a_pool_costs_its_task_and_names_the_machine() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a"], NEVER) else { return };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    let runs = scene.wait_for_runs(1);
    testing::kill(runs[&0][0]);
    first_done(&futures);
    scene.gate.open();
    let outcomes = scene.outcomes(&futures);
    let end = "killed by signal 9 (SIGKILL), on a".to_owned();
    assert_eq!(outcomes.died, [(end, Some(-9))]);
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (19, 20));
}

#[test]
fn without_any_worker_the_rest_waits_for_another_one() {
    let Some((scene, machines, executor)) = Scene::opened(120, ["a", "b"], SOON) else { return };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    scene.wait_for_runs(2);
    let pids: Vec<u32> = scene.runs().into_values().flatten().collect();
    let processes: Vec<Other> = pids.into_iter().filter_map(Other::of).collect();
    machines.iter().for_each(|machine| machine.kill().unwrap());
    assert!(processes.iter().all(|process| process.ends_within(LONG)));
    scene.gate.open();
    assert!(wait(&futures[..2], OUTCOME, ReturnWhen::AllCompleted).not_done.is_empty());
    assert_eq!(scene.runs().len(), 2);
    assert!(futures[2..].iter().all(|future| !future.done()));
    let _later = scene.machine("c");
    let outcomes = scene.outcomes(&futures);
    assert_eq!((outcomes.ok.len(), outcomes.died.len()), (18, 2));
    assert_eq!(scene.runs().len(), 20);
}

#[test]
fn a_killed_server_that_comes_back_costs_nothing() {
    for (lost_after, away) in [(NEVER, Duration::ZERO), (SOON, 3 * SOON)] {
        let opened = Scene::opened(240, ["a", "b"], lost_after);
        let Some((scene, _machines, executor)) = opened else { return };
        let futures = submit(&executor, (0..200).map(|number| scene.free(number)));
        scene.wait_for_runs(10);
        scene.server.kill().unwrap();
        // What is measured here is the time without a server.
        thread::sleep(away);
        scene.server.restart().unwrap();
        let outcomes = scene.outcomes(&futures);
        assert_eq!((outcomes.ok.len(), scene.runs().len()), (200, 200));
    }
}

#[test]
fn a_server_killed_amid_submissions_costs_nothing() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a", "b"], NEVER) else { return };
    let mut futures = submit(&executor, (0..1000).map(|number| scene.free(number)));
    scene.wait_for_runs(10);
    scene.server.kill().unwrap();
    futures.extend(submit(&executor, (1000..2000).map(|number| scene.free(number))));
    scene.server.restart().unwrap();
    futures.extend(submit(&executor, (2000..3000).map(|number| scene.free(number))));
    let outcomes = scene.outcomes(&futures);
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (3000, 3000));
}

/// As long as the client doesn't hear itself, it takes nobody for dead.
#[test]
fn a_server_that_stands_still_kills_nobody() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a", "b"], SOON) else { return };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    scene.wait_for_runs(2);
    let server = Other::of(scene.server.pid().unwrap()).unwrap();
    assert!(server.stop());
    // This is the fault, no wait for something.
    thread::sleep(4 * SOON);
    scene.gate.open();
    assert!(server.go_on());
    let outcomes = scene.outcomes(&futures);
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (20, 20));
}

#[test]
fn an_agent_that_stands_still_is_given_up_and_its_late_outcome_changes_nothing() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a", "b"], SOON) else { return };
    let futures = submit(&executor, (0..20).map(|number| scene.held(number)));
    scene.wait_for_runs(2);
    let stopped = agent(&executor, "a").unwrap();
    assert!(stopped.stop());
    first_done(&futures);
    scene.gate.open();
    let outcomes = scene.outcomes(&futures);
    let [(end, None)] = &outcomes.died[..] else { panic!("{outcomes:?}") };
    assert!(end.ends_with("it may still be running there"), "{end}");
    assert!(stopped.go_on());
    // It is there again, reports, and takes more.
    wait_for(&executor, 2);
    let more = submit(&executor, (20..40).map(|number| scene.free(number)));
    assert_eq!(scene.outcomes(&more).ok.len(), 20);
    assert_eq!((outcomes.ok.len(), scene.runs().len()), (19, 40));
}

#[test]
fn cancelled_calls_never_run_and_the_others_do() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a", "b"], NEVER) else { return };
    let futures = submit(&executor, (0..100).map(|number| scene.held(number)));
    scene.wait_for_runs(2);
    assert!(futures[50..].iter().all(Future::cancel));
    assert!(futures[..2].iter().all(|future| !future.cancel()));
    scene.gate.open();
    let outcomes = scene.outcomes(&futures);
    assert_eq!((outcomes.ok.len(), outcomes.cancelled), (50, 50));
    assert!(scene.runs().into_keys().eq(0..50));
}

#[test]
fn a_task_with_a_retry_runs_again_elsewhere_and_knows_it() {
    let Some((scene, _machines)) = Scene::with(120, ["a"]) else { return };
    let builder = ClusterExecutor::builder().server(scene.server.address()).lost_after(NEVER);
    let executor = Client::connect(builder.retries(1));
    wait_for(&executor, 1);
    let future = executor.submit(attempt_at, scene.held(0)).unwrap();
    scene.wait_for_runs(1);
    assert!(agent(&executor, "a").unwrap().kill());
    let runs = scene.wait_for_runs(2);
    assert_eq!(runs.keys().collect::<Vec<_>>(), [&1, &2]);
    scene.gate.open();
    assert_eq!(future.result_timeout(OUTCOME), Ok(&2));
}

/// Starts a program of this file with these variables.
fn program(name: &str, scene: &Scene) -> Command {
    let mut command = own_program::command(name);
    command.env("FAULTS_SERVER", scene.server.address()).env("FAULTS_FILE", scene.file());
    command.env("FAULTS_GATE", scene.gate.port.to_string());
    command.stdout(Stdio::null());
    command
}

/// A process that is killed at the end of the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tasks_of_a_killed_client_are_dropped_and_the_next_client_is_served() {
    let Some((scene, _machines)) = Scene::with(120, ["a", "b"]) else { return };
    let mut client = Ends(program("client", &scene).spawn().unwrap());
    scene.wait_for_runs(2);
    client.0.kill().unwrap();
    client.0.wait().unwrap();
    scene.gate.open();
    let executor = scene.client(NEVER);
    let futures = submit(&executor, (1000..1020).map(|number| scene.free(number)));
    assert_eq!(scene.outcomes(&futures).ok.len(), 20);
    let numbers: Vec<u64> = scene.runs().into_keys().filter(|number| *number < 1000).collect();
    assert_eq!(numbers.len(), 2, "{numbers:?} of the killed client");
}

#[test]
fn a_client_that_comes_and_goes_disturbs_no_other() {
    let Some((scene, _machines, executor)) = Scene::opened(120, ["a"], NEVER) else { return };
    let futures = submit(&executor, (0..10).map(|number| scene.held(number)));
    scene.wait_for_runs(1);
    drop(scene.client(NEVER));
    scene.gate.open();
    assert_eq!(scene.outcomes(&futures).ok.len(), 10);
}

/// The workers take a client for dead that was merely late.
#[test]
fn a_client_that_comes_back_late_gets_all_its_outcomes() {
    let Some((scene, _machines)) = Scene::with(120, ["a", "b"]) else { return };
    let mut client = Ends(program("client", &scene).env("FAULTS_FREE", "1").spawn().unwrap());
    scene.wait_for_runs(10);
    let late = Other::of(client.0.id()).unwrap();
    assert!(late.stop());
    scene.server.kill().unwrap();
    scene.server.restart().unwrap();
    // Both machines serve another client: they have given up the late one.
    let executor = scene.client(NEVER);
    wait_for(&executor, 2);
    let held = submit(&executor, (1000..1002).map(|number| scene.held(number)));
    let is_served = || (1000..1002).all(|number| scene.runs().contains_key(&number));
    testing::until("both machines serve another client", is_served);
    assert!(late.go_on());
    scene.gate.open();
    assert_eq!(scene.outcomes(&held).ok.len(), 2);
    assert!(client.0.wait().unwrap().success());
    let runs = scene.runs();
    assert!(runs.values().all(|pids| pids.len() == 1), "{runs:?}");
    assert!((0..100).all(|number| runs.contains_key(&number)), "{runs:?}");
}

#[test]
fn a_stopped_client_with_many_tasks_keeps_no_other_one_waiting() {
    let Some((scene, _machines)) = Scene::with(120, ["a"]) else { return };
    let mut client = Ends(program("client", &scene).spawn().unwrap());
    scene.wait_for_runs(1);
    let executor = scene.client(NEVER);
    wait_for(&executor, 1);
    let stopped = Other::of(client.0.id()).unwrap();
    assert!(stopped.stop());
    // Its tasks come first, and the server still believes in it.
    let futures = submit(&executor, (1000..1020).map(|number| scene.free(number)));
    scene.gate.open();
    assert_eq!(scene.outcomes(&futures).ok.len(), 20);
    assert!(stopped.go_on());
    assert!(client.0.wait().unwrap().success());
    assert_eq!(scene.runs().len(), 120);
}

#[test]
fn a_worker_of_another_build_is_seen_and_gets_nothing() {
    let Some((scene, [])) = Scene::with(120, []) else { return };
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("another-build");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    fs::OpenOptions::new().append(true).open(&copy).unwrap().write_all(b"x").unwrap();
    let command = program("worker", &scene);
    let mut other = Command::new(&copy);
    other.args(command.get_args());
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other.stdin(Stdio::null()).stdout(Stdio::null());
    let mut started = None;
    // A process that another test starts holds the file open for writing for a moment.
    testing::until("the copy is started", || {
        started = other.spawn().ok().map(Ends);
        started.is_some()
    });
    let executor = scene.client(NEVER);
    let futures = submit(&executor, (0..5).map(|number| scene.free(number)));
    testing::until("the other build is seen", || !executor.workers().is_empty());
    assert!(executor.workers().iter().all(|machine| !machine.is_ours && machine.name == "other"));
    assert!(executor.wait_for_processes(1, Duration::ZERO).is_err());
    assert!(futures.iter().all(|future| !future.done()));
    let _machine = scene.machine("a");
    assert_eq!(scene.outcomes(&futures).ok.len(), 5);
}

/// On Windows there is no signal to ask for an orderly end.
#[cfg(unix)]
mod leaving {
    use super::*;

    #[test]
    fn a_worker_that_leaves_finishes_what_has_begun_and_takes_nothing_new() {
        let Some((scene, [machine], executor)) = Scene::opened(120, ["a"], NEVER) else { return };
        let futures = submit(&executor, (0..5).map(|number| scene.held(number)));
        scene.wait_for_runs(1);
        machine.process().terminate().unwrap();
        scene.gate.open();
        machine.process().join().unwrap();
        assert_eq!(machine.process().exitcode(), Some(0));
        // It has said goodbye, and reported all that it began: one task more, if the order to leave
        // came after the gate was open, but not all.
        testing::until("no worker is there", || executor.workers().is_empty());
        let begun = scene.runs().len();
        assert!((1..5).contains(&begun), "{begun} of 5");
        assert_eq!(scene.outcomes(&futures[..begun]).ok.len(), begun);
        assert!(futures[begun..].iter().all(|future| !future.running() && !future.done()));
        let _other = scene.machine("b");
        assert_eq!(scene.outcomes(&futures).ok.len(), 5);
    }

    #[test]
    fn a_worker_asked_twice_leaves_at_once_and_says_what_is_lost() {
        let Some((scene, [machine], executor)) = Scene::opened(120, ["a"], NEVER) else { return };
        let futures = submit(&executor, (0..2).map(|number| scene.held(number)));
        scene.wait_for_runs(1);
        machine.process().terminate().unwrap();
        // Two signals that wait at once are one.
        while !machine.process().join_timeout(Duration::from_millis(100)).unwrap() {
            machine.process().terminate().unwrap();
        }
        assert_eq!(machine.process().exitcode(), Some(130));
        first_done(&futures);
        let _other = scene.machine("b");
        scene.gate.open();
        let outcomes = scene.outcomes(&futures);
        let end = "a's agent was killed by signal 9 (SIGKILL)".to_owned();
        assert_eq!((outcomes.ok.len(), &outcomes.died[..]), (1, &[(end, Some(-9))][..]));
    }
}

#[test]
fn program_of_its_own() {
    let Some(name) = own_program::name() else { return };
    let variable = |name: &str| std::env::var(name).unwrap();
    let server = variable("FAULTS_SERVER");
    if name == "worker" {
        Worker::builder().server(server).name("other").processes(1).run().unwrap();
        return;
    }
    let gate = variable("FAULTS_GATE").parse().ok();
    let gate = gate.filter(|_| std::env::var_os("FAULTS_FREE").is_none());
    let executor = ClusterExecutor::connect(&server).unwrap();
    let file: std::path::PathBuf = variable("FAULTS_FILE").into();
    let mark_of = |number| Mark { file: file.clone(), number, gate };
    let futures = submit(&executor, (0..100).map(mark_of));
    for (number, future) in (0..).zip(&futures) {
        assert_eq!(future.result_timeout(2 * OUTCOME), Ok(&number));
    }
}
