//! The smallest, the middle and the largest of several measurements.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use crate::time::{Stopwatch, show};

/// The smallest, the middle and the largest of several measurements: times, or other figures.
///
/// The median is what to compare: one slow run on a busy machine doesn't move it. Python: `min`,
/// `statistics.median`, `max`.
///
/// ```
/// # use std::time::Duration;
/// # use common::time::Spread;
/// let spread = Spread::of([9, 1, 2].map(Duration::from_millis)).expect("there are three");
/// assert_eq!(spread.median, Duration::from_millis(2));
/// assert_eq!(spread.to_string(), "2.0 ms (1.0 ms – 9.0 ms)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "measure", derive(serde::Serialize, serde::Deserialize))]
pub struct Spread<T = Duration> {
    /// The smallest: of times, the fastest run.
    pub min: T,
    /// The middle one: half of them are smaller; of an even number, the mean of the middle two.
    pub median: T,
    /// The largest: of times, the slowest run.
    pub max: T,
}

/// A quantity that has a [`Spread`]: a time or a number.
pub trait Quantity: Copy {
    /// Compares two of them, in an order that is total.
    fn order(&self, other: &Self) -> Ordering;

    /// Returns the mean of two.
    #[must_use]
    fn midpoint(self, other: Self) -> Self;
}

impl Quantity for Duration {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn midpoint(self, other: Self) -> Self {
        (self + other) / 2
    }
}

impl Quantity for f64 {
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }

    fn midpoint(self, other: Self) -> Self {
        Self::midpoint(self, other)
    }
}

impl<T: Quantity> Spread<T> {
    /// Computes the spread of these measurements, in any order; `None` if there are none.
    #[must_use]
    pub fn of(measurements: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut sorted: Vec<T> = measurements.into_iter().collect();
        sorted.sort_unstable_by(T::order);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Self { min, median: lower.midpoint(sorted[middle]), max })
    }

    /// Compares all measurements with all of another spread; `None` if the two ranges overlap: then
    /// no difference is shown.
    ///
    /// ```
    /// # use common::time::Spread;
    /// let spread = |figures: [f64; 3]| Spread::of(figures).expect("there are three");
    /// let first = spread([4.0, 5.0, 6.0]);
    /// assert_eq!(first.difference(&spread([6.0, 7.0, 8.0])), None);
    /// assert_eq!(first.difference(&spread([7.0, 8.0, 9.0])), Some(std::cmp::Ordering::Less));
    /// ```
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Ordering> {
        if self.max.order(&other.min).is_lt() {
            Some(Ordering::Less)
        } else if self.min.order(&other.max).is_gt() {
            Some(Ordering::Greater)
        } else {
            None
        }
    }
}

impl Spread {
    /// Times each of `1 + more` runs of this work, and returns their spread. Python:
    /// `timeit.repeat`.
    pub fn of_repeats(more: usize, mut work: impl FnMut()) -> Self {
        let mut timed = || {
            let watch = Stopwatch::start();
            work();
            watch.elapsed()
        };
        let first = timed();
        let times: Vec<Duration> = (0..more).map(|_| timed()).chain([first]).collect();
        Self::of(times).expect("there is at least the first")
    }
}

/// Writes `median (min – max)`, each in a readable unit.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} – {})", show(self.median), show(self.min), show(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        let spread = Spread::of([ms(9), ms(1), ms(2)]).unwrap();
        assert_eq!(spread, Spread { min: ms(1), median: ms(2), max: ms(9) });
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([ms(4), ms(1), ms(9), ms(2)]).unwrap().median, ms(3));
        assert_eq!(Spread::of([4.0, 1.0, 9.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(Spread::<Duration>::of([]), None);
    }

    #[test]
    fn only_ranges_that_do_not_overlap_show_a_difference() {
        let spread = |min: u64, max: u64| Spread::of([ms(min), ms(max)]).unwrap();
        let first = spread(10, 20);
        let others = [spread(20, 30), spread(12, 13), spread(21, 30), spread(5, 9)];
        assert_eq!(
            others.map(|other| first.difference(&other)),
            [None, None, Some(Ordering::Less), Some(Ordering::Greater)]
        );
    }

    #[test]
    fn repeats_are_counted_and_timed() {
        let mut runs = 0;
        let spread = Spread::of_repeats(4, || {
            runs += 1;
            std::thread::sleep(ms(1));
        });
        assert_eq!(runs, 5);
        assert!(spread.min >= ms(1) && spread.min <= spread.median && spread.median <= spread.max);
    }
}
