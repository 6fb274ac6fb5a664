//! Tasks done by one worker up to four for each core, on threads and on processes: how many are
//! enough depends on how much of its time a task waits. `sweep.rs` measures.
//!
//! ```python
//! for n in range(1, 4 * os.cpu_count() + 1):
//!     with ProcessPoolExecutor(n) as executor:      # and ThreadPoolExecutor(n)
//!         start = time.perf_counter()
//!         list(executor.map(task, tasks))
//!         print(n, alone / (time.perf_counter() - start))
//! ```

use common::narrator::varying_figure;
use common::time::show;
use common::{check, note, say, text};
use multiprocess::Failure;

use crate::sweep::Sweep;

/// The part of its time that a task waits, for each kind: it only computes, does both, or mostly
/// waits.
const WAITING: [f64; 3] = [0.0, 0.5, 0.75];

pub(crate) fn main() -> Result<(), Failure> {
    let kinds = [text!("CPU-bound"), text!("half-and-half"), text!("I/O-bound")];
    let sweep = Sweep::new(kinds, WAITING);
    let build = if cfg!(debug_assertions) { text!("debug build") } else { text!("release build") };
    let time = show(Sweep::task_time());
    note!("N = {} cores; {} tasks of {} of each kind; {}", sweep.cores, sweep.count, time, build);
    say!("does the tasks by itself, and has n workers do them");
    let measured = sweep.measure()?;
    check!(measured.is_right, "every run has the same results as the plain program");
    for (kind, time) in sweep.kinds.iter().zip(&measured.alone) {
        note!("by itself, {}: {}", kind, time);
    }
    note!("speedup by n {}", text!("threads"));
    varying_figure(sweep.table(&measured.threads));
    note!("speedup by n {}", text!("processes"));
    varying_figure(sweep.table(&measured.processes));
    note!("enough: the fewest with 90% of the best speedup; rule: N·(1 + wait/compute)");
    Ok(())
}
