//! Exercise: several mirrors have the same file; the first one that answers is enough. Write
//! `first_answer`, here: one function, for threads and for processes.
//!
//! The command line has `threads` or `processes`, and the mirrors' addresses. Two of them are asked
//! at a time, by `ask`, in `main.rs`. Some don't answer, some with an error, and one even crashes
//! the worker that asks it. The first true answer is printed at once, while others still hesitate,
//! and mirrors that were not asked yet never are. If no mirror has an answer, the program ends with
//! the error of one.
//!
//! 练习：几个镜像站有同样的文件，有一个回答就够了。要写的是下面的 `first_answer`：线程和进程用的是
//! 同一个函数。
//!
//! 命令行里是 `threads` 或 `processes`，后面是各镜像站的地址。`main.rs` 里的 `ask` 用来询问，每次
//! 同时问两个。有的镜像不回答，有的答以错误，还有一个会让询问它的工作者崩溃。第一个真正的回答要立刻
//! 输出，不等那些迟迟不答的；还没问到的镜像，就再也不问。如果没有一个能回答，程序就以其中一个的错误
//! 结束。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p executors --example mirrors -- threads ADDRESS…
//! # See whether it is done. 检查是否完成：
//! cargo build -p executors --examples &&
//!     cargo test -p executors --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p executors --example mirrors -- --solution threads ADDRESS…
//! ```

use multiprocess::Failure;
use multiprocess::futures::Executor;

use crate::ask;

/// Asks the mirrors, and returns the first answer; an error if none has one. When it returns, no
/// mirror will be asked any more.
pub(crate) fn first_answer(
    executor: &impl Executor,
    mirrors: Vec<String>,
) -> Result<String, Failure> {
    // Yours to write, in place of these two lines.
    let _ = (executor, mirrors, ask);
    Err(Failure::new("not written yet"))
}
