//! A queue between processes does what Python's `Queue`, `JoinableQueue` and `SimpleQueue` do, and
//! where these lose, hang or break, what is promised instead.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::process::abort;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::queue::{ByteQueue, Error, GetError, PutError};
use multiprocess::{Failure, Gate, Process, Queue, Waiting, tasks};
use testing::{Deadline, Random, alone, ends_well, kill_child, start, text};

multiprocess::test_entry!();
tasks![
    collect_all,
    daemon_on_my_own_queue,
    daemon_puts_one,
    die_unfinished,
    drop_what_nobody_gets,
    flush_and_die,
    get_in_vain,
    get_six,
    get_three_and_hold_them,
    get_when_told_and_finish_when_told,
    hold,
    leave_text_behind,
    leave_together,
    number,
    others_end,
    others_leave_one_after_the_other::<SOME>,
    others_leave_one_after_the_other::<65_000>,
    finish_one,
    put_1_and_let_a_child_put_2,
    put_2,
    put_and_leave,
    put_2_3_4_5,
    put_in_vain,
    put_much,
    put_texts,
    put_true_and_false,
    put_two,
    work_until_none,
];

const SHORT: Duration = Duration::from_millis(100);

/// Packs the producer and the number of its item into 64 bits.
fn numbered(producer: u64, number: u64) -> u64 {
    producer << 32 | number
}

/// Runs in the child.
fn get_six(queue: Queue<u32>) -> Result<(), Failure> {
    for expected in 1..=6 {
        assert_eq!(queue.get()?, expected);
    }
    Ok(())
}

/// QUEUE-01
#[test]
fn a_full_queue_refuses_at_once_or_after_the_timeout() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(6).unwrap();
    assert!(queue.is_empty() && !queue.is_full());
    let mut child = Process::new(get_six, queue.clone());
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    queue.put_timeout(3, SHORT).unwrap();
    queue.put_timeout(4, Duration::ZERO).unwrap();
    queue.try_put(5).unwrap();
    assert!(!queue.is_full());
    queue.put_timeout(6, Duration::MAX).unwrap();
    assert!(!queue.is_empty() && queue.is_full());

    assert!(matches!(queue.try_put(7), Err(PutError::Full(7))));
    let start = Instant::now();
    let refused = queue.put_timeout(7, SHORT);
    assert!(matches!(refused, Err(PutError::Full(7))), "{refused:?}");
    assert!(start.elapsed() >= SHORT);

    child.start().unwrap();
    ends_well(&child);
    assert!(queue.is_empty() && !queue.is_full());
}

/// Runs in the child.
fn put_2_3_4_5(queue: Queue<u32>) -> Result<(), Failure> {
    queue.put(2)?;
    queue.put_timeout(3, Duration::MAX)?;
    queue.try_put(4)?;
    Ok(queue.put(5)?)
}

/// QUEUE-02
#[test]
fn items_come_in_order_in_all_forms_of_get_and_then_it_is_empty() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::unbounded().unwrap(), Queue::bounded(6).unwrap()] {
        let _other = queue.clone();
        let child = start(put_2_3_4_5, queue.clone());
        assert_eq!(queue.get().unwrap(), 2);
        assert_eq!(queue.get_timeout(Duration::MAX).unwrap(), 3);
        ends_well(&child);
        assert_eq!(queue.get_timeout(Duration::ZERO).unwrap(), 4);
        assert_eq!(queue.try_get().unwrap(), 5);

        assert!(matches!(queue.try_get(), Err(GetError::Empty)));
        let start = Instant::now();
        let refused = queue.get_timeout(SHORT);
        assert!(matches!(refused, Err(GetError::Empty)), "{refused:?}");
        assert!(start.elapsed() >= SHORT);
    }
}

/// QUEUE-03
#[test]
fn timeouts_last_at_least_as_long_as_they_say() {
    let _deadline = Deadline::seconds(120);
    let (empty, full) = (Queue::<u32>::bounded(1).unwrap(), Queue::bounded(1).unwrap());
    let _others = (empty.clone(), full.clone());
    full.put(1).unwrap();
    for milliseconds in [0, 1, 30, 99, 101, 200] {
        let timeout = Duration::from_millis(milliseconds);
        let start = Instant::now();
        assert!(matches!(empty.get_timeout(timeout), Err(GetError::Empty)));
        assert!(start.elapsed() >= timeout);
        let start = Instant::now();
        assert!(matches!(full.put_timeout(2, timeout), Err(PutError::Full(2))));
        assert!(start.elapsed() >= timeout);
    }
}

