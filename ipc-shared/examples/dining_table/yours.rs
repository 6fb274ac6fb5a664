//! Exercise: five philosophers sit around a table, each a process, with a fork between each two.
//! Write `dine`, one meal of one of them, here.
//!
//! A philosopher needs both forks beside the plate: `table.take` takes one, `table.eat` wants to
//! see two. If each of the five takes the left one first, all of them wait for the right one, and
//! for ever. There is room for four only: `table.chairs` is a semaphore. (Or find an order in which
//! the forks are taken, so that it can't happen.) The command line says how many meals each is to
//! have, and which of them is killed at the third, with two forks in hand; the four others have all
//! of their meals.
//!
//! 练习：五个哲学家围坐在一张桌子旁，每人是一个进程，每两人之间放着一把叉子。要写的是下面的
//! `dine`：其中一个人的一餐。
//!
//! 吃饭要用盘子两边的两把叉子：`table.take` 拿起一把，`table.eat` 要看到两把。如果五个人都先拿左边
//! 的，就都在等右边的，永远等下去。桌边只坐得下四个人：`table.chairs` 是一个信号量。（也可以规定拿
//! 叉子的先后，让这种情形不会发生。）命令行指定每人吃几餐，以及谁在吃第三餐时被杀死，死时手里拿着
//! 两把叉子；另外四个人要把饭都吃完。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p ipc-shared --example dining_table -- 20 3
//! # See whether it is done. 检查是否完成：
//! cargo build -p ipc-shared --examples &&
//!     cargo test -p ipc-shared --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p ipc-shared --example dining_table -- --solution 20 3
//! ```

use multiprocess::Failure;

use crate::{PHILOSOPHERS, Table};

/// Has a philosopher, with a number from 1, take the forks `number - 1` and `number % 5` and eat
/// once.
pub(crate) fn dine(table: &Table, number: usize) -> Result<(), Failure> {
    // Yours to write, in place of these two lines.
    let _ = (Table::take, Table::eat, &table.chairs, number, PHILOSOPHERS);
    Err(Failure::new("not written yet"))
}
