//! The rows of the table: what a worker's death means for its task.

use super::*;
use crate::pool::message::{Task, push, some_function};

/// Number of workers, and the only one that has a task.
const WORKERS: usize = 2;
const WORKER: usize = 1;

/// The first items of two tasks in a row.
const EARLIER: u64 = 8;
const FIRST: u64 = 10;

/// Capacity of the queue, and the chunk's position there: the next one is an earlier slot.
const CAPACITY: usize = 4;
const POSITION: u64 = 3;

/// A worker that has items 10 to 13 of a job.
struct Chunk {
    ledger: Ledger<&'static str>,
    job: u64,
    bytes: u64,
}

impl Chunk {
    fn new() -> Self {
        let mut ledger = Ledger::new(WORKERS, CAPACITY);
        let job = ledger.open_job("sink", None).unwrap();
        let mut chunk = Self { ledger, job, bytes: 0 };
        chunk.submit(FIRST..14);
        chunk.bytes = chunk.ledger.next_to_put().unwrap().len() as u64;
        assert_eq!(chunk.next(), FIRST..14);
        chunk.ledger.was_put(POSITION);
        assert_eq!((chunk.ledger.unfinished(), chunk.next()), (1, 0..0));
        chunk
    }

    /// More items are submitted as a task.
    fn submit(&mut self, items: Range<u64>) {
        let mut message = Message::default();
        message.begin(Task { job: self.job, first: items.start, function: some_function() });
        items.clone().for_each(|item| message.push(&item).unwrap());
        self.ledger.submitted(self.job, items, message.bytes());
    }

    /// The worker reports items of its task, or of an earlier one.
    fn reported(&mut self, first: u64, to: u64, is_last: bool) {
        let (worker, job, ends) = (WORKER, self.job, is_last.then_some(self.bytes));
        let progress = Progress { worker, job, first, from: first, to, ends };
        assert_eq!(self.ledger.reported(progress), Some(&"sink"));
    }

    /// The worker dies at this item; `kept` are its results that it has not reported.
    fn died<'k>(&mut self, item: u64, kept: &'k Kept) -> Option<Death<'k, &'static str>> {
        let (job, first, delivery, bytes) = (self.job, FIRST, 7, self.bytes);
        let intent = Intent { job, first, item, delivery, bytes };
        self.ledger.died(WORKER, Some(intent), kept)
    }

    /// Returns the items that are next to be put into the queue.
    fn next(&mut self) -> Range<u64> {
        let Some(message) = self.ledger.next_to_put() else { return 0..0 };
        let (task, items) = Items::of(message).unwrap();
        task.first..task.first + items.count() as u64
    }
}

/// Results "10", "11" and so on of these items.
fn kept(items: Range<u64>) -> Kept {
    let mut results = Vec::new();
    for item in items.clone() {
        let write = |bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(item.to_string().as_bytes());
            Ok::<_, ()>(())
        };
        push(&mut results, write).unwrap();
    }
    Kept { from: items.start, results }
}

#[test]
fn a_worker_without_a_record_had_no_task() {
    let mut chunk = Chunk::new();
    assert_eq!(chunk.ledger.died(WORKER, None, &kept(0..0)), None);
    assert_eq!((chunk.ledger.unfinished(), chunk.next()), (1, 0..0));
}

#[test]
fn a_task_that_was_given_back_never_ran_but_the_next_time_it_may_be_lost() {
    let mut chunk = Chunk::new();
    chunk.ledger.were_given_back(&[6, 7]);
    assert_eq!(chunk.died(10, &kept(0..0)), None);
    assert_eq!((chunk.ledger.unfinished(), chunk.next()), (1, 0..0));
    assert_eq!(chunk.died(10, &kept(0..0)).unwrap().lost, Some(10));
}

#[test]
fn an_item_without_a_result_dies_and_those_behind_it_run_again() {
    for item in FIRST..14 {
        let mut chunk = Chunk::new();
        if item > FIRST {
            chunk.reported(FIRST, item - 1, false);
        }
        let death = Death { job: 1, sink: Some("sink"), results: Vec::new(), lost: Some(item) };
        assert_eq!(chunk.died(item, &kept(0..0)), Some(death));
        let again = if item == 13 { 0..0 } else { item + 1..14 };
        assert_eq!(chunk.ledger.unfinished(), usize::from(item < 13));
        assert_eq!(chunk.next(), again);
    }
}

#[test]
fn an_item_whose_result_was_reported_lives() {
    for item in FIRST..13 {
        let mut chunk = Chunk::new();
        chunk.reported(FIRST, item, false);
        let death = Death { job: 1, sink: Some("sink"), results: Vec::new(), lost: None };
        assert_eq!(chunk.died(item, &kept(0..0)), Some(death));
        assert_eq!((chunk.ledger.unfinished(), chunk.next()), (1, item + 1..14));
    }
}

#[test]
fn an_item_whose_result_was_kept_lives_and_the_result_is_delivered() {
    let mut chunk = Chunk::new();
    chunk.reported(FIRST, 10, false);
    // The worker died before it dropped the results that it had reported.
    let kept = kept(10..13);
    let death = chunk.died(12, &kept).unwrap();
    assert_eq!(death.results, [(11, b"11".as_slice()), (12, b"12")]);
    assert_eq!(death.lost, None);
    assert_eq!(chunk.next(), 13..14);
}

