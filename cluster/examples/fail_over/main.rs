//! Exercise: fail over. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：故障转移。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use cluster::ClusterExecutor;
use cluster::local::LocalCluster;
use common::text;
use multiprocess::{Failure, tasks};
use serde::{Deserialize, Serialize};

/// How many parts the sum has, of a thousand squares each.
const PARTS: u64 = 8;

/// A part of the sum.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) number: u64,
    /// How many of its attempts end in an accident.
    accidents: u64,
    /// File with a byte for each attempt.
    attempts: PathBuf,
}

tasks![squares];

fn main() -> std::process::ExitCode {
    cluster::main(|| -> Result<(), Failure> {
        let mut arguments = env::args().skip(1 + usize::from(is_solution()));
        let folder = arguments.next().ok_or("say a folder, and then the parts with accidents");
        let folder = PathBuf::from(folder.map_err(Failure::new)?);
        let accidents: Vec<u64> = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
        let parts = (0..PARTS).map(|number| Part {
            number,
            accidents: accidents.iter().filter(|part| **part == number).count() as u64,
            attempts: folder.join(number.to_string()),
        });
        let machines = LocalCluster::new(2, 1)?;
        let executor = ClusterExecutor::connect(&machines.address())?;
        executor.wait_for_processes(2, Duration::from_secs(60))?;
        let sum = match is_solution() {
            true => solution::sum_of_squares(&executor, parts.collect())?,
            false => yours::sum_of_squares(&executor, parts.collect())?,
        };
        println!("{}", text!("the sum: {}", sum));
        Ok(())
    })
}

/// Returns true where the solution is to run.
fn is_solution() -> bool {
    env::args().nth(1).is_some_and(|first| first == "--solution")
}

/// Runs in the worker: returns the sum of a part's squares, unless there is an accident.
fn squares(part: Part) -> Result<u64, Failure> {
    let mut file = OpenOptions::new().create(true).append(true).open(&part.attempts)?;
    file.write_all(b".")?;
    if file.metadata()?.len() <= part.accidents {
        std::process::exit(1);
    }
    let first = 1_000 * part.number;
    Ok((first..first + 1_000).map(|number| number * number).sum())
}