/// QUEUE-01, QUEUE-02
#[test]
fn an_only_handle_is_told_full_or_empty_if_it_has_a_limit_and_disconnected_if_it_has_none() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(1).unwrap();
    let bytes = ByteQueue::bounded(1).unwrap();
    for timeout in [Duration::ZERO, SHORT] {
        let start = Instant::now();
        let got = queue.get_timeout(timeout);
        assert!(matches!(got, Err(GetError::Empty)), "{got:?}");
        let got = bytes.get(timeout, |_, _| (), |_| ());
        assert!(matches!(got, Err(GetError::Empty)), "{got:?}");
        assert!(start.elapsed() >= 2 * timeout);
    }
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(bytes.try_get(|_| ()), Err(GetError::Empty)));
    assert!(matches!(queue.get(), Err(GetError::Disconnected)));
    assert!(matches!(bytes.get(None, |_, _| (), |_| ()), Err(GetError::Disconnected)));
    // That is no limit.
    assert!(matches!(queue.get_timeout(Duration::MAX), Err(GetError::Disconnected)));

    queue.put(1).unwrap();
    bytes.put(b"1").unwrap();
    for timeout in [Duration::ZERO, SHORT] {
        let start = Instant::now();
        let put = queue.put_timeout(2, timeout);
        assert!(matches!(put, Err(PutError::Full(2))), "{put:?}");
        assert!(start.elapsed() >= timeout);
    }
    assert!(matches!(queue.try_put(2), Err(PutError::Full(2))));
    assert!(matches!(bytes.try_put(b"2"), Err(PutError::Full(()))));
    assert!(matches!(queue.put(2), Err(PutError::Disconnected(2))));
    assert!(matches!(bytes.put(b"2"), Err(PutError::Disconnected(()))));
    assert!(matches!(queue.put_timeout(2, Duration::MAX), Err(PutError::Disconnected(2))));
}

/// Runs in the child.
fn work_until_none((work, seen): (Queue<Option<u32>>, Queue<u32>)) -> Result<(), Failure> {
    while let Some(item) = work.get()? {
        seen.put(item)?;
        work.task_done()?;
    }
    Ok(())
}

/// QUEUE-06
#[test]
fn join_returns_when_four_workers_have_reported_all_items_done() {
    let _deadline = Deadline::seconds(120);
    let (work, seen) = (Queue::unbounded().unwrap(), Queue::unbounded().unwrap());
    let workers = [(); 4].map(|()| start(work_until_none, (work.clone(), seen.clone())));
    for round in 0..20 {
        for item in 0..10 {
            work.put(Some(10 * round + item)).unwrap();
        }
        assert_eq!(work.join().unwrap(), 0);
        let mut done: Vec<u32> = (0..10).map(|_| seen.try_get().unwrap()).collect();
        done.sort_unstable();
        assert!(done.into_iter().eq(10 * round..10 * round + 10));
    }
    for _ in &workers {
        work.put(None).unwrap();
    }
    workers.iter().for_each(ends_well);
}

/// Runs in the child.
fn put_true_and_false(queue: Queue<bool>) -> Result<(), Failure> {
    queue.put(true)?;
    Ok(queue.put(false)?)
}

/// QUEUE-11
#[test]
fn it_is_empty_until_a_child_has_put_and_again_when_all_is_got() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::unbounded().unwrap();
    assert!(queue.is_empty());
    ends_well(&start(put_true_and_false, queue.clone()));
    assert!(!queue.is_empty());
    assert!(queue.get().unwrap());
    assert!(!queue.is_empty());
    assert!(!queue.get().unwrap());
    assert!(queue.is_empty());
}

const TEN_MIB: usize = 10 << 20;

/// Runs in the child.
fn put_much(queue: Queue<String>) -> Result<(), Failure> {
    queue.put(text(1, TEN_MIB))?;
    Ok(queue.flush()?)
}

/// QUEUE-B01, QUEUE-B02
#[test]
fn a_child_that_put_ten_mebibytes_ends_at_once_and_they_arrive_whole() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::unbounded().unwrap(), Queue::bounded(1).unwrap()] {
        ends_well(&start(put_much, queue.clone()));
        assert!(queue.get().unwrap() == text(1, TEN_MIB));
    }
}

