//! Six tasks of a second each: six seconds in sequence, and what six workers make of it.
//!
//! ```python
//! def square(x):
//!     time.sleep(1)
//!     return x * x
//! [square(x) for x in range(1, 7)]           # six seconds
//! with Pool(6) as pool:
//!     pool.map(square, range(1, 7))          # one
//! ```

use common::pretend::{pace, work};
use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::{Failure, Pool, tasks};

tasks![square];

pub(crate) fn main() -> Result<(), Failure> {
    say!("squares 1 to 6 by itself, each in a second of the tutorial");
    let watch = Stopwatch::start();
    let squares: Vec<u64> = (1..=6).map(square).collect();
    let in_sequence = watch.elapsed();
    check!(squares == [1, 4, 9, 16, 25, 36], "it gets 1, 4, 9, 16, 25, 36");
    check!(in_sequence >= pace().real(6.0), "that took at least six of those seconds");
    note!("in sequence it took {}", show(in_sequence));

    say!("starts six workers, and gives them the same numbers by map");
    let watch = Stopwatch::start();
    let pool = Pool::new(6)?;
    let results = pool.map(square, 1..=6)?;
    let in_parallel = watch.elapsed();
    check!(results == squares, "it gets the same, in the same order");
    note!("in parallel it took {}, with the start of the workers", show(in_parallel));
    let speedup = in_sequence.as_secs_f64() / in_parallel.as_secs_f64();
    note!("so it was {} times as fast", format_args!("{speedup:.1}"));
    Ok(())
}

/// Runs in a worker, and in the main process.
fn square(number: u64) -> u64 {
    work(1.0);
    number * number
}
