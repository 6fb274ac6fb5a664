//! Waiting for several futures where it is done by those who do the work.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::testing::Deadline;
use executors::{
    Executor, ProcessPoolExecutor, ReturnWhen, ThreadPoolExecutor, as_completed, wait,
};
use process_basics::{Gate, Waiting, tasks};

process_basics::test_entry!();
tasks![keep, wait_at];

static GATES: OnceLock<[Waiting; 2]> = OnceLock::new();

/// Runs in the worker, before its first call.
fn keep(gates: [Waiting; 2]) {
    GATES.get_or_init(|| gates);
}

/// Runs in the worker.
fn wait_at(gate: usize) {
    GATES.get().unwrap()[gate].another().unwrap().wait();
}

#[test]
fn a_callback_that_waits_for_another_of_its_executor_of_processes_gets_what_there_is() {
    let _deadline = Deadline::seconds(60);
    let ((gate, waiting), (other_gate, other_waiting)) =
        (Gate::new().unwrap(), Gate::new().unwrap());
    let executor = ProcessPoolExecutor::builder().max_workers(2);
    let executor = executor.initializer(keep, [waiting, other_waiting]).build().unwrap();
    let futures = [0, 1].map(|gate| executor.submit(wait_at, gate).unwrap());
    let (sender, receiver) = channel();
    let copies = futures.clone();
    futures[0].add_done_callback(move |_| {
        let waited = wait(&copies, None, ReturnWhen::AllCompleted);
        let came: Vec<bool> = as_completed(&copies, None).map(|it| it.is_ok()).collect();
        sender.send((waited.done.len(), waited.not_done.len(), came)).unwrap();
    });
    gate.open();
    assert_eq!(receiver.recv().unwrap(), (1, 1, vec![true, false]));
    other_gate.open();
}

/// What the second call waits for: the word of the call that waits for either of two.
fn second(word: Receiver<()>) -> u8 {
    word.recv().unwrap();
    2
}

#[test]
fn a_worker_that_waits_for_the_first_of_several_calls_does_no_more_than_that() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    let inside = Arc::clone(&executor);
    let call = executor.spawn(move || {
        let (sender, word) = channel();
        let calls = [inside.spawn(|| 1).unwrap(), inside.spawn(move || second(word)).unwrap()];
        let done = wait(&calls, None, ReturnWhen::FirstCompleted).done.len();
        sender.send(()).unwrap();
        (done, *calls[1].result().unwrap())
    });
    assert_eq!(call.unwrap().result_timeout(Duration::from_secs(30)).unwrap(), &(1, 2));
}