/// Runs in the child.
fn leave_text_behind((): ()) -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    queue.put(text(1, 1 << 20))?;
    queue.flush()?;
    Ok(queue.flush()?)
}

/// QUEUE-B03, QUEUE-B04
#[test]
fn a_program_ends_with_items_that_nobody_got() {
    let _deadline = Deadline::seconds(120);
    ends_well(&start(leave_text_behind, ()));
}

/// QUEUE-B12
#[test]
fn a_large_item_is_put_with_nobody_getting() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(2).unwrap();
    queue.put(text(1, 1 << 20)).unwrap();
    queue.put(text(2, 1 << 20)).unwrap();
    assert!(queue.get().unwrap() == text(1, 1 << 20));
    assert!(queue.get().unwrap() == text(2, 1 << 20));
}

/// Runs in the child.
fn get_when_told_and_finish_when_told(
    (work, seen, waiting): (Queue<u32>, Queue<u32>, Waiting),
) -> Result<(), Failure> {
    seen.put(work.get()?)?;
    waiting.wait();
    Ok(work.task_done()?)
}

/// QUEUE-B06
#[test]
fn join_is_released_by_task_done_and_not_by_get() {
    let _deadline = Deadline::seconds(120);
    let (work, seen) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
    let (gate, waiting) = Gate::new().unwrap();
    let task = (work.clone(), seen.clone(), waiting);
    let child = start(get_when_told_and_finish_when_told, task);
    work.put(5).unwrap();
    assert_eq!(seen.get().unwrap(), 5);
    let (joined, joins) = channel();
    let other = work.clone();
    let joiner = thread::spawn(move || joined.send(other.join()).unwrap());
    assert!(work.is_empty());
    assert!(joins.recv_timeout(SHORT).is_err(), "the item is got, but not done");
    gate.open();
    assert_eq!(joins.recv().unwrap().unwrap(), 0);
    joiner.join().unwrap();
    ends_well(&child);
}

/// Runs in the child.
fn put_two(queue: Queue<u32>) -> Result<(), Failure> {
    queue.put(1)?;
    Ok(queue.put(2)?)
}

/// QUEUE-B08
#[test]
fn put_on_a_full_queue_waits_until_a_get_makes_room() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(1).unwrap();
    let child = start(put_two, queue.clone());
    assert!(!child.join_timeout(4 * SHORT).unwrap());
    assert_eq!(queue.get().unwrap(), 1);
    ends_well(&child);
    assert_eq!(queue.get().unwrap(), 2);
}

/// Runs in the child.
fn put_texts((queue, producer): (Queue<(usize, usize, String)>, usize)) -> Result<(), Failure> {
    for number in 0..100 {
        queue.put((producer, number, text(producer + number, 9000)))?;
    }
    Ok(())
}

/// QUEUE-B09
#[test]
fn items_of_four_producers_arrive_whole_and_in_the_order_of_each() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::unbounded().unwrap(), Queue::bounded(3).unwrap()] {
        let producers = [0, 1, 2, 3].map(|id| start(put_texts, (queue.clone(), id)));
        let mut next = [0; 4];
        for _ in 0..400 {
            let (producer, number, got) = queue.get().unwrap();
            assert_eq!(number, next[producer]);
            assert!(got == text(producer + number, 9000));
            next[producer] += 1;
        }
        assert_eq!(next, [100; 4]);
        producers.iter().for_each(ends_well);
        assert!(queue.is_empty());
    }
}

/// Runs in the child's child.
fn daemon_puts_one(queue: Queue<u32>) -> Result<(), Failure> {
    Ok(queue.put(5)?)
}

/// Runs in the child.
fn daemon_on_my_own_queue((): ()) -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    let mut daemon = Process::new(daemon_puts_one, queue.clone()).daemonic(true);
    daemon.start()?;
    daemon.join()?;
    assert_eq!((daemon.exitcode(), queue.get()?), (Some(0), 5));
    Ok(())
}

/// PROC-26
#[test]
fn a_child_makes_a_queue_for_a_daemonic_child_of_its_own() {
    let _deadline = Deadline::seconds(120);
    ends_well(&start(daemon_on_my_own_queue, ()));
}

/// Runs in the child's child.
fn put_2(queue: Queue<u32>) -> Result<(), Failure> {
    Ok(queue.put(2)?)
}

