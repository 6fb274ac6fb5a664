//! Four tasks on three workers: the fourth waits until one of the others has ended.
//!
//! ```python
//! def task(name):
//!     print("begins", name); time.sleep(random.uniform(1, 3)); print("ends", name)
//! pool = Pool(3)
//! for name in "ABCD":
//!     pool.apply_async(task, (name,))
//! pool.close(); pool.join()
//! print("all done")
//! ```

use common::pretend::work;
use common::time::clock;
use common::{check, say};
use multiprocess::{Failure, Pool, tasks};
use rand::RngExt;

use super::done::{Done, by_worker};

tasks![task];

pub(crate) fn main() -> Result<(), Failure> {
    let pool = Pool::new(3)?;
    say!("gives four tasks to three workers, and doesn't wait");
    let mut results = Vec::new();
    for name in "ABCD".chars() {
        results.push(pool.apply_async(task, name)?);
    }
    say!("closes the pool and joins it");
    pool.close();
    pool.join()?;
    let mut done = results.iter().map(|result| result.get()).collect::<Result<Vec<_>, _>>()?;
    check!(done.len() == 4, "all four are done");

    common::narrator::varying_figure(by_worker(&done));
    done.sort_unstable_by_key(|task| task.time.0);
    let first_end = done.iter().map(|task| task.time.1).min();
    check!(first_end <= Some(done[3].time.0), "the last began only after another had ended");
    Ok(())
}

/// Runs in a worker.
fn task(name: char) -> Done {
    let begin = clock();
    say!("begins {}", name);
    work(rand::rng().random_range(1.0..=3.0));
    say!("ends {}", name);
    Done::since(begin, name)
}
