//! The solution of the exercise in `yours.rs`.

use multiprocess::Failure;
use multiprocess::shared::LockError;

use crate::{PHILOSOPHERS, Table};

pub(crate) fn dine(table: &Table, number: usize) -> Result<(), Failure> {
    // With four at the table, one of them always gets a second fork.
    let _chair = table.chairs.acquire()?;
    // A dead philosopher's fork is as good as any.
    let left = table.take(number - 1).unwrap_or_else(LockError::recover);
    let right = table.take(number % PHILOSOPHERS).unwrap_or_else(LockError::recover);
    table.eat(number, [&left, &right])
}
