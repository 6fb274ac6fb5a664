//! Exercise: a count of words. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：统计单词。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::{env, fs};

use common::text;
use multiprocess::{Failure, Process, Queue, tasks};

const COUNTERS: usize = 3;

/// A line, and its number from 0.
type Line = (usize, String);
/// The number of a line, and how many words it has.
type Count = (usize, usize);

tasks![count];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let count_all = if is_solution() { solution::count_all } else { yours::count_all };
        let arguments: Vec<String> = env::args().skip(1 + usize::from(is_solution())).collect();
        let [file, deaths] = &arguments[..] else {
            return Err(Failure::new("say which file, and how many of the counters shall die"));
        };
        let text = fs::read_to_string(file)?;
        let lines: Vec<Line> = text.lines().map(str::to_owned).enumerate().collect();
        let work = Queue::bounded(10)?;
        let counts = Queue::bounded(lines.len() + 1)?;
        let fate = Queue::bounded(COUNTERS)?;
        for _ in 0..deaths.parse()? {
            fate.try_put(())?;
        }
        for _ in 0..COUNTERS {
            let ends = (work.clone(), counts.clone(), fate.clone());
            // Daemonic: they end with this program.
            Process::new(count, ends).daemonic(true).start()?;
        }
        println!("{}", text!("{} words", count_all(&lines, &work, &counts)?));
        Ok(())
    })
}

/// Runs in each of the counters: counts the words of lines.
fn count(queues: (Queue<Line>, Queue<Count>, Queue<()>)) -> Result<(), Failure> {
    if is_solution() { solution::count(queues) } else { yours::count(queues) }
}

/// Returns true where the solution is to run; a child has its parent's command line.
fn is_solution() -> bool {
    env::args().nth(1).is_some_and(|first| first == "--solution")
}

/// Counts the words of a line. A counter that draws a lot from `fate` dies of it.
fn words(line: &str, fate: &Queue<()>) -> usize {
    if fate.try_get().is_ok() {
        std::process::abort();
    }
    line.split_whitespace().count()
}