#[test]
fn an_item_behind_the_kept_results_dies() {
    let mut chunk = Chunk::new();
    let kept = kept(10..12);
    let death = chunk.died(12, &kept).unwrap();
    assert_eq!(death.results, [(10, b"10".as_slice()), (11, b"11")]);
    assert_eq!(death.lost, Some(12));
    assert_eq!(chunk.next(), 13..14);
}

#[test]
fn a_task_whose_end_was_reported_is_not_lost() {
    let mut chunk = Chunk::new();
    chunk.reported(FIRST, 13, true);
    assert_eq!(chunk.died(13, &kept(10..13)), None);
    assert_eq!((chunk.ledger.unfinished(), chunk.next()), (0, 0..0));
}

#[test]
fn a_report_about_an_earlier_task_says_nothing_about_this_one() {
    let mut chunk = Chunk::new();
    // A second task is outstanding: the earlier one.
    chunk.ledger.was_put_at_once(1, 0, POSITION + 1);
    chunk.reported(EARLIER, 12, true);
    assert_eq!(chunk.died(10, &kept(0..0)).unwrap().lost, Some(10));
    assert_eq!(chunk.next(), 11..14);
}

#[test]
fn the_next_worker_in_the_slot_has_reported_nothing() {
    let mut chunk = Chunk::new();
    chunk.reported(FIRST, 12, false);
    assert_eq!(chunk.ledger.died(WORKER, None, &kept(0..0)), None);
    assert_eq!(chunk.died(10, &kept(0..0)).unwrap().lost, Some(10));
}

#[test]
fn the_items_behind_the_dead_one_run_before_those_that_wait() {
    let mut chunk = Chunk::new();
    chunk.submit(20..21);
    assert_eq!(chunk.died(10, &kept(0..0)).unwrap().lost, Some(10));
    assert_eq!(chunk.next(), 11..14);
    chunk.ledger.was_put(POSITION + 1);
    assert_eq!(chunk.next(), 20..21);
}

#[test]
fn a_job_of_which_an_item_has_died_is_not_cancelled_and_neither_is_its_rest() {
    let mut chunk = Chunk::new();
    assert_eq!(chunk.died(10, &kept(0..0)).unwrap().lost, Some(10));
    assert_eq!(chunk.next(), 11..14);
    chunk.ledger.was_put(POSITION + 1);
    let has_begun = |position| position == POSITION;
    let cancel = |position| panic!("the task at {position} is cancelled");
    assert!(!chunk.ledger.cancel(chunk.job, cancel));
    assert!(chunk.ledger.cancel_waiting(1, has_begun, cancel).is_empty());
    assert!(chunk.ledger.has_begun(chunk.job, |_| false));
}

#[test]
fn jobs_that_wait_are_cancelled_but_for_those_that_free_workers_are_about_to_take() {
    let mut ledger = Ledger::new(3, CAPACITY);
    let jobs: Vec<u64> = (0..6).map(|_| ledger.open_job("sink", None).unwrap()).collect();
    for (position, job) in (0..5).zip(&jobs) {
        ledger.was_put_at_once(*job, 0, position);
    }
    ledger.submitted(jobs[5], 0..1, &[]);
    // Job 0 has begun, because its slot was used again, and so has job 4. That leaves one worker
    // for job 1. Job 3 begins just now.
    let cancelled = ledger.cancel_waiting(3, |position| position == 4, |position| position != 3);
    assert!(cancelled.into_keys().eq([jobs[2], jobs[5]]));
    assert_eq!(ledger.unfinished(), 5);
    assert!(ledger.jobs.into_keys().eq([0, 1, 3, 4].map(|job| jobs[job])));
}

#[test]
fn beyond_one_for_each_worker_tasks_wait_while_the_queue_holds_much() {
    let mut ledger = Ledger::new(WORKERS, CAPACITY);
    let job = ledger.open_job("sink", None).unwrap();
    let large = BYTES as usize;
    for position in 0..3 {
        assert!(ledger.can_be_put_at_once(job, large), "{position}");
        ledger.was_put_at_once(job, large, position);
    }
    assert!(!ledger.can_be_put_at_once(job, 0));
    let progress = Progress { job, ends: Some(BYTES), ..Progress::default() };
    for _ in 0..2 {
        assert_eq!(ledger.reported(progress), Some(&"sink"));
        assert!(ledger.can_be_put_at_once(job, large));
    }
}

#[test]
fn nothing_of_a_closed_job_runs_again() {
    let mut chunk = Chunk::new();
    assert!(chunk.ledger.close_job(chunk.job, |_| ()).is_some());
    let death = Death { job: 1, sink: None, results: Vec::new(), lost: Some(11) };
    assert_eq!(chunk.died(11, &kept(0..0)), Some(death));
    assert!(chunk.ledger.is_idle());
}

#[test]
fn a_record_of_any_kind_costs_no_more_than_its_task() {
    for (job, first, item) in [(1, FIRST, u64::MAX), (1, FIRST, 0), (1, 11, 11), (9, FIRST, 11)] {
        let mut chunk = Chunk::new();
        let intent = Intent { job, first, item, delivery: 7, bytes: u64::MAX };
        let _ = chunk.ledger.died(WORKER, Some(intent), &kept(0..0));
        let _ = chunk.ledger.died(WORKERS, Some(intent), &kept(0..0));
        assert_eq!(chunk.ledger.outstanding, Outstanding::default());
    }
}
