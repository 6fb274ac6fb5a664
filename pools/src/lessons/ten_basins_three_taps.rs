//! Ten tasks on three workers: never more than three at a time, and two workers idle at the end.
//!
//! ```python
//! pool = Pool(3)
//! for basin in "ABCDEFGHIJ":
//!     pool.apply_async(fill, (basin,))
//! pool.close(); pool.join()
//! ```

use common::pretend::{pace, work};
use common::time::{clock, show};
use common::{check, note, say};
use multiprocess::{Failure, Pool, tasks};

use super::done::{Done, by_worker, most_at_once};

const TAPS: usize = 3;
const BASINS: &str = "ABCDEFGHIJ";

tasks![fill];

pub(crate) fn main() -> Result<(), Failure> {
    let pool = Pool::new(TAPS)?;
    say!("brings ten basins, A to J, to a pool that has three taps");
    let mut basins = Vec::new();
    for basin in BASINS.chars() {
        basins.push(pool.apply_async(fill, basin)?);
    }
    pool.close();
    pool.join()?;
    let filled = basins.iter().map(|basin| basin.get()).collect::<Result<Vec<Done>, _>>()?;

    let (begin, end) = by_worker(&filled).whole();
    common::narrator::varying_figure(by_worker(&filled));
    check!(filled.len() == BASINS.len(), "all basins are filled");
    check!(most_at_once(&filled) <= 3, "never more than three were filled at a time");
    check!(end - begin >= pace().real(4.0), "it took at least four turns: three fill only nine");
    let mut ends: Vec<_> = filled.iter().map(|basin| basin.time.1).collect();
    ends.sort_unstable();
    let alone = end - ends[ends.len() - 2];
    note!("it took {}; for the last {} two taps were idle", show(end - begin), show(alone));
    Ok(())
}

/// Runs in a worker: fills a basin.
fn fill(basin: char) -> Done {
    let begin = clock();
    work(1.0);
    Done::since(begin, basin)
}
