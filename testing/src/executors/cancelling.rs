//! Cancelling from other threads at any instant.

#![expect(missing_docs, reason = "the name of a test is the sentence that it proves")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::futures::{Future, FutureError};

use crate::{OnStage, Random, Stage, count};

/// Calls of a round.
const CALLS: u64 = 1000;

pub fn cancelled_never_ran_and_the_others_ran_once<E: OnStage>() {
    let begun = Instant::now();
    let (mut cancelled, mut ran, mut seed) = (0, 0, 1);
    // Longer where the calls are over before a thread comes to cancel one; the deadline ends that.
    while begun.elapsed() < Duration::from_millis(800) || cancelled == 0 || ran == 0 {
        let stage = Stage::new(CALLS as usize);
        let executor = E::on(&stage, 2);
        // The first worker is there.
        executor.submit(crate::pid_of_worker, 0).unwrap().into_result().unwrap();
        let called_back = Arc::new(AtomicU64::new(0));
        let futures: Vec<Future<u64>> = thread::scope(|scope| {
            let cancellers = [(); 2].map(|()| {
                seed += 1;
                let (tell, told) = std::sync::mpsc::channel::<Future<u64>>();
                let mut random = Random(seed);
                let cancel = move || {
                    for future in told {
                        if random.below(2) == 0 {
                            (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
                            let answer = future.cancel();
                            assert!(!answer || future.cancelled());
                        }
                    }
                };
                scope.spawn(cancel);
                tell
            });
            (0..CALLS)
                .map(|call| {
                    let future = executor.submit(count, call).unwrap();
                    let called_back = Arc::clone(&called_back);
                    future.add_done_callback(move |future| {
                        assert!(future.done());
                        called_back.fetch_add(1, Ordering::SeqCst);
                    });
                    cancellers.iter().for_each(|tell| tell.send(future.clone()).unwrap());
                    future
                })
                .collect()
        });
        drop(executor);
        for (call, future) in (0..).zip(&futures) {
            // All are done: nothing is waited for.
            match future.result_timeout(Duration::ZERO) {
                Ok(result) => assert_eq!((*result, stage.begun(call)), (call, 1)),
                Err(FutureError::Cancelled) => {
                    assert_eq!(stage.begun(call), 0, "{call} was cancelled");
                    cancelled += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        ran += stage.all_begun().iter().sum::<u64>();
        assert_eq!(called_back.load(Ordering::SeqCst), CALLS);
    }
    println!("{cancelled} cancelled, {ran} ran");
}

/// Makes tests of cancelling: see [`on_executors!`](crate::on_executors).
#[macro_export]
macro_rules! test_cancelling {
    ($($executors:tt)*) => {
        $crate::on_executors!([
            cancelled_never_ran_and_the_others_ran_once,
        ] cancelling $($executors)*);
    };
}
