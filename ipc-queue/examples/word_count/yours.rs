//! Exercise: three processes count the words of a file, and the total is right although some of
//! them die. Write `count`, which runs in each of them, and `count_all`, which runs in their
//! parent, here.
//!
//! Each takes lines from a queue and puts their counts into another. As many as the command line
//! says die in the middle of a line; the queue goes on, but that line is lost. `join` returns when
//! each line is done or lost; have the lost ones counted again. None may be counted twice. If all
//! three die, the program ends with an error, and doesn't wait for ever. `words`, in `main.rs`,
//! counts the words of a line. Compare with `wc -w`.
//!
//! 练习：三个进程统计一个文件的单词数，即使有的中途死去，总数也要正确。要写的是下面的 `count` 和
//! `count_all`：前者在每个统计进程里运行，后者在父进程里运行。
//!
//! 每个进程从一个队列里取出各行，把单词数放进另一个队列。其中会有几个在统计某一行的中途死去，个数
//! 由命令行指定；队列照常工作，但那一行就丢失了。每一行都已完成或者丢失之后，`join` 才返
//! 回；请让丢失的行重新统计，但不能重复计算。如果三个都死了，程序应当报错结束，而不是永远等下去。
//! `main.rs` 里的 `words` 统计一行的单词数。结果可以和 `wc -w` 对比。
//!
//! ```console
//! # Run it. 运行：
//! cargo run -p ipc-queue --example word_count -- ipc-queue/README.md 2
//! # See whether it is done. 检查是否完成：
//! cargo build -p ipc-queue --examples &&
//!     cargo test -p ipc-queue --test exercise -- --ignored
//! # See the solution run. 看解答运行：
//! cargo run -p ipc-queue --example word_count -- --solution ipc-queue/README.md 2
//! ```

use multiprocess::{Failure, Queue};

use crate::{Count, Line, words};

/// Runs in each of the counters: takes lines and counts their words.
pub(crate) fn count(
    (work, counts, fate): (Queue<Line>, Queue<Count>, Queue<()>),
) -> Result<(), Failure> {
    // Yours to write, in place of these two lines.
    let _ = (work, counts, fate, words);
    Err(Failure::new("not written yet"))
}

/// Has the lines counted; a line whose counter has died is put again. Returns the number of words.
pub(crate) fn count_all(
    lines: &[Line],
    work: &Queue<Line>,
    counts: &Queue<Count>,
) -> Result<usize, Failure> {
    // Yours to write, too.
    let _ = (lines, work, counts);
    Err(Failure::new("not written yet"))
}
