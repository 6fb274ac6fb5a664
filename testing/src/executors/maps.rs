//! Maps, in chunks and with a buffer.

use std::cell::Cell;
use std::time::Duration;

use multiprocess::futures::{FutureError, MapOptions, SubmitError, TaskError};
use multiprocess::tasks;

use crate::executors::power;
use crate::{Deadline, OnStage, Stage, count, hold};

tasks![divide, hold_from_2_on, add];

fn divide((number, by): (u64, u64)) -> (u64, u64) {
    (number / by, number % by)
}

fn add((left, right): (u64, u64)) -> u64 {
    left + right
}

fn hold_from_2_on(task: u64) -> u64 {
    if task < 2 { count(task) } else { hold(task) }
}

fn chunks_of(items: usize) -> MapOptions {
    MapOptions::default().chunksize(items)
}

fn buffer_of(tasks: usize) -> MapOptions {
    MapOptions::default().buffersize(tasks)
}

/// EXEC-02
pub fn a_map_gives_the_results_in_the_order_of_its_items<E: OnStage>() {
    let executor = E::plain(3);
    let items = || (0..10).zip(0..10);
    let powers: Vec<u64> = items().map(power).collect();
    let results: Result<Vec<u64>, _> = executor.map(power, items()).unwrap().collect();
    assert_eq!(results.unwrap(), powers);
    let results = executor.map_with(chunks_of(3), power, items()).unwrap();
    assert_eq!(results.collect::<Result<Vec<u64>, _>>().unwrap(), powers);
}

/// EXEC-03: an error is one result, and the others come all the same, as in the newest Python.
pub fn a_map_goes_on_after_an_error<E: OnStage>() {
    let executor = E::plain(2);
    for chunk in [1, 3, 10] {
        let items = [5, 5, 5, 5].into_iter().zip([2, 3, 0, 5]);
        let mut results = executor.map_with(chunks_of(chunk), divide, items).unwrap();
        assert_eq!(results.next(), Some(Ok((2, 1))));
        assert_eq!(results.next(), Some(Ok((1, 2))));
        match results.next() {
            Some(Err(FutureError::Task(TaskError::Panicked { message }))) => {
                assert!(message.contains("divide by zero"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(results.next(), Some(Ok((1, 0))));
        assert_eq!(results.next(), None);
        assert_eq!(results.next(), None);
    }
}

/// EXEC-04
pub fn a_map_whose_time_is_over_ends_and_cancels_the_rest<E: OnStage>() {
    let stage = Stage::new(5);
    let executor = E::on(&stage, 1);
    let options = MapOptions::default().timeout(Duration::from_millis(500));
    let results: Vec<_> = executor.map_with(options, hold_from_2_on, 0..5).unwrap().collect();
    let (last, first) = results.split_last().unwrap();
    assert_eq!(*last, Err(FutureError::TimedOut));
    assert!(first.len() <= 2 && first.iter().all(Result::is_ok), "{first:?}");
    stage.open(1);
    drop(executor);
    assert_eq!(stage.all_begun()[3..], [0, 0]);
}

/// EXEC-06: to drop it in the middle cancels what has not begun, with and without chunks.
pub fn a_map_that_is_dropped_cancels_what_has_not_begun<E: OnStage>() {
    for (options, begin) in [(MapOptions::default(), 1), (chunks_of(4), 4), (buffer_of(3), 1)] {
        let begin = if E::IS_OF_PROCESSES { begin } else { 1 };
        let stage = Stage::new(12);
        let executor = E::on(&stage, 1);
        let mut results = executor.map_with(options, hold, 0..12).unwrap();
        stage.open(begin);
        assert_eq!(results.next(), Some(Ok(0)));
        (0..=begin).for_each(|_| _ = stage.next_waiting());
        drop(results);
        stage.open(begin);
        drop(executor);
        let begun: u64 = stage.all_begun().iter().sum();
        assert_eq!(begun, 2 * begin as u64, "{options:?}: {:?}", stage.all_begun());
    }
}

/// EXEC-B09: as a statement it makes all calls; with a buffer, as many as that.
pub fn a_map_whose_results_nobody_asks_for_makes_its_calls<E: OnStage>() {
    let options = [MapOptions::default(), chunks_of(5), buffer_of(3), buffer_of(2).chunksize(4)];
    for (options, calls) in options.into_iter().zip([12, 12, 3, 8]) {
        let stage = Stage::new(12);
        let executor = E::on(&stage, 1);
        executor.map_with(options, count, 0..12).unwrap();
        drop(executor);
        let begun: u64 = stage.all_begun().iter().sum();
        assert_eq!(begun, calls, "{options:?}: {:?}", stage.all_begun());
    }
}

/// EXEC-07
pub fn a_map_with_a_buffer_gives_the_same<E: OnStage>() {
    let executor = E::plain(2);
    for buffer in [1, 2, 4, 8] {
        let items = (0..4).zip(0..4);
        let results = executor.map_with(buffer_of(buffer), add, items.clone()).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4, 6]);
        let results = executor.map_with(buffer_of(buffer).chunksize(3), add, items).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4, 6]);
    }
}

