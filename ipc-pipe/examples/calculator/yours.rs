//! Exercise: a calculator in a process of its own, behind a pipe of both directions. Write
//! `calculate` and `ask`, here: one for each end of the pipe.
//!
//! The calculator answers one question after another until no more can come, and then ends with
//! exit code 0. A question that has no result, such as `1 / 0`, has an answer all the same. And if
//! the calculator is killed, before a question or in the middle of it, a new one takes over and is
//! asked again: the user at the keyboard sees no error. `evaluate` and `Calculator::start` are in
//! `main.rs`. Type `6 / 2`, `kill -9` the calculator in another terminal, and type `crash 2`: that
//! question kills the first two calculators.
//!
//! 练习：独立进程里的计算器，用双向管道相连。要写的是下面的 `calculate` 和 `ask`，管道两端各一个。
//!
//! 计算器一个接一个地回答问题，直到再也不会有人提问，然后以退出码 0 结束。没有结果的问题，例如
//! `1 / 0`，也要有回答。如果计算器被杀死，不论是在提问之前，还是正在算的时候，都由一个新的来接
//! 替，再问一遍：坐在键盘前的人看不到任何错误。`evaluate` 和 `Calculator::start` 在 `main.rs` 里。
//! 先输入 `6 / 2`，在另一个终端里用 `kill -9` 杀死计算器，再输入 `crash 2`：这个问题会让前两个计算
//! 器死去。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p ipc-pipe --example calculator
//! # See whether it is done. 检查是否完成：
//! cargo build -p ipc-pipe --examples &&
//!     cargo test -p ipc-pipe --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p ipc-pipe --example calculator -- --solution
//! ```

use multiprocess::{Connection, Failure};

use crate::{Answer, Calculator, evaluate};

/// Runs in the child, the calculator of this number: answers questions as long as any can come.
pub(crate) fn calculate(
    (number, parent): (i64, Connection<Answer, String>),
) -> Result<(), Failure> {
    // Yours to write, in place of these two lines.
    let _ = (number, parent, evaluate);
    Err(Failure::new("not written yet"))
}

/// Asks until there is an answer: a new calculator, if the old one has died.
pub(crate) fn ask(calculator: &mut Calculator, question: &String) -> Result<Answer, Failure> {
    // Yours to write, too.
    let _ = (calculator, question);
    Err(Failure::new("not written yet"))
}
