//! What an unbounded queue has accepted arrives, in whatever way its producer ends, but by a kill
//! or an abort; and no end waits for items to be got.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::process::exit;
use std::sync::atomic::Ordering;
use std::thread;

use multiprocess::queue::{Error, GetError, Words};
use multiprocess::{Exit, Failure, Gate, Process, Queue, Waiting, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, ends_well, kill_child, start, text};

multiprocess::test_entry!();
tasks![
    count_all,
    get_in_order,
    get_some_and_wait,
    hold,
    leave_many_behind,
    lose_what_nobody_gets,
    number_and_exit,
    produce,
    put_and_exit,
    wait_and_get,
];

/// More than there are slots.
const MANY: usize = 3000;

/// How a producer ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum End {
    Returns,
    Fails,
    Panics,
    Exits,
    ExitsInAThread,
    /// A handle is never dropped: by a thread that goes on, for example.
    ReturnsWithAHandleLeft,
}

/// Whether `std::process::exit` tells anybody: not in Wine 8, where the tests of Windows run.
const EXIT_IS_TOLD: bool = cfg!(unix);

const ENDS: &[End] = &[
    End::Returns,
    End::Fails,
    End::Panics,
    End::ReturnsWithAHandleLeft,
    End::Exits,
    End::ExitsInAThread,
];

fn ends() -> impl Iterator<Item = End> {
    let exits = |end: &End| matches!(end, End::Exits | End::ExitsInAThread);
    ENDS.iter().copied().filter(move |end| EXIT_IS_TOLD || !exits(end))
}

/// Some items fit into a slot, some don't, and a few only into a window.
fn item(number: usize) -> String {
    text(number, if number.is_multiple_of(1000) { 2 << 20 } else { number % 500 })
}

/// Runs in the child.
fn produce((queue, end): (Queue<String>, End)) -> Result<Exit, Failure> {
    (0..MANY).try_for_each(|number| queue.put(item(number)))?;
    match end {
        End::Returns => {}
        End::Fails => return Err(Failure::new("as it should")),
        End::Panics => panic!("as it should"),
        End::Exits => exit(7),
        End::ExitsInAThread => thread::spawn(|| exit(7)).join().unwrap(),
        End::ReturnsWithAHandleLeft => std::mem::forget(queue),
    }
    Ok(Exit(7))
}

/// QUEUE-B01, QUEUE-B02
#[test]
fn all_that_was_put_arrives_although_its_producer_was_joined_first() {
    let _deadline = Deadline::seconds(300);
    for end in ends() {
        let queue = Queue::unbounded().unwrap();
        let child = start(produce, (queue.clone(), end));
        child.join().unwrap();
        let code = if matches!(end, End::Fails | End::Panics) { 1 } else { 7 };
        assert_eq!(child.exitcode(), Some(code), "{end:?}");
        for number in 0..MANY {
            assert_eq!(queue.qsize(), MANY - number);
            assert!(queue.get().unwrap() == item(number), "{end:?}: {number}");
            queue.task_done().unwrap();
        }
        assert_eq!(queue.join().unwrap(), 0);
        assert!(queue.is_empty());
        assert!(matches!(queue.get(), Err(GetError::Disconnected)));
    }
}

#[test]
fn what_was_left_behind_comes_before_what_was_put_later() {
    let _deadline = Deadline::seconds(300);
    let queue = Queue::unbounded().unwrap();
    for end in [End::ReturnsWithAHandleLeft, End::Returns] {
        start(produce, (queue.clone(), end)).join().unwrap();
    }
    (0..MANY).for_each(|number| queue.put(item(number)).unwrap());
    for number in 0..3 * MANY {
        assert!(queue.get().unwrap() == item(number % MANY), "{number}");
    }
    assert!(queue.is_empty());
}

const PRODUCERS: usize = 5;
const CONSUMERS: usize = 3;

/// The producer, the number and the content of an item.
type Numbered = Queue<(usize, usize, Vec<u8>)>;

/// Runs in a child.
fn number_and_exit((queue, producer): (Numbered, usize)) -> Result<(), Failure> {
    for number in 0..MANY {
        let length = if number.is_multiple_of(100) { 1 << 18 } else { 10 };
        queue.put((producer, number, vec![0; length]))?;
    }
    exit(0)
}

