//! Exercise: a supervisor, which keeps three workers at work. Write `supervise`, here.
//!
//! Each worker is a process that works until you press Ctrl-D. If a signal kills one, start it
//! again, as often as it takes; if it ends by itself, note its exit code. Any of them may be the
//! first to end: `multiprocess::wait` tells which one. `start`, in `main.rs`, starts a worker.
//! See what happens if you `kill -9` a worker in another terminal.
//!
//! 练习：监督进程，让三个工作进程一直工作。要写的是下面的 `supervise`。
//!
//! 每个工作进程一直工作到按下 Ctrl-D 为止。如果其中一个被信号杀死，就重新启动它，死几次就启动
//! 几次；如果是自己结束的，就记下它的退出码。谁都可能先结束：`multiprocess::wait` 会告诉你是哪
//! 一个。`main.rs` 里的 `start` 用来启动一个工作进程。运行起来之后，在另一个终端里用 `kill -9`
//! 杀死一个，看看会怎样。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p process-basics --example supervisor
//! # See whether it is done. 检查是否完成：
//! cargo build -p process-basics --examples &&
//!     cargo test -p process-basics --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p process-basics --example supervisor -- --solution
//! ```

use multiprocess::{Failure, Waiting};

use crate::{WORKERS, start};

/// Starts the workers, and each one again whenever a signal has killed it. Returns the exit codes
/// when all have ended by themselves.
pub(crate) fn supervise(waiting: &Waiting) -> Result<[i32; WORKERS], Failure> {
    // Yours to write, in place of these two lines.
    let _ = (start, waiting);
    Err(Failure::new("not written yet"))
}
