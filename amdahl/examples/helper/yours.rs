//! Exercise: a helper comes, for one task only, and does it in half the time. Which shall it be?
//! Write `best_help`, here.
//!
//! The command line has the tasks. Find the one with which the whole is done soonest: not simply
//! the longest, for it may be one that no other waits for; not simply the longest critical one, for
//! with its help another path may become critical. `makespan`, in `main.rs`, says how long the
//! whole takes.
//!
//! 练习：来了一个帮手，但只帮一项任务，能让它所用的时间减半。帮哪一项？要写的是下面的 `best_help`。
//!
//! 命令行里是各项任务。请找出帮哪一项能最早全部完工：不能简单地选最长的，也许根本没有别的任务在等
//! 它；也不能简单地选关键路径上最长的，因为帮了它以后，另一条路径可能变成关键路径。`main.rs` 里的
//! `makespan` 计算全部完工要多久。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p amdahl --example helper -- foundation=5 walls=3:foundation paint=1:walls
//! # See whether it is done. 检查是否完成：
//! cargo build -p amdahl --examples &&
//!     cargo test -p amdahl --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p amdahl --example helper -- --solution foundation=5 walls=3:foundation paint=1:walls
//! ```

use amdahl::Task;
use multiprocess::Failure;

use crate::makespan;

/// Returns the task with which the whole is done soonest if its time is halved, the first if there
/// are several, and how long the whole takes then. `None` if it takes no less.
pub(crate) fn best_help(tasks: &[Task]) -> Result<Option<(String, f64)>, Failure> {
    // Yours to write, in place of these two lines.
    let _ = (tasks, makespan);
    Err(Failure::new("not written yet"))
}