/// Runs in the child. The grandchild may outlive its handle on the queue.
fn put_1_and_let_a_child_put_2(queue: Queue<u32>) -> Result<(), Failure> {
    queue.put(1)?;
    Process::new(put_2, queue).start()?;
    Ok(())
}

/// CONN-17
#[test]
fn a_child_hands_its_queue_on_to_its_own_child() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::unbounded().unwrap();
    let child = start(put_1_and_let_a_child_put_2, queue.clone());
    assert_eq!([queue.get().unwrap(), queue.get().unwrap()], [1, 2]);
    ends_well(&child);
    assert!(matches!(queue.get(), Err(GetError::Disconnected)));
}

/// Lengths around what fits into a slot, a page, and what keeps its memory; some large ones.
fn lengths() -> impl Iterator<Item = usize> {
    let around = [4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, 64 << 20];
    (0..=300).chain(around)
}

/// Runs in the child. The same lengths come again: in slots that had others before.
fn leave_lengths(queue: &Queue<String>) -> Result<(), Failure> {
    for length in lengths().chain(0..=300) {
        queue.put(text(length, length))?;
    }
    Ok(())
}

tasks![put_lengths, put_nothings, put_mebibytes];

/// Runs in the child.
fn put_lengths(queue: Queue<String>) -> Result<(), Failure> {
    leave_lengths(&queue)
}

#[test]
fn items_of_any_length_arrive_whole() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::unbounded().unwrap(), Queue::bounded(7).unwrap()] {
        let child = start(put_lengths, queue.clone());
        for length in lengths().chain(0..=300) {
            assert!(queue.get().unwrap() == text(length, length), "{length} bytes");
        }
        ends_well(&child);
        assert!(queue.is_empty());
    }
}

/// Runs in the child.
fn put_nothings(queue: Queue<()>) -> Result<(), Failure> {
    for _ in 0..10 {
        queue.put(())?;
    }
    Ok(())
}

#[test]
fn items_of_no_bytes_count() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(10).unwrap();
    ends_well(&start(put_nothings, queue.clone()));
    for left in (0..10).rev() {
        queue.get().unwrap();
        assert_eq!(queue.qsize(), left);
    }
}

/// Runs in the child.
fn put_mebibytes(queue: Queue<String>) -> Result<(), Failure> {
    for number in 0..65 {
        queue.put(text(number, 1 << 20))?;
    }
    Ok(())
}

#[test]
fn sixty_five_mebibytes_pass_through_one_place() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(1).unwrap();
    let child = start(put_mebibytes, queue.clone());
    for number in 0..65 {
        assert!(queue.get().unwrap() == text(number, 1 << 20), "item {number}");
    }
    ends_well(&child);
}

const EACH: u64 = 100_000;

/// Runs in the child.
fn number((queue, producer): (Queue<Option<u64>>, u64)) -> Result<(), Failure> {
    for number in 0..EACH {
        queue.put(Some(numbered(producer, number)))?;
    }
    Ok(())
}

/// Runs in the child.
fn collect_all((queue, results): (Queue<Option<u64>>, Queue<Vec<u64>>)) -> Result<(), Failure> {
    let mut all = Vec::new();
    while let Some(item) = queue.get()? {
        all.push(item);
    }
    Ok(results.put(all)?)
}

/// Two processes put, so many get: what each of these has got, in its order.
fn collected(consumers: usize, queue: &Queue<Option<u64>>) -> Vec<Vec<u64>> {
    let results = Queue::unbounded().unwrap();
    let consumers: Vec<_> =
        (0..consumers).map(|_| start(collect_all, (queue.clone(), results.clone()))).collect();
    let producers = [0, 1].map(|producer| start(number, (queue.clone(), producer)));
    producers.iter().for_each(ends_well);
    for _ in &consumers {
        queue.put(None).unwrap();
    }
    consumers.iter().for_each(ends_well);
    consumers.iter().map(|_| results.get().unwrap()).collect()
}

