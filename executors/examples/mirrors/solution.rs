//! The solution of the exercise in `yours.rs`.

use multiprocess::Failure;
use multiprocess::futures::{Executor, Future, as_completed};

use crate::ask;

pub(crate) fn first_answer(
    executor: &impl Executor,
    mirrors: Vec<String>,
) -> Result<String, Failure> {
    let futures = mirrors.into_iter().map(|mirror| executor.submit(ask, mirror));
    let futures: Vec<Future<_>> = futures.collect::<Result<_, _>>()?;
    let mut last = Failure::new("there is no mirror");
    for future in as_completed(&futures, None) {
        match future?.result() {
            Ok(Ok(answer)) => {
                for other in &futures {
                    // Too late for those that have begun: they go on, answers unheard.
                    let _ = other.cancel();
                }
                return Ok(answer.clone());
            }
            Ok(Err(failure)) => last = failure.clone(),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}