/// EXEC-08
pub fn a_map_with_a_buffer_takes_an_endless_input<E: OnStage>() {
    let executor = E::plain(2);
    let results = executor.map_with(buffer_of(2), add, (0..).zip(0..)).unwrap();
    assert_eq!(results.map(Result::unwrap).take(3).collect::<Vec<_>>(), [0, 2, 4]);
}

/// EXEC-09
pub fn a_map_with_a_buffer_takes_no_more_of_its_input_than_that<E: OnStage>() {
    let executor = E::plain(2);
    let taken = Cell::new(0);
    let input = || {
        taken.set(0);
        (0..).inspect(|_| taken.set(taken.get() + 1)).zip(0..)
    };
    let mut results = executor.map_with(buffer_of(2), add, input()).unwrap();
    assert_eq!(taken.get(), 2);
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(taken.get(), 3);
    drop(results);
    // Of chunks, the buffer holds so many.
    let _results = executor.map_with(buffer_of(2).chunksize(5), add, input()).unwrap();
    assert_eq!(taken.get(), 10);
}

/// EXEC-10
pub fn a_map_of_nothing_is_empty<E: OnStage>() {
    let executor = E::plain(1);
    for options in [MapOptions::default(), chunks_of(3), buffer_of(1)] {
        assert!(executor.map_with(options, add, []).unwrap().next().is_none());
    }
}

/// No call is made, so none is waited for.
pub fn a_chunk_of_nothing_has_no_futures_and_no_end_waits_for_it<E: OnStage>() {
    let _deadline = Deadline::seconds(60);
    let executor = E::plain(1);
    for _ in 0..2 {
        assert_eq!(executor.submit_chunk(add, Vec::new()).unwrap().len(), 0);
        // Then with a worker.
        assert_eq!(executor.submit(add, (1, 2)).unwrap().into_result(), Ok(3));
    }
    executor.shutdown(true, false);
}

/// EXEC-11
pub fn a_map_with_a_buffer_or_chunks_of_0_is_an_error<E: OnStage>() {
    let executor = E::plain(1);
    let error = executor.map_with(buffer_of(0), add, [(1, 2)]).unwrap_err();
    assert_eq!(error.to_string(), "buffersize must be greater than 0");
    let error = executor.map_with(chunks_of(0), add, [(1, 2)]).unwrap_err();
    assert!(matches!(error, SubmitError::Zero("chunksize")), "{error}");
}

/// EXEC-B03
pub fn a_map_takes_its_whole_input_at_the_call<E: OnStage>() {
    let executor = E::plain(2);
    let taken = Cell::new(0);
    let input = (0..100).inspect(|_| taken.set(taken.get() + 1));
    let results = executor.map(add, input.zip(0..)).unwrap();
    assert_eq!(taken.get(), 100);
    assert_eq!(results.count(), 100);
    assert_eq!(executor.map(add, (0..5).zip(0..3)).unwrap().count(), 3);
}

/// Makes tests of maps: see [`on_executors!`](crate::on_executors).
#[macro_export]
macro_rules! test_maps {
    ($($executors:tt)*) => {
        $crate::on_executors!([
            a_map_gives_the_results_in_the_order_of_its_items,
            a_map_goes_on_after_an_error,
            a_map_whose_time_is_over_ends_and_cancels_the_rest,
            a_map_that_is_dropped_cancels_what_has_not_begun,
            a_map_whose_results_nobody_asks_for_makes_its_calls,
            a_map_with_a_buffer_gives_the_same,
            a_map_with_a_buffer_takes_an_endless_input,
            a_map_with_a_buffer_takes_no_more_of_its_input_than_that,
            a_map_of_nothing_is_empty,
            a_chunk_of_nothing_has_no_futures_and_no_end_waits_for_it,
            a_map_with_a_buffer_or_chunks_of_0_is_an_error,
            a_map_takes_its_whole_input_at_the_call,
        ] maps $($executors)*);
    };
}