#[test]
fn each_consumer_gets_the_items_of_each_producer_in_order_and_each_item_comes_once() {
    let _deadline = Deadline::seconds(120);
    for (consumers, places) in [(1, 1024), (2, 1024), (2, 3)] {
        let queue = Queue::bounded(places).unwrap();
        let results = collected(consumers, &queue);
        for (result, producer) in results.iter().flat_map(|result| [(result, 0), (result, 1)]) {
            let of_one = result.iter().filter(|item| *item >> 32 == producer);
            assert!(of_one.is_sorted_by(|one, next| one < next));
        }
        let mut all = results.concat();
        all.sort_unstable();
        let of = |producer| (0..EACH).map(move |number| numbered(producer, number));
        assert!(all.into_iter().eq(of(0).chain(of(1))), "each once");
        assert!(queue.is_empty());
    }
}

#[test]
fn threads_share_clones() {
    let _deadline = Deadline::seconds(120);
    for queue in [Queue::unbounded().unwrap(), Queue::bounded(5).unwrap()] {
        let put = |queue: Queue<Option<u64>>, producer| {
            (0..10_000).for_each(|number| queue.put(Some(numbered(producer, number))).unwrap());
        };
        let get = |queue: Queue<Option<u64>>| {
            let all = std::iter::from_fn(|| queue.get().unwrap());
            all.inspect(|_| queue.task_done().unwrap()).collect::<Vec<u64>>()
        };
        let mut all = thread::scope(|scope| {
            let consumers = [(); 2].map(|()| {
                let queue = queue.clone();
                scope.spawn(move || get(queue))
            });
            let producers = [0, 1].map(|producer| {
                let queue = queue.clone();
                scope.spawn(move || put(queue, producer))
            });
            for producer in producers {
                producer.join().unwrap();
            }
            consumers.iter().for_each(|_| queue.put(None).unwrap());
            consumers.map(|consumer| consumer.join().unwrap()).concat()
        });
        all.sort_unstable();
        let of = |producer| (0..10_000).map(move |number| numbered(producer, number));
        assert!(all.into_iter().eq(of(0).chain(of(1))));
        assert_eq!(queue.qsize(), 0);
        // The two end markers: any thread of the process may report them.
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        assert_eq!(queue.join().unwrap(), 0);
    }
}

/// Runs in the child.
fn hold((_queue, waiting): (Queue<u32>, Waiting)) {
    waiting.wait();
}

/// Runs in the child.
fn get_in_vain(queue: Queue<u32>) {
    let got = queue.get();
    assert!(matches!(got, Err(GetError::Disconnected)), "{got:?}");
}

/// Runs in the child.
fn put_in_vain(queue: Queue<u32>) {
    let put = queue.put(7);
    assert!(matches!(put, Err(PutError::Disconnected(7))), "{put:?}");
}

/// Runs in a process of its own.
fn others_end((): ()) {
    let _deadline = Deadline::seconds(120);
    for killed in [false, true] {
        for full in [false, true] {
            let queue = Queue::bounded(1).unwrap();
            let (gate, waiting) = Gate::new().unwrap();
            let other = start(hold, (queue.clone(), waiting));
            let blocked = if full {
                queue.put(1).unwrap();
                start(put_in_vain, queue)
            } else {
                start(get_in_vain, queue)
            };
            assert!(!blocked.join_timeout(SHORT).unwrap());
            if killed {
                kill_child(&other);
            }
            gate.open();
            ends_well(&blocked);
        }
    }
}

#[test]
fn who_waits_in_vain_is_told_when_the_last_other_has_ended_or_was_killed() {
    alone(others_end);
}

#[test]
fn qsize_is_empty_and_is_full_are_exact_at_rest() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(3).unwrap();
    let mut model = VecDeque::new();
    let mut random = Random(42);
    for number in 0..2000 {
        let length = [1, 300, 100_000][random.below(3) as usize];
        if random.below(2) == 0 {
            let put = queue.try_put(text(number, length));
            assert_eq!(put.is_ok(), model.len() < 3);
            if put.is_ok() {
                model.push_back(text(number, length));
            }
        } else {
            assert!(queue.try_get().ok() == model.pop_front());
        }
        assert_eq!(queue.qsize(), model.len());
        assert_eq!(queue.is_empty(), model.is_empty());
        assert_eq!(queue.is_full(), model.len() == 3);
    }
    let queue = Queue::unbounded().unwrap();
    for number in 0..3000 {
        assert_eq!(queue.qsize(), number);
        queue.put(number).unwrap();
        assert!(!queue.is_empty() && !queue.is_full());
    }
    assert!((0..3000).all(|number| queue.get().unwrap() == number));
}

const MANY: u32 = 100_000;

