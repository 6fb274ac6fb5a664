//! Steps of one process, with a lock, a value, a semaphore of its own.

use std::hint::black_box;

use common::measure::Budget;
use multiprocess::Failure;
use multiprocess::shared::{Semaphore, Value};

use super::counter::Counter;
use super::lock::Mutual;
use super::pair::BATCH;
use crate::rows::seconds_each;

/// Measures a step of one process.
pub(super) fn alone(
    budget: &Budget,
    mut step: impl FnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let batch = || (0..BATCH).try_for_each(|_| step());
    Ok(seconds_each(budget.seconds, 1, batch)? / f64::from(BATCH))
}

pub(super) fn lock_alone<L: Mutual>(budget: &Budget) -> Result<f64, Failure> {
    let lock = L::new()?;
    alone(budget, || lock.with(|| ()))
}

pub(super) fn update_alone(budget: &Budget) -> Result<f64, Failure> {
    let value = Value::new(0_u64)?;
    alone(budget, || value.add_one())
}

pub(super) fn get_alone(budget: &Budget) -> Result<f64, Failure> {
    let value = Value::new(7_u64)?;
    alone(budget, || {
        black_box(value.get());
        Ok(())
    })
}

pub(super) fn acquire_alone(budget: &Budget) -> Result<f64, Failure> {
    let semaphore = Semaphore::new(3)?;
    alone(budget, || {
        let _permit = semaphore.acquire()?;
        Ok(())
    })
}