/// Runs in a child: gets until there is an item without a producer.
fn get_in_order((queue, said): (Numbered, Queue<usize>)) -> Result<(), Failure> {
    let (mut last, mut count) = ([None; PRODUCERS], 0);
    loop {
        let (producer, number, _) = queue.get()?;
        queue.task_done()?;
        let Some(last) = last.get_mut(producer) else { return Ok(said.put(count)?) };
        assert!(*last < Some(number), "{producer}: {number} after {last:?}");
        (*last, count) = (Some(number), count + 1);
    }
}

#[test]
fn the_items_of_producers_that_exit_while_others_get_keep_their_order() {
    let _deadline = Deadline::seconds(300);
    if !EXIT_IS_TOLD {
        return;
    }
    let (queue, said) = (Numbered::unbounded().unwrap(), Queue::unbounded().unwrap());
    let consumers: Vec<Process> =
        (0..CONSUMERS).map(|_| start(get_in_order, (queue.clone(), said.clone()))).collect();
    let producers: Vec<Process> =
        (0..PRODUCERS).map(|number| start(number_and_exit, (queue.clone(), number))).collect();
    producers.iter().for_each(ends_well);
    assert_eq!(queue.join().unwrap(), 0);
    (0..CONSUMERS).for_each(|_| queue.put((PRODUCERS, 0, Vec::new())).unwrap());
    consumers.iter().for_each(ends_well);
    assert_eq!((0..CONSUMERS).map(|_| said.get().unwrap()).sum::<usize>(), PRODUCERS * MANY);
}

/// Runs in the child.
fn get_and_say((queue, said): (Queue<String>, Queue<usize>)) -> Result<(), Failure> {
    for number in 0..MANY {
        assert!(queue.get()? == item(number), "{number}");
    }
    Ok(said.put(MANY)?)
}

/// Runs in a process of its own, which exits as a `main` does: with a child that goes on.
fn put_and_exit((said, by_return): (Queue<usize>, bool)) -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    let (gate, waiting) = Gate::new()?;
    let mut consumer = Process::new(wait_and_get, (queue.clone(), said, waiting));
    consumer.start()?;
    (0..MANY).try_for_each(|number| queue.put(item(number)))?;
    if by_return {
        gate.open();
        std::mem::forget(queue);
        return Ok(());
    }
    // The gate opens by the end of this process: nothing is got before.
    exit(0)
}

/// Runs in the child's child.
fn wait_and_get(
    (queue, said, waiting): (Queue<String>, Queue<usize>, Waiting),
) -> Result<(), Failure> {
    waiting.wait();
    get_and_say((queue, said))
}

#[test]
fn a_consumer_gets_all_that_its_parent_had_put_before_that_exited() {
    let _deadline = Deadline::seconds(300);
    for by_return in [true, !EXIT_IS_TOLD] {
        let said = Queue::bounded(1).unwrap();
        let parent = start(put_and_exit, (said.clone(), by_return));
        ends_well(&parent);
        assert_eq!(said.get().unwrap(), MANY);
        assert!(matches!(said.get(), Err(GetError::Disconnected)), "both have ended");
    }
}

/// Runs in the child.
fn hold((_queue, waiting): (Queue<String>, Waiting)) {
    waiting.wait();
}

/// Runs in a process of its own: no consumer is left when it ends.
fn lose_what_nobody_gets(end: End) -> Result<Exit, Failure> {
    let queue = Queue::unbounded()?;
    let (_gate, waiting) = Gate::new()?;
    kill_child(&start(hold, (queue.clone(), waiting)));
    produce((queue, end))
}

#[test]
fn an_end_does_not_wait_for_consumers_that_are_gone() {
    let _deadline = Deadline::seconds(300);
    for end in ends() {
        let child = start(lose_what_nobody_gets, end);
        child.join().unwrap();
        let code = if matches!(end, End::Fails | End::Panics) { 1 } else { 7 };
        assert_eq!(child.exitcode(), Some(code), "{end:?}");
    }
}

/// Runs in the child.
fn leave_many_behind((queue, producer): (Queue<(usize, usize)>, usize)) -> Result<(), Failure> {
    Ok((0..MANY).try_for_each(|number| queue.put((producer, number)))?)
}

/// Runs in the child.
fn count_all((queue, counts): (Queue<(usize, usize)>, Words)) {
    let mut next = [None; 5];
    while let Ok((producer, number)) = queue.try_get() {
        assert!(Some(number) > next[producer], "in the order of each producer");
        next[producer] = Some(number);
        counts[producer * MANY + number].fetch_add(1, Ordering::AcqRel);
        queue.task_done().unwrap();
    }
}