/// Runs in the child. Its death can't harm what was flushed.
fn flush_and_die((queue, gate): (Queue<u32>, Queue<()>)) -> Result<(), Failure> {
    for number in 0..MANY {
        queue.put(number)?;
    }
    assert_eq!(queue.qsize(), MANY as usize);
    gate.put(())?;
    queue.flush()?;
    abort()
}

#[test]
fn an_unbounded_queue_takes_100_000_items_and_what_was_flushed_survives_its_producer() {
    let _deadline = Deadline::seconds(120);
    let (queue, gate) = (Queue::unbounded().unwrap(), Queue::bounded(1).unwrap());
    let producer = start(flush_and_die, (queue.clone(), gate.clone()));
    gate.get().unwrap();
    for number in 0..MANY {
        assert_eq!(queue.get().unwrap(), number);
    }
    producer.join().unwrap();
    assert_eq!(producer.exitcode(), Some(-6));
    assert!(matches!(queue.get(), Err(GetError::Disconnected)));
    assert!(queue.is_empty());
}

/// Runs in a process of its own.
fn drop_what_nobody_gets((): ()) {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::unbounded().unwrap();
    let other = queue.clone();
    (0..3000).for_each(|number| queue.put(number).unwrap());
    drop(queue);
    assert_eq!(other.get().unwrap(), 0, "the items live as long as a handle");
    assert!(matches!(other.flush(), Err(Error::Disconnected)));
    drop(other);
}

#[test]
fn an_unbounded_queue_that_nobody_else_uses_can_be_dropped_with_items() {
    alone(drop_what_nobody_gets);
}

/// Runs in the child. Its items are more than there are slots.
fn put_and_leave((queue, ready, waiting): (Queue<u32>, Queue<()>, Waiting)) -> Result<(), Failure> {
    (0..3000).try_for_each(|number| queue.put(number))?;
    ready.put(())?;
    waiting.wait();
    Ok(())
}

/// Runs in a process of its own.
fn leave_together((): ()) {
    let _deadline = Deadline::seconds(120);
    let (queue, ready) = (Queue::unbounded().unwrap(), Queue::bounded(2).unwrap());
    let gates = [(); 2].map(|()| Gate::new().unwrap());
    let leaving = gates.map(|(gate, waiting)| {
        let task = (queue.clone(), ready.clone(), waiting);
        let mut process = Process::new(put_and_leave, task).daemonic(true);
        process.start().unwrap();
        (process, gate)
    });
    drop(queue);
    leaving.iter().for_each(|_| ready.get().unwrap());
    let leaving = leaving.map(|(process, gate)| {
        gate.open();
        process
    });
    leaving.iter().for_each(ends_well);
}

#[test]
fn who_only_waits_for_room_keeps_no_other_waiting_for_room() {
    alone(leave_together);
}

/// Runs in the child.
fn get_three_and_hold_them(
    (work, seen, waiting): (Queue<u32>, Queue<u32>, Waiting),
) -> Result<(), Failure> {
    for _ in 0..3 {
        seen.put(work.get()?)?;
    }
    waiting.wait();
    Ok(())
}

/// Runs in a process of its own.
fn die_unfinished((): ()) {
    let _deadline = Deadline::seconds(120);
    let (work, seen) = (Queue::bounded(10).unwrap(), Queue::bounded(10).unwrap());
    let (_gate, waiting) = Gate::new().unwrap();
    let holder = start(get_three_and_hold_them, (work.clone(), seen.clone(), waiting));
    for item in 0..5 {
        work.put(item).unwrap();
    }
    (0..3).for_each(|item| assert_eq!(seen.get().unwrap(), item));
    kill_child(&holder);
    assert_eq!(work.qsize(), 2, "those that it held are not in the queue");
    (3..5).for_each(|item| assert_eq!(work.get().unwrap(), item));
    work.task_done().unwrap();
    work.task_done().unwrap();
    assert_eq!(work.join().unwrap(), 3);
    assert_eq!(work.join().unwrap(), 0, "each is reported once");

    // The same with a join that waits already.
    let (_gate, waiting) = Gate::new().unwrap();
    let holder = start(get_three_and_hold_them, (work.clone(), seen.clone(), waiting));
    (0..3).for_each(|item| work.put(item).unwrap());
    (0..3).for_each(|item| assert_eq!(seen.get().unwrap(), item));
    thread::scope(|scope| {
        let join = scope.spawn(|| work.join());
        kill_child(&holder);
        assert_eq!(join.join().unwrap().unwrap(), 3);
    });
}

