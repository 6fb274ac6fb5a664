//! Exercise: a pool of carrier pigeons, not all of which arrive. Write `carry`, here.
//!
//! The command line says for each letter how many pigeons it costs: `0 2 5` are three letters, the
//! first arrives by the first attempt, the second by the third. A pigeon that is lost is a worker
//! that dies in its task, which is `fly`, in `main.rs`. Have the lost letters, and only these,
//! carried again, all of them at the same time, in three attempts at most; a letter that costs more
//! is given up with the last error.
//!
//! 练习：由信鸽组成的进程池，但不是每只信鸽都能送到。要写的是下面的 `carry`。
//!
//! 命令行说明每封信要损失几只信鸽：`0 2 5` 是三封信，第一封第一次就送到，第二封第三次才送到。一
//! 只信鸽丢了，就是一个工作进程在任务中死去；任务就是 `main.rs` 里的 `fly`。请让丢失的信再送一次，
//! 而且只送这些，丢失的信同时送，每封最多送三次；三次都没送到的就放弃，并给出最后一次的错误。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p pools --example pigeons -- 0 2 5
//! # See whether it is done. 检查是否完成：
//! cargo build -p pools --examples &&
//!     cargo test -p pools --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p pools --example pigeons -- --solution 0 2 5
//! ```

use multiprocess::pool::TaskError;
use multiprocess::{Failure, Pool};

use crate::{ATTEMPTS, fly};

/// Has the letters carried, each by up to so many attempts. Returns what became of each: by which
/// attempt it has arrived, or the error of the last.
pub(crate) fn carry(pool: &Pool, costs: &[u32]) -> Result<Vec<Result<u32, TaskError>>, Failure> {
    // Yours to write, in place of these two lines.
    let _ = (pool, costs, ATTEMPTS, fly);
    Err(Failure::new("not written yet"))
}