#[test]
fn several_that_exit_together_and_several_that_get_agree() {
    let _deadline = Deadline::seconds(300);
    let (queue, counts) = (Queue::unbounded().unwrap(), Words::new(5 * MANY).unwrap());
    let producers = [0, 1, 2, 3, 4].map(|number| start(leave_many_behind, (queue.clone(), number)));
    producers.iter().for_each(ends_well);
    let consumers = [(); 3].map(|()| start(count_all, (queue.clone(), counts.clone())));
    consumers.iter().for_each(ends_well);
    assert!(counts.iter().all(|count| count.load(Ordering::Acquire) == 1), "each once");
    assert_eq!(queue.join().unwrap(), 0);
}

/// Runs in the child.
fn get_some_and_wait(
    (queue, counts, waiting): (Queue<(usize, usize)>, Words, Waiting),
) -> Result<(), Failure> {
    for _ in 0..1500 {
        let (producer, number) = queue.get()?;
        counts[producer * MANY + number].fetch_add(1, Ordering::AcqRel);
    }
    waiting.wait();
    Ok(())
}

#[test]
fn a_consumer_that_is_killed_takes_none_of_what_was_left_behind_but_what_it_had_got() {
    let _deadline = Deadline::seconds(300);
    let (queue, counts) = (Queue::unbounded().unwrap(), Words::new(MANY).unwrap());
    ends_well(&start(leave_many_behind, (queue.clone(), 0)));
    let (_gate, waiting) = Gate::new().unwrap();
    let consumer = start(get_some_and_wait, (queue.clone(), counts.clone(), waiting));
    while counts.iter().filter(|count| count.load(Ordering::Acquire) == 1).count() < 1500 {
        thread::yield_now();
    }
    kill_child(&consumer);
    ends_well(&start(count_all, (queue.clone(), counts.clone())));
    assert!(counts.iter().all(|count| count.load(Ordering::Acquire) == 1), "each once");
    assert_eq!(queue.join().unwrap(), 1500, "it had not reported them done");
}

#[test]
fn who_is_alone_with_what_was_left_behind_can_get_it_but_not_wait_for_its_end() {
    let _deadline = Deadline::seconds(300);
    let queue = Queue::unbounded().unwrap();
    ends_well(&start(leave_many_behind, (queue.clone(), 0)));
    for number in 0..1024 {
        assert_eq!(queue.get().unwrap(), (0, number));
        queue.task_done().unwrap();
    }
    assert!(matches!(queue.join(), Err(Error::Disconnected)));
    assert_eq!(queue.qsize(), MANY - 1024);
    (1024..MANY).for_each(|number| assert_eq!(queue.get().unwrap(), (0, number)));
}

/// What needs to be told of an exit while other threads are at work.
#[cfg(unix)]
mod on_unix {
    use super::*;

    tasks![exit_while_others_put];

    const THREADS: usize = 4;

    /// Runs in the child. Each thread puts its items and notes how many puts have returned.
    fn exit_while_others_put((queue, returned): (Queue<(usize, u64)>, Words)) {
        for thread in 0..THREADS {
            let (queue, returned) = (queue.clone(), returned.clone());
            thread::spawn(move || {
                for number in 0.. {
                    queue.put((thread, number)).unwrap();
                    returned[thread].store(number + 1, Ordering::Release);
                }
            });
        }
        while returned.iter().any(|count| count.load(Ordering::Acquire) < 500) {
            thread::yield_now();
        }
        exit(7)
    }

    #[test]
    fn each_put_that_has_returned_counts_although_another_thread_exits_meanwhile() {
        let _deadline = Deadline::seconds(300);
        for _ in 0..10 {
            let (queue, returned) = (Queue::unbounded().unwrap(), Words::new(THREADS).unwrap());
            let child = start(exit_while_others_put, (queue.clone(), returned.clone()));
            child.join().unwrap();
            assert_eq!(child.exitcode(), Some(7));
            let mut got = [0; THREADS];
            while let Ok((thread, number)) = queue.try_get() {
                assert_eq!(number, got[thread], "in order, none twice");
                got[thread] += 1;
            }
            for (got, returned) in got.iter().zip(returned.iter()) {
                assert!(*got >= returned.load(Ordering::Acquire));
            }
        }
    }
}