#[test]
fn join_reports_how_many_died_with_a_killed_worker() {
    alone(die_unfinished);
}

#[test]
fn join_sees_that_all_is_done_also_if_the_last_other_is_just_leaving() {
    let _deadline = Deadline::seconds(120);
    for round in 0..500 {
        let queue = Queue::unbounded().unwrap();
        let other = queue.clone();
        let worker = thread::spawn(move || {
            for _ in 0..50 {
                other.get().unwrap();
                other.task_done().unwrap();
            }
        });
        (0..50).for_each(|item| queue.put(item).unwrap());
        assert_eq!(queue.join().unwrap(), 0, "round {round}");
        worker.join().unwrap();
    }
}

#[test]
fn task_done_too_often_is_an_error() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::bounded(2).unwrap();
    assert!(matches!(queue.task_done(), Err(Error::DoneTooOften)));
    queue.put(1).unwrap();
    assert!(matches!(queue.task_done(), Err(Error::DoneTooOften)));
    queue.get().unwrap();
    queue.task_done().unwrap();
    assert!(matches!(queue.task_done(), Err(Error::DoneTooOften)));
    assert_eq!(queue.join().unwrap(), 0);
}

/// Number of processes that come and go. To start one takes longer on Windows, in Wine much longer.
const SOME: u32 = if cfg!(windows) { 300 } else { 3_000 };

/// Runs in the child.
fn finish_one(queue: Queue<u32>) -> Result<(), Failure> {
    queue.get()?;
    Ok(queue.task_done()?)
}

/// Runs in a process of its own.
fn others_leave_one_after_the_other<const OTHERS: u32>((): ()) {
    let queue = Queue::bounded(2).unwrap();
    for number in 0..OTHERS {
        let child = start(finish_one, queue.clone());
        queue.put(number).unwrap();
        assert_eq!(queue.join().unwrap(), 0, "after {number}");
        ends_well(&child);
    }
    queue.put(7).unwrap();
    assert_eq!((queue.qsize(), queue.get().unwrap()), (1, 7));
}

#[test]
fn many_processes_come_and_go() {
    alone(others_leave_one_after_the_other::<SOME>);
}

#[test]
#[ignore = "long"]
fn sixty_five_thousand_processes_come_and_go() {
    ends_well(&start(others_leave_one_after_the_other::<65_000>, ()));
}

/// What other systems don't have.
#[cfg(unix)]
mod on_unix {
    use std::fs::File;
    use std::io::{PipeReader, pipe};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::stdio::dup2_stderr;
    use serde::{Deserialize, Serialize};

    use super::*;

    tasks![become_cat, drop_items_unheard, others_exec];

    /// Runs in a process of its own, whose messages nobody reads.
    fn drop_items_unheard((): ()) {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        dup2_stderr(&writer).unwrap();
        drop_what_nobody_gets(());
    }

    #[test]
    fn a_dropped_queue_needs_nobody_to_hear_what_it_says() {
        alone(drop_items_unheard);
    }

    /// A pipe at whose end of file a process ends that reads it.
    #[derive(Serialize, Deserialize)]
    struct StandardInput(#[serde(with = "multiprocess::process::handover")] PipeReader);

    /// Runs in the child. From `exec` on it is another program, which has the same process id.
    fn become_cat((queue, input): (Queue<u32>, StandardInput)) -> Result<(), Failure> {
        queue.get()?;
        let mut cat = Command::new("cat");
        let error = cat.stdin(Stdio::from(input.0)).stdout(File::create("/dev/null")?).exec();
        Err(error.into())
    }

    /// Runs in a process of its own.
    fn others_exec((): ()) {
        let _deadline = Deadline::seconds(120);
        let queue = Queue::bounded(2).unwrap();
        let (reader, writer) = pipe().unwrap();
        let child = start(become_cat, (queue.clone(), StandardInput(reader)));
        queue.put(1).unwrap();
        assert_eq!(queue.join().unwrap(), 1, "what it had got is lost");
        assert!(matches!(queue.get(), Err(GetError::Disconnected)));
        assert!(child.is_alive());
        drop(writer);
        ends_well(&child);
    }

    #[test]
    fn who_becomes_another_program_counts_as_gone() {
        alone(others_exec);
    }
}
