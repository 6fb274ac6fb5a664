//! The solution of the exercise in `yours.rs`.

use std::borrow::Borrow;

use multiprocess::Failure;
use multiprocess::futures::{Executor, Future, FutureError, TaskError, as_completed};

use crate::{Part, squares};

/// A part that was submitted. Waited for as its future, it comes back with the part.
struct Attempt {
    part: Part,
    future: Future<Result<u64, Failure>>,
}

impl Borrow<Future<Result<u64, Failure>>> for Attempt {
    fn borrow(&self) -> &Future<Result<u64, Failure>> {
        &self.future
    }
}

pub(crate) fn sum_of_squares(executor: &impl Executor, parts: Vec<Part>) -> Result<u64, Failure> {
    let submit = |part: Part| -> Result<Attempt, Failure> {
        Ok(Attempt { future: executor.submit(squares, part.clone())?, part })
    };
    let mut sum = 0;
    let mut attempts: Vec<_> = parts.into_iter().map(submit).collect::<Result<_, _>>()?;
    for is_last in [false, false, true] {
        let mut again = Vec::new();
        for attempt in as_completed(attempts, None) {
            let Attempt { part, future } = attempt?;
            match future.into_result() {
                Err(FutureError::Task(TaskError::WorkerDied { .. })) if !is_last => {
                    again.push(submit(part)?)
                }
                result => sum += result??,
            }
        }
        attempts = again;
    }
    Ok(sum)
}
