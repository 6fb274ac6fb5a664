//! A counter in a manager.

use serde::{Deserialize, Serialize};

use crate::exposed;
use crate::manager::{CallError, Proxy};

/// A number that processes share, in a manager's server. Python: `Manager().Value("q", 0)`, of
/// which additions aren't lost. Within one program a [`Value`](crate::shared::Value) is a thousand
/// times as fast.
///
/// ```
/// use multiprocess::manager::Manager;
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let manager = Manager::new()?;
/// let counter = manager.counter()?;
/// assert_eq!(counter.add(3)?, 3);
/// assert_eq!(counter.clone().add(-1)?, 2);
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counter(Proxy<Number>);

/// The state, in the server.
pub(crate) struct Number(i64);

exposed![Number::new, Number::add, Number::set];

impl Number {
    pub(crate) fn new((): ()) -> Self {
        Self(0)
    }

    fn add(&mut self, more: i64) -> i64 {
        self.0 = self.0.wrapping_add(more);
        self.0
    }

    fn set(&mut self, number: i64) -> i64 {
        std::mem::replace(&mut self.0, number)
    }
}

impl Counter {
    pub(crate) fn of(proxy: Proxy<Number>) -> Self {
        Self(proxy)
    }

    /// Adds to the number, and returns the sum; beyond the largest number it goes on with the
    /// smallest. Python: `v.value += more`.
    ///
    /// # Errors
    /// [`CallError`], as all methods.
    pub fn add(&self, more: i64) -> Result<i64, CallError> {
        self.0.call(Number::add, more)
    }

    /// Returns the number. Python: `v.value`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn get(&self) -> Result<i64, CallError> {
        self.add(0)
    }

    /// Sets the number, and returns the one before. Python: `v.value = number`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn set(&self, number: i64) -> Result<i64, CallError> {
        self.0.call(Number::set, number)
    }
}
