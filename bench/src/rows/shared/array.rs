//! Numbers that two write, half each.

use common::measure::Budget;
use common::measure::harness::in_process;
use multiprocess::shared::Array;
use multiprocess::{Failure, Sender, tasks};

use super::pair::{Start, Steps, both, check, here, rate};

tasks![fill::<(Array<f64>, usize)>];

/// The numbers that each of two writes.
const HALF: usize = 1 << 19;

/// A half of the numbers, which one of two writes.
trait Half {
    fn write<R>(&mut self, write: impl FnOnce(&mut [f64]) -> R) -> Result<R, Failure>;
}

/// A part of an array, by its number.
impl Half for (Array<f64>, usize) {
    fn write<R>(&mut self, write: impl FnOnce(&mut [f64]) -> R) -> Result<R, Failure> {
        Ok(write(&mut self.0.lock(self.1)?))
    }
}

impl Half for &mut [f64] {
    fn write<R>(&mut self, write: impl FnOnce(&mut [f64]) -> R) -> Result<R, Failure> {
        Ok(write(self))
    }
}

/// Runs in each of two processes or threads: fills its half with multiples of an index. The half's
/// second number is how often it was filled, because the index begins with 0 and 1.
fn fill<H: Half>(
    ((mut half, start), mut steps): ((H, Start), Sender<Steps>),
) -> Result<(), Failure> {
    let index: Vec<f64> = (0..HALF).map(|number| number as f64).collect();
    let mut fill = || {
        half.write(|half| {
            let times = half[1] + 1.0;
            half.iter_mut().zip(&index).for_each(|(to, number)| *to = number * times);
        })
    };
    // The pages are there before the time begins.
    fill()?;
    Ok(steps.send(&start.steps(1, fill)?)?)
}

/// Checks that a half was filled as often as it was counted.
fn filled(half: &[f64], steps: &Steps) -> Result<(), Failure> {
    let times = steps.count as f64 + 1.0;
    check(half.iter().zip(0..).all(|(number, index)| *number == f64::from(index) * times))
}

pub(super) fn of_processes(budget: &Budget) -> Result<f64, Failure> {
    let array = Array::in_parts(2 * HALF, 2)?;
    let halves = [0, 1].map(|part| (array.clone(), part));
    let steps = both(budget, halves.clone(), |half| in_process(budget, fill, half))?;
    for (mut half, steps) in halves.into_iter().zip(&steps) {
        half.write(|half| filled(half, steps))??;
    }
    Ok(HALF as f64 * rate(&steps))
}

pub(super) fn of_threads(budget: &Budget) -> Result<f64, Failure> {
    let mut numbers = vec![0.0; 2 * HALF];
    let (first, second) = numbers.split_at_mut(HALF);
    let steps = both(budget, [first, second], |half| here(fill, half))?;
    numbers.chunks(HALF).zip(&steps).try_for_each(|(half, steps)| filled(half, steps))?;
    Ok(HALF as f64 * rate(&steps))
}
