//! Nothing is left of queues that were used: no descriptor, no mapping, no child, no thread.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::thread;

use common::stock::Stock;
use multiprocess::queue::PutError;
use multiprocess::{Failure, Process, Queue, tasks};
use testing::{Deadline, alone, ends_well, kill_child, leaves_nothing, start, text};

multiprocess::test_entry!();
tasks![drop_handles, echo, echo_for_ever, make_use_and_end_many, without_processes];

/// Runs in the child.
fn echo((there, back): (Queue<String>, Queue<String>)) -> Result<(), Failure> {
    for _ in 0..3 {
        back.put(there.get()?)?;
    }
    Ok(there.task_done()?)
}

/// Runs in the child, until it is killed.
fn echo_for_ever((there, back): (Queue<String>, Queue<String>)) -> Result<(), Failure> {
    loop {
        back.put(there.get()?)?;
    }
}

/// Two queues and a process, used in one of several ways.
fn make_use_and_end(round: usize) {
    let (there, back) = (Queue::unbounded().unwrap(), Queue::bounded(3).unwrap());
    let task = (there.clone(), back.clone());
    let child = match round % 4 {
        0 => return drop(Process::new(echo, task)),
        1 => start(echo_for_ever, task),
        _ => start(echo, task),
    };
    for number in 0..3 {
        there.put(text(number, 30_000 * round % 100_000)).unwrap();
        back.get().unwrap();
    }
    if round % 4 == 1 {
        there.put(text(0, 10)).unwrap();
        kill_child(&child);
    } else {
        ends_well(&child);
    }
    if round % 4 == 3 {
        // More than there are slots: a thread is started, and gives up.
        (0..1100).for_each(|number| there.put(text(number, 5)).unwrap());
        let clone = there.clone();
        thread::spawn(move || drop(clone)).join().unwrap();
        let nested = Queue::bounded(1).unwrap();
        assert!(matches!(nested.put(back.clone()), Err(PutError::Encode(_))));
    }
}

/// Runs in a process of its own.
fn make_use_and_end_many((): ()) {
    let _deadline = Deadline::seconds(120);
    leaves_nothing(300, make_use_and_end);
}

/// Runs in a process of its own: a producer and a consumer in it, both threads.
fn without_processes((): ()) {
    let _deadline = Deadline::seconds(120);
    leaves_nothing(1000, |round| {
        let queue = if round % 2 == 0 { Queue::bounded(3) } else { Queue::unbounded() }.unwrap();
        let clone = queue.clone();
        let consumer = thread::spawn(move || (0..10).all(|_| clone.get().is_ok()));
        (0..10).for_each(|number| queue.put(text(number, 300 * number)).unwrap());
        assert!(consumer.join().unwrap());
        // Somebody leaves it as it is.
        queue.put(text(round, 100_000)).unwrap();
    });
}

/// Runs in a process of its own.
fn drop_handles((): ()) {
    let before = Stock::now().unwrap();
    for queue in [Queue::bounded(3).unwrap(), Queue::unbounded().unwrap()] {
        queue.put(text(1, 100_000)).unwrap();
        let clone = queue.clone();
        drop(queue);
        assert_eq!(clone.get().unwrap(), text(1, 100_000), "one handle keeps it open");
        drop(clone);
    }
    before.comes_back().unwrap();
}

/// QUEUE-12
#[test]
fn dropping_the_last_handle_closes_both_ends() {
    alone(drop_handles);
}

#[test]
fn three_hundred_queues_and_processes_leave_nothing() {
    alone(make_use_and_end_many);
}

#[test]
fn a_thousand_queues_of_threads_leave_nothing() {
    alone(without_processes);
}
