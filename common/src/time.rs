//! Timing: a [`Stopwatch`], the [`Spread`] of repeated measurements, a [`clock`] that all
//! processes share, and the [`Pace`] at which lessons pretend to work.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{Duration, Instant};

pub use crate::spread::{Quantity, Spread};
use crate::sys;

/// A stopwatch on the monotonic clock. Python: `time.perf_counter` twice.
///
/// ```
/// # use std::time::Duration;
/// let watch = common::time::Stopwatch::start();
/// std::thread::sleep(Duration::from_millis(2));
/// assert!(watch.elapsed() >= Duration::from_millis(2));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a stopwatch. Python: `start = time.perf_counter()`.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start; the stopwatch goes on. Python:
    /// `time.perf_counter() - start`.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Writes a duration in the unit that suits it: `870 ns`, `12.3 µs`, `3.5 ms`, `2.05 s`.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(common::time::show(Duration::from_nanos(12_345)), "12.3 µs");
/// ```
#[must_use]
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds >= 1e-6 {
        format!("{:.1} µs", seconds * 1e6)
    } else {
        format!("{} ns", duration.as_nanos())
    }
}

/// Returns the time since the machine was started. All processes read the same clock, so their
/// times can be compared. Python: `time.monotonic`.
#[must_use]
pub fn clock() -> Duration {
    sys::clock()
}

/// Returns the CPU time that this process has used so far, all its threads together. Python:
/// `time.process_time`.
///
/// ```standalone_crate
/// # use std::time::Duration;
/// use common::time::{Stopwatch, cpu_time};
///
/// let (watch, before) = (Stopwatch::start(), cpu_time());
/// std::thread::sleep(Duration::from_millis(20));
/// assert!(cpu_time() - before < watch.elapsed(), "sleep costs nothing");
/// ```
#[must_use]
pub fn cpu_time() -> Duration {
    sys::cpu_time()
}

/// Returns by how much [`cpu_time`] may be wrong: on Windows the system adds the time of a whole
/// tick of its clock to whoever runs at the end of it.
#[must_use]
pub fn cpu_tick() -> Duration {
    sys::CPU_TICK
}

/// Returns how often the calling thread was taken off its core so far: because it waited, or
/// because it yielded or its time was up. Python: `resource.getrusage(resource.RUSAGE_THREAD)`.
///
/// ```
/// use std::io::ErrorKind;
///
/// match common::time::context_switches() {
///     Ok(before) => {
///         std::thread::sleep(std::time::Duration::from_millis(1));
///         assert!(common::time::context_switches()? > before);
///     }
///     Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`Unsupported`](io::ErrorKind::Unsupported) where the system doesn't count them for each thread,
/// as macOS; otherwise if it doesn't tell.
pub fn context_switches() -> io::Result<u64> {
    sys::context_switches()
}

/// The pace of a lesson: how many tutorial seconds go by in a real second, as `--speed` sets it.
///
/// A child process has the same, see [`pace`](crate::pretend::pace).
///
/// ```
/// # use std::time::Duration;
/// # use common::time::Pace;
/// assert_eq!(Pace::DEFAULT.real(1.0), Duration::from_millis(100));
/// let pace: Pace = "100".parse()?;
/// assert_eq!(pace.real(2.0), Duration::from_millis(20));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// The usual pace: ten times the tutorial's.
    pub const DEFAULT: Self = Self(10.0);

    /// Returns the pace that this text names, if it does.
    pub(crate) fn named(text: &str) -> Option<Self> {
        text.parse().ok().filter(|speed| (0.001..=1e6).contains(speed)).map(Self)
    }

    /// Returns how long this many seconds of the tutorial really take at this pace.
    #[must_use]
    pub fn real(self, tutorial_seconds: f64) -> Duration {
        Duration::try_from_secs_f64(tutorial_seconds / self.0).unwrap_or(Duration::MAX)
    }
}

/// Parses a number from 0.001 (a thousand times slower than the tutorial) to 1,000,000.
impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::named(text).ok_or_else(|| crate::text!("the speed is a number from 0.001 to 1000000"))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_in_the_unit_that_suits_them() {
        let shown = [870, 134_000, 3_460_000, 2_050_000_000].map(Duration::from_nanos).map(show);
        assert_eq!(shown, ["870 ns", "134.0 µs", "3.5 ms", "2.05 s"]);
    }

    #[test]
    fn a_pace_of_ten_makes_a_second_a_tenth() {
        assert_eq!(Pace::DEFAULT.real(2.0), Duration::from_millis(200));
        assert_eq!("1".parse::<Pace>().unwrap().real(2.0), Duration::from_secs(2));
    }

    #[test]
    fn a_pace_that_never_ends_or_never_begins_is_refused() {
        for text in ["0", "-1", "inf", "NaN", "fast", "", "1e7"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_clock_goes_forward() {
        let earlier = clock();
        assert!(clock() >= earlier && earlier > Duration::ZERO);
    }
}
