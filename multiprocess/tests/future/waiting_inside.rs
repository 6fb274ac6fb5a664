//! Waiting for futures where it is done by those who do the work.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::future::Future as _;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use multiprocess::futures::{
    Executor, Future, FutureError, ProcessPoolExecutor, ReturnWhen, ThreadPoolExecutor,
    as_completed, wait,
};
use multiprocess::{Gate, Waiting, tasks};
use testing::{Deadline, LONG, block_on};

multiprocess::test_entry!();
tasks![keep, wait_at];

static GATES: OnceLock<[Waiting; 2]> = OnceLock::new();

/// Runs in the worker, before its first call.
fn keep(gates: [Waiting; 2]) {
    GATES.get_or_init(|| gates);
}

/// Runs in the worker.
fn wait_at(gate: usize) -> usize {
    GATES.get().unwrap()[gate].another().unwrap().wait();
    gate
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

#[test]
fn a_call_may_await_others_of_its_executor_also_without_a_free_thread() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    let inside = Arc::clone(&executor);
    let call = executor.spawn(move || {
        let futures: Vec<_> = (0..10).map(|n| inside.spawn(move || n).unwrap()).collect();
        block_on(async {
            let mut sum = 0;
            for future in futures {
                sum += future.await.unwrap();
            }
            sum
        })
    });
    assert_eq!(call.unwrap().into_result(), Ok(45));
}

/// TPE-B04: a call that waits for itself, and for the one that it waits for, in each way that there
/// is.
#[test]
fn a_call_that_waits_for_its_own_result_is_told_so() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    let (give, given) = channel::<Future<()>>();
    let inside = Arc::clone(&executor);
    let outer = executor.spawn(move || {
        let own = given.recv().unwrap();
        let check = move || {
            assert_eq!(own.result(), Err(FutureError::Deadlock));
            assert_eq!(own.exception(), Err(FutureError::Deadlock));
            assert_eq!(own.result_timeout(Duration::ZERO), Err(FutureError::TimedOut));
            assert_eq!(own.result_timeout(LONG), Err(FutureError::Deadlock));
            assert_eq!(own.clone().into_result(), Err(FutureError::Deadlock));
            assert_eq!(block_on(own.clone()), Err(FutureError::Deadlock));
            assert_eq!(wait([&own], None, ReturnWhen::AllCompleted).not_done.len(), 1);
            assert!(as_completed([&own], None).all(|future| future.is_err()));
        };
        check();
        // The thread that waits for this one does it itself.
        inside.spawn(check).unwrap().into_result().unwrap();
    });
    let outer = outer.unwrap();
    give.send(outer.clone()).unwrap();
    assert_eq!(outer.result(), Ok(&()));
}

/// A task of an async executor that goes on where it is woken.
struct GoesOnHere {
    future: Mutex<Option<Future<usize>>>,
    then: Mutex<Option<Future<usize>>>,
    was_ready: Sender<bool>,
}

impl Wake for GoesOnHere {
    fn wake(self: Arc<Self>) {
        let future = self.future.lock().unwrap().take().unwrap();
        assert!(block_on(future).is_ok());
        let mut then = self.then.lock().unwrap();
        let polled = Pin::new(then.as_mut().unwrap()).poll(&mut Context::from_waker(Waker::noop()));
        self.was_ready.send(polled.is_ready()).unwrap();
    }
}

/// Polling inside a waker isn't waiting: so it is no error in the thread that brings the
/// results, nor does a worker do the call there.
#[test]
fn a_task_that_goes_on_where_it_is_woken_goes_on() {
    let _deadline = Deadline::seconds(60);
    for of_processes in [false, true] {
        let (gate, waiting) = Gate::new().unwrap();
        let (other_gate, other_waiting) = Gate::new().unwrap();
        let gates = [waiting, other_waiting];
        let processes = ProcessPoolExecutor::builder().max_workers(1).initializer(keep, gates);
        let processes = processes.build().unwrap();
        let threads = ThreadPoolExecutor::new(1);
        let (open, opened) = channel::<()>();
        let (first, second) = if of_processes {
            let [first, second] = [0, 1].map(|gate| processes.submit(wait_at, gate).unwrap());
            (first, second)
        } else {
            let first = threads.spawn(move || usize::from(opened.recv().is_ok())).unwrap();
            (first, threads.spawn(|| 1).unwrap())
        };
        let (was_ready, is_ready) = channel();
        let task = Arc::new(GoesOnHere {
            future: Mutex::new(None),
            then: Mutex::new(Some(second.clone())),
            was_ready,
        });
        let mut first = first;
        let waker = Waker::from(Arc::clone(&task));
        assert!(Pin::new(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
        *task.future.lock().unwrap() = Some(first);
        gate.open();
        let _ = open.send(());
        assert_eq!(is_ready.recv_timeout(LONG), Ok(false));
        other_gate.open();
        assert!(second.result_timeout(LONG).is_ok());
    }
}
