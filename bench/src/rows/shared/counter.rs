//! Two that count: under a lock, or by updates of a value.

use std::sync::atomic::Ordering;

use common::measure::Budget;
use common::measure::harness::in_process;
use multiprocess::shared::{Lock, Value, Words};
use multiprocess::{Failure, Sender, tasks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lock::Mutual;
use super::pair::{BATCH, Start, Steps, both, check, count_of, here, rate};
use crate::sys::PthreadMutex;

tasks![
    count::<Guarded<Lock>>,
    count::<Guarded<PthreadMutex<true>>>,
    count::<Guarded<PthreadMutex<false>>>,
    count::<Value<u64>>,
];

/// A number to which two add.
pub(super) trait Counter: Clone + Send + Sized {
    fn new() -> Result<Self, Failure>;
    fn add_one(&self) -> Result<(), Failure>;
    fn total(&self) -> u64;
}

impl Counter for Value<u64> {
    fn new() -> Result<Self, Failure> {
        Ok(Self::new(0)?)
    }

    fn add_one(&self) -> Result<(), Failure> {
        self.update(|number| *number += 1);
        Ok(())
    }

    fn total(&self) -> u64 {
        self.get()
    }
}

/// A lock, and a number that only its holder changes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Guarded<L> {
    lock: L,
    number: Words,
}

impl<L: Mutual> Counter for Guarded<L> {
    fn new() -> Result<Self, Failure> {
        Ok(Self { lock: L::new()?, number: Words::new(1)? })
    }

    fn add_one(&self) -> Result<(), Failure> {
        let number = &self.number[0];
        self.lock.with(|| number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed))
    }

    fn total(&self) -> u64 {
        self.number[0].load(Ordering::Relaxed)
    }
}

/// Runs in each of two processes or threads.
fn count<C: Counter>(
    ((counter, start), mut steps): ((C, Start), Sender<Steps>),
) -> Result<(), Failure> {
    Ok(steps.send(&start.steps(BATCH, || counter.add_one())?)?)
}

fn counted<C: Counter>(
    budget: &Budget,
    run: impl Fn((C, Start)) -> Result<Steps, Failure> + Sync,
) -> Result<f64, Failure> {
    let counter = C::new()?;
    let steps = both(budget, [counter.clone(), counter.clone()], run)?;
    check(counter.total() == count_of(&steps))?;
    Ok(rate(&steps))
}

pub(super) fn in_processes<C>(budget: &Budget) -> Result<f64, Failure>
where
    C: Counter + Serialize + DeserializeOwned + 'static,
{
    counted(budget, |arguments| in_process(budget, count::<C>, arguments))
}

pub(super) fn in_threads<C: Counter>(budget: &Budget) -> Result<f64, Failure> {
    counted(budget, |arguments| here(count::<C>, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock under which nothing is done.
    #[derive(Clone)]
    struct Idle;

    impl Mutual for Idle {
        fn new() -> Result<Self, Failure> {
            Ok(Self)
        }

        fn with(&self, _work: impl FnOnce()) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn what_is_not_counted_is_no_figure() {
        let _deadline = testing::Deadline::seconds(60);
        assert!(in_threads::<Guarded<Idle>>(&Budget::of(0.001)).is_err());
    }
}
